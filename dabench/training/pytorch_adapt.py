"""Late imports of libraries that are slow or noisy to import."""

from __future__ import annotations

import warnings
from types import ModuleType


def pytorch_adapt_layers() -> ModuleType:
    """Return pytorch_adapt.layers. Its import takes seconds and prints a warning about pkg_resources from torchmetrics 0.9.3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_adapt import layers
    return layers  # type: ignore[no-any-return]
