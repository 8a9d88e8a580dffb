"""SFEW 2.0: frames of films, seven expressions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from dabench import FACES, setting
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import ImageFacts, NamedPictures

_SPLITS = {"train": "train", "val": "test"}


class SFEW(NamedPictures):
    """Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png and Val_Aligned_Faces/...; the whole frames in Train/Angry/...

    The validation part is the test split, because the labels of the published test part are not public; it is left out. Subjects
    are not known.

    Not tried on the real files, only on made-up ones in the layout that the readers of other projects document.
    """

    name = "sfew"
    short_name = "SFEW"
    title = "frames of films, seven expressions"
    classes = BASIC
    license = "research use, on the terms of its agreement"
    homepage = "https://doi.org/10.1109/ICCVW.2011.6130508"
    download_instructions = (
        "Request SFEW 2.0 from its authors and unpack Train_Aligned_Faces.zip and Val_Aligned_Faces.zip into the raw folder "
        "(Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png ...); for aligned = false, Train.zip and Val.zip."
    )
    aliases = {"sfew": ("sfew2", "sfew_2.0", "sfew2.0")}  # noqa: RUF012
    augment = FACES
    left_out = "of the test part, or of the form that the option aligned does not name"
    citation = """@inproceedings{dhall2011static,
  title = {Static Facial Expression Analysis in Tough Conditions: Data, Evaluation Protocol and Benchmark},
  author = {Dhall, Abhinav and Goecke, Roland and Lucey, Simon and Gedeon, Tom},
  booktitle = {IEEE International Conference on Computer Vision Workshops},
  pages = {2106--2112},
  year = {2011},
  doi = {10.1109/ICCVW.2011.6130508}
}"""

    @dataclass(frozen=True)
    class Options(NamedPictures.Options):
        """Options of sfew."""

        aligned: bool = setting(True, "read the aligned faces; false: the whole frames")

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        if not self.options.aligned:
            self.counts = {"train": 958, "test": 436}

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as Train_Aligned_Faces/Angry/Film_000000000_00000001.png."""
        part = ("Val" if subject == 4 else "Train") + "_Aligned_Faces" * self.options.aligned
        return f"{part}/{self.classes[label].title()}/Film_{subject:09}_{take:08}.png"

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Read Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png."""
        parts = [part.lower() for part in path.parts[:-2]]
        split = next((part.partition("_")[0] for part in parts if part.partition("_")[0] in (*_SPLITS, "test")), "")
        if not split:
            raise self.strange(path, "Train_Aligned_Faces/Angry/Airheads_000519240_00000005.png")
        if split == "test" or any("aligned" in part for part in parts) != self.options.aligned:
            return None
        return ImageFacts(self.emotion(path.parts[-2], path), split=_SPLITS[split])
