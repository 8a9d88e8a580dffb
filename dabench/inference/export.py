"""Write a network of a results folder for other programs: weights with plain torch code, torch.export, TorchScript, or ONNX."""

from __future__ import annotations

import json
import runpy
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from dabench.errors import SpecError, StoreError
from dabench.inference.card import model_card
from dabench.inference.plain import PlainNetwork, plain_code
from dabench.inference.stored import StoredNetwork, StoredNetworks, backbone_of
from dabench.storage.atomic import new_folder, write_text

Format = Literal["safetensors", "pt2", "torchscript", "onnx"]

FORMATS: Mapping[Format, str] = {
    "safetensors": "weights in network.safetensors and plain torch code in network.py",
    "pt2": "weights and computation in network.pt2, by torch.export",
    "torchscript": "weights and computation in network.pt, by the deprecated torch.jit",
    "onnx": "weights and computation in network.onnx, for ONNX Runtime and other programs",
}

TOLERANCE = 1e-4
"""Largest difference between a logit of an exported network and that of the stored one."""

_ONNX = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ExportedNetwork:
    """A folder that an export wrote: its files, the exported network, and the largest difference of a logit."""

    folder: Path
    files: tuple[str, ...]
    network: StoredNetwork
    difference: float


def export_stored(networks: StoredNetworks, form: Format, folder: Path) -> ExportedNetwork:
    """Write one network into a new folder, with a model card. What was written is read again and compared on random images.

    The first of `networks` is written.

    Raises:
        SpecError: a package that the format needs is missing.
        StoreError: the folder is not empty or cannot be written, or the network cannot be written in this format.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists; give another folder with --out")
    if form == "onnx" and (missing := [name for name in _ONNX if not find_spec(name)]):
        raise SpecError(f"--format onnx: needs the package {', '.join(missing)}; install it with: pip install 'dabench[onnx]'")
    stored = networks.open(networks.runs[0])
    net, steps = PlainNetwork(networks.open(networks.runs[0]).network), stored.preprocessing
    images = torch.rand(4, steps.channels, steps.crop, steps.crop, generator=torch.Generator().manual_seed(0))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as hidden:
            again = _WRITERS[form](networks, stored, net, images, hidden)
            with torch.inference_mode():
                expected = stored.network(images)
                difference = float((again(images) - expected).abs().max())
            if not difference <= TOLERANCE:
                raise StoreError(
                    f"--format {form}: the written network differs from the stored one by {difference:.2g} in a logit, more than "
                    f"{TOLERANCE}; use another format"
                )
            write_text(hidden / "README.md", model_card(networks, stored, form))
            write_text(hidden / "network.json", json.dumps(_facts(networks, stored), indent=1) + "\n")
            files = tuple(sorted(path.name for path in hidden.iterdir() if path.is_file()))
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --out") from e
    return ExportedNetwork(folder, files, stored, difference)


def _facts(networks: StoredNetworks, stored: StoredNetwork) -> dict[str, Any]:
    """Return the content of network.json."""
    run = stored.run
    return {
        "classes": list(stored.classes),
        "input": stored.preprocessing.as_dict(),
        "run": run.name,
        "digest": run.digest,
        "backbone": networks.record.backbone.name,
        "adapter": networks.key.adapter,
        "sources": list(run.sources),
        "target": run.target,
        "seed": run.seed,
        "environment": dict(run.environment),
    }


Again = Callable[[Tensor], Tensor]
"""The written network: images -> logits."""


def _safetensors(networks: StoredNetworks, stored: StoredNetwork, net: PlainNetwork, images: Tensor, folder: Path) -> Again:
    steps = stored.preprocessing
    backbone = backbone_of(networks.record, networks.registry)
    title = f"The network of the run {stored.run.name}, written by dabench."
    code = plain_code(net, title, stored.classes, (steps.channels, steps.crop), backbone)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, folder / "network.safetensors")
    (folder / "network.safetensors").chmod(0o644)  # safetensors makes it readable for its owner alone
    write_text(folder / "network.py", code)
    written: Again = runpy.run_path(str(folder / "network.py"))["load_network"]()
    return written


def _pt2(networks: StoredNetworks, stored: StoredNetwork, net: PlainNetwork, images: Tensor, folder: Path) -> Again:
    torch.export.save(_exported(net, images), folder / "network.pt2")
    written: Again = torch.export.load(folder / "network.pt2").module()
    return written


def _torchscript(networks: StoredNetworks, stored: StoredNetwork, net: PlainNetwork, images: Tensor, folder: Path) -> Again:
    jit: Any = torch.jit  # without types
    path, whole = folder / "network.pt", folder / "whole.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit warns that torch.export is its successor
        jit.trace(net, images, check_trace=False).save(str(whole))
        with zipfile.ZipFile(whole) as read, zipfile.ZipFile(path, "w") as kept:
            # The debug files name the folders of this machine.
            for name in (name for name in read.namelist() if not name.endswith(".debug_pkl")):
                kept.writestr(name, read.read(name))
        whole.unlink()
        written: Again = jit.load(str(path))
    return written


def _onnx(networks: StoredNetworks, stored: StoredNetwork, net: PlainNetwork, images: Tensor, folder: Path) -> Again:
    path = folder / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parts of torch that the exporter uses
        program = torch.onnx.export(
            _exported(net, images), dynamo=True, verbose=False, input_names=["images"], output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
        )  # fmt: skip
    assert program is not None
    for node in program.model.graph:
        node.metadata_props.clear()  # the lines of code that each comes from, with the folders of this machine
    program.save(path, external_data=False)
    return OnnxNetwork(path)


def _exported(net: PlainNetwork, images: Tensor) -> torch.export.ExportedProgram:
    """Return the computation of a network for any number of images, without the paths of the code on this machine."""
    program = torch.export.export(net, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


_WRITERS: Mapping[Format, Callable[[StoredNetworks, StoredNetwork, PlainNetwork, Tensor, Path], Again]] = {
    "safetensors": _safetensors,
    "pt2": _pt2,
    "torchscript": _torchscript,
    "onnx": _onnx,
}


class OnnxNetwork:
    """A network in an ONNX file, run by ONNX Runtime on the CPU.

    Attributes:
        shape: the shape of its input as the file states it; a free dimension is a text or None.

    Raises:
        SpecError: ONNX Runtime is not installed, or the file does not map one input to one output.
    """

    def __init__(self, path: Path) -> None:
        if not find_spec("onnxruntime"):
            raise SpecError(f"{path}: an ONNX file needs the package onnxruntime; install it with: pip install 'dabench[onnx]'")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime has an error class for each cause
            raise SpecError(f"{path}: cannot be read as an ONNX network ({' '.join(str(e).split())[:200]})") from e
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise SpecError(
                f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; a classifier of images has one of each"
            )
        self._input, self.shape = inputs[0].name, tuple(inputs[0].shape)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the output for images (B, C, H, W) float32."""
        found = self._session.run(None, {self._input: np.ascontiguousarray(images.numpy())})[0]
        return torch.from_numpy(np.asarray(found, dtype=np.float32))
