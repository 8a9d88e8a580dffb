"""The output folder of a sweep: the truth that resuming, reporting and citing read.

    sweep.json           the sweep as resolved, and the versions it began with
    sweep.toml           the sweep file as given
    datasets/NAME/       test labels, groups and attributes, and facts of each dataset, for reports
    runs/NAME-DIGEST/    run.json, network.safetensors, logits-DATASET.npy: one folder per finished run
    failed/NAME.txt      what went wrong with a run, until it succeeds
    report/              what `dabench report` writes

A run's folder is written whole under another name and then renamed; run.json is written last and holds the SHA-256 of the
other files. What does not match is not finished.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dabench.digests import file_digest
from dabench.errors import StoreError

_NETWORK = "network.safetensors"
_SHORT = 10
"""Letters of a run's digest in the name of its folder."""


@dataclass(frozen=True)
class Record:
    """A finished run: its facts (run.json) and where its files lie."""

    folder: Path
    facts: Mapping[str, Any]

    def logits(self, dataset: str) -> NDArray[np.float32]:
        """Return the logits of every checkpoint on a dataset's test split, (checkpoints, N, K) float32, memory-mapped."""
        return np.load(self.folder / _logits_name(dataset), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class TestSet:
    """What a report needs to know of a dataset: test labels (N,), groups (N,) or None, and its facts."""

    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    attributes: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]

    __test__ = False  # not a test class, whatever its name


