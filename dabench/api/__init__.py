"""What the commands do, as functions with the same words, for scripts and notebooks."""

from dabench.api.asking import human
from dabench.api.citing import citations, cite
from dabench.api.comparing import compare
from dabench.api.datasets import audit, drop, names_sweep, prepare, prepare_sweep
from dabench.api.plugins import check, listing, load_plugins, new, register, show
from dabench.api.reporting import export, load, report, report_place, trials
from dabench.api.sweeping import Planned, SweepRequest, plan_sweep, run_sweep, sweep
from dabench.api.watching import status

__all__ = [
    "Planned",
    "SweepRequest",
    "audit",
    "check",
    "citations",
    "cite",
    "compare",
    "drop",
    "export",
    "human",
    "listing",
    "load",
    "load_plugins",
    "names_sweep",
    "new",
    "plan_sweep",
    "prepare",
    "prepare_sweep",
    "register",
    "report",
    "report_place",
    "run_sweep",
    "show",
    "status",
    "sweep",
    "trials",
]
