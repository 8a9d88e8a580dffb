"""Tables from the outside into frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.errors import DabenchError, DataError, DivergedError, PluginError, SpecError, StoreError, nearest
from dabench.plugins.options import KeyProblem, build, convert, describe, setting


@dataclass(frozen=True)
class Inner:
    epochs: int = setting(3, "passes", low=1, high=9)
    rate: float = setting(0.5, "speed", above=0, high=1)


@dataclass(frozen=True)
class Outer:
    name: str = setting("", "a name")
    on: bool = setting(False, "a switch")
    mode: Literal["fast", "slow"] = setting("fast", "how")
    crop: int | None = setting(None, "a side", low=1)
    words: tuple[str, ...] = setting((), "some words")
    shots: int | Literal["all"] = setting(5, "how many", low=1)
    table: Mapping[str, Any] = setting({}, "anything")
    inner: Inner = field(default_factory=Inner)


def problem(table: Any, cls: type = Outer, where: str = "") -> KeyProblem:
    with pytest.raises(KeyProblem) as caught:
        build(cls, table, where)
    return caught.value


def test_an_empty_table_gives_the_defaults() -> None:
    assert build(Outer, {}) == Outer()


def test_every_kind_of_value_is_taken() -> None:
    table = {
        "name": "x", "on": True, "mode": "slow", "crop": 4, "words": ["p", "q"], "shots": "all", "table": {"k": [1]},
        "inner": {"epochs": 2, "rate": 0.25},
    }  # fmt: skip
    assert build(Outer, table) == Outer("x", True, "slow", 4, ("p", "q"), "all", {"k": [1]}, Inner(2, 0.25))


def test_a_whole_number_serves_as_a_number() -> None:
    rate = build(Inner, {"rate": 1}).rate
    assert rate == 1.0
    assert type(rate) is float


def test_a_float_of_numpy_serves_as_a_number() -> None:
    rate = build(Inner, {"rate": np.float64(0.25)}).rate
    assert (rate, type(rate)) == (0.25, float)


@dataclass(frozen=True)
class Kept:
    name: str
    tasks: tuple[tuple[tuple[str, ...], str], ...] = ()
    runs: Mapping[int, str] = field(default_factory=dict)
    inner: Inner | None = None


def test_a_key_without_a_default_must_be_there() -> None:
    assert str(problem({}, Kept, "sweep")) == "sweep.name is missing"


def test_a_list_of_fixed_length_keeps_the_type_of_each_place() -> None:
    assert build(Kept, {"name": "x", "tasks": [[["a", "b"], "c"]]}).tasks == ((("a", "b"), "c"),)


def test_a_list_of_another_length_is_refused() -> None:
    found = problem({"name": "x", "tasks": [[["a"]]]}, Kept)
    assert (found.path, str(found)) == ("tasks[0]", "tasks[0] = [['a']]: must be a list of 2")


def test_keys_that_are_whole_numbers_are_read_from_text() -> None:
    assert build(Kept, {"name": "x", "runs": {"12": "r"}}).runs == {12: "r"}


def test_a_key_that_is_no_whole_number_is_refused() -> None:
    assert "must be a table whose keys are whole numbers" in str(problem({"name": "x", "runs": {"one": "r"}}, Kept))


def test_a_whole_number_that_json_may_change_is_refused() -> None:
    assert "must be a whole number up to 9007199254740992" in str(problem({"epochs": 2**53 + 1}, Inner))


def test_a_problem_in_an_optional_table_says_what_is_wrong_there() -> None:
    assert problem({"name": "x", "inner": {"epochs": 0}}, Kept).path == "inner.epochs"


def test_none_is_taken_where_it_may_be() -> None:
    assert build(Outer, {"crop": None}).crop is None


def test_an_unknown_key_names_the_nearest_and_all_known() -> None:
    message = str(problem({"nmae": "x"}))
    assert "unknown key 'nmae'" in message
    assert "did you mean 'name'" in message
    assert "known here: name, on, mode, crop" in message


def test_a_problem_in_a_table_within_carries_the_whole_path() -> None:
    assert problem({"inner": {"epocs": 1}}).path == "inner.epocs"
    assert problem({"inner": {"epocs": 1}}, where="top").path == "top.inner.epocs"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("name", 3, "must be a string"),
        ("on", 1, "must be true or false"),
        ("on", "true", "must be true or false"),
        ("mode", "fats", "must be one of 'fast', 'slow'; did you mean 'fast'?"),
        ("mode", 1, "must be one of 'fast', 'slow'"),
        ("crop", "4", "must be a whole number"),
        ("crop", 4.0, "must be a whole number"),
        ("crop", True, "must be a whole number"),
        ("words", "p", "must be a list of strings"),
        ("words", {"p": 1}, "must be a list of strings"),
        ("shots", "some", "must be a whole number or 'all'"),
        ("shots", True, "must be a whole number or 'all'"),
        ("table", [1], "must be a table"),
        ("inner", 3, "must be a table"),
    ],
)
def test_a_wrong_type_says_what_it_must_be(key: str, value: Any, words: str) -> None:
    found = problem({key: value})
    assert words in str(found)
    assert repr(value) in str(found)
    assert found.path == key


def test_a_wrong_item_of_a_list_says_which() -> None:
    assert problem({"words": ["p", 3]}).path == "words[1]"


def test_a_number_is_no_choice_though_equal_to_one() -> None:
    with pytest.raises(KeyProblem, match="must be one of 1, 10"):
        convert(True, Literal[1, 10], "crops")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("epochs", 0, "must be at least 1"),
        ("epochs", 10, "must be at most 9"),
        ("rate", 0, "must be more than 0"),
        ("rate", -1.0, "must be more than 0"),
        ("rate", 1.5, "must be at most 1"),
        ("rate", float("nan"), "must be a finite number"),
        ("rate", float("inf"), "must be a finite number"),
    ],
)
def test_a_value_out_of_range_says_the_limit(key: str, value: float, words: str) -> None:
    found = problem({key: value}, Inner, "inner")
    assert words in str(found)
    assert found.path == f"inner.{key}"


def test_the_limit_itself_is_in_range() -> None:
    assert build(Inner, {"epochs": 1, "rate": 1.0}) == Inner(1, 1.0)
    assert build(Inner, {"epochs": 9}).epochs == 9


def test_an_optional_value_is_checked_against_its_range() -> None:
    assert "at least 1" in str(problem({"crop": 0}))
    assert "at least 1" in str(problem({"shots": 0}))


@given(st.integers())
def test_a_number_is_taken_exactly_when_it_is_in_range(value: int) -> None:
    if 1 <= value <= 9:
        assert build(Inner, {"epochs": value}).epochs == value
    else:
        assert problem({"epochs": value}, Inner).path == "epochs"


def test_a_default_table_is_not_shared() -> None:
    assert Outer().table is not Outer().table


def test_describe_gives_key_type_default_range_and_meaning_of_every_field() -> None:
    assert describe(Inner) == [
        {"key": "epochs", "type": "a whole number", "default": 3, "range": "1 to 9", "doc": "passes"},
        {"key": "rate", "type": "a number", "default": 0.5, "range": "more than 0, at most 1", "doc": "speed"},
    ]
    assert [row["type"] for row in describe(Outer)][:6] == [
        "a string", "true or false", "'fast' or 'slow'", "a whole number", "a list of strings", "a whole number or 'all'",
    ]  # fmt: skip


def test_nearest_names_close_words_only() -> None:
    assert nearest("epocs", ["epochs", "seed"]) == "; did you mean 'epochs'?"
    assert nearest("zzz", ["epochs", "seed"]) == ""


@pytest.mark.parametrize("error", [SpecError, PluginError, DataError, StoreError, KeyProblem])
def test_what_the_request_got_wrong_exits_with_2(error: type[DabenchError]) -> None:
    assert issubclass(error, DabenchError)
    assert error.exit_code == 2


def test_a_diverged_training_exits_with_1() -> None:
    assert DivergedError.exit_code == 1
