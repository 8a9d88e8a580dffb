"""The commands report and export: print the results of a sweep, and pack them for others to check."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.cli.common import DONE, CommandAdder, stdout_console
from dabench.errors import SpecError
from dabench.training.selection import RULES

if TYPE_CHECKING:
    from dabench.analysis.matrix import Matrix


def add(verb: CommandAdder) -> None:
    """Add the commands of this module."""
    sub = verb(
        "report",
        _report,
        "print and write the results of a finished or running sweep: methods, cross matrix, gains; trains nothing",
    )
    sub.add_argument("runs", help="output folder of dabench sweep, such as runs/quick, or the .zip of dabench export")
    sub.add_argument(
        "--format",
        choices=("json", "md", "csv", "tex", "html"),
        help="print the results to standard output in this format, and write no files",
    )
    sub.add_argument(
        "--metric",
        default="accuracy",
        help="accuracy (default), balanced-accuracy, macro-f1, ece, recall:CLASS or worst-group:ATTRIBUTE",
    )
    sub.add_argument(
        "--select", metavar="RULE",
        help=f"selection rule for the checkpoint of each run: {', '.join(RULES)}; default: last",
    )  # fmt: skip
    sub.add_argument(
        "--human", action="append", default=[], metavar="[DATASET=]FILE",
        help="add a human row from a CSV with the columns rater, image, answer; may be repeated, for further raters and datasets",
    )  # fmt: skip
    sub.add_argument(
        "--attributes", action="append", default=[], metavar="[DATASET=]FILE",
        help="add results by attributes of test images from a CSV with the column image and one column per attribute, such "
        "as test-DATASET.csv of dabench audit; may be repeated for other datasets",
    )  # fmt: skip
    sub.add_argument(
        "--predictions", action="append", default=[], metavar="NAME=FILE",
        help="add the results of another model from a CSV with its predictions, as dabench predictions template lists them; "
        "FILE with the ending .toml states its conditions; may be repeated for other models",
    )  # fmt: skip
    sub.add_argument(
        "--errors", action="append", default=[], metavar="CELL",
        help="draw the most confident mistakes of a cell, ADAPTER:SOURCES:TEST such as dann:font-digits:uci-digits, from the "
        "prepared images; may be repeated",
    )  # fmt: skip
    sub.add_argument("--trials", action="store_true", help="print the trials of a search instead, and which were chosen")
    sub.add_argument(
        "--test-accuracy", action="store_true", help="with --trials: also print test accuracy; not for choosing trials"
    )
    sub.add_argument("--no-published", action="store_true", help="omit published numbers for the same datasets")
    sub.add_argument(
        "--short-none", action="store_true",
        help="take gains over the pretraining alone; default: over source-only training as long as the longest adaptation",
    )  # fmt: skip
    sub.add_argument(
        "--spread", choices=("interval", "std"), default="interval",
        help="shown beside the means in the table of methods: the 95 %% interval (default), or the standard deviation over "
        "seeds",
    )  # fmt: skip
    sub.add_argument("--all", action="store_true", help="also print the cross matrix of each method and results by class")
    sub.add_argument("--out", metavar="DIR", help="folder of the report; default: RUNS/report (for a pack: nothing is written)")

    sub = verb("figures", _figures, "draw the results as figures for a paper, one file each, with captions")
    sub.add_argument("runs", help="output folder of dabench sweep, or the .zip of dabench export")
    sub.add_argument("--to", metavar="DIR", required=True, help="folder of the figures; those of the same names are replaced")
    sub.add_argument("--format", choices=("pdf", "svg", "png"), default="pdf", help="default pdf; fonts are embedded")
    sub.add_argument("--width", default="3.25in", help="width with its unit: in, cm, mm or pt (default 3.25in, a column)")
    sub.add_argument("--style", metavar="FILE", help="a matplotlib style file, applied after that of dabench")
    sub.add_argument("--metric", default="accuracy", help="as in dabench report")
    sub.add_argument("--select", metavar="RULE", help="as in dabench report")
    sub.add_argument("--attributes", action="append", default=[], metavar="[DATASET=]FILE", help="as in dabench report")

    sub = verb(
        "export", _export, "write a zip with predictions and labels, without images and networks, for others to check a table"
    )
    sub.add_argument("runs", help="output folder of dabench sweep")
    sub.add_argument("--to", metavar="FILE", help="the zip to write; default: NAME.zip, named after the sweep")
    sub.add_argument(
        "--without-attributes", action="store_true",
        help="omit attributes of test images (age, sex, ...), and with them the results by attribute",
    )  # fmt: skip
    sub.add_argument(
        "--classes-only", action="store_true",
        help="store predicted classes instead of logits: a much smaller file, with all tables except ece",
    )  # fmt: skip
    sub.add_argument(
        "--counts", action="store_true",
        help="store only how often each combination of class and predictions occurs, so that no image's label is revealed",
    )  # fmt: skip


def _report(a: argparse.Namespace) -> int:
    from dabench import api

    if a.trials or a.test_accuracy:
        return _trials(a)
    if a.errors and a.format not in (None, "html"):
        raise SpecError(f"--errors {a.errors[0]}: draws images, which --format {a.format} cannot show; leave --format out")
    if a.errors and not a.format and not api.report_place(a.runs, a.out):
        raise SpecError(f"--errors {a.errors[0]}: no report is written for a pack; add --out DIR")
    matrix = api.report(
        a.runs, metric=a.metric, select=a.select, human=_lists(a.human), attributes=_files("--attributes", a.attributes),
        predictions=_models(a.predictions), errors=a.errors,
        published=not a.no_published, short_none=a.short_none, spread=a.spread, write=a.format is None, out=a.out,
    )  # fmt: skip
    if a.format:
        from dabench.reporting.formats import one_text

        sys.stdout.write(one_text(matrix, a.format))
        return DONE
    from dabench.reporting.terminal import print_matrix

    print_matrix(matrix, stdout_console(), rules=True, every=a.all)
    for line in _written(matrix, api.report_place(a.runs, a.out)):
        print(line)
    return DONE


def _written(matrix: Matrix, place: Path | None) -> Iterator[str]:
    """Yield what is printed of the files of a report."""
    from dabench.reporting.confusion_images import cell_file
    from dabench.reporting.mistakes import heading
    from dabench.reporting.write import report_folder

    if place is None:
        yield "\nNo report is written for a pack; --out DIR writes one."
        return
    folder = report_folder(matrix, place)
    for of in matrix.mistakes:
        sheet = folder / "mistakes" / f"{cell_file(of.cell)}.png"
        yield f"\n{heading(matrix, of)}\nMistakes: {sheet}; all of them are listed in the .csv beside it"
    yield f"\nReport: {folder / 'index.html'}"


def _figures(a: argparse.Namespace) -> int:
    from dabench import api

    given = _files("--attributes", a.attributes)
    for file in api.figures(
        a.runs, a.to, format=a.format, width=a.width, style=a.style, metric=a.metric, select=a.select, attributes=given
    ):
        print(file)
    return DONE


def _trials(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.analysis.export import open_results
    from dabench.analysis.trials import mixed_trials, tied_text
    from dabench.reporting.formats import trials_text
    from dabench.reporting.sections import trials_notes, trials_table
    from dabench.reporting.terminal import print_table

    if not a.trials:
        raise SpecError("--test-accuracy: needs --trials; add it")
    trials, store = api.trials(a.runs, test_accuracy=a.test_accuracy), open_results(a.runs)
    record, mixed = store.read_sweep(), mixed_trials(store)
    search, ties = record.sweep.search, tied_text(record)
    assert search is not None
    if a.format:
        sys.stdout.write(trials_text(search, trials, a.format, mixed, ties))
        return DONE
    print_table(trials_table(trials), stdout_console())
    for line in trials_notes(search, trials, mixed, ties):
        print(line)
    return DONE


def _named(text: str) -> tuple[str, Path]:
    """Return dataset and file from a text DATASET=FILE; the dataset is "" if it is not named."""
    name, equals, file = text.partition("=")
    return (name, Path(file)) if equals and not Path(text).is_file() else ("", Path(text))


def _lists(given: Sequence[str]) -> dict[str, list[Path]]:
    """Return dataset -> files from texts DATASET=FILE."""
    found: dict[str, list[Path]] = {}
    for name, path in map(_named, given):
        found.setdefault(name, []).append(path)
    return found


def _files(option: str, given: Sequence[str]) -> dict[str, Path]:
    """Return dataset -> file from texts DATASET=FILE."""
    found: dict[str, Path] = {}
    for text in given:
        name, path = _named(text)
        if name in found:
            raise SpecError(
                f"{option} {text}: a file for {name or 'this dataset'} was already given; put all lines into one file"
            )
        found[name] = path
    return found


def _models(given: Sequence[str]) -> dict[str, Path]:
    """Return name of a model -> file from texts NAME=FILE."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or not name or not file:
            raise SpecError(f"--predictions {text}: must be NAME=FILE, such as --predictions my-model=predictions.csv")
        if name in found:
            raise SpecError(f"--predictions {text}: the model {name} was already given; use another name for another model")
        found[name] = Path(file)
    return found


def _export(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.analysis.export import open_results

    path = api.export(a.runs, a.to, attributes=not a.without_attributes, classes_only=a.classes_only, counts=a.counts)
    pack = open_results(path)
    record = pack.read_sweep()
    datasets = {n: pack.dataset(n) for n in record.sweep.datasets}
    print(f"{path}: {path.stat().st_size:,} bytes, {len(pack.names('runs'))} runs; no images, no networks")
    for name, test in datasets.items():
        attributes = f"; attributes of test images: {', '.join(test.attributes)}" if test.attributes else ""
        labels = "no" if name in record.unlabelled else f"{len(test.labels):,}"
        print(f"  {name}: {labels} test labels; licence: {test.facts.license}{attributes}")
    if any(test.attributes for test in datasets.values()):
        print("If attributes can identify people, export with --without-attributes.")
    print(f"Next: dabench report {shlex.quote(str(path))}")
    return DONE
