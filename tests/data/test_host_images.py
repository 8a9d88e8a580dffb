"""Images outside the device: the batches are those of images on it, to the bit, and the next rows are gathered ahead."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from planted import network, trainer, view
from torch import Tensor

from dabench.data import file_rows, host_images
from dabench.data.augment import Augmenter, Stream
from dabench.data.file_rows import open_images
from dabench.data.host_images import HostImages, RowReader, stored_in_parts, stored_rows
from dabench.errors import DataError, PluginError
from dabench.plugins.contract import Augment, View
from dabench.training.evaluate import logits, outputs
from dabench.training.settings import EvalConfig

CPU = torch.device("cpu")
AUGMENT = Augment(crop=12, flip=True, rotate=9)


@pytest.fixture(autouse=True)
def _all_sets_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 0)


def outside(of: View, folder: Path) -> View:
    """Return the view with its images in a file."""
    path = folder / f"{of.name}.npy"
    np.save(path, of.images.numpy())
    return replace(of, images=cast(Tensor, HostImages(open_images(path), CPU, of.name)))


def pair(folder: Path, n: int = 37) -> tuple[list[View], list[View]]:
    """Return two views on the device, and the same with the larger one outside it."""
    there = [view("large", n, 1), view("small", 20, 2)]
    return there, [outside(there[0], folder), there[1]]


def stream(views: list[View], batch: int = 10, seed: int = 5) -> Stream:
    return Stream(views, batch, Augmenter(AUGMENT, 16, 16, CPU), torch.Generator().manual_seed(seed), copies=2, strong=True)


def same(one: Any, other: Any) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip((*one.copies, one.labels, one.view, one.index),
                                          (*other.copies, other.labels, other.view, other.index), strict=True)
    )  # fmt: skip


def test_batches_are_the_same_to_the_bit_over_three_epochs(tmp_path: Path) -> None:
    there, apart = pair(tmp_path)
    one, other = stream(there), stream(apart)
    for _ in range(3 * 37 // 5 + 1):
        assert same(next(one), next(other))
        assert torch.equal(one.generator.get_state(), other.generator.get_state())  # never drawn ahead


@pytest.mark.parametrize("taken", [1, 7, 8, 16])
def test_a_stream_resumes_with_images_in_another_place(tmp_path: Path, taken: int) -> None:
    there, apart = pair(tmp_path)
    one, other = stream(there), stream(apart)
    for _ in range(taken):
        next(other)
    next_of_other = other.state_dict()
    for _ in range(3):
        next(other)  # has begun to gather other rows
    one.load_state_dict(next_of_other)
    other.load_state_dict(next_of_other)
    assert all(same(next(one), next(other)) for _ in range(20))


class Recorded:
    """Calls of `gather`: the thread and the positions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.gather = host_images.gather
        monkeypatch.setattr(host_images, "gather", self)

    def __call__(self, images: Any, at: Any, out: Any) -> None:
        self.calls.append((threading.current_thread().name, at.tolist()))
        self.gather(images, at, out)


def test_rows_are_gathered_ahead_if_they_are_drawn_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch)
    one = stream([outside(view("x", 10, 1), tmp_path)], batch=4)
    for _ in range(5):  # 20 positions: two epochs
        next(one)
    threads = [thread for thread, _ in recorded.calls]
    # The third batch needs positions of the next epoch, which are drawn when it is asked for.
    assert threads == ["MainThread", "gather", "MainThread", "gather", "gather"]
    assert sorted(at for _, positions in recorded.calls for at in positions) == sorted([*range(10)] * 2)


def test_rows_other_than_those_announced_are_right(tmp_path: Path) -> None:
    of = view("x", 10, 1)
    reader = RowReader(cast(HostImages, outside(of, tmp_path).images))
    reader.rows(torch.tensor([0, 1]), after=torch.tensor([2, 3]))
    assert torch.equal(reader.rows(torch.tensor([7, 4])), of.images[[7, 4]])


