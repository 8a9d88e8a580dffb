"""The sentence that a report begins with: true in every case, from the numbers alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fabricated import ADABN, FINE_TUNE, NONE, DatasetContent, Fabrication, Wrong, method, two_sets

from dabench.analysis.matrix import read_matrix
from dabench.reporting.headline import headline
from dabench.storage.schema import AdapterFacts, Run

LABELS = [i % 3 for i in range(100)]
SETS = {"print": DatasetContent("P", LABELS), "hand": DatasetContent("H", LABELS)}


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


def test_it_gives_both_numbers_of_the_pair_and_the_best_gain_of_each_label_budget(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), **one_way())
    assert text == (
        "Accuracy, P -> H: 58.0 % without adaptation, 98.0 % when trained on H. With one seed no adapter's gain can be told "
        "from zero; the largest for each label budget: "
        "fine-tune (5 target labels per class) +30.0 points (+20.9, +39.1), 75 % of the gap, trained longer than none; "
        "adabn (no target labels) +12.0 points (+5.5, +18.5), 30 % of the gap, trained longer than none."
    )


def test_of_several_pairs_the_means_are_told_and_no_pair_is_singled_out(tmp_path: Path) -> None:
    def wrong(run: Run, test: str) -> int:
        return 2 if test in run.sources else 60 if run.sources == ("hand",) else 40

    text = of(tmp_path, wrong, adapters={"none": NONE})
    assert text == "Accuracy over 2 pairs of datasets: mean 50.0 % without adaptation, 98.0 % when trained on the target."


def test_pairs_with_one_and_with_several_sources_have_sentences_of_their_own(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper(), LABELS) for name in "abc"}
    wrong = lambda run, test: 2 if test in run.sources else 50 - 10 * len(run.sources)  # noqa: E731
    text = of(tmp_path, wrong, datasets=sets, adapters={"none": NONE}, pairs=("a -> c", "b -> c", "a + b -> c"))
    assert text == (
        "Accuracy over 2 pairs of datasets with one source: mean 60.0 % without adaptation, 98.0 % when trained on the target. "
        "Accuracy, A+B -> C: 70.0 % without adaptation, 98.0 % when trained on C."
    )


def test_of_one_label_budget_the_best_adapter_alone_is_named(tmp_path: Path) -> None:
    adapters = {"none": NONE, "adabn": ADABN, "coral": ADABN}
    text = of(tmp_path, by(home=2, away=42, adabn=30, coral=20), **one_way(adapters=adapters))
    assert "coral (no target labels) +22.0 points" in text
    assert "adabn" not in text


def test_of_a_metric_of_which_less_is_better_the_lowest_is_the_best(tmp_path: Path) -> None:
    # All confidences are 0.58: the error is how far the accuracy is off that, 0.6 at home, 41.6 away, 1.6 and 21.6 adapted.
    text = of(tmp_path, by(home=42, away=84, adabn=44, fine_tune=64), "ece", **one_way())
    assert text.startswith(
        "Expected calibration error (lower is better), P -> H: 41.6 % without adaptation, 0.4 % when trained on H. With one "
        "seed no adapter's gain can be told from zero; the largest for each label budget: adabn (no target labels) -40.0 points ("
    )


def test_a_loss_stands_with_its_sign(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=50), **one_way(adapters={"none": NONE, "adabn": ADABN}))
    assert "adabn (no target labels) -8.0 points (-" in text


def test_with_several_seeds_a_gain_can_be_told_from_zero(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), **one_way(seeds=3))
    assert (
        "98.0 % when trained on H. Largest gain for each label budget: fine-tune (5 target labels per class) +30.0 points ["
        in text
    )


def test_where_no_gain_can_be_told_from_zero_that_is_said(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=41), **one_way(adapters={"none": NONE, "adabn": ADABN}))
    assert "With one seed no adapter's gain can be told from zero; the largest for each label budget: adabn (" in text


def test_of_several_pairs_the_largest_mean_gain_of_each_label_budget_is_told(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12))
    assert text.endswith(
        "Largest mean gain for each label budget: fine-tune (5 target labels per class) +30.0 points, 75 % of the gap, a clear "
        "gain on 2 of 2 pairs, trained longer than none; adabn (no target labels) +12.0 points, 30 % of the gap, a clear gain on "
        "2 of 2 pairs, trained longer than none."
    )


def test_missing_runs_are_told_and_left_out(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), **one_way(leave_out=lambda run: run.method == "fine-tune"))
    assert "fine-tune" not in text
    assert text.endswith("Unfinished: 1 of 4 runs are missing.")


def test_without_the_target_s_own_number_none_is_told(tmp_path: Path) -> None:
    out = lambda run: run.sources == ("hand",)  # noqa: E731
    text = of(tmp_path, by(home=2, away=42, adabn=30), **one_way(adapters={"none": NONE, "adabn": ADABN}, leave_out=out))
    assert text.startswith("Accuracy, P -> H: 58.0 % without adaptation. With one seed no adapter's gain")
    assert "of the gap" not in text


def test_without_any_number_that_is_said(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42), leave_out=lambda run: True)
    assert text == (
        "Accuracy over 2 pairs of datasets: no adapter has results on all pairs yet. Unfinished: 6 of 6 runs are missing."
    )


def test_without_plain_training_among_the_adapters_the_largest_gain_is_told(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42, adabn=30, fine_tune=12), adapters={"adabn": ADABN, "fine-tune": FINE_TUNE})
    start = "Accuracy over 2 pairs of datasets: no result without adaptation. Largest mean gain for each label budget: fine-tune"
    assert text.startswith(start)


def test_one_dataset_has_its_own_number(tmp_path: Path) -> None:
    text = of(tmp_path, by(home=2, away=42), datasets={"print": DatasetContent("P", LABELS)}, adapters={"none": NONE})
    assert text == "Accuracy, in-domain: P 98.0 %."


def test_sources_taken_together_are_named_together(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper(), LABELS) for name in "abc"}
    text = of(tmp_path, by(home=2, away=42), datasets=sets, adapters={"none": NONE}, pairs=("a + b -> c",))
    assert text == "Accuracy, A+B -> C: 58.0 % without adaptation, 98.0 % when trained on C."


def test_numbers_chosen_by_test_labels_are_called_bounds(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets().write(tmp_path / "s"))
    assert "bounds, not results" not in headline(matrix)
    assert "Checkpoints were chosen by target test labels: the numbers are bounds, not results." in headline(
        replace(matrix, selection="oracle")
    )


def test_an_adapter_with_its_own_pretraining_is_an_adapter(tmp_path: Path) -> None:
    own: dict[str, AdapterFacts] = {"none": NONE, "own": method("own", adapts=False, own_pretraining=True)}
    text = of(tmp_path, lambda run, test: 10 if run.method == "own" else by(home=2, away=42)(run, test), **one_way(adapters=own))
    assert "own (no target labels) +32.0 points" in text
