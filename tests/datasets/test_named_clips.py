"""RAVDESS and CREMA-D: clips whose names say emotion and actor, in their layouts."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from clips import clip

from dabench.data.clips import Clip
from dabench.data.prepare import prepare_dataset
from dabench.data.splits import checked
from dabench.datasets._from_names import NamedClips
from dabench.datasets.crema_d import CREMAD
from dabench.datasets.ravdess import RAVDESS
from dabench.errors import DataError
from dabench.plugins.contract import Samples

QUICK: dict[str, Any] = {"frames": 2, "size": 12}
PEOPLE = "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female,Asian,Hispanic\n"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))


def ravdess(**options: Any) -> RAVDESS:
    return RAVDESS(RAVDESS.Options(**{**QUICK, **options}))


def cremad(**options: Any) -> CREMAD:
    return CREMAD(CREMAD.Options(**{**QUICK, **options}))


def empty(root: Path, names: Iterable[str]) -> Path:
    """Files without content, for what is decided by their names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def declared(dataset: NamedClips, root: Path) -> list[Clip]:
    dataset.counts = {}
    return dataset.declared(root)[0]


def made_up(dataset: NamedClips, root: Path) -> Mapping[str, Samples]:
    pytest.importorskip("cv2", reason="writing clips needs opencv-python-headless")
    dataset.counts = {}
    dataset.make_synthetic(root, 10, 0)
    return checked(dataset, dataset.prepare(root))


@pytest.mark.parametrize("dataset", [ravdess(), ravdess(channel="song", modality="video-only"), cremad()])
def test_a_made_up_set_gives_frames_of_every_class_in_every_split(dataset: NamedClips, tmp_path: Path) -> None:
    splits = made_up(dataset, tmp_path / "raw")
    assert all(np.bincount(np.asarray(s.labels), minlength=len(dataset.classes)).min() >= 2 for s in splits.values())
    assert sum(len(s.images) for s in splits.values()) == len(dataset.classes) * 10


