"""The keys of a sweep: each with its value, and where the value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import dabench
from dabench.cli import main
from dabench.errors import SpecError
from dabench.experiment.reference import all_keys, keys_of, plugin_keys
from dabench.experiment.sweep_file import read_sweep, table_sweep
from dabench.plugins.registry import Registry

FILE = """name = "try"
datasets = ["font-digits", "mine"]
adapters = ["none", "dann"]
backbone = "conv4"
classes = ["0", "1"]

[train]
steps = 9

[dann]
weight = 0.5

[dataset.mine]
path = "pictures"

[augment]
rotate = 5
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "try.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def found(tables: Mapping[str, Any], heading: str, key: str) -> tuple[Any, str]:
    (row,) = [row for row in tables[heading] if row["key"] == key]
    return row["value"], row["from"]


def test_each_value_says_where_it_comes_from(path: Path, registry: Registry) -> None:
    tables = keys_of(read_sweep(path, ["train.lr=0.2", "seeds=[4, 5]"], registry), registry)
    assert found(tables, "top level", "name") == ("try", "line 1")
    assert found(tables, "top level", "seeds") == ((4, 5), "--set")
    assert found(tables, "top level", "shots") == (5, "default")
    assert found(tables, "[train]", "steps") == (9, "line 8")
    assert found(tables, "[train]", "lr") == (0.2, "--set")
    assert found(tables, "[train]", "batch") == (128, "default")
    assert found(tables, "[dann]", "weight") == (0.5, "line 11")
    assert found(tables, "[dann]", "hidden") == (128, "default")
    assert found(tables, "[dataset.mine]", "path") == (str(path.parent / "pictures"), "line 14")
    assert found(tables, "[dataset.mine]", "plugin") == ("image-folder", "default")
    assert found(tables, "[augment]", "rotate") == (5, "line 17")
    assert found(tables, "[augment]", "flip") == (False, "datasets")
    assert found(tables, "top level", "classes") == (("0", "1"), "line 5")
    assert found(tables, "[conv4]", "width") == (32, "default")


def test_a_table_in_python_has_no_lines(registry: Registry) -> None:
    table = {"name": "t", "datasets": ["office-31/*"], "adapters": ["none"], "backbone": "conv4", "train": {"lr": 0.1}}
    tables = keys_of(table_sweep(table, [], registry), registry)
    assert found(tables, "[train]", "lr") == (0.1, "file")
    assert found(tables, "top level", "datasets")[0] == ("office-31/amazon", "office-31/dslr", "office-31/webcam")
    assert found(tables, "[dataset.office-31/dslr]", "size") == (224, "default")


def test_every_key_has_type_range_and_meaning() -> None:
    rows = {heading: {row["key"]: row for row in rows} for heading, rows in all_keys().items()}
    assert rows["[train]"]["batch"] == {
        "key": "batch", "type": "a whole number", "default": 128, "range": "at least 2", "doc": "images per optimiser step",
    }  # fmt: skip
    assert [key for key, row in rows["top level"].items() if row.get("required")] == ["name", "datasets", "adapters", "backbone"]
    assert {"path", "group"} <= {row["key"] for row in plugin_keys(Registry(), "dataset")["image-folder"]}


def test_the_function_gives_the_same_tables(path: Path) -> None:
    shown = dabench.show("sweep", path, set={"train.steps": 4})
    assert shown["name"] == "try"
    assert found(shown["tables"], "[train]", "steps") == (4, "--set")
    assert dabench.show("sweep") == {"tables": all_keys()}


def test_the_command_prints_them(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "sweep", str(path), "--set", "train.lr=0.2"]) == 0
    out = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in out if line[:1] == ["lr"]] == [["lr", "0.2", "--set"]]
    assert [line[:4] for line in out if line[:1] == ["steps"]] == [["steps", "9", "line", "8"]]
    assert main(["show", "sweep"]) == 0
    assert "required" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["adapter"], "a NAME is missing"),
        (["adapter", "dann", "--set", "weight=1"], "--set overrides keys of a sweep"),
        (["sweep", "quik"], "did you mean 'quick'"),
    ],
)
def test_a_wrong_request_says_what_is_missing(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", *words]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_sweep_is_an_error() -> None:
    with pytest.raises(SpecError, match="unknown sweep 'quik'"):
        dabench.show("sweep", "quik")
