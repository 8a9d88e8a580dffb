"""Measure how the quick sweep spends its time, as a table: seconds of all cores, from the start of the command to its end.

python tests/speed/where.py [docs/benchmarks.md]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from table import into

from dabench.storage.paths import cores

PARTS = {
    "train": "training",
    "test": "predictions of the test splits, at each checkpoint",
    "score": "scores of the validators, at each checkpoint",
    "rest": "other work of a run: building its network, writing its files",
    "start": "before the first run: imports, data, plan, start of Ray",
    "idle": "idle cores, between the first and the last run",
    "end": "after the last run: matrix, intervals, report page",
}


def measured(folder: Path) -> tuple[float, Counter[str]]:
    """Run the quick sweep and return its wall time and the seconds of all cores by part."""
    began = time.time()
    command = [sys.executable, "-m", "dabench", "sweep", "quick", "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    ended = time.time()
    events = [json.loads(line) for path in sorted(folder.glob("events/*.jsonl")) for line in path.read_text().splitlines()]
    of_runs = [at(e) for e in events if e["event"] in ("started", "done")]
    runs = [json.loads(path.read_text())["seconds"] for path in folder.glob("runs/*/run.json")]
    parts = Counter({part: sum(run[part] for run in runs) for part in ("train", "test", "score")})
    busy = sum(run["total"] for run in runs)
    parts["rest"] = busy - parts.total()
    parts["start"], parts["end"] = cores() * (min(of_runs) - began), cores() * (ended - max(of_runs))
    parts["idle"] = cores() * (max(of_runs) - min(of_runs)) - busy
    return ended - began, parts


def at(event: dict[str, Any]) -> float:
    """Return when an event was, in seconds since 1970."""
    return datetime.fromisoformat(event["time"]).timestamp()


def table(wall: float, parts: Counter[str]) -> str:
    """Return the parts as Markdown."""
    whole = cores() * wall
    rows = [f"| {words} | {parts[part]:.1f} s | {100 * parts[part] / whole:.1f} % |" for part, words in PARTS.items()]
    head = f"{wall:.0f} s of wall time on {cores()} cores, {whole:.0f} core seconds:\n"
    return "\n".join([head, "| part | core seconds | share |", "|---|---:|---:|", *rows])


def main(page: str | None = None) -> None:
    """Print the table, or put it into a page."""
    with tempfile.TemporaryDirectory() as folder:
        made = table(*measured(Path(folder) / "runs"))
    print(made)
    if page:
        into(Path(page), "profile", made)


if __name__ == "__main__":
    main(*sys.argv[1:])
