"""No adaptation: the classifier as its sources trained it. Every gain is measured against it."""

from __future__ import annotations

from dabench import Adapter


class Unadapted(Adapter):
    """Keeps both defaults: plain supervised training on the sources, and nothing done with the target."""

    name = "none"
    title = "no adaptation (source only)"
    access = "none"
