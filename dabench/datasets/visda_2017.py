"""VisDA-2017: 280,157 images of twelve classes, from renderings to photographs and frames of videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath

from dabench.data.folders import Picture, files_in
from dabench.datasets._domains import DomainFolders
from dabench.datasets._from_names import ImageFacts
from dabench.datasets._raw_files import numbered_lines
from dabench.errors import quoted

_LIST = "image_list.txt"


class VisDA2017(DomainFolders):
    """Images of the classification challenge: train/aeroplane/*.png (renderings), validation/aeroplane/*.jpg (photographs).

    The third domain, test, has folders without names of classes (test/trunk00/*.jpg): test/image_list.txt gives the number of the
    class of each image ("trunk00/x.jpg 3"). Its published list has no numbers; the list with them is in the repository of the
    challenge. Lists in the other domains are not read, because their folders name the classes.

    The published results train on all images of train and test on all of validation, as `protocol = "transductive"` in a sweep
    file does; they cannot be compared with results on the held-out part of each class. Not tried on the real files, only on
    made-up ones in the layout that its page documents.
    """

    name = "visda-2017/*"
    short_name = "VISDA"
    domains = {"train": {"all": 152397}, "validation": {"all": 55388}, "test": {"all": 72372}}  # noqa: RUF012
    variants = tuple(domains)
    aliases = {"visda-2017": ("visda", "visda17", "visda-c")}  # noqa: RUF012
    raw_folder = "visda-2017"
    title = f"renderings and photographs of objects, 12 classes, RGB; domains {', '.join(domains)}"
    classes = (
        "aeroplane", "bicycle", "bus", "car", "horse", "knife", "motorcycle", "person", "plant", "skateboard", "train", "truck",
    )  # fmt: skip
    license = "non-commercial research and education, on the terms of its page"
    homepage = "https://ai.bu.edu/visda-2017/"
    download_instructions = (
        "Download train.tar, validation.tar and test.tar of the classification track from https://ai.bu.edu/visda-2017/ and "
        "unpack them, so that train/aeroplane, validation/aeroplane and test/trunk00 are in the raw folder, with the labels of "
        "test in test/image_list.txt, from https://github.com/VisionLearningGroup/taskcv-2017-public."
    )
    citation = """@misc{peng2017visda,
  title = {{VisDA}: The Visual Domain Adaptation Challenge},
  author = {Peng, Xingchao and Usman, Ben and Kaushik, Neela and Hoffman, Judy and Wang, Dequan and Saenko, Kate},
  year = {2017},
  eprint = {1710.06924},
  archivePrefix = {arXiv}
}"""

    def named(self, path: PurePosixPath) -> ImageFacts | None:
        """Return the class from an image's folder; "" in the domain test, whose folders do not name classes."""
        if self.variant != "test":
            return super().named(path)
        return ImageFacts("") if self.is_here(path) else None

    def is_list(self, path: PurePath) -> bool:
        """Whether a file is the list of the domain test."""
        return self.variant == "test" and path.name == _LIST and path.parent.name == "test"

    def rows(self, found: Sequence[Picture], root: Path) -> tuple[list[tuple[Picture, ImageFacts]], list[str]]:
        """Return the images; those of test with the classes of the list."""
        rows, notes = super().rows(found, root)
        if self.variant != "test" or not rows:
            return rows, notes
        labels = self._codes(root)
        if lacking := [picture[0] for picture, _ in rows if picture[0].parts[-2:] not in labels]:
            which = f"{len(lacking):,} of {len(rows):,} images of {root}"
            raise self.refusal(f"{which} have no class in test/{_LIST}, such as {lacking[0]}")
        return [(picture, replace(facts, label=labels[picture[0].parts[-2:]])) for picture, facts in rows], notes

    def _codes(self, root: Path) -> dict[tuple[str, ...], str]:
        """Return folder and name of an image of test -> its class."""
        labels = {}
        for path, read in files_in(root, self.who, {".txt"}):
            if not self.is_list(path):
                continue
            for number, line in numbered_lines(read()):
                name, _, code = line.rpartition(" ")
                if not code.isdecimal() or int(code) >= len(self.classes):
                    what = f"{root}/{path}, line {number}: {quoted(line)}"
                    raise self.error(f"{what} must be like 'trunk00/x.jpg 3', with a class from 0 to {len(self.classes) - 1}")
                labels[PurePosixPath(name.strip()).parts[-2:]] = self.classes[int(code)]
        return labels

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as train/aeroplane/frame_0001.jpg or test/trunk00/aeroplane_0001.jpg."""
        if self.variant != "test":
            return super().example(label, subject, take)
        return f"test/trunk{subject:02}/{self.classes[label]}_{take:04}.jpg"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write images, and the list of test."""
        super().make_synthetic(raw, n, seed)
        if self.variant == "test":
            paths = sorted((raw / "test").glob("*/*.jpg"))
            codes = [self.classes.index(path.name.rpartition("_")[0]) for path in paths]
            lines = [f"{path.parent.name}/{path.name} {code}\n" for path, code in zip(paths, codes, strict=True)]
            (raw / "test" / _LIST).write_text("".join(lines), encoding="utf-8")
