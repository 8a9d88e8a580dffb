"""Say what the name of a single folder means: a split, a subject, or a class as classes are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

SPLIT, CLASS, SUBJECT, ANY = LEVELS = ("split", "class", "subject", "*")

Dirs = tuple[str, ...]

_SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

_BESIDE = {
    "set", "data", "dataset", "split", "folder", "seg", "images", "image", "imgs", "img", "pictures", "photos", "faces", "videos",
    "clips",
}  # fmt: skip
"""Words that stand beside that of a split in the name of its folder, as in train_images."""

_SUBJECT = re.compile(
    r"(s|sub|subj|subject|p|pp|part|participant|person|proband|vp|actor|actress|speaker|spk|user|id|patient|pat|volunteer|m|f|w)"
    r"[ _.-]*\d{1,4}|[a-z]{1,2}[fm]\d{1,3}",
    re.IGNORECASE,
)
"""Names that only a subject has, such as s1, Actor_01 or AF12. A bare number may be a class, too."""

_SHOWN = 3


def split_of(name: str) -> str:
    """Return the split that a folder name such as "Training" or "test_images" names, or ""."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word and word not in _BESIDE]
    return _SPLIT_WORDS.get(words[0], "") if len(words) == 1 else ""


def same_name(name: str) -> str:
    """Return a name as names are compared: in NFC and without case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def are_subjects(names: Iterable[str]) -> bool:
    """Whether all these names are such that only subjects have them."""
    return all(_SUBJECT.fullmatch(name) for name in names)


def listed(names: Collection[str], most: int = _SHOWN) -> str:
    """Return the first names in one line, for messages."""
    shown = sorted(names)[:most]
    return ", ".join(shown) + (" ..." if len(names) > most else "")
