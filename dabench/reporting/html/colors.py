"""Define the colours of the page: one hue with varying lightness, and lines distinguishable without colour vision."""

from __future__ import annotations

from collections.abc import Iterator

SHADES = 51
"""Steps of the scale from 0 to 100 %."""

_LIGHT = ((0.975, 0.006), (0.36, 0.115))

_DARK = ((0.24, 0.02), (0.88, 0.085))
"""Lightness and chroma (OKLCH) at 0 % and at 100 %; 0 % is nearest to the background."""

LINES = 8
"""Most datasets with a line style of their own."""

DASHES = ("solid", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))
"""Dash patterns in matplotlib's form; colour and dashes together are unique for LINES lines."""


def shade(value: float) -> int:
    """Return the step of the scale of a value in %."""
    return round(min(100.0, max(0.0, value)) / 100 * (SHADES - 1))


def scale_rules(dark: bool) -> str:
    """Return the CSS rules of the scale, .v0 to .v50, each with a legible text colour."""
    scale = list(scale_of(dark))
    rules = [f".v{i}{{background:{colour};color:{text}}}" for i, (colour, text) in enumerate(scale)]
    return "".join([*rules, f".ramp{{background:linear-gradient(90deg in oklab,{scale[0][0]},{scale[-1][0]})}}"])


def scale_of(dark: bool) -> Iterator[tuple[str, str]]:
    """Yield the colours of the scale, evenly spaced in perceived lightness, each with black or white as text colour."""
    (l0, c0), (l1, c1) = _DARK if dark else _LIGHT
    for at in (i / (SHADES - 1) for i in range(SHADES)):
        lightness, chroma = l0 + at * (l1 - l0), c0 + at * (c1 - c0)
        yield f"oklch({lightness:.4f} {chroma:.4f} 255)", "#000" if lightness > 0.565 else "#fff"
