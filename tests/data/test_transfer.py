"""Small tensors on their way to the device."""

from __future__ import annotations

from unittest.mock import MagicMock, call

import torch

from dabench.data.transfer import sent


def test_a_gpu_does_not_wait_for_values_of_the_cpu() -> None:
    values, device = MagicMock(device=torch.device("cpu")), torch.device("cuda")
    sent(values, device)
    assert values.mock_calls == [call.pin_memory(), call.pin_memory().to(device, non_blocking=True)]


def test_values_that_lie_on_the_device_stay_there() -> None:
    values = torch.arange(3)
    assert sent(values, torch.device("cpu")) is values
