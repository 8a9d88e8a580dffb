"""Pictures that a method shows on the page of the report."""

from __future__ import annotations

import pytest
import torch
from planted import trainer

from dabench.errors import PluginError
from dabench.training.pictures import MOST, picture


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_become_one_picture_of_bytes(channels: int) -> None:
    one, two = torch.rand(2, 20, channels, 8, 6)
    found = picture([one, two])
    assert found.dtype == torch.uint8
    assert found.shape == (2, MOST, channels, 8, 6)
    assert torch.equal(found[1], (two[:MOST] * 255).round().byte())


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [torch.tensor(0.5)],
        [torch.rand(2, 8, 8)],
        [torch.rand(2, 2, 8, 8)],
        [torch.rand(0, 1, 8, 8)],
        [torch.rand(2, 1, 8, 8), torch.rand(3, 1, 8, 8)],
        [torch.full((1, 1, 8, 8), 1.5)],
        [torch.full((1, 1, 8, 8), -0.1)],
        [torch.full((1, 1, 8, 8), torch.nan)],
    ],
)
def test_other_rows_are_refused(rows: list[torch.Tensor]) -> None:
    with pytest.raises(PluginError, match=r"trainer\.show was given"):
        picture(rows)


def test_a_second_picture_of_a_name_replaces_the_first() -> None:
    at = trainer()
    at.show("translated", torch.zeros(1, 1, 8, 8))
    at.show("translated", torch.ones(1, 1, 8, 8))
    assert list(at.trace.pictures) == ["translated"]
    assert int(at.trace.pictures["translated"].min()) == 255
