"""The prepared cache: made once, noticed when damaged, and nothing left behind by a failure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import CLASSES, even, samples, toy

from dabench.data.cache import Prepared
from dabench.data.prepare import prepare_dataset, reshaped
from dabench.data.skipped import SkippingSplits
from dabench.errors import DataError, StoreError
from dabench.plugins.contract import Dataset, Samples


class Case:
    """A toy dataset with a raw folder and a cache of its own."""

    def __init__(self, root: Path, **facts: Any) -> None:
        self.raw, self.cache = root / "raw", root / "cache"
        self.raw.mkdir(exist_ok=True)
        (self.raw / "file").write_text("one")
        self.dataset = toy(**facts)
        self.said: list[str] = []

    def prepare(self, **options: Any) -> Prepared:
        return prepare_dataset(self.dataset, self.raw, self.cache, notify=self.said.append, **options)

    @property
    def times(self) -> int:
        return self.dataset.calls  # type: ignore[attr-defined, no-any-return]

    def reshaped(self, channels: int = 1, size: int = 8, classes: tuple[str, ...] = CLASSES) -> Prepared:
        return reshaped(self.prepare(), channels, size, classes, notify=self.said.append)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def everything(prepared: Prepared) -> dict[str, Any]:
    return {
        f"{split}-{part}": values.tolist()
        for split in prepared.splits
        for part, values in vars(prepared.samples(split)).items()
        if isinstance(values, np.ndarray)
    }


# What is kept


def test_a_prepared_set_knows_name_classes_shape_and_counts(case: Case) -> None:
    prepared = case.prepare()
    assert (prepared.name, prepared.classes, prepared.shape) == ("toy", CLASSES, (1, 8, 8))
    assert {s: prepared.count(s) for s in prepared.splits} == {"train": 54, "val": 6, "test": 30}
    assert prepared.splits["train"]["classes"] == {"a": 18, "b": 18, "c": 18}


def test_images_are_memory_mapped_bytes(case: Case) -> None:
    images = case.prepare().samples("train").images
    assert isinstance(images, np.memmap)
    assert images.dtype == np.uint8


def test_labels_groups_and_attributes_lie_in_files_of_their_own(tmp_path: Path) -> None:
    n = np.arange(60)
    train = samples(even(20), groups=n % 20, attributes={"age": n, "sex": np.where(n % 2, "f", "m")})
    prepared = Case(tmp_path, splits={"train": train, "test": samples(even(10))}).prepare()
    assert {p.name for p in prepared.folder.glob("train-*")} == {
        "train-images.npy", "train-labels.npy", "train-groups.npy", "train-attribute-age.npy", "train-attribute-sex.npy",
    }  # fmt: skip
    kept = prepared.samples("train")
    np.testing.assert_array_equal(kept.groups, kept.attributes["age"] % 20)
    assert kept.attributes["sex"].tolist() == ["f" if age % 2 else "m" for age in kept.attributes["age"]]


def test_groups_are_known_per_split(tmp_path: Path) -> None:
    train = samples(even(20), groups=np.arange(60) % 20)
    prepared = Case(tmp_path, splits={"train": train, "test": samples(even(10))}).prepare()
    assert (prepared.has_groups("train"), prepared.has_groups("test")) == (True, False)
    assert prepared.groups("test") is None


def test_the_second_time_nothing_is_made(case: Case) -> None:
    first, second = case.prepare(), case.prepare()
    assert case.times == 1
    assert second == first
    assert case.said == ["preparing toy ..."]


def test_rebuild_makes_it_again(case: Case) -> None:
    first = case.prepare()
    assert case.prepare(rebuild=True) == first
    assert case.times == 2


def test_nothing_but_the_finished_folder_is_left(case: Case) -> None:
    prepared = case.prepare()
    assert list(case.cache.iterdir()) == [prepared.folder]


# What makes it out of date


def test_a_changed_raw_file_makes_it_again(case: Case) -> None:
    first = case.prepare()
    (case.raw / "file").write_text("three")
    assert case.prepare().folder != first.folder
    assert case.times == 2


def test_a_new_raw_file_makes_it_again(case: Case) -> None:
    case.prepare()
    (case.raw / "more").touch()
    case.prepare()
    assert case.times == 2


def test_the_raw_folder_may_move(case: Case, tmp_path: Path) -> None:
    first = case.prepare()
    case.raw = case.raw.rename(tmp_path / "elsewhere")
    assert case.prepare() == first
    assert case.times == 1


def test_other_options_are_another_set(tmp_path: Path, registry: Any) -> None:
    few, more = (
        prepare_dataset(
            registry.make("dataset", "font-digits", {"copies": n}), tmp_path, tmp_path / "cache", notify=lambda _: None
        )
        for n in (2, 3)
    )
    assert few.folder != more.folder
    assert (few.count("test"), more.count("test")) == (100, 150)


# Damage


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {"truncated": truncate, "flipped": flip, "missing": Path.unlink}
FILES = [f"{split}-{part}.npy" for split in ("train", "val", "test") for part in ("images", "labels")]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_array_is_noticed_and_made_again(case: Case, file: str, damage: str) -> None:
    first = case.prepare()
    before = everything(first)
    DAMAGE[damage](first.folder / file)
    second = case.prepare()
    assert case.times == 2
    assert second == first
    assert everything(second) == before
    reason = f"{file} is missing" if damage == "missing" else f"{file} has changed"
    assert f"prepared cache of toy is damaged ({reason}): making it again" in case.said


def test_skipped_files_are_listed_counted_and_kept_with_the_set(tmp_path: Path) -> None:
    reasons = {"b/2.png": "is empty", "a/1.png": "is empty", "a/3.png": "is text, not an image"}
    made = SkippingSplits({s: samples(even(10)) for s in ("train", "val", "test")}, reasons)
    case = Case(tmp_path, splits=made)
    first = case.prepare()
    assert first.skipped["reasons"] == {"is empty": 2, "is text, not an image": 1}
    assert first.skipped_list.name in first.files
    assert first.skipped_list.read_text() == (
        'path,reason\nb/2.png,is empty\na/1.png,is empty\na/3.png,"is text, not an image"\n'
    )
    assert case.prepare() == first
    first.skipped_list.write_text("path,reason\n")
    assert case.prepare() == first
    assert "prepared cache of toy is damaged (skipped.csv has changed): making it again" in case.said


def test_a_set_that_skips_nothing_has_no_list(case: Case) -> None:
    assert case.prepare().skipped == {}
    assert not case.prepare().skipped_list.exists()


@pytest.mark.parametrize(
    "text", ["", "{", '{"format": 1}', "[]", "null", '{"format": 1, "splits": [], "digest": ""}', "\x00", '{"format": 99}']
)
def test_a_half_written_record_is_noticed_and_made_again(case: Case, text: str) -> None:
    first = case.prepare()
    (first.folder / "prepared.json").write_text(text)
    assert case.prepare() == first
    assert case.times == 2


def test_a_missing_record_is_noticed_and_made_again(case: Case) -> None:
    first = case.prepare()
    (first.folder / "prepared.json").unlink()
    assert case.prepare() == first
    assert "prepared cache of toy is damaged (prepared.json is missing): making it again" in case.said


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("name",), "other"),
        (("classes",), ["a", "c", "b"]),
        (("digest",), "0" * 64),
        (("splits", "train", "shape"), [540, 1, 8, 8]),
        (("splits", "test", "classes", "a"), 11),
    ],
)
def test_a_changed_value_of_the_record_is_noticed_and_made_again(case: Case, where: tuple[str, ...], value: Any) -> None:
    first = case.prepare()
    path = first.folder / "prepared.json"
    record = json.loads(path.read_text())
    place = record
    for key in where[:-1]:
        place = place[key]
    assert place[where[-1]] != value
    place[where[-1]] = value
    path.write_text(json.dumps(record))
    assert case.prepare() == first
    assert case.times == 2


def test_a_damaged_resized_set_is_made_again_from_the_original(case: Case) -> None:
    first = case.reshaped(size=4)
    flip(first.path("train", "images"))
    assert case.reshaped(size=4) == first
    assert case.times == 1


def test_a_folder_left_by_a_killed_process_is_in_nobodys_way(case: Case) -> None:
    first = case.prepare()
    shutil.copytree(first.folder, case.cache / f".{first.folder.name}-leftover")
    shutil.rmtree(first.folder)
    assert case.prepare() == first


# The content digest


def test_two_caches_give_the_same_content_digest(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    assert Case(tmp_path / "x").prepare().digest == Case(tmp_path / "y").prepare().digest


def test_the_content_digest_is_of_the_content_not_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    assert Case(tmp_path / "x").prepare().digest == Case(tmp_path / "y", name="other").prepare().digest


def _changed(part: str) -> dict[str, Samples]:
    train, test = samples(even(20), 1), samples(even(10), 2)
    images, labels = train.images.copy(), np.array(train.labels)
    if part == "image":
        images[0, 0, 5, 5] ^= 1
    if part == "label":
        labels[0] = 1
    if part == "test label":
        return {"train": train, "test": Samples(test.images, np.roll(np.array(test.labels), 1))}
    if part == "group":
        return {"train": Samples(images, labels, np.arange(60)), "test": test}
    return {"train": Samples(images, labels), "test": test}


@pytest.mark.parametrize("part", ["image", "label", "test label", "group"])
def test_the_content_digest_changes_with_the_content(tmp_path: Path, part: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    assert Case(tmp_path / "x").prepare().digest != Case(tmp_path / "y", splits=_changed(part)).prepare().digest


def test_the_content_digest_changes_with_the_names_of_the_classes(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    assert Case(tmp_path / "x").prepare().digest != Case(tmp_path / "y", classes=("a", "b", "d")).prepare().digest


# Failures


class Failing(Dataset):
    name = "failing"
    classes = CLASSES

    def prepare(self, raw: Path) -> dict[str, Samples]:
        raise DataError("no such luck")


def test_a_failed_prepare_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such luck"):
        prepare_dataset(Failing(), tmp_path, tmp_path / "cache", notify=lambda _: None)
    assert list(tmp_path.rglob("*")) == []


def test_a_breach_of_the_contract_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must return a dict"):
        Case(tmp_path, splits={}).prepare()
    assert not (tmp_path / "cache").exists()


def test_a_failure_while_writing_leaves_nothing_behind(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dabench.data.cache.write_text", full)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\)"):
        case.prepare()
    assert list(case.cache.iterdir()) == []


def test_a_failed_rebuild_keeps_what_was_there(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    first = case.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(type(case.dataset), "prepare", Failing.prepare)
        with pytest.raises(DataError, match="no such luck"):
            case.prepare(rebuild=True)
    assert case.prepare() == first


def test_a_cache_that_cannot_be_written_says_so_and_what_to_set(case: Case) -> None:
    case.cache = case.raw / "file" / "cache"  # below a regular file: not even root can write there
    with pytest.raises(StoreError, match=r"file.cache: cannot be written .* set DABENCH_CACHE"):
        case.prepare()


def test_a_raw_file_that_vanishes_is_an_error_that_names_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = case.raw / "gone"
    monkeypatch.setattr(type(case.dataset), "raw_files", lambda self, raw: [gone])
    with pytest.raises(DataError, match=r"gone: cannot be read \(No such file"):
        case.prepare()


# Other sizes, channels and classes


def test_where_nothing_changes_it_is_the_original(case: Case) -> None:
    assert case.reshaped().folder == case.prepare().folder


def test_resizing_is_done_once(case: Case) -> None:
    assert case.reshaped(size=4) == case.reshaped(size=4)
    assert case.said == ["preparing toy ...", "resizing toy to 1x4x4 ..."]


def test_the_resized_set_has_the_size_and_keeps_labels_and_order(case: Case) -> None:
    small, whole = case.reshaped(size=4), case.prepare()
    assert small.shape == (1, 4, 4)
    for split in whole.splits:
        np.testing.assert_array_equal(small.labels(split), whole.labels(split))


def test_grey_becomes_colour(case: Case) -> None:
    colour = case.reshaped(channels=3)
    assert colour.shape == (3, 8, 8)
    np.testing.assert_array_equal(colour.samples("test").images, case.prepare().samples("test").images.repeat(3, 1))


def test_colour_becomes_grey(tmp_path: Path) -> None:
    given = {"train": samples(even(20), shape=(3, 8, 8)), "test": samples(even(10), shape=(3, 8, 8))}
    case = Case(tmp_path, splits=given)
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    luma = (case.prepare().samples("test").images * weights).sum(1, keepdims=True)
    assert np.abs(case.reshaped().samples("test").images - luma).max() <= 1


def test_classes_can_be_left_out_and_reordered(case: Case) -> None:
    whole, part = case.prepare(), case.reshaped(classes=("c", "a"))
    assert part.classes == ("c", "a")
    for split in whole.splits:
        old = whole.samples(split)
        assert old.labels is not None
        kept = old.labels != 1
        np.testing.assert_array_equal(part.samples(split).images, old.images[kept])
        np.testing.assert_array_equal(part.labels(split), np.where(old.labels[kept] == 2, 0, 1))
    assert part.splits["test"]["classes"] == {"c": 10, "a": 10}


def test_groups_and_attributes_go_with_their_images(tmp_path: Path) -> None:
    n = np.arange(60)
    train = samples(even(20), groups=n + 100, attributes={"n": n})
    part = Case(tmp_path, splits={"train": train, "test": samples(even(10))}).reshaped(classes=("b",)).samples("train")
    at = part.images[:, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(part.groups, at + 100)
    np.testing.assert_array_equal(part.attributes["n"], at)


def test_another_order_of_classes_is_another_content(case: Case) -> None:
    assert case.reshaped(classes=("c", "b", "a")).digest != case.prepare().digest
