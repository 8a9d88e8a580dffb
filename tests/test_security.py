"""Whoever sends a store, a cache or a pack writes every byte of it: nothing in it is run, and it leads nowhere else."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import ADABN, NONE, edit, two_sets
from packs import contents, zipped
from toys import toy

from dabench.analysis.export import Pack, open_results, write_pack
from dabench.analysis.matrix import read_matrix
from dabench.cli import main
from dabench.data.prepare import prepare_dataset
from dabench.errors import DabenchError, StoreError
from dabench.hashing import digest, file_digest
from dabench.reporting.formats import one_text
from dabench.storage.run_store import RunStore
from dabench.storage.schema import from_json, record_from
from dabench.training.network import TorchNetwork, load_network

Damage = Callable[[dict[str, Any]], Any]


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "unpickled"


def objects(path: Path, mark: Path) -> Path:
    """Write an array of Python objects, which numpy would unpickle if it were let."""
    np.save(path, np.array([Bomb(mark)] * 10, dtype=object), allow_pickle=True)
    return path


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets().write(tmp_path / "made")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a JSON value, of lists the first item alone."""
    yield path
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def put(record: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return the record with another value at that place, or without it where the value is Ellipsis."""
    if not path:
        return value
    record = copy.deepcopy(record)
    inside = record
    for key in path[:-1]:
        inside = inside[key]
    if value is ...:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return record


def one_line(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """Run a command that is refused, and return the one line that says why."""
    assert main(list(command)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dabench: error: ")
    return line


# Records


@pytest.mark.parametrize("name", ["sweep.json", "datasets/hand/facts.json", "runs/{}/run.json"])
@pytest.mark.parametrize("value", [None, [], ...], ids=["null", "list", "missing"])
def test_nonsense_anywhere_in_a_record_is_read_or_refused_and_never_unforeseen(tmp_path: Path, name: str, value: Any) -> None:
    store = two_sets(adapters={"none": NONE, "adabn": ADABN}, seeds=1, pairs=("print -> hand",)).write(tmp_path / "made")
    path = store.folder / name.format(next(store.runs.glob("adabn_print_hand_s0-*")).name)
    record = json.loads(path.read_text())
    for place in places(record):
        if place and not (value is ... and isinstance(place[-1], int)):
            edit(path, lambda text: json.dumps(put(record, place, value)))  # noqa: B023
            with contextlib.suppress(DabenchError):
                one_text(read_matrix(store, selection="entropy"), "md")


@dataclass(frozen=True)
class Numbered:
    a: int


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1' + "0" * 400 + "}"])
def test_a_number_that_is_none_or_without_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|must be a whole number"):
        record_from(Numbered, from_json(text))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: r["sweep"].pop("datasets"), "sweep.datasets is missing"),
        (lambda r: r.update(adapters=[]), "adapters = []: must be a table"),
        (lambda r: r.update(runs={"a": 1}), "runs = {'a': 1}: must be a list"),
        (lambda r: r["runs"][0].update(seed="0"), "runs[0].seed = '0': must be a whole number"),
        (lambda r: r["runs"][0].update(tests=["elsewhere"]), "dataset 'elsewhere' must be in sweep.datasets"),
        (lambda r: r["sweep"].update(name="../../x"), "sweep.name must be letters, digits"),
        (lambda r: r.update(seeds=[True]), "seeds[0] = True: must be a whole number"),
    ],
)  # fmt: skip
def test_a_pack_with_a_nonsense_record_is_one_line_and_exit_code_2(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Damage, said: str
) -> None:
    files = contents(write_pack(store, tmp_path / "good.zip"))
    record = json.loads(files["sweep.json"])
    damage(record)
    bad = zipped(tmp_path / "bad.zip", files | {"sweep.json": json.dumps(record).encode()}, listed=True)
    for command in ("report", "cite", "export"):
        assert said in one_line(capsys, command, str(bad))


def test_a_record_nested_without_end_is_one_line(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    (store.folder / "sweep.json").write_text("[" * 200_000)
    assert "cannot be read" in one_line(capsys, "report", str(store.folder))


# Paths


@pytest.mark.parametrize("name", ["../../secret.npy", "/etc/passwd", "a/b.npy", ".."])
def test_a_file_that_a_record_names_outside_its_folder_is_refused(store: RunStore, name: str) -> None:
    path = store.folder / "datasets" / "hand" / "facts.json"
    facts = json.loads(path.read_text())
    edit(path, lambda text: json.dumps(facts | {"files": facts["files"] | {name: "0" * 64}}))
    with pytest.raises(StoreError, match="must be a file in its folder"):
        read_matrix(store)


def test_a_run_that_names_a_file_outside_its_folder_is_none(store: RunStore, tmp_path: Path) -> None:
    (folder,) = store.runs.glob("adabn_print_hand_s0-*")
    (tmp_path / "secret").write_text("x")
    outside = {"../../../secret": file_digest(tmp_path / "secret")}

    def named(text: str) -> str:
        facts = json.loads(text)
        return json.dumps(facts | {"files": facts["files"] | outside})

    edit(folder / "run.json", named)
    assert read_matrix(store).missing == ["adabn_print_hand_s0"]


@pytest.mark.parametrize("name", ["sweep.toml", "failed/a.txt", "datasets/hand/labels.npy", "datasets/hand"])
def test_what_a_link_leads_to_is_not_read(store: RunStore, tmp_path: Path, name: str) -> None:
    path, outside = store.folder / name, tmp_path / "outside"
    if path.exists():
        path.rename(outside)
    else:
        outside.write_text("a secret")
    path.symlink_to(outside)
    with pytest.raises(StoreError, match="is a link"):
        one_text(read_matrix(store), "html")


def test_the_folder_of_runs_may_be_a_link_to_a_larger_disk(store: RunStore, tmp_path: Path) -> None:
    store.runs.rename(tmp_path / "large")
    store.runs.symlink_to(tmp_path / "large")
    assert read_matrix(store).missing == []


# Pickles


def with_objects(store: RunStore, name: str, mark: Path) -> None:
    """Put pickled objects in the place of an array, with the checksum that fits them."""
    path = objects(store.folder / name, mark)
    record = path.with_name("run.json" if name.startswith("runs") else "facts.json")
    facts = json.loads(record.read_text())
    facts["files"][path.name] = file_digest(path)
    edit(record, lambda text: json.dumps(facts))


@pytest.mark.parametrize("file", ["datasets/hand/labels.npy", "runs/{}/logits-hand.npy"])
@pytest.mark.parametrize("packed", [False, True])
def test_pickled_objects_in_the_place_of_an_array_are_one_line_and_are_not_unpickled(
    store: RunStore, tmp_path: Path, mark: Path, capsys: pytest.CaptureFixture[str], file: str, packed: bool
) -> None:
    name = file.format(next(store.runs.glob("adabn_print_hand_s0-*")).name)
    good = contents(write_pack(store, tmp_path / "good.zip"))
    with_objects(store, name, mark)
    where = store.folder
    if packed:
        changed = {n: (store.folder / n).read_bytes() for n in good if (store.folder / n).is_file()}
        where = zipped(tmp_path / "bad.zip", good | changed, listed=True)
    one_line(capsys, "report", str(where))
    assert not mark.exists()


def test_a_pickle_named_as_a_network_is_not_unpickled(tmp_path: Path, mark: Path) -> None:
    from torch import nn

    path = tmp_path / "network.safetensors"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(StoreError, match="cannot be read"):
        load_network(TorchNetwork(nn.Linear(2, 2), 2, 2), path)
    assert not mark.exists()


def test_pickled_objects_in_the_cache_are_not_unpickled_and_the_set_is_made_again(tmp_path: Path, mark: Path) -> None:
    (tmp_path / "raw").mkdir()
    dataset, said = toy(), list[str]()
    first = prepare_dataset(dataset, tmp_path / "raw", tmp_path / "cache", notify=said.append)
    path = objects(first.path("train", "labels"), mark)
    record = json.loads((first.folder / "prepared.json").read_text())
    record.pop("check")
    record["splits"]["train"]["files"]["labels"] = file_digest(path)
    (first.folder / "prepared.json").write_text(json.dumps(record | {"check": digest(record)}))
    again = prepare_dataset(dataset, tmp_path / "raw", tmp_path / "cache", notify=said.append)
    assert again.labels("train").dtype == np.int64
    assert any("is damaged" in line for line in said)
    assert not mark.exists()


def test_a_store_is_opened_as_it_lies_and_a_pack_too(store: RunStore, tmp_path: Path) -> None:
    assert isinstance(open_results(store.folder), RunStore)
    assert isinstance(open_results(write_pack(store, tmp_path / "a.zip")), Pack)
