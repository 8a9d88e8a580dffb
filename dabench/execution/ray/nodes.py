"""Transfer of files to and from other machines of a Ray cluster that do not share a disk with this one.

A worker that can see the output folder of the sweep works in it. Another worker works in a folder of its node:

- Before a run, `fetch_files` copies the files granted to the run (dabench.experiment.access) into the cache of the node, each
  named by its SHA-256, which is verified. It is a Ray task in another process than the worker, so that a worker receives no
  label that was not granted, and cannot request one.
- After a run, the worker sends the finished folder to `ResultCollector`, an actor on the machine of the driver. It writes the
  folder under a temporary name, verifies it against run.json, and renames it.
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
from dabench.plugins.weights import weights_of
from dabench.storage.atomic import new_file, put_folder, remove_abandoned, temporary_folder
from dabench.storage.paths import cache_folder, node_folder
from dabench.storage.reader import NETWORK
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run, RunRecord, from_json, record_from

CHUNK = 16 * 2**20
"""Bytes sent at a time."""


class FileServer:
    """Serve prepared data and networks: an actor on the machine of the driver, used by `fetch_files`."""

    def __init__(self, folder: str, files: Sequence[str]) -> None:
        self.runs, self.files = RunStore(Path(folder)).runs, frozenset(files)

    def read(self, path: str, offset: int) -> bytes:
        """Return the next bytes of a served file."""
        network = Path(path).name == NETWORK and Path(path).parent.parent == self.runs
        if path not in self.files and not network:
            raise StoreError(f"{path}: is not available to workers")
        with open(path, "rb") as f:
            f.seek(offset)
            return f.read(CHUNK)


class ResultCollector:
    """Receive finished runs: an actor on the machine of the driver."""

    def __init__(self, folder: str) -> None:
        self.store = RunStore(Path(folder))

    def take(self, name: str, who: str, file: str, offset: int, data: bytes) -> None:
        """Write bytes of a file of the run folder `name`, sent by `who`, into a temporary folder."""
        scratch = self._scratch(name, who)
        scratch.mkdir(exist_ok=True)
        with open(scratch / Path(file).name, "r+b" if offset else "wb") as f:
            f.seek(offset)
            f.write(data)

    def finish(self, name: str, who: str) -> None:
        """Move the received run into the store; raise StoreError if it is incomplete."""
        scratch, folder = self._scratch(name, who), self.store.runs / Path(name).name
        try:
            record = _record(scratch)
            if any(file_digest(scratch / Path(file).name) != expected for file, expected in record.files.items()):
                raise StoreError(f"{name}: was not received completely from its node")
            put_folder(scratch, folder)
            (self.store.folder / "failed" / f"{record.name}.txt").unlink(missing_ok=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def log(self, name: str, text: str) -> None:
        """Append to the log of a run."""
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
    """The actors of a sweep on a cluster, and the checksums of all files that runs may be granted."""

    plan: Plan
    store: RunStore
    collector: Any
    server: Any
    known: Mapping[str, str]

    def job(self, run: Run) -> Job:
        """Return the job of a run for any node, with the checksums of all its files."""
        job = self.plan.job(run)
        files = granted_files(job, self.known)
        if run.parent is not None:
            path = self.store.network(run.parent)
            files[str(path.resolve())] = _record(path.parent).files[NETWORK]
        return replace(job, files=files)

    def close(self) -> None:
        """End the actors."""
        for actor in (self.collector, self.server):
            ray.kill(actor)


def start_transfer(plan: Plan, store: RunStore) -> ClusterTransfer:
    """Start the two actors on this machine."""
    known = prepared_files(plan)
    folder = str(store.folder.resolve())
    here = {"num_cpus": 0, "scheduling_strategy": on_node()}
    server = ray.remote(FileServer).options(**here, name=_server_name(folder)).remote(folder, list(known))
    return ClusterTransfer(plan, store, ray.remote(ResultCollector).options(**here).remote(folder), server, known)


def prepared_files(plan: Plan) -> dict[str, str]:
    """Return path -> SHA-256 of all files of the prepared datasets, and of the file that the backbone starts from."""
    weights = {weights_of(plan.backbone): plan.weights} if plan.weights else {}
    return weights | {
        str(p.path(split, part)): sha
        for prepared in plan.divisions
        for p in prepared.values()
        for split, facts in p.splits.items()
        for part, sha in facts["files"].items()
    }


def granted_files(job: Job, known: Mapping[str, str]) -> dict[str, str]:
    """Return the known files that a job names: exactly those that its run may open."""
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    _moved(job, note)
    return {path: known[path] for path in texts if path in known}


def _server_name(folder: str) -> str:
    return f"dabench-server-{digest(folder)[:16]}"


def sees_folder(folder: Path) -> bool:
    """Whether this node sees the output folder of the driver; never if DABENCH_NODE is set."""
    return "DABENCH_NODE" not in os.environ and (folder / "sweep.json").is_file()


class RemoteWorkspace:
    """The local store of a worker on a node that does not see the output folder; it is emptied after each run."""

    def __init__(self, collector: Any, folder: str) -> None:
        self.collector, self.there = collector, folder
        node_folder().mkdir(parents=True, exist_ok=True)
        remove_abandoned(node_folder() / "dabench-node")
        self._kept = ExitStack()
        self.folder = self._kept.enter_context(temporary_folder(node_folder() / "dabench-node"))
        (self.folder / "sweep.json").write_text("{}", encoding="utf-8")
        for name in ("runs", "failed", "logs"):
            (self.folder / name).mkdir()
        self.store = RunStore(self.folder)

    def done(self, job: Job, attempt: Callable[[Job], AttemptResult]) -> AttemptResult:
        """Fetch the files of a run, attempt it, and send the result."""
        try:
            result = attempt(self._brought(job))
            self._deliver(job.name)
        except (StoreError, OSError, ray.exceptions.RayError) as e:
            why = str(e.cause if isinstance(e, ray.exceptions.RayTaskError) else e).splitlines()
            return AttemptResult("retried", reason=f"node {os.uname().nodename}: {why[0] if why else type(e).__name__}")
        return result

    def _brought(self, job: Job) -> Job:
        """Fetch all files of a job to this node, and return the job with local paths."""
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
        """Send finished runs and the log to the collector."""
        who = self.folder.name
        for folder in self.store.runs.iterdir():
            if (folder / "run.json").is_file():
                for file in folder.iterdir():
                    for offset, data in _chunks(file):
                        ray.get(self.collector.take.remote(folder.name, who, file.name, offset, data))
                ray.get(self.collector.finish.remote(folder.name, who))
            shutil.rmtree(folder, ignore_errors=True)
        log = self.store.log(name)
        if log.is_file():
            ray.get(self.collector.log.remote(name, log.read_text(encoding="utf-8", errors="backslashreplace")))
            log.unlink()

    def close(self) -> None:
        """Remove everything on the node except its cache."""
        self._kept.close()


def fetch_files(folder: str, wanted: Mapping[str, tuple[str, str]]) -> None:
    """Copy files of the driver to this node: remote path -> (SHA-256, local path). Existing files are verified."""
    server = ray.get_actor(_server_name(folder))
    for path, (expected, to) in wanted.items():
        target = Path(to)
        if target.is_file() and file_digest(target) == expected:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with new_file(target) as hidden:
            found = hashlib.sha256()
            with open(hidden, "wb") as f:
                while data := ray.get(server.read.remote(path, f.tell())):
                    found.update(data)
                    f.write(data)
            if found.hexdigest() != expected:
                raise StoreError(
                    f"{path}: was received on node {os.uname().nodename} with a wrong checksum; has the file changed?"
                )


def _moved(value: Any, place: Callable[[str], str]) -> Any:
    """Return a job, or a part of one, with each text replaced by `place(text)`."""
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
