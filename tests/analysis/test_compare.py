"""Two tables beside each other: cells with the interval of their difference, what differs in conditions, and what has fallen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import ADABN, LABELS, NONE, DatasetContent, Fabrication, edit, two_sets

import dabench
from dabench.analysis.compare import CellPair, Comparison
from dabench.analysis.export import write_pack
from dabench.cli import main
from dabench.errors import SpecError, StoreError
from dabench.reporting.baseline import compared_notes, compared_tables, write_baseline
from dabench.storage.run_store import RunStore


def constant(wrong: int, **changes: object) -> Fabrication:
    """Return a sweep of which every run predicts as many of the ten images wrong."""
    return Fabrication(lambda run, test: wrong, **{"adapters": {"none": NONE, "adabn": ADABN}, **changes})  # type: ignore[arg-type]


def written(folder: Path, ours: Fabrication, theirs: Fabrication) -> tuple[Path, Path]:
    return ours.write(folder / "ours").folder, theirs.write(folder / "theirs").folder


def between(folder: Path, ours: Fabrication, theirs: Fabrication) -> Comparison:
    return dabench.compare(*written(folder, ours, theirs))


def pair(of: Comparison, adapter: str, name: str) -> CellPair:
    found = [p for p in of.pairs if (c := p.first or p.second) and (c["adapter"], c["name"]) == (adapter, name)]
    assert len(found) == 1
    return found[0]


def as_baseline(folder: Path, fabrication: Fabrication) -> Path:
    """Return the committed table made of a sweep, without the records that would let it be paired."""
    write_baseline("theirs", fabrication.write(folder / "for-baseline").folder, folder)
    (folder / "theirs.zip").unlink()
    return folder / "theirs.json"


def test_a_difference_is_the_first_minus_the_second(tmp_path: Path) -> None:
    found = pair(between(tmp_path, constant(1), constant(3)), "none", "NET-P-H")
    assert found.first is not None
    assert found.second is not None
    assert (found.first["mean"], found.second["mean"], found.difference) == (90, 70, 20)


def test_the_interval_of_a_difference_pairs_the_same_images_of_two_output_folders(tmp_path: Path) -> None:
    # Images 0 to 4 are wrong on both sides: only what sets the two apart widens the interval, and nothing does.
    same = between(tmp_path, constant(5), constant(5))
    assert {(p.low, p.high, p.paired, p.verdict) for p in same.pairs} == {(0.0, 0.0, True, "the same")}


def test_where_one_side_is_a_committed_table_the_interval_is_wider(tmp_path: Path) -> None:
    found = dabench.compare(constant(5).write(tmp_path / "ours").folder, as_baseline(tmp_path, constant(5)))
    assert all(p.low is not None and p.low < -20 and p.high is not None and p.high > 20 and not p.paired for p in found.pairs)


def test_an_unpaired_interval_adds_the_arms_of_both_as_squares(tmp_path: Path) -> None:
    ours, baseline = constant(5).write(tmp_path / "ours").folder, as_baseline(tmp_path, constant(8))
    table = json.loads(baseline.read_text())
    for cell in table["cells"]:
        cell |= {"mean": 20.0, "low": 16.0, "high": 24.0}
    baseline.write_text(json.dumps(table))
    found = pair(dabench.compare(ours, baseline), "none", "NET-P-H")
    assert found.first is not None
    down, up = 50 - found.first["low"], found.first["high"] - 50
    assert found.low == pytest.approx(30 - (down**2 + 16) ** 0.5, abs=1e-3)
    assert found.high == pytest.approx(30 + (up**2 + 16) ** 0.5, abs=1e-3)


def test_other_test_images_of_the_same_name_do_not_pair(tmp_path: Path) -> None:
    ours, theirs = written(tmp_path, constant(5), constant(5))
    facts = theirs / "datasets" / "hand" / "facts.json"
    record = json.loads(facts.read_text())
    for run in theirs.glob("runs/*/run.json"):
        edit(run, lambda text: text.replace(record["digest"], "f" * 64))
    edit(facts, lambda text: text.replace(record["digest"], "f" * 64))
    found = dabench.compare(ours, theirs)
    assert {p.paired for p in found.pairs if p.first and p.first["test"] == "hand"} == {False}
    assert {p.paired for p in found.pairs if p.first and p.first["test"] == "print"} == {True}
    assert ("data of hand", "f" * 64) in {(c.what, c.second) for c in found.changes}


def test_other_seeds_do_not_pair(tmp_path: Path) -> None:
    found = between(tmp_path, constant(5, seeds=3), constant(5))
    assert {p.paired for p in found.pairs} == {False}
    assert [(c.what, c.first, c.second) for c in found.changes] == [("seeds", [0, 1, 2], [0, 1])]


@pytest.mark.parametrize(("ours", "verdict"), [(0, "better"), (2, "no clear change"), (9, "worse")])
def test_a_verdict_asks_that_the_interval_lies_on_one_side_of_0(tmp_path: Path, ours: int, verdict: str) -> None:
    # Against one of ten wrong: one image more may be chance, eight may not.
    found = dabench.compare(
        constant(ours).write(tmp_path / "ours").folder, as_baseline(tmp_path, constant(6 if ours == 0 else 1))
    )
    assert {p.verdict for p in found.pairs} == {verdict}


def test_cells_that_only_one_side_has_are_kept(tmp_path: Path) -> None:
    found = between(
        tmp_path,
        constant(1, adapters={"none": NONE}),
        constant(1, datasets={"print": DatasetContent("P"), "new": DatasetContent("N")}),
    )
    assert pair(found, "none", "NET-P-P").verdict == "the same"
    assert pair(found, "none", "NET-P-H").verdict == "only in A"
    assert pair(found, "adabn", "NET-P-N").verdict == "only in B"


def test_what_an_adapted_network_keeps_on_its_source_is_told_apart_by_its_target(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    table, *_ = compared_tables(between(tmp_path, constant(1, datasets=sets), constant(2, datasets=sets)))
    assert {row[2] for row in table.rows if row[:2] == ("adabn", "NET-A-A")} == {"A -> B", "A -> C"}
    assert len({row[:3] for row in table.rows}) == len(table.rows)


def test_of_a_metric_of_which_less_is_better_the_lower_side_is_the_better_one(tmp_path: Path) -> None:
    # All confidences are 0.58: the error is 0.42 where all is right, and 0.02 where 4 of 10 images are wrong.
    right, wrong = (constant(n, datasets={"print": DatasetContent("P", LABELS * 20)}, adapters={"none": NONE}) for n in (0, 80))
    stores = [f.write(tmp_path / name).folder for f, name in ((wrong, "a"), (right, "b"))]
    (pair,) = dabench.compare(*stores, metric="ece").pairs
    assert (pair.difference, pair.verdict) == (pytest.approx(-40, abs=0.5), "better")
    assert dabench.compare(*stores[::-1], metric="ece").fallen(30)
    assert not dabench.compare(*stores, metric="ece").fallen()


def test_a_published_number_without_an_interval_counts_as_exact(tmp_path: Path) -> None:
    sets = {"fer2013": DatasetContent("FER"), "nae": DatasetContent("NAE")}
    store = constant(5, datasets=sets, adapters={"none": NONE}).write(tmp_path / "s")
    edit(store.folder / "sweep.json", lambda text: text.replace('"name": "conv4"', '"name": "vgg19"'))
    found = dabench.compare(store.folder, "paper")
    table, *_ = compared_tables(found)
    assert table.rows[0] == (
        "none",
        "NET-FER-FER",
        "FER",
        "50.0 [19.9, 80.1]",
        "70.57",
        "-20.6 [-50.7, +9.5]",
        "no clear change",
    )
    assert table.rows[-1][-1] == "only in B"
    assert any("Table 1" in line for line in compared_notes(found))


def test_two_published_tables_have_no_interval() -> None:
    assert {(p.difference, p.low, p.verdict) for p in dabench.compare("paper", "paper").pairs} == {(0.0, None, "no interval")}


def test_a_pack_compares_as_its_output_folder_does(tmp_path: Path) -> None:
    ours, theirs = written(tmp_path, constant(1), constant(3))
    pack = write_pack(RunStore(theirs), tmp_path / "theirs.zip")
    assert dabench.compare(ours, pack).pairs == dabench.compare(ours, theirs).pairs


def test_settings_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    ours, theirs = written(tmp_path, constant(1), constant(1))
    record = json.loads((theirs / "sweep.json").read_text())
    record["sweep"]["train"]["lr"] = 0.25
    record["adapters"]["adabn"]["options"] = {"momentum": 0.5}
    edit(theirs / "sweep.json", lambda text: json.dumps(record))
    found = {c.what: (c.first, c.second) for c in dabench.compare(ours, theirs).changes}
    assert found == {"train.lr": (0.05, 0.25), "adabn.momentum": (None, 0.5)}


def test_where_a_dataset_lies_is_no_setting(tmp_path: Path) -> None:
    ours, theirs = written(tmp_path, constant(1), constant(1))
    record = json.loads((theirs / "sweep.json").read_text())
    record["sweep"]["dataset"] = {"print": {"path": "/data/elsewhere"}}
    edit(theirs / "sweep.json", lambda text: json.dumps(record))
    assert dabench.compare(ours, theirs).changes == []


def test_versions_that_differ_are_named(tmp_path: Path) -> None:
    ours, theirs = written(tmp_path, constant(1), constant(1))
    for run in list(theirs.glob("runs/*/run.json"))[:1]:
        edit(run, lambda text: text.replace("2.15.0", "2.11.0"))
    (change,) = dabench.compare(ours, theirs).changes
    assert (change.what, change.first, change.second) == ("ran with torch", "2.15.0", "2.11.0, 2.15.0")


def test_the_same_conditions_are_said_to_be_the_same(tmp_path: Path) -> None:
    found = between(tmp_path, constant(1), constant(2))
    assert found.changes == []
    assert compared_notes(found)[-1] == "Settings, data and versions are the same."


def test_a_table_without_settings_is_said_to_have_none(tmp_path: Path) -> None:
    found = dabench.compare(constant(1).write(tmp_path / "s").folder, "paper")
    assert compared_notes(found)[-1] == "B: its settings are not known, so they cannot be compared."


def test_missing_runs_are_told(tmp_path: Path) -> None:
    found = between(tmp_path, constant(1, leave_out=lambda run: run.name == "adabn_print_hand_s1"), constant(1))
    assert "A: 1 runs are missing." in compared_notes(found)


def test_the_metric_may_be_chosen_where_both_sides_hold_predictions(tmp_path: Path) -> None:
    found = dabench.compare(*written(tmp_path, constant(1), constant(1)), metric="recall:x")
    assert pair(found, "none", "NET-P-H").first["mean"] == 75  # type: ignore[index]


def test_the_rule_that_chose_checkpoints_is_told(tmp_path: Path) -> None:
    found = dabench.compare(constant(1).write(tmp_path / "s").folder, "paper", select="oracle")
    assert "checkpoint chosen by 'oracle' FROM TARGET TEST LABELS" in compared_tables(found)[0].title


def test_a_committed_table_in_another_metric_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="baseline 'paper' has the metric accuracy, not macro-f1; omit --metric"):
        dabench.compare(constant(1).write(tmp_path / "s").folder, "paper", metric="macro-f1")


@pytest.mark.parametrize("which", ["nowhere", "runs/nothing"])
def test_what_is_not_there_is_an_error_that_says_what_may_be_given(which: str) -> None:
    with pytest.raises(SpecError, match=f"unknown baseline '{which}'; known: adda, .*an existing output folder or pack"):
        dabench.compare(which, "paper")


def test_a_folder_of_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a results folder"):
        dabench.compare(tmp_path, "paper")


def test_a_comparison_is_plain_json(tmp_path: Path) -> None:
    value = json.loads(json.dumps(between(tmp_path, constant(1), constant(3)).as_dict()))
    assert value["cells"][0]["difference"] == 20
    assert (value["metric"], value["changes"]) == ("accuracy", [])


# What has fallen


def fabricated(difference: float, low: float | None, high: float | None) -> Comparison:
    """Return a comparison of one cell with this difference."""
    cell = dabench.compare("paper", "paper").pairs[0].first
    return of_one(CellPair(cell, cell, difference, low, high, False))


def of_one(pair: CellPair) -> Comparison:
    """Return a comparison of this cell alone."""
    return replace(dabench.compare("paper", "paper"), pairs=[pair])


@pytest.mark.parametrize(
    ("difference", "low", "high", "points", "fallen"),
    [
        (-3.0, -5.0, -1.0, 0.0, True),
        (-3.0, -5.0, -1.0, 2.9, True),
        (-3.0, -5.0, -1.0, 3.0, False),  # by more than the points
        (-3.0, -7.0, 1.0, 0.0, False),  # the interval holds 0
        (-3.0, -6.0, 0.0, 0.0, False),
        (3.0, 1.0, 5.0, 0.0, False),
        (-3.0, None, None, 0.0, False),  # nothing says that it is no chance
    ],
)
def test_a_cell_has_fallen_by_more_than_the_points_and_with_its_interval_below_0(
    difference: float, low: float | None, high: float | None, points: float, fallen: bool
) -> None:
    assert bool(fabricated(difference, low, high).fallen(points)) is fallen


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (None, None)])
def test_a_number_within_the_other_sides_interval_is_not_outside(bounds: tuple[float | None, float | None]) -> None:
    low, high = bounds
    second = {"mean": 50.0, "low": None if low is None else 50 + low, "high": None if high is None else 50 + high}
    assert not of_one(CellPair({"mean": 50.9}, second, 0.9, None, None, False)).outside()


@pytest.mark.parametrize("mean", [48.9, 51.1])
def test_a_number_beyond_the_other_sides_interval_is_outside_on_either_side(mean: float) -> None:
    second = {"mean": 50.0, "low": 49.0, "high": 51.0}
    assert of_one(CellPair({"mean": mean}, second, mean - 50, None, None, False)).outside()


def test_fail_below_is_exit_code_1_where_a_cell_has_fallen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = map(str, written(tmp_path, constant(9), constant(1)))
    assert main(["compare", ours, theirs]) == 0
    assert main(["compare", ours, theirs, "--fail-below"]) == 1
    assert capsys.readouterr().err.startswith("8 of 8 cells are worse by more than 0 points: none NET-P-P, ")
    assert main(["compare", ours, theirs, "--fail-below", "79"]) == 1
    assert main(["compare", ours, theirs, "--fail-below", "80"]) == 0
    assert main(["compare", theirs, ours, "--fail-below"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "0 of 8 cells are worse by more than 0 points"


def test_fail_outside_is_exit_code_1_where_a_number_left_the_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = map(str, written(tmp_path, constant(9), constant(1)))
    for one, other in ((ours, theirs), (theirs, ours)):
        assert main(["compare", one, other, "--fail-outside"]) == 1
        assert capsys.readouterr().err.startswith("8 of 8 cells lie outside the interval of B's: none NET-P-P, ")
    assert main(["compare", ours, ours, "--fail-outside"]) == 0


def test_fail_below_with_nothing_in_common_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(two_sets().write(tmp_path / "s").folder), "paper", "--fail-below"]) == 2
    err = capsys.readouterr().err
    assert "have no cell in common, so the check cannot fail" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("points", ["-1", "nan", "inf"])
def test_points_below_0_are_refused(capsys: pytest.CaptureFixture[str], points: str) -> None:
    assert main(["compare", "paper", "paper", f"--fail-below={points}"]) == 2
    assert "must be 0 points or more" in capsys.readouterr().err


def test_compare_as_json_prints_json_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = map(str, written(tmp_path, constant(1), constant(1)))
    assert main(["compare", ours, theirs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first"] == {"title": ours, "kind": "measured", "selection": "last"}
