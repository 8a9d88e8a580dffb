"""Workers share a prepared set by memory mapping: eight of them cost one copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared import measure


def test_eight_processes_on_one_dataset_cost_one_copy(tmp_path: Path) -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("needs Linux, which counts shared pages in /proc/PID/smaps_rollup")
    size, together, copies = measure(64, 8, tmp_path)
    assert 0.9 * size < together < 1.5 * size
    assert copies > 7 * size  # the measure sees copies where there are some
