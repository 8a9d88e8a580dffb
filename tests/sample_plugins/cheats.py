"""Adapters that search their process for the target's labels, which they know by their checksum alone.

A find is a sequence of the right length whose checksum is that of the labels: in any Python object that the garbage
collector knows or that is reachable from the view, the target, the trainer or the callers' variables, or in any file that
the process has open or mapped.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dabench import Adapter, Network, Target, Trainer, View, setting


def checksum(labels: Iterable[int]) -> str:
    """Return what identifies a sequence of labels without holding it."""
    return hashlib.sha256(json.dumps([int(v) for v in labels]).encode()).hexdigest()


class SearchConfig:
    """Looks for label sequences, given as (length, checksum)."""

    def __init__(self, wanted: dict[str, tuple[int, str]]) -> None:
        self.wanted = wanted
        self.lengths = {n for n, _ in wanted.values()}
        self.found: set[str] = set()
        self.looked_at = 0

    def everywhere(self, *handed: Any) -> list[str]:
        """Return what was found: "train in memory", "test in an open file", ..."""
        self._files()
        frame: Any = sys._getframe(1)
        held: list[Any] = list(handed)
        while frame is not None:
            held.append(dict(frame.f_locals))
            frame = frame.f_back
        self._objects([*held, *gc.get_objects()])
        return sorted(self.found)

    def _objects(self, stack: list[Any]) -> None:
        seen = {id(self), id(self.wanted), id(stack)}
        while stack:
            thing = stack.pop()
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            self.looked_at += 1
            self._look(thing)
            stack.extend(gc.get_referents(thing))

    def _look(self, thing: Any) -> None:
        import mmap

        import numpy as np
        import torch

        kind = type(thing)
        if kind in (list, tuple):
            if len(thing) in self.lengths and all(type(v) is int for v in thing):
                self._try(thing, "in memory")
        elif issubclass(kind, np.ndarray):
            if thing.size in self.lengths and thing.dtype.kind in "iu":
                self._try(thing.ravel().tolist(), "in memory")
        elif issubclass(kind, torch.Tensor):
            if thing.numel() in self.lengths and not thing.is_floating_point():
                self._try(thing.flatten().tolist(), "in memory")
        elif kind in (bytes, bytearray, mmap.mmap):
            self._bytes(thing, "in memory")
        elif kind is str and len(thing) > min(self.lengths) and "[" in thing:
            for row in re.findall(r"\[([\d,\s]+)\]", thing):
                self._try([int(v) for v in re.findall(r"\d+", row)], "in memory")

    def _bytes(self, thing: Any, where: str) -> None:
        import numpy as np

        for n in self.lengths:  # as the end of a .npy file, or as it is
            if 8 * n <= len(thing) <= 8 * n + 256:
                self._try(np.frombuffer(thing[len(thing) - 8 * n :], dtype=np.int64).tolist(), where)

    def _files(self) -> None:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        paths = {line.split(maxsplit=5)[5] for line in maps if "/" in line}
        for link in Path("/proc/self/fd").iterdir():
            try:
                paths.add(str(link.readlink()))
            except OSError:
                continue  # the listing's own
        for path in paths:
            try:
                if Path(path).is_file() and Path(path).stat().st_size < 100_000:
                    self._bytes(Path(path).read_bytes(), "in an open file")
            except OSError:
                continue

    def _try(self, values: Sequence[int], where: str) -> None:
        for what, (n, expected) in self.wanted.items():
            if len(values) == n and checksum(values) == expected:
                self.found.add(f"{what} {where}")


class Cheat(Adapter):
    """Searches, and writes down what it found and what it was granted."""

    @dataclass(frozen=True)
    class Options:
        """What to look for, and where to write what was found."""

        report: str = setting("", "folder for what was found")
        train: str = setting("", "checksum of the target's training labels")
        test: str = setting("", "checksum of the target's test labels")
        n_train: int = setting(0, "their number")
        n_test: int = setting(0, "their number")
        opened: str = setting("", "a file that a careless method opens")

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Search, and return the network as it was."""
        import numpy as np

        o = self.options
        careless = np.load(o.opened, mmap_mode="r") if o.opened else None
        search = SearchConfig({"train": (o.n_train, o.train), "test": (o.n_test, o.test)})
        found = search.everywhere(net, sources, target, trainer, careless, self)
        facts = {"found": found, "looked_at": search.looked_at, "granted": granted(target)}
        (Path(o.report) / f"{self.name}.json").write_text(json.dumps(facts), encoding="utf-8")
        return net


def granted(target: Target) -> dict[str, Any]:
    """Return what a target grants, as plain values."""

    def plain(view: View | None) -> Any:
        return view and {
            "images": hashlib.sha256(view.images.cpu().numpy().tobytes()).hexdigest(),
            "labels": None if view.labels is None else view.labels.tolist(),
            "groups": None if view.groups is None else view.groups.tolist(),
        }

    return {"unlabelled": plain(target.unlabelled), "shots": plain(target.shots)}


class CheatNone(Cheat):
    """May see nothing."""

    name = "cheat-none"
    access = "none"


class CheatUnlabelled(Cheat):
    """May see images."""

    name = "cheat-unlabelled"
    access = "unlabelled"


class CheatFewShot(Cheat):
    """May see a few labels."""

    name = "cheat-few-shot"
    access = "few-shot"


class CheatFull(Cheat):
    """May see every training label: the search must find these, else it proves nothing."""

    name = "cheat-full"
    access = "full"


class Careless(Cheat):
    """May see nothing, and opens the file of the test labels: the search must find these, else it proves nothing."""

    name = "careless"
    access = "none"
