"""The command line: commands that call dabench.api. Errors are one line, but for missing raw files.

Exit codes: 0 success, 1 a part of the work failed, 2 wrong request.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from dabench.cli import data, human, networks, plugins, predictions, results, status, sweep, tables
from dabench.cli.common import DONE, FAILED, CommandAdder
from dabench.errors import DabenchError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = make_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except DabenchError as e:
        if arguments.debug:
            raise
        print(f"dabench: error: {e}", file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("dabench: stopped", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has ended, for example `| head`
        return DONE
    except Exception as e:
        if arguments.debug:
            raise
        text = " ".join(f"{type(e).__name__}: {e}".split())
        print(f"dabench: unexpected error: {text} (run again with --debug for the traceback)", file=sys.stderr)
        return FAILED
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="dabench",
        description="Domain-adaptation benchmark: train on each dataset, test on all, adapt, and report the gains.",
        epilog="dabench COMMAND --help explains a command. First steps: dabench list; dabench sweep quick.",
    )
    parser.add_argument("--version", action="version", version=f"dabench {version('dabench')}")
    parser.add_argument("--debug", action="store_true", default=False, help="show the traceback of an error")
    verb = CommandAdder(parser)
    for family in (plugins, data, human, sweep, status, results, predictions, tables, networks):
        family.add(verb)
    sub = verb("completion", _completion, "print a script that completes commands and flags in a shell")
    sub.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return parser


def _completion(a: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(make_parser(), shell=a.shell))
    return DONE
