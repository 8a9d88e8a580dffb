"""The kit that measures a GPU machine, in miniature on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from pack import pack_images

MEASURE = Path(__file__).parent / "measure.sh"
STAGES = ("probe", "quick", "modern", "paper", "faces")


def measured(folder: Path, *arguments: str) -> str:
    """Run measure.sh --dry in the checkout, with results and scratch in `folder`; return what it prints."""
    own = os.environ | {"OUT": str(folder / "out"), "SCRATCH": str(folder / "scratch"), "PYTHON": sys.executable}
    command = ["bash", str(MEASURE), "--dry", "600", *arguments]
    root = MEASURE.parents[2]
    done = subprocess.run(command, cwd=root, env=own, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_each_stage_runs_in_miniature_and_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    printed = measured(tmp_path)
    found = json.loads((tmp_path / "out" / "probe.json").read_text())
    assert [name for name, of in found.items() if isinstance(of, dict) and "error" in of] == []
    table = (tmp_path / "out" / "table.txt").read_text()
    assert printed.rstrip().splitlines()[-1].endswith(f"done: {tmp_path / 'out'}")
    for name in STAGES[1:]:
        assert f"{name}: none, font-digits on font-digits" in table
        assert (tmp_path / "out" / f"{name}.zip").is_file()

    def when() -> dict[str, int]:
        done = [tmp_path / "out" / "probe.json", *(tmp_path / "scratch" / "runs").glob("paper-*/runs/*/run.json")]
        done += [path for name in STAGES[1:] for path in (tmp_path / "scratch" / "runs" / name).glob("runs/*/run.json")]
        return {str(path): path.stat().st_mtime_ns for path in done}

    before = when()
    assert len(before) > len(STAGES)
    measured(tmp_path)
    assert {path for path, time in when().items() if time != before[path]} == set()
    assert (tmp_path / "out" / "table.txt").read_text() == table


@pytest.mark.slow
def test_an_unknown_stage_names_the_known_ones(tmp_path: Path) -> None:
    own = os.environ | {"OUT": str(tmp_path / "out"), "SCRATCH": str(tmp_path), "PYTHON": sys.executable}
    command = ["bash", str(MEASURE), "--dry", "60", "nothing"]
    done = subprocess.run(command, cwd=MEASURE.parents[2], env=own, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, "there is no stage nothing: probe, quick, modern, paper, faces" in done.stdout) == (2, True)


@pytest.mark.parametrize("packed", [False, True])
def test_the_images_of_a_folder_or_of_its_zip_become_one_archive(tmp_path: Path, packed: bool) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    if packed:
        with zipfile.ZipFile(raw / "archive.zip", "w") as archive:
            archive.writestr("train/happy/1.jpg", b"one")
    else:
        (raw / "train" / "happy").mkdir(parents=True)
        (raw / "train" / "happy" / "1.jpg").write_bytes(b"one")
    pack_images(raw, tmp_path / "images.tar.xz")
    with tarfile.open(tmp_path / "images.tar.xz") as solid:
        file = solid.extractfile("train/happy/1.jpg")
        assert solid.getnames() == ["train/happy/1.jpg"]
        assert file is not None
        assert file.read() == b"one"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
