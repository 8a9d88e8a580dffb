"""What travels between the nodes of a cluster, without one: the node that does not see the driver's disk is a folder here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from fabricated import two_sets
from tiny_sweeps import Tiny, tiny

from dabench.errors import StoreError
from dabench.execution.ray import nodes
from dabench.execution.ray.nodes import (
    FileServer,
    RemoteWorkspace,
    ResultCollector,
    fetch_files,
    granted_files,
    prepared_files,
    sees_folder,
)
from dabench.hashing import file_digest
from dabench.plugins.registry import REGISTRY
from dabench.storage.run_store import RunStore
from dabench.training.network import build_network, save_network


class Here:
    """A Ray of this process: calls what it is told at once."""

    def __init__(self, **actors: Any) -> None:
        self.actors = actors

    def get_actor(self, name: str) -> Any:
        return self.actors["shelf"]

    def get(self, value: Any) -> Any:
        return value


class Called:
    """An actor of this process."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.of, name)
        return type("Method", (), {"remote": staticmethod(method)})


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets().write(tmp_path / "driver")


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Tiny]:
    return tiny(tmp_path, ["none", "fine-tune", "dann"])


def shelf_here(monkeypatch: pytest.MonkeyPatch, shelf: FileServer) -> None:
    monkeypatch.setattr(nodes, "ray", Here(shelf=Called(shelf)))


def test_a_job_names_the_files_of_its_grant_and_no_others(sweep: Tiny) -> None:
    known = prepared_files(sweep.plan)
    run = next(r for r in sweep.plan.runs if r.method == "fine-tune" and r.target == "pale")
    names = {Path(path).parent.name.split("-")[0] + "/" + Path(path).stem for path in granted_files(sweep.plan.job(run), known)}
    assert names == {
        "bright/train-images", "bright/train-labels", "bright/train-groups", "bright/val-images", "bright/val-labels",
        "bright/test-images", "pale/train-images", "pale/val-images", "pale/test-images",
    }  # fmt: skip


def test_a_job_on_another_node_names_no_path_of_the_drivers_cache(sweep: Tiny) -> None:
    known = prepared_files(sweep.plan)
    for run in sweep.plan.runs:
        job = sweep.plan.job(run)
        files = granted_files(job, known)
        moved = json.dumps(asdict(nodes._moved(job, lambda text, files=files: "/node/file" if text in files else text)))
        assert str(sweep.plan.prepared["bright"].folder.parent) not in moved
        assert "/node/file" in moved


def test_a_file_of_weights_travels_with_the_job(tmp_path: Path) -> None:
    net = build_network(REGISTRY.make("backbone", "conv4", {"width": 4}), 1, 28, 3)
    save_network(net.encoder, tmp_path / "start.safetensors")
    plan = tiny(tmp_path, ["none"], overrides=['conv4.weights="start.safetensors"']).plan
    job = plan.job(next(run for run in plan.runs if run.parent is None))
    there = granted_files(job, prepared_files(plan))
    path = str(tmp_path / "start.safetensors")
    assert there[path] == file_digest(Path(path))
    moved = nodes._moved(job, lambda text: "/node/file" if text in there else text)
    assert moved.backbone_options["weights"] == "/node/file"


def test_files_come_whole_and_are_checked(sweep: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "CHUNK", 1000)
    known = prepared_files(sweep.plan)
    shelf_here(monkeypatch, FileServer(str(tmp_path), list(known)))
    path, sha = next((p, s) for p, s in known.items() if p.endswith("train-images.npy"))
    to = tmp_path / "node" / "x.npy"
    fetch_files(str(tmp_path), {path: (sha, str(to))})
    assert to.read_bytes() == Path(path).read_bytes()
    to.write_bytes(b"damaged")
    fetch_files(str(tmp_path), {path: (sha, str(to))})
    assert file_digest(to) == sha
    with pytest.raises(StoreError, match="with a wrong checksum"):
        fetch_files(str(tmp_path), {path: ("0" * 64, str(tmp_path / "node" / "y.npy"))})
    assert [p.name for p in (tmp_path / "node").iterdir()] == ["x.npy"]


@pytest.mark.parametrize("path", ["/etc/passwd", "runs/../../secret", "sweep.json"])
def test_the_shelf_gives_nothing_else(store: RunStore, path: str) -> None:
    with pytest.raises(StoreError, match="is not available to workers"):
        FileServer(str(store.folder), []).read(str(store.folder / path), 0)


def delivered(apart: RemoteWorkspace, store: RunStore, name: str) -> Path:
    """Let a node have done a run that stands in `store`, take it from there, and deliver it."""
    (folder,) = store.runs.glob(f"{name}-*")
    shutil.copytree(folder, apart.store.runs / folder.name)
    shutil.rmtree(folder)
    apart.store.log(name).write_text("said")
    apart._deliver(name)
    return folder


def test_a_finished_run_comes_whole_with_its_log(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DABENCH_NODE", str(tmp_path / "node"))
    monkeypatch.setattr(nodes, "CHUNK", 100)
    monkeypatch.setattr(nodes, "ray", Here())
    apart = RemoteWorkspace(Called(ResultCollector(str(store.folder))), str(store.folder))
    run = next(r for r in two_sets().runs() if r.name == "adabn_print_hand_s0")
    delivered(apart, store, run.name)
    assert store.find(run.digest) is not None
    assert store.log(run.name).read_text() == "said"
    assert list(apart.store.runs.iterdir()) == []
    apart.close()
    assert list((tmp_path / "node").iterdir()) == []


def test_a_run_that_did_not_come_whole_does_not_stand(store: RunStore) -> None:
    (folder,) = store.runs.glob("adabn_print_hand_s0-*")
    desk = ResultCollector(str(store.folder))
    for file in folder.iterdir():
        desk.take(folder.name, "node", file.name, 0, file.read_bytes()[: 50 if file.suffix == ".npy" else None])
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match="was not received completely"):
        desk.finish(folder.name, "node")
    assert not folder.exists()
    assert not list(store.runs.glob(".*"))


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped"])
def test_what_a_node_delivers_stays_in_the_folder_of_runs(store: RunStore, tmp_path: Path, name: str) -> None:
    desk = ResultCollector(str(store.folder))
    desk.take(name, "../node", "../../file", 0, b"x")
    assert [p.name for p in store.runs.glob(".*")] == [".escaped-node"]
    assert not (tmp_path / "escaped").exists()


def test_a_node_is_told_that_it_does_not_see_the_folder(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DABENCH_NODE", raising=False)
    assert [sees_folder(store.folder), sees_folder(tmp_path / "nowhere")] == [True, False]
    monkeypatch.setenv("DABENCH_NODE", str(tmp_path))
    assert not sees_folder(store.folder)


@pytest.mark.slow
def test_a_sweep_over_two_nodes_of_which_one_is_killed_is_complete_and_equal() -> None:
    """In a process of its own: `make scale` runs the same script."""
    script = Path(__file__).parents[1] / "scale" / "two_nodes.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].count("| yes ") == 2
