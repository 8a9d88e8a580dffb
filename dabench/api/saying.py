"""What is said on standard error while something is at work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def console(quiet: bool, stream: TextIO | None = None) -> Console:
    """Return a console on `stream`, or on standard error."""
    from rich.console import Console

    return Console(file=stream, stderr=True, quiet=quiet, highlight=False)


def note(line: str) -> None:
    """Print one line at once."""
    print(line, file=sys.stderr, flush=True)
