"""EM on the class shares of the target (Saerens et al. 2002): a correction of predictions for label shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dabench import ClassPredictions, Correction, setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class EMPrior(Correction):
    """Estimate the class shares of the target by expectation maximisation, and weigh the predictions by them.

    E step: probabilities of the target's images under the shares so far. M step: the mean probabilities are the new shares. It
    begins with the shares of the labelled images and ends when no share changes by more than 1e-6. The paper's probabilities
    come from the network as it is; they are not calibrated before.

    The shares are estimated from training images of the target, and not from the test images, as in the paper. So the
    prediction of a test image does not depend on others. It is right if only the shares of classes differ between source and
    target, and not the images of a class.
    """

    name = "em-prior"
    short_name = "EM"
    title = "class shares of the target by EM (label shift)"
    family = "label shift"
    citation = """@article{saerens2002adjusting,
  title = {Adjusting the Outputs of a Classifier to New a Priori Probabilities: A Simple Procedure},
  author = {Saerens, Marco and Latinne, Patrice and Decaestecker, Christine},
  journal = {Neural Computation},
  volume = {14},
  number = {1},
  pages = {21--41},
  year = {2002}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of em-prior."""

        iterations: int = setting(1000, "most iterations", low=1, origin="not searched: EM has ended long before")

    def ratios(self, given: ClassPredictions) -> NDArray[np.float64]:
        """Return the estimated shares of the target over those of the labelled images."""
        return shares(given.target, given.shares, self.options.iterations) / given.shares


def shares(probabilities: NDArray[np.float64], trained: NDArray[np.float64], iterations: int) -> NDArray[np.float64]:
    """Return the class shares (K,) under which `probabilities` (M, K) of a network for shares `trained` (K,) are most likely."""
    found = trained
    for _ in range(iterations):
        weighted = probabilities * (found / trained)
        before, found = found, (weighted / weighted.sum(1, keepdims=True)).mean(0)
        if abs(found - before).max() < 1e-6:
            break
    return found
