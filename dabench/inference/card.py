"""The model card of an exported network: what it is, how it is used, how good it is, and under which terms."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

from dabench.analysis.metrics import find_metric
from dabench.analysis.results import EncodedCell, cell_of
from dabench.inference.preprocessing import Preprocessing
from dabench.inference.stored import StoredNetwork, StoredNetworks
from dabench.reporting.citation import cite_results
from dabench.reporting.escape import escape_md, one_line
from dabench.reporting.formats import markdown
from dabench.reporting.intervals import interval_text
from dabench.reporting.tables import Table, counted, labels_text, protocol_text
from dabench.storage.schema import CellKey, NetworkKey, tests_of

_LOADED: Mapping[str, tuple[str, str, str]] = {
    "safetensors": ("from network import load_network", "", "load_network()({images})"),
    "pt2": ("", 'net = torch.export.load("network.pt2").module()', "net({images})"),
    "torchscript": ("", 'net = torch.jit.load("network.pt").eval()', "net({images})"),
    "onnx": (
        "import onnxruntime",
        'session = onnxruntime.InferenceSession("network.onnx")',
        'torch.from_numpy(session.run(None, {{"images": ({images}).numpy()}})[0])',
    ),
}
"""Format -> its import, how it is loaded, and the logits of images."""


def model_card(networks: StoredNetworks, stored: StoredNetwork, form: str) -> str:
    """Return README.md of an exported network."""
    record, run = networks.record, stored.run
    parts = [
        f"# {escape_md(_title(networks, stored))}",
        f"A network that sorts images into {len(stored.classes)} classes: {escape_md(', '.join(stored.classes))}. "
        f"dabench {run.environment.get('dabench', '')} trained it in the sweep "
        f"{escape_md(record.sweep.name)}, run {escape_md(run.name)}.",
        "## How to use it",
        f"```python\n{usage_code(stored.preprocessing, form)}\n```",
        _input_text(networks, stored),
        "## Preprocessing",
        _list([*stored.preprocessing.steps, *stored.preprocessing.notes]),
        "The code above does these steps for images of 8 bits per channel without transparency that lie the right way up. "
        "The preparation of the dataset itself is not repeated where its raw files decide it, as with boxes of faces.",
        "## Results",
        _results(networks, stored),
        "## Conditions",
        _list(_conditions(networks, stored)),
        "## Data and licenses",
        _list(_data(networks)),
        "The license of a dataset may restrict what a network that was trained on it may be used for.",
        "## Citation",
        f"```bibtex\n{_citation(networks)}```",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _citation(networks: StoredNetworks) -> str:
    """Return the citation of the results, with the adapter of this network alone."""
    record, found = networks.record, copy.copy(networks.predictions)
    found.record = replace(record, sweep=replace(record.sweep, adapters=(networks.key.adapter,)))
    return cite_results(found).text


def _title(networks: StoredNetworks, stored: StoredNetwork) -> str:
    facts, key = networks.predictions.facts, networks.key
    names = "+".join(facts[name].short_name for name in key.sources)
    arrow = f" -> {facts[key.target].short_name}" if key.target else ""
    return f"{networks.record.backbone.short_name}, {key.adapter}, {names}{arrow}, seed {stored.run.seed}"


def _input_text(networks: StoredNetworks, stored: StoredNetwork) -> str:
    steps, correction = stored.preprocessing, ""
    if stored.network.log_ratios is not None:
        correction = (
            " The logits contain the correction for the class shares of the target's training images; where classes occur in "
            "other shares, it does not fit."
        )
    crops = ""
    if networks.test.crops == 10:
        crops = " The results below are those of ten crops of each image (the mean of their logits); the code above takes one."
    return (
        f"The input is float32, (B, {steps.channels}, {steps.crop}, {steps.crop}), from 0 to 1. The output is logits, "
        f"(B, {len(stored.classes)}). Any normalisation by mean and standard deviation is part of the network.{correction}{crops}"
    )


def usage_code(steps: Preprocessing, form: str) -> str:
    """Return Python code that predicts image.png with the files of an export, without dabench."""
    own, loaded, call = _LOADED[form]
    image = _image_code(steps)
    pixels = "pixels = torch.from_numpy(np.array(image, dtype=np.float32))"
    pixels += "[None, None]" if steps.channels == 1 else ".permute(2, 0, 1)[None]"
    if steps.crop != steps.size:
        start = (steps.size - steps.crop) // 2
        pixels += f"[..., {start}:{start + steps.crop}, {start}:{start + steps.crop}]"
    imports = ["import numpy as np", "import torch", f"from PIL import Image{', ImageOps' if 'ImageOps' in image else ''}", own]
    lines = [image, pixels, loaded, f"print({call.format(images='pixels / 255')}.softmax(1))"]
    ordered = sorted(filter(None, imports), key=lambda line: (line.startswith("from "), line))
    return "\n".join([*ordered, "", *filter(None, lines)])


def _image_code(steps: Preprocessing) -> str:
    """Return the line of code that opens image.png and makes it a square, as `Preprocessing.prepared` does."""
    code, last = 'Image.open("image.png")', "L" if steps.channels == 1 else "RGB"
    squares = {"stretch": "{0}.resize({1})", "crop": "ImageOps.fit({0}, {1})", "pad": "ImageOps.pad({0}, {1})"}
    mode = "L" if steps.grey else "RGB" if steps.first is not None else last
    code += f'.convert("{mode}")'
    side = steps.size if steps.first is None else steps.first
    if steps.first is None and mode != last:
        code += f'.convert("{last}")'
    code = squares[steps.square].format(code, f"({side}, {side}), Image.Resampling.BILINEAR")
    if steps.first is not None and mode != last:
        code += f'.convert("{last}")'
    if side != steps.size:
        code += f".resize(({steps.size}, {steps.size}), Image.Resampling.BILINEAR)"
    return f"image = {code}"


def _results(networks: StoredNetworks, stored: StoredNetwork) -> str:
    """Return the accuracy of this network and of the networks of all seeds on each test split."""
    key, runs, metric = networks.key, networks.predictions, find_metric("accuracy", stored.classes)
    rows, seeds, over = [], 0, ""
    for test in tests_of(NetworkKey(*key[:3]), networks.record.sweep.datasets, networks.record.sweep.transductive):
        tested = runs.tested(CellKey(*key[:3], test))
        cell = cell_of(EncodedCell(tested, metric.encode(tested.outcome)), metric, test) if tested else None
        if tested is None or cell is None:
            continue
        seeds, over = max(seeds, cell.seeds), cell.interval_over or over
        place = runs.facts[test].tested_in(stored.run.fold)
        found = next((r for r in networks.runs if r.facts == stored.run), None)
        own = ""
        if found is not None and test in found.facts.tests:
            right = found.logits(test)[-1].argmax(1) == runs.tests[test].labels[place]
            own = f"{100 * right.mean():.1f}"
        rows.append((runs.facts[test].short_name, own, f"{cell.mean:.1f} {interval_text(vars(cell))}", f"{cell.n:,}"))
    if not rows:
        return "The test images have no labels, so there are no results."
    columns = ("test split", "this network", f"mean of {counted(seeds, 'seed')}", "test images")
    note = f"Accuracy in %. The 95 % interval is over {over}, and is that of the mean over seeds, not of this network."
    if seeds == 1:
        note = f"Accuracy in %. The 95 % interval is over {over}; it does not cover the variation between trainings."
    return f"{markdown(Table('', columns, tuple(rows)))}\n\n{note}"


def _conditions(networks: StoredNetworks, stored: StoredNetwork) -> list[str]:
    record, run, key = networks.record, stored.run, networks.key
    facts = record.adapters[key.adapter]
    run_of = next(r for r in networks.runs if r.facts == run)
    steps = networks.predictions.steps(run_of)
    return [
        f"Adapter: {escape_md(key.adapter)} ({escape_md(facts.title)}); backbone: {escape_md(record.backbone.name)}",
        f"Target labels: {labels_text(run.label_budget)}. Target images while adapting: {record.target_images(key.adapter)}",
        *([] if facts.uses_sources or not facts.adapts else ["Sources are not used while adapting (source-free)"]),
        f"Checkpoint: the last. Optimiser steps with those of the runs before: {steps if steps is not None else 'not known'}",
        f"Seed {run.seed}{f', fold {run.fold}' if run.fold else ''}",
        *([text] if (text := protocol_text(record.sweep.transductive)) else []),
        f"Computed with torch {run.environment.get('torch', 'not known')}, {run.environment.get('precision', 'not known')}, on "
        f"{run.environment.get('device', 'a device that is not known')}",
        f"Digest of the run: {run.digest[:12]}; of the table: {networks.predictions.digest[:12]}",
    ]


def _data(networks: StoredNetworks) -> list[str]:
    lines = []
    for name in dict.fromkeys([*networks.key.sources, *([networks.key.target] if networks.key.target else [])]):
        facts = networks.predictions.facts[name]
        role = "source" if name in networks.key.sources else "target"
        page = f"; {facts.homepage}" if facts.homepage else ""
        title = one_line(facts.title or name)
        lines.append(f"{escape_md(name)} ({role}): {escape_md(title)}. License: {escape_md(facts.license or 'not known')}{page}")
    record = networks.record
    published = f"published weights of {record.backbone.name}" if record.sweep.pretrained else ""
    if start := record.backbone.weights or published:
        lines.append(f"The training started from other weights, whose terms apply as well: {escape_md(start)}")
    return lines


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
