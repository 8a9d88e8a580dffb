"""What one run needs of a machine: memory, arithmetic, room on disk. Computed from its network and its data, not tried."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dabench.network import Network, build_network
from dabench.plan import Plan, Run

PROCESS = 600_000_000
"""Bytes of a worker that are its own before it trains: Python, torch and the libraries of scores, as measured on Linux."""
_STREAMS = 2
"""A method that adapts sees a batch of the source and one of the target in a step."""
_COPIES = 5
"""Of the network: itself, its gradients, the optimiser's state, what an adapter starts from, what is stored."""
_LAYERS = 3
"""In testing, of the largest layer's output: what it reads, what it writes, and what the library below works in."""


@dataclass(frozen=True)
class Need:
    """What any run of a plan needs.

    Attributes:
        memory: bytes at the most. Images are not counted: all runs share them by memory mapping, and the system can let go
            of them.
        images: bytes of the images of the largest source and target, of which each run on a GPU has a copy there.
        network: bytes of the network's parameters and buffers.
    """

    memory: int
    images: int
    network: int


def need(plan: Plan) -> Need | None:
    """Return what any run of the plan needs, or None where its network cannot be asked; raise as `build_network`."""
    train, test = plan.sweep.train, plan.sweep.test
    with torch.random.fork_rng(devices=[]):
        net = build_network(plan.backbone, plan.channels, plan.input_size, len(plan.classes), plan.sweep.pretrained)
        try:
            kept, largest = _activations(net, plan)
        except Exception:  # the run itself says what is wrong with such a network
            return None
    network = sum(t.numel() * t.element_size() for t in net.state_dict().values())
    work = max(_STREAMS * train.batch * kept, _LAYERS * test.batch * largest)
    tests = sorted(p.count("test") for p in plan.prepared.values())[-2:]
    logits = 4 * len(plan.classes) * train.checkpoints * sum(tests)
    features = 4 * net.head.in_features * _STREAMS * max(p.count("val") for p in plan.prepared.values())
    images = sorted(p.path("train", "images").stat().st_size for p in plan.prepared.values())[-2:]
    return Need(PROCESS + _COPIES * network + work + logits + features, sum(images), network)


def _activations(net: Network, plan: Plan) -> tuple[int, int]:
    """Return the bytes that a step keeps of an image for its gradients, and the bytes of the largest piece of them."""
    seen: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        if not isinstance(t, torch.nn.Parameter):
            storage = t.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = net.train()(torch.rand(2, plan.channels, plan.input_size, plan.input_size))
        # While `out` lives, so do they: no two of them have the same address.
        kept, largest = sum(seen.values()) // len(out), max(seen.values()) // len(out)
    return kept, largest


def operations(plan: Plan) -> float:
    """Return the floating-point operations of a training step on a batch of the source and one of the target."""
    from torch.utils.flop_counter import FlopCounterMode

    net = build_network(plan.backbone, plan.channels, plan.input_size, len(plan.classes)).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, plan.channels, plan.input_size, plan.input_size))
    return float(3 * _STREAMS * plan.sweep.train.batch * counter.get_total_flops())


def stored_bytes(plan: Plan, run: Run, network: int) -> int:
    """Return about how many bytes a finished run takes on disk: network, logits, and the losses in its record."""
    train = plan.sweep.train
    logits = sum(4 * plan.prepared[t].count("test") * len(plan.classes) * train.checkpoints for t in run.tests)
    return network + logits + _LOSS * steps_of(plan, run) + _RECORD


_LOSS, _RECORD = 21, 4000


def steps_of(plan: Plan, run: Run) -> int:
    """Return the steps of a full training on the run's sources; a method may take others."""
    train = plan.sweep.train
    if train.steps is not None:
        return train.steps
    return max(1, round(train.epochs * sum(plan.prepared[s].count("train") for s in run.sources) / train.batch))
