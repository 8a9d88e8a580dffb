"""report, export: the numbers of a sweep, and what another person needs to check them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dabench.cli.common import DONE, CommandAdder, stdout_console
from dabench.errors import SpecError
from dabench.training.selection import RULES


def add(verb: CommandAdder) -> None:
    """Add the verbs of this module."""
    sub = verb("report", _report, "matrix and gains of a sweep's output folder, or of a pack; trains nothing")
    sub.add_argument("runs", help="the folder that dabench sweep wrote, such as runs/quick, or the .zip of dabench export")
    sub.add_argument(
        "--format", choices=("json", "md", "csv", "tex", "html"), help="print this to standard output, and nothing else"
    )
    sub.add_argument(
        "--metric", default="accuracy", help="accuracy, balanced-accuracy, macro-f1, ece, recall:CLASS, worst-group:ATTRIBUTE"
    )
    sub.add_argument(
        "--select", metavar="RULE",
        help=f"which checkpoint of each run counts: {', '.join(RULES)}; default: last",
    )  # fmt: skip
    sub.add_argument(
        "--human", action="append", default=[], metavar="[DATASET=]FILE",
        help="add a row of people's answers to test images, a CSV with the columns rater, image, answer; may be repeated",
    )  # fmt: skip
    sub.add_argument(
        "--attributes", action="append", default=[], metavar="[DATASET=]FILE",
        help="results by more attributes of test images, a CSV with the column image and one for each attribute, such as the "
        "test-DATASET.csv of dabench audit; may be repeated",
    )  # fmt: skip
    sub.add_argument("--trials", action="store_true", help="instead: what a search tried for each task, and what it chose")
    sub.add_argument(
        "--test-accuracy", action="store_true", help="with --trials: the accuracy of each by test labels, for looking only"
    )
    sub.add_argument("--no-published", action="store_true", help="leave out published numbers for the same datasets")
    sub.add_argument("--out", metavar="DIR", help="folder of the report; default: RUNS/report (of a pack: none is written)")

    sub = verb("export", _export, "pack what another person needs to check a table: predictions, labels, no images, no networks")
    sub.add_argument("runs", help="the folder that dabench sweep wrote")
    sub.add_argument("--to", metavar="FILE", help="the zip to write; default: NAME.zip after the sweep")
    sub.add_argument(
        "--without-attributes", action="store_true",
        help="leave out the attributes of test images (age, sex, ...), and so the results by group",
    )  # fmt: skip
    sub.add_argument(
        "--classes-only", action="store_true",
        help="of predictions put the classes in alone, a small part of the size: all tables but those of confidences (ece)",
    )  # fmt: skip
    sub.add_argument(
        "--counts", action="store_true",
        help="so, and test images sorted by class and predictions: how many there are of each sort, and no image's label",
    )  # fmt: skip


def _report(a: argparse.Namespace) -> int:
    from dabench import api

    if a.trials or a.test_accuracy:
        return _trials(a)
    matrix = api.report(
        a.runs, metric=a.metric, select=a.select, human=_files("--human", a.human), attributes=_files("--attributes",
        a.attributes),
        published=not a.no_published, write=a.format is None, out=a.out,
    )  # fmt: skip
    if a.format:
        from dabench.reporting.formats import one_text

        sys.stdout.write(one_text(matrix, a.format))
        return DONE
    from dabench.reporting.terminal import print_matrix

    print_matrix(matrix, stdout_console(), rules=True)
    from dabench.reporting.write import report_folder

    place = api.report_place(a.runs, a.out)
    written = place and f"Report: {report_folder(matrix, place) / 'index.html'}"
    print(f"\n{written or 'A pack is only read; --out DIR writes the report.'}")
    return DONE


def _trials(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.analysis.export import open_results
    from dabench.analysis.trials import mixed_trials
    from dabench.reporting.formats import trials_text
    from dabench.reporting.sections import trials_notes, trials_table
    from dabench.reporting.terminal import print_table

    if not a.trials:
        raise SpecError("--test-accuracy is of trials: give --trials, too")
    trials, store = api.trials(a.runs, test_accuracy=a.test_accuracy), open_results(a.runs)
    search, mixed = store.read_sweep().sweep.search, mixed_trials(store)
    assert search is not None
    if a.format:
        sys.stdout.write(trials_text(search, trials, a.format, mixed))
        return DONE
    print_table(trials_table(trials), stdout_console())
    for line in trials_notes(search, trials, mixed):
        print(line)
    return DONE


def _files(option: str, given: Sequence[str]) -> dict[str, Path]:
    """Return dataset -> file, of DATASET=FILE; "" where no dataset is named."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, file = text.partition("=")
        name, path = (name, Path(file)) if equals and not Path(text).is_file() else ("", Path(text))
        if name in found:
            raise SpecError(f"{option} {text}: there is a file for {name or 'that dataset'} already; put all lines into one")
        found[name] = path
    return found


def _export(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.analysis.export import open_results

    path = api.export(a.runs, a.to, attributes=not a.without_attributes, classes_only=a.classes_only, counts=a.counts)
    pack = open_results(path)
    datasets = {n: pack.dataset(n) for n in pack.read_sweep().sweep.datasets}
    print(f"{path}: {path.stat().st_size:,} bytes, {len(pack.names('runs'))} runs; no images, no networks")
    for name, test in datasets.items():
        attributes = f"; attributes of its test images: {', '.join(test.attributes)}" if test.attributes else ""
        print(f"  {name}: {len(test.labels):,} test labels; licence: {test.facts.license}{attributes}")
    if any(test.attributes for test in datasets.values()):
        print("If attributes may identify people, pack with --without-attributes.")
    print(f"Next: dabench report {path}")
    return DONE
