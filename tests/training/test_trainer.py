"""The training loop does what a plain PyTorch loop does, and says where it went wrong."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import repeat

import numpy as np
import pytest
import torch
from planted import CLASSES, SIZE, Images, accuracy, network, trainer, view
from torch import Tensor, nn
from torch.nn import functional as F

from dabench.data.augment import Stream
from dabench.errors import DivergedError, PluginError, SpecError
from dabench.plugins.contract import Augment, Batch
from dabench.training.device import choose_device, low_precision, reproducible
from dabench.training.network import TorchNetwork
from dabench.training.optimizers import rate_at
from dabench.training.settings import TrainConfig
from dabench.training.trainer import RunTrainer


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have bit-identical parameters and buffers."""
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


# The rates


@pytest.mark.parametrize(
    ("settings", "progress", "expected"),
    [
        (TrainConfig(schedule="constant"), 0.7, 1.0),
        (TrainConfig(schedule="cosine"), 0.0, 1.0),
        (TrainConfig(schedule="cosine"), 0.25, (1 + math.sqrt(0.5)) / 2),
        (TrainConfig(schedule="cosine"), 0.5, 0.5),
        (TrainConfig(schedule="one-cycle", warmup=0.2), 0.0, 0.01),
        (TrainConfig(schedule="one-cycle", warmup=0.2), 0.1, 0.5),
        (TrainConfig(schedule="one-cycle", warmup=0.2), 0.2, 1.0),
        (TrainConfig(schedule="one-cycle", warmup=0.2), 0.6, 0.5),
        (TrainConfig(schedule="one-cycle", warmup=0.0), 0.0, 1.0),
        (TrainConfig(schedule="inverse"), 0.0, 1.0),
        (TrainConfig(schedule="inverse"), 0.5, 6**-0.75),
        (TrainConfig(schedule="inverse", inverse_factor=3.0, inverse_power=2.0), 0.5, 2.5**-2),
        (TrainConfig(schedule="step", step_from=0.5, step_every=0.1, step_factor=0.9), 0.0, 1.0),
        (TrainConfig(schedule="step", step_from=0.5, step_every=0.1, step_factor=0.9), 0.49, 1.0),
        (TrainConfig(schedule="step", step_from=0.5, step_every=0.1, step_factor=0.9), 0.5, 0.9),
        (TrainConfig(schedule="step", step_from=0.5, step_every=0.1, step_factor=0.9), 0.59, 0.9),
        (TrainConfig(schedule="step", step_from=0.5, step_every=0.1, step_factor=0.9), 0.6, 0.9**2),
        (TrainConfig(schedule="step", step_from=0.5, step_every=0.1, step_factor=0.9), 0.99, 0.9**5),
    ],
)
def test_rate_at(settings: TrainConfig, progress: float, expected: float) -> None:
    assert rate_at(settings, progress) == pytest.approx(expected)


# What the contract promises beside the loop


def test_augmented_images_are_floats_of_the_crop() -> None:
    of = trainer(augment=Augment(crop=12, flip=True))
    images = of.augmented(view("source", 6, 1).images, of.generator())
    assert (images.shape, images.dtype) == ((6, 1, 12, 12), torch.float32)
    assert 0 <= float(images.min()) < float(images.max()) <= 1


def test_augmented_images_are_those_of_a_stream() -> None:
    data, of, again = view("source", 6, 1), trainer(augment=Augment(crop=12)), trainer(augment=Augment(crop=12))
    generator = again.generator()
    order = torch.randperm(6, generator=generator)
    assert torch.equal(next(of.stream([data])).images, again.augmented(data.images[order], generator))


@pytest.mark.parametrize(("source_batches", "shares"), [("equal", [4, 4]), ("proportional", [2, 6])])
def test_a_stream_draws_from_several_sources_as_the_sweep_says(source_batches: str, shares: list[int]) -> None:
    of = trainer(batch=8, source_batches=source_batches)
    assert torch.bincount(next(of.stream([view("one", 10, 1), view("other", 30, 2)])).view).tolist() == shares


