"""Class folders of small pictures, as a folder and as a zip."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def png(value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L", form: str = "PNG") -> bytes:
    """Return a noisy picture whose top left pixel is `value`."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(value).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    pixels[0, 0] = value
    out = io.BytesIO()
    Image.fromarray(pixels, mode=None).save(out, form)
    return out.getvalue()


def saved(picture: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    """Return a picture as a file of that format."""
    out = io.BytesIO()
    picture.save(out, form, **how)
    return out.getvalue()


def claiming(width: int, height: int) -> bytes:
    """Return a PNG of some bytes that says it is of that size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def tree(names: Iterable[str], **how: object) -> dict[str, bytes]:
    """Return path -> picture, the n-th with a first pixel of n."""
    return {name: png(n % 256, **how) for n, name in enumerate(names)}  # type: ignore[arg-type]


def classes(each: int = 10, names: str = "ab", prefix: str = "") -> list[str]:
    """Return `each` paths in each class folder."""
    return [f"{prefix}{name}/{i:02}.png" for name in names for i in range(each)]


def as_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files below `root` and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def as_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files into a zip at `path` and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
