"""What the cases share: all cores for both sides, and a note of the machine."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from dabench.storage.paths import cores


@pytest.fixture(autouse=True)
def all_cores() -> Iterator[None]:
    """Give torch every core, as it has by default; a run of a sweep takes what its settings say."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    yield
    torch.set_num_threads(before)


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Keep what names the machine by its class, and nothing that names the machine itself."""
    capable = [
        name for name, there in torch.cpu.get_capabilities().items() if there is True and name in ("avx512_bf16", "amx_bf16")
    ]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    kept = {"cores": cores(), "machine": platform.machine(), "bf16": capable, "gpu": gpu, "torch": torch.__version__}
    machine_info.clear()
    machine_info.update(kept)
