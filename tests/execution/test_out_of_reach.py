"""What an adapter is given does not lead to test images, their files or the job; testing apart changes no number."""

from __future__ import annotations

import gc
import hashlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tiny_sweeps import Tiny, stored_logits, tiny

from dabench import Adapter, Network, Target, Trainer, View
from dabench.errors import DivergedError
from dabench.execution import checkpoint_thread, compute
from dabench.execution.checkpoint_thread import CheckpointRequests, in_own_thread
from dabench.execution.compute import EndTrial, RunCheckpoints
from dabench.experiment.job import Job
from dabench.plugins.registry import Registry

CPU = torch.device("cpu")


def reachable(*given: Any) -> list[Any]:
    """Return every object to which references lead from `given`, but not through modules and frames."""
    namespaces = {id(vars(module)) for module in sys.modules.values() if module is not None} | {id(sys.modules)}
    found: dict[int, Any] = {}
    stack = list(given)
    while stack:
        thing = stack.pop()
        if id(thing) in found or id(thing) in namespaces or isinstance(thing, ModuleType | FrameType):
            continue
        found[id(thing)] = thing
        stack += gc.get_referents(thing)
        if isinstance(thing, np.ndarray) and thing.base is not None:
            stack.append(thing.base)
    return list(found.values())


def digests(images: Any) -> set[str]:
    """Return a digest of each image, by which it is known without being held."""
    return {hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in images}


def forbidden(things: Sequence[Any], tests: set[str]) -> set[str]:
    """Return which forbidden things are among `things`: test images, paths of their files, the job, what tests with them."""
    found = set()
    for thing in things:
        if isinstance(thing, torch.Tensor) and thing.dtype == torch.uint8 and thing.dim() == 4:
            found |= {"test images"} if digests(thing.numpy()) & tests else set()
        if isinstance(thing, np.ndarray) and thing.dtype == np.uint8 and thing.ndim == 4:
            found |= {"test images"} if digests(thing) & tests else set()
        if isinstance(thing, str | Path) and "test-images" in str(thing) and "\n" not in str(thing):
            found.add("path")
        if isinstance(thing, Job | RunCheckpoints):
            found.add(type(thing).__name__)
    return found


