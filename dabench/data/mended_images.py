"""Mend image files that viewers show and pillow refuses: a JPEG without its end mark, and a PNG with odd notes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker that ends the pixels of a scan: neither an escaped byte nor a restart."""

_PNG = b"\x89PNG\r\n\x1a\n"

_SHOWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")
"""The chunks of a PNG that decide what is shown, and which way up. Others hold text, times and colour profiles."""


def mended(content: bytes, read: Callable[[bytes], bytes]) -> bytes | None:
    """Return a file with the same pixels that pillow reads, or None.

    Args:
        read: decodes the content of a file into bytes, and raises an exception if it cannot.
    """
    if content.startswith(b"\xff\xd8"):
        return _ended_jpeg(content, read)
    return _bare_png(content) if content.startswith(_PNG) else None


def _ended_jpeg(content: bytes, read: Callable[[bytes], bytes]) -> bytes | None:
    """Return a JPEG with its end mark, or None if pixels are missing.

    The decoder takes what follows the content for pixels only if some are missing, so different bytes then give different pixels.
    """
    body = content.rstrip(b"\xff")
    if not _has_all_scans(body):
        return None
    ends = [bytes([value]) * 64 + b"\xff\xd9" for value in (0x00, 0x55, 0xAA)]
    try:
        first, *others = (read(body + end) for end in ends)
    except Exception:  # each decoder of pillow raises its own errors; the caller reports the first one
        return None
    return body + ends[0] if others == [first, first] else None


def _has_all_scans(content: bytes) -> bool:
    """Whether a JPEG holds every coefficient of every colour to its last bit. A progressive one may end between two scans."""
    colours, bits, at = 0, dict[tuple[int, int], int](), 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4])
        segment, at = content[at + 4 : end], end
        if marker in (0xC0, 0xC1, 0xC2) and len(segment) > 5:
            colours = segment[5]
        elif marker == 0xDA and len(segment) >= 4:
            first, last, low = segment[-3], segment[-2], segment[-1] & 15
            bits |= {(c, k): low for c in segment[1 : 1 + 2 * segment[0] : 2] for k in range(first, last + 1)}
            found = _AFTER_SCAN.search(content, at)
            at = found.start() if found else len(content)
    return len(bits) == 64 * colours > 0 and not any(bits.values())


def _bare_png(content: bytes) -> bytes | None:
    """Return a PNG without the chunks that are not shown, or None if its form is broken."""
    parts, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            return None
        if kind in _SHOWN:
            parts.append(content[at:end])
        at = end
    bare = b"".join(parts)
    return bare if bare != content else None
