"""Black-box shift estimation (Lipton et al. 2018): a correction of predictions for label shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dabench import ClassPredictions, Correction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BBSE(Correction):
    """Estimate the class ratios from the confusion matrix of the sources and the predicted classes of the target (Section 4).

    C w = mu (Eq. 1 as matrices): C is the joint matrix of predicted and true class on validation images of the sources, mu the
    share of each predicted class on training images of the target, and w the ratios. The paper trains again with w as weights of
    the loss; here w weighs the predictions of the network that is there. Negative ratios are set to 0. A matrix that cannot be
    inverted has the solution of least squares.
    """

    name = "bbse"
    title = "class ratios of the target by its predicted classes (label shift)"
    family = "label shift"
    citation = """@inproceedings{lipton2018detecting,
  title = {Detecting and Correcting for Label Shift with Black Box Predictors},
  author = {Lipton, Zachary and Wang, Yu-Xiang and Smola, Alexander},
  booktitle = {Proceedings of the 35th International Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {80},
  pages = {3122--3130},
  year = {2018}
}"""

    def ratios(self, given: ClassPredictions) -> NDArray[np.float64]:
        """Return the least-squares solution of C w = mu, negative ratios set to 0."""
        import numpy as np

        classes = given.source.shape[1]
        joint = np.zeros((classes, classes))
        np.add.at(joint, (given.source.argmax(1), given.labels), 1 / len(given.labels))
        predicted = np.bincount(given.target.argmax(1), minlength=classes) / len(given.target)
        return np.linalg.lstsq(joint, predicted, rcond=None)[0].clip(0)
