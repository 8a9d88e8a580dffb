"""The sentence that a report begins with: true in every case, from the numbers alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fabricated import ADABN, FINE_TUNE, NONE, Fabrication, Made, Method, Wrong, two_sets

from dabench.matrix import read_matrix
from dabench.plan import Run
from dabench.reporting.headline import headline

LABELS = [i % 3 for i in range(100)]
SETS = {"print": Made("P", LABELS), "hand": Made("H", LABELS)}


def by(**wrong: int) -> Wrong:
    """Return how wrong runs are of 100 images: `home`, `away`, or by the name of the method where it adapts to the test set."""
    methods = {name.replace("_", "-"): value for name, value in wrong.items()}

    def of(run: Run, test: str) -> int:
        if run.target == test:
            return methods[run.method]
        return wrong["home"] if test in run.sources else wrong["away"]

    return of


def of(folder: Path, wrong: Wrong, metric: str = "accuracy", **changes: Any) -> str:
    fabrication = Fabrication(**{"wrong": wrong, "datasets": SETS, "seeds": 1, **changes})
    return headline(read_matrix(fabrication.write(folder / "s"), metric))


def one_way(**changes: Any) -> dict[str, Any]:
    """Return a sweep of one pair, so that there is one gap."""
    return {"pairs": ("print -> hand",), **changes}


def test_it_says_what_is_lost_and_what_the_best_of_each_label_budget_wins_back(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), **one_way())
    assert text == (
        "A network trained on P has an accuracy of 98.0 % at home and 58.0 % on H, where one trained on H has 98.0 %: "
        "40.0 points are lost. Of these, fine-tune with 5 labelled images per class wins back 30.0 points (75 %) and "
        "adabn without target labels 12.0 (30 %)."
    )


def test_of_several_gaps_the_widest_is_told_and_named_so(tmp_path: Path) -> None:
    def wrong(run: Run, test: str) -> int:
        return 2 if test in run.sources else 60 if run.sources == ("hand",) else 40

    text = of(tmp_path, wrong, adapters={"none": NONE})
    assert text == (
        "A network trained on H has an accuracy of 98.0 % at home and 40.0 % on P, where one trained on P has 98.0 %: "
        "58.0 points are lost, the widest of 2 gaps. No adapter was tried."
    )


def test_of_one_label_budget_the_best_adapter_alone_is_named(tmp_path: Path) -> None:
    adapters = {"none": NONE, "adabn": ADABN, "coral": ADABN}
    text = of(tmp_path, by(home=2, away=42, adabn=30, coral=20), **one_way(adapters=adapters))
    assert text.endswith("Of these, coral without target labels wins back 22.0 points (55 %).")


def test_a_gain_that_may_be_chance_is_not_told_as_one(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=41, fine_tune=45), **one_way())
    assert (
        "None of 2 adapters gains more than chance may; the best: adabn without target labels, +1.0 points [+0.0, +3.0]" in text
    )
    assert "wins back" not in text


def test_of_a_metric_of_which_less_is_better_the_lowest_is_the_best(tmp_path: Path) -> None:
    # All confidences are 0.58: the error is how far the accuracy is off that, 0.6 at home, 41.6 away, 1.6 and 21.6 adapted.
    text = of(tmp_path, by(home=42, away=84, adabn=44, fine_tune=64), "ece", **one_way())
    assert "41.6 % on H, where one trained on H has 0.4 %: 41.2 points are lost." in text
    assert "adabn without target labels wins back 40.0 points (97 %)" in text


def test_where_nothing_gains_the_least_loss_is_told(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=50, fine_tune=60), **one_way())
    assert "None of 2 adapters gains anything; the best: adabn without target labels, -8.0 points [-" in text


def test_one_adapter_that_gains_nothing_is_no_best_of_many(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=50), **one_way(adapters={"none": NONE, "adabn": ADABN}))
    assert "The one adapter gains nothing: adabn without target labels, -8.0 points [" in text


def test_one_adapter_whose_gain_may_be_chance_is_said_to(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=41), **one_way(adapters={"none": NONE, "adabn": ADABN}))
    assert "The one adapter gains no more than chance may: adabn without target labels, +1.0 points [" in text


def test_where_nothing_is_lost_nothing_is_won_back(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=30, away=20, adabn=5), **one_way(adapters={"none": NONE, "adabn": ADABN}))
    assert text == (
        "Nothing is lost: a network trained on P has an accuracy of 70.0 % at home and 80.0 % on H, where one trained on H has "
        "70.0 %. There, adabn without target labels adds 15.0 points."
    )


def test_where_nothing_is_lost_on_any_pair_that_is_said_of_all(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=20, away=20), adapters={"none": NONE})
    assert text.startswith("On no pair of datasets is anything lost: a network trained on P")


def test_more_than_the_loss_may_be_won_back(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=20, away=40, adabn=10), **one_way(adapters={"none": NONE, "adabn": ADABN}))
    assert text.endswith("Of these, adabn without target labels wins back 30.0 points (150 %).")


def test_all_target_labels_are_called_so(tmp_path: Path) -> None:
    matrix = read_matrix(
        Fabrication(by(home=2, away=42, adabn=10), SETS, {"none": NONE, "adabn": ADABN}, seeds=1).write(tmp_path)
    )
    matrix.gains[:] = [replace(g, labels="all") for g in matrix.gains]
    assert "adabn with all target labels wins back" in headline(matrix)


def test_missing_runs_are_told_and_left_out(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), **one_way(leave_out=lambda run: run.method == "fine-tune"))
    assert "fine-tune" not in text
    assert text.endswith("Unfinished: 1 of 4 runs are missing.")


def test_without_the_target_s_own_number_no_loss_is_told(tmp_path: Path) -> None:
    out = lambda run: run.sources == ("hand",)  # noqa: E731
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), **one_way(leave_out=out))
    assert text == (
        "A network trained on P has an accuracy of 98.0 % at home and 58.0 % on H. There, fine-tune with 5 labelled images per "
        "class adds 30.0 points and adabn without target labels 12.0. Unfinished: 1 of 4 runs are missing."
    )


def test_without_any_number_on_another_dataset_that_is_said(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42), leave_out=lambda run: True)
    assert text == "No result on another dataset stands yet. Unfinished: 6 of 6 runs are missing."


def test_without_plain_training_among_the_adapters_the_largest_gain_is_told(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), adapters={"adabn": ADABN, "fine-tune": FINE_TUNE})
    assert text.startswith(
        "The largest of 4 gains over plain training is that of fine-tune with 5 labelled images per class, from P to H: "
        "+30.0 points of accuracy [+"
    )


def test_one_dataset_has_no_pair(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42), datasets={"print": Made("P", LABELS)}, adapters={"none": NONE})
    assert text == "A network has an accuracy of 98.0 % on P where it was trained. There is no pair of datasets to adapt between."


def test_sources_taken_together_have_no_home(tmp_path: Path) -> None:
    sets = {name: Made(name.upper(), LABELS) for name in "abc"}
    text = of(tmp_path, by(home=2, away=42), datasets=sets, adapters={"none": NONE}, pairs=("a + b -> c",))
    assert text.startswith("A network trained on A+B has an accuracy of 58.0 % on C, where one trained on C has 98.0 %")


def test_the_metric_is_named_with_its_article(tmp_path: Path) -> None:
    assert "has a balanced accuracy of" in of(tmp_path, by(home=2, away=42), "balanced-accuracy", adapters={"none": NONE})


def test_numbers_chosen_by_test_labels_are_called_bounds(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"))
    assert "bounds, no results" not in headline(matrix)
    assert "chosen by the test labels themselves: these numbers are bounds, no results." in headline(
        replace(matrix, selection="oracle")
    )


def test_an_adapter_with_its_own_pretraining_is_an_adapter(tmp_path: Path) -> None:
    own: dict[str, Method] = {"none": NONE, "own": Method("own", adapts=False, own_pretraining=True)}
    text = of(tmp_path, lambda run, test: 10 if run.method == "own" else by(home=2, away=42)(run, test), **one_way(adapters=own))
    assert text.endswith("Of these, own without target labels wins back 32.0 points (80 %).")
