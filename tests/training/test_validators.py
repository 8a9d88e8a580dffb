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


def test_the_risk_of_dev_is_that_of_pytorch_adapt() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_adapt.validators.deep_embedded_validator import get_dev_risk
    weights, losses = torch.rand(50), torch.rand(50)
    expected = -get_dev_risk(weights[:, None].clone(), losses[:, None], None)
    assert validators.dev(weights.double().numpy(), losses) == pytest.approx(expected, abs=1e-5)


def dev_of(source: Tensor, validation: Tensor, losses: Tensor, target: Tensor) -> float:
    value = validators.dev_scores(source, validation, losses, target)["dev"].value
    assert value is not None
    return value


def test_dev_weighs_most_what_looks_like_the_target() -> None:
    random = torch.Generator().manual_seed(0)
    source, validation = torch.randn(500, 4, generator=random), torch.randn(400, 4, generator=random)
    target = torch.randn(500, 4, generator=random) + torch.tensor([1.0, 0, 0, 0])
    wrong_there, wrong_elsewhere = (validation[:, 0] > 0.5).float(), (validation[:, 0] < -0.5).float()
    there, elsewhere = (dev_of(source, validation, losses, target) for losses in (wrong_there, wrong_elsewhere))
    assert there < elsewhere - 0.1


def test_dev_of_equal_domains_is_about_the_plain_loss() -> None:
    random = torch.Generator().manual_seed(0)
    source, target, validation = (torch.randn(1000, 4, generator=random) for _ in range(3))
    losses = torch.rand(1000, generator=random)
    assert dev_of(source, validation, losses, target) == pytest.approx(-float(losses.mean()), abs=0.05)


def test_where_weights_do_not_vary_dev_is_the_plain_loss() -> None:
    assert validators.dev(np.ones(4), torch.tensor([1.0, 2, 3, 4])) == -2.5


def shifted(shift: float, seed: int, n: int = 1000, features: int = 512) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return features of a source, its validation images, a bounded loss, and features of a target moved along one axis."""
    random = torch.Generator().manual_seed(seed)
    source, validation, target = (torch.randn(n, features, generator=random) for _ in range(3))
    target[:, 0] += shift
    return source, validation, 3 * torch.sigmoid(2 * validation[:, 0]), target


def true_risk(shift: float) -> float:
    axis = torch.randn(200_000, generator=torch.Generator().manual_seed(9)) + shift
    return float(3 * torch.sigmoid(2 * axis).mean())


@pytest.mark.parametrize("shift", [0.5, 1.5])
def test_the_risk_of_dev_with_512_features_is_near_the_true_one(shift: float) -> None:
    risks = [-dev_of(*shifted(shift, seed)) for seed in range(3)]
    assert min(risks) > 0
    assert abs(np.mean(risks) - true_risk(shift)) < 0.5


def test_the_regularisation_of_the_density_ratio_depends_on_the_domains() -> None:
    few = validators.effective_sample_size(validators.density_ratio(*_for_weights(shifted(1.5, 0))))
    assert 100 < few < 300
    alike = validators.effective_sample_size(validators.density_ratio(*_for_weights(shifted(0, 0))))
    assert alike > 900


def _for_weights(of: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    source, validation, _, target = of
    return source, target, validation


def test_the_effective_sample_size_is_that_of_kish() -> None:
    assert validators.effective_sample_size(np.ones(50)) == pytest.approx(50)
    assert validators.effective_sample_size(np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(2)
    assert validators.effective_sample_size(np.array([1e300, 1e300])) == pytest.approx(2)


def test_below_an_effective_sample_size_of_30_dev_has_no_value_and_says_why() -> None:
    source, validation, losses, target = shifted(6, 0, n=300, features=2)
    scores = validators.dev_scores(source, validation, losses, target)
    assert scores["dev"].value is None
    size = scores["dev-ess"].value
    assert size is not None
    assert size < 30
    assert scores["dev"].reason == f"the effective sample size of DEV's weights is {size:.1f} of 300 images, below 30"


def every_score(features: Tensor, logits: Tensor) -> dict[str, validators.Score]:
    """Return the scores of a checkpoint whose source and target look alike."""
    losses = torch.nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64), reduction="none")
    return validators.label_free(features, logits) | validators.dev_scores(features, features, losses, features)


DEGENERATE = {
    "constant": (torch.ones(40, 8), torch.ones(40, 5)),
    "zero": (torch.zeros(40, 8), torch.zeros(40, 5)),
    "huge": (3e38 * torch.sign(drawn(40)[0]), 3e38 * torch.sign(drawn(40)[1])),
    "huge differences": (drawn(40)[0] * torch.logspace(0, 37, 40)[:, None], drawn(40)[1] * 1e30),
    "one class": (drawn(40)[0], torch.zeros(40, 5) + torch.tensor([90.0, 0, 0, 0, 0])),
    "two images": tuple(part[:2] for part in drawn(40)),
    "one image": tuple(part[:1] for part in drawn(40)),
    "1,000 classes": drawn(40, k=1000),
    "no features that vary": (torch.zeros(40, 8).index_fill(1, torch.tensor([0]), 7.0), drawn(40)[1]),
}


@pytest.mark.parametrize("what", DEGENERATE)
def test_on_degenerate_features_every_rule_has_a_number_or_a_reason(what: str) -> None:
    scores = every_score(*DEGENERATE[what])
    assert {*scores, "source-accuracy"} == {*VALIDATORS, "dev-ess"}
    for score in scores.values():
        assert (score.value is None) == bool(score.reason)
        assert score.value is None or np.isfinite(score.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_finite_number_is_no_value(value: float) -> None:
    assert validators.score(lambda: value) == validators.Score(None, f"the result is {value}")


@pytest.mark.parametrize("error", [ValueError, OverflowError, np.linalg.LinAlgError, torch.linalg.LinAlgError])
def test_a_rule_that_cannot_be_computed_says_why(error: type[Exception]) -> None:
    def fails() -> float:
        raise error("does not\nconverge")

    assert validators.score(fails) == validators.Score(None, "does not converge")


def test_a_lack_of_memory_is_no_score() -> None:
    def fails() -> float:
        raise MemoryError

    with pytest.raises(MemoryError):
        validators.score(fails)


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
    assert all(score.value is not None for score in validators.label_free(features, logits).values())


def test_every_rule_by_a_score_has_one() -> None:
    assert {*every_score(*drawn(20)), "source-accuracy"} == {*VALIDATORS, "dev-ess"}
