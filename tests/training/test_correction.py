"""Corrections: what a run stores, what stays as it was, and ratios that are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from label_shift import correct
from numpy.typing import NDArray
from planted import network, view
from safetensors.numpy import load_file
from tiny_sweeps import tiny

import dabench
from dabench.errors import PluginError
from dabench.plugins.contract import ClassPredictions, Correction
from dabench.storage.run_store import RunStore
from dabench.training.correction import CorrectedCheckpoints


class Fixed(Correction):
    """A correction by given ratios; keeps what it was given."""

    name = "fixed"

    def __init__(self, *ratios: float) -> None:
        super().__init__()
        self.returned, self.given = np.array(ratios), list[ClassPredictions]()

    def ratios(self, given: ClassPredictions) -> NDArray[np.float64]:
        self.given.append(given)
        return self.returned


SOURCE = replace(view("source", 100, 1), validation=view("source", 50, 2))
TARGET = view("target", 60, 3)


def test_a_corrected_run_stores_the_predictions_of_its_method_with_other_weights_of_classes(tmp_path: Path) -> None:
    tiny(tmp_path, ["dann", "dann + em-prior"]).run(tmp_path / "out")
    results, runs = dabench.load(tmp_path / "out"), RunStore(tmp_path / "out").read_sweep().runs
    plain, corrected = (next(r for r in runs if r.method == name and r.target == "pale") for name in ("dann", "dann+em-prior"))
    for test in plain.tests:
        added = results.logits(corrected.name, test) - results.logits(plain.name, test)
        assert np.abs(added).max() > 0.01
        np.testing.assert_allclose(added - added[:, :1], 0, atol=1e-5)  # the same for all images of a checkpoint
    stored = [load_file(RunStore(tmp_path / "out").network(run.digest)) for run in (plain, corrected)]
    assert stored[1].keys() - stored[0].keys() == {"log_ratios"}
    np.testing.assert_allclose(added[-1, 0], stored[1]["log_ratios"], atol=1e-5)


def test_the_network_is_as_before_after_a_checkpoint() -> None:
    net, seen = network(4), list[bool]()

    class Tests:
        def __call__(self, net: object, step: int) -> None:
            seen.append(net.log_ratios is not None)  # type: ignore[attr-defined]

        def state_dict(self) -> dict[str, object]:
            return {}

        def load_state_dict(self, state: dict[str, object]) -> None: ...

    logits = lambda net, images: np.zeros((len(images), 5), np.float32)  # noqa: E731
    CorrectedCheckpoints(Tests(), Fixed(1, 2, 3, 4, 5), [SOURCE], TARGET, logits, False)(net, 1)
    assert (seen, net.log_ratios) == ([True], None)


def test_a_correction_is_given_the_shares_of_the_batches() -> None:
    correction, unequal = Fixed(1, 1, 1, 1, 1), view("other", 20, 4)
    assert unequal.labels is not None
    unequal = replace(unequal, labels=unequal.labels * 0, validation=SOURCE.validation)
    logits = lambda net, images: np.zeros((len(images), 5), np.float32)  # noqa: E731
    for proportional in (False, True):
        CorrectedCheckpoints(None, correction, [SOURCE, unequal], TARGET, logits, proportional).correct(network(4))  # type: ignore[arg-type]
    equal, sized = (given.shares for given in correction.given)
    np.testing.assert_allclose(equal, [0.6, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(sized, [1 / 3, 1 / 6, 1 / 6, 1 / 6, 1 / 6])
    assert len(correction.given[0].source) == len(correction.given[0].labels) == 100


@pytest.mark.parametrize("ratios", [(1, 1), (1, 1, 1, 1, -1), (1, 1, 1, 1, float("nan"))])
def test_wrong_ratios_are_refused(ratios: tuple[float, ...]) -> None:
    with pytest.raises(PluginError, match=r"correction 'fixed': ratios\(\) returned .*; it must return 5 finite numbers"):
        correct(network(4), Fixed(*ratios), SOURCE, TARGET)


def test_a_ratio_of_0_gives_finite_logits() -> None:
    net = network(4)
    correct(net, Fixed(0, 1, 1, 1, 1), SOURCE, TARGET)
    assert net.log_ratios is not None
    assert bool(net.log_ratios.isfinite().all())
