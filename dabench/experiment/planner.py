"""Make the plan of a sweep: prepare its datasets, resolve its settings, and list its pretrainings and adaptations."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

from dabench.data.cache import Notify, Prepared
from dabench.data.folds import fold_count, folded
from dabench.data.prepare import reshaped
from dabench.data.whole import whole
from dabench.errors import DataError, SpecError
from dabench.experiment.access import grant_target
from dabench.experiment.classes import keeping, renames, shared_classes
from dabench.experiment.config import Sweep
from dabench.experiment.plan import Plan, adaptation, pretraining, source_only
from dabench.experiment.raw_files import prepare_all
from dabench.experiment.resolve import make_adapter, make_backbone, make_dataset
from dabench.experiment.shared_images import shared_images
from dabench.hashing import file_digest
from dabench.plugins.contract import Adapter, Augment, Dataset
from dabench.plugins.registry import Registry
from dabench.plugins.weights import weights_of
from dabench.storage.atomic import remove_abandoned, temporary_prefix
from dabench.storage.paths import cache_folder
from dabench.storage.schema import Run
from dabench.training.selection import ORACLE

_GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""Device files of NVIDIA, AMD and Windows (WSL) GPU drivers under Linux. If none exists, torch finds no GPU."""


def make_plan(
    sweep: Sweep, registry: Registry, data: Path, notify: Notify, *, gpus: float | None = None, cluster: bool = False
) -> Plan:
    """Prepare the sweep's datasets and expand it to runs.

    Args:
        gpus: GPUs per run if given.
        cluster: the runs are executed on a Ray cluster. Both arguments decide the device.

    Raises:
        SpecError, DataError: the datasets do not fit together or do not fit the sweep.
    """
    remove_abandoned(cache_folder() / ".*")
    remove_abandoned(temporary_prefix())
    datasets = {name: make_dataset(sweep, name, registry) for name in sweep.datasets}
    backbone = make_backbone(sweep, registry)
    weights = _weights_digest(weights_of(backbone), sweep.backbone)  # a missing file ends the plan before data are prepared
    raw = prepare_all(datasets, data, cache_folder(), notify)
    classes = shared_classes(sweep, raw)
    if len(classes) < 2:
        raise SpecError(
            f"the datasets have a single class, '{classes[0]}', so every network is right; add images of another class, or name "
            "more in classes"
        )
    channels = sweep.channels or max(p.shape[0] for p in raw.values())
    if unlike := sweep.network.unlike(channels):
        raise SpecError(unlike)
    size = sweep.size or max(max(p.shape[1:]) for p in raw.values())
    prepared = {
        n: reshaped(p, channels, size, classes, renames(sweep, n, p.classes, classes), notify=notify) for n, p in raw.items()
    }
    if sweep.transductive:
        prepared = {n: whole(p, notify=notify) for n, p in prepared.items()}
    folds = _folds(sweep, prepared, notify)
    _check_counts(sweep, prepared, folds)
    augment = _augment(sweep, datasets)
    if augment.crop and augment.crop > size:
        raise SpecError(
            f"augment.crop = {augment.crop}: larger than the images, which are {size}x{size}; set size or augment.crop"
        )
    if sweep.test.crops == 10 and augment.crop is None:
        raise SpecError("test.crops = 10 needs augment.crop, because ten crops of the whole image are equal; set it")
    adapters = {name: make_adapter(sweep, name, registry) for name in sweep.adapters}
    for name in (n for n, p in prepared.items() if not p.labelled):
        _check_unlabelled(sweep, name, adapters)
    where = _device_and_precision(sweep, gpus, cluster)
    warnings = tuple(shared_images(sweep.tasks, datasets, folds or (prepared,)))
    plan = Plan(sweep, augment, channels, size, datasets, prepared, adapters, backbone, (), *where, warnings, weights, folds)
    runs = tuple(_runs(plan))
    for run in runs:  # reports classes with too few images for the shots before any run starts
        if run.target is not None:
            grant_target(plan.data(run.fold)[run.target], adapters[run.method].access, sweep.shots, run.seed)
    for line in warnings:
        notify(f"warning: {line}")
    return plan if sweep.search.trials else replace(plan, runs=runs)


def _weights_digest(file: str, backbone: str) -> str:
    """Return the SHA-256 of the file that a backbone starts from; "" without one."""
    try:
        return file_digest(Path(file)) if file else ""
    except OSError as e:
        raise SpecError(
            f"[{backbone}] weights = '{file}': cannot be read ({e.strerror or e}); a path in a sweep file is relative to "
            "that file, one given with --set to the working folder"
        ) from e


