"""The store (results folder) of a sweep, which resuming, reporting and citing read.

    sweep.json           the resolved sweep
    sweep.toml           the sweep file as given
    datasets/NAME/       test labels, groups, attributes and the record of each dataset, for reports
    runs/NAME-DIGEST/    run.json, network.safetensors, logits-DATASET.npy, picture-1.npy: one folder per complete run
    failed/NAME.txt      the error of a failed run, until it succeeds
    logs/NAME.txt        the log of a run
    tensorboard/         written by `dabench sweep --tensorboard`
    events/0001.jsonl    events; the running process holds a lock on it
    report/              written by `dabench report`
    ongoing/             files of a sweep in progress (dabench.storage.in_progress)

The folder of a run is written under a temporary name and then renamed. run.json is written last and holds the SHA-256 of the
other files and of itself. A run whose files do not match is not complete. sweep.json and the facts.json of a dataset also hold
their own SHA-256: if it does not match, they are not read, and the next start of the sweep rewrites them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dabench.errors import StoreError, UnwritableError
from dabench.hashing import file_digest
from dabench.storage.atomic import new_file, new_folder, remove_abandoned, write_text
from dabench.storage.in_progress import SweepLock
from dabench.storage.reader import NETWORK, SHORT, ResultsReader, file_name_of, flat, logits_name, picture_name
from dabench.storage.schema import Claim, DatasetRecord, RunRecord, SweepRecord, sealed


class RunStore(ResultsReader):
    """The store of one sweep."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.sweep_lock = SweepLock(folder)

    @property
    def runs(self) -> Path:
        """The folder of complete runs."""
        return self.folder / "runs"

    @property
    def report(self) -> Path:
        """The folder of reports."""
        return self.folder / "report"

    def names(self, folder: str) -> list[str]:
        """Return the names of the files and folders in a folder, in any order; none if the folder does not exist."""
        path = self.folder / folder
        return os.listdir(path) if path.is_dir() else []

    def open(self, name: str) -> BinaryIO:
        """Open a file; raise OSError if it does not exist."""
        return open(self._file(name), "rb")

    def array(self, name: str) -> NDArray[Any]:
        """Return the array in a file, memory-mapped; raise OSError or ValueError if there is none."""
        return np.load(self._file(name), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file; raise OSError if it does not exist."""
        return file_digest(self._file(name))

    def _file(self, name: str) -> Path:
        """Return the path of a file; raise OSError if a link leads out of its folder. runs/ itself may be a link."""
        first, *rest = name.split("/")
        path = self.folder / name
        there = os.path.join(os.path.realpath(self.folder / first if rest else self.folder), *(rest or [first]))
        if os.path.realpath(path) != there:
            raise OSError(f"{path} is a link, or leads out of its folder")
        return path

    @contextmanager
    def exclusive(self, recipe: Mapping[str, Any]) -> Iterator[None]:
        """Hold the store for the sweep with this recipe, so that no other sweep can use it; raise StoreError as `check`."""
        self.check(recipe)
        with self.sweep_lock.exclusive():
            yield

    def claim(self, record: SweepRecord, source: str) -> None:
        """Create the store of a sweep in the folder, or continue with it if it belongs to this sweep.

        Raises:
            StoreError: the folder cannot be written, or holds other files, another sweep, or this sweep with other settings.
        """
        self.check(record.recipe)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # First, because a folder with other files and without sweep.json is not taken for a store.
            self.write_record(record)
            write_text(self.folder / "sweep.toml", source)
            for name in ("runs", "datasets", "report", "failed"):
                (self.folder / name).mkdir(exist_ok=True)
            self._clear()
        except OSError as e:
            raise StoreError(f"{self.folder}: cannot be written ({e.strerror or e}); give another folder with --out") from e

    def write_record(self, record: SweepRecord) -> None:
        """Write sweep.json, replacing the old one."""
        write_text(self.folder / "sweep.json", json.dumps(sealed(record), indent=1, sort_keys=True) + "\n")

    def _clear(self) -> None:
        """Remove partial files of killed processes. The caller holds the store, so no other process writes them."""
        for leftover in (*self.runs.glob(".*"), *self.folder.glob("tensorboard/.*")):
            shutil.rmtree(leftover, ignore_errors=True)
        for pattern in (".sweep.*", "failed/.*", "datasets/*/.*"):
            for leftover in self.folder.glob(pattern):
                leftover.unlink(missing_ok=True)

    def remove_abandoned(self) -> None:
        """Remove partial runs that no running process writes: a worker may outlive its node and be killed later."""
        remove_abandoned(self.runs / ".*")

    def check(self, recipe: Mapping[str, Any], *, write: bool = True) -> None:
        """Raise StoreError if the folder cannot be the store of the sweep with this recipe; change nothing.

        Args:
            write: the folder is written; False for a plan.
        """
        there = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        inside = [self.folder / name for name in ("runs", "datasets", "report", "failed")] if there == self.folder else []
        for folder in (there, *(p for p in inside if p.exists())):
            if not folder.is_dir() or (write and not os.access(folder, os.W_OK)):
                why = "" if folder == self.folder else f" ({folder} is not a writable folder)"
                raise StoreError(f"{self.folder}: cannot be written{why}; give another folder with --out")
        if (self.folder / "sweep.json").exists():
            self._same_sweep(self.claimed_for(), recipe)
        elif self.folder.exists() and any(not p.name.startswith((".sweep.", "ongoing")) for p in self.folder.iterdir()):
            raise StoreError(f"{self.folder}: is not empty and not a results folder; give another folder with --out")

    def _same_sweep(self, there: Claim, recipe: Mapping[str, Any]) -> None:
        name = there.name
        if not there.intact and recipe["name"] in (name, there.recipe.get("name")):
            return  # it is rewritten; runs with other settings have other digests and are not used
        if name != recipe["name"]:
            raise StoreError(
                f"{self.folder}: belongs to the sweep '{name}', not to '{recipe['name']}'; give another folder with --out"
            )
        old, new = flat(there.recipe), flat(dict(recipe))
        changed = [f"{k}: {old.get(k)} -> {new.get(k)}" for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
        # Settings with which no run completed (for example, all diverged) may be replaced.
        if changed and any(self.runs.glob("[!.]*")):
            raise StoreError(
                f"{self.folder}: holds the sweep '{name}' with other settings ({'; '.join(changed)}); "
                f"give another folder, for example --out {self.folder}-2"
            )

    def add_dataset(self, facts: DatasetRecord, test: Mapping[str, NDArray[Any] | None]) -> None:
        """Write the data of a dataset for reports: its record, and the arrays of its test split ("labels", "groups", ...)."""
        folder = self.folder / "datasets" / file_name_of(facts.name)
        try:
            folder.mkdir(exist_ok=True)
            for part, values in test.items():
                if values is not None:
                    with new_file(folder / f"{part}.npy") as path:
                        _write_array(path, np.ascontiguousarray(values))
            files = {p.name: file_digest(p) for p in sorted(folder.glob("[!.]*.npy"))}
            write_text(folder / "facts.json", json.dumps(sealed(replace(facts, files=files)), indent=1, sort_keys=True) + "\n")
        except OSError as e:
            raise _unwritable(folder, e) from e

    def add(
        self,
        facts: RunRecord,
        logits: Mapping[str, NDArray[np.float32]],
        save_network: Callable[[Path], None],
        pictures: Mapping[str, NDArray[np.uint8]] | None = None,
    ) -> None:
        """Write a complete run.

        Args:
            facts: its record without `files` and `pictures`.
            logits: dataset -> (checkpoints, N, K) float32.
            save_network: writes the network to the path it is given.
            pictures: heading -> the images that its method showed, (rows, N, C, h, w) uint8.

        Raises:
            UnwritableError: the run cannot be written; no partial files are left.
        """
        name, digest, shown = facts.name, facts.digest, pictures or {}
        folder = self.runs / f"{name}-{digest[:10]}"

        def whole() -> bool:  # the worker of a killed sweep may have written it
            return self.find(digest, facts.tests, among={digest[:SHORT]: [f"runs/{folder.name}"]}) is not None

        try:
            with new_folder(folder, whole) as hidden:
                save_network(hidden / NETWORK)
                for dataset, values in logits.items():
                    _write_array(hidden / logits_name(dataset), values)
                for number, images in enumerate(shown.values(), 1):
                    _write_array(hidden / picture_name(number), images)
                files = {p.name: file_digest(p) for p in sorted(hidden.iterdir())}
                record = sealed(replace(facts, files=files, pictures=tuple(shown)))
                write_text(hidden / "run.json", json.dumps(record, sort_keys=True, allow_nan=False) + "\n")
            (self.folder / "failed" / f"{name}.txt").unlink(missing_ok=True)
        except OSError as e:
            raise _unwritable(folder, e) from e

    def log(self, name: str) -> Path:
        """Return the log file of the run with this name."""
        return self.folder / "logs" / f"{name}.txt"

    def fail(self, name: str, reason: str) -> None:
        """Write the error of a run, if the disk has space for it."""
        with contextlib.suppress(OSError):
            write_text(self.folder / "failed" / f"{name}.txt", reason.rstrip() + "\n")

    def remove(self, digest: str) -> None:
        """Delete the run with this digest, intact or not."""
        for where in self.places(digest):
            shutil.rmtree(self.folder / where)

    def network(self, digest: str) -> Path:
        """Return the network file of a complete run; raise StoreError if there is none."""
        for where in self.places(digest):
            return self.folder / where / NETWORK
        raise StoreError(f"{self.runs}: the pretraining {digest[:10]} is missing; run the sweep again")


def _write_array(path: Path, values: NDArray[Any]) -> None:
    with open(path, "wb") as f:
        np.lib.format.write_array(f, values, allow_pickle=False)


def _unwritable(path: Path, error: OSError) -> UnwritableError:
    return UnwritableError(f"{path}: cannot be written ({error.strerror or error}); free disk space and run the sweep again")
