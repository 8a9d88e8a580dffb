"""Clips in folders: which class, subject and split their folders and file names give. Only names count; the files are empty."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest

from dabench.data.clips import Clip, clips_in_csv, clips_in_folder
from dabench.errors import DataError

EMOTIONS = ("happy", "sad")


def folder(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def clips(root: Path, *names: str, classes: tuple[str, ...] = (), layout: str = "") -> list[Clip]:
    found, skipped, _ = clips_in_folder(folder(root, names), classes, "who", layout)
    assert skipped == {}
    return found


def refusal(root: Path, *names: str, classes: tuple[str, ...] = (), layout: str = "") -> str:
    with pytest.raises(DataError) as caught:
        clips(root, *names, classes=classes, layout=layout)
    return str(caught.value)


FORMS = [
    "happy", "HAPPY", "Happy_3", "HAPPY-4", "happy 2", "happy(3)", "happy (4)", "happy[5]", "happy3", "happy_03", "happy.7",
    "happy#8", "happy_take2", "happy-Take 9", "happy_clip10", "happy_1_2", "happy 2024-05-01 10.33",
]  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_the_number_of_a_take_is_no_part_of_the_class(tmp_path: Path, name: str) -> None:
    found = clips(tmp_path, f"s1/{name}.mp4", "s1/happy_77.mp4", "s1/sad.mp4")
    assert {clip.label for clip in found} == {"happy", "sad"}


@pytest.mark.parametrize("name", FORMS)
def test_a_known_class_is_found_in_every_form(tmp_path: Path, name: str) -> None:
    (found,) = clips(tmp_path, f"s1/{name}.mp4", classes=("sad", "happy"))
    assert found.label == "happy"


def test_each_take_is_kept(tmp_path: Path) -> None:
    found = clips(tmp_path, *(f"s1/{name}.mp4" for name in ("happy", "happy_2", "Happy (3)", "happy-take4", "sad")))
    assert [(c.label, c.take) for c in found] == [("happy", "3"), ("happy", "take4"), ("happy", ""), ("happy", "2"), ("sad", "")]


def test_words_are_kept_in_the_class(tmp_path: Path) -> None:
    found = clips(tmp_path, *(f"p{i}/{name}.mp4" for i in range(3) for name in ("very_happy_1", "very_sad", "Very Happy 2")))
    assert {clip.label for clip in found} == {"very_happy", "very_sad"}


def test_a_class_that_ends_in_t_keeps_it(tmp_path: Path) -> None:
    found = clips(tmp_path, "s1/disgust2.mp4", "s1/part1.mp4", "s1/sad v2.mp4")
    assert {clip.label for clip in found} == {"disgust", "part", "sad"}


def test_a_class_is_written_as_in_its_files(tmp_path: Path) -> None:
    assert {c.label for c in clips(tmp_path, "s1/Happy_1.mp4", "s2/Happy_2.mp4", "s1/SAD.mp4", "s2/Sad.mp4")} == {"Happy", "sad"}


def test_a_name_is_compared_in_nfc(tmp_path: Path) -> None:
    word = "g\N{LATIN SMALL LETTER U WITH DIAERESIS}t"
    found = clips(tmp_path, f"s1/{word}.mp4", f"s2/{unicodedata.normalize('NFD', word)}.mp4", "s1/sad.mp4", "s2/sad.mp4")
    assert {clip.label for clip in found} == {word, "sad"}


@pytest.mark.parametrize("longer", ["happy_morning", "happy 2b", "Happy-a", "happy_take"])
def test_classes_that_begin_with_each_other_are_an_error_that_shows_them(tmp_path: Path, longer: str) -> None:
    message = refusal(tmp_path, "s1/happy.mp4", f"s1/{longer}.mp4", "s1/sad.mp4")
    assert "the file names give the classes happy, happy_" in message
    assert "begins with class 'happy'; set classes to those that are meant" in message
    assert {c.label for c in clips(tmp_path, classes=EMOTIONS)} == {"happy", "sad"}


def test_names_that_differ_only_in_numbers_are_an_error(tmp_path: Path) -> None:
    names = [f"s{i}/emotion{k}.mp4" for i in range(3) for k in range(4)]
    assert "the file names give the classes emotion, but without their numbers, all names are one class" in refusal(
        tmp_path, *names
    )
    assert len({c.label for c in clips(tmp_path, classes=tuple(f"emotion{k}" for k in range(4)))}) == 4


def test_a_longer_word_is_no_known_class(tmp_path: Path) -> None:
    assert "s1/happyface.mp4: its name must begin with one of the classes happy, sad" in refusal(
        tmp_path, "s1/happyface.mp4", "s1/happy.mp4", classes=EMOTIONS
    )


def test_a_name_without_a_class_is_an_error(tmp_path: Path) -> None:
    assert "s1/001.mp4: its name must begin with its class" in refusal(tmp_path, "s1/001.mp4", "s2/sad.mp4", "s1/happy.mp4")


LAYOUTS = {
    "subject": [f"s{i}/{c}_{k}.mp4" for i in range(3) for c in EMOTIONS for k in range(2)],
    "class/subject": [f"{c}/s{i}/clip{k}.mp4" for i in range(3) for c in EMOTIONS for k in range(2)],
    "subject/class": [f"s{i}/{c}/{k:03}.mp4" for i in range(3) for c in EMOTIONS for k in range(2)],
    "split/subject": [f"{'train' if i else 'test'}/s{i}/{c}_{k}.mp4" for i in range(3) for c in EMOTIONS for k in range(2)],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("inside", ["", "videos/"])
def test_class_and_subject_are_read_from_folders_and_names(tmp_path: Path, layout: str, inside: str) -> None:
    found, _, reading = clips_in_folder(folder(tmp_path, (inside + name for name in LAYOUTS[layout])), (), "who")
    assert "/".join(reading.levels) == layout
    assert {(c.subject, c.label) for c in found} == {(f"s{i}", c) for i in range(3) for c in EMOTIONS}
    assert len(found) == 12
    assert {c.split for c in found} == ({"train", "test"} if "split" in layout else {""})


def test_clips_in_class_folders_without_subjects_are_a_group_each(tmp_path: Path) -> None:
    found = clips(tmp_path, *(f"{c}/{i:03}.mp4" for c in EMOTIONS for i in range(3)))
    assert [c.label for c in found] == ["happy"] * 3 + ["sad"] * 3
    assert len({c.subject for c in found}) == 6


def test_people_by_name_are_subjects_if_they_have_the_same_classes(tmp_path: Path) -> None:
    found = clips(tmp_path, *(f"{who}/{c}.mp4" for who in ("anna", "ben", "carl") for c in EMOTIONS))
    assert {c.subject for c in found} == {"anna", "ben", "carl"}


def test_class_folders_that_differ_in_case_are_an_error(tmp_path: Path) -> None:
    assert "folders Happy and happy differ only in case" in refusal(tmp_path, "Happy/s1/1.mp4", "happy/s2/1.mp4", "sad/s1/1.mp4")


def test_a_subject_is_the_same_in_every_class_folder(tmp_path: Path) -> None:
    found = clips(tmp_path, "happy/S1/1.mp4", "sad/s1/1.mp4", "happy/s2/1.mp4", "sad/S2/1.mp4")
    assert len({c.subject for c in found}) == 2


def test_an_empty_class_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "fear").mkdir()
    assert f"class folder {tmp_path}/fear is empty" in refusal(tmp_path, *LAYOUTS["class/subject"])


def test_folders_of_known_classes_are_found_without_case(tmp_path: Path) -> None:
    found = clips(tmp_path, *(f"{c}/{i}.mp4" for c in ("HAPPY", "Sad") for i in range(2)), classes=EMOTIONS, layout="class")
    assert {c.label for c in found} == {"happy", "sad"}


def test_a_csv_writes_a_class_in_one_way(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text("path,class,subject\na.mp4,Happy,s0\nb.mp4,happy,s1\n")
    columns = {"path": "path", "class": "class", "subject": "subject"}
    with pytest.raises(DataError, match="line 3: class 'happy' is 'Happy' in another line; write it in one way"):
        clips_in_csv(table, columns, (), "who")
    assert [c.label for c in clips_in_csv(table, columns, ("happy",), "who")] == ["happy", "happy"]
