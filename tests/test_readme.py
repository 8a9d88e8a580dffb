"""The README's dataset plugin and sweep files work as they are written."""

from __future__ import annotations

import gzip
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from pictures import as_folder, classes, tree

from dabench.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(language: str, having: str) -> str:
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, flags=re.S) if having in b]
    assert len(found) == 1
    return found[0]


def idx_files(folder: Path, n: int = 300) -> None:
    """Write MNIST's idx layout with `n` made-up digits that can be told apart."""
    folder.mkdir(parents=True)
    labels = (np.arange(n) % 10).astype(np.uint8)
    images = np.random.default_rng(0).integers(0, 60, (n, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 4] = 255
    header = np.array([2051, n, 28, 28], ">i4").tobytes()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(np.array([2049, n], ">i4").tobytes() + labels.tobytes()))


def test_plugin_is_under_30_lines() -> None:
    assert len(block("python", "class MNIST").splitlines()) < 30


def test_plugin_and_its_sweep_run_as_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.py").write_text(block("python", "class MNIST"), encoding="utf-8")
    idx_files(tmp_path / "DIR" / "my-mnist")
    _, *command = shlex.split(block("sh", "--plugin digits.py"))
    few = ["--set", "train.steps=3", "--set", "seeds=1", "--set", 'adapters=["none"]', "--engine", "inline"]
    assert main([*command, *few]) == 0
    assert "MNIST test" in capsys.readouterr().out
    assert (tmp_path / "runs" / "three" / "report" / "results.json").is_file()


def test_the_sweep_over_folders_of_images_runs_as_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces.toml").write_text(block("toml", 'name = "faces"'), encoding="utf-8")
    for name in ("studio", "street"):
        as_folder(tmp_path / "data" / name, tree(classes(12)))
    for line in block("sh", "dabench sweep faces.toml").splitlines():
        _, *command = shlex.split(line, comments=True)
        assert main([*command, "--set", "train.steps=3", "--set", "seeds=1", "--engine", "inline"]) == 0
    assert "STREET test" in capsys.readouterr().out
    assert (tmp_path / "runs" / "faces" / "report" / "index.html").is_file()
    assert main(["audit", "faces.toml"]) == 0


def test_the_readme_is_short() -> None:
    assert README.count("\n") <= 200
