"""The commands of the command line, for tests."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from dabench.cli import make_parser


def all_commands(parser: argparse.ArgumentParser | None = None) -> Iterator[list[str]]:
    """Yield the words of each command and group of commands: ["human"], ["human", "serve"]."""
    for action in (parser or make_parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield [name]
                yield from ([name, *words] for words in all_commands(command))


def command_in(words: list[str]) -> list[str]:
    """Return the words of the longest command with which `words` begin."""
    return max((command for command in all_commands() if words[: len(command)] == command), key=len, default=words[:1])
