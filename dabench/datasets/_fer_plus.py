"""The votes of FER+, labels for the rows of FER2013's CSV; no dataset by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dabench import DataError
from dabench.datasets._emotions import emotion

FILE = "fer2013new.csv"
HOME = "https://github.com/microsoft/FERPlus"
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""What the ten people who labelled an image chose from; NF: not a face."""
CITATION = """@inproceedings{barsoum2016training,
  title = {Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution},
  author = {Barsoum, Emad and Zhang, Cha and {Canton Ferrer}, Cristian and Zhang, Zhengyou},
  booktitle = {ACM International Conference on Multimodal Interaction},
  year = {2016}
}"""


def read_votes(path: Path, usages: Sequence[str], who: str) -> list[str]:
    """Return the emotion that the majority chose for each row of FER2013, or an empty string where there is none.

    This is the majority voting of Barsoum et al. (2016) as their published code has it: single votes are no votes, and the
    winner has more than half of the rest. An image whose winner is "unknown" or "NF" has no emotion.

    Raises:
        DataError: a row or a vote is wrong, or the rows are not those of `usages`; the line is named.
    """
    import numpy as np

    from dabench.data.csv_files import read_rows

    winners = []
    for n, (line, row) in enumerate(read_rows(path, ("Usage", *VOTES), who)):
        if not all(row[v].isdecimal() for v in VOTES):
            bad = next(v for v in VOTES if not row[v].isdecimal())
            raise DataError(f"{who}: {path}, line {line}: {bad} is {row[bad]!r}, no number of votes")
        if n < len(usages) and row["Usage"] != usages[n]:
            raise DataError(
                f"{who}: {path}, line {line}: Usage {row['Usage']!r}, but {usages[n]!r} in the same row of FER2013; "
                "the rows of both files must be in their original order"
            )
        votes = np.array([int(row[v]) for v in VOTES])
        votes[votes == 1] = 0
        best = int(votes.argmax())
        winners.append((emotion(VOTES[best]) or "") if 2 * votes[best] > votes.sum() else "")
    if len(winners) != len(usages):
        raise DataError(f"{who}: {path} has {len(winners):,} rows, but FER2013 has {len(usages):,}; get both again, complete")
    return winners


def write_votes(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write made-up votes, all ten for one emotion: rows of (emotion, usage)."""
    lines = [",".join(("Usage", "Image name", *VOTES))]
    for n, (name, usage) in enumerate(rows):
        lines.append(",".join([usage, f"fer{n:07}.png", *("10" if emotion(vote) == name else "0" for vote in VOTES)]))
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
