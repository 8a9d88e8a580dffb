"""The settings of a human study, and the order in which each rater sees the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dabench.errors import SpecError

Kind = Literal["practice", "test", "repeat"]

QUESTION = "Which word describes the image best?"

OWN_COLUMNS = ("rater", "image", "answer", "repeat", "seconds", "time", "interrupted")
"""Columns of files of answers; a question about the raters cannot have one of these names."""

_APART = 20
"""How many images lie between an image and its repeat, where the study is long enough."""


@dataclass(frozen=True)
class RaterQuestion:
    """A question about the rater, such as age.

    Attributes:
        kind: "number", "text", or "choice" (one of `choices`).
    """

    name: str
    kind: Literal["number", "text", "choice"]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudySettings:
    """What the conductor of a study decides.

    Attributes:
        per_class: most test images of each class.
        seed: seed of the choice of images, of the repeats and of the orders.
        repeats: share of the test images that each rater sees twice.
        practice: number of practice images, from the training split.
        pause: number of images after which the page proposes a pause.
        question: what is asked about each image.
        instructions: paragraphs; empty: those of the page.
        ask: questions about the rater.
    """

    per_class: int = 30
    seed: int = 0
    repeats: float = 0.1
    practice: int = 10
    pause: int = 50
    question: str = QUESTION
    instructions: tuple[str, ...] = ()
    ask: tuple[RaterQuestion, ...] = ()

    def check(self) -> None:
        """Raise SpecError if a value is out of its range."""
        for name, least in (("per_class", 1), ("seed", 0), ("practice", 0), ("pause", 1)):
            if getattr(self, name) < least:
                raise SpecError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be {least} or more")
        if not 0 <= self.repeats <= 0.5:
            raise SpecError(f"--repeats {self.repeats:g}: must be a share of the images, 0 to 0.5")
        names = [q.name.casefold() for q in self.ask]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise SpecError(f"--ask {twice[0]}: is asked twice; give each question once")

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> StudySettings:
        """Return the settings in a record that `dataclasses.asdict` and JSON made."""
        ask = tuple(RaterQuestion(q["name"], q["kind"], tuple(q["choices"])) for q in record["ask"])
        return cls(**{**record, "instructions": tuple(record["instructions"]), "ask": ask})


def check_raters(raters: int) -> None:
    """Raise SpecError if a number of raters is out of its range."""
    if not 1 <= raters <= 1000:
        raise SpecError(f"--raters {raters}: must be 1 to 1000")


def rater_question(text: str) -> RaterQuestion:
    """Return the question in NAME=number, NAME=text or NAME=A,B,...; raise SpecError if it is none of these."""
    name, equals, kind = (part.strip() for part in text.partition("="))
    choices = tuple(c.strip() for c in kind.split(","))
    if not name or not equals or not kind or (kind not in ("number", "text") and (len(choices) < 2 or not all(choices))):
        raise SpecError(f"--ask {text}: must be NAME=number, NAME=text or NAME=A,B,...; for example --ask sex=female,male,other")
    if name.casefold() in OWN_COLUMNS:
        raise SpecError(f"--ask {text}: '{name}' is a column of the answers; use another name")
    if kind == "number":
        return RaterQuestion(name, "number")
    return RaterQuestion(name, "text") if kind == "text" else RaterQuestion(name, "choice", choices)


@dataclass(frozen=True)
class Trial:
    """One image that a rater sees. `image` is an index into the practice images, or into the test images of the study."""

    kind: Kind
    image: int


def trials_for(rater: int, settings: StudySettings, images: int, practice: int) -> list[Trial]:
    """Return what a rater sees, in order: practice images, then test images with some of them repeated later.

    Each rater has an own order. It depends on the seed and the number of the rater alone.

    Args:
        rater: number of the rater, from 0.
        images: number of test images of the study; practice: number of its practice images.
    """
    rng = np.random.default_rng([settings.seed, rater])
    first = [Trial("practice", int(i)) for i in rng.permutation(practice)]
    order = rng.permutation(images)
    apart = min(_APART, images // 2)
    early = rng.permutation(images - apart)[: round(settings.repeats * images)]
    # A repeat gets a place between two others, at least `apart` places after the image itself.
    places = [(float(at), "test", int(i)) for at, i in enumerate(order)]
    places += [(float(rng.uniform(at + apart, images)), "repeat", int(order[at])) for at in early]
    return first + _kinds(sorted(places))


def _kinds(places: Sequence[tuple[float, str, int]]) -> list[Trial]:
    return [Trial("repeat" if kind == "repeat" else "test", image) for _, kind, image in places]
