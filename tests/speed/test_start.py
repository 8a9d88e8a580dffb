"""How long a command takes to answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CASES = {"dabench list": (["list"], 0.5), "dabench sweep quick, all runs complete": (["sweep", "quick"], 5.0)}


@pytest.mark.parametrize("case", CASES)
def test_the_start_of(benchmark: Any, case: str, tmp_path: Path) -> None:
    words, most = CASES[case]
    if words[0] == "sweep":
        words = [*words, "--set", "train.steps=2", "--set", "seeds=1", "--out", str(tmp_path / "runs")]

    def start() -> None:
        subprocess.run([sys.executable, "-m", "dabench", *words], check=True, capture_output=True)

    start()
    benchmark.pedantic(start, rounds=5)
    seconds = benchmark.stats.stats.median
    benchmark.extra_info.update(case=f"start: {case}", seconds=seconds, most=most)
    print(f"\n{case}: {seconds:.2f} s (at most {most:g} s)")
