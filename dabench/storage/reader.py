"""Read the results of a sweep from its store (dabench.storage.run_store) or from a pack (dabench.analysis.export)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from dabench.errors import StoreError
from dabench.storage.schema import Claim, DatasetRecord, RunRecord, SweepRecord, claim_from, from_json, intact, record_from


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return nested tables as one table: "train.lr" -> 0.05."""
    if isinstance(value, Mapping):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{path}.{key}" if path else str(key)).items()}
    return {path: list(value) if isinstance(value, tuple) else value}


T = TypeVar("T")

NETWORK = "network.safetensors"

_ANSWERS = "predicted-"

_MOST, _LARGEST = 2**13, 2**31
"""Limits on classes and on values of a table of predicted classes, because a pack may come from anybody."""

UNLABELLED = -1
"""The label of a test image of a dataset without labels."""

SHORT = 10
"""Digits of a run's digest in the name of its folder."""


@dataclass(frozen=True)
class StoredRun:
    """A complete run: its record (run.json) and the folder of its files."""

    stored: ResultsReader
    where: str
    facts: RunRecord

    def logits(self, dataset: str) -> NDArray[np.float32]:
        """Return the logits of every checkpoint on a dataset's test split, (checkpoints, N, K) float32, read-only.

        If only predicted classes were kept (`answers`), they are 1 for the predicted class and 0 for the others.
        """
        if not self.answers:
            return self.stored.array(f"{self.where}/{logits_name(dataset)}")
        predicted = self.stored.array(f"{self.where}/{predicted_name(dataset)}")
        k = self.facts.outputs
        if predicted.dtype.kind != "u" or predicted.max(initial=0) >= k or k > _MOST or predicted.size * k > _LARGEST:
            raise ValueError("its predicted classes are not valid")
        found: NDArray[np.float32] = np.eye(k, dtype=np.float32)[predicted]
        return found

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Return the images that the method showed by their headings, (rows, N, C, h, w), read-only.

        Raises:
            OSError or ValueError: a file is missing or does not hold such images.
        """
        found = {}
        for number, heading in enumerate(self.facts.pictures, 1):
            images = self.stored.array(f"{self.where}/{picture_name(number)}")
            if images.dtype != np.uint8 or images.ndim != 5 or images.shape[2] not in (1, 3) or not images.size:
                raise ValueError(f"{picture_name(number)} holds no images")
            found[heading] = images
        return found

    @property
    def answers(self) -> bool:
        """Whether only predicted classes were kept. Without logits there are no confidences."""
        return any(name.startswith(_ANSWERS) for name in self.facts.files)


@dataclass(frozen=True)
class StoredLabels:
    """The data of a dataset for reports: test labels (N,), groups (N,) or None, attributes, and its record."""

    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    attributes: Mapping[str, NDArray[Any]]
    facts: DatasetRecord


class ResultsReader(ABC):
    """The results of one sweep. File names are relative, with "/" between their parts.

    Attributes:
        place: the folder or file of the results, for messages.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._known: dict[str, list[str]] = {}

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names of the files and folders in a folder, in any order; none if the folder does not exist."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a file; raise OSError if it does not exist."""

    @abstractmethod
    def array(self, name: str) -> NDArray[Any]:
        """Return the array in a file; raise OSError or ValueError if there is none."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file; raise OSError if it does not exist."""

    def text(self, name: str) -> str:
        """Return the text of a file; raise OSError or ValueError if there is none."""
        with self.open(name) as f:
            return f.read().decode("utf-8")

    def read_sweep(self) -> SweepRecord:
        """Return the record in sweep.json; raise StoreError if it is missing or was changed after dabench wrote it."""
        value, record = self._sweep(lambda value: (value, record_from(SweepRecord, value)))
        if not intact(value):
            file = self.place / "sweep.json"
            raise StoreError(f"{file}: has changed since dabench wrote it; restore it, or run the sweep again to rewrite it")
        return record

    def claimed_for(self) -> Claim:
        """Return the owner of the folder from sweep.json, even if it was changed; raise as `read_sweep`."""
        return self._sweep(claim_from)

    def _sweep(self, read: Callable[[Any], T]) -> T:
        try:
            value = from_json(self.text("sweep.json"))
        except FileNotFoundError:
            raise StoreError(
                f"{self.place}: is not a results folder (it has no sweep.json); give a folder that dabench sweep wrote"
            ) from None
        except (OSError, ValueError, RecursionError) as e:
            raise StoreError(f"{self.place / 'sweep.json'}: cannot be read ({e})") from e
        try:
            return read(value)
        except ValueError as e:
            raise StoreError(
                f"{self.place / 'sweep.json'}: is not what dabench writes ({e}); restore it or use another --out"
            ) from e

    def dataset(self, name: str) -> StoredLabels:
        """Return the stored data of a dataset; raise StoreError if it is missing or damaged."""
        folder = f"datasets/{file_name_of(name)}"
        try:
            value = from_json(self.text(f"{folder}/facts.json"))
            facts = record_from(DatasetRecord, value)
            if not intact(value):
                raise ValueError("facts.json has changed")
            damaged = [f for f, expected in facts.files.items() if self.digest(f"{folder}/{f}") != expected]
            if damaged:
                raise ValueError(f"{damaged[0]} has changed")
            arrays = {f.removesuffix(".npy"): np.array(self.array(f"{folder}/{f}")) for f in facts.files}
            arrays.setdefault("labels", np.full(facts.counts["test"], UNLABELLED))
            attributes = {k.removeprefix("attribute-"): v for k, v in arrays.items() if k.startswith("attribute-")}
            _check_arrays(arrays)
            if len(arrays["labels"]) != facts.counts["test"]:
                raise ValueError(f"labels.npy must have {facts.counts['test']} values, one per test image")
            return StoredLabels(arrays["labels"], arrays.get("groups"), attributes, facts)
        except (OSError, ValueError, KeyError, RecursionError) as e:
            raise StoreError(f"{self.place / folder}: cannot be read ({e}); run the sweep again to rewrite it") from e

    def failures(self) -> dict[str, str]:
        """Return run name -> error, for the failed runs that have not succeeded since."""
        files = sorted(name for name in self.names("failed") if name.endswith(".txt"))
        try:
            return {name.removesuffix(".txt"): self.text(f"failed/{name}") for name in files}
        except (OSError, ValueError) as e:
            raise StoreError(f"{self.place / 'failed'}: cannot be read ({e}); remove the unreadable file") from e

    def find(
        self,
        digest: str,
        tests: Mapping[str, str] | None = None,
        *,
        network: bool = True,
        among: Mapping[str, list[str]] | None = None,
    ) -> StoredRun | None:
        """Return the run with this digest if it is complete and has predictions for all of `tests`, else None.

        Args:
            tests: dataset -> digest of its prepared data; predictions on other data do not count.
            network: also check the network's file, which reports do not need.
            among: the result of `listed`.
        """
        for where in self.places(digest) if among is None else among.get(digest[:SHORT], []):
            facts, problem = self._looked_through(where, network)
            if facts and not problem and facts.digest == digest and (tests or {}).items() <= facts.tests.items():
                return StoredRun(self, where, facts)
        return None

    def damage(self, digest: str, *, network: bool = True, among: Mapping[str, list[str]] | None = None) -> str:
        """Return what is wrong with the folder of a run, or "" if it is intact or missing; arguments as in `find`."""
        found = self.places(digest) if among is None else among.get(digest[:SHORT], [])
        return next(filter(None, (self._looked_through(where, network)[1] for where in found)), "")

    def _looked_through(self, where: str, network: bool) -> tuple[RunRecord | None, str]:
        """Return the record of the run in a folder, and what is wrong with it ("" if every byte is as written)."""
        try:
            value = from_json(self.text(f"{where}/run.json"))
            if "check" not in value or not intact(value):
                return None, "run.json has changed"
            try:
                facts = record_from(RunRecord, value)
            except ValueError as e:
                return None, f"run.json is not what dabench writes: {e}"
            for file, expected in facts.files.items():
                if (network or file != NETWORK) and self.digest(f"{where}/{file}") != expected:
                    return None, f"{file} has changed"
        except FileNotFoundError as e:
            return None, f"{Path(e.filename or 'run.json').name} is missing"
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None, "run.json cannot be read"
        return facts, ""

    def environment(self, where: str) -> Mapping[str, Any]:
        """Return the environment that computed the run in a folder; empty if its record cannot be read."""
        try:
            found: Mapping[str, Any] = from_json(self.text(f"{where}/run.json"))["environment"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def places(self, digest: str) -> list[str]:
        """Return the folders of the run with this digest, intact or not."""
        known = self._known.get(digest[:SHORT], [])
        if not known or not all(self.names(where) for where in known):
            self._known = self.listed()  # listed again only if a run is new or was removed
        return self._known.get(digest[:SHORT], [])

    def listed(self) -> dict[str, list[str]]:
        """Return the folders of runs by the first digits of their digests. List once to find many runs."""
        found: dict[str, list[str]] = {}
        for name in sorted(n for n in self.names("runs") if not n.startswith(".")):
            found.setdefault(name[-SHORT:], []).append(f"runs/{name}")
        return found


def _check_arrays(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError if an array of a test split has a wrong shape or dtype."""
    for name, values in arrays.items():
        if len(values.shape) != 1 or len(values) != len(arrays["labels"]) or len(values) == 0:
            raise ValueError(f"{name}.npy must have one value per test image")
        if name in ("labels", "groups") and values.dtype.kind not in "iu":
            raise ValueError(f"{name}.npy must be whole numbers")
        if values.dtype.kind not in "iufbU":
            raise ValueError(f"{name}.npy must be numbers or text")


def logits_name(dataset: str) -> str:
    """Return the file name of the logits on a dataset's test split."""
    return f"logits-{file_name_of(dataset)}.npy"


def predicted_name(dataset: str) -> str:
    """Return the file name of the predicted classes on a dataset's test split, which replace logits in small packs."""
    return f"{_ANSWERS}{file_name_of(dataset)}.npy"


def picture_name(number: int) -> str:
    """Return the file name of the images under the n-th heading of a run, counted from 1."""
    return f"picture-{number}.npy"


def file_name_of(name: str) -> str:
    """Return a dataset's name in a form that a file name can contain."""
    return name.replace("/", "-")
