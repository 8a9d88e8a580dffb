"""Files that a dataset skips: counted by reason, listed in a CSV of the prepared dataset, and an error if they are too many."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from dabench.errors import DataError, printable
from dabench.plugins.contract import Samples, Splits

LIST = "skipped.csv"
"""The file in the folder of a prepared dataset, with the columns path and reason."""

_SHOWN = 3

_PLURALS = {"is": "are", "holds": "hold", "goes": "go", "has": "have"}
"""The first words of reasons, for one file and for several."""


class SkippingSplits(Splits):
    """Splits of a dataset whose `prepare` skipped files.

    Attributes:
        skipped: path below the raw folder -> why the file was skipped. What cannot be printed is escaped.
        lost: split -> number of images that the skipped files would have added to it.
    """

    def __init__(
        self,
        splits: Mapping[str, Samples],
        skipped: Mapping[str, str],
        *,
        lost: Mapping[str, int] = {},
        notes: Sequence[str] = (),
        classes: Sequence[str] = (),
    ) -> None:
        super().__init__(splits, notes=notes, classes=classes)
        self.skipped = {printable(name): printable(reason) for name, reason in skipped.items()}
        self.lost = lost

    def counts(self, published: Mapping[str, int]) -> dict[str, int]:
        """Return the published numbers of images per split without those that were lost; "all" counts every split."""
        lost = {**self.lost, "all": sum(self.lost.values())}
        return {split: count - lost.get(split, 0) for split, count in published.items()}


def skipped_note(skipped: Mapping[str, str], files: int, root: Path, who: str, *, strict: bool, most: float) -> list[str]:
    """Return the note about skipped files, or none.

    Args:
        skipped: path -> reason.
        files: number of all files.
        root: the folder or zip of the files.
        strict: make an error of any.
        most: the largest part that may be skipped.

    Raises:
        DataError: files are skipped and `strict` is set, or more than `most` are skipped.
    """
    if not skipped:
        return []
    which = f"{len(skipped):,} of {files:,} files"
    if strict or len(skipped) > most * files:
        first = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:_SHOWN])
        rest = f"; and {len(skipped) - _SHOWN:,} more" if len(skipped) > _SHOWN else ""
        share = len(skipped) / files
        why = "" if strict else f", more than skip_limit = {most:g} allows"
        advice = "set strict = false" if strict else f"allow them with skip_limit = {min(1.0, int(100 * share + 1) / 100):g}"
        raise DataError(f"{who}: {which} of {root} cannot be used{why}: {first}{rest}; repair or remove them, or {advice}")
    return [f"{which} skipped: {_reasons(skipped)}"]


def _reasons(skipped: Mapping[str, str]) -> str:
    """Return the most frequent reasons with their numbers of files. Reports show them, so they name no file."""
    most = Counter(skipped.values()).most_common()
    rest = f"; {len(most) - _SHOWN:,} other reasons" if len(most) > _SHOWN else ""
    return "; ".join(f"{count:,} {_of_several(reason) if count > 1 else reason}" for reason, count in most[:_SHOWN]) + rest


def _of_several(reason: str) -> str:
    """Return a reason of one file as that of several: "are empty" for "is empty"."""
    verb, _, rest = reason.partition(" ")
    return f"{_PLURALS.get(verb, verb)} {rest}"


def list_text(skipped: Mapping[str, str]) -> str:
    """Return the CSV of skipped files."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("path", "reason"), *skipped.items()])
    return out.getvalue()
