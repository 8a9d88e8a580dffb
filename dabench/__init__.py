"""Domain-adaptation benchmark: the train x test cross matrix of your datasets, and what each adapter wins back.

What the commands do are functions with the same words: `dabench.sweep("quick")`, `dabench.report("runs/quick")`. Importing
dabench loads neither torch nor ray.
"""

from __future__ import annotations

from dabench.protocols import FACES, Access, Adapter, Augment, Backbone, Dataset, Samples
from dabench.typed import setting

__version__ = "0.1.0"

__all__ = ["FACES", "Access", "Adapter", "Augment", "Backbone", "Dataset", "Samples", "__version__", "setting"]
