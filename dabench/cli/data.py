"""The commands prepare and audit: decode datasets and check their images."""

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
    """Add the commands of this module."""
    sub = verb("prepare", _prepare, "decode a dataset into the cache and check it", plugins=True)
    sub.add_argument("name", metavar="DATASET|SWEEP", help="a dataset, or a sweep: all its datasets")
    sub.add_argument("--raw", metavar="DIR", help="folder with the raw files of this dataset; default: DATA/DATASET")
    takes_data(sub)
    takes_set(sub, "set an option of the dataset, or override a key of the sweep")
    sub.add_argument("--strict", action="store_true", help="fail on files that the dataset would skip")
    sub.add_argument("--contact-sheet", metavar="FILE", help="write a .png with example images of each split and class")
    sub.add_argument("--rebuild", action="store_true", help="decode again even if the dataset is already prepared")

    sub = verb("audit", _audit, "find copies, conflicting labels, shared subjects and class imbalance in datasets", plugins=True)
    sub.add_argument("names", nargs="+", metavar="DATASET|SWEEP", help="datasets, or sweeps: all their datasets")
    sub.add_argument("--raw", metavar="DIR", help="folder with the raw files, if one dataset is named; default: DATA/DATASET")
    takes_data(sub)
    takes_set(sub, "override a key of the sweep, or set an option of the dataset")
    sub.add_argument(
        "--radius", type=int, metavar="BITS",
        help="most bits (of 64) in which the hashes of near-identical images differ (default 5); -1: identical images only",
    )  # fmt: skip
    sub.add_argument(
        "--drop", nargs="?", const="identical", choices=("identical", "near"),
        help="write drop lists and make cleaned datasets: without copies, conflicting labels, constant images, and test "
        "subjects in training; near: also without near-identical images",
    )  # fmt: skip
    sub.add_argument(
        "--out", metavar="DIR",
        help="folder for findings.csv, examples.png, drop lists, and test-DATASET.csv and cleaned-test-DATASET.csv "
        "for dabench report --attributes; default: audit/NAME",
    )  # fmt: skip


def _prepare(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.contact_sheet import sheet_path, write_sheet

    sheet = sheet_path(a.contact_sheet) if a.contact_sheet else None
    api.load_plugins(a.plugin)
    options = {"data": a.data, "set": a.set, "strict": a.strict, "rebuild": a.rebuild}
    if not api.names_sweep(a.name):
        sets = [api.prepare(a.name, raw=a.raw, **options)]
    elif a.raw:
        raise SpecError(f"--raw {a.raw}: is the folder of a single dataset, but {a.name} is a sweep; use --data")
    else:
        sets = api.prepare_sweep(a.name, **options)
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
    classes = f"{len(prepared.classes)} classes" if prepared.labelled else "no labels"
    shape = f"{channels}x{height}x{width}, {classes}"
    print(f"{prepared.name}: {counts} images ({' / '.join(prepared.splits)}), {shape}")
    for split, facts in prepared.splits.items() if prepared.labelled else ():
        print(f"  {split:<5} " + ", ".join(f"{c} {n:,}" for c, n in facts["classes"].items()))
    if prepared.dropped:
        print(f"  {dropped_text(prepared.dropped)}")
    if prepared.skipped:
        print(f"  {prepared.skipped['files']:,} files skipped: {prepared.skipped_list}")
    print(f"  digest {prepared.digest}\n  cache  {prepared.folder}")


def _audit(a: argparse.Namespace) -> int:
    from dabench import api
    from dabench.reporting.audit import audit_tables, write_audit
    from dabench.reporting.terminal import print_table

    audit = api.audit(*a.names, data=a.data, raw=a.raw, plugins=a.plugin, set=a.set, radius=a.radius)
    name = "+".join(Path(n).stem if n.endswith(".toml") else n.replace("/", "-") for n in a.names)
    out = Path(a.out) if a.out else Path("audit") / name
    screen = stdout_console()
    for table in audit_tables(audit):
        print_table(table, screen)
        print()
    with _writing_into(out):
        files = write_audit(audit, out)
    print(f"Written: {', '.join(map(str, files))}")
    if a.drop:
        with _writing_into(out):
            results = api.drop(audit, out, near=a.drop == "near")
        for cleaned in results:
            _print_cleaned(cleaned)
    return FAILED if audit.unreadable else DONE


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
    key = json.dumps(name) if "/" in name else name  # TOML requires quotes
    print(f"  list   {cleaned.path}")
    if cleaned.tests:
        print(f"  tests  {cleaned.tests}: which test images had a copy in training before, for dabench report --attributes")
    print(f"To use it in a sweep file (the path is relative to that file):\n[dataset.{key}]")
    print(f"drop = {json.dumps(str(cleaned.path))}")
