"""The examples of the pages in docs/ work as they are written.

An example is a block of code under a line `<!-- example: FILE -->`, which names the file that a reader saves it as.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dabench.experiment.sweep_file import read_sweep
from dabench.plugins.registry import Registry

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```\w+\n(.*?)```", flags=re.S)


def examples(page: str) -> dict[str, str]:
    """The examples of a page: file name -> text."""
    return dict(EXAMPLE.findall((DOCS / page).read_text(encoding="utf-8")))


SWEEPS = [(page.name, name) for page in sorted(DOCS.glob("*.md")) for name in examples(page.name) if name.endswith(".toml")]


def test_every_example_is_found() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert len(re.findall("<!-- example:", text)) == len(EXAMPLE.findall(text)) > 5


@pytest.mark.parametrize(("page", "name"), SWEEPS)
def test_every_sweep_is_valid(page: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(examples(page)[name], encoding="utf-8")
    sweep = read_sweep(file, [], Registry()).sweep
    assert sweep.name == file.stem
    assert sweep.tasks
