"""The errors that dabench raises on purpose.

Every message says what is wrong, where, what is allowed and what to do next. The command line prints it as one line
(missing raw files as a block for each dataset) and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def printable(text: str) -> str:
    """Return a text as one line for every file name: what cannot be printed, such as a line break, is escaped as in Python."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class DabenchError(Exception):
    """Base class of the errors that dabench explains; `exit_code` is the exit status of the command line."""

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())


class SpecError(DabenchError):
    """A sweep file, or a value given with --set, is not valid."""


class PluginError(DabenchError):
    """A plugin is unknown, broken, or violates its contract, or two plugins have the same name."""


class NotDownloadedError(PluginError):
    """A backbone needs files from a hub, and a plan downloads nothing."""


class DataError(DabenchError):
    """The files of a dataset are missing or unreadable, or do not contain what a sweep needs."""


class MissingFilesError(DataError):
    """Raw files of datasets are missing. The only error of several lines, which are its arguments."""

    def __str__(self) -> str:
        return "\n".join(map(printable, self.args))


class StoreError(DabenchError):
    """A store cannot be used: it is not writable, belongs to another sweep, or is damaged."""


class UnwritableError(StoreError):
    """A store could be written before and cannot be written any more, for example because the disk is full."""

    exit_code = 1


class StoppedError(DabenchError):
    """A sweep was stopped before all its runs were complete; complete runs are kept."""

    exit_code = 1


class DivergedError(DabenchError):
    """A training produced a loss that is not a finite number; only this run fails."""

    exit_code = 1


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the known words closest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def quoted(text: str | bytes, longest: int = 40) -> str:
    """Return a part of a user's file for a message: in quotes, on one line, printable, and at most `longest` characters of it."""
    if isinstance(text, bytes):
        text = text[: 4 * longest].decode("utf-8", "replace")
    return repr(text if len(text) <= longest else f"{text[:longest]}...")