def test_an_error_while_gathering_ahead_reaches_who_asks_for_the_rows(tmp_path: Path) -> None:
    of = outside(view("x", 10, 1), tmp_path)
    reader = RowReader(cast(HostImages, of.images))
    import os

    os.truncate(tmp_path / "x.npy", 3 * 256)
    reader.rows(torch.tensor([0]), after=torch.tensor([9]))
    with pytest.raises(DataError, match=r"x\.npy: is shorter than its 10 images"):
        reader.rows(torch.tensor([9]))


def test_a_view_returns_rows_from_each_place(tmp_path: Path) -> None:
    of = view("x", 10, 1)
    at = torch.tensor([3, 3, 9])
    assert torch.equal(of.rows(at), of.images[at])
    assert torch.equal(outside(of, tmp_path).rows(at), of.images[at])


def test_images_outside_the_device_know_their_form(tmp_path: Path) -> None:
    of = outside(view("x", 10, 1), tmp_path)
    assert (len(of), of.images.shape, of.images.dtype, of.images.device) == (10, (10, 1, 16, 16), torch.uint8, CPU)
    assert torch.equal(of.images.index_select(0, torch.tensor([2])), of.rows(torch.tensor([2])))


@pytest.mark.parametrize(
    ("what", "use"),
    [
        ("an index", lambda images: images[:3]),
        ("'float'", lambda images: images.float()),
        ("arithmetic", lambda images: images / 255),
        ("cat", lambda images: torch.cat([images, images])),
        ("flip", lambda images: torch.flip(images, (0,))),
        ("index_select(1, ...)", lambda images: images.index_select(1, torch.tensor([0]))),
    ],
)
def test_other_uses_as_a_tensor_say_what_to_use_instead(tmp_path: Path, what: str, use: Any) -> None:
    with pytest.raises(PluginError) as error:
        use(outside(view("x", 10, 1), tmp_path).images)
    assert str(error.value) == (
        f"the images of 'x' are too large to lie on the device as one tensor, so View.images has no {what}; it has shape, dtype, "
        "device and len(). Use view.rows(positions), trainer.stream([view]) or trainer.batches(view)"
    )


def test_asking_whether_there_is_an_attribute_is_no_error(tmp_path: Path) -> None:
    assert not hasattr(outside(view("x", 10, 1), tmp_path).images, "is_cuda")


@pytest.mark.parametrize("batch", [4, 37, 512])
def test_a_trainer_passes_all_images_in_order(tmp_path: Path, batch: int) -> None:
    there, apart = pair(tmp_path)
    one, other = (torch.cat(list(trainer().batches(views[0], batch))) for views in (there, apart))
    assert torch.equal(one, other)


def test_statistics_are_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.training.trainer._STATISTICS_BATCH", 9)
    there, apart = pair(tmp_path)
    nets = [network(), network()]
    for net, views in zip(nets, (there, apart), strict=True):
        trainer().estimate_statistics(net, views[0])
    assert all(torch.equal(a, b) for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True))


def test_statistics_are_of_equal_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.training.trainer._STATISTICS_BATCH", 9)
    sizes: list[int] = []
    monkeypatch.setattr("dabench.training.trainer.estimate_statistics", lambda net, parts: sizes.extend(map(len, parts)))
    trainer().estimate_statistics(network(), view("x", 38, 1))
    assert sizes == [len(part) for part in torch.empty(38).tensor_split(4)]


@pytest.mark.parametrize("size", [5, 20, 64])
def test_logits_and_features_are_the_same_to_the_bit(tmp_path: Path, size: int) -> None:
    of, net = view("x", 20, 1), network()
    apart = cast(HostImages, outside(of, tmp_path).images).stored
    augmenter, test = Augmenter(Augment(), 16, 16, CPU), EvalConfig(batch=size)
    one, other = (logits(net, images, augmenter, test, "fp32") for images in (of.images.numpy(), apart))
    assert one.tobytes() == other.tobytes()
    one, other = (outputs(net, images, augmenter, test, "fp32")[0].numpy() for images in (of.images.numpy(), apart))
    assert one.tobytes() == other.tobytes()