def _device_and_precision(sweep: Sweep, gpus: float | None, cluster: bool) -> tuple[str, str]:
    """Return the class of device of the runs, and the precision that "auto" means on it.

    Torch is imported only if needed, so that a complete sweep is recognised within a second.
    """
    device, precision = sweep.train.device, sweep.train.precision
    if device == "auto" and not cluster and sys.platform == "linux" and not any(map(os.path.exists, _GPU_FILES)):
        device = "cpu"
    if device == "cpu" and precision != "auto" and "train.precision" not in sweep.search.space:
        return "cpu", precision
    from dabench.training.device import resolved

    return resolved(sweep.train.device, gpus, cluster)


def _folds(sweep: Sweep, prepared: Mapping[str, Prepared], notify: Notify) -> tuple[Mapping[str, Prepared], ...]:
    """Return the datasets of each fold; none if the sweep has no folds.

    Raises:
        DataError: a dataset cannot be divided, or the datasets have different numbers of groups to leave out.
    """
    if sweep.folds is None:
        return ()
    counts = {name: fold_count(p, sweep.folds) for name, p in prepared.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {n}" for name, n in counts.items())
        raise DataError(
            f"folds = '{sweep.folds}': the datasets have different numbers of groups ({listed}), and a run trains and tests on "
            f"one fold of each; set folds = {min(counts.values())} or fewer"
        )
    divided = {name: folded(p, sweep.folds, notify=notify) for name, p in prepared.items()}
    return tuple({name: parts[fold] for name, parts in divided.items()} for fold in range(min(counts.values())))


def _check_counts(sweep: Sweep, prepared: Mapping[str, Prepared], folds: Sequence[Mapping[str, Prepared]]) -> None:
    """Raise DataError if a class has no image in a training split, or in the test split of a dataset without folds."""
    of = [(f"dataset '{name}'", p, split) for name, p in prepared.items() for split in ("train", "test")]
    if folds:
        of = [(f"dataset '{name}', fold {k}", p, "train") for k, data in enumerate(folds, 1) for name, p in data.items()]
    for who, p, split in of:
        for label, count in p.splits[split]["classes"].items():
            if count == 0:
                others = [c for c in p.classes if c != label]
                advice = f", or leave the class out with {keeping(sweep, others)}" if len(others) > 1 else ""
                raise DataError(f"{who}: its {split} split has no image of class '{label}'; add images{advice}")


def _check_unlabelled(sweep: Sweep, name: str, adapters: Mapping[str, Adapter]) -> None:
    """Raise SpecError if the sweep needs labels of the dataset `name`, which has none."""
    others = [d for d in sweep.datasets if d != name]
    if any(name in sources for sources, _ in sweep.tasks):
        pairs = f'pairs = ["{others[0]} -> {name}"]' if others else "pairs"
        raise SpecError(
            f"dataset '{name}' has no labels, so it cannot be a source; name the tasks in which it is the target: {pairs}"
        )
    if all(target != name for _, target in sweep.tasks):
        return
    for method, adapter in adapters.items():
        if adapter.adapts() and adapter.access in ("few-shot", "full"):
            raise SpecError(
                f"adapter '{method}' needs labels of its target (access {adapter.access}), and dataset '{name}' has none; "
                "leave the adapter out, or sweep it in another file"
            )
    if sweep.search.trials and sweep.search.select == ORACLE:
        raise SpecError(f"search.select = 'oracle' needs labels of the target, and dataset '{name}' has none; set another rule")


def _augment(sweep: Sweep, datasets: Mapping[str, Dataset]) -> Augment:
    """Return the common augmentation of the datasets, changed by the sweep's [augment]."""
    first, *others = (d.augment for d in datasets.values())
    apart = [f.name for f in fields(Augment) if any(getattr(o, f.name) != getattr(first, f.name) for o in others)]
    if set(apart) - set(sweep.augment):
        rows = "; ".join(f"{n}: {d.augment}" for n, d in datasets.items())
        raise SpecError(f"the datasets ask for different augmentation ({rows}); set {', '.join(apart)} under [augment]")
    chosen = replace(first, **sweep.augment)
    return chosen if chosen.crop else replace(chosen, crop=None)


def _runs(plan: Plan) -> list[Run]:
    """Return the pretrainings and then the adaptations, each once."""
    found: list[Run] = []
    # Each dataset is a row of the matrix: its pretraining gives the diagonal even if no task has it as source.
    rows = dict.fromkeys([(d,) for d in plan.trained_on] + [s for s, _ in plan.sweep.tasks])
    for seed, part in product(plan.sweep.seed_list, map(plan.at, plan.fold_numbers)):
        for sources in rows:
            found += source_only(part, sources, seed)
        for name, sources, target in plan.networks:
            first = pretraining(part, name, sources, seed)
            found += [first, adaptation(part, name, first, target)] if target else [first]
    once = {run.digest: run for run in found}.values()
    return sorted(once, key=lambda run: run.target is not None)
