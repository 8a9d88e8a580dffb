"""Check whether this machine has what dabench needs."""

from __future__ import annotations

import importlib
import platform
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from dabench.storage.paths import cache_address, cache_folder, cores, data_folder
from dabench.storage.remote_fs import shown

_PACKAGES = {
    "torch": "torch", "torchvision": "torchvision", "timm": "timm", "ray": "ray", "av": "av", "decord": "decord",
    "pytorch-adapt": "pytorch_adapt", "numpy": "numpy", "scikit-learn": "sklearn", "matplotlib": "matplotlib",
}  # fmt: skip


def findings() -> Iterator[tuple[str, str, bool]]:
    """Yield (item, its state and how to install it if missing, whether it is usable)."""
    yield "python", platform.python_version(), True
    for package, module in _PACKAGES.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(module)
            yield package, _version(package), True
        except Exception as e:
            yield package, f"cannot be imported ({type(e).__name__}: {e}); pip install {package}", False
    yield from _devices()
    yield "cores", str(cores()), True
    address = cache_address()
    cache = f"{shown(address)}, local mirror {cache_folder()}" if address else str(cache_folder())
    yield "prepared cache", f"{cache} (DABENCH_CACHE)", True
    yield "raw data", f"{data_folder()} (DABENCH_DATA){'' if data_folder().is_dir() else ', does not exist yet'}", True


def _version(package: str) -> str:
    for name in (package, f"eva-{package}"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "version unknown"


def _devices() -> Iterator[tuple[str, str, bool]]:
    try:
        import torch

        from dabench.training.device import choose_device, low_precision
    except ImportError:
        return
    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    yield "device", f"{name}; precision 'auto' is {'bf16' if low_precision('auto', device) else 'fp32'}", True
