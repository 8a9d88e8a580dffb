"""The command line: verbs over dabench.api. Errors are one line and exit code 2; 1 means that work failed in part."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from dabench.cli import data, plugins, results, status, sweep, tables
from dabench.cli.common import DONE, FAILED, CommandAdder
from dabench.errors import DabenchError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 the work failed in part, 2 the request was wrong."""
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
        sys.stderr.close()  # the reader of a pipe went away, as `| head` does
        return DONE
    except Exception as e:
        if arguments.debug:
            raise
        what = " ".join(f"{type(e).__name__}: {e}".split())
        print(f"dabench: unforeseen error: {what} (run again with --debug to see where)", file=sys.stderr)
        return FAILED
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="dabench", description="Domain-adaptation benchmark: cross matrix and adaptation gains."
    )
    parser.add_argument("--version", action="version", version=f"dabench {version('dabench')}")
    parser.add_argument("--debug", action="store_true", default=False, help="show where an error came from")
    verb = CommandAdder(parser)
    for family in (plugins, data, sweep, status, results, tables):
        family.add(verb)
    return parser
