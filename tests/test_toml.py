"""Tables as TOML text, read again by the standard library."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dabench.errors import SpecError
from dabench.toml import toml_text

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | text
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
tables = st.recursive(
    st.dictionaries(text, values, max_size=4),
    lambda inner: st.dictionaries(text, values | inner, max_size=4),
    max_leaves=8,
)


@given(tables)
@settings(max_examples=150, deadline=None, database=None, derandomize=True)
def test_any_table_is_read_back_as_it_was(table: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(table)) == table


@pytest.mark.parametrize("word", ["\U0001f600", "\x7f", "\x00", '"', "\\", "a\nb", "화남", "#", "[x]"])
def test_any_text_can_be_a_key_and_a_value(word: str) -> None:
    table = {word: word, f"t{word}": {word: [word]}}
    assert tomllib.loads(toml_text(table)) == table


def test_a_key_set_to_none_is_left_out() -> None:
    assert tomllib.loads(toml_text({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


def test_an_empty_table_stays_a_table() -> None:
    assert tomllib.loads(toml_text({"a": {}, "b": {"c": {}}})) == {"a": {}, "b": {"c": {}}}


def test_a_tuple_is_a_list() -> None:
    assert tomllib.loads(toml_text({"a": (1, ("x", True))})) == {"a": [1, ["x", True]]}


def test_a_float_of_numpy_is_a_float() -> None:
    assert tomllib.loads(toml_text({"a": np.float64(0.25)})) == {"a": 0.25}


@pytest.mark.parametrize("value", [Path("x"), {1, 2}, object(), [{"a": 1}]])
def test_a_value_that_no_sweep_can_hold_is_an_error_that_names_its_key(value: object) -> None:
    with pytest.raises(SpecError, match="lr"):
        toml_text({"train": {"lr": value}})
