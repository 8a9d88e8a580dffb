"""Adapters that say things while they run, in every way that a process can."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from dabench import Adapter, Network, Target, Trainer, View


class Talks(Adapter):
    """Speaks through Python, its warnings, a file descriptor, C and a child process."""

    name = "talks"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Say which target it is, five times."""
        import ctypes

        print(f"printed for {target.name}")
        print(f"an error for {target.name}", file=sys.stderr)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("a warning", UserWarning, stacklevel=1)
        os.write(2, f"written for {target.name}\n".encode())
        ctypes.CDLL(None).printf(f"from C for {target.name}\n".encode())
        os.system(f"echo from a child for {target.name}")
        return net


class TalksAndFails(Adapter):
    """Speaks, and then has a bug."""

    name = "talks-and-fails"

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Say what it was about to do."""
        print("about to divide")
        raise ZeroDivisionError("no luck")
