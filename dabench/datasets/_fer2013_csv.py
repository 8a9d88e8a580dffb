"""Read the CSV of FER2013, packed or not, and the votes of FER+, which are other labels for its rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dabench import DataError
from dabench.data.archives import opened
from dabench.data.csv_files import read_rows
from dabench.datasets._emotions import BASIC, emotion
from dabench.errors import quoted
from dabench.storage.zip_files import opened_zip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CSVS = ("fer2013.csv", "icml_face_data.csv")
"""The names of the CSV. Both files hold the same rows; the second one has its columns in another order."""
TRAINING_CSV = "train.csv"
"""The rows of Training alone, which have no column Usage."""
USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}

VOTES_FILE = "fer2013new.csv"
VOTES_HOME = "https://github.com/microsoft/FERPlus"
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""The choices of the ten people who labelled each image; NF: not a face."""
VOTES_CITATION = """@inproceedings{barsoum2016training,
  title = {Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution},
  author = {Barsoum, Emad and Zhang, Cha and {Canton Ferrer}, Cristian and Zhang, Zhengyou},
  booktitle = {ACM International Conference on Multimodal Interaction},
  year = {2016}
}"""

_COLUMNS = ("emotion", "pixels", "Usage")
_LABELS = {str(label).encode(): label for label in range(len(BASIC))}
_USAGES = {usage.encode(): usage for usage in USAGES}
_DELIMITERS = (b",", b";", b"\t")
_PACKED = ("", ".gz", ".bz2", ".xz", ".tar.gz", ".tgz", ".tar")
"""What follows the name of the CSV where it is packed."""
_SIDE = 48
_LONGEST = 1 << 16
"""The largest number of bytes read from one line. 2,304 pixels take at most 9,215."""


def csvs_in(folder: Path, who: str, names: Sequence[str] = CSVS) -> list[Path]:
    """Return the CSVs in a folder, packed or not, and the zips with one. The first one is read: all hold the same rows."""
    stems = [name.removesuffix(".csv") for name in names]
    places = [*names, f"fer2013/{names[0]}"]
    places += [f"{name}{packed}" for stem in stems for name in (f"{stem}.csv", stem) for packed in _PACKED if packed]
    return [p for place in places if (p := folder / place).is_file()] + [
        p for p in sorted(folder.glob("*.zip")) if is_csv(p, who, names)
    ]


def is_csv(path: Path, who: str, names: Sequence[str] = CSVS) -> bool:
    """Whether a file is the CSV or an archive with it, not a zip of images; raise DataError if a zip is damaged."""
    if path.suffix != ".zip":
        return path.is_file()
    return path.is_file() and any(name.rpartition("/")[2] in names for name in opened_zip(path, who).namelist())


def read_faces(path: Path, who: str, names: Sequence[str] = CSVS) -> tuple[NDArray[np.uint8], list[int], list[str]]:
    """Return images (N, 1, 48, 48) uint8, emotions (0 to 6) and usages, in the order of the rows.

    The columns are found by their names; others are ignored, such as a number of the row. Without a column Usage, there are no
    usages. The file is read line by line: only the images (83 MB) and one line are in memory.

    Args:
        path: the CSV, or an archive with one of `names`.

    Raises:
        DataError: a column, a number of pixels or a value is wrong; the message names the line.
    """
    import numpy as np

    pixels, emotions, usages = bytearray(), [], []
    with opened(path, who, names) as file, warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # older versions of numpy warn about text that is not a number
        header = file.readline(_LONGEST)
        delimiter = max(_DELIMITERS, key=header.count)
        columns = _columns(header.split(delimiter), f"{who}: {path}, line 1")
        for number, line in enumerate(iter(partial(file.readline, _LONGEST), b""), 2):
            where, values = f"{who}: {path}, line {number}", [v.strip(b' \r\n"') for v in line.split(delimiter)]
            if values == [b""]:
                continue
            if len(values) != len(columns):
                raise DataError(f"{where}: {len(values)} values, but {len(columns)} columns ({', '.join(columns)})")
            row = dict(zip(columns, values, strict=True))
            face, label, usage = (
                _face(row["pixels"]),
                _LABELS.get(row["emotion"]),
                _USAGES.get(row["Usage"]) if "Usage" in row else "",
            )
            if face is None or label is None or usage is None:
                raise DataError(f"{where}: {_wrong(row)}")
            pixels += face
            emotions.append(label)
            usages.append(usage)
    if not emotions:
        raise DataError(f"{who}: {path} has no rows; download it again")
    return np.frombuffer(pixels, np.uint8).reshape(-1, 1, _SIDE, _SIDE), emotions, usages if "Usage" in columns else []


