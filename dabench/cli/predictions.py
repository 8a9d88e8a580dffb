"""The command predictions: list the test images of a results folder for the predictions of other models."""

from __future__ import annotations

import argparse
import shlex

from dabench.cli.common import DONE, CommandAdder


def add(verb: CommandAdder) -> None:
    """Add the command of this module."""
    sub = verb("predictions", _predictions, "write a CSV that names every test image, for the predictions of another model")
    sub.add_argument("action", choices=("template",), help="template: write the CSV, and a TOML file for the model's conditions")
    sub.add_argument("runs", help="output folder of dabench sweep, or the .zip of dabench export")
    sub.add_argument("--to", metavar="FILE", required=True, help="the .csv to write; the .toml file gets the same name")
    sub.add_argument(
        "--probabilities", action="store_true",
        help="one column for each class, for probabilities or logits, in place of the column class",
    )  # fmt: skip


def _predictions(a: argparse.Namespace) -> int:
    from dabench import api

    table, conditions = api.predictions_template(a.runs, a.to, probabilities=a.probabilities)
    column = "a number in the column of each class" if a.probabilities else "the predicted class in the column class"
    print(f"{table}: one line for each test image; fill in {column}")
    print(f"{conditions}: the conditions of the model; fill in what is known")
    print(f"Next: dabench report {shlex.quote(a.runs)} --predictions {shlex.quote(f'my-model={table}')}")
    return DONE