def test_all_but_the_first_part_of_a_split_are_gathered_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = cast(HostImages, outside(view("x", 10, 1), tmp_path).images).stored
    recorded = Recorded(monkeypatch)
    assert [len(part) for part in stored_in_parts(images, 4)] == [4, 4, 2]
    assert [thread for thread, _ in recorded.calls] == ["MainThread", "gather", "gather"]


def test_a_test_stream_reads_ahead_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = view("x", 10, 1)
    images = cast(HostImages, outside(of, tmp_path).images).stored
    recorded = Recorded(monkeypatch)
    parts = torch.randperm(10, generator=torch.Generator().manual_seed(0)).split(4)
    assert torch.equal(torch.cat(list(stored_rows(images, parts))), torch.cat(list(stored_rows(of.images.numpy(), parts))))
    assert [thread for thread, _ in recorded.calls] == ["MainThread", "gather", "gather"]


# A GPU. Calls of CUDA are recorded; none is made.


class FakeEvent:
    """An event of CUDA that writes down what happens to it."""

    log: list[str]

    def record(self) -> None:
        self.log.append("record")

    def synchronize(self) -> None:
        self.log.append("wait")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A device that looks like a GPU; return what is done with it."""
    log: list[str] = []
    empty = torch.empty

    def room(*shape: Any, pin_memory: bool = False, **how: Any) -> Tensor:
        if pin_memory:
            log.append("pin")
        return empty(*shape, **how)

    def moved(rows: Tensor, device: Any, non_blocking: bool = False) -> Tensor:
        log.append("copy without waiting" if non_blocking else "copy")
        return rows.clone()

    monkeypatch.setattr(FakeEvent, "log", log, raising=False)
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(host_images.torch, "empty", room)
    monkeypatch.setattr(torch.Tensor, "to", moved)
    return log


def on_gpu(of: View) -> RowReader:
    return RowReader(HostImages(of.images.numpy(), cast(torch.device, SimpleNamespace(type="cuda")), of.name))


def test_rows_for_a_gpu_pass_through_two_pinned_buffers(gpu: list[str]) -> None:
    of = view("x", 30, 1)
    reader, parts = on_gpu(of), torch.arange(30).split(5)
    found = [reader.rows(at, after) for at, after in zip(parts, [*parts[1:], None], strict=True)]
    assert torch.equal(torch.cat(found), of.images)
    assert gpu.count("pin") == 2
    assert gpu.count("copy without waiting") == 6


def test_a_pinned_buffer_is_filled_again_only_after_the_copy_out_of_it(gpu: list[str]) -> None:
    reader, parts = on_gpu(view("x", 30, 1)), torch.arange(30).split(5)
    for at, after in zip(parts, [*parts[1:], None], strict=True):
        reader.rows(at, after)
    # Two batches fill the two buffers. Each later one waits for the copy of the batch before the last.
    assert gpu == [
        "pin", "copy without waiting", "record", "pin", *["copy without waiting", "record", "wait"] * 4, "copy without waiting",
        "record",
    ]  # fmt: skip


def test_a_thread_makes_no_call_of_cuda(gpu: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    began, calls = threading.Event(), []
    gather = host_images.gather

    def slow(images: Any, at: Any, out: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            before = len(gpu)
            gather(images, at, out)
            calls.append(len(gpu) - before)
            began.set()
        else:
            gather(images, at, out)

    monkeypatch.setattr(host_images, "gather", slow)
    on_gpu(view("x", 30, 1)).rows(torch.arange(5), torch.arange(5, 10))
    assert began.wait(10)
    assert calls == [0]
