"""What the contract promises to a method, seen by one that looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_sweeps import PLUGINS, SHAPES, Tiny, stored_logits, tiny


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, Path]:
    folder = tmp_path_factory.mktemp("modes")
    planned = tiny(folder, ["none", "modes"], head='pairs = ["bright -> pale"]', plugins=(SHAPES, PLUGINS / "modes.py"))
    planned.run(folder / "out")
    return planned, folder / "out"


def test_a_network_comes_trainable_and_in_training_mode_on_the_trainers_device(ran: tuple[Tiny, Path]) -> None:
    planned, out = ran
    assert [name for name in planned.standing(out) if name.startswith("modes")] == ["modes_bright_pale_s0", "modes_bright_s0"]


def test_a_network_that_is_returned_in_training_mode_is_tested_in_evaluation_mode(ran: tuple[Tiny, Path]) -> None:
    logits = stored_logits(*ran)
    assert np.array_equal(logits["modes_bright_pale_s0", "pale"][-1], logits["supervised_bright_s0", "pale"][-1])
