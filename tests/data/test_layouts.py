"""What folders mean: split, class and subject, by their names or by the option `layout`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from dabench.data.folder_names import CLASS, split_of
from dabench.data.layouts import Reading, class_names, levels_of, read_layout, refuse_lost_classes
from dabench.errors import DataError

ROOT = Path("/data")


def paths(*levels: Iterable[str], files: int = 2) -> list[PurePosixPath]:
    """Return `files` paths below every combination of folders."""
    found = [PurePosixPath()]
    for level in levels:
        found = [folder / name for folder in found for name in level]
    return [folder / f"{i}.png" for folder in found for i in range(files)]


def read(files: Iterable[PurePosixPath], layout: str = "", **how: object) -> Reading:
    return read_layout(files, layout, ROOT, "who", **how)  # type: ignore[arg-type]


def levels(files: Iterable[PurePosixPath], layout: str = "") -> str:
    return "/".join(read(files, layout).levels)


def refusal(files: Iterable[PurePosixPath], layout: str = "", **how: object) -> str:
    with pytest.raises(DataError) as caught:
        read(files, layout, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


EMOTIONS = ("happy", "sad", "angry")
PEOPLE = ("s1", "s2", "s3")

READ = {
    "class": paths(EMOTIONS),
    "class/subject": paths(EMOTIONS, PEOPLE),
    "subject/class": paths(PEOPLE, EMOTIONS),
    "split/class": paths(("train", "test"), EMOTIONS),
    "split/class/subject": paths(("Training", "Testing"), EMOTIONS, PEOPLE),
    "split/subject/class": paths(("train", "val", "test"), PEOPLE, EMOTIONS),
    "class/split": paths(EMOTIONS, ("train", "test")),
    "split/*/class": paths(("train", "test"), ("images",), EMOTIONS),
    "class/*": paths(EMOTIONS, ("images",)),
}


@pytest.mark.parametrize("layout", READ)
def test_levels_are_read_by_their_names(layout: str) -> None:
    assert levels(READ[layout]) == layout


@pytest.mark.parametrize(
    "names", [("Actor_01", "Actor_02"), ("subject 1", "subject 2"), ("P-003", "P-004"), ("AF01", "BM12"), ("id7", "id12")]
)
def test_names_that_only_subjects_have_are_subjects(names: tuple[str, str]) -> None:
    assert (levels(paths(EMOTIONS, names)), levels(paths(names, EMOTIONS))) == ("class/subject", "subject/class")


def test_a_folder_named_as_the_one_around_it_says_nothing() -> None:
    doubled = [PurePosixPath(c, c, "0.png") for c in EMOTIONS]
    assert levels(doubled) == "class/*"
    unpacked = [PurePosixPath(split, split, c, "0.png") for split in ("seg_train", "seg_test") for c in EMOTIONS]
    assert levels(unpacked) == "split/*/class"


@pytest.mark.parametrize("wrapping", ["images", "archive/dataset", ".".join("ab")])
def test_single_folders_around_everything_are_taken_off(wrapping: str) -> None:
    files = [PurePosixPath(wrapping) / path for path in paths(("train", "test"), EMOTIONS)]
    reading = read(files)
    assert reading.levels == ("split", "class")
    assert reading.places[files[0]].split == "train"
    assert reading.text("picture") == f"split/class/picture in {wrapping}/"


def test_a_single_folder_around_subjects_may_be_a_class() -> None:
    message = refusal(paths(("happy",), PEOPLE))
    assert "happy is a folder around everything, or a class with the subjects s1, s2, s3" in message
    assert levels(paths(("happy",), PEOPLE), "class/subject") == "class/subject"
    assert levels(paths(("orl",), PEOPLE), "class") == "class"


def test_the_folder_of_a_split_is_not_taken_off() -> None:
    assert {place.split for place in read(paths(("train",), EMOTIONS)).places.values()} == {"train"}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("TRAINING", "train"), ("train_images", "train"), ("train2017", "train"), ("Training Set", "train"),
        ("valid", "val"), ("validation-data", "val"), ("dev", "val"), ("test_256", "test"), ("seg_test", "test"),
        ("trained", ""), ("happy", ""), ("test_strip", ""), ("images", ""), ("", ""),
    ],
)  # fmt: skip
def test_folders_of_splits_have_usual_names(name: str, split: str) -> None:
    assert split_of(name) == split


def test_a_place_says_split_class_and_subject() -> None:
    place = read(READ["split/class/subject"]).places[PurePosixPath("Training/happy/s2/1.png")]
    assert (place.split, place.label, place.subject) == ("train", "happy", "s2")


AMBIGUOUS = {
    "domains": (paths(("photo", "sketch"), EMOTIONS), ['path = "/data/photo"', '"class/subject"', '"subject/class"']),
    "domains of digits": (paths(("mnist", "usps"), "0123456789"), ['path = "/data/mnist"']),
    "domains of synsets": (paths(("art", "photo"), ("n01440764", "n01443537")), ['path = "/data/art"']),
    "people by name below classes": (paths(EMOTIONS, ("anna", "ben")), ['"class/subject"', '"subject/class"']),
    "numbers below classes": (paths(EMOTIONS, ("001", "002")), ['"class/subject"', '"subject/class"']),
    "subjects in both levels": (paths(PEOPLE, ("p1", "p2")), ['"class/subject"', '"subject/class"']),
    "domains within splits": (paths(("train", "test"), ("photo", "art"), EMOTIONS), ['"split/class/subject"']),
    "groups of classes": (
        [PurePosixPath(*p, "0.png") for p in (("animals", "cat"), ("animals", "dog"), ("tools", "saw"))],
        ['"class"', '"*/class"', '"class/subject"'],
    ),
    "splits within domains": (paths(("photo", "art"), ("train", "test"), EMOTIONS), ['path = "/data/art"', "a split below art"]),
    "three levels": (paths(EMOTIONS, PEOPLE, ("a", "b")), ["has 3 levels of folders, such as angry/s1/a", '"class/subject"']),
    "two depths": ([*paths(EMOTIONS), *paths(("happy",), ("more",))], ["lie in angry and deeper, in happy/more", '"class"']),
    "a class named train": (paths(("bus", "train"), ("front", "side")), ["folder train is named like a split, folder bus"]),
    "splits without classes": (paths(("train", "test")), ["named like splits, but hold no class folders", '"class"']),
    "more beside splits": (paths(("train", "test", "pred"), EMOTIONS), ["/data/pred/angry is not in one of the folders train"]),
}  # fmt: skip


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_an_error_that_says_how_to_choose(case: str) -> None:
    files, parts = AMBIGUOUS[case]
    message = refusal(files)
    assert [part for part in parts if part not in message] == [], message


def test_both_readings_are_shown_with_their_classes() -> None:
    assert "class/subject (classes: 2 photo, sketch) or as subject/class (classes: 3 angry, happy, sad)" in refusal(
        paths(("photo", "sketch"), EMOTIONS)
    )


@pytest.mark.parametrize(
    ("files", "layout", "label"),
    [
        (paths(("photo", "art"), EMOTIONS), "subject/class", "happy"),
        (paths(("photo", "art"), EMOTIONS), "class/subject", "photo"),
        (paths(("photo", "art"), EMOTIONS), "class", "photo"),
        (paths(("animals",), ("cat", "dog")), "*/class", "cat"),
        (paths(("train", "test")), "class", "train"),
    ],
)
def test_the_option_chooses(files: list[PurePosixPath], layout: str, label: str) -> None:
    reading = read(files, layout)
    assert "/".join(reading.levels) == layout
    assert reading.places[files[0]].label == label


def test_levels_below_those_of_the_option_say_nothing() -> None:
    files = [*paths(EMOTIONS), *paths(("happy",), ("more",))]
    assert {place.label for place in read(files, "class").places.values()} == set(EMOTIONS)


@pytest.mark.parametrize("option", ["klass", "class/class", "*", "", "class/", "class\\subject"])
def test_a_wrong_option_is_an_error(option: str) -> None:
    with pytest.raises(DataError, match="layout = "):
        levels_of(option, "who")


def test_the_option_names_the_class() -> None:
    assert "must name the level of the class" in refusal(paths(EMOTIONS), "subject")


def test_files_in_no_class_folder_are_strays() -> None:
    cover = PurePosixPath("cover.png")
    assert read([cover, *paths(EMOTIONS)]).strays == (cover,)
    flat = PurePosixPath("test/0.png")
    assert read([flat, *paths(("train", "test"), EMOTIONS)]).strays == (flat,)


def test_without_labels_folders_name_only_splits() -> None:
    assert levels_without_labels(paths(("train", "test"), PEOPLE)) == ("split",)
    assert levels_without_labels(paths(PEOPLE, EMOTIONS)) == ()
    assert "names a split below photo" in refusal(paths(("photo", "sketch"), ("train", "test")), labelled=False)


def levels_without_labels(files: list[PurePosixPath]) -> tuple[str, ...]:
    return read(files, labelled=False).levels


# Class names


def names(*folders: str) -> dict[str, str]:
    return class_names(read([PurePosixPath(folder, "0.png") for folder in folders]), ROOT, "who")


ACCENT = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.mark.parametrize(
    ("one", "other"),
    [("Happy", "happy"), (ACCENT, unicodedata.normalize("NFD", ACCENT)), ("STRASSE", "stra\N{LATIN SMALL LETTER SHARP S}e")],
)
def test_classes_that_fall_together_are_an_error(one: str, other: str) -> None:
    with pytest.raises(DataError, match="they are one class; put them together"):
        names(one, other, "sad")


def test_a_class_may_be_written_differently_in_each_split() -> None:
    assert names("train/Happy", "train/sad", "test/happy", "test/Sad") == {"happy": "happy", "sad": "Sad"}


def test_a_class_name_is_in_nfc() -> None:
    assert list(names(unicodedata.normalize("NFD", ACCENT), "tea").values()) == [ACCENT, "tea"]


# Classes that are lost


def lost(reading: Reading, folders: dict[str, list[str]]) -> str:
    with pytest.raises(DataError) as caught:
        refuse_lost_classes(reading, {PurePosixPath(f): n for f, n in folders.items()}, reading.places, ROOT, "who")
    return str(caught.value)


def test_an_empty_class_folder_is_an_error() -> None:
    assert "class folder /data/fear is empty" in lost(read(paths(EMOTIONS)), {"happy": ["0.png"], "fear": []})


def test_a_class_folder_without_files_that_are_read_is_an_error_that_names_their_suffixes() -> None:
    folders = {"fear": ["a.xyz", "b.heic"], "fear/more": ["c"]}
    assert "/data/fear holds 3 files (.heic, .xyz, no suffix), but none that can be read; convert" in lost(
        read(paths(EMOTIONS)), folders
    )


def test_a_class_that_is_lost_in_one_split_is_an_error() -> None:
    assert "/data/test/fear is empty" in lost(read(READ["split/class"]), {"test/fear": []})


def test_a_subject_may_lack_a_class() -> None:
    reading = read(READ["subject/class"])
    refuse_lost_classes(reading, {PurePosixPath("s1/happy"): []}, list(reading.places)[2:], ROOT, "who")
    assert "/data/s1/fear is empty" in lost(reading, {"s1/fear": []})


# Classes in file names


def named(files: dict[str, str]) -> str:
    """Return the levels of files whose names give these classes."""
    return "/".join(read([PurePosixPath(p) for p in files], named={PurePosixPath(p): c for p, c in files.items()}).levels)


def test_a_folder_is_the_subject_if_file_names_give_the_class() -> None:
    assert named({f"{who}/{c}.mp4": c for who in ("anna", "ben", "carl") for c in EMOTIONS}) == "subject"
    assert named({f"{who}/{c}.mp4": c for who in PEOPLE for c in ("happy",)}) == "subject"


def test_a_folder_is_the_class_if_file_names_give_none() -> None:
    assert named({f"{c}/{i}.mp4": "" for c in EMOTIONS for i in range(3)}) == CLASS
    assert named({f"{c}/video_{i}.mp4": "video" for c in EMOTIONS for i in range(3)}) == CLASS


def test_two_levels_of_folders_are_class_and_subject_if_file_names_give_no_class() -> None:
    assert named({f"{c}/{who}/clip{i}.mp4": "clip" for c in EMOTIONS for who in PEOPLE for i in range(2)}) == "class/subject"
    assert named({f"{who}/{c}/{i}.mp4": "" for c in EMOTIONS for who in PEOPLE for i in range(2)}) == "subject/class"


@pytest.mark.parametrize(
    "files",
    [
        {f"{c}/{who}.mp4": who for c in ("happy", "sad") for who in ("anna", "ben", "carl")},
        {"happy/anna.mp4": "anna", "sad/ben.mp4": "ben"},
        {f"{who}/session{i}/{c}.mp4": c for who in PEOPLE for i in (1, 2) for c in EMOTIONS},
    ],
)
def test_file_names_that_may_be_classes_or_not_are_an_error(files: dict[str, str]) -> None:
    message = refusal([PurePosixPath(p) for p in files], named={PurePosixPath(p): c for p, c in files.items()})
    assert 'layout = "class' in message
    assert 'layout = "subject"' in message


def test_the_option_may_leave_the_class_to_file_names() -> None:
    files = {PurePosixPath(f"{c}/{who}.mp4"): who for c in ("happy", "sad") for who in ("anna", "ben", "carl")}
    assert read(files, "subject", named=files).levels == ("subject",)