@pytest.mark.parametrize("dataset", [ravdess(), cremad()])
def test_no_actor_is_in_two_splits(dataset: NamedClips, tmp_path: Path) -> None:
    groups = [set(np.asarray(s.groups).tolist()) for s in made_up(dataset, tmp_path / "raw").values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 5


@pytest.mark.parametrize(
    ("code", "emotion"),
    [*enumerate(("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"), 1)],
)
def test_the_third_number_of_ravdess_is_the_emotion(code: int, emotion: str) -> None:
    named = ravdess().named(PurePosixPath(f"Actor_12/01-01-0{code}-01-02-01-12.mp4"))
    assert named is not None
    assert (named.label, named.subject) == (emotion, "12")


def test_the_other_numbers_of_ravdess_are_attributes() -> None:
    named = ravdess().named(PurePosixPath("01-01-06-02-01-02-11.mp4"))
    assert named is not None
    assert named.attributes == {"sex": "male", "channel": "speech", "intensity": "strong", "statement": "1", "repetition": "2"}


def test_a_performance_of_ravdess_is_read_once(tmp_path: Path) -> None:
    root = empty(tmp_path, [f"Actor_01/0{m}-0{c}-03-01-01-01-01.mp4" for m in "123" for c in "12"])
    assert [c.name for c in declared(ravdess(), root)] == ["Actor_01/01-01-03-01-01-01-01.mp4"]
    assert [c.name for c in declared(ravdess(modality="video-only"), root)] == ["Actor_01/02-01-03-01-01-01-01.mp4"]


def test_speech_and_song_of_ravdess_are_an_option(tmp_path: Path) -> None:
    root = empty(tmp_path, [f"Actor_01/01-0{c}-03-01-01-01-01.mp4" for c in "12"])
    assert len(declared(ravdess(channel="both"), root)) == 2
    assert [c.attributes["channel"] for c in declared(ravdess(channel="song"), root)] == ["song"]


def test_songs_have_neither_disgust_nor_surprise() -> None:
    assert set(ravdess().classes) - set(ravdess(channel="song").classes) == {"disgust", "surprise"}


@pytest.mark.parametrize(
    ("dataset", "clips"),
    [(ravdess(), 1440), (ravdess(channel="song"), 1012), (ravdess(channel="both"), 2452), (cremad(), 7442)],
)
def test_the_clips_to_expect_are_known(dataset: NamedClips, clips: int) -> None:
    assert dataset.counts == {"clips": clips}


def test_a_part_of_the_clips_is_refused_with_both_counts(tmp_path: Path) -> None:
    root = empty(tmp_path / "raw", ["Actor_01/01-01-03-01-01-01-01.mp4"])
    with pytest.raises(DataError, match=r"1 of its 1,440 clips are in .*raw\. Download Video_Speech_Actor_01\.zip"):
        prepare_dataset(ravdess(), root, tmp_path / "cache", notify=lambda _: None)


@pytest.mark.parametrize(
    ("name", "emotion"),
    [("ANG", "angry"), ("DIS", "disgust"), ("FEA", "fear"), ("HAP", "happy"), ("NEU", "neutral"), ("SAD", "sad")],
)
def test_the_third_word_of_crema_d_is_the_emotion(name: str, emotion: str) -> None:
    named = cremad().named(PurePosixPath(f"VideoFlash/1001_IEO_{name}_HI.flv"))
    assert (named.label, named.subject, named.attributes) == (emotion, "1001", {"sentence": "IEO", "intensity": "high"})


def test_the_actors_of_crema_d_have_attributes(tmp_path: Path) -> None:
    root = empty(tmp_path, ["VideoFlash/1001_DFA_ANG_XX.flv", "AudioWAV/1001_DFA_ANG_XX.wav"])
    (root / "VideoDemographics.csv").write_text(PEOPLE)
    (only,) = declared(cremad(), root)
    expected = {"age": "51", "sex": "male", "race": "caucasian", "ethnicity": "not hispanic", "sentence": "DFA", "intensity": ""}
    assert only.attributes == expected


def test_the_age_of_an_actor_is_a_number(tmp_path: Path) -> None:
    ages = made_up(cremad(), tmp_path / "raw")["test"].attributes["age"]
    assert ages.dtype == np.int64


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (None, "{root}/VideoDemographics.csv does not exist. Clone the repository from its page"),
        (PEOPLE.replace("1001", "1009"), "{root}/VideoDemographics.csv has no actor 1001; download it again"),
        (PEOPLE.replace("Age", "Years"), "{root}/VideoDemographics.csv, line 1: no column 'Age'"),
    ],
    ids=["none", "no actor", "no column"],
)
def test_a_table_of_actors_that_lacks_something_is_an_error(table: str | None, reason: str, tmp_path: Path) -> None:
    root = empty(tmp_path, ["VideoFlash/1001_DFA_ANG_XX.flv"])
    if table:
        (root / "VideoDemographics.csv").write_text(table)
    with pytest.raises(DataError) as caught:
        declared(cremad(), root)
    assert reason.format(root=root) in str(caught.value)


@pytest.mark.parametrize("dataset", [ravdess(), cremad()])
def test_a_strange_name_is_an_error_that_names_it(dataset: NamedClips, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holiday/me\.mp4: its name must be like"):
        declared(dataset, empty(tmp_path, ["holiday/me.mp4"]))


@pytest.mark.parametrize(
    ("dataset", "name"), [(ravdess(), "01-01-03-01-01-01-01.mp4"), (cremad(), "1001_DFA_ANG_XX.flv")], ids=["ravdess", "crema-d"]
)
def test_a_clip_that_is_there_twice_is_an_error_that_names_both(dataset: NamedClips, name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"a/{name} and b/{name} both have subject '\d+', class '\w+'"):
        declared(dataset, empty(tmp_path, [f"a/{name}", f"b/{name}"]))


def test_a_clip_that_cannot_be_decoded_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    dataset, root = ravdess(channel="song"), tmp_path / "raw"
    before = sum(len(s.images) for s in made_up(dataset, root).values())
    (root / "Actor_01" / "01-02-03-01-01-01-01.mp4").write_bytes(b"")
    splits = dataset.prepare(root)
    assert sum(len(s.images) for s in splits.values()) == before - 2
    assert splits.notes[0] == "1 of 30 files skipped: 1 is empty (0 bytes)"


def test_an_mp4_under_the_name_of_a_flash_video_is_decoded(tmp_path: Path) -> None:
    from dabench.data.video import ClipSampling, read_clip

    shutil.move(clip(tmp_path / "a.mp4"), tmp_path / "a.flv")
    assert read_clip(tmp_path / "a.flv", ClipSampling(frames=4, size=12)).shape == (4, 12, 12)
