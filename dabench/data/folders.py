"""List the files of a dataset in a folder or in a zip."""

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
"""Python unpacks other compressions all at once, regardless of the size that the zip states."""

_LARGEST = 200_000_000
"""Bytes of the largest image file that is read. A larger unpacked file is not an image but an attack or a mistake."""

Picture = tuple[PurePosixPath, Callable[[], bytes]]
"""The path of an image (or another file) below the root, and a function that returns its bytes."""


def files_below(root: Path, who: str) -> list[Path]:
    """Return every file below `root`, sorted. Links to folders are followed, except links to a folder that contains them.

    Raises:
        DataError: a folder cannot be read, or is reached by two paths.
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
                raise DataError(f"{who}: {folder} and {first} are the same folder; its files would count twice; remove the link")
            continue
        try:
            found += [path for name in names if (path := Path(folder, name)).is_file()]
        except PermissionError as e:  # the folder can be listed, but its files cannot be accessed
            refuse(PermissionError(e.errno, e.strerror, folder))
    return sorted(found)


def pictures_in(root: Path, who: str) -> list[Picture]:
    """Return the images of a folder or zip, sorted by path. A single folder around everything in a zip is left out of the paths.

    Raises:
        DataError: the folder or zip does not exist or cannot be read, or the zip is not safe to read.
    """
    found = files_in(root, who, SUFFIXES)
    # A single folder around everything is neither a split nor a class.
    wrapped = root.is_file() and len({p.parts[0] for p, _ in found}) == 1 and min(len(p.parts) for p, _ in found) > 2
    return [(PurePosixPath(*p.parts[wrapped:]), read) for p, read in found]


def files_in(root: Path, who: str, suffixes: Collection[str]) -> list[Picture]:
    """Return the files of a folder or zip with one of these suffixes (".csv"), sorted by path; other files are ignored.

    Raises:
        DataError: the folder or zip does not exist or cannot be read, or the zip is not safe to read.
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
            raise DataError(f"{who}: {root}/{place} is in the zip twice; create the zip again with one of them")
        if info.compress_type not in _COMPRESSIONS:
            raise DataError(f"{who}: {root}/{place} is not compressed with deflate; create the zip again with deflate")
        _check_size(info.file_size, f"{who}: {root}/{place}")
        infos[place] = info
    return [(place, partial(_unpacked, archive, infos[place])) for place in sorted(infos)]


def _check_size(size: int, place: str) -> None:
    if size > _LARGEST:
        raise DataError(f"{place} has {size:,} bytes; an image may have at most {_LARGEST:,}; remove it")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as f:
        return f.read(info.file_size)  # read() without a number would unpack everything, even beyond the stated size
