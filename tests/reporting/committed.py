"""Writes baselines/*.json and *.md anew from their packs: python tests/reporting/committed.py, then read the diff."""

from __future__ import annotations

import json
import sys
from typing import Any

from dabench.analysis.baselines import committed_tables, read_baseline, records_of
from dabench.analysis.export import open_results
from dabench.reporting.baseline import baseline_from, baseline_md

MEASURED = sorted(name for name in committed_tables() if read_baseline(name)["kind"] == "measured")


def computed_again(name: str) -> dict[str, Any]:
    """Return a committed table, computed from its pack. What no run knows is kept: the duration, and notes written by hand."""
    value, pack = read_baseline(name), records_of(name)
    assert pack is not None, name
    wall = value["provenance"]["wall_seconds"]
    by_hand = {key: value[key] for key in ("note", "notes") if key in value}
    return {**baseline_from(open_results(pack), wall, value["selection"], value["metric"]), "name": name, **by_hand}


if __name__ == "__main__":
    for name in sys.argv[1:] or MEASURED:
        table, file = computed_again(name), committed_tables()[name]
        file.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        file.with_suffix(".md").write_text(baseline_md(table), encoding="utf-8")
