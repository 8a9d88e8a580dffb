"""`dabench predict` writes classes and probabilities of images and clips, and names the files that cannot be read."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from clips import clip
from PIL import Image
from trained import raw_files

import dabench
from dabench.cli import main
from dabench.data.video import ClipSampling, read_clip
from dabench.errors import DataError, StoreError
from dabench.inference import preprocessing
from dabench.inference.inputs import input_files, prepared_rows
from dabench.inference.predict import ImagePredictions, batches, write_predictions
from dabench.inference.preprocessing import Preprocessing


def rows(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.reader(f))


def command(runs: Path, *given: str | Path, adapter: str = "dann") -> list[str]:
    return ["predict", str(runs), *map(str, given), "--adapter", adapter, "--to", "night"]


@pytest.fixture
def images(trained_runs: Path) -> list[Path]:
    return raw_files(trained_runs, "night")[:4]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_csv_has_a_row_for_each_image_with_its_class_and_probabilities(
    trained_runs: Path, images: list[Path], here: Path
) -> None:
    assert main(command(trained_runs, *images)) == 0
    header, *found = rows(here / "predictions.csv")
    assert header == ["file", "class", "left", "right"]
    assert [row[0] for row in found] == [str(path) for path in images]
    assert all(row[1] == ("left" if float(row[2]) > float(row[3]) else "right") for row in found)
    assert all(float(row[2]) + float(row[3]) == pytest.approx(1, abs=2e-6) for row in found)


def test_probabilities_are_means_over_the_networks_of_all_seeds(trained_runs: Path, images: list[Path]) -> None:
    each = [dabench.predict(trained_runs, images, adapter="dann", to="night", seed=seed).probabilities for seed in (0, 1)]
    both = dabench.predict(trained_runs, images, adapter="dann", to="night").probabilities
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-12)


def test_one_seed_is_named_as_the_network(trained_runs: Path, images: list[Path], here: Path, capsys: Capture) -> None:
    main([*command(trained_runs, *images), "--seed", "1"])
    assert "Network: dann_day_night_s1\n" in capsys.readouterr().out


def test_the_preprocessing_is_printed(trained_runs: Path, images: list[Path], here: Path, capsys: Capture) -> None:
    main(command(trained_runs, *images))
    printed = capsys.readouterr().out
    assert "padded with black if not square; resized to 28x28, bilinear; resized to 20x20, bilinear; cropped to" in printed


def test_a_file_that_cannot_be_read_is_one_line_and_the_exit_status(
    trained_runs: Path, images: list[Path], here: Path, capsys: Capture
) -> None:
    (here / "a.png").write_bytes(b"no image")
    assert main(command(trained_runs, "a.png", "gone.png", *images)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": cannot")[0].partition(": does")[0] for line in lines] == ["dabench: gone.png", "dabench: a.png"]
    assert len(rows(here / "predictions.csv")) == 1 + len(images)


def test_an_existing_file_is_not_overwritten(trained_runs: Path, images: list[Path], here: Path, capsys: Capture) -> None:
    (here / "predictions.csv").write_text("mine", encoding="utf-8")
    assert main(command(trained_runs, *images)) == 2
    assert "exists; give another file with --out" in capsys.readouterr().err
    assert (here / "predictions.csv").read_text(encoding="utf-8") == "mine"


def test_a_folder_of_the_output_that_does_not_exist_is_named_first(trained_runs: Path, images: list[Path]) -> None:
    with pytest.raises(StoreError, match="its folder does not exist; make it"):
        dabench.predict(trained_runs, images, adapter="dann", to="night", out="none/there.csv")


def test_without_a_readable_image_nothing_is_written(trained_runs: Path, here: Path) -> None:
    with pytest.raises(DataError, match=r"no image can be predicted: gone\.png: does not exist"):
        dabench.predict(trained_runs, "gone.png", adapter="dann", to="night", out="p.csv")
    assert not (here / "p.csv").exists()


def test_a_folder_stands_for_everything_below_it(trained_runs: Path) -> None:
    folder = trained_runs.parent / "raw" / "night" / "test"
    found = dabench.predict(trained_runs, folder, adapter="dann", to="night")
    assert list(found.files) == [str(path) for path in raw_files(trained_runs, "night")]


def test_other_files_of_a_folder_are_counted(here: Path) -> None:
    Image.new("L", (8, 8)).save(here / "a.png")
    (here / "notes.txt").write_text("x", encoding="utf-8")
    found = input_files([here])
    assert ([file.name for file in found.files], found.ignored, found.bad) == ([str(here / "a.png")], 1, {})


def test_a_folder_without_images_is_named(here: Path) -> None:
    assert input_files([here]).bad == {str(here): "holds no images and no clips"}


def test_an_image_that_is_named_twice_counts_once(here: Path) -> None:
    Image.new("L", (8, 8)).save(here / "a.png")
    assert len(input_files([here / "a.png", here, here / "a.png"]).files) == 1


def test_the_images_of_a_zip_are_predicted(trained_runs: Path, images: list[Path], here: Path) -> None:
    with zipfile.ZipFile("images.zip", "w") as archive:
        archive.write(images[0], "in/a.png")
    found = dabench.predict(trained_runs, "images.zip", adapter="dann", to="night")
    alone = dabench.predict(trained_runs, images[0], adapter="dann", to="night")
    assert found.files == ("images.zip/in/a.png",)
    assert np.array_equal(found.probabilities, alone.probabilities)


def test_batches_hold_every_row_once() -> None:
    made = [(str(i), None, np.zeros(1, np.uint8)) for i in range(7)]
    assert [[name for name, *_ in batch] for batch in batches(made, 3)] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_the_progress_counts_every_file_once_those_that_cannot_be_read_too(here: Path) -> None:
    Image.new("L", (8, 8)).save(here / "a.png")
    (here / "b.png").write_bytes(b"no image")
    counted: list[None] = []
    given = input_files([here])
    assert [name for name, *_ in prepared_rows(given.files, Preprocessing(1, 16, 16), {}, lambda: counted.append(None))] == [
        str(here / "a.png")
    ]
    assert len(counted) == len(given.files) == 2


def test_the_frames_of_a_clip_are_rows_and_their_mean_is_the_last(trained_runs: Path, here: Path) -> None:
    found = dabench.predict(trained_runs, clip(here / "a.mp4"), adapter="dann", to="night", frames=3, out="p.csv")
    header, *written = rows(here / "p.csv")
    assert header == ["file", "frame", "class", "left", "right"]
    assert [row[1] for row in written] == ["1", "2", "3", "mean"]
    np.testing.assert_allclose(found.probabilities[3], found.probabilities[:3].mean(0))


def test_the_frames_of_a_clip_are_those_that_a_dataset_of_clips_prepares(here: Path) -> None:
    sampling = ClipSampling(frames=5, size=20, skip_start=0.2, square="crop")
    steps = Preprocessing(1, 20, 20, "crop", first=20, grey=True, sampling=sampling)
    made = [image[0] for *_, image in prepared_rows(input_files([clip(here / "a.mp4")]).files, steps, {})]
    assert np.array_equal(np.stack(made), read_clip(here / "a.mp4", sampling))


def test_frames_without_a_face_are_left_out(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def every_other(grey: Image.Image) -> tuple[int, int, int, int] | None:
        seen.append(1)
        return (0, 0, 20, 20) if len(seen) % 2 else None

    monkeypatch.setattr(preprocessing, "largest_face", every_other)
    steps = Preprocessing(1, 20, 20, grey=True, face=True, sampling=ClipSampling(frames=6))
    rows_of_clip = list(prepared_rows(input_files([clip(here / "a.mp4")]).files, steps, {}))
    assert [frame for _, frame, _ in rows_of_clip] == [1, 2, 3]


def test_two_clips_and_an_image_keep_their_rows_apart(trained_runs: Path, images: list[Path], here: Path) -> None:
    given = [clip(here / "a.mp4"), images[0], clip(here / "b.mp4", brightness=20)]
    found = dabench.predict(trained_runs, given, adapter="dann", to="night", frames=2)
    assert found.frames == (1, 2, "mean", None, 1, 2, "mean")
    np.testing.assert_allclose(found.probabilities[6], found.probabilities[4:6].mean(0))


def test_a_clip_that_is_too_short_is_named(trained_runs: Path, images: list[Path], here: Path) -> None:
    found = dabench.predict(trained_runs, [clip(here / "a.mp4", 5), images[0]], adapter="dann", to="night")
    assert found.bad[str(here / "a.mp4")].startswith("too short: 5 frames, 30 wanted")


def test_an_empty_clip_is_named(trained_runs: Path, images: list[Path], here: Path) -> None:
    (here / "a.mp4").touch()
    found = dabench.predict(trained_runs, [here / "a.mp4", images[0]], adapter="dann", to="night")
    assert found.bad == {str(here / "a.mp4"): "is empty (0 bytes)"}


def test_a_class_with_the_name_of_a_column_has_another_one(here: Path) -> None:
    found = ImagePredictions(("file", "b"), ("run",), ("a.png",), (None,), np.array([[0.25, 0.75]]), Preprocessing(1, 16, 16))
    write_predictions(found, here / "p.csv")
    assert rows(here / "p.csv") == [["file", "class", "class file", "b"], ["a.png", "b", "0.250000", "0.750000"]]


def test_a_number_of_frames_below_one_is_refused(trained_runs: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main([*command(trained_runs, "a.mp4"), "--frames", "0"])
    assert "must be at least 1" in capsys.readouterr().err


Capture = pytest.CaptureFixture[str]
