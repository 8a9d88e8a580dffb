"""docs/sweep-file.md lists every key as the settings define it.

`python tests/test_sweep_reference.py` writes the generated part of the page anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.experiment.reference import all_keys, plugin_keys
from dabench.plugins.registry import Registry

PAGE = Path(__file__).parents[1] / "docs" / "sweep-file.md"
BEGIN, END = "<!-- generated: python tests/test_sweep_reference.py -->\n", "<!-- end of the generated part -->\n"
PLUGINS = {"adapter": "Options of adapters", "backbone": "Options of backbones", "dataset": "Options of datasets"}


def table(heading: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """One table of keys as Markdown."""
    lines = [f"\n### {heading}\n", "| key | type | default | range | meaning |", "|---|---|---|---|---|"]
    for row in rows:
        default = "required" if row.get("required") else code(row["default"])
        cells = (f"`{row['key']}`", row["type"], default, row["range"], row["doc"])
        lines.append("| " + " | ".join(re.sub(r"([|<])", r"\\\1", cell) for cell in cells) + " |")
    return "\n".join([*lines, ""])


def code(default: Any) -> str:
    """A default as a sweep file writes it."""
    return "not set" if default in (None, "", (), {}) else f"`{json.dumps(default, ensure_ascii=False)}`"


def generated() -> str:
    """The generated part of the page: every key of a sweep file, then the options of the plugins that dabench brings."""
    registry = Registry(entry_points=False)
    parts = [table(f"`{heading}`" if heading[0] == "[" else "Top level", rows) for heading, rows in all_keys().items()]
    for kind, heading in PLUGINS.items():
        parts.append(f"\n## {heading}\n")
        for name, rows in plugin_keys(registry, kind).items():
            shown = f'"{name[:-1]}NAME"' if name.endswith("/*") else name
            parts.append(table(f"`[dataset.{shown}]`" if kind == "dataset" else f"`[{shown}]`", rows))
    return "".join(parts) + "\n"


def written(page: str) -> str:
    """The page with its generated part made anew."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + generated() + END + rest.split(END)[1]


def test_the_page_lists_every_key_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "docs/sweep-file.md differs from the settings: run python tests/test_sweep_reference.py"


def test_every_key_says_what_it_means() -> None:
    rows = [row for rows in all_keys().values() for row in rows]
    rows += [row for kind in PLUGINS for rows in plugin_keys(Registry(entry_points=False), kind).values() for row in rows]
    assert len(rows) > 60
    assert [row["key"] for row in rows if not row["doc"] or "unknown" in row["type"]] == []


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
