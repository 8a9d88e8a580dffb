"""Which device and precision a run is planned for, and a machine that computes otherwise."""

from __future__ import annotations

import os

import pytest
import torch

from dabench.errors import SpecError
from dabench.training.device import planned, reproducible, resolved


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A machine with a GPU, or without (the parameter), whose CPU does not compute in bf16 and whose GPU does."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("machine", "name", "gpus", "cluster", "expected"),
    [
        (False, "auto", None, False, ("cpu", "fp32")),
        (True, "auto", None, False, ("cuda", "bf16")),
        (True, "cpu", None, False, ("cpu", "fp32")),
        (True, "auto", 0.0, False, ("cpu", "fp32")),
        (True, "auto", 0.5, False, ("cuda", "bf16")),
        (False, "auto", 1.0, False, ("cpu", "fp32")),  # that there are none, is said when the runs are fitted
        (False, "auto", 1.0, True, ("cuda", "bf16")),
        (False, "cuda", None, True, ("cuda", "bf16")),
        (False, "auto", None, True, ("cpu", "fp32")),
    ],
    indirect=["machine"],
)
def test_a_run_is_planned_for_a_class_of_device_and_a_precision(
    name: str, gpus: float | None, cluster: bool, expected: tuple[str, str]
) -> None:
    assert resolved(name, gpus, cluster) == expected


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("machine", [False], indirect=True)
def test_a_plan_for_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"train\.device = 'cuda': torch finds no such device"):
        resolved("cuda")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("machine", [False], indirect=True)
def test_a_worker_without_the_planned_device_refuses_the_run() -> None:
    with pytest.raises(SpecError, match=r"train\.device = 'cuda': torch finds no such device"):
        planned("cuda", "bf16", "auto")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("machine", [False], indirect=True)
def test_a_worker_that_lacks_the_planned_precision_refuses_the_run_and_says_what_to_set() -> None:
    with pytest.raises(SpecError, match=r"planned for bf16, .* set train.precision = 'fp32', or 'bf16'"):
        planned("cpu", "bf16", "auto")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("machine", [True, False], indirect=True)
@pytest.mark.parametrize(("precision", "asked"), [("fp32", "auto"), ("bf16", "bf16"), ("fp32", "fp32")])
def test_a_worker_computes_as_planned_whatever_auto_is_there(precision: str, asked: str) -> None:
    assert planned("cpu", precision, asked) == torch.device("cpu")


# Runs that repeat


def flags() -> dict[str, object]:
    """What torch would do on CUDA now."""
    cudnn = torch.backends.cudnn
    return {
        "tf32": (torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32),
        "cudnn": (cudnn.deterministic, cudnn.benchmark),
        "algorithms": (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        "filled": torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        "workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


EXACT = {"tf32": (False, False)}
REPEATED = {"cudnn": (True, False), "algorithms": (True, True), "filled": False, "workspace": ":4096:8"}


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_run_on_cuda_computes_without_tf32_and_if_asked_deterministically_and_puts_all_back(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = flags()
    with reproducible(1, 0, torch.device("cuda"), deterministic):
        inside = flags()
    assert inside == before | EXACT | (REPEATED if deterministic else {})
    assert flags() == before


def test_a_run_on_the_cpu_changes_no_flag() -> None:
    before = flags()
    with reproducible(1, 0, torch.device("cpu")):
        assert flags() == before


def test_a_workspace_that_the_user_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with reproducible(1, 0, torch.device("cuda")):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
