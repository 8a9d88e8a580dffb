"""Names of emotions that all expression datasets share, and their spellings."""

from __future__ import annotations

BASIC = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven classes of FER2013, in the order of its labels."""

EMOTIONS = (*BASIC, "contempt", "calm")

_SPELLINGS = {
    "angry": "anger an ang", "disgust": "disgusted di dis", "fear": "fearful afraid fe af fea",
    "happy": "happiness ha hap", "sad": "sadness sa", "surprise": "surprised su sur",
    "neutral": "ne neu", "contempt": "contemptuous co", "calm": "",
}  # fmt: skip
_CANONICAL = {word: name for name, words in _SPELLINGS.items() for word in (name, *words.split())}


def emotion(word: str) -> str | None:
    """Return the canonical name of an emotion in any known spelling ("Happiness", "HA"), or None if the word is unknown."""
    return _CANONICAL.get(word.strip().lower())
