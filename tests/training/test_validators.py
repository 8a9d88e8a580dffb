"""Label-free scores: the numbers of pytorch-adapt's validators where it has them, and what each must prefer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dabench.training import validators
from dabench.training.selection import VALIDATORS


def adapt(name: str, **options: Any) -> Any:
    """Return a validator of pytorch-adapt."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_adapt import validators as theirs
    return getattr(theirs, name)(**options)


def drawn(n: int = 400, k: int = 5, seed: int = 0, sharp: float = 3.0) -> tuple[Tensor, Tensor]:
    """Return features (n, 16) and logits (n, k) that go with each other."""
    random = torch.Generator().manual_seed(seed)
    logits = sharp * torch.randn(n, k, generator=random)
    return logits @ torch.randn(k, 16, generator=random) + torch.randn(n, 16, generator=random), logits


def theirs(validator: Any, features: Tensor, logits: Tensor) -> float:
    data = {"features": features, "logits": logits, "preds": logits.softmax(1)}
    return float(validator(target_train=data))


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (validators.entropy, "EntropyValidator"),
        (validators.information_maximisation, "IMValidator"),
        (validators.bnm, "BNMValidator"),
        (validators.snd, "SNDValidator"),
    ],
)
@pytest.mark.parametrize("n", [2, 400, 1500])  # 1500: more than one block
def test_it_is_the_number_of_pytorch_adapt(ours: Callable[[Tensor], float], name: str, n: int) -> None:
    features, logits = drawn(n)
    assert ours(logits) == pytest.approx(theirs(adapt(name), features, logits), rel=1e-4, abs=1e-5)


def test_class_cluster_is_the_number_of_pytorch_adapt() -> None:
    features, logits = drawn()
    expected = theirs(adapt("ClassClusterValidator", centroid_init="label_centers"), features, logits)
    assert validators.class_cluster(features, logits) == pytest.approx(expected, abs=1e-6)


def test_the_risk_of_dev_is_that_of_pytorch_adapt(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_adapt.validators.deep_embedded_validator import get_dev_risk
    weights, losses = torch.rand(50), torch.rand(50)
    monkeypatch.setattr(validators, "_density_ratio", lambda *_: weights.numpy().astype(np.float64))
    expected = -get_dev_risk(weights[:, None].clone(), losses[:, None], None)
    nothing = torch.zeros(1, 1)
    assert validators.dev(nothing, nothing, losses, nothing) == pytest.approx(expected, abs=1e-5)


def test_dev_weighs_most_what_looks_like_the_target() -> None:
    random = torch.Generator().manual_seed(0)
    source, validation = torch.randn(500, 4, generator=random), torch.randn(400, 4, generator=random)
    target = torch.randn(500, 4, generator=random) + torch.tensor([1.0, 0, 0, 0])
    wrong_there, wrong_elsewhere = (validation[:, 0] > 0.5).float(), (validation[:, 0] < -0.5).float()
    assert (
        validators.dev(source, validation, wrong_there, target)
        < validators.dev(source, validation, wrong_elsewhere, target) - 0.1
    )


def test_dev_of_equal_domains_is_about_the_plain_loss() -> None:
    random = torch.Generator().manual_seed(0)
    source, target, validation = (torch.randn(1000, 4, generator=random) for _ in range(3))
    losses = torch.rand(1000, generator=random)
    assert validators.dev(source, validation, losses, target) == pytest.approx(-float(losses.mean()), abs=0.05)


def test_where_weights_do_not_vary_dev_is_the_plain_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "_density_ratio", lambda *_: np.ones(4))
    nothing = torch.zeros(1, 1)
    assert validators.dev(nothing, nothing, torch.tensor([1.0, 2, 3, 4]), nothing) == -2.5


def test_confident_predictions_have_the_higher_entropy_score() -> None:
    assert validators.entropy(drawn(sharp=9)[1]) > validators.entropy(drawn(sharp=1)[1])


def test_predicting_one_class_alone_pleases_entropy_and_not_information_maximisation_nor_bnm() -> None:
    one, many = torch.zeros(100, 5), torch.zeros(100, 5)
    one[:, 0] = many[torch.arange(100), torch.arange(100) % 5] = 20
    assert validators.entropy(one) == pytest.approx(validators.entropy(many), abs=1e-6)
    assert validators.information_maximisation(one) < validators.information_maximisation(many) - 1
    assert validators.bnm(one) < validators.bnm(many)


def test_clusters_that_agree_with_the_predictions_score_one() -> None:
    logits = torch.zeros(60, 3)
    logits[torch.arange(60), torch.arange(60) % 3] = 5
    assert validators.class_cluster(logits * 10, logits) == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_images_than_classes_have_a_score_all_the_same(n: int) -> None:
    features, logits = drawn(n)
    assert all(np.isfinite(value) for value in validators.label_free(features, logits).values())


def test_every_rule_by_a_score_has_one() -> None:
    assert {*validators.label_free(*drawn(20)), "source-accuracy", "dev"} == set(VALIDATORS)
