"""The job of a worker: everything it needs for one run. A worker is given nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dabench.experiment.access import SourceGrant, TargetGrant
from dabench.plugins.contract import Augment
from dabench.storage.schema import TrialConfig
from dabench.training.settings import EvalConfig, NetworkConfig, TrainConfig


@dataclass(frozen=True)
class Job:
    """One run as sent to a worker. Every value is plain, or a tuple, mapping or frozen dataclass of plain values.

    Attributes:
        name, digest, method, seed, fold, label_budget, parent, probe: those of the run (dabench.storage.schema.Run).
        adapter: the name of the adapter's plugin, where there is one.
        options, backbone_options: the options of the adapter and of the backbone that the sweep sets.
        correction: the name of the plugin that corrects the predictions of the adapter, or None; correction_options: its options.
        channels, size: channels and side of the prepared images.
        source_names: the sources of its network. sources: the files of them that it may open; empty in a source-free adaptation.
        target: None in a pretraining.
        length: optimiser steps of a source-only run; None for other runs.
        tests: name -> path of the images whose predictions are stored.
        scored: target -> path of the validation images that checkpoints are scored on.
        train: [train] with the planned device and precision; `asked_precision` is that of the sweep and may be "auto".
        test_digests: dataset -> digest of the prepared data that is predicted.
        files: path on the driver's machine -> SHA-256 of every file that the run opens; only for workers on other machines.
    """

    name: str
    digest: str
    method: str
    adapter: str
    options: Mapping[str, Any]
    correction: str | None
    correction_options: Mapping[str, Any]
    backbone: str
    backbone_options: Mapping[str, Any]
    channels: int
    size: int
    pretrained: bool
    classes: tuple[str, ...]
    train: TrainConfig
    asked_precision: str
    test: EvalConfig
    augment: Augment
    seed: int
    label_budget: str
    source_names: tuple[str, ...]
    sources: tuple[SourceGrant, ...]
    target: TargetGrant | None
    tests: Mapping[str, str]
    scored: Mapping[str, str]
    test_digests: Mapping[str, str]
    parent: str | None
    length: int | None
    probe: TrialConfig | None
    files: Mapping[str, str] = field(default_factory=dict)
    fold: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)
