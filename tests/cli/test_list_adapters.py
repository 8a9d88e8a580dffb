"""`dabench list adapters`: groups by what a method is given, and the fields of --json."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from dabench.cli import main
from dabench.cli.plugins import _by_setting
from dabench.storage.schema import SETTINGS


def test_adapters_are_grouped_in_the_order_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "adapters"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line.strip() for line in lines if line.startswith("  ") and not line.startswith("   ")]
    assert headings == [name for name in SETTINGS if name in headings]
    assert lines[lines.index("  source-free") + 1].split()[0] == "shot"


def test_a_broken_adapter_is_listed_last() -> None:
    rows = [{"name": "bad", "error": "why"}, {"name": "none", "setting": "source only", "family": "baseline"}]
    assert [(name, [r["name"] for r in part]) for name, part in _by_setting(rows)] == [
        ("source only", ["none"]),
        ("broken", ["bad"]),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", ("source only", "none", "none", None)),
        ("dann", ("unlabelled target", "none", "train", True)),
        ("shot", ("source-free", "none", "train", False)),
        ("tent", ("test-time", "none", "test", False)),
        ("mme", ("few labels", "shots", "train", True)),
    ],
)
def test_json_says_what_each_is_given(
    name: str, expected: tuple[str, str, str, bool | None], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["list", "adapters", "--json"])
    row = SimpleNamespace(**next(r for r in json.loads(capsys.readouterr().out)["adapters"] if r["name"] == name))
    assert (row.setting, row.target_labels, row.target_images, row.sources_while_adapting) == expected


def test_every_adapter_names_its_family(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "adapters", "--json"])
    assert [r["name"] for r in json.loads(capsys.readouterr().out)["adapters"] if not r["family"]] == []
