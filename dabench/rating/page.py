"""What the page of a rater is given, on a server and from disk: its files, words and counts. No label of a test image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dabench.rating.study import Kind, StudySettings

FOLDER = Path(__file__).parent

FILES = {"rating.js": "text/javascript", "rating.css": "text/css"}


def facts_for(rater: str, study: str, classes: Sequence[str], settings: StudySettings, kinds: Sequence[Kind]) -> dict[str, Any]:
    """Return the facts that the page shows.

    Args:
        rater: name of the rater; study: identifier of the study.
        kinds: what the rater sees, in order. The page is given their numbers only.
    """
    practice = sum(kind == "practice" for kind in kinds)
    return {
        "study": study,
        "rater": rater,
        "words": [word.replace("_", " ") for word in classes],
        "practice": practice,
        "images": len(kinds) - practice,
        "again": "repeat" in kinds,
        "pause": settings.pause,
        "question": settings.question,
        "instructions": list(settings.instructions),
        "ask": [asdict(question) for question in settings.ask],
    }


def script_of(facts: Mapping[str, Any]) -> str:
    """Return facts as a script that the page loads before its own."""
    return f"window.STUDY = {json.dumps(facts)};\n"


def index(script: str = "study.js") -> str:
    """Return the HTML of the page. `script` is the name of the file with its facts."""
    return (FOLDER / "index.html").read_text(encoding="utf-8").replace('src="study.js"', f'src="{script}"')
