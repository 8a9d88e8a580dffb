"""Writes baselines/*.json and *.md anew from their packs: python tests/reporting/committed.py, then read the diff."""

from __future__ import annotations

import json
import sys
from typing import Any

from dabench.analysis.baselines import committed_tables, read_baseline, records_of
from dabench.reporting.baseline import baseline_md
from dabench.reporting.recomputed import recomputed

MEASURED = sorted(name for name in committed_tables() if read_baseline(name)["kind"] == "measured")


def computed_again(name: str) -> dict[str, Any]:
    """Return a committed table, computed from its pack."""
    pack = records_of(name)
    assert pack is not None, name
    return recomputed(read_baseline(name), pack)


if __name__ == "__main__":
    for name in sys.argv[1:] or MEASURED:
        table, file = computed_again(name), committed_tables()[name]
        file.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        file.with_suffix(".md").write_text(baseline_md(table), encoding="utf-8")
