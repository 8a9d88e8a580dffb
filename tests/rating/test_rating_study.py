"""What raters see: the choice of images, their order, and the settings of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_sweeps import SHAPES

import dabench
from dabench import Dataset, Samples
from dabench.analysis.human import quiz_images
from dabench.data.csv_files import image_name
from dabench.errors import DataError, SpecError
from dabench.rating.images import png, study_images
from dabench.rating.study import RaterQuestion, StudySettings, Trial, rater_question, trials_for

pytestmark = pytest.mark.usefixtures("registry_restored")


def of_kind(trials: list[Trial], kind: str) -> list[int]:
    return [t.image for t in trials if t.kind == kind]


@pytest.mark.parametrize("count", [1, 2, 7, 60, 210])
def test_each_test_image_is_shown_once_and_a_share_of_them_again(count: int) -> None:
    trials = trials_for(0, StudySettings(repeats=0.1), count, 5)
    assert sorted(of_kind(trials, "test")) == list(range(count))
    repeats = of_kind(trials, "repeat")
    assert len(repeats) == len(set(repeats)) == round(0.1 * count)


def test_a_repeat_comes_long_after_the_image_itself() -> None:
    for rater in range(20):
        shown = [t.image for t in trials_for(rater, StudySettings(repeats=0.3), 60, 0)]
        again = [(shown.index(i), at) for at, i in enumerate(shown) if i in shown[:at]]
        assert len(again) == 18
        assert min(at - first for first, at in again) >= 20


def test_practice_comes_first() -> None:
    kinds = [t.kind for t in trials_for(3, StudySettings(), 30, 6)]
    assert kinds[:6] == ["practice"] * 6
    assert "practice" not in kinds[6:]


def test_each_rater_has_an_own_order_that_the_seed_fixes() -> None:
    settings = StudySettings(seed=4)
    orders = [tuple(trials_for(rater, settings, 40, 4)) for rater in range(5)]
    assert len(set(orders)) == 5
    assert orders == [tuple(trials_for(rater, settings, 40, 4)) for rater in range(5)]
    assert orders[0] != tuple(trials_for(0, StudySettings(seed=5), 40, 4))


def test_as_many_images_of_each_class_as_are_asked_for_or_there() -> None:
    dabench.register(copied((5, 2)))
    prepared = dabench.prepare("copied")
    chosen = study_images(prepared, StudySettings(per_class=3)).test
    labels = prepared.labels("test")
    assert np.bincount([labels[int(name.partition("-")[2])] for name in chosen]).tolist() == [3, 2]


def test_images_and_their_names_are_those_of_the_quiz() -> None:
    prepared = dabench.prepare("bright", plugins=[SHAPES])
    found = study_images(prepared, StudySettings(per_class=2, seed=7))
    positions = quiz_images(prepared.labels("test"), 8, 7)
    assert list(found.test) == [image_name(prepared.digest, int(i)) for i in positions]
    assert found.test[image_name(prepared.digest, int(positions[0]))] == png(
        np.asarray(prepared.samples("test").images[int(positions[0])])
    )


def test_practice_images_are_balanced_training_images_with_their_classes() -> None:
    prepared = dabench.prepare("bright", plugins=[SHAPES])
    practice = study_images(prepared, StudySettings(practice=8)).practice
    train = {png(np.asarray(image)): int(label) for image, label in zip(*pair(prepared), strict=True)}
    assert [train[image] for image, _ in practice] == [of for _, of in practice]
    assert np.bincount([of for _, of in practice]).tolist() == [2, 2, 2, 2]


def pair(prepared: Any) -> tuple[Any, Any]:
    return prepared.samples("train").images, prepared.labels("train")


def copied(tested: tuple[int, int]) -> type[Dataset]:
    """Return a dataset whose training images are copies of its test images, every second mirrored, but for two."""

    class Copied(Dataset):
        name = "copied"
        classes = ("left", "right")

        def prepare(self, raw: Path) -> Mapping[str, Samples]:
            labels = np.repeat([0, 1], tested).astype(np.int64)
            images = np.random.default_rng(5).integers(0, 255, (len(labels), 1, 16, 16), dtype=np.uint8)
            copies = images.copy()
            copies[::2] = copies[::2, :, :, ::-1]
            own = np.random.default_rng(6).integers(0, 255, (2, 1, 16, 16), dtype=np.uint8)
            train = Samples(np.concatenate([copies, own]), np.append(labels, [0, 1]))
            return {"train": train, "test": Samples(images, labels)}

    return Copied


def test_no_practice_image_is_a_copy_or_mirror_image_of_a_test_image() -> None:
    dabench.register(copied((20, 20)))
    prepared = dabench.prepare("copied")
    found = study_images(prepared, StudySettings(per_class=20, practice=10))
    tested = {side for image in prepared.samples("test").images for side in (png(image), png(image[:, :, ::-1]))}
    assert len(found.practice) == 2
    assert not tested & {image for image, _ in found.practice}


def test_a_dataset_without_labels_is_an_error() -> None:
    class Bare(Dataset):
        name = "bare"
        classes = ()

        def prepare(self, raw: Path) -> Mapping[str, Samples]:
            return {s: Samples(np.zeros((4, 1, 16, 16), np.uint8), None) for s in ("train", "test")}

    dabench.register(Bare)
    with pytest.raises(DataError, match="has no labels"):
        study_images(dabench.prepare("bare"), StudySettings())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"per_class": 0}, "--per-class 0: must be 1 or more"),
        ({"seed": -1}, "--seed -1: must be 0 or more"),
        ({"practice": -2}, "--practice -2: must be 0 or more"),
        ({"pause": 0}, "--pause 0: must be 1 or more"),
        ({"repeats": 0.6}, r"--repeats 0\.6: must be a share of the images, 0 to 0\.5"),
        ({"repeats": float("nan")}, "--repeats nan"),
        ({"ask": (RaterQuestion("age", "number"), RaterQuestion("Age", "text"))}, "--ask age: is asked twice"),
    ],
)
def test_a_wrong_setting_is_an_error(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        StudySettings(**settings).check()


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("age=number", RaterQuestion("age", "number")),
        ("first language = text", RaterQuestion("first language", "text")),
        ("sex=female, male,other", RaterQuestion("sex", "choice", ("female", "male", "other"))),
    ],
)
def test_a_question_about_the_rater_is_read(text: str, question: RaterQuestion) -> None:
    assert rater_question(text) == question


@pytest.mark.parametrize("text", ["age", "age=", "=number", "sex=female", "sex=female,,male", "image=text"])
def test_a_wrong_question_is_an_error(text: str) -> None:
    with pytest.raises(SpecError, match=f"--ask {text}: "):
        rater_question(text)
