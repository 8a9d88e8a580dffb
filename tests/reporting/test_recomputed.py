"""A measured table is computed again from its predictions; a forged one is refused, and the first wrong value is named."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import two_sets
from packs import contents, zipped

import dabench
from dabench.analysis import baselines
from dabench.analysis.baselines import committed_tables, contributed_tables, measured_tables
from dabench.cli import main
from dabench.errors import StoreError
from dabench.hashing import digest
from dabench.reporting.baseline import write_baseline
from dabench.reporting.recomputed import check_table, differences

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """An honest table with its text and its pack."""
    return write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path / "contributed")[0]


def forge(table: Path, change: Change) -> None:
    value = json.loads(table.read_text(encoding="utf-8"))
    change(value)
    table.write_text(json.dumps(value), encoding="utf-8")


def set_to(where: str, new: Any) -> Change:
    """Return a change of the value at a path such as "cells.1.mean"."""

    def change(value: Any) -> None:
        *path, last = [int(key) if key.isdecimal() else key for key in where.split(".")]
        for key in path:
            value = value[key]
        value[last] = new

    return change


def other_predictions(table: Path, *, sealed: bool) -> None:
    """Change what a run predicted; `sealed`: also the sum in run.json, as somebody who means harm would."""
    pack = table.with_suffix(".zip")
    files = contents(pack)
    name = next(n for n in files if "adabn_print_hand_s0" in n and n.endswith("predicted-hand.npy"))
    predicted = np.load(io.BytesIO(files[name]), allow_pickle=False)
    predicted[:] = 0
    out = io.BytesIO()
    np.save(out, predicted, allow_pickle=False)
    files[name] = out.getvalue()
    if sealed:
        run = name.replace("predicted-hand.npy", "run.json")
        facts = json.loads(files[run])
        facts["files"]["predicted-hand.npy"] = hashlib.sha256(files[name]).hexdigest()
        facts["check"] = digest({key: value for key, value in facts.items() if key != "check"})
        files[run] = json.dumps(facts).encode()
    zipped(pack, files, listed=sealed)


def test_an_honest_table_is_accepted(table: Path) -> None:
    assert check_table(table)["name"] == "mine"


@pytest.mark.parametrize(
    ("where", "new", "said"),
    [
        ("cells.1.mean", 99.0, r"cells\[1: none NET-P-H\]\.mean is 99\.0, but its predictions give 50\.0"),
        ("cells.1.high", 50.1, r"cells\[1: none NET-P-H\]\.high is 50\.1"),
        ("gains.0.mean", 50.0, r"gains\[0: adabn NET-P-H\]\.mean is 50\.0, but its predictions give 20\.0"),
        ("cells.1.label_budget", "all", r'cells\[1: none NET-P-H\]\.label_budget is "all", but its predictions give "0"'),
        ("cells.1.steps_max", 1, r"steps_max is 1, but its predictions give 20"),
        ("other_metrics.balanced-accuracy.cells.0.mean", 1.0, r"other_metrics\.balanced-accuracy\.cells\[0\]\.mean is 1\.0"),
        ("seeds", [0, 1, 2], r"seeds\[2\] is 2, but its predictions give nothing"),
        ("digest", "0" * 64, r'digest is "0000.*", but its predictions give'),
        ("datasets.hand.digest", "0" * 64, r"datasets\.hand\.digest is"),
        ("backbone", "a better one", "backbone"),
        ("provenance.runs", 900, r"provenance\.runs is 900, but its predictions give 12"),
        ("name", "other", r'name is "other", but its predictions give "mine"'),
        ("award", "first", r'award is "first", but its predictions give nothing'),
        ("metric", "ece", r'metric is "ece", allowed: accuracy, balanced-accuracy'),
        ("selection", "entropy", "other_metrics|cells"),
        ("selection", "luck", "cannot be computed again: .*'luck'"),
        ("provenance", {}, r"provenance\.wall_seconds is missing"),
        ("kind", "published", "is a published table, which has no predictions to check"),
    ],
)
def test_a_changed_value_is_refused_and_named(table: Path, where: str, new: Any, said: str) -> None:
    forge(table, set_to(where, new))
    with pytest.raises(StoreError, match=said):
        check_table(table)


def test_a_row_that_was_removed_is_named(table: Path) -> None:
    forge(table, lambda value: value["cells"].pop())
    with pytest.raises(StoreError, match=r"cells\[\d+: fine-tune NET-H-.\] is nothing, but its predictions give"):
        check_table(table)


def test_the_text_must_follow_too(table: Path) -> None:
    text = table.with_suffix(".md")
    text.write_text(text.read_text(encoding="utf-8").replace("90.0", "99.0"), encoding="utf-8")
    with pytest.raises(StoreError, match=r"mine\.md: the text does not follow from its predictions"):
        check_table(table)


def test_a_table_without_its_pack_is_refused(table: Path) -> None:
    table.with_suffix(".zip").unlink()
    with pytest.raises(StoreError, match=r"its pack mine\.zip is missing"):
        check_table(table)


def test_changed_predictions_in_a_pack_that_lists_others_are_refused(table: Path) -> None:
    other_predictions(table, sealed=False)
    with pytest.raises(StoreError, match=r"damaged \(.*predicted-hand\.npy has changed\)"):
        check_table(table)


def test_changed_predictions_with_new_sums_do_not_give_the_old_table(table: Path) -> None:
    other_predictions(table, sealed=True)
    with pytest.raises(StoreError, match=r"cells\[\d+: adabn NET-P-H\]\.mean is 70\.0, but its predictions give"):
        check_table(table)


def test_the_pack_of_another_sweep_is_refused(table: Path, tmp_path: Path) -> None:
    other = write_baseline("mine", two_sets(title="Other").write(tmp_path / "o").folder, tmp_path / "other")[-1]
    other.replace(table.with_suffix(".zip"))
    with pytest.raises(StoreError, match="title is"):
        check_table(table)


def test_notes_by_hand_are_kept(table: Path) -> None:
    forge(table, set_to("note", "Measured on a boat."))
    table.with_suffix(".md").unlink()
    assert check_table(table)["note"] == "Measured on a boat."


def test_numbers_of_another_type_differ() -> None:
    assert list(differences({"a": [1, True]}, {"a": [1.0, 1]})) == [("a[0]", 1, 1.0), ("a[1]", True, 1)]


def test_the_command_says_what_follows(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", str(table), "--check"]) == 0
    assert capsys.readouterr().out == f"{table}: 12 cells and 4 gains follow from the predictions\n"


def test_the_command_fails_for_a_forged_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(table, set_to("cells.1.mean", 99.0))
    assert main(["baseline", "--check", str(table)]) == 1
    assert "write the table with dabench baseline NAME --from RUNS" in capsys.readouterr().err


def test_the_command_without_a_name_checks_every_measured_table(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baselines, "measured_tables", lambda: {str(table): table})
    assert main(["baseline", "--check"]) == 0
    assert str(table) in capsys.readouterr().out


def test_a_check_makes_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "mine", "--check", "--from", "runs"]) == 2
    assert "--check: checks a table that exists" in capsys.readouterr().err


@pytest.fixture
def shipped(table: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table as one of baselines/contributed."""
    monkeypatch.setattr(baselines, "_folder", lambda: table.parents[1])
    return table


