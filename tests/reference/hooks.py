"""The hooks of pytorch-adapt as adapters, each beside the adapter of dabench that it is compared with.

A sweep with `--plugin tests/reference/hooks.py` trains both: on the same network, from the same pretraining, on the same batches
and with the same optimizers and schedule. Losses weigh what they weigh in dabench. All else is the hook's.
"""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from dabench.adapters.adda import ADDA
from dabench.adapters.afn import AFN
from dabench.adapters.bnm import BNM
from dabench.adapters.cdan import CDAN, multilinear_map
from dabench.adapters.coral import DeepCORAL
from dabench.adapters.dan import DAN
from dabench.adapters.dann import DANN, domain_classifier, lambda_at
from dabench.adapters.jan import JAN
from dabench.adapters.mcc import MCC
from dabench.adapters.mcd import MCD
from torch import nn

from dabench import Adapter, Batch, Network, Target, Trainer, View

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_adapt import hooks, layers
    from pytorch_adapt.layers.utils import get_kernel_scales
    from pytorch_adapt.weighters import SumWeighter

Step = Callable[[float, Mapping[str, Any]], Mapping[str, Mapping[str, float]]]
"""Called with the progress and what a hook reads; returns the losses of the hook, by optimisation and name."""


class HookAdapter(Adapter):
    """Trains by a hook of pytorch-adapt; a subclass is also the adapter of dabench, whose options and networks it has."""

    name = ""

    @abstractmethod
    def hook(self, net: Network, trainer: Trainer) -> Step:
        """Return the step of the hook on `net`."""

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train by the hook on labelled source and unlabelled target batches, half and half."""
        assert target.unlabelled is not None
        one_step = self.hook(net, trainer)

        def step(progress: float, source: Batch, other: Batch) -> dict[str, Any]:
            n, m = len(source.images), len(other.images)
            given = {
                "src_imgs": source.images, "src_labels": source.require_labels(), "target_imgs": other.images,
                "src_domain": torch.zeros(n), "target_domain": torch.ones(m),
            }  # fmt: skip
            losses = one_step(progress, given)
            return {f"{part} {name}": loss for part, of in losses.items() for name, loss in of.items() if name != "total"}

        half = trainer.settings.batch // 2
        streams = trainer.stream(sources, half), trainer.stream([target.unlabelled], half)
        return trainer.run(net, step, *streams, steps=self.length(trainer.adaptation_steps(sources)))


def stepped(hook: Any, models: Mapping[str, Any], before: Callable[[float], None] = lambda progress: None) -> Step:
    """Return the step of `hook` with `models`; `before` is called with the progress ahead of each step."""

    def step(progress: float, given: Mapping[str, Any]) -> Any:
        before(progress)
        _, losses = hook({**models, **given})
        return losses

    return step


def plain(net: Network, trainer: Trainer, loss: Any, name: str, weight: float) -> Step:
    """Return the step of the classification loss plus `weight` times a loss hook, with one optimisation of the whole network."""
    optimizers = [trainer.optimizer(net.encoder), trainer.optimizer(net.head)]
    hook = hooks.ClassifierHook(opts=optimizers, weighter=SumWeighter(weights={name: weight}), post=[loss])
    return stepped(hook, {"G": net.encoder, "C": net.head})


def aligned(net: Network, trainer: Trainer, aligner: Any, weights: Mapping[str, float], softmax: bool) -> tuple[Any, Step]:
    """Return the weighter and the step of the classification loss plus an alignment loss."""
    optimizers = [trainer.optimizer(net.encoder), trainer.optimizer(net.head)]
    weighter = SumWeighter(weights=dict(weights))
    hook = hooks.AlignerPlusCHook(opts=optimizers, weighter=weighter, aligner_hook=aligner, softmax=softmax)
    return weighter, stepped(hook, {"G": net.encoder, "C": net.head})


class DANNHook(HookAdapter, DANN):
    """hooks.DANNHook, with the schedule of the reversal's factor."""

    name, title = "dann-hook", "pytorch-adapt's DANNHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        critic = nn.Sequential(domain_classifier(net.head.in_features, self.options.hidden), nn.Flatten(0))
        features = hooks.FeaturesForDomainLossHook()
        # 1.0: with the default of 1 the factor is kept as a whole number.
        reversal = hooks.GradientReversalHook(weight=1.0, apply_to=features.out_keys)
        hook = hooks.DANNHook(
            opts=[trainer.optimizer(net.encoder), trainer.optimizer(net.head), trainer.optimizer(critic)],
            weighter=SumWeighter(weights={"src_domain_loss": 0.5, "target_domain_loss": 0.5}),
            f_hook=features,
            gradient_reversal=reversal,
        )

        def before(progress: float) -> None:
            reversal.fn.weight[0] = self.options.weight * lambda_at(progress)

        return stepped(hook, {"G": net.encoder, "C": net.head, "D": critic}, before)


