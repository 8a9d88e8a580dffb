"""How far the raters of a human study are, as lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from dabench.rating.store import Answer, StudyStore

HEAD = ("rater", "practice right", "images", "repeats", "same answer again", "median time", "last answer")


def status_rows(store: StudyStore) -> list[tuple[str, ...]]:
    """Return a row for each rater, with the columns `HEAD`."""
    by_rater: dict[str, list[Answer]] = defaultdict(list)
    for answer in store.answers():
        by_rater[answer.rater].append(answer)
    return [
        (
            p.rater,
            f"{sum(a.answer == a.right for a in by_rater[p.rater])} of {p.practice}",
            f"{p.images} of {p.of_images}",
            f"{p.repeats} of {p.of_repeats}",
            _same_again(by_rater[p.rater]),
            _median(by_rater[p.rater]),
            max((a.time for a in by_rater[p.rater]), default="-"),
        )
        for p in store.progress()
    ]


def _same_again(answers: Sequence[Answer]) -> str:
    """Return how many repeated images got the same answer as before."""
    first = {a.image: a.answer for a in answers if a.kind == "test"}
    again = [a.answer == first[a.image] for a in answers if a.kind == "repeat"]
    return f"{sum(again)} of {len(again)}" if again else "-"


def _median(answers: Sequence[Answer]) -> str:
    """Return the median time of answers to test images that were not interrupted."""
    seconds = [a.seconds for a in answers if a.kind != "practice" and not a.interrupted and a.seconds is not None]
    return f"{median(seconds):.1f} s" if seconds else "-"
