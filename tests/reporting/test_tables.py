"""What every format prints: the tables, their conditions, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fabricated import ADABN, FINE_TUNE, NONE, DatasetContent, Fabrication, two_sets

from dabench.analysis.matrix import read_matrix
from dabench.reporting.formats import FILES
from dabench.reporting.gains import gains_table
from dabench.reporting.intervals import gap_text
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.tables import EMPTY, caption, conditions, dropped_text, labels_text, unfinished, with_interval
from dabench.storage.run_store import RunStore


def failing(tmp_path: Path) -> RunStore:
    """Return a store in which one run failed and its like was not done."""
    store = two_sets(leave_out=lambda run: run.method == "adabn" and run.target == "hand").write(tmp_path / "s")
    store.fail("adabn_print_hand_s0", "loss is not a number at step 3; try a lower train.lr\nTraceback ...")
    return store


def test_there_is_one_matrix_for_each_adapter(tmp_path: Path) -> None:
    tables = matrix_tables(read_matrix(two_sets().write(tmp_path / "s")))
    assert [t.title for t in tables] == [
        "none: source only, no target labels",
        "adabn: target batch-norm statistics, no target labels",
        "fine-tune: fine-tuning on shots, 5 target labels per class",
    ]
    assert tables[1].columns == ("trained on", "P test", "H test")
    assert [row[0] for row in tables[0].rows] == ["P", "H"]
    assert [row[0] for row in tables[1].rows] == ["P -> H", "H -> P"]


def test_a_cell_that_is_not_there_stays_empty(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    fabrication = Fabrication(lambda run, test: 1, sets, {"none": NONE, "adabn": ADABN}, pairs=("a -> b",))
    adabn = matrix_tables(read_matrix(fabrication.write(tmp_path / "s")))[1]
    assert [row[0] for row in adabn.rows] == ["A -> B"]
    assert [text == EMPTY for text in adabn.rows[0]] == [False, False, False, True]


def test_a_gap_that_is_not_known_stays_empty(tmp_path: Path) -> None:
    fabrication = two_sets(leave_out=lambda run: run.name == "supervised_hand_s0", adapters={"none": NONE, "adabn": ADABN})
    table = gains_table(read_matrix(fabrication.write(tmp_path / "s")))
    assert [(row[1], row[4]) for row in table.rows] == [("NET-P-H", EMPTY), ("NET-H-P", "0 % (0, 0)")]


def test_a_gain_has_its_sign(tmp_path: Path) -> None:
    table = gains_table(read_matrix(two_sets(adapters={"none": NONE, "fine-tune": FINE_TUNE}).write(tmp_path / "s")))
    assert [row[2].split()[0] for row in table.rows] == ["+40.0", "-10.0"]


def test_the_caption_holds_the_conditions_of_every_number(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P", groups=list(range(10))), "hand": DatasetContent("H")}
    matrix = read_matrix(two_sets(datasets=sets).write(tmp_path / "s"), "balanced-accuracy")
    text = caption(matrix)
    for part in (
        "Balanced accuracy in %",
        "mean over 2 seeds",
        "95 %",
        "groups of P, else images",
        "conv4",
        "'last'",
        "5 labelled",
        "widened by Student's t, because there are only 2 seeds",
    ):
        assert part in text
    assert matrix.digest[:12] in text


def test_shots_are_named_only_where_an_adapter_is_few_shot(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets(adapters={"none": NONE, "adabn": ADABN}).write(tmp_path / "s"))
    assert "few-shot" not in caption(matrix) + conditions(matrix)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("0", "no target labels"),
        ("all", "all target labels"),
        ("5 per class", "5 target labels per class"),
        ("1 per class", "1 target label per class"),
    ],
)
def test_a_label_budget_is_said_in_words(budget: str, words: str) -> None:
    assert labels_text(budget) == words


def test_what_was_dropped_is_said_by_split_with_its_reasons_and_its_list() -> None:
    dropped = {
        "list": "1a2b3c4d5e",
        "images": {"test": 12, "train": 1234, "val": 1},
        "of": {"test": 3589, "train": 28709, "val": 10},
        "reasons": {"identical": 1240, "constant": 7},
    }
    assert dropped_text(dropped) == (
        "1,234 of 28,709 training, 1 of 10 validation and 12 of 3,589 test images dropped (constant, identical; list 1a2b3c4d)"
    )


def test_of_one_seed_it_is_said_what_it_cannot_say(tmp_path: Path) -> None:
    text = caption(read_matrix(two_sets(seeds=1).write(tmp_path / "s")))
    assert "one seed, with 95 % intervals over images only, in round brackets" in text
    assert "they do not cover the variation between trainings." in text
    assert "mean over" not in text


def test_where_less_is_better_the_caption_and_the_gains_say_so(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"), "ece")
    assert caption(matrix).startswith("Expected calibration error (lower is better) in %")
    assert gains_table(matrix).title == "Adaptation gains: expected calibration error over none, in points; below 0 is better"


def test_a_gain_says_with_how_many_seeds_it_is_one_and_what_it_cost_at_home(tmp_path: Path) -> None:
    table = gains_table(read_matrix(two_sets().write(tmp_path / "s")))
    found = {(row[0], row[1]): (row[3], row[5]) for row in table.rows}
    assert found["adabn", "NET-P-H"] == ("2 of 2", "-10.0")  # print at home: from 1 and 1 wrong to 2 and 2
    assert found["fine-tune", "NET-H-P"] == ("0 of 2", "+0.0")


def test_a_test_set_on_which_the_metric_has_no_value_is_named(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P", [0, 0, 1, 1]), "hand": DatasetContent("H", [1, 1, 2, 2])}
    matrix = read_matrix(two_sets(datasets=sets, wrong=lambda run, test: 1).write(tmp_path / "s"), "recall:x")
    assert unfinished(matrix) == ["H test: recall of x is undefined; its cells are empty."]
    assert [row[2] for row in matrix_tables(matrix)[0].rows] == [EMPTY, EMPTY]


def test_a_complete_sweep_has_nothing_to_say_about_what_is_missing(tmp_path: Path) -> None:
    assert unfinished(read_matrix(two_sets().write(tmp_path / "s"))) == []


def test_an_unfinished_sweep_names_what_failed_with_its_reason_and_what_was_not_done(tmp_path: Path) -> None:
    lines = unfinished(read_matrix(failing(tmp_path)))
    assert lines == [
        "Unfinished: 2 of 12 runs are missing; the numbers are of the complete runs.",
        "  failed adabn_print_hand_s0: loss is not a number at step 3; try a lower train.lr",
        "  output of these runs: logs/RUN.txt in the folder of the sweep",
        "  not complete: adabn_print_hand_s1",
    ]


def test_many_missing_runs_are_counted_instead_of_listed(tmp_path: Path) -> None:
    lines = unfinished(read_matrix(two_sets(leave_out=lambda run: True).write(tmp_path / "s")))
    assert lines[-1].endswith("and 6 more")
    assert lines[-1].count("_s") == 6


def test_every_table_names_the_classes_that_its_metric_leaves_out(tmp_path: Path) -> None:
    # 40 images of x, 40 of y and 2 of z.
    sets = {"print": DatasetContent("P", [0] * 40 + [1] * 40 + [2] * 2), "hand": DatasetContent("H")}
    store = two_sets(datasets=sets).write(tmp_path / "s")
    matrix = read_matrix(store, "balanced-accuracy")
    assert matrix.omitted_classes == {"print": ["z"]}
    assert {tuple(c.omitted_classes) for c in matrix.cells if c.test == "print"} == {("z",)}
    sentence = "Balanced accuracy leaves out classes with too few images: z on P"
    texts = {name: make(matrix) for name, make in FILES.items() if name.startswith(("matrix.", "gains."))}
    assert all(sentence in " ".join(text.split()) for name, text in texts.items() if name.endswith((".md", ".tex")))
    assert "omitted_classes" in texts["matrix.csv"].splitlines()[0]
    assert "without z on P" in conditions(matrix)
    assert json.loads(FILES["results.json"](matrix))["omitted_classes"] == {"print": ["z"]}
    assert "omitted_classes" not in read_matrix(store).as_dict()


def test_an_interval_of_one_seed_has_round_brackets() -> None:
    row = {"mean": 50.0, "low": 40.0, "high": 60.0}
    assert with_interval({**row, "seeds": 1}) == "50.0 (40.0, 60.0)"  # a row of an earlier version
    assert with_interval({**row, "seeds": 1, "interval_over": "images"}) == "50.0 (40.0, 60.0)"
    assert with_interval({**row, "seeds": 3, "interval_over": "seeds and groups"}) == "50.0 [40.0, 60.0]"
    assert with_interval({**row, "seeds": 3, "interval_over": "seeds and images of one group"}) == "50.0 (40.0, 60.0)"


def test_a_gap_closed_of_a_drop_that_may_be_zero_says_that_it_is_unbounded() -> None:
    gain = {"gap_closed": 75.2, "seeds": 3, "interval_over": "seeds and images"}
    assert gap_text({**gain, "gap_low": 60.4, "gap_high": 90.6}) == "75 % [60, 91]"
    assert gap_text({**gain, "gap_low": None, "gap_high": None}) == "75 % [-]"
    assert gap_text({"gap_closed": 75.2}) == "75 %"  # of an earlier version
    assert gap_text({**gain, "gap_closed": None}) == "-"
