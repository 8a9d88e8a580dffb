"""Clips in subject folders or named by a CSV."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip, people

import dabench
from dabench.data.skipped import SkippingSplits
from dabench.data.synthetic import moving_frames, synthetic_image, write_clip
from dabench.datasets.nae import NAE
from dabench.datasets.video_folder import VideoFolder
from dabench.errors import DataError
from dabench.plugins.contract import Samples

QUICK: dict[str, Any] = {"frames": 4, "size": 12}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read(root: Path, **options: Any) -> Mapping[str, Samples]:
    return VideoFolder(VideoFolder.Options(**{**QUICK, **options})).prepare(root)


def notes(root: Path, **options: Any) -> str:
    """Read the folder and return what the set says of its making."""
    return "\n".join(VideoFolder(VideoFolder.Options(**{**QUICK, **options})).prepare(root).notes)


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(root, **options)
    assert str(caught.value).startswith("dataset 'video-folder': ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def total(splits: Mapping[str, Samples]) -> int:
    return sum(len(s.images) for s in splits.values())


def table(root: Path, text: str, name: str = "clips.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_every_clip_gives_its_frames_small_and_grey(tmp_path: Path) -> None:
    splits = read(people(tmp_path / "raw"))
    assert total(splits) == 6 * 2 * 4
    assert splits["train"].images.shape[1:] == (1, 12, 12)
    assert splits["train"].images.dtype == np.uint8


def test_the_label_is_the_class_in_the_file_name(tmp_path: Path) -> None:
    for samples in read(people(tmp_path / "raw")).values():
        bright = np.asarray(samples.images).mean((1, 2, 3)) > 120
        np.testing.assert_array_equal(samples.labels, bright.astype(np.int64))


def test_frames_grow_brighter_as_the_clip_does(tmp_path: Path) -> None:
    images = read(people(tmp_path / "raw"))["train"].images[:4].mean((1, 2, 3))
    np.testing.assert_allclose(np.diff(images), 10, atol=3)


def test_nobody_is_in_two_splits(tmp_path: Path) -> None:
    splits = read(people(tmp_path / "raw"))
    subjects = [set(s.attributes["subject"].tolist()) for s in splits.values()]
    assert sum(map(len, subjects)) == len(set().union(*subjects)) == 6


@pytest.mark.parametrize(("folder", "options"), [("test", {}), ("val", {"test_from": "val"})])
def test_split_folders_are_the_splits(folder: str, options: dict[str, Any], tmp_path: Path) -> None:
    root = people(tmp_path / "raw" / "train", 4).parent
    (root / folder).mkdir()
    (root / "train" / "s3").rename(root / folder / "s3")
    splits = read(root, **options)
    assert {split: set(s.attributes["subject"].tolist()) for split, s in splits.items()} == {
        "train": {"s0", "s1", "s2"},
        "test": {"s3"},
    }
    first = notes(root, **options).splitlines()[0]
    assert first == "read as: split/subject/class[_take]; 2 classes (happy, sad), 4 groups, split by folder"


def test_split_folders_without_test_say_what_to_do(tmp_path: Path) -> None:
    for name in ("train/s0/happy.mp4", "train/s1/sad.mp4", "val/s2/happy.mp4", "val/s3/sad.mp4"):
        table(tmp_path / Path(name).parent, "", Path(name).name)
    assert 'no file in test; set test_from = "val"' in refusal(tmp_path)


def test_two_subjects_are_too_few_for_three_splits(tmp_path: Path) -> None:
    assert "each class needs at least three subjects" in refusal(people(tmp_path / "raw", subjects=2))


def test_participants_give_attributes_to_every_frame(tmp_path: Path) -> None:
    root = people(tmp_path / "raw")
    table(root, "subject,age,sex\n" + "".join(f"s{i},{20 + i},{'fm'[i % 2]}\n" for i in range(6)), "participants.csv")
    for samples in read(root).values():
        ages = [20 + int(s[1:]) for s in samples.attributes["subject"]]
        np.testing.assert_array_equal(samples.attributes["age"], ages)


def test_a_csv_names_the_clips_and_their_attributes(tmp_path: Path) -> None:
    root = people(tmp_path / "raw")
    rows = [f"s{i}/{c}.mp4,{c},person {i},{i}" for i in range(6) for c in ("happy", "sad")]
    table(root, "file,emotion,who,age\n" + "\n".join(rows))
    columns = {"path_column": "file", "class_column": "emotion", "subject_column": "who"}
    splits = read(root, csv="clips.csv", **columns)
    assert total(splits) == 48
    assert set(splits["test"].attributes) == {"subject", "clip", "age"}


def damaged(path: Path) -> None:
    """Write a clip with a hole in the middle of its frames."""
    write_clip(path, moving_frames(synthetic_image(0, np.random.default_rng(0), 48, 64), 40))
    content = path.read_bytes()
    path.write_bytes(content[:3000] + bytes(3000) + content[6000:])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: p.write_bytes(b""), "is empty (0 bytes)"),
        (lambda p: p.write_text("not a video"), "cannot be decoded as a video: moov atom not found"),
        (lambda p: p.write_bytes(clip(p).read_bytes()[:-100]), "is damaged or cut off: no frame can be decoded"),
        (damaged, "is damaged or cut off: 27 of 40 frames can be decoded (header damaged)"),
        (lambda p: clip(p, frames=3), "too short: 3 frames, 4 wanted"),
        (lambda p: p.with_suffix(".rm").write_text("x"), "has the suffix '.rm', which is not that of a video"),
    ],
    ids=["zero bytes", "text", "truncated", "damaged", "too short", "no video"],
)
class TestBadFile:
    def test_it_is_counted_with_its_reason_and_the_rest_is_read(
        self, make: Callable[[Path], Any], reason: str, tmp_path: Path
    ) -> None:
        root = people(tmp_path / "raw")
        make(root / "s0" / "sad_2.mp4")
        splits = read(root, skip_limit=0.1)
        assert total(splits) == 48
        assert isinstance(splits, SkippingSplits)
        assert splits.notes[1].startswith(f"1 of 13 files skipped: 1 {reason}")
        ((name, why),) = splits.skipped.items()
        assert name.startswith("s0/sad_2.")
        assert why.startswith(reason)

    def test_strict_makes_it_an_error(self, make: Callable[[Path], Any], reason: str, tmp_path: Path) -> None:
        root = people(tmp_path / "raw")
        make(root / "s0" / "sad_2.mp4")
        assert reason in refusal(root, strict=True)


def test_more_than_a_twentieth_of_bad_clips_is_an_error(tmp_path: Path) -> None:
    root = people(tmp_path / "raw")
    (root / "s0" / "sad_2.mp4").touch()
    assert "more than skip_limit = 0.05 allows: s0/sad_2.mp4: is empty (0 bytes); repair or remove them, or allow" in refusal(
        root
    )


def test_notes_beside_clips_are_left_alone(tmp_path: Path) -> None:
    root = people(tmp_path / "raw")
    for name in ("README.txt", "s0/happy.srt", "s0/._happy.mp4", ".DS_Store"):
        (root / name).touch()
    read_as = "read as: subject/class[_take]; 2 classes (happy, sad), 6 groups, split by group"
    assert notes(root).splitlines() == [read_as, "frames that are not square are stretched (square = 'stretch')"]


def test_a_class_that_loses_all_its_clips_is_an_error(tmp_path: Path) -> None:
    root = people(tmp_path / "raw")
    for subject in range(6):
        (root / f"s{subject}" / "fear.mp4").touch()
    assert "no usable clip of class fear (the first: s0/fear.mp4: is empty (0 bytes))" in refusal(root, skip_limit=0.5)


def test_a_folder_of_bad_files_alone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "raw" / "s0").mkdir(parents=True)
    (tmp_path / "raw" / "s0" / "happy.mp4").write_bytes(b"")
    assert "holds no usable clip (the first: s0/happy.mp4: is empty (0 bytes))" in refusal(tmp_path / "raw", skip_limit=1.0)


UNREADABLE = """
import os, sys
from pathlib import Path
from dabench.data.clips import clips_in_folder
from dabench.errors import DataError
if os.geteuid() == 0:  # who may read everything
    os.setuid(65534)
