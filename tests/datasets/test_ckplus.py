"""CK+ as published: frames in one tree, the labels of some sequences in another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.datasets.ckplus import CKPlus
from dabench.errors import DataError
from dabench.plugins.contract import Samples

CODES = {1: "angry", 2: "contempt", 3: "disgust", 4: "fear", 5: "happy", 6: "sad", 7: "surprise"}
SUBJECTS = ("S005", "S010", "S011", "S999")


def published(frames: int = 5) -> dict[str, bytes]:
    """Four subjects with a sequence of each emotion and one without a label."""
    names = [f"{s}/{q:03}/{s}_{q:03}_{n:08}" for s in SUBJECTS for q in range(1, 9) for n in range(1, frames + 1)]
    labels = {
        f"Emotion/{s}/{code:03}/{s}_{code:03}_{frames:08}_emotion.txt": f"   {code}.0000000e+00\n".encode()
        for s in SUBJECTS
        for code in CODES
    }
    return tree([f"cohn-kanade-images/{name}.png" for name in names], size=(64, 49)) | labels


def read(root: Path, **options: int) -> Mapping[str, Samples]:
    return CKPlus(CKPlus.Options(**options)).prepare(root)  # type: ignore[arg-type]


def labels(splits: Mapping[str, Samples]) -> list[int]:
    return np.bincount(np.concatenate([np.asarray(s.labels) for s in splits.values()])).tolist()


def test_the_last_three_frames_of_labelled_sequences_are_read(tmp_path: Path) -> None:
    assert labels(read(as_folder(tmp_path, published()))) == [4 * 3] * 7


def test_the_number_of_frames_is_an_option(tmp_path: Path) -> None:
    assert labels(read(as_folder(tmp_path, published()), frames=1)) == [4] * 7


def test_the_frames_read_are_the_last_ones(tmp_path: Path) -> None:
    as_folder(tmp_path, published())
    rows, _ = CKPlus(CKPlus.Options(frames=2)).rows(
        [(Path(p).relative_to(tmp_path), lambda: b"") for p in sorted(tmp_path.rglob("*.png"))],  # type: ignore[misc]
        tmp_path,
    )
    assert {picture[0].stem[-2:] for picture, _ in rows} == {"04", "05"}


@pytest.mark.parametrize(("code", "name"), [*CODES.items()])
def test_the_number_in_the_label_file_is_the_emotion(code: int, name: str, tmp_path: Path) -> None:
    as_folder(tmp_path, published())
    rows = CKPlus()._labels(tmp_path)
    assert rows[f"S005_{code:03}"] == name


def test_whole_frames_become_small_grey_squares(tmp_path: Path) -> None:
    assert read(as_folder(tmp_path, published()))["train"].images.shape[1:] == (1, 48, 48)


def test_nobody_is_on_both_sides(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, published()))
    assert set(np.asarray(splits["train"].groups)) & set(np.asarray(splits["test"].groups)) == set()


def test_a_zip_of_both_trees_gives_the_same(tmp_path: Path) -> None:
    folder = read(as_folder(tmp_path / "f", published()))
    as_zip(tmp_path / "z" / "ck.zip", {f"CK+/{name}": content for name, content in published().items()})
    np.testing.assert_array_equal(read(tmp_path / "z")["test"].images, folder["test"].images)


def spoilt(change: Callable[[dict[str, bytes]], object]) -> dict[str, bytes]:
    files = published()
    change(files)
    return files


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda f: [f.pop(n) for n in list(f) if n.startswith("Emotion")],
            "no label file such as {root}/Emotion/S005/001/S005_001_00000011_emotion.txt exists. Request CK+ from its authors",
        ),
        (
            lambda f: [f.pop(n) for n in list(f) if "images/S010/003/" in n],
            "1 labelled sequences have no frames; the first should be in {root}/cohn-kanade-images/S010/003",
        ),
        (
            lambda f: f.update({"Emotion/S005/001/S005_001_00000005_emotion.txt": b"9"}),
            "S005_001_00000005_emotion.txt: '9' must be the number of an emotion, 1 to 7",
        ),
        (lambda f: f.update(tree(["anger/S005_001_00000005.png"])), "{root} holds both forms of the dataset"),
    ],
    ids=["no labels", "no frames", "no emotion", "both forms"],
)
def test_what_is_missing_or_wrong_is_an_error_that_names_it(
    change: Callable[[dict[str, bytes]], object], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        read(as_folder(tmp_path, spoilt(change)))
    assert reason.format(root=tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