def test_a_contributed_table_is_known_by_its_name(shipped: Path) -> None:
    assert contributed_tables() == measured_tables() == {"mine": shipped}
    assert check_table("mine")["name"] == "mine"


def test_a_contributed_table_can_be_compared_cited_and_listed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "contributed_tables", lambda: {"mine": table})
    assert all(pair.verdict == "the same" for pair in dabench.compare("mine", table).pairs)
    assert "table digest" in dabench.cite("mine")
    assert [entry["name"] for entry in dabench.list()["baselines"]][-1] == "mine"


def test_a_contributed_table_takes_no_name_from_a_committed_one(shipped: Path) -> None:
    committed = shipped.parents[1] / "mine.json"
    committed.write_bytes(shipped.read_bytes())
    assert measured_tables() == {"mine": committed}


@pytest.mark.parametrize("name", contributed_tables())
def test_each_contributed_table_follows_from_its_predictions(name: str) -> None:
    assert name not in committed_tables()
    check_table(contributed_tables()[name])


def test_only_tables_with_text_and_pack_are_contributed() -> None:
    folder = Path(next(iter(committed_tables().values()))).parent / "contributed"
    names = {p.stem for p in folder.iterdir()} - {"README"}
    assert {p.name for p in folder.iterdir()} == {f"{n}{end}" for n in names for end in (".json", ".md", ".zip")} | {"README.md"}
