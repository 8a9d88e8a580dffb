"""Decode text files as editors and spreadsheets write them."""

from __future__ import annotations

import codecs

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(content: bytes) -> str:
    """Return a text in UTF-8, with or without a byte order mark, or in UTF-16 with one. Line ends stay as they are.

    Raises:
        UnicodeDecodeError: the content is neither.
    """
    return content.decode("utf-16" if content.startswith(_WIDE) else "utf-8-sig")


def lines_alike(text: str) -> str:
    """Return the text with the line ends of Unix in place of those of Windows and of an old Mac."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
