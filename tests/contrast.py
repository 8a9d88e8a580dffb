"""The contrast of two CSS colours (WCAG 2)."""

from __future__ import annotations

import math
import re


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    a, b = sorted((luminance(one), luminance(other)))
    return (b + 0.05) / (a + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of "#abc", "#aabbcc", "rgb(...)" or "oklch(...)"."""
    if colour.startswith("oklch"):
        lightness, chroma, hue = (float(n) for n in re.findall(r"[\d.]+", colour)[:3])
        return _of_oklch(lightness, chroma, math.radians(hue))
    if colour.startswith("#"):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
        values = [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    else:
        values = [int(n) for n in re.findall(r"\d+", colour)[:3]]
    return _of_linear(*(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (n / 255 for n in values)))


def _of_linear(red: float, green: float, blue: float) -> float:
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _of_oklch(lightness: float, chroma: float, hue: float) -> float:
    """Convert by Ottosson, A perceptual color space for image processing, 2020; what sRGB cannot show is cut off."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    x = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    y = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    z = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
        -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
        -0.0041960863 * x - 0.7034186147 * y + 1.7076147010 * z,
    )
    return _of_linear(*(min(1.0, max(0.0, value)) for value in linear))