class CDANHook(HookAdapter, CDAN):
    """hooks.CDANHook: two optimisations, as in a GAN, in place of a gradient reversal."""

    name, title = "cdan-hook", "pytorch-adapt's CDANHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        joined, width = multilinear_map(net.head.in_features, net.head.out_features)
        critic = nn.Sequential(domain_classifier(width, self.options.hidden), nn.Flatten(0))
        of_network = SumWeighter(weights={"g_src_domain_loss": 0.0, "g_target_domain_loss": 0.0})
        hook = hooks.CDANHook(
            g_opts=[trainer.optimizer(net.encoder), trainer.optimizer(net.head)],
            d_opts=[trainer.optimizer(critic)],
            g_weighter=of_network,
            d_weighter=SumWeighter(weights={"d_src_domain_loss": 0.5, "d_target_domain_loss": 0.5}),
        )

        def before(progress: float) -> None:
            of_network.weights = dict.fromkeys(of_network.weights, 0.5 * self.options.weight * lambda_at(progress))

        return stepped(hook, {"G": net.encoder, "C": net.head, "D": critic, "feature_combiner": joined}, before)


class MCDHook(HookAdapter, MCD):
    """hooks.MCDHook."""

    name, title = "mcd-hook", "pytorch-adapt's MCDHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        hook = hooks.MCDHook(
            g_opts=[trainer.optimizer(net.encoder)],
            c_opts=[trainer.optimizer(net.head)],
            x_weighter=SumWeighter(), y_weighter=SumWeighter(), z_weighter=SumWeighter(),
            repeat=self.options.encoder_steps,
        )  # fmt: skip
        return stepped(hook, {"G": net.encoder, "C": layers.MultipleModels(*net.head.heads)})


class MCCHook(HookAdapter, MCC):
    """hooks.ClassifierHook with hooks.MCCHook."""

    name, title = "mcc-hook", "pytorch-adapt's MCCHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        confusion = hooks.MCCHook(loss_fn=layers.MCCLoss(T=self.options.temperature))
        return plain(net, trainer, confusion, "mcc_loss", self.options.weight)


class BNMHook(HookAdapter, BNM):
    """hooks.ClassifierHook with hooks.BNMHook."""

    name, title = "bnm-hook", "pytorch-adapt's BNMHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        return plain(net, trainer, hooks.BNMHook(), "bnm_loss", self.options.weight)


class AFNHook(HookAdapter, AFN):
    """hooks.ClassifierHook with hooks.AFNHook."""

    name, title = "afn-hook", "pytorch-adapt's AFNHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        longer = hooks.AFNHook(loss_fn=layers.AdaptiveFeatureNorm(step_size=self.options.radius))
        return plain(net, trainer, longer, "afn_loss", self.options.weight)


class DANHook(HookAdapter, DAN):
    """hooks.AlignerPlusCHook with the MMD of 33 kernels on features and logits."""

    name, title = "dan-hook", "pytorch-adapt's AlignerPlusCHook, MMD"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        mmd = layers.MMDLoss(kernel_scales=get_kernel_scales(), mmd_type="quadratic")
        weights = dict.fromkeys(("features_confusion_loss", "logits_confusion_loss"), self.options.weight)
        return aligned(net, trainer, hooks.FeaturesLogitsAlignerHook(mmd), weights, softmax=False)[1]


class JANHook(HookAdapter, JAN):
    """hooks.AlignerPlusCHook with the joint MMD of features and probabilities."""

    name, title = "jan-hook", "pytorch-adapt's JointAlignerHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        joint = hooks.JointAlignerHook(layers.MMDLoss(mmd_type="quadratic"))
        weighter, one_step = aligned(net, trainer, joint, {"joint_confusion_loss": 0.0}, softmax=True)

        def step(progress: float, given: Mapping[str, Any]) -> Any:
            weighter.weights = {"joint_confusion_loss": self.options.weight * lambda_at(progress)}
            return one_step(progress, given)

        return step


class CORALHook(HookAdapter, DeepCORAL):
    """hooks.AlignerPlusCHook with the CORAL loss on features."""

    name, title = "coral-hook", "pytorch-adapt's AlignerPlusCHook, CORAL"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        weights = {"features_confusion_loss": self.options.weight}
        return aligned(net, trainer, hooks.AlignerHook(layers.CORALLoss()), weights, softmax=False)[1]


class ADDAHook(HookAdapter, ADDA):
    """hooks.ADDAHook: the encoder only learns where the discriminator is right in more than 60 %."""

    name, title = "adda-hook", "pytorch-adapt's ADDAHook"

    def hook(self, net: Network, trainer: Trainer) -> Step:
        of_source = copy.deepcopy(net.encoder)
        critic = nn.Sequential(domain_classifier(net.head.in_features, self.options.hidden), nn.Flatten(0))
        of_critic, of_encoder = (trainer.optimizer(m, lr=self.options.lr, kind="adamw") for m in (critic, net.encoder))
        for group in (*of_critic.param_groups, *of_encoder.param_groups):
            group["betas"] = (self.options.beta, 0.999)
        hook = hooks.ADDAHook(
            d_opts=[of_critic],
            g_opts=[of_encoder],
            d_weighter=SumWeighter(weights={"d_src_domain_loss": 0.5, "d_target_domain_loss": 0.5}),
        )
        return stepped(hook, {"G": of_source, "T": net.encoder, "C": net.head, "D": critic})