try:
    clips_in_folder(Path(), (), "dataset 'video-folder'")
except DataError as e:
    print(e)
"""


@pytest.mark.parametrize("mode", [0, 0o444], ids=["closed", "not to be entered"])
def test_a_folder_that_cannot_be_read_is_an_error_that_names_it(mode: int, tmp_path: Path) -> None:
    root = people(tmp_path / "raw")
    root.chmod(0o755)
    (root / "s2").chmod(mode)
    ran = subprocess.run([sys.executable, "-c", UNREADABLE], cwd=root, capture_output=True, text=True)
    (root / "s2").chmod(0o755)
    assert ran.stdout == "dataset 'video-folder': folder s2 cannot be read (Permission denied); change its permissions\n"


def test_two_files_of_one_subject_class_and_take_are_an_error(tmp_path: Path) -> None:
    for name in ("happy_1.mp4", "happy_1.mov"):
        table(tmp_path / "raw" / "s0", "", name)
    assert "s0/happy_1.mov and s0/happy_1.mp4 both have subject 's0', class 'happy', take '1'" in refusal(tmp_path / "raw")


def test_a_clip_of_no_known_class_is_an_error(tmp_path: Path) -> None:
    table(tmp_path / "raw" / "s0", "", "bored.mp4")
    assert "s0/bored.mp4: its name must begin with one of the classes happy, sad" in refusal(
        tmp_path / "raw", classes=("happy", "sad")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.mp4,happy\n", "line 1: no column 'subject'"),
        ("path,class,subject\na.mp4,happy,s0\nb.mp4,happy\n", "line 3: 2 values, but 3 columns"),
        ("path,class,subject\na.mp4,,s0\n", "line 2: column 'class' is empty"),
        ("path,class,subject\na.mp4,hapy,s0\n", "line 2: class 'hapy' must be one of happy, sad; did you mean 'happy'?"),
        ("path,class,subject\n../a.mp4,happy,s0\n", "line 2: path '../a.mp4' must be relative"),
        ("path,class,subject\na.mp4,sad,s0\na.mp4,sad,s0\n", "line 3: 'a.mp4' is listed twice"),
        ("path,class,subject,a/b\na.mp4,sad,s0,1\n", "line 2: 'a/b' cannot name an attribute"),
    ],
)
def test_a_wrong_csv_is_an_error_that_names_the_line(text: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(table(tmp_path / "raw", text), csv="clips.csv", classes=("happy", "sad"))


def test_decoded_clips_are_used_again(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = people(tmp_path / "raw")
    first = read(root)
    monkeypatch.setattr("dabench.data.video_pool._Pool.run", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(read(root)["test"].images, first["test"].images)
    assert not list(cache.rglob("*.part"))


def test_a_failed_call_leaves_nothing_that_is_taken_for_prepared(tmp_path: Path, cache: Path) -> None:
    root = people(tmp_path / "raw")
    (root / "s0" / "sad_2.mp4").touch()
    for _ in range(2):
        with pytest.raises(DataError, match=r"s0/sad_2.mp4: is empty \(0 bytes\)"):
            dabench.prepare("video-folder", raw=root, set=QUICK, strict=True)
        assert [p.name for p in cache.iterdir()] == [".clips"]


def test_what_was_skipped_is_said_each_time_the_set_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = people(tmp_path / "raw")
    (root / "s0" / "sad_2.mp4").touch()
    for _ in range(2):
        prepared = dabench.prepare("video-folder", raw=root, set=QUICK | {"skip_limit": 0.1})
        assert "video-folder: 1 of 13 files skipped: 1 is empty (0 bytes)\n" in capsys.readouterr().err
    assert prepared.skipped_list.read_text() == "path,reason\ns0/sad_2.mp4,is empty (0 bytes)\n"
    assert (prepared.skipped["files"], prepared.skipped["reasons"]) == (1, {"is empty (0 bytes)": 1})


def test_nae_has_the_seven_emotions() -> None:
    assert NAE().classes == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_the_made_up_nae_has_every_class_in_every_split_and_ages_from_18_to_84(tmp_path: Path) -> None:
    dataset = NAE(NAE.Options(**QUICK))
    dataset.make_synthetic(tmp_path, 60, 0)
    splits = dataset.prepare(tmp_path)
    counts = sum(np.bincount(np.asarray(s.labels), minlength=7) for s in splits.values())
    assert counts.tolist() == [12 * 2 * 4] * 7  # two takes
    assert all(len(np.unique(s.labels)) == 7 for s in splits.values())
    ages = np.concatenate([s.attributes["age"] for s in splits.values()])
    assert (ages.min(), ages.max()) == (18, 84)
    assert set(splits["train"].attributes["sex"]) == {"f", "m"}


def test_the_made_up_folder_has_the_classes_that_are_asked_for(tmp_path: Path) -> None:
    dataset = VideoFolder(VideoFolder.Options(**QUICK, classes=("no", "yes")))
    dataset.make_synthetic(tmp_path, 1, 0)
    assert sorted({p.name for p in tmp_path.glob("*/*")}) == ["no.mp4", "yes.mp4"]


def real_folder(root: Path, real_data: Callable[[str], Path]) -> Path:
    """Six subjects: half with the clip of a face, all with one where nobody is seen."""
    face, none = real_data("videos/single_face.mp4"), real_data("videos/no_face.mp4")
    for subject in range(6):
        (root / f"s{subject}").mkdir(parents=True)
        shutil.copy(face, root / f"s{subject}" / "happy.mp4")
        shutil.copy(none, root / f"s{subject}" / "sad.mp4")
    return root


def test_real_clips_are_decoded(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    assert total(read(real_folder(tmp_path / "raw", real_data), frames=30, size=48)) == 6 * 2 * 30


def test_real_clips_without_a_face_are_skipped_and_counted(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    pytest.importorskip("cv2", reason="finding faces needs opencv-python-headless")
    root = real_folder(tmp_path / "raw", real_data)
    assert "6 of 12 files of" in (message := refusal(root, face=True))
    assert "s0/sad.mp4: no face found in any of its 4 frames; s1/sad.mp4: " in message
    assert "no usable clip of class sad" in refusal(root, face=True, skip_limit=0.5)


def test_real_frames_without_a_face_are_left_out_and_counted(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    pytest.importorskip("cv2", reason="finding faces needs opencv-python-headless")
    root = real_folder(tmp_path / "raw", real_data)
    for subject in range(6):  # a face in the first half, and none in the second
        shutil.copy(real_data("videos/face_noface.mov"), root / f"s{subject}" / "sad.mov")
        (root / f"s{subject}" / "sad.mp4").unlink()
    left = total(read(root, face=True))
    assert 6 * 4 < left < 2 * 6 * 4
    assert notes(root, face=True).splitlines()[1] == f"{2 * 6 * 4 - left} frames without a face left out of 12 clips"
