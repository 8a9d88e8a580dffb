"""FER2013: 35,887 grey faces from the web, 48x48, seven expressions; optionally with the labels of FER+."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from dabench import FACES, DataError, Splits, setting
from dabench.datasets._emotions import BASIC
from dabench.datasets._fer2013_csv import (
    CSVS,
    TRAINING_CSV,
    USAGES,
    VOTES_CITATION,
    VOTES_FILE,
    VOTES_HOME,
    csvs_in,
    is_csv,
    read_faces,
    read_votes,
    write_faces,
    write_votes,
)
from dabench.datasets._from_names import ImageFacts, NamedPictures


class FER2013(NamedPictures):
    """FER2013 with its official splits: Training, PublicTest and PrivateTest are train, val and test.

    Two forms can be read; having both is an error. The CSV form is fer2013.csv, icml_face_data.csv, fer2013.tar.gz or a zip with
    one of them; of several files the first in this order is read, because they hold the same rows. A CSV may be packed under any
    name (gzip, bzip2, xz, tar, zip), and may have other columns. Without the column Usage it must have all rows of the dataset:
    their published order gives the splits. The folder form, or a zip of it, is `train/<class>/Training_*.jpg`,
    `test/<class>/PublicTest_*.jpg` and `PrivateTest_*.jpg`. The images are the same, but saving them as JPEG has changed their
    pixels: the two forms have different digests, and results may differ slightly.

    FER+ labels are the majority of ten votes (see `read_votes`); images without a majority are left out. The labels belong to
    rows of the CSV, so they need the CSV form: the folder form does not give the row of an image.
    """

    name = "fer2013"
    short_name = "FER"
    title = "web faces, 48x48, seven expressions"
    classes: tuple[str, ...] = BASIC
    license = "research use; not to be published"
    homepage = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    download_instructions = (
        "Download FER2013 from its page and put fer2013.csv, icml_face_data.csv, fer2013.tar.gz or a zip with one of them into "
        "the folder named above; or put its folder form there, archive.zip or its content (train/<class>/Training_*.jpg, "
        "test/<class>/{PublicTest,PrivateTest}_*.jpg)."
    )
    counts = {"train": 28709, "val": 3589, "test": 3589}  # noqa: RUF012
    augment = FACES
    shares_images_with = ("fer2013",)  # declared under a second name for other labels, it holds the same images
    citation = """@inproceedings{goodfellow2013challenges,
  title = {Challenges in Representation Learning: A Report on Three Machine Learning Contests},
  author = {Goodfellow, Ian J. and Erhan, Dumitru and Carrier, Pierre Luc and Courville, Aaron and others},
  booktitle = {Neural Information Processing},
  series = {Lecture Notes in Computer Science},
  volume = {8228},
  pages = {117--124},
  year = {2013},
  publisher = {Springer}
}"""

    @dataclass(frozen=True)
    class Options(NamedPictures.Options):
        """Options of fer2013."""

        labels: Literal["fer2013", "fer+"] = setting("fer2013", f"fer+: those of {VOTES_FILE} beside the CSV, with contempt")

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        if self.options.labels == "fer+":
            self.short_name, self.classes, self.counts = "FER+", (*BASIC, "contempt"), {}
            self.title = "web faces, 48x48, eight expressions (labels of FER+)"
            self.license = f"{self.license}; labels MIT"
            self.citation = f"{self.citation}\n\n{VOTES_CITATION}"

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as train/angry/Training_10000.jpg."""
        usage = ("Training", "Training", "Training", "PublicTest", "PrivateTest")[subject]
        folder = "train" if usage == "Training" else "test"
        return f"{folder}/{self.classes[label]}/{usage}_{label + 1}{subject}{take:03}.jpg"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write the folder form; for FER+ the CSV and the votes, n images of each class and usage."""
        import numpy as np

        from dabench.data.synthetic import synthetic_image

        if self.options.labels == "fer2013":
            super().make_synthetic(raw, n, seed)
            return
        rng, rows = np.random.default_rng(seed), [(label, u) for u in USAGES for label in [*range(len(self.classes))] * n]
        raw.mkdir(parents=True, exist_ok=True)
        write_faces(raw / CSVS[0], [(synthetic_image(label, rng), label % len(BASIC), usage) for label, usage in rows])
        write_votes(raw / VOTES_FILE, [(self.classes[label], usage) for label, usage in rows])

    def root(self, raw: Path) -> Path:
        """Return the CSV or the archive with it, or the folder or zip of the folder form."""
        place = Path(self.options.path).expanduser() if self.options.path else raw
        if self.options.path and not place.is_dir():
            return place
        csvs = csvs_in(place, self.who)
        folders = [place] if (place / "train").is_dir() else []
        folders += [path for path in sorted(place.glob("*.zip")) if path not in csvs]
        if not csvs and not folders:
            alone = csvs_in(place, self.who, (TRAINING_CSV,))
            found = f" ({alone[0].name} holds the training rows alone, which dataset 'fer2013-train' reads)" if alone else ""
            raise self.refusal(f"its raw files are not in {place}{found}")
        if len(folders) > 1 or (csvs and folders):
            both = ", ".join(str(path) for path in (*csvs[:1], *folders))
            raise self.error(f"{place} holds two forms of the dataset ({both}), which differ; keep one, or set path to one")
        return (csvs or folders)[0]

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the files of the form that is read, and the votes if FER+ labels are used."""
        files = [*super().raw_files(raw)]
        return files if self.options.labels == "fer2013" else [*files, self._votes(self.root(raw))]

    def _votes(self, root: Path) -> Path:
        """Return the votes beside the CSV, or beside the folder that it was unpacked into."""
        who = f'{self.who}: labels = "fer+"'
        if not is_csv(root, who):
            raise DataError(
                f"{who} needs the CSV, but {root} is the folder form, which does not give the row of an image; replace it by "
                f"{CSVS[0]}"
            )
        found = [path for place in (root.parent, root.parent.parent) if (path := place / VOTES_FILE).is_file()]
        if not found:
            raise DataError(f"{who}: {root.parent / VOTES_FILE} does not exist; download it from {VOTES_HOME}")
        return found[0]

    def _usages(self, rows: int, root: Path) -> list[str]:
        """Return the usages of a CSV without this column: its rows are in the published order, if there are as many."""
        usages = [usage for usage, split in USAGES.items() for _ in range(FER2013.counts[split])]
        if rows == len(usages):
            return usages
        raise self.error(
            f"{root} has no column Usage, so it must have the {len(usages):,} rows of the dataset in their published order, not "
            f"{rows:,}; {TRAINING_CSV}, with {FER2013.counts['train']:,} rows of Training, is read by dataset 'fer2013-train'"
        )

    def named(self, path: PurePosixPath) -> ImageFacts:
        """Read train/angry/Training_1.jpg."""
        usage = path.name.partition("_")[0]
        if usage not in USAGES or len(path.parts) < 2:
            raise self.refusal(f"{path}: its name must begin with one of {', '.join(USAGES)}")
        return ImageFacts(self.emotion(path.parts[-2], path), split=USAGES[usage])

    def prepare(self, raw: Path) -> Splits:
        """Read the form that exists."""
        import numpy as np

        from dabench.data.images import resized
        from dabench.data.lazy import LazyImages

        root, who, o = self.root(raw), self.who, self.options
        votes = self._votes(root) if o.labels == "fer+" else None
        if not is_csv(root, who):
            return super().prepare(raw)
        faces, emotions, usages = read_faces(root, who)
        labels, notes = [self.classes[e] for e in emotions], []
        if not usages:
            usages = self._usages(len(emotions), root)
            notes = [f"{root.name} has no column Usage; the published order of its rows gives the splits"]
        if votes:
            labels = read_votes(votes, usages, who)
            if left_out := labels.count(""):
                notes += [f"{left_out:,} of {len(labels):,} images left out: no emotion has the majority of votes"]
        kept = np.array([i for i, label in enumerate(labels) if label], np.int64)
        shape = (len(kept), o.channels, o.size, o.size)
        images = LazyImages(shape, lambda at: resized(faces, kept[at], o.channels, o.size))
        return self.samples(images, [ImageFacts(labels[i], split=USAGES[usages[i]]) for i in kept.tolist()], root, notes)
