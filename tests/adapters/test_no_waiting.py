"""No adapter waits for the GPU inside a step: it reads no number from a tensor and copies none from the CPU.

The steps run on the CPU. What is recorded are the operations that would make a GPU and the Python program wait for each other.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dabench.adapters
import pytest
import torch
from planted import CPU, network, target_of, trainer, view
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from dabench.data.augment import Augmenter
from dabench.plugins.contract import Adapter, Augment, Target
from dabench.plugins.registry import Registry
from dabench.training.network import adapter_network
from dabench.training.trainer import RunTrainer

NAMES = [entry.name for entry in Registry(entry_points=False).entries("adapter")]

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal", "is_nonzero", "lift_fresh"}
"""Operations that give a size or a number to Python, and `torch.tensor(...)`, which makes a tensor on the CPU."""

OF_THE_CPU = {"maml": {"_local_scalar_dense"}, "anil": {"_local_scalar_dense"}, "coral": {"equal"}}
"""Operations on tensors that lie on the CPU anyway: numbers drawn for the order of tasks, and the divisor inside `torch.cov`."""


class Recorder(TorchDispatchMode):
    """Record the names of operations that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).split(".")[1]
        at = args[1] if name.startswith("index") and isinstance(args[1], list) else []
        masked = any(a is not None and a.dtype is torch.bool for a in at)
        if (name in WAITS or masked) and not self.paused:
            self.found.add(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Record the steps of every training. `one_hot` looks at its values on a CPU, but not on CUDA."""
    recorder, train, one_hot = Recorder(), RunTrainer._train, F.one_hot

    def recorded(self: RunTrainer, net: Any, modules: Any, step: Callable[[float], Mapping[str, Any]], *given: Any) -> None:
        def inside(progress: float) -> Mapping[str, Any]:
            with recorder:
                return step(progress)

        train(self, net, modules, inside, *given)

    def unwatched(*given: Any, **named: Any) -> Any:
        recorder.paused = True
        try:
            return one_hot(*given, **named)
        finally:
            recorder.paused = False

    monkeypatch.setattr(RunTrainer, "_train", recorded)
    monkeypatch.setattr(F, "one_hot", unwatched)
    return recorder


@pytest.mark.parametrize("name", NAMES)
def test_its_steps_wait_for_nothing(recorder: Recorder, name: str) -> None:
    adapter: Adapter = Registry(entry_points=False).make("adapter", name)
    sources = [replace(view(of, 120, seed), groups=torch.arange(120) % 4) for seed, of in enumerate(("first", "second"))]
    adapter.source_count = len(sources)
    net = adapter_network(adapter, network(8))
    net = adapter.pretrain(net, sources, trainer(steps=2))
    images = view("target", 100, 3)
    given = {
        "none": Target("target", images.classes),
        "test": Target("target", images.classes),
        "unlabelled": target_of(images),
        "few-shot": target_of(images, shots=5),
        "full": target_of(images, shots=5),
    }[adapter.access]
    adapter.adapt(copy.deepcopy(net), sources if adapter.uses_sources else [], given, trainer(steps=2))
    assert recorder.found <= OF_THE_CPU.get(name, set())


@pytest.mark.parametrize(
    "augment", [Augment(crop=12, resized_crop=0.3, flip=True, rotate=5.0), Augment(saturation=0.3, hue=0.1, erasing=0.5)]
)
def test_the_augmentation_of_a_batch_waits_for_nothing(augment: Augment) -> None:
    augmenter, generator, recorder = Augmenter(augment, 16, 16, CPU), torch.Generator(), Recorder()
    with recorder:
        augmenter.train(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), generator)
    assert recorder.found == set()


@pytest.mark.parametrize(
    "step", [lambda t: t.sum().item(), lambda t: t[t > 0], lambda t: torch.tensor([1.0]), lambda t: t.nonzero()]
)
def test_what_waits_is_recorded(step: Callable[[torch.Tensor], object]) -> None:
    recorder = Recorder()
    with recorder:
        step(torch.ones(3))
    assert recorder.found


def test_no_adapter_sets_an_item_of_a_tensor() -> None:
    """`t[0] = 0.5` copies a tensor of the CPU to the GPU and waits; `t.fill_(0.5)` does not. On a CPU they are the same."""
    for path in sorted(Path(dabench.adapters.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in node.targets if isinstance(node, ast.Assign) else ():
                of_table = isinstance(target, ast.Subscript) and isinstance(getattr(target.slice, "value", None), str)
                assert not isinstance(target, ast.Subscript) or of_table, f"{path.name}, line {node.lineno}"
