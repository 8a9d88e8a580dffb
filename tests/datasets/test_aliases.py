"""Digits under the names of other copies, and archives that nobody unpacked: made-up files, renamed and packed."""

from __future__ import annotations

import bz2
import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from pictures import as_folder, as_zip, tree

from dabench.datasets._digit_files import DigitFiles
from dabench.datasets.ckplus import CKPlus
from dabench.datasets.crema_d import CREMAD
from dabench.datasets.jaffe import JAFFE
from dabench.datasets.kdef import KDEF
from dabench.datasets.mnist import MNIST
from dabench.datasets.mnist_m import MNISTM
from dabench.datasets.ravdess import RAVDESS
from dabench.datasets.svhn import SVHN
from dabench.datasets.synthetic_digits import SyntheticDigits
from dabench.datasets.usps import USPS
from dabench.errors import DataError

SETS: tuple[type[DigitFiles], ...] = (MNIST, USPS, SVHN, MNISTM, SyntheticDigits)
RENAMED: list[tuple[type[DigitFiles], Callable[[str], str]]] = [
    (MNIST, lambda name: f"MNIST/raw/{name}"),
    (MNIST, lambda name: name.replace("-idx", ".idx")),
    (MNIST, lambda name: name.removesuffix(".gz")),
    (MNIST, lambda name: name.removesuffix(".gz").replace("-idx", ".idx")),
    (MNIST, lambda name: f"{name.removesuffix('.gz')}/{name.removesuffix('.gz')}"),
    (MNIST, lambda name: f"{name.removesuffix('.gz')}/{name.removesuffix('.gz').replace('-idx', '.idx')}"),
    (USPS, lambda name: name.removesuffix(".bz2")),
    (MNISTM, lambda name: f"mnist_m/{name}"),
    (SyntheticDigits, lambda name: f"SynthDigits/{name}"),
]


def labels(dataset: DigitFiles, raw: Path) -> dict[str, list[int]]:
    return {split: np.asarray(samples.labels).tolist() for split, samples in dataset.prepare(raw).items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[type[DigitFiles], Path]:
    """The folder of each set, one image of each digit."""
    folders = {kind: tmp_path_factory.mktemp(kind.name) for kind in SETS}
    for kind, folder in folders.items():
        kind().make_synthetic(folder, 1, 0)
    return folders


@pytest.mark.parametrize(("kind", "rename"), RENAMED)
def test_files_are_known_by_the_names_of_other_copies(
    kind: type[DigitFiles], rename: Callable[[str], str], made: dict[type[DigitFiles], Path], tmp_path: Path
) -> None:
    for path in (p for p in made[kind].rglob("*") if p.is_file()):
        name = path.relative_to(made[kind]).as_posix()
        place = tmp_path / rename(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())  # still packed: the first bytes tell it
    assert labels(kind(), tmp_path) == labels(kind(), made[kind])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("kind", [USPS, SVHN])
def test_a_file_packed_in_another_way_is_read(
    kind: type[DigitFiles], pack: Callable[[bytes], bytes], made: dict[type[DigitFiles], Path], tmp_path: Path
) -> None:
    for path in made[kind].iterdir():
        (tmp_path / path.name).write_bytes(pack(path.read_bytes()))
    assert labels(kind(), tmp_path) == labels(kind(), made[kind])


def test_the_label_of_a_synthetic_digit_is_the_digit(made: dict[type[DigitFiles], Path]) -> None:
    assert labels(SyntheticDigits(), made[SyntheticDigits]) == {"train": [*range(10)], "test": [*range(10)]}


def test_a_list_with_blanks_empty_lines_and_windows_lines_is_read(made: dict[type[DigitFiles], Path], tmp_path: Path) -> None:
    for path in (p for p in made[MNISTM].rglob("*") if p.is_file()):
        place = tmp_path / path.relative_to(made[MNISTM])
        place.parent.mkdir(exist_ok=True)
        text = path.suffix == ".txt"
        content = path.read_bytes()
        place.write_bytes(b"\xef\xbb\xbf\r\n" + content.replace(b" ", b" \t").replace(b"\n", b" \r\n\r\n") if text else content)
    assert labels(MNISTM(), tmp_path) == labels(MNISTM(), made[MNISTM])


@pytest.mark.parametrize("kind", [JAFFE, CKPlus, RAVDESS])
@pytest.mark.parametrize("name", ["images.tar.gz", "all/images.tar", "one/images.zip"])
def test_archives_that_nobody_unpacked_are_named(kind: type[JAFFE | CKPlus | RAVDESS], name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    if name.endswith("zip"):
        as_zip(place, {"a.txt": b"a"})
    else:
        with tarfile.open(place, "w:gz" if name.endswith("gz") else "w:") as archive:
            archive.add(__file__, "a.txt")
    with pytest.raises(DataError, match=f"its raw files are not in {tmp_path}; unpack {name} there first"):
        kind().prepare(tmp_path)


def test_a_clone_without_its_videos_says_how_to_get_them(tmp_path: Path) -> None:
    raw = as_folder(tmp_path, {"VideoFlash/1001_DFA_ANG_XX.flv": b"version https://git-lfs.github.com/spec/v1\n"})
    with pytest.raises(DataError, match=r"1001_DFA_ANG_XX\.flv is a pointer of Git LFS, not the file itself; run git lfs pull"):
        CREMAD().prepare(raw)


def test_the_mean_faces_beside_kdef_are_no_part_of_it(tmp_path: Path) -> None:
    faces = [f"KDEF/AF{i:02}/AF{i:02}{code}S.JPG" for i in range(1, 6) for code in ("AN", "DI", "AF", "HA", "SA", "SU", "NE")]
    raw = as_folder(tmp_path, tree([*faces, "AKDEF/AKDEF_F_AN.JPG"], form="JPEG"))
    assert sum(len(samples.images) for samples in KDEF().prepare(raw).values()) == 35


def test_the_folder_of_a_class_may_have_capitals() -> None:
    assert CKPlus().named(PurePosixPath("CK+48/Happy/S010_006_00000013.png")).label == "happy"
