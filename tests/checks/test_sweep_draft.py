"""The sweep file that is written about folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from pictures import png

import dabench
from dabench.cli import main
from dabench.errors import DataError, SpecError, StoreError
from dabench.experiment.sweep_file import read_sweep
from dabench.plugins.registry import Registry


def folder(path: Path, *classes: str, images: int = 4, side: int = 20) -> Path:
    for label in classes:
        (path / label).mkdir(parents=True)
        for i in range(images):
            (path / label / f"{i}.png").write_bytes(png(10 * i, (side, side)))
    return path


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "Studio 1", "happy", "sad"), folder(tmp_path / "street", "happy", "sad", side=30)


def test_the_file_is_a_sweep_of_the_folders(two: tuple[Path, Path], tmp_path: Path) -> None:
    file = dabench.new_sweep(*two, to=tmp_path / "mine.toml")
    sweep = read_sweep(file, [], Registry()).sweep
    assert (sweep.name, sweep.datasets, sweep.backbone) == ("mine", ("studio-1", "street"), "conv4")
    assert {name: table["path"] for name, table in sweep.dataset.items()} == {"studio-1": str(two[0]), "street": str(two[1])}


def test_it_says_what_was_found(two: tuple[Path, Path], tmp_path: Path) -> None:
    text = dabench.new_sweep(*two, to=tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert "# studio-1: 8 images, read as class/picture; 20 pixels; no splits: a fifth of each class is held out" in text
    assert "#   happy 4, sad 4" in text


def test_it_runs(two: tuple[Path, Path], tmp_path: Path) -> None:
    file = dabench.new_sweep(*two, to=tmp_path / "mine.toml")
    few = {"train.steps": 2, "train.batch": 4, "train.checkpoints": 1, "seeds": 1, "adapters": ["none"]}
    matrix = dabench.sweep(file, set=few, out=tmp_path / "runs", engine="inline")
    assert len(matrix.cells) == 4


def test_classes_that_others_lack_are_left_out_and_named(tmp_path: Path) -> None:
    folders = folder(tmp_path / "a", "happy", "sad", "calm"), folder(tmp_path / "b", "happy", "sad")
    file = dabench.new_sweep(*folders, to=tmp_path / "s.toml")
    assert "# Left out, because other datasets lack them: classes calm of a." in file.read_text(encoding="utf-8")
    assert read_sweep(file, [], Registry()).sweep.classes == ("happy", "sad")


def test_classes_that_differ_in_case_are_renamed(tmp_path: Path) -> None:
    folders = folder(tmp_path / "a", "happy", "sad"), folder(tmp_path / "b", "Happy", "sad")
    sweep = read_sweep(dabench.new_sweep(*folders, to=tmp_path / "s.toml"), [], Registry()).sweep
    assert sweep.class_map == {"b": {"Happy": "happy"}}


def test_unequal_classes_are_named(tmp_path: Path) -> None:
    many = folder(tmp_path / "a", "happy", images=9)
    folder(many, "sad", images=2)
    text = dabench.new_sweep(many, folder(tmp_path / "b", "happy", "sad"), to=tmp_path / "s.toml").read_text(encoding="utf-8")
    assert "# Classes of a are unequal" in text


def test_large_images_are_for_a_pretrained_network(tmp_path: Path) -> None:
    folders = folder(tmp_path / "a", "happy", "sad", side=300), folder(tmp_path / "b", "happy", "sad", side=300)
    sweep = read_sweep(dabench.new_sweep(*folders, to=tmp_path / "s.toml"), [], Registry()).sweep
    assert (sweep.backbone, sweep.pretrained, sweep.size) == ("timm/resnet18.a1_in1k", True, 224)


def test_parquet_files_and_videos_have_their_plugins(tmp_path: Path) -> None:
    for path in ("tables/train.parquet", "clips/s1/happy.mp4"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(b"not opened")
    file = dabench.new_sweep(tmp_path / "tables", tmp_path / "clips", to=tmp_path / "s.toml")
    sweep = read_sweep(file, [], Registry()).sweep
    assert sweep.dataset["tables"] == {"parquet": str(tmp_path / "tables")}
    assert sweep.dataset["clips"] == {"plugin": "video-folder", "path": str(tmp_path / "clips")}


def test_a_name_with_quotes_stays_valid(tmp_path: Path) -> None:
    folders = folder(tmp_path / 'a "b"', 'h"appy', "sad"), folder(tmp_path / "c", 'h"appy', "sad", "x")
    sweep = read_sweep(dabench.new_sweep(*folders, to=tmp_path / "s.toml"), [], Registry()).sweep
    assert sweep.classes == ('h"appy', "sad")
    assert sweep.dataset["a-b"]["path"] == str(tmp_path / 'a "b"')


def test_one_folder_is_too_few(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="two folders or more"):
        dabench.new_sweep(two[0], to=tmp_path / "s.toml")


def test_two_folders_of_one_name_are_an_error(tmp_path: Path) -> None:
    folders = folder(tmp_path / "a" / "x", "happy", "sad"), folder(tmp_path / "b" / "x", "happy", "sad")
    with pytest.raises(SpecError, match="two folders are named x"):
        dabench.new_sweep(*folders, to=tmp_path / "s.toml")


def test_folders_without_common_classes_are_an_error_that_lists_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fewer than two classes in common \(a: cat, dog; b: happy, sad\)"):
        dabench.new_sweep(folder(tmp_path / "a", "cat", "dog"), folder(tmp_path / "b", "happy", "sad"), to=tmp_path / "s.toml")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_folder_without_images_is_an_error(two: tuple[Path, Path], tmp_path: Path, make: object) -> None:
    make(tmp_path / "other")  # type: ignore[operator]
    with pytest.raises(DataError, match="other"):
        dabench.new_sweep(two[0], tmp_path / "other", to=tmp_path / "s.toml")


def test_a_file_is_never_overwritten(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="exists already"):
        dabench.new_sweep(*two, to=tmp_path / "s.toml")
    assert (tmp_path / "s.toml").read_text(encoding="utf-8") == "mine"


def test_the_command_prints_the_file_and_what_is_next(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "sweep", *map(str, two), "--to", str(tmp_path / "s.toml")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 's.toml'}\nNext: read it, then dabench sweep {tmp_path / 's.toml'} --plan\n"


def test_a_plugin_has_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "dataset", "one", "two"]) == 2
    assert "has one name" in capsys.readouterr().err
