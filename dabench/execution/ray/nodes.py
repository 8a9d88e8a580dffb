"""Runs on the other machines of a Ray cluster, which need not see this one's disk.

A worker that sees the sweep's output folder works in it, as on one machine. One that does not works in a folder of its node:

- Before a run, `fetch_files` puts the files of that run's grant (dabench.experiment.access) into the node's cache, each under its
  SHA-256, which is checked. It is a Ray task, another process than the worker's: no label passes through a worker that was not
  granted it, and none can be asked for through what a worker is handed.
- After it, the worker hands the finished folder to the `ResultCollector`, an actor on the driver's machine, which writes it
whole under
  another name, checks it against its run.json, and renames it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from dabench.errors import StoreError
from dabench.execution.attempt import AttemptResult
from dabench.execution.ray.cluster import on_node, ray
from dabench.experiment.job import Job
from dabench.experiment.plan import Plan
from dabench.hashing import digest, file_digest
from dabench.storage.atomic import new_file, put_folder, remove_abandoned, temporary_folder
from dabench.storage.paths import cache_folder, node_folder
from dabench.storage.reader import NETWORK
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run, RunRecord, from_json, record_from

CHUNK = 16 * 2**20
"""Bytes that are on their way at a time."""


class FileServer:
    """Gives the prepared data and the networks of the driver's machine; an actor there, that `fetch_files` alone knows how to
    find."""

    def __init__(self, folder: str, files: Sequence[str]) -> None:
        self.runs, self.files = RunStore(Path(folder)).runs, frozenset(files)

    def read(self, path: str, offset: int) -> bytes:
        """Return the next bytes of a file that is to be had here."""
        network = Path(path).name == NETWORK and Path(path).parent.parent == self.runs
        if path not in self.files and not network:
            raise StoreError(f"{path}: is not given to workers")
        with open(path, "rb") as f:
            f.seek(offset)
            return f.read(CHUNK)


class ResultCollector:
    """Takes finished runs on the driver's machine; an actor there."""

    def __init__(self, folder: str) -> None:
        self.store = RunStore(Path(folder))

    def take(self, name: str, who: str, file: str, offset: int, data: bytes) -> None:
        """Write bytes of a file of the run folder `name`, which `who` has finished, into a folder that nobody reads."""
        scratch = self._scratch(name, who)
        scratch.mkdir(exist_ok=True)
        with open(scratch / Path(file).name, "r+b" if offset else "wb") as f:
            f.seek(offset)
            f.write(data)

    def finish(self, name: str, who: str) -> None:
        """Let the run stand, if every byte of it came; raise StoreError if not."""
        scratch, folder = self._scratch(name, who), self.store.runs / Path(name).name
        try:
            record = _record(scratch)
            if any(file_digest(scratch / Path(file).name) != expected for file, expected in record.files.items()):
                raise StoreError(f"{name}: did not come whole from the node that it was done on")
            put_folder(scratch, folder)
            (self.store.folder / "failed" / f"{record.name}.txt").unlink(missing_ok=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def log(self, name: str, text: str) -> None:
        """Keep what a run said."""
        path = self.store.log(name)
        path.parent.mkdir(exist_ok=True)
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as f:
            f.write(text)

    def _scratch(self, name: str, who: str) -> Path:
        return self.store.runs / f".{Path(name).name}-{Path(who).name}"


def _record(folder: Path) -> RunRecord:
    """Return the record of the run in a folder."""
    return record_from(RunRecord, from_json((folder / "run.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class ClusterTransfer:
    """The driver's side of a sweep on a cluster: its actors, and the checksums of all files that runs may be granted."""

    plan: Plan
    store: RunStore
    desk: Any
    shelf: Any
    known: Mapping[str, str]

    def job(self, run: Run) -> Job:
        """Return the job of a run for whatever node: with the checksums of all files that it opens."""
        job = self.plan.job(run)
        files = granted_files(job, self.known)
        if run.parent is not None:
            path = self.store.network(run.parent)
            files[str(path.resolve())] = _record(path.parent).files[NETWORK]
        return replace(job, files=files)

    def close(self) -> None:
        """End the actors."""
        for actor in (self.desk, self.shelf):
            ray.kill(actor)


def start_transfer(plan: Plan, store: RunStore) -> ClusterTransfer:
    """Open desk and shelf on this machine."""
    known = prepared_files(plan)
    folder = str(store.folder.resolve())
    here = {"num_cpus": 0, "scheduling_strategy": on_node()}
    shelf = ray.remote(FileServer).options(**here, name=_shelf_of(folder)).remote(folder, list(known))
    return ClusterTransfer(plan, store, ray.remote(ResultCollector).options(**here).remote(folder), shelf, known)


def prepared_files(plan: Plan) -> dict[str, str]:
    """Return path -> SHA-256 of every file of the plan's prepared sets."""
    return {
        str(p.path(split, part)): sha
        for p in plan.prepared.values()
        for split, facts in p.splits.items()
        for part, sha in facts["files"].items()
    }


def granted_files(job: Job, known: Mapping[str, str]) -> dict[str, str]:
    """Return those of the known files that a job names: all that its run may open, and no more."""
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    _moved(job, note)
    return {path: known[path] for path in texts if path in known}


def _shelf_of(folder: str) -> str:
    return f"dabench-shelf-{digest(folder)[:16]}"


def sees_folder(folder: Path) -> bool:
    """Whether this node sees the output folder on the driver's machine; one with DABENCH_NODE is told that it does not."""
    return "DABENCH_NODE" not in os.environ and (folder / "sweep.json").is_file()


class RemoteWorkspace:
    """A worker's side on a node that does not see the output folder: a store of its own, which is emptied after each run."""

    def __init__(self, desk: Any, folder: str) -> None:
        self.desk, self.there = desk, folder
        node_folder().mkdir(parents=True, exist_ok=True)
        remove_abandoned(node_folder() / "dabench-node")
        self._kept = ExitStack()
        self.folder = self._kept.enter_context(temporary_folder(node_folder() / "dabench-node"))
        (self.folder / "sweep.json").write_text("{}", encoding="utf-8")
        for name in ("runs", "failed", "logs"):
            (self.folder / name).mkdir()
        self.store = RunStore(self.folder)

    def done(self, job: Job, attempt: Callable[[Job], AttemptResult]) -> AttemptResult:
        """Do a run: bring what it opens, try it, deliver it."""
        try:
            result = attempt(self._brought(job))
            self._deliver(job.name)
        except (StoreError, OSError, ray.exceptions.RayError) as e:
            why = str(e.cause if isinstance(e, ray.exceptions.RayTaskError) else e).splitlines()
            return AttemptResult("retried", reason=f"node {os.uname().nodename}: {why[0] if why else type(e).__name__}")
        return result

    def _brought(self, job: Job) -> Job:
        """Return the job with the paths of this node, all files that it names brought here."""
        granted = cache_folder() / "granted"
        places = {p: self.store.runs / Path(p).parent.name / NETWORK if Path(p).name == NETWORK else granted / f"{sha}.npy"
                  for p, sha in job.files.items()}  # fmt: skip
        wanted = {p: (sha, str(places[p])) for p, sha in job.files.items()}
        here = ray.get_runtime_context().get_node_id()
        task = ray.remote(fetch_files).options(num_cpus=0, max_retries=0, scheduling_strategy=on_node(here))
        ray.get(task.remote(self.there, wanted))
        moved: Job = _moved(job, lambda text: wanted[text][1] if text in wanted else text)
        return moved

    def _deliver(self, name: str) -> None:
        """Hand what was finished, and what the run said, to the desk."""
        who = self.folder.name
        for folder in self.store.runs.iterdir():
            if (folder / "run.json").is_file():
                for file in folder.iterdir():
                    for offset, data in _chunks(file):
                        ray.get(self.desk.take.remote(folder.name, who, file.name, offset, data))
                ray.get(self.desk.finish.remote(folder.name, who))
            shutil.rmtree(folder, ignore_errors=True)
        log = self.store.log(name)
        if log.is_file():
            ray.get(self.desk.log.remote(name, log.read_text(encoding="utf-8", errors="backslashreplace")))
            log.unlink()

    def close(self) -> None:
        """Leave nothing on the node but its cache."""
        self._kept.close()


def fetch_files(folder: str, wanted: Mapping[str, tuple[str, str]]) -> None:
    """Put files of the driver's machine onto this node: path there -> (SHA-256, path here). What is here already is checked."""
    shelf = ray.get_actor(_shelf_of(folder))
    for path, (expected, to) in wanted.items():
        target = Path(to)
        if target.is_file() and file_digest(target) == expected:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with new_file(target) as hidden:
            found = hashlib.sha256()
            with open(hidden, "wb") as f:
                while data := ray.get(shelf.read.remote(path, f.tell())):
                    found.update(data)
                    f.write(data)
            if found.hexdigest() != expected:
                raise StoreError(f"{path}: came to node {os.uname().nodename} with another checksum; has the file changed?")


def _moved(value: Any, place: Callable[[str], str]) -> Any:
    """Return a job, or a part of one, with `place` of every text in it in the place of that text."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _moved(getattr(value, f.name), place) for f in fields(value)})
    if isinstance(value, Mapping):
        return {key: _moved(inner, place) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_moved(inner, place) for inner in value)
    return place(value) if isinstance(value, str) else value


def _chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    with open(path, "rb") as f:
        for offset in range(0, max(1, path.stat().st_size), CHUNK):
            yield offset, f.read(CHUNK)
