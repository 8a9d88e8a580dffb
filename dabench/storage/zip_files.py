"""Zip files of users, opened only where no name in them leaves the folder."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from dabench.errors import DataError


def opened_zip(path: Path, who: str) -> zipfile.ZipFile:
    """Return a zip, open for reading; it closes with the last reader of it.

    Raises:
        DataError: there is none, it is damaged, or a name in it is absolute or leaves its folder.
    """
    if not path.is_file():
        raise DataError(f"{who}: there is no folder or zip at {path}")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as e:
        raise DataError(f"{who}: {path} is no complete zip ({e}); get it again") from e
    for name in archive.namelist():
        place = PurePosixPath(name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or any(":" in part for part in place.parts[:1]):
            raise DataError(f"{who}: {path} holds {name!r}, a name that leaves its folder; do not trust it, get the set again")
    return archive
