"""The cross matrix, the gains and the gap closed, of stores whose every number can be worked out by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fabricated import ADABN, FINE_TUNE, LABELS, NONE, WRONG, DatasetContent, Fabrication, edit, from_table, method, two_sets

from dabench.analysis.intervals import share_interval, student
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.analysis.metrics import accuracy, calibration_error
from dabench.analysis.results import Cell, Gain, gap_closed_percent
from dabench.errors import SpecError, StoreError
from dabench.plugins.contract import SUPERVISED
from dabench.reporting.formats import to_json
from dabench.storage.run_store import RunStore
from dabench.storage.schema import CellKey, Run


def cell(matrix: Matrix, adapter: str, sources: str, target: str | None, test: str) -> Cell:
    found = [c for c in matrix.cells if (c.adapter, "+".join(c.sources), c.target, c.test) == (adapter, sources, target, test)]
    assert len(found) == 1
    return found[0]


def gain(matrix: Matrix, adapter: str, sources: str, target: str) -> Gain:
    found = [g for g in matrix.gains if (g.adapter, "+".join(g.sources), g.target) == (adapter, sources, target)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    return read_matrix(two_sets().write(tmp_path / "two"))


def test_each_cell_is_the_mean_accuracy_over_seeds_of_the_last_checkpoint(matrix: Matrix) -> None:
    found = {(c.adapter, c.sources[0], c.target, c.test): c.mean for c in matrix.cells}
    expected = {
        ("none" if method == SUPERVISED else method, source, target, test): 100 - 10 * sum(wrong) / 2
        for (method, source, target, test), wrong in WRONG.items()
    }
    assert found == pytest.approx(expected)


def test_a_notebook_shows_the_matrix_as_a_table(matrix: Matrix) -> None:
    table = ElementTree.fromstring(matrix._repr_html_())
    caption, head, *rows = table
    assert (caption.tag, head[0].text, head[6].text) == ("caption", "adapter", "P test")
    found = {(row[0].text, row[1].text): [field.text for field in row[6:]] for row in rows}
    assert found["none", "P"] == [
        f"{c.mean:.1f} [{c.low:.1f}, {c.high:.1f}]"
        for c in (cell(matrix, "none", "print", None, "print"), cell(matrix, "none", "print", None, "hand"))
    ]
    assert len(found) == len({(c.adapter, *c.sources, c.target) for c in matrix.cells})


def test_the_table_of_a_notebook_escapes_names(matrix: Matrix) -> None:
    sweep = replace(matrix.record.sweep, title="<script>alert(1)</script>")
    shown = replace(matrix, record=replace(matrix.record, sweep=sweep), missing=["run"])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "1 of " in shown
    assert " runs are missing" in shown


def test_the_cells_of_none_have_no_target(matrix: Matrix) -> None:
    assert {c.target for c in matrix.cells if c.adapter == "none"} == {None}


def test_every_other_cell_names_its_target_and_is_tested_there_and_on_its_source(matrix: Matrix) -> None:
    adapted = [c for c in matrix.cells if c.adapter != "none"]
    assert {(c.sources[0], c.target, c.test) for c in adapted} == {
        ("print", "hand", "print"),
        ("print", "hand", "hand"),
        ("hand", "print", "print"),
        ("hand", "print", "hand"),
    }


def test_a_cell_holds_its_conditions(matrix: Matrix) -> None:
    c = cell(matrix, "fine-tune", "print", "hand", "hand")
    assert (c.name, c.backbone, c.label_budget, c.selection, c.metric, c.seeds, c.n) == (
        "NET-P-H",
        "conv4",
        "5 per class",
        "last",
        "accuracy",
        2,
        10,
    )


def test_a_method_that_sees_no_labels_says_0(matrix: Matrix) -> None:
    assert {c.label_budget for c in matrix.cells if c.adapter in ("none", "adabn")} == {"0"}


def test_every_interval_holds_its_mean(matrix: Matrix) -> None:
    assert all(row.low <= row.mean <= row.high for row in (*matrix.cells, *matrix.gains))


def test_a_gain_is_the_adapted_minus_the_plain_accuracy(matrix: Matrix) -> None:
    assert {(g.adapter, g.name): g.mean for g in matrix.gains} == pytest.approx(
        {("adabn", "NET-P-H"): 20, ("adabn", "NET-H-P"): 0, ("fine-tune", "NET-P-H"): 40, ("fine-tune", "NET-H-P"): -10}
    )


def test_the_gap_closed_is_the_gain_over_what_is_lost_out_of_domain(matrix: Matrix) -> None:
    # hand: 90 at home, 50 from print. print: 90 at home, 60 from hand.
    assert {(g.adapter, g.name): g.gap_closed for g in matrix.gains} == pytest.approx(
        {
            ("adabn", "NET-P-H"): 100 * 20 / 40,
            ("adabn", "NET-H-P"): 0,
            ("fine-tune", "NET-P-H"): 100 * 40 / 40,
            ("fine-tune", "NET-H-P"): 100 * -10 / 30,
        },
        abs=1e-4,
    )


@pytest.mark.parametrize(("lost", "part"), [(0.0, None), (0.9, None), (1.0, 50.0), (-3.0, None)])
def test_of_less_than_a_point_lost_no_part_is_told(lost: float, part: float | None) -> None:
    assert gap_closed_percent(lost / 2, lost, accuracy()) == part
    assert gap_closed_percent(-lost / 2, -lost, calibration_error()) == part


def test_none_has_no_gain(matrix: Matrix) -> None:
    assert "none" not in {g.adapter for g in matrix.gains}


def test_a_gain_of_the_same_predictions_has_no_width(matrix: Matrix) -> None:
    g = gain(matrix, "adabn", "hand", "print")
    assert (g.low, g.high) == (0, 0)


@pytest.mark.parametrize("at_home", [(6, 4), (7, 7)])
def test_where_nothing_is_lost_no_gap_can_be_closed(tmp_path: Path, at_home: tuple[int, int]) -> None:
    table = WRONG | {(SUPERVISED, "hand", None, "hand"): at_home}
    matrix = read_matrix(two_sets(wrong=from_table(table)).write(tmp_path / "s"))
    assert gain(matrix, "adabn", "print", "hand").gap_closed is None
    assert gain(matrix, "adabn", "hand", "print").gap_closed == 0


def test_a_number_on_one_group_has_the_interval_of_its_images_and_says_so(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P", groups=[7] * 10), "hand": DatasetContent("H")}
    c = cell(read_matrix(two_sets(datasets=sets).write(tmp_path / "s")), "none", "print", None, "print")
    expected = share_interval(0.9, student(10) * np.sqrt(0.1 * 0.9 / 9), 10)
    assert (c.low, c.high) == pytest.approx([100 * end for end in expected], abs=1e-3)
    assert c.interval_over == "seeds and images of one group"


HALF = student(10) * np.sqrt(0.25 / 9)
"""Half width of a share of ten images of which five are right."""


def test_groups_of_the_test_set_are_left_out_together(tmp_path: Path) -> None:
    # The five images that are wrong are one of two groups.
    sets = {"print": DatasetContent("P", groups=[0] * 5 + [1] * 5), "hand": DatasetContent("H")}
    fabrication = Fabrication(wrong=lambda run, test: 5, datasets=sets, adapters={"none": NONE})
    matrix = read_matrix(fabrication.write(tmp_path / "s"))
    on_print, on_hand = cell(matrix, "none", "print", None, "print"), cell(matrix, "none", "print", None, "hand")
    assert (on_print.low, on_print.high) == pytest.approx((0, 100), abs=0.5)
    expected = share_interval(0.5, HALF, 10)
    assert (on_hand.low, on_hand.high) == pytest.approx([100 * end for end in expected], abs=1e-3)


def test_groups_of_the_test_set_are_left_out_together_for_a_gain_too(tmp_path: Path) -> None:
    # What adabn wins are the five images of one of two groups.
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", groups=[0] * 5 + [1] * 5)}
    fabrication = Fabrication(lambda run, test: 0 if run.method == "adabn" else 5, sets, {"none": NONE, "adabn": ADABN})
    matrix = read_matrix(fabrication.write(tmp_path / "s"))
    grouped, single = gain(matrix, "adabn", "print", "hand"), gain(matrix, "adabn", "hand", "print")
    assert (grouped.low, grouped.mean, grouped.high) == (-100, 50, 100)  # of two groups, next to nothing is known
    assert (single.low, single.high) == pytest.approx((50 - 100 * HALF, 50 + 100 * HALF), abs=1e-3)


def test_the_confusion_matrix_counts_the_images_of_all_seeds(matrix: Matrix) -> None:
    # print on print: one of the four x is taken for y, with both seeds.
    found = matrix.confusion[CellKey("none", ("print",), None, "print")]
    assert found.tolist() == [[6, 2, 0], [0, 6, 0], [0, 0, 6]]


@pytest.mark.parametrize(
    ("metric", "mean"),
    [
        ("accuracy", 90),
        ("balanced-accuracy", 100 * (3 / 4 + 1 + 1) / 3),
        ("macro-f1", 100 * (6 / 7 + 6 / 7 + 1) / 3),
        ("recall:x", 75),
        ("recall:y", 100),
    ],
)
def test_every_metric_comes_from_the_same_predictions(tmp_path: Path, metric: str, mean: float) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"), metric)
    c = cell(matrix, "none", "print", None, "print")
    assert (c.mean, c.metric) == (pytest.approx(mean, abs=1e-4), metric)


def test_a_gain_is_in_the_metric_asked_for(tmp_path: Path) -> None:
    # x is the first class, four of ten images: 6 and 4 wrong leave 0 and 0 of its recall, 1 and 1 wrong leave 3/4.
    matrix = read_matrix(two_sets().write(tmp_path / "s"), "recall:x")
    assert gain(matrix, "fine-tune", "print", "hand").mean == pytest.approx(75)


def test_the_calibration_error_comes_from_the_stored_logits(tmp_path: Path) -> None:
    # Logits of 1, 0 and 0: every prediction has the confidence e / (e + 2), and all are in one bin.
    confidence = np.e / (np.e + 2)
    matrix = read_matrix(two_sets().write(tmp_path / "s"), "ece")
    assert cell(matrix, "none", "print", None, "print").mean == pytest.approx(100 * abs(0.9 - confidence), abs=1e-4)
    change = (abs(0.9 - confidence) + abs(0.9 - confidence)) / 2 - (abs(0.4 - confidence) + abs(0.6 - confidence)) / 2
    assert gain(matrix, "fine-tune", "print", "hand").mean == pytest.approx(100 * change, abs=1e-4)
    assert matrix.as_dict()["better"] == "lower"


def test_the_worst_group_is_that_of_each_seed(tmp_path: Path) -> None:
    # 60 images of which the first half is "old": of the first `wrong` images all are wrong.
    sets = {
        "print": DatasetContent("P", [0, 1, 2] * 20, attributes={"age": ["old"] * 30 + ["young"] * 30}),
        "hand": DatasetContent("H"),
    }
    wrong = {"print": (6, 45), "hand": (1, 1)}
    fabrication = Fabrication(lambda run, test: wrong[test][run.seed], sets, {"none": NONE, "adabn": ADABN})
    matrix = read_matrix(fabrication.write(tmp_path / "s"), "worst-group:age")
    assert cell(matrix, "none", "print", None, "print").mean == pytest.approx(100 * (24 / 30 + 0) / 2)
    assert matrix.undefined_on == ["hand"]
    assert {c.test for c in matrix.cells} == {"print"}
    assert [g.target for g in matrix.gains] == ["print"]


def test_a_worst_group_of_an_unknown_attribute_names_those_that_there_are(tmp_path: Path) -> None:
    ages = {"age": ["old"] * 30 + ["young"] * 30, "town": [f"t{i % 2}" for i in range(60)], "few": ["a"] * 59 + ["b"]}
    sets = {
        "print": DatasetContent("P", [0] * 60, attributes=ages),
        "hand": DatasetContent("H", attributes={"all-few": ["a", "b"] * 5}),
    }
    store = Fabrication(lambda run, test: 1, sets, {"none": NONE}).write(tmp_path / "s")
    with pytest.raises(SpecError, match=r"known: .*worst-group:age, worst-group:few, worst-group:town$"):
        read_matrix(store, "worst-group:sex")


def test_a_metric_without_a_value_on_a_test_set_leaves_its_cells_empty(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", [1, 1, 2, 2])}
    matrix = read_matrix(two_sets(datasets=sets, wrong=lambda run, test: 1).write(tmp_path / "s"), "recall:x")
    assert ({c.test for c in matrix.cells}, matrix.undefined_on) == ({"print"}, ["hand"])
    assert {g.target for g in matrix.gains} == {"print"}
    assert {g.gap_closed for g in matrix.gains} == {None}
    assert json.loads(to_json(matrix))["cells"]


def test_a_gain_counts_the_seeds_with_which_it_is_one(tmp_path: Path) -> None:
    table = WRONG | {("adabn", "print", "hand", "hand"): (5, 5)}  # from 6 and 4 wrong
    found = gain(read_matrix(two_sets(wrong=from_table(table)).write(tmp_path / "s")), "adabn", "print", "hand")
    assert (found.mean, found.improved, found.seeds) == (0, 1, 2)


def test_what_adapting_cost_is_the_change_on_the_source_of_the_seeds_that_both_have(tmp_path: Path) -> None:
    assert gain(read_matrix(two_sets().write(tmp_path / "s")), "fine-tune", "print", "hand").on_source == pytest.approx(-40)
    part = read_matrix(without("supervised_print_s0").write(tmp_path / "p"))
    assert gain(part, "fine-tune", "print", "hand").on_source == pytest.approx(-40)  # seed 1: from 1 wrong to 5


def several(run: Run, test: str) -> int:
    """Return how wrong: a+b on c 5 (plain), 3 (adabn); c at home 1; all else 2."""
    if test == "c" and run.sources == ("a", "b"):
        return 3 if run.method == "adabn" else 5
    return 1 if (run.sources, test) == (("c",), "c") else 2


@pytest.fixture
def multi(tmp_path: Path) -> Matrix:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    fabrication = Fabrication(several, sets, {"none": NONE, "adabn": ADABN}, pairs=("a + b -> c",))
    return read_matrix(fabrication.write(tmp_path / "multi"))


def test_several_sources_are_one_row_named_after_all_of_them(multi: Matrix) -> None:
    assert cell(multi, "adabn", "a+b", "c", "c").name == "NET-A+B-C"


def test_a_model_of_several_sources_is_tested_on_each_of_them_and_on_the_target(multi: Matrix) -> None:
    assert [c.test for c in multi.cells if c.adapter == "adabn"] == ["a", "b", "c"]


def test_the_plain_model_of_several_sources_and_of_each_set_alone_is_tested_on_every_set(multi: Matrix) -> None:
    rows = [("+".join(c.sources), c.test) for c in multi.cells if c.adapter == "none"]
    assert rows == [(s, t) for s in ("a", "b", "c", "a+b") for t in "abc"]


def test_the_gain_over_several_sources_is_against_the_plain_model_of_the_same_sources(multi: Matrix) -> None:
    g = gain(multi, "adabn", "a+b", "c")
    assert (g.mean, g.gap_closed) == pytest.approx((20, 100 * 20 / 40))


def test_a_sweep_of_given_pairs_has_gains_for_these_alone(multi: Matrix) -> None:
    assert [(g.adapter, g.sources, g.target) for g in multi.gains] == [("adabn", ["a", "b"], "c")]


def test_a_method_with_its_own_pretraining_is_compared_with_the_plain_one(tmp_path: Path) -> None:
    table = {k: v for k, v in WRONG.items() if k[0] in (SUPERVISED, "adabn")}
    table |= {("adabn", *k[1:]): (9, 9) for k in table if k[0] == SUPERVISED}
    adapters = {"none": NONE, "adabn": method(access="unlabelled", own_pretraining=True)}
    matrix = read_matrix(two_sets(wrong=from_table(table), adapters=adapters).write(tmp_path / "s"))
    assert gain(matrix, "adabn", "print", "hand").mean == pytest.approx(20)


def without(*names: str) -> Fabrication:
    return two_sets(leave_out=lambda run: run.name in names)


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    matrix = read_matrix(without("fine-tune_print_hand_s1").write(tmp_path / "s"))
    assert matrix.missing == ["fine-tune_print_hand_s1"]
    assert not matrix.as_dict()["complete"]


def test_what_stands_of_an_unfinished_sweep_is_reported_of_the_seeds_it_has(tmp_path: Path) -> None:
    matrix = read_matrix(without("supervised_print_s1", "adabn_print_hand_s0").write(tmp_path / "s"))
    plain = cell(matrix, "none", "print", None, "hand")
    assert (plain.mean, plain.seeds) == (pytest.approx(40), 1)  # seed 0: 6 of 10 wrong
    assert cell(matrix, "adabn", "print", "hand", "hand").mean == pytest.approx(80)  # seed 1: 2 wrong


def test_a_gain_needs_both_sides_of_a_seed(tmp_path: Path) -> None:
    matrix = read_matrix(without("supervised_print_s1", "adabn_print_hand_s0").write(tmp_path / "s"))
    assert [g.adapter for g in matrix.gains if g.target == "hand"] == ["fine-tune"]
    g = gain(matrix, "fine-tune", "print", "hand")
    assert (g.mean, g.seeds) == (pytest.approx(50), 1)  # seed 0: from 6 wrong to 1


def test_a_cell_without_a_run_is_left_out(tmp_path: Path) -> None:
    matrix = read_matrix(without("adabn_print_hand_s0", "adabn_print_hand_s1").write(tmp_path / "s"))
    assert {c.sources[0] for c in matrix.cells if c.adapter == "adabn"} == {"hand"}


def test_without_the_in_domain_number_of_a_seed_no_gap_is_known(tmp_path: Path) -> None:
    matrix = read_matrix(without("supervised_hand_s1").write(tmp_path / "s"))
    g = gain(matrix, "adabn", "print", "hand")
    assert (g.mean, g.gap_closed, g.seeds) == (pytest.approx(20), None, 2)


def test_a_store_without_a_single_run_gives_an_empty_matrix(tmp_path: Path) -> None:
    fabrication = two_sets(leave_out=lambda run: True)
    matrix = read_matrix(fabrication.write(tmp_path / "s"))
    assert (matrix.cells, matrix.gains, len(matrix.missing)) == ([], [], len(fabrication.runs()))


def folder_of(store: RunStore, name: str) -> Path:
    (folder,) = store.runs.glob(f"{name}-*")
    return folder


def test_a_run_with_a_damaged_prediction_counts_as_missing(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    file = folder_of(store, "adabn_print_hand_s1") / "logits-hand.npy"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    matrix = read_matrix(store)
    assert matrix.missing == ["adabn_print_hand_s1"]
    assert cell(matrix, "adabn", "print", "hand", "hand").seeds == 1


@pytest.mark.parametrize("file", ["run.json", "logits-print.npy"])
def test_a_run_without_one_of_its_files_counts_as_missing(tmp_path: Path, file: str) -> None:
    store = two_sets().write(tmp_path / "s")
    (folder_of(store, "supervised_print_s0") / file).unlink()
    assert read_matrix(store).missing == ["supervised_print_s0"]


def test_changed_test_labels_are_an_error(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    np.save(store.folder / "datasets" / "hand" / "labels.npy", np.array(LABELS[:-1]))
    with pytest.raises(StoreError, match=r"labels\.npy has changed"):
        read_matrix(store)


def test_a_store_without_the_test_labels_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    shutil.rmtree(store.folder / "datasets" / "hand")
    with pytest.raises(StoreError, match="run the sweep again"):
        read_matrix(store)


def test_a_folder_that_is_no_sweeps_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a results folder \(it has no sweep.json\)"):
        read_matrix(RunStore(tmp_path))


def test_an_unknown_rule_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="unknown selection 'lastt'; did you mean 'last'"):
        read_matrix(two_sets().write(tmp_path / "s"), selection="lastt")


def test_the_results_do_not_depend_on_the_order_in_which_runs_were_done(tmp_path: Path) -> None:
    orders = {
        "forward": lambda runs: runs,
        "backward": lambda runs: runs[::-1],
        "mixed": lambda runs: [runs[i] for i in np.random.default_rng(1).permutation(len(runs))],
    }
    texts = {to_json(read_matrix(two_sets(order=order).write(tmp_path / name))) for name, order in orders.items()}
    assert len(texts) == 1


def test_a_run_done_again_gives_the_same_results(tmp_path: Path) -> None:
    fabrication = two_sets()
    store = fabrication.write(tmp_path / "s")
    before = to_json(read_matrix(store))
    fabrication.add(store, fabrication.runs()[0])
    assert to_json(read_matrix(store)) == before


def test_the_digest_says_which_runs_the_matrix_is_of(tmp_path: Path) -> None:
    whole = read_matrix(two_sets().write(tmp_path / "whole")).digest
    part = read_matrix(without("adabn_print_hand_s1").write(tmp_path / "part")).digest
    assert whole != part


def test_results_have_the_fields_that_others_read(tmp_path: Path) -> None:
    results = json.loads(to_json(read_matrix(two_sets().write(tmp_path / "s"))))
    cells = {"adapter", "backbone", "sources", "target", "test", "label_budget", "selection", "metric", "mean", "low", "high"}
    conditions = {"seeds", "label_budget", "selection", "target_images", "steps_min", "steps_max"}
    over = {"interval_over", "omitted_classes"}
    assert set(results["cells"][0]) == cells | conditions | over | {"n", "name"}
    gains = {"adapter", "sources", "target", "mean", "low", "high", "gap_closed", "seeds", "improved", "on_source"}
    more = {"on_source_low", "on_source_high", "none_steps", "longer_than_none", "gap_low", "gap_high"}
    assert set(results["gains"][0]) == gains | conditions | over | more | {"name"}
    means = {"in_domain", "out_of_domain", "drop", "gain", "gap_closed", "on_source", "improved", "p", "p_holm", "needed"}
    means |= {"kind", "targets", "source_sets", "sure", "on_source_low", "on_source_high", "longer_than_none"}
    assert set(results["summary"][0]) == means | conditions | {"adapter", "pairs"}
    ranks = {"kind", "pairs", "targets", "source_sets", "needed", "critical", "methods", "groups"}
    assert set(results["ranks"][0]) == ranks
    assert set(results["ranks"][0]["methods"][0]) == conditions | {"adapter", "rank", "low", "high"}
    assert results["datasets"]["print"]["guessing"] == {"chance": 33.3333, "majority": 40.0, "majority_class": "x"}
    assert results["better"] == "higher"
    assert [c["target"] for c in results["cells"] if c["adapter"] == "none"] == [None] * 4
    assert results["complete"]
    assert results["missing"] == []


def test_what_all_labels_means_is_told_in_the_cells(tmp_path: Path) -> None:
    fabrication = two_sets(adapters={"none": NONE, "fine-tune": FINE_TUNE})
    store = fabrication.write(tmp_path / "s")
    for run in fabrication.runs():
        if run.target:
            edit(folder_of(store, run.name) / "run.json", lambda text: text.replace("5 per class", "all"))
    assert {c.label_budget for c in read_matrix(store).cells if c.adapter == "fine-tune"} == {"all"}


def test_reading_a_matrix_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    before = {p: p.stat().st_mtime_ns for p in sorted(store.folder.rglob("*"))}
    read_matrix(store)
    assert {p: p.stat().st_mtime_ns for p in sorted(store.folder.rglob("*"))} == before


def test_cells_are_plain_values(matrix: Matrix) -> None:
    assert json.loads(json.dumps([asdict(c) for c in matrix.cells])) == [asdict(c) for c in matrix.cells]


def test_a_rule_reads_the_same_store_at_other_checkpoints(tmp_path: Path) -> None:
    # By the fabrication's scores, entropy chooses the first checkpoint, at which every image is wrong.
    store = two_sets().write(tmp_path / "s")
    means = {rule: {c.mean for c in read_matrix(store, selection=rule).cells} for rule in ("last", "snd", "oracle", "entropy")}
    assert means["last"] == means["snd"] == means["oracle"] != {0.0}
    assert means["entropy"] == {0.0}


def test_every_cell_and_the_results_name_the_rule(tmp_path: Path) -> None:
    results = read_matrix(two_sets().write(tmp_path / "s"), selection="entropy").as_dict()
    assert {cell["selection"] for cell in results["cells"]} == {results["selection"]} == {"entropy"}


def test_what_each_rule_would_have_chosen_is_the_same_whatever_rule_is_reported(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    last, entropy = read_matrix(store).rules, read_matrix(store, selection="entropy").rules
    assert last == entropy
    assert [c.below_oracle for c in last if c.adapter == "adabn" and c.rule == "entropy"] == [65.0]


def test_where_no_run_has_two_checkpoints_no_rule_has_a_choice_to_tell_of(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets(checkpoints=(20,)).write(tmp_path / "s"))
    assert (matrix.rules, matrix.missing) == ([], [])


def test_an_unknown_rule_is_an_error_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"unknown selection 'best'; .*known: last, source-accuracy"):
        read_matrix(two_sets().write(tmp_path / "s"), selection="best")
