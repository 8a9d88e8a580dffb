"""The examples of the pages in docs/ work as they are written.

An example is a block of code under a line `<!-- example: FILE -->`, which names the file that a reader saves it as.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dabench
from dabench.experiment.resolve import make_dataset
from dabench.experiment.sweep_file import read_sweep, table_sweep
from dabench.plugins.registry import REGISTRY, Registry

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```\w+\n(.*?)```", flags=re.S)


def examples(page: str) -> dict[str, str]:
    """The examples of a page: file name -> text."""
    return dict(EXAMPLE.findall((DOCS / page).read_text(encoding="utf-8")))


PAGES = [page.relative_to(DOCS).as_posix() for page in sorted(DOCS.rglob("*.md"))]
SWEEPS = [(page, name) for page in PAGES for name in examples(page) if name.endswith(".toml")]


def test_every_example_is_found() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    assert len(re.findall("<!-- example:", text)) == len(EXAMPLE.findall(text)) > 5


@pytest.mark.parametrize(("page", "name"), SWEEPS)
def test_every_sweep_is_valid(page: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(examples(page)[name], encoding="utf-8")
    sweep = read_sweep(file, [], Registry()).sweep
    assert sweep.name == file.stem
    assert sweep.tasks


WRITTEN = examples("writing-plugins.md") | examples("tutorials/own-method.md")
PLUGINS = {name: text for name, text in WRITTEN.items() if not name.startswith("test_")}
TESTS = {name: text for name, text in WRITTEN.items() if name.startswith("test_")}


def saved(folder: Path) -> Path:
    """A folder with the examples of the pages on plugins."""
    for name, text in (PLUGINS | TESTS).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.usefixtures("registry_restored")
@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_passes_dabench_check(name: str, tmp_path: Path) -> None:
    plugins = REGISTRY.load_file(saved(tmp_path) / name)
    assert len(plugins) == 1
    found = dabench.check(plugins[0].name)
    assert [f for f in found if f.state == "failed"] == []
    assert sum(f.state == "passed" for f in found) > 6


@pytest.mark.usefixtures("registry_restored")
def test_the_members_of_the_family_read_one_folder_and_have_their_own_short_names(tmp_path: Path) -> None:
    REGISTRY.load_file(saved(tmp_path) / "rooms.py")
    table = {"name": "rooms", "datasets": ["rooms/*"], "adapters": ["none"], "backbone": "conv4"}
    sweep = table_sweep(table, [], REGISTRY).sweep
    made = [make_dataset(sweep, name, REGISTRY) for name in sweep.datasets]
    assert [(d.name, d.short_name, d.raw_in(tmp_path)) for d in made] == [
        ("rooms/day", "DAY", tmp_path / "rooms"),
        ("rooms/night", "NIGHT", tmp_path / "rooms"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", TESTS)
def test_every_test_passes(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark", name]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=saved(tmp_path))
    assert ran.returncode == 0, ran.stdout


@pytest.mark.usefixtures("registry_restored")
def test_the_program_with_datasets_of_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = examples("datasets.md")["halves.py"].replace('"steps": 20', '"steps": 2, "checkpoints": 1')
    made: dict[str, Any] = {}
    exec(compile(text, "halves.py", "exec"), made)
    assert {cell.test for cell in made["matrix"].cells} == {"ours", "noise"}
