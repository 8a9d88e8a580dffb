"""What a study answers to the requests of its raters.

Nothing in it depends on the label of a test image. The class of a practice image is given after its answer.
"""

from __future__ import annotations

import json
from typing import Any

from dabench.errors import printable
from dabench.rating.page import FILES, FOLDER, facts_for, index, script_of
from dabench.rating.store import Rater, StudyStore

LONGEST = 200
"""Most characters of what raters type about themselves."""


class BadRequestError(Exception):
    """A request does not have the form that the page sends."""


class StudySession:
    """The requests of all raters of a study. Threads may share it."""

    def __init__(self, store: StudyStore) -> None:
        self.store = store
        self._raters: dict[str, Rater] = {}

    def rater(self, token: str) -> Rater | None:
        """Return the rater with this token."""
        if token not in self._raters:  # a rater may be added while the server runs
            self._raters = {rater.token: rater for rater in self.store.raters}
        return self._raters.get(token)

    def facts(self, rater: Rater) -> dict[str, Any]:
        """Return what the page shows."""
        store = self.store
        facts = facts_for(rater.name, store.id, store.classes, store.settings, store.trials(rater.number))
        return {"mode": "server", **facts}

    def state(self, rater: Rater) -> dict[str, Any]:
        """Return where the rater goes on: the first trial without an answer, and whether the questions about them were shown."""
        asked = not self.store.settings.ask or self.store.about(rater.number) is not None
        return {"next": self.store.next_trial(rater.number), "asked": asked}

    def answer(self, rater: Rater, body: dict[str, Any]) -> dict[str, Any]:
        """Keep an answer. Only the next trial takes one; an answer to an earlier one changes nothing."""
        number = _whole(body.get("number"), len(self.store.trials(rater.number)), "number")
        answer = _whole(body.get("answer"), len(self.store.classes), "answer")
        if number > self.store.next_trial(rater.number):
            raise BadRequestError("an earlier image has no answer yet")
        self.store.keep(rater.number, number, answer, _seconds(body.get("seconds")), bool(body.get("interrupted")))
        right = self.store.right(rater.number, number)
        return {"next": self.store.next_trial(rater.number), **({} if right is None else {"right": right})}

    def about(self, rater: Rater, body: dict[str, Any]) -> dict[str, Any]:
        """Keep what a rater says about themselves. Every question may be left empty."""
        found = {}
        for question in self.store.settings.ask:
            text = body.get(question.name, "")
            if not isinstance(text, str) or len(text) > LONGEST:
                raise BadRequestError(f"{question.name}: must be a text of at most {LONGEST} characters")
            text = " ".join(printable(text).split())
            if text and question.kind == "choice" and text not in question.choices:
                raise BadRequestError(f"{question.name}: must be one of {', '.join(question.choices)}")
            if text and question.kind == "number" and not text.isdecimal():
                raise BadRequestError(f"{question.name}: must be a whole number")
            found[question.name] = text
        self.store.keep_about(rater.number, found)
        return self.state(rater)

    def file(self, rater: Rater, name: str) -> tuple[str | bytes, str] | None:
        """Return the content and type of a file of a rater's page, or None if there is no such file."""
        if name == "":
            return index(), "text/html"
        if name in FILES:
            return (FOLDER / name).read_text(encoding="utf-8"), FILES[name]
        if name == "study.js":
            return script_of(self.facts(rater)), "text/javascript"
        if name == "state":
            return json.dumps(self.state(rater)), "application/json"
        kind, _, number = name.partition("/")
        if kind == "image" and number.isdecimal() and number.isascii() and len(number) < 10:
            image = self.store.image(rater.number, int(number))
            return None if image is None else (image, "image/png")
        return None


def _whole(value: Any, below: int, name: str) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise BadRequestError(f"{name}: must be a whole number from 0 to {below - 1}")
    return value


def _seconds(value: Any) -> float | None:
    """Return a duration that the page measured, or None if it is none."""
    return round(float(value), 3) if isinstance(value, int | float) and 0 <= value < 86_400 else None
