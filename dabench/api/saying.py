"""What is said on standard error while something is at work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(quiet: bool) -> Console:
    """Return the console of standard error."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet, highlight=False)


def note(line: str) -> None:
    """Print one line at once."""
    print(line, file=sys.stderr, flush=True)
