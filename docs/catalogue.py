"""Write the catalogues of the documentation site from the facts of the plugins: `python docs/catalogue.py FOLDER`.

The site's build calls `pages()` (docs/site_hooks.py), so that no list of methods, datasets or backbones is kept by hand.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.api import listing
from dabench.plugins.options import describe
from dabench.plugins.registry import Registry
from dabench.storage.schema import SETTINGS

ROOT = Path(__file__).parents[1]
FOLDER = "catalogue"


def pages(registry: Registry | None = None) -> dict[str, str]:
    """Return each page of the catalogues: path in docs/ -> Markdown."""
    registry = registry or Registry(entry_points=False)
    found = {"methods": methods(registry), "datasets": datasets(registry), "backbones": backbones(registry)}
    found |= {"sweeps": sweeps(), "tables": tables()}
    return {f"{FOLDER}/{name}.md": text for name, text in found.items()}


def methods(registry: Registry) -> str:
    """Return the page of all adapters, under what they may use."""
    facts = {row["name"]: row for row in listing()["adapters"] if row["name"] in {e.name for e in registry.entries("adapter")}}
    text = (
        "# Catalogue of methods\n\nAll adapters of dabench, in the order of the tables. A name leads to "
        "[Methods](../methods.md), which says how the method works and when it fails. `dabench show adapter NAME` "
        "prints the options.\n"
    )
    for setting in SETTINGS:
        rows = sorted((r for r in facts.values() if r["setting"] == setting), key=lambda r: (r["family"], r["name"]))
        if not rows:
            continue
        cells = [
            (
                f"[`{r['name']}`](../methods.md#{r['name']})",
                _text(r["title"]),
                r["family"],
                r["access"],
                r["target_images"],
                _uses(r),
            )
            for r in rows
        ]
        headings = ("method", "what it does", "family", "access", "target images", "sources while adapting")
        text += f"\n## {setting.capitalize()}\n\n{_table(headings, cells)}"
    cited = [(e.name, e.plugin.citation) for e in registry.entries("adapter") if e.plugin is not None and e.plugin.citation]
    return text + "\n## Citations\n" + "".join(f"\n{_bibtex(citation, name)}" for name, citation in cited)


def _uses(row: Mapping[str, Any]) -> str:
    return {True: "yes", False: "no", None: "does not adapt"}[row["sources_while_adapting"]]


def datasets(registry: Registry) -> str:
    """Return the page of all datasets, with license and where to get the files."""
    plugins: list[Any] = [e.make() for e in registry.entries("dataset")]
    text = (
        "# Catalogue of datasets\n\nAll datasets that dabench reads. [Datasets](../datasets.md) explains folders, options and "
        "your own images. dabench contains none of the files of others. The terms of each dataset hold.\n\n"
    )
    rows = [(f"[`{p.name}`](#{_anchor(p.name)})", _text(p.title), len(p.classes) or "yours", _text(p.license)) for p in plugins]
    text += _table(("dataset", "images", "classes", "license"), rows)
    return text + "".join(f"\n{_dataset(p)}" for p in plugins)


def _dataset(plugin: Any) -> str:
    fetched = [f"`{file.name}`" for file in plugin.files]
    facts = {
        "Images": _text(plugin.title),
        "Short name": "" if plugin.variants else f"`{plugin.short_name}`",
        "Domains": ", ".join(f"`{plugin.name.removesuffix('*')}{variant}`" for variant in plugin.variants),
        "Classes": _classes(plugin.classes),
        "Numbers of images": ", ".join(f"{split} {n:,}" for split, n in plugin.counts.items()),
        "License": _text(plugin.license),
        "Page": f"<{plugin.homepage}>" if plugin.homepage else "",
        "Files": _text(plugin.download_instructions),
        "Downloaded by `dabench prepare`": ", ".join(fetched),
        "Options": _options(plugin),
    }
    shown = f"## `{plugin.name}`\n\n{_list(facts)}"
    return shown + (f"\n{_bibtex(plugin.citation, 'Citation')}" if plugin.citation else "")


def _classes(classes: Sequence[str]) -> str:
    if len(classes) > 12:
        return f"{len(classes)}: {', '.join(classes[:10])}, ..."
    return f"{len(classes)}: {', '.join(classes)}" if classes else "those of your folders"


def backbones(registry: Registry) -> str:
    """Return the page of all backbones."""
    plugins = [e.make() for e in registry.entries("backbone")]
    text = "# Catalogue of backbones\n\nAll backbones of dabench. `dabench show backbone NAME` prints the number of parameters.\n"
    for p in plugins:
        facts = {"Network": _text(p.title), "Short name": f"`{p.short_name}`", "Options": _options(p)}
        text += f"\n## `{p.name}`\n\n{_list(facts)}\n{_bibtex(p.citation, 'Citation')}"
    return text


def sweeps() -> str:
    """Return the page of the sweeps that come with dabench."""
    rows = [(f"[`{r['name']}`](../../sweeps/{r['name']}.toml)", r["title"]) for r in listing()["sweeps"]]
    return (
        "# Catalogue of sweeps\n\nThe sweeps that come with dabench. `dabench sweep NAME --plan` says what one would run; the "
        f"head of each file says what it is for and what it costs.\n\n{_table(('sweep', 'title'), rows)}"
    )


def tables() -> str:
    """Return the page of the committed tables, measured and published."""
    measured, published = [], []
    for row in listing()["baselines"]:
        page = ROOT / "baselines" / f"{row['name']}.md"
        if page.is_file():
            measured.append((f"[`{row['name']}`](../../baselines/{page.name})", row["title"]))
        else:
            facts = tomllib.loads((ROOT / "baselines" / f"{row['name']}.toml").read_text(encoding="utf-8"))
            published.append(
                (f"[`{row['name']}`](../../baselines/{row['name']}.toml)", _text(row["title"]), _text(facts["source"]))
            )
    return (
        "# Committed tables\n\nThe tables that come with dabench. `dabench baseline NAME` prints one, `dabench compare RUNS "
        "NAME` compares your results with it.\n\n## Measured\n\nComputed from stored predictions. [Results](../results.md) "
        f"explains them.\n\n{_table(('table', 'title'), measured)}\n## Published\n\nCopied from their sources; not measured by "
        f"dabench. [Published tables](../published.md) explains them.\n\n{_table(('table', 'title', 'source'), published)}"
    )


# Markdown


def _options(plugin: Any) -> str:
    rows = [
        (o["key"], "not set" if o["default"] in ("", (), None) else o["default"], o["doc"])
        for o in describe(type(plugin).Options)
    ]
    return "; ".join(f"`{key}` ({default}): {_text(doc)}" for key, default, doc in rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    return _line(str(value)).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _text(text: str) -> str:
    """Return a text of a plugin as Markdown that shows it as it is, with its addresses as links."""
    parts = re.split(r"(https?://[^\s,;()]*[^\s,;().])", text)
    parts[::2] = [re.sub(r"([\\`*_\[\]])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    parts[1::2] = [f"<{part}>" for part in parts[1::2]]
    return _line("".join(parts))


def _list(facts: Mapping[str, str]) -> str:
    return "".join(f"- {key}: {_line(value)}\n" for key, value in facts.items() if value)


def _bibtex(text: str, title: str) -> str:
    """Return BibTeX that is folded until a reader opens it."""
    lines = ["```bibtex", *text.strip().splitlines(), "```"]
    return f'??? quote "{title}"\n\n' + "".join(f"    {line}\n" if line else "\n" for line in lines)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python docs/catalogue.py FOLDER")
    for path, markdown in pages().items():
        target = Path(sys.argv[1]) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(markdown, encoding="utf-8")
