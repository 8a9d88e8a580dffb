"""What the build of the documentation site adds to mkdocs (see mkdocs.yml).

- Pages that lie outside docs/ (README, CONTRIBUTING, CHANGELOG, measured tables) become pages of the site.
- Other files of the repository that a page links to become pages that show their text.
- The catalogues are written from the plugins (docs/catalogue.py).
- Links and Markdown that GitHub takes are written as mkdocs takes them. The files in docs/ stay as they are.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import catalogue

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"(^```.*?^```[^\n]*$)", flags=re.S | re.M)
ITEM = re.compile(r"([-*]|\d+\.) ")
LANGUAGES = {".py": "python", ".toml": "toml"}


def outside() -> dict[str, str]:
    """Return the pages that lie outside docs/: path in the repository -> path on the site."""
    found = {"README.md": "overview.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    return found | {f"baselines/{page.name}": f"baselines/{page.name}" for page in sorted((ROOT / "baselines").glob("*.md"))}


def texts() -> dict[str, str]:
    """Return all pages with links to follow: path in the repository, or where it would lie -> Markdown."""
    files = [*(ROOT / page for page in outside()), *sorted((ROOT / "docs").rglob("*.md"))]
    found = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}
    return found | {f"docs/{path}": text for path, text in catalogue.pages().items()}


def linked(text: str, source: str) -> Iterator[str]:
    """Yield the paths in the repository that the links of a page lead to."""
    for part in CODE.split(text)[::2]:
        for link in LINK.findall(part):
            if "://" not in link and not link.startswith(("#", "mailto:")):
                yield posixpath.normpath(posixpath.join(posixpath.dirname(source), link.partition("#")[0]))


def shown_files(found: Mapping[str, str]) -> dict[str, str]:
    """Return the files that are no pages but are linked to: path in the repository -> path of the page that shows it."""
    paths = {path for source, text in found.items() for path in linked(text, source)}
    rest = sorted(path for path in paths if path not in found and not path.startswith("docs/") and (ROOT / path).is_file())
    return {path: f"files/{path}.md" for path in rest}


def page_of(path: str) -> str:
    """Return the page that shows a file of the repository, as Markdown."""
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"# {path}\n\n~~~~~~{language}\n{(ROOT / path).read_text(encoding='utf-8')}~~~~~~\n"


def for_site(text: str, source: str, places: Mapping[str, str]) -> str:
    """Return a page with its links and lists as mkdocs takes them; `places` maps paths in the repository to those on the site."""
    here = posixpath.dirname(places[source])

    def moved(match: re.Match[str]) -> str:
        path, mark, anchor = match[1].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not path or target not in places:
            return match[0]
        return f"]({posixpath.relpath(places[target], here or '.')}{mark}{anchor})"

    parts = CODE.split(text)
    parts[::2] = [spaced(LINK.sub(moved, re.sub(r"<!--.*?-->", "", part, flags=re.S))) for part in parts[::2]]
    return "".join(parts)


def spaced(text: str) -> str:
    """Return Markdown with an empty line before each list and table, which GitHub does not need."""
    lines: list[str] = []
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        list_begins = ITEM.match(line) and before.strip() and not ITEM.match(before) and not before.startswith(" ")
        table_begins = line.startswith("|") and before.strip() and not before.startswith("|")
        lines += ["", line] if list_begins or table_begins else [line]
    return "\n".join(lines)


_places: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as GitHub does, so that one link works in both places."""
    from pymdownx.slugs import slugify

    toc: Any = config.mdx_configs.setdefault("toc", {})
    toc["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    from mkdocs.structure.files import File

    found = texts()
    shown = shown_files(found)
    _places.clear()
    _places.update({path: path.removeprefix("docs/") for path in found if path.startswith("docs/")} | outside() | shown)
    for path in (ROOT / "docs" / "pictures").iterdir():
        _places[f"docs/pictures/{path.name}"] = f"pictures/{path.name}"
    added = {outside()[path]: found[path] for path in outside()} | {shown[path]: page_of(path) for path in shown}
    added |= catalogue.pages()
    for uri, text in added.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the links and lists of a page as mkdocs takes them."""
    source = next(path for path, uri in _places.items() if uri == page.file.src_uri)
    return markdown if page.file.src_uri.startswith("files/") else for_site(markdown, source, _places)
