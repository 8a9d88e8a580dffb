"""What the records of a sweep say of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from fabricated import method, run_record

from dabench.storage.schema import (
    CellKey,
    NetworkKey,
    RunRecord,
    Seconds,
    budget_text,
    from_json,
    intact,
    networks,
    record_from,
    sealed,
    to_json,
)


@pytest.mark.parametrize(
    ("access", "shots", "words"),
    [
        ("none", 5, "0"), ("unlabelled", 5, "0"), ("unlabelled", "all", "0"), ("few-shot", 5, "5 per class"),
        ("few-shot", "all", "all"), ("full", 5, "all"),
    ],
)  # fmt: skip
def test_a_label_budget_is_said_in_the_words_of_the_tables(access: str, shots: Any, words: str) -> None:
    assert budget_text(method(access=access).budget(shots)) == words


def test_an_adapter_that_does_not_adapt_is_given_no_label() -> None:
    assert method(access="full", adapts=False).budget("all") == 0


def test_an_adapter_that_adapts_has_a_network_for_every_task() -> None:
    assert list(networks(("a", "b"), ((("a",), "b"),), {"m": method()})) == [NetworkKey("m", ("a",), "b")]


def test_one_that_does_not_has_a_network_for_every_dataset_and_list_of_sources() -> None:
    found = networks(("a", "b", "c"), ((("a", "b"), "c"),), {"none": method(adapts=False)})
    assert [key.sources for key in found] == [("a",), ("b",), ("c",), ("a", "b")]


def test_one_with_its_own_pretraining_has_a_network_for_all_that_a_task_begins_with() -> None:
    found = networks(("a", "b"), ((("a",), "b"),), {"own": method(adapts=False, own_pretraining=True)})
    assert list(found) == [NetworkKey("own", ("a",), None)]


def test_the_key_of_a_cell_is_one_text() -> None:
    assert str(CellKey("dann", ("a", "b"), "c", "a")) == "dann|a+b|c|a"


def test_a_record_is_read_as_it_was_written() -> None:
    record = run_record(losses=(1.0, 0.5), scores={"a": {"entropy": (0.1,)}}, seconds=Seconds(1.0, 2.0, 3.0), stopped=True)
    assert record_from(RunRecord, sealed(record)) == record


def test_a_field_with_its_default_value_is_left_out() -> None:
    assert {"outputs", "stopped"}.isdisjoint(to_json(run_record()))


def test_a_record_that_was_changed_is_not_intact() -> None:
    assert not intact(sealed(run_record()) | {"seed": 1})


def test_a_key_that_no_record_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown key 'sede'; did you mean 'seed'"):
        record_from(RunRecord, to_json(run_record()) | {"sede": 1})


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"'])
def test_what_is_no_table_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match="it must be a table"):
        record_from(RunRecord, from_json(text))
