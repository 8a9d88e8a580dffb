"""Picture files in a folder or a zip: found, looked at for what cannot be, and read one after another.

Nothing is unpacked onto the disk. What a zip says of itself is not trusted: a name that leaves the folder, or a picture that
would fill the memory, is an error before anything of it is read. Nor is a picture dropped silently: what stands twice, in a zip
or by links, is an error, too.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.data.decoding import decoded
from dabench.data.lazy import LazyImages
from dabench.data.resize import fitted
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
        if not _is_one_of(info, suffixes):
            continue
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if place in infos:
            raise DataError(f"{who}: {root}/{place} stands twice in the zip; pack it anew with one of them")
        if info.compress_type not in _COMPRESSIONS:
            raise DataError(f"{who}: {root}/{place} is compressed by another method than deflate; pack the zip anew")
        _check_size(info.file_size, f"{who}: {root}/{place}")
        infos[place] = info
    return [(place, partial(_unpacked, archive, infos[place])) for place in sorted(infos)]


def _is_one_of(info: zipfile.ZipInfo, suffixes: Collection[str]) -> bool:
    return PurePosixPath(info.filename).suffix.lower() in suffixes and "__MACOSX" not in info.filename and not info.is_dir()


def _check_size(size: int, place: str) -> None:
    if size > _LARGEST:
        raise DataError(f"{place} has {size:,} bytes, more than the {_LARGEST:,} that a picture may have; remove it")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as f:
        return f.read(info.file_size)  # and no more, whatever is packed there: read() without a number unpacks all of it


def lazy_pictures(found: Sequence[Picture], root: Path, who: str, channels: int | None, size: int | None) -> LazyImages:
    """Return the pictures as images that are read when asked for.

    Args:
        root: where they are from, for messages.
        channels: 1 or 3; None: as the first readable picture has, and no colours may be lost by it.
        size: side of the square they are resized to; None: all must have the size of the first readable one.

    Raises:
        DataError: now, if no file is a readable picture; when read, if that one is none, has another size, or has colours where
            the first has none.
    """
    first = _first(found, root, who)
    grey = not channels and first.mode == "L"
    channels = channels or (1 if grey else 3)
    height, width = (size, size) if size else (first.height, first.width)

    def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = np.empty((len(at), channels, height, width), np.uint8)
        wanted = [found[i] for i in at.tolist()]
        for row, picture in enumerate(_opened(wanted, root, who)):
            if not size and (picture.height, picture.width) != (height, width):
                raise DataError(
                    f"{who}: {root}/{wanted[row][0]} is {picture.width}x{picture.height}, others are {width}x{height}; "
                    f"set size = {min(height, width)} to resize them all"
                )
            if grey and _has_colours(picture):
                raise DataError(
                    f"{who}: {root}/{wanted[row][0]} is in colour, others are grey; set channels = 3 to keep the colours, or 1"
                )
            images[row] = fitted(picture, channels, size)
        return images

    return LazyImages((len(found), channels, height, width), read)


def _first(found: Sequence[Picture], root: Path, who: str) -> Image.Image:
    """Return the first readable picture, so that a damaged file does not hide what the others are; raise its error if all are."""
    for picture in found:
        with contextlib.suppress(DataError):
            return next(_opened([picture], root, who))
    return next(_opened(found, root, who))


def _has_colours(picture: Image.Image) -> bool:
    pixels = np.asarray(picture)
    return pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())


def _opened(found: Sequence[Picture], root: Path, who: str) -> Iterator[Image.Image]:
    for path, read in found:
        try:
            picture = decoded(read())
        except Exception as e:  # a zip and each of its compressions have errors of their own
            raise DataError(f"{who}: {root}/{path} is no readable picture ({e}); remove or replace it") from e
        yield picture
