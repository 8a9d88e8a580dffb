"""The colours of the page: one hue whose lightness says how much, and lines that can be told apart without seeing colours."""

from __future__ import annotations

import math
from collections.abc import Iterator

SHADES = 51
"""Steps of the scale from 0 to 100 %."""
_HUE = math.radians(255)
_LIGHT = ((0.975, 0.006), (0.36, 0.115))
_DARK = ((0.24, 0.02), (0.88, 0.085))

LINES = 8
"""Lines that are drawn apart."""
DASHES = ("solid", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))
"""Dash patterns as matplotlib wants them; with a colour each of LINES lines has its own pair."""


def shade(value: float) -> int:
    """Return the step of the scale of a value in %."""
    return round(min(100.0, max(0.0, value)) / 100 * (SHADES - 1))


def scale_rules(dark: bool) -> str:
    """Return the CSS rules of the scale: .v0 to .v50, each with a colour of text that can be read on it."""
    colours = list(scale(dark))
    rules = [f".v{i}{{background:{c};color:{text_on(c)}}}" for i, c in enumerate(colours)]
    ramp = ",".join(colours[:: (SHADES - 1) // 10])
    return "".join([*rules, f".ramp{{background:linear-gradient(90deg,{ramp})}}"])


def scale(dark: bool) -> Iterator[str]:
    """Yield the colours of the scale, evenly spaced in perceived lightness (OKLab), away from the page's ground."""
    (l0, c0), (l1, c1) = _DARK if dark else _LIGHT
    for i in range(SHADES):
        at = i / (SHADES - 1)
        yield _hex(l0 + at * (l1 - l0), c0 + at * (c1 - c0), _HUE)


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """Return OKLCH as sRGB (Ottosson, A perceptual color space for image processing, 2020)."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    x = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    y = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    z = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
        -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
        -0.0041960863 * x - 0.7034186147 * y + 1.7076147010 * z,
    )
    return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, v)))):02x}" for v in linear)


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def text_on(colour: str) -> str:
    """Return black or white, whichever has more contrast on a colour: at least 4.58 on any."""
    return max(("#000", "#fff"), key=lambda text: contrast(text, colour))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    a, b = sorted((_luminance(one), _luminance(other)))
    return (b + 0.05) / (a + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * d for d in digits)
    red, green, blue = (_linear(int(digits[i : i + 2], 16) / 255) for i in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
