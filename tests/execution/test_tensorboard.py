"""TensorBoard logs, read back record by record."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from fabricated import SCORES, edit, two_sets
from tensorboardX.proto.event_pb2 import Event as Written

from dabench.errors import SpecError
from dabench.execution.queue import Event
from dabench.execution.tensorboard import POINTS, TensorBoardWriter, _thinned
from dabench.storage.run_store import RunStore
from dabench.training.selection import VALIDATORS

FABRICATION = two_sets(seeds=1)
RUNS = FABRICATION.runs()
ADAPTED = next(r for r in RUNS if r.target)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return FABRICATION.write(tmp_path / "out")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (step, value) of every event file in a folder: records of length, checksum, bytes, checksum."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.glob("*tfevents*"):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event: Any = Written.FromString(data[12 : 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            data = data[16 + length :]
    return found


def test_the_loss_of_every_step_is_written(store: RunStore) -> None:
    TensorBoardWriter(store).write([ADAPTED])
    losses = scalars(store.folder / "tensorboard" / ADAPTED.folder)["loss"]
    assert [step for step, _ in losses] == list(range(1, 21))
    assert [value for _, value in losses] == pytest.approx([1 - step / 20 for step in range(20)])


def test_every_label_free_score_of_each_checkpoint_is_written(store: RunStore) -> None:
    TensorBoardWriter(store).write([ADAPTED])
    found = scalars(store.folder / "tensorboard" / ADAPTED.folder)
    assert {tag for tag in found if tag != "loss"} == {f"{rule}/{ADAPTED.target}" for rule in VALIDATORS}
    assert [step for step, _ in found[f"entropy/{ADAPTED.target}"]] == [10, 20]
    assert [v for _, v in found[f"entropy/{ADAPTED.target}"]] == pytest.approx(SCORES["entropy"])


def test_named_losses_are_written_apart(store: RunStore) -> None:
    path = store.runs / ADAPTED.folder / "run.json"
    edit(path, lambda text: json.dumps(json.loads(text) | {"named_losses": {"domain": [0.5, None, 0.25]}}))
    TensorBoardWriter(store).write([ADAPTED])
    assert scalars(store.folder / "tensorboard" / ADAPTED.folder)["loss/domain"] == [(1, 0.5), (3, 0.25)]


def test_a_run_is_written_when_it_is_done_and_not_when_it_starts(store: RunStore) -> None:
    board = TensorBoardWriter(store)
    board(Event("started", ADAPTED))
    assert not (store.folder / "tensorboard").exists()
    board(Event("done", ADAPTED, 1.0))
    assert [p.name for p in (store.folder / "tensorboard").iterdir()] == [ADAPTED.folder]


def test_what_is_there_is_not_written_again_unless_the_run_is_done_again(store: RunStore) -> None:
    board = TensorBoardWriter(store)
    board.write([ADAPTED])
    mark = store.folder / "tensorboard" / ADAPTED.folder / "mine"
    mark.touch()
    board.write(RUNS)
    assert mark.exists()
    assert len(list((store.folder / "tensorboard").iterdir())) == len(RUNS)
    board(Event("done", ADAPTED, 1.0))
    assert not mark.exists()


def test_a_run_that_does_not_stand_is_left_out(tmp_path: Path) -> None:
    store = two_sets(seeds=1, leave_out=lambda run: True).write(tmp_path / "out")
    TensorBoardWriter(store).write(RUNS)
    assert not (store.folder / "tensorboard").exists()


def test_a_log_that_cannot_be_written_stops_nothing(store: RunStore) -> None:
    (store.folder / "tensorboard").write_text("in the way")
    TensorBoardWriter(store)(Event("done", ADAPTED, 1.0))


def test_of_a_long_training_means_are_written() -> None:
    assert _thinned([1.0, 3.0]) == [(1, 1.0), (2, 3.0)]
    long = _thinned([1.0, 3.0] * POINTS)
    assert (len(long), long[0], long[-1]) == (POINTS, (2, 2.0), (2 * POINTS, 2.0))


def test_without_tensorboardx_the_error_names_the_command(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(SpecError, match="pip install tensorboardX"):
        TensorBoardWriter(store)
