"""Parts shared by all commands: parser, exit codes, common flags, console."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

DONE, FAILED = 0, 1
"""Exit codes. 2 (wrong request) comes from the exceptions."""

Handler = Callable[[argparse.Namespace], int]


class CommandAdder:
    """Add commands to the command line, or to a group of commands, one per call."""

    def __init__(self, parser: argparse.ArgumentParser, dest: str = "verb") -> None:
        self._verbs: Any = parser.add_subparsers(dest=dest, required=True, metavar="COMMAND")

    def group(self, name: str, about: str) -> CommandAdder:
        """Add a group of commands, such as `dabench human`, and return what adds its commands."""
        return CommandAdder(self._verbs.add_parser(name, help=about, description=about), f"{name}_verb")

    def __call__(self, name: str, run: Handler, about: str, plugins: bool = False) -> argparse.ArgumentParser:
        """Return the parser of a new command.

        Args:
            run: executes the command and returns its exit code.
            about: one-line help.
            plugins: add the flag --plugin.
        """
        sub: argparse.ArgumentParser = self._verbs.add_parser(name, help=about, description=about)
        # Suppressed: a default of False here would override --debug given before the command.
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error")
        sub.set_defaults(run=run)
        if plugins:
            sub.add_argument(
                "--plugin", action="append", default=[], metavar="FILE", help="a Python file with plugins; may be repeated"
            )
        return sub


def takes_data(sub: argparse.ArgumentParser) -> None:
    """Add --data."""
    sub.add_argument("--data", metavar="DIR", help="folder of all raw datasets; default: DABENCH_DATA")


def takes_set(sub: argparse.ArgumentParser, about: str = "override a key of the sweep") -> None:
    """Add --set."""
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=about)


def stdout_console() -> Console:
    """Return a console on standard output."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    # In a pipe, 80 columns would cut numbers.
    return console if console.is_terminal else Console(highlight=False, width=200)
