"""Collect the facts of a plugin for `dabench show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dabench.errors import DabenchError
from dabench.plugins.contract import Adapter, Backbone, Dataset, Plugin
from dabench.plugins.options import describe


def facts_of(plugin: Plugin, origin: str, members: Sequence[str], data: Path, cache: Path) -> dict[str, Any]:
    """Return the facts of a plugin by name, in the order of printing, as plain JSON values.

    Args:
        origin: where the plugin was found.
        members: the names of a family with fixed variants.
        data: the folder of all raw datasets.
        cache: the folder of all prepared datasets.
    """
    facts: dict[str, Any] = {"name": plugin.name, "short_name": plugin.short_name, "title": plugin.title, "origin": origin}
    if members:
        facts["names"] = list(members)
    if isinstance(plugin, Dataset):
        facts |= _of_dataset(plugin, data, cache)
    if isinstance(plugin, Adapter):
        facts |= {"access": plugin.access, "family": plugin.family}
    if isinstance(plugin, Backbone):
        facts |= {"dropout": plugin.dropout, "parameters": _parameters(plugin)}
    facts |= {"options": describe(type(plugin.options)), "citation": plugin.citation}
    return facts | {"about": " ".join((type(plugin).__doc__ or "").split())}


def _of_dataset(dataset: Dataset, data: Path, cache: Path) -> dict[str, Any]:
    return {
        "classes": list(dataset.classes),
        "license": dataset.license,
        "homepage": dataset.homepage,
        "counts": dict(dataset.counts),
        "augment": vars(dataset.augment),
        "files": [f"{f.described()}, downloaded by dabench prepare" for f in dataset.files],
        **({} if dataset.name.endswith("/*") else _on_this_machine(dataset, data, cache)),
        "download_instructions": dataset.download_instructions,
    }


def _on_this_machine(dataset: Dataset, data: Path, cache: Path) -> dict[str, Any]:
    """Return where the raw files of a dataset are, and whether it is prepared from the current files."""
    from dabench.data.prepare import prepared_if_current

    raw = dataset.raw_in(data)
    try:
        files = [path.stat().st_size for path in dataset.raw_files(raw)]
        prepared = prepared_if_current(dataset, raw, cache)
    except (DabenchError, OSError):  # missing or unreadable files; dabench prepare reports the reason
        files, prepared = [], None
    there = f"{len(files):,} file{'s' * (len(files) > 1)} of {sum(files):,} bytes" if files else "no files there"
    facts: dict[str, Any] = {"raw": f"{raw} ({there})" if dataset.download_instructions or dataset.files else "needs no files"}
    if prepared is None:
        return facts | {"prepared": f"no; dabench prepare {dataset.name}"}
    images = " / ".join(f"{split} {prepared.count(split):,}" for split in prepared.splits)
    shape = "x".join(map(str, prepared.shape))
    return facts | {"prepared": f"{images} images, {shape}", "digest": prepared.digest, "cache": str(prepared.folder)}


def _parameters(backbone: Backbone) -> str:
    """Return the number of parameters under the study's conditions, or why it is not known."""
    if backbone.name.endswith("/*"):
        return f"depends on the model: dabench show backbone {backbone.name.removesuffix('*')}MODEL"
    from dabench.training.network import build_network, parameter_count

    for channels, size in ((3, 44), (3, 224)):
        try:
            net = build_network(backbone, channels, size, 7)
        except Exception:  # a backbone may raise any exception for a size; the next size is tried
            continue
        return f"{parameter_count(net):,} with {channels} channels, {size}x{size} images and 7 classes"
    return "not known: the backbone accepts neither 44x44 nor 224x224 images"
