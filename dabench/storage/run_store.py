"""The output folder of a sweep: the truth that resuming, reporting and citing read.

    sweep.json           the sweep as resolved, and the versions it began with
    sweep.toml           the sweep file as given
    datasets/NAME/       test labels, groups and attributes, and facts of each dataset, for reports
    runs/NAME-DIGEST/    run.json, network.safetensors, logits-DATASET.npy: one folder per finished run
    failed/NAME.txt      what went wrong with a run, until it succeeds
    logs/NAME.txt        what a run said while it went on
    tensorboard/         what `dabench sweep --tensorboard` writes
    events/0001.jsonl    what happened, and which process is at work
    report/              what `dabench report` writes
    ongoing/             what a sweep at work has in hand (dabench.storage.in_progress)

A run's folder is written whole under another name and then renamed; run.json is written last and holds the SHA-256 of the
other files, and its own. What does not match is not finished. sweep.json and a dataset's facts.json hold their own, too: what
does not match is not read, and the sweep's next start writes it anew.
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
from dabench.storage.atomic import new_file, new_folder, write_text
from dabench.storage.in_progress import SweepLock
from dabench.storage.reader import NETWORK, SHORT, ResultsReader, file_name_of, flat, logits_name
from dabench.storage.schema import Claim, DatasetRecord, RunRecord, SweepRecord, sealed


class RunStore(ResultsReader):
    """One sweep's output folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.sweep_lock = SweepLock(folder)

    @property
    def runs(self) -> Path:
        """The folder of finished runs."""
        return self.folder / "runs"

    @property
    def report(self) -> Path:
        """The folder of reports."""
        return self.folder / "report"

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder, in any order; none where there is no such folder."""
        path = self.folder / folder
        return os.listdir(path) if path.is_dir() else []

    def open(self, name: str) -> BinaryIO:
        """Open a file; raise OSError where it is not there."""
        return open(self._file(name), "rb")

    def array(self, name: str) -> NDArray[Any]:
        """Return the array in a file, memory-mapped; raise OSError or ValueError where there is none."""
        return np.load(self._file(name), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file; raise OSError where it is not there."""
        return file_digest(self._file(name))

    def _file(self, name: str) -> Path:
        """Return the path of a file; raise OSError if links lead from it to elsewhere. runs/ and its like may be links."""
        first, *rest = name.split("/")
        path = self.folder / name
        there = os.path.join(os.path.realpath(self.folder / first if rest else self.folder), *(rest or [first]))
        if os.path.realpath(path) != there:
            raise OSError(f"{path} is a link, or leads out of its folder")
        return path

    @contextmanager
    def exclusive(self, recipe: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder against every other sweep while this one, of that recipe, is at work; raise StoreError as `check`."""
        self.check(recipe)
        with self.sweep_lock.exclusive():
            yield

    def claim(self, record: SweepRecord, source: str) -> None:
        """Take the folder for a sweep, or go on with it if it is that sweep's already.

        Raises:
            StoreError: it cannot be written, holds something else, or the same sweep with other settings.
        """
        self.check(record.recipe)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # First: a folder with anything else and without it is taken for somebody else's.
            self.write_record(record)
            write_text(self.folder / "sweep.toml", source)
            for name in ("runs", "datasets", "report", "failed"):
                (self.folder / name).mkdir(exist_ok=True)
            self._clear()
        except OSError as e:
            raise StoreError(f"{self.folder}: cannot be written ({e.strerror or e}); give another folder with --out") from e

    def write_record(self, record: SweepRecord) -> None:
        """Write sweep.json anew."""
        write_text(self.folder / "sweep.json", json.dumps(sealed(record), indent=1, sort_keys=True) + "\n")

    def _clear(self) -> None:
        """Remove what killed processes left half-written; whoever claims the folder holds it alone."""
        for leftover in (*self.runs.glob(".*"), *self.folder.glob("tensorboard/.*")):
            shutil.rmtree(leftover, ignore_errors=True)
        for pattern in (".sweep.*", "failed/.*", "datasets/*/.*"):
            for leftover in self.folder.glob(pattern):
                leftover.unlink(missing_ok=True)

    def check(self, recipe: Mapping[str, Any]) -> None:
        """Raise StoreError if the folder cannot become, or is not, the output of the sweep with this recipe; change nothing."""
        there = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        inside = [self.folder / name for name in ("runs", "datasets", "report", "failed")] if there == self.folder else []
        for folder in (there, *(p for p in inside if p.exists())):
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                why = "" if folder == self.folder else f" ({folder} is no folder that can be written)"
                raise StoreError(f"{self.folder}: cannot be written{why}; give another folder with --out")
        if (self.folder / "sweep.json").exists():
            self._same_sweep(self.claimed_for(), recipe)
        elif self.folder.exists() and any(not p.name.startswith((".sweep.", "ongoing")) for p in self.folder.iterdir()):
            raise StoreError(f"{self.folder}: is not empty and no sweep's output; give another folder with --out")

    def _same_sweep(self, there: Claim, recipe: Mapping[str, Any]) -> None:
        name = there.name
        if not there.intact and recipe["name"] in (name, there.recipe.get("name")):
            return  # it is written anew; no run of other settings is taken for one of these: each has a digest of its own
        if name != recipe["name"]:
            raise StoreError(
                f"{self.folder}: belongs to the sweep '{name}', not to '{recipe['name']}'; give another folder with --out"
            )
        old, new = flat(there.recipe), flat(dict(recipe))
        changed = [f"{k}: {old.get(k)} -> {new.get(k)}" for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
        # Settings under which nothing came to an end, a loss that diverged say, bind nobody.
        if changed and any(self.runs.glob("[!.]*")):
            raise StoreError(
                f"{self.folder}: holds the sweep '{name}' with other settings ({'; '.join(changed)}); "
                f"give another folder, for example --out {self.folder}-2"
            )

    def add_dataset(self, facts: DatasetRecord, test: Mapping[str, NDArray[Any] | None]) -> None:
        """Keep what reports need to know of a dataset: facts, and the arrays of its test split ("labels", "groups", ...)."""
        folder = self.folder / "datasets" / file_name_of(facts.name)
        try:
            folder.mkdir(exist_ok=True)
            for part, values in test.items():
                if values is not None:
                    with new_file(folder / f"{part}.npy") as path, open(path, "wb") as f:
                        np.lib.format.write_array(f, np.ascontiguousarray(values), allow_pickle=False)
            files = {p.name: file_digest(p) for p in sorted(folder.glob("[!.]*.npy"))}
            write_text(folder / "facts.json", json.dumps(sealed(replace(facts, files=files)), indent=1, sort_keys=True) + "\n")
        except OSError as e:
            raise _unwritable(folder, e) from e

    def add(
        self,
        facts: RunRecord,
        logits: Mapping[str, NDArray[np.float32]],
        save_network: Callable[[Path], None],
    ) -> None:
        """Keep a finished run.

        Args:
            facts: all but its files.
            logits: dataset -> (checkpoints, N, K) float32.
            save_network: writes the network to the path it is given.

        Raises:
            UnwritableError: it cannot be written; nothing is left half-made.
        """
        name, digest = facts.name, facts.digest
        folder = self.runs / f"{name}-{digest[:10]}"

        def whole() -> bool:  # the worker of a killed sweep may have been as fast
            return self.find(digest, facts.tests, among={digest[:SHORT]: [f"runs/{folder.name}"]}) is not None

        try:
            with new_folder(folder, whole) as hidden:
                save_network(hidden / NETWORK)
                for dataset, values in logits.items():
                    with open(hidden / logits_name(dataset), "wb") as f:
                        np.lib.format.write_array(f, values, allow_pickle=False)
                files = {p.name: file_digest(p) for p in sorted(hidden.iterdir())}
                record = sealed(replace(facts, files=files))
                write_text(hidden / "run.json", json.dumps(record, sort_keys=True, allow_nan=False) + "\n")
            (self.folder / "failed" / f"{name}.txt").unlink(missing_ok=True)
        except OSError as e:
            raise _unwritable(folder, e) from e

    def log(self, name: str) -> Path:
        """Return the file of what the run of that name says."""
        return self.folder / "logs" / f"{name}.txt"

    def fail(self, name: str, reason: str) -> None:
        """Keep what went wrong with a run, where there is room for it."""
        with contextlib.suppress(OSError):
            write_text(self.folder / "failed" / f"{name}.txt", reason.rstrip() + "\n")

    def remove(self, digest: str) -> None:
        """Delete the run with that digest, whole or not."""
        for where in self.places(digest):
            shutil.rmtree(self.folder / where)

    def network(self, digest: str) -> Path:
        """Return the file of a finished run's network; raise StoreError if there is none."""
        for where in self.places(digest):
            return self.folder / where / NETWORK
        raise StoreError(f"{self.runs}: the pretraining {digest[:10]} is not there; run the sweep again")


def _unwritable(path: Path, error: OSError) -> UnwritableError:
    return UnwritableError(f"{path}: cannot be written ({error.strerror or error}); make room and run the sweep again")
