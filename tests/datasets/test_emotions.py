"""One vocabulary of emotions."""

from __future__ import annotations

import pytest

from dabench.datasets._emotions import BASIC, EMOTIONS, emotion


@pytest.mark.parametrize("name", EMOTIONS)
def test_each_name_is_its_own(name: str) -> None:
    assert emotion(name) == name


@pytest.mark.parametrize(
    ("word", "name"), [("Happiness", "happy"), ("AF", "fear"), (" SADNESS ", "sad"), ("surprised", "surprise")]
)
def test_known_spellings_are_found(word: str, name: str) -> None:
    assert emotion(word) == name


def test_an_unknown_word_is_none() -> None:
    assert emotion("bored") is None


def test_the_basic_ones_have_the_order_of_fer2013() -> None:
    assert BASIC == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
