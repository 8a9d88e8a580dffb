"""What a set leaves out is kept with the prepared set and said at each use; every set that can leave something out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import people
from pictures import as_folder, classes, png, tree

import dabench.datasets
from dabench.data.prepare import prepare_dataset
from dabench.datasets.ckplus import CKPlus
from dabench.datasets.fer2013 import FER2013
from dabench.datasets.image_folder import ImageFolder
from dabench.datasets.kdef import KDEF
from dabench.datasets.muxspace import Muxspace
from dabench.datasets.rafd import RaFD
from dabench.datasets.ravdess import RAVDESS
from dabench.datasets.video_folder import VideoFolder
from dabench.plugins.contract import Dataset

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def image_folder(raw: Path) -> Dataset:
    as_folder(raw, tree(classes()) | {"cover.png": png()})
    return ImageFolder()


def kdef(raw: Path) -> Dataset:
    made = KDEF()
    made.make_synthetic(raw, 15, 0)
    return made


def rafd(raw: Path) -> Dataset:
    made = RaFD()
    made.make_synthetic(raw, 5, 0)
    for path in sorted(raw.glob("Rafd090_01_*")):
        shutil.copy(path, raw / path.name.replace("Rafd090", "Rafd180"))
    return made


def ckplus(raw: Path) -> Dataset:
    subjects = ("S005", "S010", "S011", "S999")
    as_folder(raw, tree(f"cohn-kanade-images/{s}/{q:03}/{s}_{q:03}_00000001.png" for s in subjects for q in range(1, 9)))
    for s in subjects:
        for q in range(1, 8):
            as_folder(raw, {f"Emotion/{s}/{q:03}/{s}_{q:03}_00000001_emotion.txt": f"{q}.0000000e+00".encode()})
    return CKPlus(CKPlus.Options(frames=1))


def muxspace(raw: Path) -> Dataset:
    rows = [(f"Per_Son{p}_{i:04}.jpg", word) for p in "ABCDE" for i, word in enumerate(EMOTIONS)]
    twice, contempt = (rows[0][0], "sadness"), [("Some_One_0001.jpg", "contempt"), ("Some_One_0002.jpg", "contempt")]
    lines = ["user.id,image,emotion", *(f"1,{name},{word}" for name, word in [*rows, twice, *contempt]), ""]
    names = [f"images/{name}" for name, _ in [*rows, *contempt]]
    as_folder(raw, tree([*names, "images/Not_Listed_0001.jpg"], form="JPEG") | {"data/legend.csv": "\n".join(lines).encode()})
    return Muxspace()


def fer_plus(raw: Path) -> Dataset:
    made = FER2013(FER2013.Options(labels="fer+"))
    made.make_synthetic(raw, 2, 0)
    lines = (raw / "fer2013new.csv").read_text().splitlines()
    lines[1] = "Training,,0,0,0,0,0,0,0,0,0,10"
    (raw / "fer2013new.csv").write_text("\n".join([*lines, ""]))
    return made


def ravdess(raw: Path) -> Dataset:
    pytest.importorskip("cv2", reason="writing clips needs opencv-python-headless")
    made = RAVDESS(RAVDESS.Options(frames=2, size=12))
    made.make_synthetic(raw, 10, 0)
    for path in sorted((raw / "Actor_01").iterdir()):
        shutil.copy(path, raw / "Actor_01" / path.name.replace("01-01", "02-01", 1))
    return made


def video_folder(raw: Path) -> Dataset:
    people(raw)
    (raw / "s0" / "sad_2.mp4").touch()
    return VideoFolder(VideoFolder.Options(frames=4, size=12, skip_limit=0.1))


SETS = {
    image_folder: "1 of 21 files skipped: 1 is not in a class folder",
    kdef: "35 of 105 images left out: not frontal (frontal = true)",
    rafd: "8 of 48 images left out: not from the front camera (frontal = true)",
    ckplus: "4 of 32 sequences left out: they have no label",
    muxspace: "4 of 38 images left out: 1 with two emotions, 2 of other classes, 1 not in the legend",
    fer_plus: "1 of 48 images left out: no emotion has the majority of votes",
    ravdess: "8 of 48 clips left out: of another channel or modality (options channel and modality)",
    video_folder: "1 of 13 files skipped: 1 is empty (0 bytes)",
}


@pytest.mark.parametrize(("made", "note"), SETS.items(), ids=[made.__name__ for made in SETS])
def test_what_is_left_out_is_kept_and_said_at_each_use(made: Callable[[Path], Dataset], note: str, tmp_path: Path) -> None:
    dataset = made(tmp_path / "raw").with_facts(counts={})
    for _ in range(2):
        said: list[str] = []
        prepared = prepare_dataset(dataset, tmp_path / "raw", tmp_path / "cache", notify=said.append)
        assert [n for n in prepared.notes if not n.startswith(("read as: ", "images of ", "frames that "))] == [note]
        assert [line for line in said if line.startswith(f"{dataset.name}: {note}")]


@pytest.mark.parametrize("made", SETS, ids=[made.__name__ for made in SETS])
def test_preparing_leaves_the_dataset_and_the_environment_as_they_are(made: Callable[[Path], Dataset], tmp_path: Path) -> None:
    dataset = made(tmp_path / "raw").with_facts(counts={})
    before = dict(vars(dataset)), dict(os.environ)
    prepare_dataset(dataset, tmp_path / "raw", tmp_path / "cache", notify=lambda line: None)
    assert (vars(dataset), dict(os.environ)) == before


def test_a_set_that_leaves_nothing_out_says_only_how_its_folders_are_read(tmp_path: Path) -> None:
    as_folder(tmp_path / "raw", tree(classes()))
    (note,) = prepare_dataset(ImageFolder(), tmp_path / "raw", tmp_path / "cache", notify=lambda line: None).notes
    assert note == "read as: class/picture; 2 classes, split at random"


def test_no_dataset_prints() -> None:
    """What is printed is said once, when the set is decoded, and never again."""
    sources = [path for folder in dabench.datasets.__path__ for path in Path(folder).glob("*.py")]
    assert len(sources) > 20
    assert [path.name for path in sources if "print(" in path.read_text() or "stderr" in path.read_text()] == []
