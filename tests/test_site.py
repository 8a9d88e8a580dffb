"""The documentation site has every page, plugin and public name, and builds without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

import dabench
from dabench.plugins import contract
from dabench.plugins.registry import Registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))
catalogue, hooks = import_module("catalogue"), import_module("site_hooks")

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = catalogue.pages()
PLUGINS = [(kind, e.name) for kind in ("dataset", "backbone", "adapter") for e in Registry(entry_points=False).entries(kind)]


def named(nav: Any) -> list[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in named(part)]


# Navigation


def test_the_navigation_names_every_page_of_docs_once() -> None:
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    found = [page for page in named(CONFIG["nav"]) if page not in PAGES and page not in hooks.outside().values()]
    assert sorted(found) == sorted(pages), "name each page of docs/ once under nav of mkdocs.yml"


def test_the_navigation_names_every_catalogue() -> None:
    assert set(PAGES) <= set(named(CONFIG["nav"]))


# Catalogues


def section(kind: str) -> str:
    return str(PAGES[f"catalogue/{'method' if kind == 'adapter' else kind}s.md"])


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_a_catalogue_names_each_plugin(kind: str, name: str) -> None:
    assert re.search(rf"^## `{re.escape(name)}`$|^\| \[`{re.escape(name)}`\]", section(kind), flags=re.M)


def test_the_catalogue_of_methods_says_what_each_may_see() -> None:
    row = next(line for line in section("adapter").splitlines() if line.startswith("| [`dann`]"))
    assert [cell.strip() for cell in row.strip("|").split("|")][2:] == ["alignment", "unlabelled", "train", "yes"]


@pytest.mark.parametrize("name", [name for kind, name in PLUGINS if kind == "dataset"])
def test_the_catalogue_of_datasets_says_license_and_where_the_files_are(name: str) -> None:
    plugin = Registry(entry_points=False).make("dataset", name)
    text = section("dataset").split(f"\n## `{name}`\n")[1].split("\n## ")[0]
    assert f"- License: {catalogue._text(plugin.license)}\n" in text
    assert catalogue._text(plugin.download_instructions) in text


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("<class>/a_b_c.mp4", "&lt;class>/a\\_b\\_c.mp4"),
        ("get it from https://a.org/b_c, or not", "get it from <https://a.org/b_c>, or not"),
        ("one\n  two", "one two"),
    ],
)
def test_a_text_of_a_plugin_is_shown_as_it_is(text: str, markdown: str) -> None:
    assert catalogue._text(text) == markdown


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_a_catalogue_has_the_citation_of_each_plugin(kind: str, name: str) -> None:
    citation = Registry(entry_points=False).make(kind, name).citation.strip()
    assert all(line.strip() in section(kind) for line in citation.splitlines())


def test_the_script_writes_the_catalogues(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(DOCS / "catalogue.py"), str(tmp_path)], check=True)
    assert (tmp_path / "catalogue" / "methods.md").read_text(encoding="utf-8") == section("adapter")


# Links and lists


PLACES = {"README.md": "overview.md", "docs/a/page.md": "a/page.md", "docs/other.md": "other.md"}


def test_a_link_out_of_docs_leads_to_its_page_on_the_site() -> None:
    assert hooks.for_site("[x](../../README.md#install)", "docs/a/page.md", PLACES) == "[x](../overview.md#install)"


def test_a_link_of_the_readme_leads_to_the_page_on_the_site() -> None:
    assert hooks.for_site("[x](docs/a/page.md)", "README.md", PLACES) == "[x](a/page.md)"


def test_a_broken_link_stays_so_that_the_build_reports_it() -> None:
    assert hooks.for_site("[x](../gone.md)", "docs/other.md", PLACES) == "[x](../gone.md)"


def test_code_is_left_as_it_is() -> None:
    text = "```python\nrows[0](README.md)\n- x\n```"
    assert hooks.for_site(text, "README.md", PLACES) == text


@pytest.mark.parametrize("text", ["words\n- a\n- b", "words\n| a |\n|---|"])
def test_a_list_or_table_begins_after_an_empty_line(text: str) -> None:
    assert hooks.spaced(text) == text.replace("words\n", "words\n\n")


def test_a_linked_file_that_is_no_page_is_shown() -> None:
    assert hooks.shown_files({"docs/other.md": "[x](../adapters/mcd.py)"}) == {"adapters/mcd.py": "files/adapters/mcd.py.md"}


# The API


def test_the_pages_of_the_api_have_every_public_name() -> None:
    shown = re.findall(r"^::: dabench\.(\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), flags=re.M)
    public = {*dabench.__all__} - {*contract.__all__, "__version__"}
    assert sorted(shown) == sorted(public), "docs/api.md has one line '::: dabench.NAME' for each public function"


# The site


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    missing = [name for name in ("mkdocs", "material", "mkdocstrings") if not find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = {page.relative_to(tmp_path).as_posix(): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")}
    assert {page.removesuffix("md") + "html" for page in named(CONFIG["nav"])} <= set(pages)
    loaded = r'<(?:script|img|iframe)[^>]+src="?(?:https?:)?//[^>]+|<link[^>]+stylesheet[^>]+href="?(?:https?:)?//[^>]+'
    assert {name: found for name, text in pages.items() if (found := re.findall(loaded, text))} == {}
