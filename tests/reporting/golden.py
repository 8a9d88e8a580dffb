"""Writes tests/golden/ anew, after a change to a format that is meant: python tests/reporting/golden.py, then read the diff."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

if __name__ == "__main__":
    from test_formats import FILES, GOLDEN, unfinished

    from dabench.analysis.matrix import read_matrix

    with tempfile.TemporaryDirectory() as folder:
        matrix = read_matrix(unfinished().write(Path(folder)))
    for file, text in FILES.items():
        (GOLDEN / file).write_text(text(matrix), encoding="utf-8")
