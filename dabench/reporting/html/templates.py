"""Read the templates, scripts and style sheets of the pages."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from dabench.reporting.html.text import breaks, clean, numeric, typeset

_FOLDER = Path(__file__).parent


def resource(file: str) -> str:
    """Return a file of this folder."""
    return (_FOLDER / file).read_text(encoding="utf-8")


def script(file: str) -> tuple[Markup, str]:
    """Return a script and its hash, by which the content security policy of a page allows it alone."""
    found = Markup(resource(file))
    return found, base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()


@cache
def template(file: str) -> Template:
    """Return a template. It escapes all values and removes characters that HTML forbids."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=clean,
    )  # fmt: skip
    environment.filters |= {"numeric": numeric, "typeset": typeset, "breaks": breaks}
    return environment.get_template(file)
