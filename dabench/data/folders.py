"""List the files of a dataset in a folder or in a zip, without those that operating systems and tools leave behind."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from dabench.errors import DataError
from dabench.storage.zip_files import opened_zip

SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".avif",
}  # fmt: skip
"""Suffixes of images that are read. A file with another suffix is an image if it begins like one."""

OTHER_PICTURES = {
    ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".psd", ".svg", ".tga", ".pcx", ".ico", ".eps", ".exr", ".hdr", ".raw", ".dng",
    ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
}  # fmt: skip
"""Suffixes of images that are not read."""

_LEFTOVERS = {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir"}
"""Files and folders of macOS, Windows and network drives, in lower case."""

_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Python unpacks other compressions all at once, regardless of the size that the zip states."""

_LARGEST = 200_000_000
"""Bytes of the largest image file that is read. A larger unpacked file is not an image but an attack or a mistake."""

Picture = tuple[PurePosixPath, Callable[[], bytes]]
"""The path of an image (or another file) below the root, and a function that returns its bytes."""


def is_leftover(name: str) -> bool:
    """Whether a file or folder is never data: its name begins with a dot, or an operating system made it."""
    return name.startswith(".") or name.lower() in _LEFTOVERS


def files_below(root: Path, who: str) -> list[Path]:
    """Return every file below `root`, sorted, without leftovers such as .DS_Store, ._1.png and .ipynb_checkpoints/.

    Links to folders are followed, except links to a folder that contains them.

    Raises:
        DataError: a folder cannot be read, or is reached by two paths.
    """
    found: list[Path] = []
    for folder, names in _folders_below(root, who):
        try:
            found += [path for name in names if (path := folder / name).is_file()]
        except PermissionError as e:  # the folder can be listed, but its files cannot be accessed
            raise _closed(folder, e, who) from e
    return sorted(found)


def folders_in(root: Path, who: str) -> dict[PurePosixPath, list[str]]:
    """Return each folder of a folder or zip, relative to it, with the names of the files in it, without leftovers.

    Raises:
        DataError: as `files_in`.
    """
    if root.is_dir():
        return {PurePosixPath(f.relative_to(root).as_posix()): sorted(names) for f, names in _folders_below(root, who)}
    found: dict[PurePosixPath, list[str]] = {}
    for info in opened_zip(root, who).infolist():
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if any(is_leftover(part) for part in place.parts):
            continue
        for folder in place.parents:
            found.setdefault(folder, [])
        if info.is_dir():
            found.setdefault(place, [])
        else:
            found[place.parent].append(place.name)
    return found


def _folders_below(root: Path, who: str) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder from `root` on, and the names in it that are no folders and no leftovers."""

    def refuse(error: OSError) -> None:
        raise _closed(Path(error.filename), error, who) from error

    seen: dict[str, str] = {}
    for folder, below, names in os.walk(root, onerror=refuse, followlinks=True):
        below[:] = sorted(name for name in below if not is_leftover(name))
        first = seen.setdefault(os.path.realpath(folder), folder)
        if first == folder:
            yield Path(folder), [name for name in names if not is_leftover(name)]
            continue
        below.clear()
        if not Path(folder).is_relative_to(first):
            raise DataError(f"{who}: {folder} and {first} are the same folder; its files would count twice; remove the link")


def _closed(folder: Path, error: OSError, who: str) -> DataError:
    return DataError(f"{who}: folder {folder} cannot be read ({error.strerror}); change its permissions")


def pictures_in(root: Path, who: str) -> list[Picture]:
    """Return the images of a folder or zip, sorted by path. A single folder around everything in a zip is left out of the paths.

    A file is an image if its suffix is one of `SUFFIXES`, or if it begins like an image.

    Raises:
        DataError: the folder or zip does not exist or cannot be read, or the zip is not safe to read.
    """
    found = picture_files(root, who, SUFFIXES)
    # A single folder around everything is neither a split nor a class.
    wrapped = root.is_file() and len({p.parts[0] for p, _ in found}) == 1 and min(len(p.parts) for p, _ in found) > 2
    return [(PurePosixPath(*p.parts[wrapped:]), read) for p, read in found]


def picture_files(root: Path, who: str, suffixes: Collection[str] = SUFFIXES | OTHER_PICTURES) -> list[Picture]:
    """Return the files of a folder or zip with one of these suffixes, and those that begin like an image, sorted by path.

    Raises:
        DataError: as `files_in`.
    """

    def wanted(name: str, head: Callable[[], bytes]) -> bool:
        return PurePosixPath(name).suffix.lower() in suffixes or _is_picture(head())

    return _chosen(root, who, wanted)


def _is_picture(head: bytes) -> bool:
    """Whether a file that begins with these 12 bytes is an image of a format that is read."""
    return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP") or head[4:] in (b"ftypavif", b"ftypavis")


def files_in(root: Path, who: str, suffixes: Collection[str]) -> list[Picture]:
    """Return the files of a folder or zip with one of these suffixes (".csv"), sorted by path; other files are ignored.

    Raises:
        DataError: the folder or zip does not exist or cannot be read, or the zip is not safe to read.
    """
    return _chosen(root, who, lambda name, head: PurePosixPath(name).suffix.lower() in suffixes)


def _chosen(root: Path, who: str, wanted: Callable[[str, Callable[[], bytes]], bool]) -> list[Picture]:
    """Return the files for which `wanted` is true; it is given the name, and a function that returns the first 12 bytes."""
    if root.is_dir():
        files = [p for p in files_below(root, who) if wanted(p.name, partial(_head, p))]
        for path in files:
            _check_size(path.stat().st_size, f"{who}: {path}")
        return [(PurePosixPath(p.relative_to(root).as_posix()), p.read_bytes) for p in files]
    archive = opened_zip(root, who)
    infos: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if info.is_dir() or any(is_leftover(part) for part in place.parts):
            continue
        if not wanted(place.name, partial(_head_in_zip, archive, info)):
            continue
        if place in infos:
            raise DataError(f"{who}: {root}/{place} is in the zip twice; create the zip again with one of them")
        if info.compress_type not in _COMPRESSIONS:
            raise DataError(f"{who}: {root}/{place} is not compressed with deflate; create the zip again with deflate")
        _check_size(info.file_size, f"{who}: {root}/{place}")
        infos[place] = info
    return [(place, partial(_unpacked, archive, infos[place])) for place in sorted(infos)]


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as f:
            return f.read(12)
    except OSError:
        return b""


def _head_in_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type not in _COMPRESSIONS:
        return b""
    try:
        with archive.open(info) as f:
            return f.read(12)
    except Exception:  # encrypted or damaged: whoever reads the file is told
        return b""


def _check_size(size: int, place: str) -> None:
    if size > _LARGEST:
        raise DataError(f"{place} has {size:,} bytes; an image may have at most {_LARGEST:,}; remove it")


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as f:
        return f.read(info.file_size)  # read() without a number would unpack everything, even beyond the stated size
