"""prepare, audit, human: datasets decoded once, looked at, and shown to people."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.cli.common import DONE, FAILED, CommandAdder, stdout_console, takes_data, takes_set
from dabench.errors import SpecError, StoreError

if TYPE_CHECKING:
    from dabench.data.cache import Prepared
    from dabench.data.clean import CleanedDataset


def add(verb: CommandAdder) -> None:
    """Add the verbs of this module."""
    sub = verb("prepare", _prepare, "decode a dataset once into the cache and check it", plugins=True)
    sub.add_argument("name", metavar="DATASET|SWEEP", help="a dataset, or a sweep, which stands for its datasets")
    sub.add_argument("--raw", metavar="DIR", help="the folder with the raw files of the dataset named; default: DATA/DATASET")
    takes_data(sub)
    takes_set(sub, "an option of the dataset, or a key of the sweep")
    sub.add_argument("--strict", action="store_true", help="what would be skipped is an error, where the dataset skips at all")
    sub.add_argument("--contact-sheet", metavar="FILE", help="write pictures of each split and class to look at, as .png")
    sub.add_argument("--rebuild", action="store_true", help="decode again what is there already")

    sub = verb("audit", _audit, "copies, conflicting labels, shared subjects and class balance of datasets", plugins=True)
    sub.add_argument("names", nargs="+", metavar="DATASET|SWEEP", help="datasets, or sweeps, which stand for their datasets")
    sub.add_argument("--raw", metavar="DIR", help="the raw folder of the one dataset named; default: DATA/DATASET")
    takes_data(sub)
    takes_set(sub, "a key of the sweep, or an option of the dataset")
    sub.add_argument(
        "--radius", type=int, metavar="BITS",
        help="bits of 64 in which hashes of near-identical pictures may differ (default 5); -1: identical pictures only",
    )  # fmt: skip
    sub.add_argument(
        "--drop", nargs="?", const="identical", choices=("identical", "near"),
        help="write lists of what to drop and make cleaned variants without it: copies, conflicting labels, constant pictures, "
        "subjects of the test split in training; near: near-identical pictures, too",
    )  # fmt: skip
    sub.add_argument(
        "--out", metavar="DIR",
        help="folder for findings.csv, examples.png, the lists, test-DATASET.csv and cleaned-test-DATASET.csv for "
        "dabench report --attributes; default: audit/NAME",
    )  # fmt: skip

    sub = verb("human", _human, "test images as pictures without labels, for people to answer", plugins=True)
    sub.add_argument("dataset")
    sub.add_argument("--to", metavar="DIR", help="the folder to make; default: human/DATASET")
    sub.add_argument("--images", type=int, metavar="N", help="how many, as many of each class (default 70)")
    sub.add_argument("--seed", type=int, default=0, help="which are drawn (default 0)")
    sub.add_argument("--sweep", help="the sweep in whose report the answers are to stand: images and classes as it has them")
    sub.add_argument("--raw", metavar="DIR", help="the folder with the raw files; default: DATA/DATASET")
    takes_data(sub)
    takes_set(sub, "a key of the sweep, or an option of the dataset")


def _prepare(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.contact_sheet import sheet_path, write_sheet

    sheet = sheet_path(a.contact_sheet) if a.contact_sheet else None
    api.load_plugins(a.plugin)
    how = {"data": a.data, "set": a.set, "strict": a.strict, "rebuild": a.rebuild}
    if not api.names_sweep(a.name):
        sets = [api.prepare(a.name, raw=a.raw, **how)]
    elif a.raw:
        raise SpecError(f"raw = {a.raw}: is the folder of one dataset, but a sweep is named; give --data instead")
    else:
        sets = api.prepare_sweep(a.name, **how)
    for prepared in sets:
        _print_prepared(prepared)
    if sheet:
        write_sheet(sets, sheet)
        print(f"Written: {sheet}")
    return DONE


def _print_prepared(prepared: Prepared) -> None:
    from dabench.reporting.tables import dropped_text

    channels, height, width = prepared.shape
    counts = " / ".join(f"{prepared.count(split):,}" for split in prepared.splits)
    shape = f"{channels}x{height}x{width}, {len(prepared.classes)} classes"
    print(f"{prepared.name}: {counts} images ({' / '.join(prepared.splits)}), {shape}")
    for split, facts in prepared.splits.items():
        print(f"  {split:<5} " + ", ".join(f"{c} {n:,}" for c, n in facts["classes"].items()))
    if prepared.dropped:
        print(f"  {dropped_text(prepared.dropped)}")
    print(f"  digest {prepared.digest}\n  cache  {prepared.folder}")


def _human(a: argparse.Namespace) -> int:
    from dabench import api

    if a.seed < 0:
        raise SpecError(f"--seed {a.seed}: must be a number from 0")
    files = api.human(
        a.dataset, a.to, images=a.images, seed=a.seed, sweep=a.sweep, raw=a.raw, data=a.data, plugins=a.plugin, set=a.set
    )
    folder = files[0].parent
    print(f"{folder}: {len(files) - 2} pictures, classes.txt, and answers.csv with a line for each")
    print("Each person fills in a copy: a name in the column rater, a class in the column answer.")
    print(f"Next: dabench report RUNS --human {a.dataset}={folder / 'answers.csv'}")
    return DONE


def _audit(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.audit import audit_tables, write_audit
    from dabench.reporting.terminal import print_table

    found = api.audit(*a.names, data=a.data, raw=a.raw, plugins=a.plugin, set=a.set, radius=a.radius)
    name = "+".join(Path(n).stem if n.endswith(".toml") else n.replace("/", "-") for n in a.names)
    out = Path(a.out) if a.out else Path("audit") / name
    screen = stdout_console()
    for table in audit_tables(found):
        print_table(table, screen)
        print()
    with _writing_into(out):
        files = write_audit(found, out)
    print(f"Written: {', '.join(map(str, files))}")
    if a.drop:
        with _writing_into(out):
            results = api.drop(found, out, near=a.drop == "near")
        for cleaned in results:
            _print_cleaned(cleaned)
    return FAILED if found.unreadable else DONE


@contextmanager
def _writing_into(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise StoreError(f"{out}: cannot be written ({e.strerror or e}); give another folder with --out") from e


def _print_cleaned(cleaned: CleanedDataset) -> None:
    print()
    if not cleaned.variant:
        print(f"{cleaned.whole.name}: nothing to drop")
        return
    _print_prepared(cleaned.variant)
    name = cleaned.whole.name
    key = json.dumps(name) if "/" in name else name  # as TOML wants it
    print(f"  list   {cleaned.path}")
    if cleaned.tests:
        print(f"  tests  {cleaned.tests}, what training held of them before, for dabench report --attributes")
    print(f"In a sweep file, with the path relative to it:\n[dataset.{key}]")
    print(f"drop = {json.dumps(str(cleaned.path))}")
