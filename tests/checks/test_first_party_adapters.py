"""What every first-party adapter keeps to, given exactly what its access grants. A new one is tested by being there."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from planted import CLASSES, network, target_of, trainer, view

from dabench.checks.adapter_checks import adapter_rules
from dabench.plugins.contract import Adapter, Target, View
from dabench.plugins.options import describe
from dabench.plugins.registry import Registry
from dabench.training.network import TorchNetwork, adapter_network

NAMES = [entry.name for entry in Registry(entry_points=False).entries("adapter")]
STEPS = 4


def make(name: str) -> Adapter:
    adapter: Adapter = Registry(entry_points=False).make("adapter", name)
    return adapter


def granted(adapter: Adapter, train: View) -> Target:
    """Return what the adapter's access grants of `train`, and no more."""
    assert train.labels is not None
    few = target_of(train, shots=5)
    return {
        "none": Target(train.name, train.classes),
        "test": Target(train.name, train.classes),
        "unlabelled": target_of(train),
        "few-shot": few,
        "full": replace(few, shots=View(train.name, train.classes, train.images, train.labels)),
    }[adapter.access]


def source(channels: int = 1, grouped: bool = True, name: str = "source") -> View:
    plain = view(name, 120, 1)
    groups = torch.arange(120) % 4 if grouped else None
    return replace(plain, images=plain.images.expand(-1, channels, -1, -1).contiguous(), groups=groups)


def fresh(adapter: Adapter, channels: int = 1, seed: int = 0, sources: int = 1) -> TorchNetwork:
    adapter.source_count = sources
    return adapter_network(adapter, network(8, seed=seed, channels=channels))


def seen(adapter: Adapter, sources: Sequence[View]) -> Sequence[View]:
    """Return the sources that adapt() is given."""
    return sources if adapter.uses_sources else ()


def outcome(name: str, sources: Sequence[View], channels: int = 1, seed: int = 0) -> TorchNetwork:
    """Return the network after pretraining and adapting."""
    adapter = make(name)
    net = fresh(adapter, channels, seed, len(sources))
    torch.manual_seed(seed)
    net = adapter.pretrain(net, sources, trainer(seed, steps=STEPS))
    train = view("target", 100, 3, lambda images: 0.5 * images)
    train = replace(train, images=train.images.expand(-1, channels, -1, -1).contiguous())
    torch.manual_seed(seed)
    return adapter.adapt(net, seen(adapter, sources), granted(adapter, train), trainer(seed, steps=STEPS))


def said(net: TorchNetwork, channels: int = 1) -> torch.Tensor:
    with torch.inference_mode():
        return net.eval()(view("test", 30, 5).images.expand(-1, channels, -1, -1).float() / 255)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_it_returns_a_network_that_gives_numbers(name: str, channels: int) -> None:
    logits = said(outcome(name, [source(channels)], channels), channels)
    assert logits.shape == (30, len(CLASSES))
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_several_sources_one_of_them_without_groups(name: str) -> None:
    logits = said(outcome(name, [source(), source(grouped=False, name="second")]))
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_bit_identical_logits(name: str) -> None:
    assert torch.equal(said(outcome(name, [source()])), said(outcome(name, [source()])))


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_sources_and_target_as_they_are(name: str) -> None:
    adapter, of, train = make(name), source(), view("target", 100, 3)
    target = granted(adapter, train)
    before = copy.deepcopy((of, target))
    net = adapter.pretrain(fresh(adapter), [of], trainer(steps=STEPS))
    adapter.adapt(net, seen(adapter, [of]), target, trainer(steps=STEPS))
    for old, new in ((before[0], of), (before[1].unlabelled, target.unlabelled), (before[1].shots, target.shots)):
        for part in ("images", "labels", "groups"):
            one, other = getattr(old, part, None), getattr(new, part, None)
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_can_be_trained_afterwards(name: str) -> None:
    assert all(p.requires_grad for p in outcome(name, [source()]).parameters())


@pytest.mark.parametrize("name", NAMES)
def test_images_outside_the_device_give_the_same_logits(name: str) -> None:
    (rule,) = (r for r in adapter_rules(make(name)) if r.what.startswith("images of a dataset that does not fit"))
    assert rule.look() == ""


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_resumes_with_the_same_logits(name: str) -> None:
    (rule,) = (r for r in adapter_rules(make(name)) if r.what.startswith("an interrupted and resumed run"))
    assert rule.look() == ""


@pytest.mark.parametrize("name", NAMES)
def test_it_classifies_an_image_alike_whatever_is_beside_it(name: str) -> None:
    (rule,) = (r for r in adapter_rules(make(name)) if r.what.startswith("the logits of an image do not depend"))
    assert rule.look() == ""


@pytest.mark.parametrize("name", [n for n in NAMES if make(n).adapts() and make(n).access != "test"])
def test_what_adapts_changes_the_predictions(name: str) -> None:
    adapter, of = make(name), [source()]
    net = adapter.pretrain(fresh(adapter), of, trainer(steps=STEPS))
    before = said(net)
    adapted = adapter.adapt(
        net, seen(adapter, of), granted(adapter, view("target", 100, 3, lambda images: 0.5 * images)), trainer(steps=STEPS)
    )
    assert not torch.equal(said(adapted), before)


def test_none_changes_nothing() -> None:
    net = network(8)
    assert make("none").adapt(net, [source()], Target("target", CLASSES), trainer()) is net


def test_none_needs_no_target_and_shares_its_pretraining() -> None:
    none = make("none")
    assert (none.access, none.shares_pretraining(), none.adapts()) == ("none", True, False)


def test_augmented_adapts_to_nothing() -> None:
    assert not make("augmented").adapts()


@pytest.mark.parametrize(
    ("name", "access", "shares"),
    [
        ("fine-tune", "few-shot", True),
        ("dann", "unlabelled", True),
        ("maml", "few-shot", False),
        ("coral", "unlabelled", True),
        ("adabn", "unlabelled", True),
        ("augmented", "none", False),
        ("mcd", "unlabelled", False),
        ("shot", "unlabelled", False),
        ("tent", "test", True),
        ("mme", "few-shot", False),
        ("m3sda", "unlabelled", False),
    ],
)
def test_access_and_pretraining_are_the_methods(name: str, access: str, shares: bool) -> None:
    assert (make(name).access, make(name).shares_pretraining()) == (access, shares)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("none", "augmented", "fine-tune", "joint-bn")])
def test_published_methods_can_be_cited(name: str) -> None:
    assert make(name).citation.startswith("@")


@pytest.mark.parametrize("name", ["coral", "adabn", "augmented"])
def test_those_that_prove_the_contract_are_one_file_of_at_most_70_lines(name: str) -> None:
    assert len(inspect.getsource(inspect.getmodule(type(make(name)))).splitlines()) <= 70  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_where_its_default_comes_from(name: str) -> None:
    assert [row["key"] for row in describe(make(name).Options) if not row.get("origin")] == []


def test_only_shot_adapts_without_sources() -> None:
    assert [name for name in NAMES if not make(name).uses_sources] == ["shot"]
