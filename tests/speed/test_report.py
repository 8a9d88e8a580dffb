"""A report of many stored runs, against a loop over their files with pandas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from many_runs import many
from side_by_side import side_by_side

import dabench

USUAL_RESAMPLES, MEASURED = 1_000, 100
"""Resamples of each cell in the usual way; it takes time in proportion to them, so a part is measured."""


def by_pandas(folder: Path) -> tuple[float, pd.DataFrame]:
    """Return seconds and the table of accuracies with bootstrap intervals, as a notebook computes it from the files."""
    import time

    began = time.perf_counter()
    rows = []
    for path in sorted(folder.glob("runs/*/run.json")):
        run = json.loads(path.read_text())
        for test in run["tests"]:
            labels = np.load(folder / "datasets" / test / "labels.npy", allow_pickle=False)
            logits = np.load(path.parent / f"logits-{test}.npy", allow_pickle=False)[-1]
            facts = {"method": run["method"], "sources": "+".join(run["sources"]), "target": run["target"] or "", "test": test}
            rows.append(
                pd.DataFrame({**facts, "seed": run["seed"], "image": np.arange(len(labels)), "right": logits.argmax(1) == labels})
            )
    frame = pd.concat(rows, ignore_index=True)
    read = time.perf_counter() - began
    began, found = time.perf_counter(), []
    rng = np.random.default_rng(0)
    for key, cell in frame.groupby(["method", "sources", "target", "test"]):
        right = cell.pivot(index="image", columns="seed", values="right").to_numpy()
        n, s = right.shape
        draws = [right[np.ix_(rng.integers(0, n, n), rng.integers(0, s, s))].mean() for _ in range(MEASURED)]
        found.append((*key, right.mean(), *np.percentile(draws, [2.5, 97.5])))
    drawn = time.perf_counter() - began
    return read + drawn * USUAL_RESAMPLES / MEASURED, pd.DataFrame(found)


def test_a_report_of_2000_runs(benchmark: Any, tmp_path: Path) -> None:
    folder = many().write(tmp_path / "many").folder

    def ours() -> None:
        dabench.report(folder, out=tmp_path / "report")

    side_by_side(
        benchmark, "report of 2,000 runs", ours, lambda: by_pandas(folder)[0],
        way="pandas loop over files: accuracy of the cells alone, with 1,000 resamples",
        least=5, aim=5, rounds=1, warm=False,
    )  # fmt: skip
