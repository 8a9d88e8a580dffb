"""FER2013 in its folder form: a small one in its layout, and the real one where it is at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.data.cache import Prepared
from dabench.data.prepare import prepare_dataset
from dabench.datasets._emotions import BASIC as EMOTIONS
from dabench.datasets.fer2013 import FER2013
from dabench.errors import DataError
from dabench.plugins.contract import FACES

WriteLine = Callable[[Path, Mapping[str, bytes]], Path]
USAGES = (("train", "Training", 3), ("test", "PublicTest", 2), ("test", "PrivateTest", 1))


def layout(prefix: str = "") -> list[str]:
    return [
        f"{prefix}{folder}/{emotion}/{usage}_{10000 + i}.jpg"
        for folder, usage, each in USAGES
        for emotion in EMOTIONS
        for i in range(each)
    ]


def small(prefix: str = "") -> dict[str, bytes]:
    return tree(layout(prefix), size=(48, 48), form="JPEG")


def in_zip(raw: Path, files: Mapping[str, bytes]) -> Path:
    as_zip(raw / "archive.zip", files)
    return raw


@pytest.mark.parametrize("write", [in_zip, as_folder])
def test_training_publictest_and_privatetest_are_train_val_and_test(tmp_path: Path, write: WriteLine) -> None:
    splits = FER2013().prepare(write(tmp_path / "fer2013", small()))
    counts = {s: np.bincount(np.asarray(v.labels), minlength=7).tolist() for s, v in splits.items()}
    assert counts == {"train": [3] * 7, "val": [2] * 7, "test": [1] * 7}


def test_a_folder_around_everything_in_the_zip_does_no_harm(tmp_path: Path) -> None:
    splits = FER2013().prepare(in_zip(tmp_path / "fer2013", small("archive/")))
    assert {s: len(v.images) for s, v in splits.items()} == {"train": 21, "val": 14, "test": 7}


def test_images_are_48x48_grey(tmp_path: Path) -> None:
    assert FER2013().prepare(in_zip(tmp_path, small()))["train"].images.shape == (21, 1, 48, 48)


def test_labels_follow_the_canonical_order_of_emotions(tmp_path: Path) -> None:
    only = {name: content for name, content in small().items() if "surprise" in name}
    labels = FER2013().prepare(in_zip(tmp_path, only))["train"].labels
    assert set(np.asarray(labels)) == {EMOTIONS.index("surprise")} == {5}


def test_an_unknown_emotion_is_an_error_that_names_it(tmp_path: Path) -> None:
    files = small() | tree(["train/contempt/Training_1.jpg"], form="JPEG")
    with pytest.raises(DataError, match=r"Training_1.jpg: class 'contempt' must be one of angry, disgust"):
        FER2013().prepare(in_zip(tmp_path, files))


def test_a_name_without_a_usage_is_an_error_that_names_it(tmp_path: Path) -> None:
    files = small() | tree(["train/angry/im0.png"])
    with pytest.raises(
        DataError, match=r"train/angry/im0.png: its name must begin with one of Training, PublicTest, PrivateTest"
    ):
        FER2013().prepare(in_zip(tmp_path, files))


def test_missing_raw_files_say_where_they_were_sought_and_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepare_dataset(FER2013(), tmp_path / "fer2013", tmp_path / "cache")
    assert f"its raw files are not in {tmp_path / 'fer2013'}. Download FER2013 from its page" in str(caught.value)


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds \d+ images, but the dataset has [\d,]+; the raw files are incomplete"):
        prepare_dataset(FER2013(), in_zip(tmp_path / "fer2013", small()), tmp_path / "cache", notify=lambda _: None)
    assert not (tmp_path / "cache").exists()


def test_the_option_path_names_the_zip(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "elsewhere.zip", small())
    dataset = FER2013(FER2013.Options(path=str(path)))
    assert dataset.raw_files(tmp_path / "nowhere") == [path]
    assert len(dataset.prepare(tmp_path / "nowhere")["test"].images) == 7


def test_the_zip_is_the_raw_file(tmp_path: Path) -> None:
    in_zip(tmp_path, small())
    assert list(FER2013().raw_files(tmp_path)) == [tmp_path / "archive.zip"]


def test_it_is_augmented_as_in_the_study() -> None:
    assert FER2013().augment == FACES


# The real one


@pytest.fixture(scope="module")
def real(real_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    archive = real_data("fer2013/archive.zip")
    return prepare_dataset(FER2013(), archive.parent, tmp_path_factory.mktemp("fer2013"), notify=lambda _: None)


def test_the_real_set_has_the_published_counts(real: Prepared) -> None:
    assert {s: real.count(s) for s in real.splits} == {"train": 28709, "val": 3589, "test": 3589}


def test_the_real_set_is_48x48_grey_in_seven_emotions(real: Prepared) -> None:
    assert real.shape == (1, 48, 48)
    assert real.classes == EMOTIONS


def test_the_real_training_set_has_the_published_emotions(real: Prepared) -> None:
    expected = {"angry": 3995, "disgust": 436, "fear": 4097, "happy": 7215, "sad": 4830, "surprise": 3171, "neutral": 4965}
    assert real.splits["train"]["classes"] == expected
