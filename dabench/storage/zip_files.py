"""Open zip files of users only if no name in them leads out of the folder."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from dabench.errors import DataError


def opened_zip(path: Path, who: str) -> zipfile.ZipFile:
    """Open a zip for reading. It is closed with its last reader.

    Raises:
        DataError: the zip does not exist or is damaged, or a name in it is absolute or leads out of its folder.
    """
    if not path.is_file():
        raise DataError(f"{who}: there is no folder or zip at {path}")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as e:
        raise DataError(f"{who}: {path} is not a complete zip ({e}); download it again") from e
    for name in archive.namelist():
        place = PurePosixPath(name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or any(":" in part for part in place.parts[:1]):
            raise DataError(f"{who}: {path} contains {name!r}, a path out of its folder; do not trust it, download it again")
    return archive
