"""The README's dataset plugin and sweep file work as they are written."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

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


def test_plugin_and_sweep_run_as_written(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.py").write_text(block("python", "class MNIST"), encoding="utf-8")
    (tmp_path / "digits.toml").write_text(block("toml", 'name = "digits"'), encoding="utf-8")
    idx_files(tmp_path / "raw" / "my-mnist")
    command = ["sweep", "digits.toml", "--plugin", "digits.py", "--data", "raw", "--engine", "inline"]
    assert main([*command, "--set", "train.steps=3", "--set", "seeds=1"]) == 0
    printed = capsys.readouterr().out
    assert "CONV4-FONT-MNIST" in printed
    assert (tmp_path / "runs" / "digits" / "report" / "results.json").is_file()


def test_every_command_of_the_readme_is_one() -> None:
    code = re.sub(r"\s", " ", " ".join(re.findall(r"```sh\n(.*?)```", README, flags=re.S)))
    verbs = set(re.findall(r"dabench ([a-z]+) ", code))
    assert len(verbs) > 3
    for verb in verbs:
        with pytest.raises(SystemExit) as end:
            main([verb, "--help"])
        assert end.value.code == 0, verb
