"""Convert matplotlib figures to SVG elements with the fonts, ids and light or dark colours of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from dabench.reporting.html.colors import LINES
from dabench.reporting.html.text import clean

# matplotlib has no CSS: it draws in placeholder colours, which are replaced by CSS variables of the page.
INK, MUTED, RULE, ACCENT, GROUND = "#010101", "#020202", "#030303", "#040404", "#050505"

LINE_COLOURS = tuple(f"#0a0a{i:02x}" for i in range(LINES))

_CSS = {INK: "currentColor", MUTED: "var(--muted)", RULE: "var(--rule)", ACCENT: "var(--accent)", GROUND: "var(--ground)"}

_CSS |= {colour: f"var(--line{i})" for i, colour in enumerate(LINE_COLOURS)}

_POINTS = 72 / 96
"""Points in a CSS pixel."""

_STYLE = {
    "svg.fonttype": "none", "font.size": 13 * _POINTS, "axes.labelsize": 12 * _POINTS, "axes.titlesize": 13 * _POINTS,
    "xtick.labelsize": 12 * _POINTS, "ytick.labelsize": 12 * _POINTS, "text.color": INK, "axes.labelcolor": MUTED,
    "axes.titlecolor": INK, "xtick.color": MUTED, "ytick.color": MUTED, "axes.edgecolor": RULE, "grid.color": RULE,
    "axes.facecolor": "none", "figure.facecolor": "none", "savefig.facecolor": "none", "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlelocation": "left", "axes.titleweight": "bold", "xtick.major.size": 0,
    "ytick.major.size": 0, "grid.linewidth": 0.8, "axes.unicode_minus": True, "axes.axisbelow": True,
}  # fmt: skip


def draw(name: str, title: str, text: str, width: float, height: float, fill: Callable[[Figure], None]) -> Markup:
    """Return a figure as an <svg> element; equal content gives equal text.

    Args:
        name: unique on the page; prefix of the ids in the figure.
        title: title for screen readers; text: the numbers in words.
        width, height: in CSS pixels.
        fill: draws into the figure.
    """
    out = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The fonts of the page draw the text; the font of matplotlib only measures it and may lack glyphs.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width / 96, height / 96), layout="constrained")
        fill(figure)
        figure.savefig(out, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(out.getvalue())
    _of_a_page(root, name)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-text",
        "style": f"min-width:{0.9 * width:.0f}px;max-width:{1.1 * width:.0f}px",
    }
    for i, (tag, content) in enumerate((("title", title), ("desc", text))):
        element = ElementTree.Element(tag, {"id": f"{name}-{'text' if i else 'title'}"})
        element.text = clean(content)
        root.insert(i, element)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _of_a_page(root: ElementTree.Element, name: str) -> None:
    """Make the SVG fit for inlining: no namespaces, unique ids, colours of the page."""
    for child in [*root.findall("{*}metadata"), *root.findall("{*}defs")]:
        if child.tag.endswith("metadata") or child.find("{*}style") is not None:
            root.remove(child)
    used = {v[1:] for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        old = {k.rpartition("}")[2]: v for k, v in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({k: v for k, v in ((k, _value(k, v, name)) for k, v in old.items()) if v})
        if old.get("id") not in used and element.tag != "clipPath":
            element.attrib.pop("id", None)
        element.tail = None
        element.text = element.text if element.tag in ("text", "tspan") else None
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("class", "plot")


def _value(key: str, value: str, name: str) -> str:
    """Return the value of an attribute for the page; "" removes it."""
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value[1:]}"
    if key == "transform" and value.startswith("rotate(-0 "):
        return ""
    if key == "style":
        value = re.sub(r"font-family:[^;]*;?\s*", "", value)
        value = re.sub(r"#0[0-9a-f]{5}", lambda m: _CSS.get(m[0], m[0]), value)
    value = re.sub(r"url\(#", f"url(#{name}-", value)
    # Two decimals of a point are finer than any screen.
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), " ".join(value.split()))