class Explorer(Adapter):
    """Follows every reference from what it is given: before, during and after a training with checkpoints."""

    name = "explorer"
    access = "full"
    tests: ClassVar[set[str]] = set()
    found: ClassVar[list[set[str]]] = []
    seen: ClassVar[int] = 0

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Search, and train as the default does."""

        def search(progress: float) -> torch.Tensor:
            things = reachable(self, net, sources, target, trainer)
            type(self).seen = len(things)
            self.found.append(forbidden(things, self.tests))
            return net.head.bias.sum()

        search(0)
        trainer.fit(net, search, steps=4)
        search(1)
        return net


class One(Registry):
    """A registry whose adapter is the one given."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__(entry_points=False)
        self.adapter = adapter

    def make(self, kind: Any, name: str, options: Any = None) -> Any:
        return self.adapter if kind == "adapter" else super().make(kind, name, options)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, Path]:
    folder = tmp_path_factory.mktemp("apart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        sweep = tiny(folder, ["none", "dann"], head='pairs = ["bright -> pale"]')
        assert sweep.run(folder / "out").failed == 0
    return sweep, folder / "out"


def computed(swept: tuple[Tiny, Path], adapter: Adapter) -> Any:
    """Do the adaptation of the sweep with another adapter."""
    sweep, out = swept
    run = next(r for r in sweep.plan.runs if r.method == "dann")
    network = next(out.glob(f"runs/supervised_bright_s0-{str(run.parent)[:10]}")) / "network.safetensors"
    return compute.compute(sweep.plan.job(run), CPU, One(adapter), lambda digest: network)


def test_nothing_that_an_adapter_is_given_leads_to_test_images_their_files_or_the_job(swept: tuple[Tiny, Path]) -> None:
    Explorer.tests = set().union(*(digests(p.samples("test").images) for p in swept[0].plan.prepared.values()))
    Explorer.found.clear()
    computed(swept, Explorer())
    assert Explorer.found == [set()] * 6
    assert Explorer.seen > 1000


def test_the_same_search_finds_them_where_the_trainer_holds_them(
    swept: tuple[Tiny, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    monkeypatch.setattr(compute, "in_own_thread", lambda checkpoints, threads: nullcontext(checkpoints))
    Explorer.tests = set().union(*(digests(p.samples("test").images) for p in swept[0].plan.prepared.values()))
    Explorer.found.clear()
    computed(swept, Explorer())
    assert Explorer.found[0] == {"test images", "path", "RunCheckpoints"}


@pytest.mark.parametrize("threads", [1, 2])
def test_testing_apart_gives_the_same_predictions_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    from contextlib import nullcontext

    head = 'pairs = ["bright -> pale"]'
    sweep = tiny(tmp_path, ["none", "dann"], head=head, overrides=[f"train.threads={threads}"])
    sweep.run(tmp_path / "apart")
    monkeypatch.setattr(compute, "in_own_thread", lambda checkpoints, threads: nullcontext(checkpoints))
    sweep.run(tmp_path / "in-process")
    apart, here = stored_logits(sweep, tmp_path / "apart"), stored_logits(sweep, tmp_path / "in-process")
    assert {key: logits.tobytes() for key, logits in apart.items()} == {key: logits.tobytes() for key, logits in here.items()}
    assert len(apart) > 2


# The thread


class Recorder:
    """Tests nothing, or raises what a test asks for."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.steps, self.threads = error, [], 0

    def __call__(self, net: Any, step: int) -> None:
        self.steps.append(step)
        self.threads = torch.get_num_threads()
        secret = np.zeros(3)  # in a frame of the thread
        if self.error and len(secret):
            raise self.error

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "checkpoints"]


def test_a_request_is_done_before_it_returns() -> None:
    tests = Recorder()
    with in_own_thread(tests, 1) as ask:
        ask(None, 3)  # type: ignore[arg-type]
        assert tests.steps == [3]


def test_the_state_is_given_and_restored() -> None:
    with in_own_thread(Recorder(), 1) as ask:
        ask.load_state_dict({"steps": [1, 2]})
        assert ask.state_dict() == {"steps": [1, 2]}


@pytest.mark.parametrize("threads", [1, 2])
def test_the_thread_computes_with_the_threads_of_the_run(threads: int) -> None:
    tests = Recorder()
    with in_own_thread(tests, threads) as ask:
        ask(None, 0)  # type: ignore[arg-type]
    assert tests.threads == threads


@pytest.mark.parametrize("error", [EndTrial(), DivergedError("no"), MemoryError(), KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_of_the_thread_is_raised_where_it_is_asked_and_the_thread_ends(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, in_own_thread(Recorder(error), 1) as ask:
        ask(None, 0)  # type: ignore[arg-type]
    assert caught.value is error
    assert names() == []


def test_an_error_brings_no_frame_of_the_thread() -> None:
    with in_own_thread(Recorder(ZeroDivisionError("odd")), 1) as ask:
        try:
            ask(None, 0)  # type: ignore[arg-type]
        except ZeroDivisionError as e:
            trace, error = e.__traceback__, e
    files = []
    while trace:
        files.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert files[-1] == "_ask"
    assert "raise self.error" in error.__notes__[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, EndTrial])
def test_the_thread_ends_with_its_block(error: type[BaseException]) -> None:
    with pytest.raises(error), in_own_thread(Recorder(), 1):
        raise error
    assert names() == []


def test_the_thread_keeps_no_network_alive() -> None:
    import weakref

    with in_own_thread(Recorder(), 1) as ask:
        net = torch.nn.Linear(1, 1)
        gone = weakref.ref(net)
        ask(net, 1)  # type: ignore[arg-type]
        del net
        ask.state_dict()
        assert gone() is None


def test_what_the_trainer_holds_are_two_queues() -> None:
    with in_own_thread(Recorder(), 1) as ask:
        assert isinstance(ask, CheckpointRequests)
        assert {type(value) for value in vars(ask).values()} == {checkpoint_thread.SimpleQueue}
