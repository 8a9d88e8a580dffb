"""What a process of runs does with its GPU. Calls of CUDA are recorded; none is made."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_sweeps import PLUGINS, SHAPES, Tiny, tiny

from dabench.errors import StoppedError
from dabench.execution.gpu import free_cached, free_gpu_memory, hold_to_share, lost, out_of_memory


@pytest.mark.parametrize(
    ("share", "there", "set_to"), [(0.25, True, [0.25]), (1.0, True, []), (0.0, True, []), (None, True, []), (0.25, False, [])]
)
def test_a_process_takes_no_more_than_its_share_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch, share: float | None, there: bool, set_to: list[float]
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", asked.append)
    hold_to_share(share)
    assert asked == set_to


@pytest.mark.parametrize(("device", "calls"), [("cuda", 1), ("cpu", 0)])
def test_memory_is_given_back_between_runs_on_a_gpu(monkeypatch: pytest.MonkeyPatch, device: str, calls: int) -> None:
    emptied: list[int] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    free_cached(torch.device(device))
    assert len(emptied) == calls


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux keeps freed memory this way")
def test_memory_is_given_back_to_the_system_between_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace(malloc_trim=trimmed.append))
    free_cached(torch.device("cpu"))
    assert trimmed == [0]


def test_a_c_library_without_this_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    free_cached(torch.device("cpu"))


ERRORS = [
    (torch.AcceleratorError("CUDA error: device-side assert triggered"), "lost"),
    (RuntimeError("CUDA error: an illegal memory access was encountered"), "lost"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"), "lost"),
    (torch.AcceleratorError("CUDA error: out of memory"), "memory"),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "memory"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "memory"),
    (MemoryError(), "memory"),
    (IndexError("Target 99 is out of bounds."), ""),
    (RuntimeError("Expected all tensors to be on the same device"), ""),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS, ids=[str(error)[:40] for error, _ in ERRORS])
def test_errors_that_end_cuda_are_told_from_those_that_do_not(error: BaseException, kind: str) -> None:
    assert (lost(error), out_of_memory(error)) == (kind == "lost", kind == "memory")


def python(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_another_process_asks_for_the_free_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", python(tmp_path, "echo 8123456789"))
    monkeypatch.setattr(torch.cuda, "get_device_properties", None)  # which would keep a context in this process
    assert free_gpu_memory() == 8123456789


@pytest.mark.parametrize("text", ["exit 1", "echo none"])
def test_without_an_answer_the_whole_memory_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    monkeypatch.setattr(sys, "executable", python(tmp_path, text))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: SimpleNamespace(total_memory=80))
    assert free_gpu_memory() == 80


# An error that ends CUDA


@pytest.fixture
def sweep(tmp_path: Path) -> Tiny:
    """A sweep in which one of two adaptations fails as CUDA fails."""
    return tiny(tmp_path, ["none", "asserts"], overrides=["seeds=2"], plugins=(SHAPES, PLUGINS / "asserts.py"))


def test_it_stops_a_sweep_in_one_process_and_keeps_what_is_complete(sweep: Tiny, tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match=r"an error of CUDA in asserts_bright_pale_s0 .* or use --engine ray"):
        sweep.run(tmp_path / "out", "inline")
    assert "supervised_bright_s0" in sweep.standing(tmp_path / "out")
    assert "device-side assert" in (tmp_path / "out" / "failed" / "asserts_bright_pale_s0.txt").read_text()


@pytest.mark.usefixtures("running_ray")
def test_it_ends_a_worker_and_no_other_run(sweep: Tiny, tmp_path: Path) -> None:
    outcome = sweep.run(tmp_path / "out", "ray")
    lost = {f"asserts_bright_pale_s{seed}" for seed in (0, 1)}
    assert {run.name for run in sweep.plan.runs} - set(sweep.standing(tmp_path / "out")) == lost
    assert outcome.failed == len(lost)
    first = (tmp_path / "out" / "failed" / "asserts_bright_pale_s0.txt").read_text().splitlines()[0]
    assert first == "RuntimeError: CUDA error: device-side assert triggered"