class Store:
    """One sweep's output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def runs(self) -> Path:
        """The folder of finished runs."""
        return self.folder / "runs"

    @property
    def report(self) -> Path:
        """The folder of reports."""
        return self.folder / "report"

    def read_sweep(self) -> dict[str, Any]:
        """Return sweep.json; raise StoreError if this is no sweep's folder."""
        try:
            value = json.loads((self.folder / "sweep.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(
                f"{self.folder}: is no sweep's output (it has no sweep.json); give a folder that dabench sweep wrote"
            ) from None
        except (OSError, ValueError) as e:
            raise StoreError(f"{self.folder / 'sweep.json'}: cannot be read ({e})") from e
        if not isinstance(value, dict) or not all(isinstance(value.get(key), dict) for key in ("sweep", "recipe")):
            raise StoreError(f"{self.folder / 'sweep.json'}: is not what dabench writes; restore it or use another --out")
        return value

    def claim(self, record: Mapping[str, Any], recipe: Mapping[str, Any], source: str) -> None:
        """Take the folder for a sweep, or go on with it if it is that sweep's already.

        Raises:
            StoreError: it cannot be written, holds something else, or the same sweep with other settings.
        """
        self.check(recipe)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ("runs", "datasets", "report", "failed"):
                (self.folder / name).mkdir(exist_ok=True)
            for leftover in self.runs.glob(".*"):
                shutil.rmtree(leftover, ignore_errors=True)
            write_text(self.folder / "sweep.json", json.dumps(record, indent=1, sort_keys=True) + "\n")
            write_text(self.folder / "sweep.toml", source)
        except OSError as e:
            raise StoreError(f"{self.folder}: cannot be written ({e.strerror or e}); give another folder with --out") from e

    def check(self, recipe: Mapping[str, Any]) -> None:
        """Raise StoreError if the folder cannot become, or is not, the output of the sweep with this recipe; change nothing."""
        there = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise StoreError(f"{self.folder}: cannot be written; give another folder with --out")
        if (self.folder / "sweep.json").exists():
            self._same_sweep(self.read_sweep(), recipe)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise StoreError(f"{self.folder}: is not empty and no sweep's output; give another folder with --out")

    def _same_sweep(self, there: Mapping[str, Any], recipe: Mapping[str, Any]) -> None:
        name = there["sweep"].get("name")
        if name != recipe["name"]:
            raise StoreError(
                f"{self.folder}: belongs to the sweep '{name}', not to '{recipe['name']}'; give another folder with --out"
            )
        old, new = _flat(there["recipe"]), _flat(dict(recipe))
        changed = [f"{k}: {old.get(k)} -> {new.get(k)}" for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
        # Settings under which nothing came to an end, a loss that diverged say, bind nobody.
        if changed and any(self.runs.glob("[!.]*")):
            raise StoreError(
                f"{self.folder}: holds the sweep '{name}' with other settings ({'; '.join(changed)}); "
                f"give another folder, for example --out {self.folder}-2"
            )

    def add_dataset(self, name: str, facts: Mapping[str, Any], test: Mapping[str, NDArray[Any] | None]) -> None:
        """Keep what reports need to know of a dataset: facts, and the arrays of its test split ("labels", "groups", ...)."""
        folder = self.folder / "datasets" / _safe(name)
        folder.mkdir(exist_ok=True)
        for part, values in test.items():
            if values is not None:
                with open(folder / f".{part}.npy", "wb") as f:
                    np.lib.format.write_array(f, np.ascontiguousarray(values), allow_pickle=False)
                os.replace(folder / f".{part}.npy", folder / f"{part}.npy")
        files = {p.name: file_digest(p) for p in sorted(folder.glob("[!.]*.npy"))}
        write_text(folder / "facts.json", json.dumps({**facts, "files": files}, indent=1, sort_keys=True) + "\n")

    def dataset(self, name: str) -> TestSet:
        """Return what is kept of a dataset; raise StoreError if it is not there."""
        folder = self.folder / "datasets" / _safe(name)
        try:
            facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
            damaged = [f for f, expected in facts["files"].items() if file_digest(folder / f) != expected]
            if damaged:
                raise ValueError(f"{damaged[0]} has changed")
            arrays = {f.removesuffix(".npy"): np.load(folder / f, allow_pickle=False) for f in facts["files"]}
            attributes = {k.removeprefix("attribute-"): v for k, v in arrays.items() if k.startswith("attribute-")}
            return TestSet(arrays["labels"], arrays.get("groups"), attributes, facts)
        except (OSError, ValueError, KeyError) as e:
            raise StoreError(f"{folder}: cannot be read ({e}); run the sweep again to write it anew") from e

    def add(
        self,
        name: str,
        digest: str,
        facts: Mapping[str, Any],
        logits: Mapping[str, NDArray[np.float32]],
        save_network: Callable[[Path], None],
    ) -> None:
        """Keep a finished run.

        Args:
            logits: dataset -> (checkpoints, N, K) float32.
            save_network: writes the network to the path it is given.

        Raises:
            StoreError: it cannot be written; nothing is left half-made.
        """
        folder = self.runs / f"{name}-{digest[:_SHORT]}"
        scratch = None
        try:
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.runs))
            save_network(scratch / _NETWORK)
            for dataset, values in logits.items():
                with open(scratch / _logits_name(dataset), "wb") as f:
                    np.lib.format.write_array(f, values, allow_pickle=False)
            files = {p.name: file_digest(p) for p in sorted(scratch.iterdir())}
            write_text(scratch / "run.json", json.dumps({**facts, "files": files}, sort_keys=True, allow_nan=False) + "\n")
            if folder.exists():
                shutil.rmtree(folder)
            os.rename(scratch, folder)
            (self.folder / "failed" / f"{name}.txt").unlink(missing_ok=True)
        except OSError as e:
            raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); make room and run the sweep again") from e
        finally:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)

    def fail(self, name: str, reason: str) -> None:
        """Keep what went wrong with a run."""
        write_text(self.folder / "failed" / f"{name}.txt", reason.rstrip() + "\n")

    def failures(self) -> dict[str, str]:
        """Return run name -> what went wrong, for the runs that failed and did not succeed since."""
        folder = self.folder / "failed"
        return {p.stem: p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.txt"))} if folder.is_dir() else {}

    def listed(self) -> dict[str, list[Path]]:
        """Return the folders of runs by the beginning of their digest: who looks for thousands reads the folder once."""
        found: dict[str, list[Path]] = {}
        for folder in sorted(self.runs.glob("[!.]*")):
            found.setdefault(folder.name[-_SHORT:], []).append(folder)
        return found

    def find(
        self,
        digest: str,
        tests: Mapping[str, str] | None = None,
        *,
        network: bool = True,
        among: Mapping[str, list[Path]] | None = None,
    ) -> Record | None:
        """Return the finished run with that digest if it is whole and has predictions for all of `tests`, else None.

        Args:
            tests: dataset -> digest of its prepared data: a prediction on other images than today's is none.
            network: check the network's file too; a report has no need of it.
            among: what `listed` gave.
        """
        short = digest[:_SHORT]
        for folder in self.runs.glob(f"*-{short}") if among is None else among.get(short, []):
            try:
                facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
                files = {f: d for f, d in facts["files"].items() if network or f != _NETWORK}
                whole = all(file_digest(folder / file) == expected for file, expected in files.items())
                if whole and facts["digest"] == digest and (tests or {}).items() <= facts["tests"].items():
                    return Record(folder, facts)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # half-written or damaged: not finished
        return None

    def remove(self, digest: str) -> None:
        """Delete the run with that digest, whole or not."""
        for folder in self.runs.glob(f"*-{digest[:_SHORT]}"):
            shutil.rmtree(folder)

    def network(self, digest: str) -> Path:
        """Return the file of a finished run's network; raise StoreError if there is none."""
        for folder in self.runs.glob(f"*-{digest[:_SHORT]}"):
            return folder / _NETWORK
        raise StoreError(f"{self.runs}: the pretraining {digest[:_SHORT]} is not there; run the sweep again")


def _logits_name(dataset: str) -> str:
    return f"logits-{_safe(dataset)}.npy"


def _safe(name: str) -> str:
    return name.replace("/", "-")


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {k: v for key, item in value.items() for k, v in _flat(item, f"{path}.{key}" if path else str(key)).items()}
    return {path: list(value) if isinstance(value, tuple) else value}


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(scratch, "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
