"""Sets whose file names say class and subject: small ones in their layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.data.prepare import prepare_dataset
from dabench.datasets._from_names import NamedPictures
from dabench.datasets.ckplus import CKPlus
from dabench.datasets.jaffe import JAFFE
from dabench.datasets.kdef import KDEF
from dabench.datasets.rafd import RaFD
from dabench.errors import DataError

CODES = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")
JAFFE_FILES = [f"{s}.{e}1.{i}.tiff" for s in ("KA", "KL", "KM", "KR", "MK") for i, e in enumerate(CODES)]
KDEF_FILES = [
    f"{p}{s}/{p}{s}{e}{a}.JPG"
    for p in "AB"
    for s in ("F01", "F02", "M01")
    for e in ["AN", "DI", "AF", "HA", "SA", "SU", "NE"]
    for a in ("S", "HL")
]
RAFD_WORDS = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral", "contemptuous")
RAFD_FILES = [
    f"Rafd{a}_{s}_Caucasian_male_{e}_frontal.jpg" for a in ("090", "045") for s in ("03", "05", "07") for e in RAFD_WORDS
]
CK_WORDS = ("anger", "disgust", "fear", "happy", "sadness", "surprise", "contempt")
CK_FILES = [f"{e}/S{s:03}_00{n}_00000011.png" for n, e in enumerate(CK_WORDS) for s in range(5)]
SETS: list[tuple[type[NamedPictures], list[str], int]] = [
    (JAFFE, JAFFE_FILES, 35),
    (KDEF, KDEF_FILES, 42),
    (RaFD, RAFD_FILES, 24),
    (CKPlus, CK_FILES, 35),
]


@pytest.mark.parametrize(("kind", "files", "kept"), SETS)
def test_every_class_is_read_equally_often(tmp_path: Path, kind: type[NamedPictures], files: list[str], kept: int) -> None:
    splits = kind().prepare(as_folder(tmp_path, tree(files)))
    labels = np.concatenate([np.asarray(s.labels) for s in splits.values()])
    assert np.bincount(labels).tolist() == [kept // len(kind.classes)] * len(kind.classes)


@pytest.mark.parametrize(("kind", "files", "kept"), SETS)
def test_no_subject_is_on_both_sides(tmp_path: Path, kind: type[NamedPictures], files: list[str], kept: int) -> None:
    splits = kind().prepare(as_folder(tmp_path, tree(files)))
    assert set(np.asarray(splits["train"].groups)) & set(np.asarray(splits["test"].groups)) == set()


@pytest.mark.parametrize(("kind", "files", "kept"), SETS)
def test_a_zip_gives_the_same_images(tmp_path: Path, kind: type[NamedPictures], files: list[str], kept: int) -> None:
    folder = kind().prepare(as_folder(tmp_path / "f", tree(files)))
    as_zip(tmp_path / "z" / "set.zip", tree(files))
    np.testing.assert_array_equal(kind().prepare(tmp_path / "z")["test"].images, folder["test"].images)


@pytest.mark.parametrize(("kind", "files", "kept"), SETS)
def test_a_strange_name_is_an_error_that_names_it(tmp_path: Path, kind: type[NamedPictures], files: list[str], kept: int) -> None:
    with pytest.raises(DataError, match=r"x/holiday.png: its name must be like"):
        kind().prepare(as_folder(tmp_path, tree([*files, "x/holiday.png"])))


@pytest.mark.parametrize(("kind", "name", "label", "subject"), [
    (JAFFE, "KA.SU2.37.tiff", "surprise", "KA"), (KDEF, "BM35AFS.JPG", "fear", "M35"),
    (RaFD, "Rafd090_10_Moroccan_male_contemptuous_left.jpg", "contempt", "10"),
    (CKPlus, "sadness/S113_003_00000014.png", "sad", "S113"),
])  # fmt: skip
def test_the_name_says_emotion_and_subject(kind: type[NamedPictures], name: str, label: str, subject: str) -> None:
    from pathlib import PurePosixPath

    named = kind().named(PurePosixPath(name))
    assert named is not None
    assert (named.label, named.subject) == (label, subject)


@pytest.mark.parametrize(("kind", "files"), [(KDEF, KDEF_FILES), (RaFD, RAFD_FILES)])
def test_faces_from_other_angles_are_an_option(tmp_path: Path, kind: type[NamedPictures], files: list[str]) -> None:
    splits = kind(kind.Options(frontal=False)).prepare(as_folder(tmp_path, tree(files)))  # type: ignore[call-arg]
    assert sum(len(s.images) for s in splits.values()) == len(files)


def test_a_part_of_the_set_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the splits hold 34 images in all, but the dataset has 213"):
        prepare_dataset(JAFFE(), as_folder(tmp_path, tree(JAFFE_FILES[1:])), tmp_path / "cache", notify=lambda _: None)


def test_an_unknown_emotion_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"class 'bored' must be one of angry, disgust"):
        CKPlus().prepare(as_folder(tmp_path, tree([*CK_FILES, "bored/S001_001_00000001.png"])))


@pytest.mark.parametrize(("name", "label"), [("AF31/AF31V.JPG", "sad"), ("AM31/AM31H.JPG", "surprise")])
def test_the_two_misnamed_pictures_of_kdef_are_known(name: str, label: str) -> None:
    from pathlib import PurePosixPath

    named = KDEF(KDEF.Options(frontal=False)).named(PurePosixPath(name))
    assert named is not None
    assert (named.label, named.subject) == (label, name[1:4])
    assert KDEF().named(PurePosixPath(name)) is None  # both are half profiles


@pytest.mark.parametrize(
    ("dataset", "images"),
    [
        (JAFFE(), 213),
        (KDEF(), 980),
        (KDEF(KDEF.Options(frontal=False)), 4900),
        (RaFD(), 1608),
        (RaFD(RaFD.Options(frontal=False)), 8040),
        (CKPlus(), 981),
        (CKPlus(CKPlus.Options(frames=1)), 327),
    ],
)
def test_the_images_to_expect_depend_on_the_options(dataset: NamedPictures, images: int) -> None:
    assert dataset.counts == {"all": images}
