"""Test-time methods: the order and the size of batches, the state between them, and what a sweep stores of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from planted import SIZE, network, view
from tiny_sweeps import tiny

from dabench import Adapter
from dabench.data.augment import Augmenter
from dabench.errors import DivergedError, PluginError
from dabench.plugins.contract import Augment
from dabench.storage.run_store import RunStore
from dabench.training.evaluate import logits
from dabench.training.settings import EvalConfig
from dabench.training.test_stream import StreamPredictor

CPU = torch.device("cpu")
AUGMENTER = Augmenter(Augment(), SIZE, SIZE, CPU)
IMAGES = view("test", 50, 3).images.numpy()


class Counts(Adapter):
    """Adds to each logit the number of images that were predicted before, and keeps the batches."""

    name = "counts"
    access = "test"
    batches: ClassVar[list[torch.Tensor]] = []

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def predict(self, net: Any, images: torch.Tensor) -> torch.Tensor:
        """Return the number of images of earlier batches as every logit, and change the network."""
        self.batches.append(images)
        found = torch.full((len(images), 5), float(self.seen))
        self.seen += len(images)
        with torch.no_grad():
            net.head.bias += 1
        return found


@pytest.fixture(autouse=True)
def no_batches() -> Iterator[None]:
    Counts.batches = []
    yield
    Counts.batches = []


def stream(make: Any = Counts, seed: int = 0, **test: Any) -> StreamPredictor:
    return StreamPredictor(make, AUGMENTER, EvalConfig(**test), "fp32", seed)


def test_without_a_method_the_logits_are_those_of_the_network_in_the_order_of_the_images() -> None:
    net = network(8)
    plain = logits(net, IMAGES, AUGMENTER, EvalConfig(), "fp32")
    np.testing.assert_allclose(stream(Adapter, stream_batch=7).logits(net, IMAGES), plain, atol=1e-5)


def test_batches_have_the_size_asked_for_and_hold_each_image_once() -> None:
    stream(stream_batch=16).logits(network(8), IMAGES)
    assert [len(batch) for batch in Counts.batches] == [16, 16, 16, 2]
    given = np.round(torch.cat(Counts.batches).numpy() * 255).astype(np.uint8)
    assert sorted(image.tobytes() for image in given) == sorted(image.tobytes() for image in IMAGES)


def test_the_order_is_fixed_by_the_seed() -> None:
    first, again, other = (stream(seed=seed, stream_batch=10).logits(network(8), IMAGES) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_state_is_carried_from_batch_to_batch_or_reset_for_each() -> None:
    carried = stream(stream_batch=10).logits(network(8), IMAGES)
    assert sorted(set(carried[:, 0])) == [0, 10, 20, 30, 40]
    reset = stream(stream_batch=10, stream_reset=True).logits(network(8), IMAGES)
    assert set(reset[:, 0]) == {0}


def test_the_network_given_does_not_change() -> None:
    net = network(8)
    before = net.head.bias.detach().clone()
    stream(stream_batch=10).logits(net, IMAGES)
    assert torch.equal(net.head.bias, before)


def test_global_random_numbers_are_seeded_and_given_back() -> None:
    class Random(Counts):
        def predict(self, net: Any, images: torch.Tensor) -> torch.Tensor:
            return torch.rand(len(images), 5)

    torch.manual_seed(5)
    first = stream(Random).logits(network(8), IMAGES)
    torch.manual_seed(6)
    expected = torch.rand(1)
    torch.manual_seed(6)
    assert np.array_equal(stream(Random).logits(network(8), IMAGES), first)  # the network takes numbers before
    torch.manual_seed(6)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("given", [None, torch.zeros(50), torch.zeros(3, 5)])
def test_what_is_not_logits_of_the_batch_is_refused(given: Any) -> None:
    class Wrong(Counts):
        def predict(self, net: Any, images: torch.Tensor) -> Any:
            return given

    with pytest.raises(PluginError, match=r"adapter 'counts': predict\(\) returned .*; it must return logits \(50, K\)"):
        stream(Wrong).logits(network(8), IMAGES)


def test_logits_that_are_no_numbers_end_the_run() -> None:
    class Diverged(Counts):
        def predict(self, net: Any, images: torch.Tensor) -> torch.Tensor:
            return torch.full((len(images), 5), float("nan"))

    with pytest.raises(DivergedError, match="not finite"):
        stream(Diverged).logits(network(8), IMAGES)


@pytest.mark.parametrize("name", ["tent", "shot"])
def test_a_sweep_stores_what_each_method_was_given(tmp_path: Path, name: str) -> None:
    """A sweep with a source-free and one with a test-time method: records, scores, and conditions."""
    from dabench.analysis.export import open_results
    from dabench.analysis.matrix import read_matrix

    of = tiny(tmp_path, ["none", name])
    folder = tmp_path / "runs"
    of.run(folder)
    found = [RunStore(folder).find(run.digest, of.plan.test_digests(run)) for run in of.plan.runs if run.method == name]
    records = [of.facts for of in found if of is not None and of.facts.target]
    assert records
    assert all(record.sources for record in records)
    source_free = name == "shot"
    for record in records:
        assert record.target is not None
        assert (record.scores[record.target]["source-accuracy"][-1] is None) == source_free
    matrix = read_matrix(open_results(folder))
    assert {(g.label_budget, g.target_images) for g in matrix.gains} == {("0", "train" if source_free else "test")}
    assert matrix.record.methods[name].uses_sources is False  # neither adapt() nor predict() is given any


def test_a_source_free_run_may_open_no_file_of_a_source(tmp_path: Path) -> None:
    of = tiny(tmp_path, ["none", "shot"])
    for run in of.plan.runs:
        job = of.plan.job(run)
        assert job.source_names == run.sources
        assert bool(job.sources) == (run.target is None)


def test_a_test_time_run_may_open_no_training_image_of_the_target(tmp_path: Path) -> None:
    of = tiny(tmp_path, ["none", "tent"])
    granted = [of.plan.job(run).target for run in of.plan.runs if run.target is not None]
    assert granted
    assert all(target is not None and target.images is None and target.shots is None for target in granted)
