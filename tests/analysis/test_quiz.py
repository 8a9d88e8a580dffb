"""Test images for people to label: pictures without labels, and the file for their answers."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_sweeps import SHAPES, TINY

import dabench
from dabench.analysis.answers import read_answers
from dabench.analysis.attributes import ImageIndex
from dabench.analysis.human import quiz_images, write_quiz
from dabench.cli import main
from dabench.data.cache import Prepared
from dabench.errors import DataError, SpecError

pytestmark = pytest.mark.usefixtures("registry_restored")


@pytest.fixture
def prepared() -> Prepared:
    return dabench.prepare("bright", plugins=[SHAPES])


def positions(folder: Path) -> list[int]:
    return [int(re.fullmatch(r"[0-9a-f]{8}-(\d+)\.png", p.name)[1]) for p in folder.glob("*.png")]  # type: ignore[index]


def test_as_many_of_each_class_are_drawn(prepared: Prepared) -> None:
    labels = prepared.labels("test")
    k = len(prepared.classes)
    assert np.bincount(labels[quiz_images(labels, 3 * k, 0)]).tolist() == [3] * k


def test_where_a_class_has_too_few_others_fill_up() -> None:
    labels = np.array([0] * 2 + [1] * 50 + [2] * 50)
    assert np.bincount(labels[quiz_images(labels, 22, 0)]).tolist() == [2, 10, 10]


def test_all_may_be_drawn_each_once() -> None:
    assert quiz_images(np.array([1, 0, 1, 1]), 4, 3).tolist() == [0, 1, 2, 3]


def test_another_seed_draws_others_and_the_same_the_same() -> None:
    labels = np.arange(200) % 4
    assert quiz_images(labels, 20, 1).tolist() == quiz_images(labels, 20, 1).tolist() != quiz_images(labels, 20, 2).tolist()


def test_a_picture_shows_the_image_at_its_position(prepared: Prepared, tmp_path: Path) -> None:
    write_quiz(prepared, tmp_path / "q", 6, 0)
    images = prepared.samples("test").images
    for at in positions(tmp_path / "q"):
        pixels = np.asarray(Image.open(tmp_path / "q" / f"{prepared.digest[:8]}-{at}.png"))
        times = len(pixels) // images.shape[2]
        assert times == 224 // 16
        assert np.array_equal(pixels[::times, ::times], np.asarray(images[at])[0])
        assert np.array_equal(pixels[times - 1 :: times, times - 1 :: times], np.asarray(images[at])[0])


def test_nothing_of_the_files_says_a_class(prepared: Prepared, tmp_path: Path) -> None:
    files = write_quiz(prepared, tmp_path / "q", 8, 0)
    names = " ".join(f.name for f in files if f.suffix == ".png") + (tmp_path / "q" / "answers.csv").read_text()
    assert not [c for c in prepared.classes if c in names]


def test_the_file_of_answers_has_a_line_for_each_picture_to_be_filled_in(prepared: Prepared, tmp_path: Path) -> None:
    write_quiz(prepared, tmp_path / "q", 5, 0)
    path = tmp_path / "q" / "answers.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {(r["rater"], r["answer"]) for r in rows} == {("", "")}
    assert {f"{r['image']}.png" for r in rows} == {p.name for p in (tmp_path / "q").glob("*.png")}
    known = ImageIndex(prepared.name, prepared.digest, prepared.count("test"), ""), prepared.classes
    with pytest.raises(DataError, match="has no answers"):
        read_answers([path], *known)
    path.write_text(path.read_text().replace("\n,", "\nme,").replace(",\n", f",{prepared.classes[1]}\n"))
    found = read_answers([path], *known)
    assert (sorted(found.image.tolist()), set(found.answer.tolist())) == (sorted(positions(tmp_path / "q")), {1})


def test_the_classes_to_choose_from_are_listed(prepared: Prepared, tmp_path: Path) -> None:
    write_quiz(prepared, tmp_path / "q", 1, 0)
    assert (tmp_path / "q" / "classes.txt").read_text().split() == list(prepared.classes)


@pytest.mark.parametrize("images", [0, -3, 100_000])
def test_a_number_that_cannot_be_is_an_error(prepared: Prepared, tmp_path: Path, images: int) -> None:
    with pytest.raises(
        SpecError, match=rf"--images {images}: must be 1 to {prepared.count('test')}, the number of test images of bright"
    ):
        write_quiz(prepared, tmp_path / "q", images, 0)
    assert not (tmp_path / "q").exists()


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main(["human", "images", "bright", "--plugin", str(SHAPES), "--to", str(tmp_path)]) == 2
    assert "exists; use another folder with --to" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_command_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "q"
    assert main(["human", "images", "bright", "--plugin", str(SHAPES), "--to", str(folder), "--images", "4"]) == 0
    out = capsys.readouterr().out
    assert f"{folder}: 4 images, classes.txt, and answers.csv with one line per image" in out
    assert out.endswith(f"Next: dabench report RUNS --human bright={folder}/answers.csv\n")


def test_pictures_of_a_sweep_are_those_that_its_report_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Two of the four classes, at another size: other positions.
    head = 'size = 18\nclasses = ["{}", "{}"]'.format(*dabench.prepare("bright", plugins=[SHAPES]).classes[:2])
    (tmp_path / "tiny.toml").write_text(TINY.format(adapters='["none"]', head=head, tables=""), encoding="utf-8")
    dabench.sweep("tiny.toml", plugins=[SHAPES], engine="inline", quiet=True)
    assert main(["human", "images", "pale", "--sweep", "tiny.toml", "--to", "q", "--images", "6"]) == 0
    labels = np.load("runs/tiny/datasets/pale/labels.npy")
    classes = (tmp_path / "q" / "classes.txt").read_text().split()
    rows = [f"me,{p.stem},{classes[labels[int(p.stem.split('-')[1])]]}" for p in (tmp_path / "q").glob("*.png")]
    Path("a.csv").write_text("\n".join(["rater,image,answer", *rows]))
    assert next(c.mean for c in dabench.report("runs/tiny", human={"pale": "a.csv"}).cells if c.adapter == "human") == 100


def test_a_dataset_that_the_sweep_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"'uci-digit' is not in sweep quick; did you mean .*; it has font-digits, uci"):
        dabench.human("uci-digit", tmp_path / "q", sweep="quick")
