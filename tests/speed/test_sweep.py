"""The quick sweep with four methods, against the same study as one process for each of its numbers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from side_by_side import side_by_side

import dabench
from dabench.api import plan_of
from dabench.experiment.sweep_file import sweep_file

HERE = Path(__file__).parent
SEEDS = 3


def exported(folder: Path) -> Path:
    """Write the images and labels that the quick sweep trains and tests on into one file."""
    plan = plan_of(sweep_file("quick", (), ()), None, lambda line: None)
    arrays = {}
    for name, prepared in plan.prepared.items():
        for split, word in (("train", ""), ("test", "test-")):
            arrays[f"{name}-{word}images"] = np.array(prepared.samples(split).images)
            arrays[f"{name}-{word}labels"] = np.array(prepared.labels(split))
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def do(command: list[str], **more: Any) -> None:
    """Run a command; say what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    print(done.stderr if done.returncode else "", end="", flush=True)
    done.check_returncode()


@pytest.mark.timeout(7200)
def test_the_whole_quick_sweep(benchmark: Any, tmp_path: Path) -> None:
    data, counter = exported(tmp_path), itertools.count()
    pairs = [("font-digits", "uci-digits"), ("uci-digits", "font-digits")]
    methods = ("none", "fine-tune", "dann", "maml")
    work = [(m, *pair, str(seed)) for m in methods for pair in pairs for seed in range(SEEDS)]
    same = f"adapters={list(methods)}".replace("'", '"')

    def ours() -> None:
        command = [sys.executable, "-m", "dabench", "sweep", "quick", "--set", same, "--out", str(tmp_path / str(next(counter)))]
        do(command)

    def usual() -> None:
        for arguments in work:
            command = [sys.executable, "-W", "ignore", str(HERE / "plain_study.py"), str(data), *arguments]
            do(command, env=os.environ | {"PYTHONPATH": str(HERE)})

    side_by_side(
        benchmark, "the quick sweep with four methods, wall time", ours, usual,
        way="one process for each run, with its own pretraining, one after the other",
        least=3, aim=5, rounds=2, warm=False, processes_of_the_usual_way=len(work),
    )  # fmt: skip
    assert dabench.load(tmp_path / "0").cells.shape[0] == 16
