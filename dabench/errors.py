"""The one family of errors that dabench raises on purpose.

Every message says what is wrong, where, what is allowed and what to do next. The command line prints it as one line and
exits with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DabenchError(Exception):
    """Any error that dabench explains itself; `exit_code` is what the command line returns for it."""

    exit_code = 2

    def __str__(self) -> str:
        # One line, whatever a file is called: what does not print, a line break say, stands as Python writes it.
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())


class SpecError(DabenchError):
    """A sweep file, or a value given with --set, asks for something that cannot be."""


class PluginError(DabenchError):
    """A plugin is unknown, named twice, broken, or breaks its contract."""


class DataError(DabenchError):
    """A dataset's files are missing, unreadable, or do not hold what a sweep needs."""


class StoreError(DabenchError):
    """An output folder cannot be used: not writable, another sweep's, or damaged."""


class UnwritableError(StoreError):
    """An output folder took files and takes no more: the disk is full, say."""

    exit_code = 1


class StoppedError(DabenchError):
    """A sweep ended before its runs did; what is finished is kept."""

    exit_code = 1


class DivergedError(DabenchError):
    """A training produced a loss that is not a number; only that run stops."""

    exit_code = 1


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known words closest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
