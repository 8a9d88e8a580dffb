"""Source-only training without adaptation. Every gain is measured against it."""

from __future__ import annotations

from dabench import Adapter


class Unadapted(Adapter):
    """Supervised training on the sources only; the target is not used. Both methods are the defaults of Adapter."""

    name = "none"
    title = "no adaptation (source only)"
    access = "none"
    family = "baseline"
