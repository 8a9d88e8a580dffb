"""Read the CSV of FER2013, packed or not, and the votes of FER+, which are other labels for its rows."""

from __future__ import annotations

import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dabench import DataError
from dabench.data.csv_files import read_rows
from dabench.datasets._emotions import BASIC, emotion
from dabench.storage.zip_files import opened_zip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CSVS = ("fer2013.csv", "icml_face_data.csv")
"""The names of the CSV. Both files hold the same rows; the second one has its columns in another order."""
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
_SIDE = 48
_LONGEST = 1 << 16
"""The largest number of bytes read from one line. 2,304 pixels take at most 9,215."""
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def csvs_in(folder: Path, who: str) -> list[Path]:
    """Return the CSVs in a folder and the archives with one. The first one is read, because all hold the same rows."""
    names = (*CSVS, f"fer2013/{CSVS[0]}", "fer2013.tar.gz")
    return [p for name in names if (p := folder / name).is_file()] + [p for p in sorted(folder.glob("*.zip")) if is_csv(p, who)]


def is_csv(path: Path, who: str) -> bool:
    """Whether a file is the CSV or an archive with it, not a zip of images; raise DataError if a zip is damaged."""
    return path.is_file() and (path.suffix != ".zip" or bool(_zipped(path, who)))


def _zipped(path: Path, who: str) -> str:
    names = opened_zip(path, who).namelist()
    return next((name for wanted in CSVS for name in names if name.rpartition("/")[2] == wanted), "")


@contextmanager
def _opened(path: Path, who: str) -> Iterator[IO[bytes]]:
    """Open the CSV, also in a zip or tar.gz. Errors while reading become DataError."""
    file: IO[bytes] | None = None
    try:
        with ExitStack() as stack:
            if path.suffix == ".csv":
                file = stack.enter_context(open(path, "rb"))
            elif path.suffix == ".zip":
                file = stack.enter_context(zipfile.ZipFile(path).open(_zipped(path, who)))
            else:
                archive = stack.enter_context(tarfile.open(path, "r:gz"))
                inside = (m for m in archive if m.isfile() and m.name.rpartition("/")[2] in CSVS)
                file = archive.extractfile(found) if (found := next(inside, None)) else None
            if file is None:
                raise DataError(f"{who}: {path} does not contain {' or '.join(CSVS)}; download it again")
            yield file
    except _BROKEN as e:
        raise DataError(f"{who}: {path} cannot be read ({e}); download it again") from e


def read_faces(path: Path, who: str) -> tuple[NDArray[np.uint8], list[int], list[str]]:
    """Return images (N, 1, 48, 48) uint8, emotions (0 to 6) and usages, in the order of the rows.

    The file is read line by line: only the images (83 MB) and one line are in memory.

    Raises:
        DataError: a column, a number of pixels or a value is wrong; the message names the line.
    """
    import numpy as np

    pixels, emotions, usages = bytearray(), [], []
    with _opened(path, who) as file, warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # older versions of numpy warn about text that is not a number
        at = _columns(file.readline(_LONGEST), f"{who}: {path}, line 1")
        for number, line in enumerate(iter(partial(file.readline, _LONGEST), b""), 2):
            values = [v.strip(b' \r\n"') for v in line.split(b",")]
            if values == [b""]:
                continue
            if len(values) != len(_COLUMNS):
                raise DataError(f"{who}: {path}, line {number}: {len(values)} values, but 3 columns ({', '.join(_COLUMNS)})")
            label, text, usage = (values[i] for i in at)
            try:
                row = np.fromstring(text, dtype=np.int64, sep=" ")
                good = row.size == _SIDE * _SIDE and int(row.min()) >= 0 and int(row.max()) <= 255
            except (ValueError, DeprecationWarning):
                good = False
            if not good or label not in _LABELS or usage not in _USAGES:
                raise DataError(f"{who}: {path}, line {number}: {_wrong(label, text, usage)}")
            pixels += row.astype(np.uint8).tobytes()
            emotions.append(_LABELS[label])
            usages.append(_USAGES[usage])
    if not emotions:
        raise DataError(f"{who}: {path} has no rows; download it again")
    return np.frombuffer(pixels, np.uint8).reshape(-1, 1, _SIDE, _SIDE), emotions, usages


def _columns(header: bytes, where: str) -> list[int]:
    """Return the positions of emotion, pixels and Usage in a row."""
    names = [name.strip(' \r\n"') for name in header.decode("utf-8-sig", "replace").split(",")]
    if sorted(names) != sorted(_COLUMNS):
        raise DataError(f"{where}: the columns must be {', '.join(_COLUMNS)}, in any order, not {', '.join(names)[:80]}")
    return [names.index(name) for name in _COLUMNS]


def _wrong(label: bytes, text: bytes, usage: bytes) -> str:
    if label not in _LABELS:
        return f"emotion {label.decode(errors='replace')!r} must be 0 to 6 ({', '.join(BASIC)})"
    if usage not in _USAGES:
        return f"Usage {usage.decode(errors='replace')!r} must be one of {', '.join(USAGES)}"
    numbers = text.split()
    if len(numbers) != _SIDE * _SIDE:
        return f"{len(numbers):,} pixels; must be 2,304 (48x48)"
    at, bad = next((i, n) for i, n in enumerate(numbers, 1) if not n.isdigit() or int(n) > 255)
    return f"pixel {at} is {bad.decode(errors='replace')[:20]!r}; must be a whole number from 0 to 255"


def write_faces(path: Path, rows: Sequence[tuple[NDArray[np.uint8], int, str]]) -> None:
    """Write the CSV of synthetic images: rows of ((48, 48) pixels, emotion, usage)."""
    lines = [f"{label},{' '.join(map(str, pixels.ravel().tolist()))},{usage}" for pixels, label, usage in rows]
    path.write_text("\n".join([",".join(_COLUMNS), *lines, ""]), encoding="utf-8")


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
            raise DataError(f"{who}: {path}, line {line}: {bad} is {row[bad]!r}; must be a number of votes")
        if n < len(usages) and row["Usage"] != usages[n]:
            raise DataError(
                f"{who}: {path}, line {line}: Usage is {row['Usage']!r}, but {usages[n]!r} in the same row of FER2013; "
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
