"""`dabench prepare`: the options of one dataset, the datasets of a sweep, and the contact sheet."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from clips import people
from PIL import Image
from tiny_sweeps import SHAPES, TINY
from toys import even, samples, toy

import dabench
from dabench.api import prepare_sweep
from dabench.cli import main
from dabench.data.prepare import prepare_dataset
from dabench.errors import DabenchError
from dabench.reporting.contact_sheet import write_sheet

pytestmark = pytest.mark.usefixtures("registry_restored")


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    return people(tmp_path / "raw")


def test_options_are_set_as_in_a_sweep_file(videos: Path) -> None:
    assert main(["prepare", "video-folder", "--raw", "raw", "--set", "frames=3", "--set", "size=8"]) == 0
    by_name = dabench.prepare("video-folder", raw=videos, set={"frames": 3, "size": 8})
    assert (by_name.shape, by_name.count("train")) == ((1, 8, 8), 4 * 2 * 3)


def test_a_set_is_declared_by_options_alone(videos: Path) -> None:
    made = dabench.prepare("mine", set=["plugin=video-folder", "path=raw", "frames=3"])
    assert (made.name, made.classes) == ("mine", ("happy", "sad"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("fames=3", "--set: [dataset.video-folder] unknown key 'video-folder.fames'; did you mean 'frames'"),
        ("frames=many", "--set: [dataset.video-folder] video-folder.frames = 'many': must be a whole number"),
        ("frames=0", "--set: [dataset.video-folder] video-folder.frames = 0: must be at least 1"),
        ("frames", "--set 'frames': write key=value"),
    ],
)
def test_a_wrong_option_is_an_error_of_one_line(option: str, message: str) -> None:
    with pytest.raises(DabenchError) as caught:
        dabench.prepare("video-folder", set=[option])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_strict_makes_an_error_of_what_would_be_skipped(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (videos / "s0" / "happy_2.rm").touch()
    words = ["prepare", "video-folder", "--raw", "raw", "--set", "frames=3", "--set", "skip_limit=0.1"]
    assert main(words) == 0
    assert main([*words, "--strict"]) == 2
    assert "1 of 13 files of " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["uci-digits", "quick"])
def test_strict_where_nothing_is_ever_skipped_is_an_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", name, "--strict"]) == 2
    assert re.search(r"--strict: none of the datasets has the option 'strict' \(.*uci-digits\)", capsys.readouterr().err)


def test_a_sweep_stands_for_its_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.toml").write_text(TINY.format(adapters='["none"]', head="", tables=""), encoding="utf-8")
    assert main(["prepare", str(tmp_path / "tiny.toml"), "--plugin", str(SHAPES)]) == 0
    assert re.findall(r"^(\w+): \d+ / ", capsys.readouterr().out, flags=re.M) == ["bright", "pale"]


def test_options_of_a_sweeps_datasets_reach_them(videos: Path) -> None:
    tables = '[dataset.mine]\nplugin = "video-folder"\npath = "raw"\nframes = 3\nskip_limit = 0.1'
    text = TINY.format(adapters='["none"]', head="", tables=tables).replace('"pale"', '"mine"')
    (videos.parent / "tiny.toml").write_text(text, encoding="utf-8")
    (videos / "s0" / "happy_2.rm").touch()
    made = prepare_sweep("tiny.toml", plugins=[SHAPES], set=["dataset.mine.size=8"])
    assert [(m.name, m.shape) for m in made] == [("bright", (1, 16, 16)), ("mine", (1, 8, 8))]
    with pytest.raises(DabenchError, match="dataset 'mine': 1 of 13 files"):
        prepare_sweep("tiny.toml", plugins=[SHAPES], strict=True)


def test_one_raw_folder_cannot_be_that_of_two_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "quick", "--raw", "somewhere"]) == 2
    assert "is the folder of a single dataset, but quick is a sweep; use --data" in capsys.readouterr().err


# The contact sheet


def test_a_sheet_has_a_row_for_each_class_of_each_split(tmp_path: Path) -> None:
    splits = {s: samples(even(20), k) for k, s in enumerate(("train", "val", "test"))}
    for value, made in enumerate(splits.values()):
        for label in range(3):
            made.images[20 * label : 20 * label + 20] = 50 + 50 * label + value  # type: ignore[index]
    write_sheet(
        [prepare_dataset(toy(splits=splits), tmp_path, tmp_path / "c", notify=lambda _: None)],
        tmp_path / "a" / "s.png",
        pictures=2,
    )
    with Image.open(tmp_path / "a" / "s.png") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert pixels[80::142, 10].tolist() == [50, 100, 150, 51, 101, 151, 52, 102, 152]
    assert pixels[80, 200] == 50 != pixels[80, 208]  # two pictures, and no third


def test_a_row_shows_different_subjects_first(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(10), 6)
    made = samples([0, 1] * 30, groups=groups, shape=(1, 4, 4))
    made.images[:] = (20 * groups)[:, None, None, None]  # type: ignore[index]
    splits = {"train": made, "val": made, "test": made}
    prepared = prepare_dataset(toy(splits=splits, classes=("a", "b")), tmp_path, tmp_path / "c", notify=lambda _: None)
    write_sheet([prepared], tmp_path / "s.png", pictures=10)
    with Image.open(tmp_path / "s.png") as sheet:
        row = np.asarray(sheet.convert("L"))[60, 20::98]
    assert sorted(row.tolist()) == [20 * g for g in range(10)]


def test_the_command_writes_the_sheet(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "video-folder", "--raw", "raw", "--set", "frames=3", "--contact-sheet", "look.png"]) == 0
    assert "Written: look.png" in capsys.readouterr().out
    with Image.open("look.png") as sheet:
        assert sheet.height > 6 * 96


def test_a_sheet_that_is_no_png_is_refused_before_any_work(videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "video-folder", "--raw", "raw", "--contact-sheet", "raw/s0/happy.mp4"]) == 2
    assert "--contact-sheet raw/s0/happy.mp4: the name must end in .png" in capsys.readouterr().err
    assert not (videos.parent / "cache").exists()


def test_a_sheet_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["prepare", "bright", "--plugin", str(SHAPES), "--contact-sheet", str(tmp_path / "file" / "s.png")]) == 2
    assert "s.png: cannot be written" in capsys.readouterr().err
