"""What is known of a provided model: the conditions that its user states, its results, and networks of the sweep beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dabench.analysis.results import Cell
from dabench.errors import SpecError
from dabench.plugins.options import setting
from dabench.storage.schema import budget_text

PROVIDED = "provided"
"""The setting, role and backbone of a provided model in tables."""

UNKNOWN = "unknown"
"""A condition that the user does not state."""

SOURCE_ONLY_ROLE, BEST_ROLE = "source only", "best method"
"""The networks that a provided model is compared with."""


@dataclass(frozen=True)
class ProvidedConditions:
    """The conditions of a provided model, as its user states them in a TOML file. What is not stated is unknown."""

    about: str = setting("", "the model in one line, for the notes below tables")
    sources: tuple[str, ...] | Literal["unknown"] = setting(
        UNKNOWN, 'the datasets that the model was trained on, such as ["fer2013"]'
    )
    target_labels: int | Literal["all", "unknown"] = setting(
        UNKNOWN, "labels of the target that training saw: 0, a number per class, or all", low=0
    )
    target_images: Literal["none", "train", "test", "unknown"] = setting(UNKNOWN, "images of the target that training saw")
    steps: int | Literal["unknown"] = setting(UNKNOWN, "optimiser steps of the training", low=1)
    selection: str = setting(UNKNOWN, "how the checkpoint was chosen")
    scores: Literal["probabilities", "logits", ""] = setting("", "what the columns of classes hold, if the file has them")

    def __post_init__(self) -> None:
        if isinstance(self.sources, tuple) and not all(name.strip() for name in self.sources):
            raise SpecError('sources: a name is empty; write the names of datasets, or sources = "unknown"')
        if self.sources == ():
            raise SpecError('sources: the list is empty; write the names of datasets, or sources = "unknown"')
        if self.target_labels not in (0, UNKNOWN) and self.target_images == "none":
            raise SpecError(
                f"target_labels = {self.target_labels!r} and target_images = 'none' contradict each other: "
                'labels belong to images; write target_images = "train", "test" or "unknown"'
            )

    @property
    def label_budget(self) -> str:
        """The target labels as tables print them: "0", "5 per class", "all" or "unknown"."""
        return UNKNOWN if self.target_labels == "unknown" else budget_text(self.target_labels)

    @property
    def trained_on(self) -> list[str]:
        """The names of the sources; "unknown" alone if they are not stated."""
        return [self.sources] if isinstance(self.sources, str) else list(self.sources)


@dataclass(frozen=True)
class ProvidedComparison:
    """A provided model beside networks of the sweep, on the same test images.

    Attributes:
        network: the cell of the networks. mean: their result in % on these images.
        role: SOURCE_ONLY_ROLE, or BEST_ROLE: the best method of its task.
        difference: the model minus the networks, in points; low, high: its 95 % interval, paired by images.
        verdict: "better", "worse" or "cannot be told apart": what the interval says of this one model.
        interval_over: over what the interval is.
    """

    network: Cell
    role: str
    test: str
    n: int
    mean: float
    difference: float
    low: float
    high: float
    verdict: str
    interval_over: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the networks by their key and conditions."""
        of = self.network
        conditions = {key: getattr(of, key) for key in ("label_budget", "target_images", "steps_min", "steps_max", "seeds")}
        key = {"adapter": of.adapter, "sources": of.sources, "target": of.target, **conditions, "selection": of.selection}
        return {"network": key, **{k: v for k, v in vars(self).items() if k != "network"}}


@dataclass(frozen=True)
class ProvidedModel:
    """A provided model: its name, what its user states, and its results.

    Attributes:
        conditions_file: the name of the file with the conditions; "" if there is none.
        digest: SHA-256 of the file of predictions.
        cells: its results, one for each test split that it predicts.
        of: dataset -> number of its test images.
        undefined_on: datasets on whose predicted images the metric is undefined.
    """

    name: str
    conditions: ProvidedConditions
    conditions_file: str
    digest: str
    cells: list[Cell]
    of: Mapping[str, int]
    comparisons: list[ProvidedComparison] = field(default_factory=list)
    undefined_on: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of results.json."""
        return {
            "name": self.name,
            "conditions": asdict(self.conditions),
            "predictions": self.digest,
            "cells": [asdict(cell) | {"of": self.of[cell.test]} for cell in self.cells],
            "comparisons": [of.as_dict() for of in self.comparisons],
            **({"undefined_on": self.undefined_on} if self.undefined_on else {}),
        }


def sources_text(sources: Sequence[str]) -> str:
    """Return what a provided model was trained on in words: "sources unknown", "trained on font-digits"."""
    return f"sources {UNKNOWN}" if list(sources) == [UNKNOWN] else f"trained on {' + '.join(sources)}"


def provided_name(name: str, sources: Sequence[str]) -> str:
    """Return the name of the row of a provided model, such as "svm (provided, sources unknown)"."""
    return f"{name} ({PROVIDED}, {sources_text(sources)})"
