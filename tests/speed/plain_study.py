"""One piece of the quick sweep as a script for one method, source, target and seed is usually written: a process of its own.

    python plain_study.py data.npz METHOD SOURCE TARGET SEED

It trains on the source, adapts, and prints its accuracy on both test splits. fp32, the framework's defaults, all cores.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from test_steps import meta_step
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from dabench.backbones.conv4 import Conv4
from dabench.training.network import TorchNetwork, build_network

STEPS, BATCH, LR, SHOTS = 300, 128, 0.05, 5


def endless(dataset: TensorDataset, batch: int) -> Any:
    loader = DataLoader(dataset, batch, shuffle=True, drop_last=len(dataset) > batch)
    while True:
        yield from loader


def supervised(net: nn.Module, dataset: TensorDataset, steps: int, lr: float) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.2, anneal_strategy="linear")
    batches = endless(dataset, BATCH)
    net.train()
    for _ in range(steps):
        images, labels = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        schedule.step()


def dann(net: TorchNetwork, source: TensorDataset, target: TensorDataset) -> None:
    from pytorch_adapt_here import dann_hook

    hook = dann_hook(net, 128)
    batches, others = endless(source, BATCH // 2), endless(target, BATCH // 2)
    net.train()
    for _ in range(STEPS):
        images, labels = next(batches)
        hook(images, labels, next(others)[0])


def maml(net: TorchNetwork, images: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, weight_decay=5e-4)
    net.train()
    for _ in range(STEPS // 2):
        at = torch.cat([torch.nonzero(labels == k).flatten()[torch.randperm(int((labels == k).sum()))[:10]] for k in range(10)])
        at = at.reshape(10, 10)
        support, query = at[:, :5].flatten(), at[:, 5:].flatten()
        optimizer.zero_grad()
        meta_step(net, [(images[support], labels[support], images[query], labels[query])], 3, 0.1).backward()
        optimizer.step()


def accuracy(net: TorchNetwork, images: Tensor, labels: Tensor) -> float:
    net.eval()
    with torch.no_grad():
        return float((net(images).argmax(1) == labels).float().mean())


def main(data: str, method: str, source: str, target: str, seed: str) -> None:
    torch.manual_seed(int(seed))
    with np.load(data, allow_pickle=False) as arrays:
        sets = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    x, y = sets[f"{source}-images"].float() / 255, sets[f"{source}-labels"]
    others, truth = sets[f"{target}-images"].float() / 255, sets[f"{target}-labels"]
    net = build_network(Conv4(), 1, 16, 10, False)
    if method == "maml":
        maml(net, x, y)
    else:
        supervised(net, TensorDataset(x, y), STEPS, LR)
    shots = torch.cat([torch.nonzero(truth == k).flatten()[:SHOTS] for k in range(10)])
    if method in ("fine-tune", "maml"):
        steps = 3 if method == "maml" else STEPS * 3 // 10
        supervised(net, TensorDataset(others[shots], truth[shots]), steps, LR / 5)
    elif method == "none":  # as long in all as the longest adaptation
        supervised(net, TensorDataset(x, y), STEPS, LR)
    elif method == "dann":
        dann(net, TensorDataset(x, y), TensorDataset(others))
    for name in (source, target):
        print(name, accuracy(net, sets[f"{name}-test-images"].float() / 255, sets[f"{name}-test-labels"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
