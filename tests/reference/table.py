"""Write the table of docs/reference.md: adapters of dabench beside the hooks of pytorch-adapt.

python tests/reference/table.py runs/pytorch-adapt docs/reference.md

Each row is a method on a pair of datasets: the mean accuracies over the seeds, and the mean difference with its 95 % interval
(Student's t over the differences of the seeds, because both train each seed from the same pretraining on the same batches).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

import dabench

_BEGIN, _END = "<!-- pytorch-adapt: begin -->", "<!-- pytorch-adapt: end -->"


def rows(folder: str) -> list[str]:
    """Return the table as lines of Markdown."""
    results = dabench.load(folder)
    names = list(dict.fromkeys(results.cells["adapter"]))
    lines = [
        "| method | pair | dabench | pytorch-adapt | difference [95 %] | 0 in the interval |",
        "|---|---|---:|---:|---:|---|",
    ]
    for name in (name for name in names if f"{name}-hook" in names):
        for test in results.tests:
            ours, theirs = (_accuracies(results, test, of) for of in (name, f"{name}-hook"))
            source = next(other for other in results.tests if other != test)
            means = f"{ours.mean():.1f} | {theirs.mean():.1f}"
            lines.append(f"| `{name}` | {source} to {test} | {means} | {_difference(ours - theirs)} |")
    return lines


def _accuracies(results: Any, test: str, adapter: str) -> Any:
    """Return the accuracy of each seed in percent."""
    found = results.predictions(test, adapter)
    found = found[found["target"] == test]
    right = (found["predicted"] == found["label"]).groupby(found["seed"]).mean()
    return 100 * right.to_numpy()


def _difference(apart: Any) -> str:
    mean = apart.mean()
    wide = t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else float("nan")
    return f"{mean:+.1f} [{mean - wide:+.1f}, {mean + wide:+.1f}] | {'yes' if abs(mean) <= wide else 'no'}"


if __name__ == "__main__":
    folder, page = sys.argv[1:]
    text = Path(page).read_text(encoding="utf-8")
    made = "\n".join(rows(folder))
    Path(page).write_text(f"{text.split(_BEGIN)[0]}{_BEGIN}\n{made}\n{_END}{text.split(_END)[1]}", encoding="utf-8")
