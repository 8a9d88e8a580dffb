"""List the images and clips that a user names: files, folders with everything below them, and zips of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dabench.data.av_files import ClipError
from dabench.data.clips import VIDEOS
from dabench.data.folders import files_below, picture_files
from dabench.data.frames import read_frames
from dabench.data.video import positions
from dabench.errors import DataError
from dabench.inference.preprocessing import Preprocessing


@dataclass(frozen=True)
class InputFile:
    """A file to predict: its name as the user wrote it, and its bytes; `clip` is the path of a clip, whose bytes are not read."""

    name: str
    read: Callable[[], bytes]
    clip: Path | None = None


@dataclass
class InputFiles:
    """The files that a user named.

    Attributes:
        files: images and clips, each once. bad: name -> why it cannot be read. ignored: other files in folders.
    """

    files: list[InputFile] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    ignored: int = 0


def input_files(given: Sequence[str | Path]) -> InputFiles:
    """Return the images and clips that a user names: files, all files below a folder, and the images of a zip."""
    found = InputFiles()
    for path in dict.fromkeys(Path(name).expanduser() for name in given):
        try:
            if path.is_dir():
                _add_folder(found, path)
            elif path.suffix.lower() == ".zip" and path.is_file():
                found.files += [InputFile(f"{path}/{inner}", read) for inner, read in picture_files(path, "")]
            elif path.is_file():
                found.files.append(_file(path))
            else:
                found.bad[str(path)] = "does not exist"
        except DataError as e:
            found.bad[str(path)] = str(e).removeprefix(": ")
    found.files = list({file.name: file for file in found.files}.values())
    return found


def _add_folder(found: InputFiles, folder: Path) -> None:
    every = files_below(folder, "")
    pictures = {folder / inner for inner, _ in picture_files(folder, "")}
    wanted = [path for path in every if path in pictures or path.suffix.lower() in VIDEOS]
    found.files += [_file(path) for path in wanted]
    found.ignored += len(every) - len(wanted)
    if not wanted:
        found.bad[str(folder)] = "holds no images and no clips"


def _file(path: Path) -> InputFile:
    return InputFile(str(path), path.read_bytes, path if path.suffix.lower() in VIDEOS else None)


Row = tuple[str, int | None, NDArray[np.uint8]]
"""Name of the file, number of the frame among those taken from a clip (from 1; None for an image), and the prepared image."""


def prepared_rows(
    files: Sequence[InputFile], preprocessing: Preprocessing, bad: dict[str, str], done: Callable[[], None] = lambda: None
) -> Iterator[Row]:
    """Yield the prepared images of files, and the frames of clips.

    Args:
        bad: is given name -> reason for each file that cannot be read; it has no rows.
        done: called after each file.
    """
    for file in files:
        try:
            yield from _frames(file, preprocessing) if file.clip else [(file.name, None, preprocessing.prepared(file.read()))]
        except (DataError, ClipError) as e:
            bad[file.name] = str(e)
        except OSError as e:
            bad[file.name] = f"cannot be read ({e.strerror or e})"
        except Exception as e:  # a zip and its compressions raise errors of their own
            bad[file.name] = f"is damaged ({type(e).__name__}: {e})"
        done()


def _frames(file: InputFile, preprocessing: Preprocessing) -> list[Row]:
    """Return the frames of a clip that are shown at evenly spaced times, as a dataset of clips takes them."""
    assert file.clip is not None
    wanted = preprocessing.sampling

    def small(native: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        picture = Image.fromarray(native)
        try:
            return preprocessing.prepared(picture)
        except DataError:  # no face: a dataset of clips leaves this frame out
            return None

    if not file.clip.stat().st_size:
        raise ClipError("is empty (0 bytes)")
    images = read_frames(file.clip, lambda shown: positions(shown, wanted), small)
    if not images:
        raise ClipError(f"no face found in any of its {wanted.frames} frames")
    return [(file.name, number, image) for number, image in enumerate(images, 1)]


def with_frames(preprocessing: Preprocessing, frames: int | None) -> Preprocessing:
    """Return the preprocessing that takes this number of frames from each clip."""
    return preprocessing if frames is None else replace(preprocessing, sampling=replace(preprocessing.sampling, frames=frames))
