"""How every verb is made: its parser, its exit code, where its tables go."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

DONE, FAILED = 0, 1
"""Exit codes; 2, for a request that was wrong, comes from the errors themselves."""

Handler = Callable[[argparse.Namespace], int]


class CommandAdder:
    """Adds one verb a call to the command line."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._verbs: Any = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    def __call__(self, name: str, run: Handler, about: str, plugins: bool = False) -> argparse.ArgumentParser:
        """Return the parser of a new verb.

        Args:
            run: does it and returns its exit code.
            plugins: it takes --plugin.
        """
        sub: argparse.ArgumentParser = self._verbs.add_parser(name, help=about, description=about)
        # Suppressed, so that --debug before the verb is not put back to false.
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show where an error came from")
        sub.set_defaults(run=run)
        if plugins:
            sub.add_argument(
                "--plugin", action="append", default=[], metavar="FILE", help="a Python file with plugins; may be repeated"
            )
        return sub


def takes_data(sub: argparse.ArgumentParser) -> None:
    """Add --data."""
    sub.add_argument("--data", metavar="DIR", help="the folder of all raw datasets; default: DABENCH_DATA")


def takes_set(sub: argparse.ArgumentParser, about: str = "override a key of a sweep") -> None:
    """Add --set."""
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=about)


def stdout_console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console

    # A table cut to 80 columns in a pipe would lose numbers.
    found = Console(highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(highlight=False, width=200)