def test_estimated_statistics_are_those_of_all_images_of_the_view() -> None:
    net, data = network(), view("target", 100, 3)
    trainer().estimate_statistics(net, data)
    convolution, norm = net.encoder[0], net.encoder[1]  # type: ignore[index]
    with torch.inference_mode():
        torch.testing.assert_close(norm.running_mean, convolution(data.images.float() / 255).mean((0, 2, 3)))
    assert not net.training


# The loop


def fixed_batches(n: int) -> list[Batch]:
    data = view("source", 16 * n, 1)
    assert data.labels is not None
    images = data.images.float() / 255
    return [Batch(images[i::n], data.labels[i::n], torch.zeros(16), torch.arange(16)) for i in range(n)]


@pytest.mark.parametrize(("optimizer", "nesterov"), [("sgd", False), ("sgd", True), ("adamw", False)])
@pytest.mark.parametrize("clip", ["none", "norm", "value"])
def test_fp32_loop_equals_a_plain_one(optimizer: str, nesterov: bool, clip: str) -> None:
    batches, net = fixed_batches(12), network(8)
    if optimizer == "adamw":
        # A bias before batch norm has a gradient of rounding errors, which AdamW would blow up: so a network without.
        net = TorchNetwork(nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 16), nn.Tanh()), 16, len(CLASSES))
    plain = copy.deepcopy(net)
    at = trainer(
        optimizer=optimizer,
        clip=clip,
        clip_at=0.05,
        lr=0.02,
        schedule="cosine",
        momentum=0.8,
        weight_decay=0.01,
        decay_norms=True,
        nesterov=nesterov,
    )

    def loss(progress: float, batch: Batch) -> Tensor:
        return F.cross_entropy(net(batch.images), batch.require_labels())

    at.fit(net, loss, iter(batches), steps=12)

    plain.train()
    if optimizer == "sgd":
        stepper: torch.optim.Optimizer = torch.optim.SGD(
            plain.parameters(), lr=0.02, momentum=0.8, weight_decay=0.01, nesterov=nesterov
        )
    else:
        stepper = torch.optim.AdamW(plain.parameters(), lr=0.02, betas=(0.8, 0.999), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.LambdaLR(stepper, lambda step: 0.5 * (1 + math.cos(math.pi * step / 12)))
    for batch in batches:
        stepper.zero_grad()
        F.cross_entropy(plain(batch.images), batch.require_labels()).backward()
        if clip == "norm":
            nn.utils.clip_grad_norm_(plain.parameters(), 0.05)
        elif clip == "value":
            nn.utils.clip_grad_value_(plain.parameters(), 0.05)
        stepper.step()
        rates.step()
    for ours, theirs in zip(net.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def stepped(**settings: object) -> tuple[nn.Module, nn.Module]:
    """Return a network before and after one step whose loss has no gradient, so that only decay acts, at rate 0.5."""
    net = network(8)
    before = copy.deepcopy(net)
    at = trainer(schedule="constant", momentum=0.0, lr=0.5, **settings)
    at.fit(net, lambda progress: sum(p.sum() for p in net.parameters()) * 0.0, steps=1)  # type: ignore[return-value, arg-type]
    return before, net


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("decay_norms", [False, True])
def test_weight_decay_leaves_out_norms_and_biases_unless_asked(optimizer: str, decay_norms: bool) -> None:
    before, after = stepped(optimizer=optimizer, weight_decay=0.1, decay_norms=decay_norms)
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        kept = 1.0 if old.dim() == 1 and not decay_norms else 1 - 0.5 * 0.1
        torch.testing.assert_close(new, old * kept, msg=name)


@pytest.mark.parametrize(("settings", "decay"), [({}, 5e-4), ({"optimizer": "adamw"}, 0.05), ({"weight_decay": 0.0}, 0.0)])
def test_weight_decay_is_that_of_the_optimizer_unless_set(settings: dict[str, object], decay: float) -> None:
    before, after = stepped(**settings)
    old, new = (next(net.parameters()) for net in (before, after))
    torch.testing.assert_close(new, old * (1 - 0.5 * decay), rtol=1e-6, atol=1e-7)


def test_nesterov_without_momentum_is_plain_descent() -> None:
    one, other = (
        trainer(steps=3, momentum=0.0, nesterov=n).supervised(network(8), [view("source", 50, 1)]) for n in (True, False)
    )
    assert same(one, other)


# The moving average


def averaged_by_hand(decay: float, steps: int) -> tuple[nn.Module, list[dict[str, Tensor]]]:
    """Return a network trained without average, and what its average is after each step."""
    net, at, found = network(8), trainer(steps=steps), []
    mean = {name: value.clone() for name, value in net.state_dict().items()}

    def loss(progress: float, batch: Batch) -> Tensor:
        if progress:
            take(round(progress * steps))
        return at.cross_entropy(net(batch.images), batch.require_labels())

    def take(n: int) -> None:
        d = min(decay, (1 + n) / (10 + n))
        for name, value in net.state_dict().items():
            mean[name] = d * mean[name] + (1 - d) * value if value.is_floating_point() else value.clone()
        found.append(dict(mean))

    at.fit(net, loss, at.stream([view("source", 50, 1)]), steps=steps)
    take(steps)
    return net, found


def test_an_average_of_the_weights_is_what_a_training_returns_statistics_included() -> None:
    expected = averaged_by_hand(0.5, 6)[1][-1]
    net = trainer(steps=6, ema=0.5).supervised(network(8), [view("source", 50, 1)])
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6, msg=name)


def test_checkpoints_test_the_average_and_the_training_goes_on_from_its_own_weights() -> None:
    plain, expected = averaged_by_hand(0.5, 6)
    seen: list[dict[str, Tensor]] = []
    at = trainer(steps=6, ema=0.5, checkpoints=3)
    at._checkpoint = lambda net, step: seen.append(copy.deepcopy(net.state_dict()))
    net = at.supervised(network(8), [view("source", 50, 1)])
    assert len(seen) == 2
    for found, step in zip([*seen, net.state_dict()], (2, 4, 6), strict=True):
        for name, value in found.items():
            torch.testing.assert_close(value, expected[step - 1][name], rtol=1e-5, atol=1e-6, msg=name)
    assert not same(net, plain)


def test_a_checkpoint_that_ends_the_run_leaves_what_it_tested_in_the_network() -> None:
    net, tested = network(8), {}
    at = trainer(steps=6, ema=0.5, checkpoints=3)

    def end(net: TorchNetwork, step: int) -> None:
        tested.update(copy.deepcopy(net.state_dict()))
        raise KeyboardInterrupt

    at._checkpoint = end
    with pytest.raises(KeyboardInterrupt):
        at.supervised(net, [view("source", 50, 1)])
    assert all(torch.equal(value, tested[name]) for name, value in net.state_dict().items())


def test_mixup_learns_the_patterns_and_changes_the_training() -> None:
    net = trainer(mixup=0.4).supervised(network(), [view("source", 400, 1)])
    assert accuracy(net, view("source", 300, 2)) > 90
    assert not same(net, trainer().supervised(network(), [view("source", 400, 1)]))


@pytest.mark.parametrize(("clip", "expected"), [("none", [3.0, 4.0]), ("norm", [0.3, 0.4]), ("value", [0.5, 0.5])])
def test_clipping_of_a_known_gradient(clip: str, expected: list[float]) -> None:
    clip_at = 0.5
    net = nn.Linear(2, 1, bias=False)
    before = net.weight.detach().clone()
    at = trainer(clip=clip, clip_at=clip_at, schedule="constant", momentum=0.0, weight_decay=0.0, lr=1.0)
    at.fit(net, lambda progress, x: net(x).sum(), repeat(torch.tensor([3.0, 4.0])), steps=1)  # type: ignore[arg-type]
    torch.testing.assert_close((before - net.weight)[0], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_supervised_learns_the_patterns() -> None:
    net = trainer().supervised(network(), [view("source", 400, 1)])
    assert accuracy(net, view("source", 300, 2)) > 95


def test_fit_returns_the_network_in_evaluation_mode() -> None:
    assert not trainer(steps=1).supervised(network(8), [view("source", 50, 1)]).training


def test_progress_runs_from_0_to_below_1() -> None:
    seen, net = [], network(8)

    def loss(progress: float, x: Tensor) -> Tensor:
        seen.append(progress)
        return net(x).sum() * 0

    trainer().fit(net, loss, repeat(torch.zeros(2, 1, SIZE, SIZE)), steps=4)
    assert seen == [0, 0.25, 0.5, 0.75]


def test_trace_holds_the_loss_of_every_step() -> None:
    at, net = trainer(), network(8)
    values: Iterator[float] = iter([3.0, 2.0, 1.0])

    def loss(progress: float) -> Tensor:
        return net.head.bias.sum() * 0 + next(values)

    at.fit(net, loss, steps=3)
    assert at.trace.losses == [3.0, 2.0, 1.0]


def test_trace_goes_on_over_several_fits() -> None:
    at = trainer(steps=3)
    at.supervised(network(8), [view("source", 50, 1)])
    at.supervised(network(8), [view("source", 50, 1)], steps=2)
    assert (at.trace.steps, len(at.trace.losses)) == (5, 5)


@pytest.mark.parametrize(("settings", "images", "steps"), [({"steps": 7}, 100, 7), ({"steps": None, "epochs": 2.5}, 100, 8)])
def test_length_of_a_training(settings: dict[str, object], images: int, steps: int) -> None:
    assert trainer(**settings).steps([view("source", images, 1)]) == steps  # type: ignore[arg-type]


def test_length_counts_all_sources() -> None:
    assert trainer(steps=None, epochs=1).steps([view("one", 64, 1), view("two", 64, 2)]) == 4


def test_label_smoothing_of_a_known_case() -> None:
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    right, wrong = -torch.log_softmax(logits, 1)[0]
    assert float(trainer(label_smoothing=0.2).cross_entropy(logits, labels)) == pytest.approx(float(0.9 * right + 0.1 * wrong))


# The same again


def test_the_same_seed_gives_bit_identical_networks() -> None:
    one, other = (trainer(3, steps=10).supervised(network(8, seed=3), [view("source", 100, 1)]) for _ in range(2))
    assert same(one, other)


def test_another_seed_gives_another_network() -> None:
    one, other = (trainer(seed, steps=10).supervised(network(8, seed=3), [view("source", 100, 1)]) for seed in (3, 4))
    assert not same(one, other)


def test_the_nth_generator_is_always_the_same() -> None:
    def draws(at: RunTrainer) -> list[int]:
        return [int(torch.randint(10**9, (1,), generator=at.generator())) for _ in range(3)]

    assert draws(trainer(1)) == draws(trainer(1))


def test_generators_differ_from_each_other() -> None:
    at = trainer(1)
    assert len({int(torch.randint(10**9, (1,), generator=at.generator())) for _ in range(5)}) == 5


def test_images_for_testing_come_once_and_in_order() -> None:
    data = view("source", 10, 1)
    assert torch.equal(torch.cat(list(trainer().batches(data, batch=4))), data.images.float() / 255)


def test_a_stream_has_the_sweeps_batch() -> None:
    stream = trainer(batch=24).stream([view("source", 50, 1)])
    assert isinstance(stream, Stream)
    assert len(next(stream).images) == 24


# What stays as it is


def test_modules_not_named_stay_bit_identical_batch_statistics_included() -> None:
    net = network(8)
    before = copy.deepcopy(net)
    trainer(steps=5).supervised(net, [view("source", 50, 1)], trainable=[net.head])
    assert same(net.encoder, before.encoder)
    assert not same(net.head, before.head)


def test_frozen_parameters_can_learn_again_afterwards() -> None:
    net = network(8)
    trainer(steps=2).supervised(net, [view("source", 50, 1)], trainable=[net.head])
    assert all(p.requires_grad for p in net.parameters())


def test_extra_modules_learn_too() -> None:
    net, extra = network(8), nn.Linear(8, 2)
    before = copy.deepcopy(extra)
    at = trainer(steps=2)

    def loss(progress: float, batch: Batch) -> Tensor:
        return extra(net.features(batch.images)).square().mean()

    at.fit(net, loss, at.stream([view("source", 50, 1)]), steps=2, trainable=[net, extra])
    assert not same(extra, before)


def test_a_rate_of_0_changes_nothing() -> None:
    net = network(8)
    before = copy.deepcopy(net.head)
    trainer(steps=3, weight_decay=0.0).supervised(net, [view("source", 50, 1)], trainable=[net.head], lr=0.0)
    assert same(net.head, before)


def failing(net: TorchNetwork) -> None:
    """Train the head alone with a loss that raises at its second step."""
    calls = iter([net.head.bias.sum()])
    with pytest.raises(StopIteration):
        trainer().fit(net, lambda progress: next(calls), steps=3, trainable=[net.head])


def test_frozen_parameters_can_learn_again_after_a_training_that_raised() -> None:
    net = network(8)
    failing(net)
    assert all(p.requires_grad for p in net.parameters())


def test_a_network_is_in_evaluation_mode_after_a_training_that_raised() -> None:
    net = network(8)
    failing(net)
    assert not any(module.training for module in net.modules())


def test_state_that_cannot_be_saved_is_an_error_with_its_name() -> None:
    with pytest.raises(PluginError, match=r"the state of 'calls', a int, cannot be saved; give an object with state_dict\(\)"):
        trainer(steps=2).supervised(network(8), [view("source", 50, 1)], state={"calls": 0})


# Checkpoints


def checkpointed(steps: int, checkpoints: int) -> tuple[list[int], list[bool]]:
    at_steps, training = [], []

    def take(net: TorchNetwork, step: int) -> None:
        at_steps.append(step)
        training.append(net.training)

    at = trainer(checkpoints=checkpoints)
    at._checkpoint = take
    at.supervised(network(8), [view("source", 50, 1)], steps=steps)
    return at_steps, training


@pytest.mark.parametrize(
    ("steps", "checkpoints", "marks"), [(20, 4, [5, 10, 15]), (3, 10, [1, 2]), (10, 1, []), (10, 3, [3, 7])]
)  # the end is tested by the run itself
def test_checkpoints_are_spread_evenly_over_the_training(steps: int, checkpoints: int, marks: list[int]) -> None:
    assert checkpointed(steps, checkpoints)[0] == marks


def test_checkpoints_see_the_network_in_evaluation_mode() -> None:
    assert checkpointed(10, 5)[1] == [False] * 4


def test_checkpoints_do_not_change_the_training() -> None:
    nets = []
    for checkpoints in (1, 10):
        at = trainer(checkpoints=checkpoints)
        at._checkpoint = lambda net, step: None
        nets.append(at.supervised(network(8), [view("source", 50, 1)], steps=10))
    assert same(*nets)


# Losses that are no numbers


def diverging(at: RunTrainer, bad_step: int, value: float, steps: int) -> tuple[str, int]:
    """Train with a loss that is `value` from `bad_step` (counted from 1) on; return the message and the steps taken."""
    net, calls = network(8), 0

    def loss(progress: float) -> Tensor:
        nonlocal calls
        calls += 1
        return net.head.bias.sum() * (value if calls >= bad_step else 1.0)

    with pytest.raises(DivergedError) as caught:
        at.fit(net, loss, steps=steps)
    return str(caught.value), calls


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_no_number_names_its_step(value: float) -> None:
    message, _ = diverging(trainer(), 7, value, 20)
    assert "at step 7;" in message


def test_a_loss_that_is_no_number_says_what_to_try() -> None:
    message, _ = diverging(trainer(lr=0.5), 7, float("nan"), 20)
    assert "smaller train.lr (now 0.5)" in message
    assert 'clip = "norm"' in message
    assert 'precision = "fp32"' in message


def test_a_loss_that_is_no_number_stops_at_the_next_checkpoint() -> None:
    _, calls = diverging(trainer(checkpoints=10), 7, float("nan"), 100)
    assert calls == 10


def test_too_large_a_rate_diverges_and_says_so() -> None:
    with pytest.raises(DivergedError, match=r"smaller train\.lr"):
        trainer(lr=1e9, schedule="constant", steps=30).supervised(network(8), [view("source", 50, 1)])


# Precision and device


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_precision_is_the_one_asked_for(precision: str, dtype: torch.dtype) -> None:
    net = network(8)
    with trainer(precision=precision).autocast():
        assert net.encoder[0](torch.zeros(1, 1, SIZE, SIZE)).dtype == dtype  # type: ignore[index]


def test_logits_are_float32_under_bf16() -> None:
    with trainer(precision="bf16").autocast():
        assert network(8)(torch.zeros(1, 1, SIZE, SIZE)).dtype == torch.float32


def test_bf16_learns_the_patterns() -> None:
    net = trainer(precision="bf16").supervised(network(), [view("source", 400, 1)])
    assert accuracy(net, view("source", 300, 2)) > 95


def test_bf16_reaches_the_accuracy_of_fp32_within_the_spread_of_seeds() -> None:
    def noisy(images: Images) -> Images:
        return images + np.random.default_rng(3).normal(0, 0.4, images.shape)

    train, test = view("source", 300, 1, noisy), view("source", 1000, 2, noisy)
    full, low = (
        [accuracy(trainer(s, precision=p, steps=40).supervised(network(8, s), [train]), test) for s in range(6)]
        for p in ("fp32", "bf16")
    )
    assert 30 < np.mean(full) < 95  # neither at chance, nor at an end where all is the same
    assert abs(np.mean(low) - np.mean(full)) < np.std(full, ddof=1)


def test_a_fit_can_ask_for_fp32_in_a_bf16_sweep() -> None:
    nets = []
    for settings, asked in (("bf16", "fp32"), ("fp32", None)):
        at = trainer(precision=settings, steps=5)
        nets.append(at.supervised(network(8), [view("source", 50, 1)], precision=asked))
    assert same(*nets)


@pytest.mark.parametrize(
    ("has", "low"),
    [
        ((), False),
        (("avx512_bf16",), True),
        (("avx512_bf16", "avx512_fp16"), False),
        (("avx512_bf16", "avx512_fp16", "amx_bf16"), True),
    ],
)
def test_auto_precision_on_the_cpu_follows_its_instructions(
    monkeypatch: pytest.MonkeyPatch, has: tuple[str, ...], low: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(has, True))
    assert low_precision("auto", torch.device("cpu")) is low


def test_cpu_is_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SpecError, match=f"train.device = '{name}': torch finds no such device"):
        choose_device(name)


def test_the_best_device_that_is_there_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = []
    for cuda in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        found.append(choose_device("auto").type)
    assert found == ["cuda", "mps"]


def test_threads_of_a_run_are_its_own_and_then_put_back() -> None:
    before = torch.get_num_threads()
    with reproducible(threads=before + 1, seed=0):
        inside = torch.get_num_threads()
    assert (inside, torch.get_num_threads()) == (before + 1, before)


def test_random_numbers_of_a_run_depend_on_its_seed_alone() -> None:
    found = []
    for _ in range(2):
        torch.rand(3)
        with reproducible(threads=1, seed=5):
            found.append(torch.rand(4))
    assert torch.equal(*found)


def test_classes_are_all_learned() -> None:
    net = trainer().supervised(network(), [view("source", 400, 1)])
    with torch.inference_mode():
        said = net(view("source", 100, 2).images.float() / 255).argmax(1)
    assert len(torch.unique(said)) == len(CLASSES)


def test_a_training_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.training.progress_line.EVERY", 0.0)
    lines: list[str] = []
    RunTrainer(
        TrainConfig(steps=3, batch=4, checkpoints=1), trainer().augmenter, torch.device("cpu"), 0, notify=lines.append
    ).supervised(network(), [view("source", 40, 1)])
    assert [line.partition(",")[0] for line in lines] == ["-- step 1 of 3", "-- step 2 of 3", "-- step 3 of 3"]