def _face(text: bytes) -> bytes | None:
    """Return the pixels of a row, or None if they are not 2,304 numbers from 0 to 255."""
    import numpy as np

    try:
        face = np.fromstring(text, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        return None
    good = face.size == _SIDE * _SIDE and int(face.min()) >= 0 and int(face.max()) <= 255
    return face.astype(np.uint8).tobytes() if good else None


def _columns(header: Sequence[bytes], where: str) -> list[str]:
    """Return the names of the columns; those that are read as they are written in `_COLUMNS`, others quoted for messages."""
    names = [name.decode("utf-8-sig", "replace").strip(' \r\n"') for name in header]
    known = {name.lower(): name for name in _COLUMNS}
    columns = [known.get(name.lower(), quoted(name, 20)) for name in names]
    if any(columns.count(name) != 1 for name in _COLUMNS[:2]) or columns.count("Usage") > 1:
        first = quoted(", ".join(names), 80)
        raise DataError(f"{where}: must name the columns {', '.join(_COLUMNS)} once each, in any order, but is {first}")
    return columns


def _wrong(row: Mapping[str, bytes]) -> str:
    if row["emotion"] not in _LABELS:
        return f"emotion {quoted(row['emotion'])} must be 0 to 6 ({', '.join(BASIC)})"
    if "Usage" in row and row["Usage"] not in _USAGES:
        return f"Usage {quoted(row['Usage'])} must be one of {', '.join(USAGES)}"
    numbers = row["pixels"].split()
    if len(numbers) != _SIDE * _SIDE:
        return f"{len(numbers):,} pixels; must be 2,304 (48x48)"
    at, bad = next((i, n) for i, n in enumerate(numbers, 1) if not n.isdigit() or int(n) > 255)
    return f"pixel {at} is {quoted(bad, 20)}; must be a whole number from 0 to 255"


def write_faces(path: Path, rows: Sequence[tuple[NDArray[np.uint8], int, str]]) -> None:
    """Write the CSV of synthetic images: rows of ((48, 48) pixels, emotion, usage); no column Usage if all usages are ""."""
    columns = _COLUMNS[: 3 if any(usage for _, _, usage in rows) else 2]
    values = [(str(label), " ".join(map(str, pixels.ravel().tolist())), usage) for pixels, label, usage in rows]
    lines = [",".join(row[: len(columns)]) for row in values]
    path.write_text("\n".join([",".join(columns), *lines, ""]), encoding="utf-8")


def read_votes(path: Path, usages: Sequence[str], who: str) -> list[str]:
    """Return the emotion that the majority chose for each row of FER2013, or an empty string if there is no majority.

    This is the majority voting of Barsoum et al. (2016) as in their published code: choices with a single vote are ignored, and
    the winner has more than half of the remaining votes. An image whose winner is "unknown" or "NF" has no emotion.

    Raises:
        DataError: a row or a vote is wrong, or the rows are not those of `usages`; the message names the line.
    """
    import numpy as np

    winners = []
    for n, (line, row) in enumerate(read_rows(path, ("Usage", *VOTES), who)):
        if not all(row[v].isdecimal() for v in VOTES):
            bad = next(v for v in VOTES if not row[v].isdecimal())
            raise DataError(f"{who}: {path}, line {line}: {bad} is {quoted(row[bad])}; must be a number of votes")
        if n < len(usages) and row["Usage"] != usages[n]:
            raise DataError(
                f"{who}: {path}, line {line}: Usage is {quoted(row['Usage'])}, but {usages[n]!r} in the same row of FER2013; "
                "the rows of both files must be in their original order"
            )
        votes = np.array([int(row[v]) for v in VOTES])
        votes[votes == 1] = 0
        best = int(votes.argmax())
        winners.append((emotion(VOTES[best]) or "") if 2 * votes[best] > votes.sum() else "")
    if len(winners) != len(usages):
        raise DataError(f"{who}: {path} has {len(winners):,} rows, but FER2013 has {len(usages):,}; download both files again")
    return winners


def write_votes(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write synthetic votes, all ten for one emotion: rows of (emotion, usage)."""
    lines = [",".join(("Usage", "Image name", *VOTES))]
    for n, (name, usage) in enumerate(rows):
        lines.append(",".join([usage, f"fer{n:07}.png", *("10" if emotion(vote) == name else "0" for vote in VOTES)]))
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
