"""The files of a set, below a folder or in a zip."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path, PurePosixPath

from dabench.errors import DataError
from dabench.storage.zip_files import opened_zip

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the others Python unpacks all at once, whatever size a zip states."""

_LARGEST = 200_000_000
"""Bytes of the largest picture file that is read; what is larger, once unpacked, is no picture but an attack or a mistake."""

Picture = tuple[PurePosixPath, Callable[[], bytes]]
"""Where a picture, or another file of its set, lies below the root, and how to read it."""


def files_below(root: Path, who: str) -> list[Path]:
    """Return every file below `root`, by name. Links to folders are followed, but for those back to a folder they lie in.

    Raises:
        DataError: a folder cannot be read, or is reached in two ways.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{who}: folder {error.filename} cannot be read ({error.strerror}); change its permissions") from error

    found: list[Path] = []
    seen: dict[str, str] = {}
    for folder, below, names in os.walk(root, onerror=refuse, followlinks=True):
        below.sort()
        first = seen.setdefault(os.path.realpath(folder), folder)
        if first != folder:
            below.clear()
            if not Path(folder).is_relative_to(first):
                raise DataError(f"{who}: {folder} and {first} are one folder, and its files would count twice; remove the link")
            continue
        try:
            found += [path for name in names if (path := Path(folder, name)).is_file()]
        except PermissionError as e:  # it may be listed, but not entered
            refuse(PermissionError(e.errno, e.strerror, folder))
    return sorted(found)


def pictures_in(root: Path, who: str) -> list[Picture]:
    """Return the pictures of a folder or zip, by name; of a zip, without the one folder that may be around everything.

    Raises:
        DataError: there is no such folder or zip, or it cannot be read, or it holds what must not be in a zip.
    """
    found = files_in(root, who, SUFFIXES)
    # One folder around everything is no split and no class.
    wrapped = root.is_file() and len({p.parts[0] for p, _ in found}) == 1 and min(len(p.parts) for p, _ in found) > 2
    return [(PurePosixPath(*p.parts[wrapped:]), read) for p, read in found]


def files_in(root: Path, who: str, suffixes: Collection[str]) -> list[Picture]:
    """Return the files of a folder or zip whose names end so (".csv"), by name; what is no file of the set is not there.

    Raises:
        DataError: there is no such folder or zip, or it cannot be read, or it holds what must not be in a zip.
    """
    if root.is_dir():
        files = [p for p in files_below(root, who) if p.suffix.lower() in suffixes]
        for path in files:
            _check_size(path.stat().st_size, f"{who}: {path}")
        return [(PurePosixPath(p.relative_to(root).as_posix()), p.read_bytes) for p in files]
    archive = opened_zip(root, who)
    infos: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.is_dir() or "__MACOSX" in info.filename or PurePosixPath(info.filename).suffix.lower() not in suffixes:
            continue
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if place in infos:
            raise DataError(f"{who}: {root}/{place} stands twice in the zip; pack it anew with one of them")
        if info.compress_type not in _COMPRESSIONS:
            raise DataError(f"{who}: {root}/{place} is compressed by another method than deflate; pack the zip anew")
        _check_size(info.file_size, f"{who}: {root}/{place}")
        infos[place] = info
    return [(place, partial(_unpacked, archive, infos[place])) for place in sorted(infos)]


def _check_size(size: int, place: str) -> None:
    if size > _LARGEST:
        raise DataError(f"{place} has {size:,} bytes, more than the {_LARGEST:,} that a picture may have; remove it")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as f:
        return f.read(info.file_size)  # and no more, whatever is packed there: read() without a number unpacks all of it
