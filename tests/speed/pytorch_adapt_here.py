"""pytorch-adapt's own DANN, as its documentation writes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dabench.training.network import TorchNetwork

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_adapt.hooks import DANNHook


def dann_hook(net: TorchNetwork, hidden: int) -> Callable[[Tensor, Tensor, Tensor], None]:
    """Return one optimisation step of (source images, source labels, target images) on `net` and a new domain classifier."""
    width = net.head.in_features
    critic = nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Flatten(0)
    )
    models = {"G": net.encoder, "C": net.head, "D": critic}
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4) for m in models.values()]
    hook = DANNHook(optimizers)

    def step(images: Tensor, labels: Tensor, others: Tensor) -> None:
        domains = {"src_domain": torch.zeros(len(images)), "target_domain": torch.ones(len(others))}
        hook({**models, "src_imgs": images, "src_labels": labels, "target_imgs": others, **domains})

    return step
