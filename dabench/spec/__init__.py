"""A sweep file as a frozen value (sweep), read from TOML (file, tables), and the plugins that it names (plugins)."""

from dabench.spec.alone import make_alone
from dabench.spec.file import SweepFile, line_of, read_sweep, table_sweep, toml_value
from dabench.spec.paths import PATHS, absolute
from dabench.spec.plugins import make_adapter, make_backbone, make_dataset
from dabench.spec.sweep import Sweep
from dabench.spec.tables import sweep_from

__all__ = [
    "PATHS", "Sweep", "SweepFile", "absolute", "line_of", "make_adapter", "make_alone", "make_backbone", "make_dataset",
    "read_sweep", "sweep_from", "table_sweep", "toml_value",
]  # fmt: skip
