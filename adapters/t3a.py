"""T3A (Iwasawa and Matsuo 2021): classify test images by centroids of the features of earlier ones. No training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dabench.adapters.tent import entropy_of_each

from dabench import Adapter, Network, setting

if TYPE_CHECKING:
    from torch import Tensor


class T3A(Adapter):
    """Test-time template adjuster: each class has a set of supports, whose mean takes the place of the classifier's weights.

    The first support of a class is its weight vector in the classifier. The features of each test image join the set of the
    class that the classifier predicts. Each set keeps the `supports` ones of the lowest entropy. The logits of an image are
    the products of its features with the centroids of normalised supports. The bias is not used.

    As in the authors' code, a batch joins before it is predicted, and centroids have length 1.
    """

    name = "t3a"
    title = "classifier adjustment at test time"
    access = "test"
    family = "prototypes"
    citation = """@inproceedings{iwasawa2021test,
  title = {Test-Time Classifier Adjustment Module for Model-Agnostic Domain Generalization},
  author = {Iwasawa, Yusuke and Matsuo, Yutaka},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {34},
  year = {2021}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of t3a."""

        supports: int = setting(
            100, "supports of each class (M); 0: all", low=0,
            origin="not searched: the authors' code tries 1, 5, 20, 50, 100 and all",
        )  # fmt: skip

    def __init__(self, options: Any = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self._supports: tuple[Tensor, Tensor, Tensor] | None = None  # normalised features (S, F), classes (S,), entropies (S,)

    def predict(self, net: Network, images: Tensor) -> Tensor:
        """Return the logits of a test batch, after it has joined the supports."""
        import torch

        with torch.no_grad():
            features = net.features(images)
            if self._supports is None:
                self._supports = described(net, net.head.weight)
            joined = (torch.cat(pair) for pair in zip(self._supports, described(net, features), strict=True))
            self._supports = supports, classes, _ = self._kept(*joined)
            return features @ centroids(supports, classes, net.head.out_features).T

    def _kept(self, features: Tensor, classes: Tensor, entropies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the supports of each class with the lowest entropies."""
        import torch

        if not self.options.supports:
            return features, classes, entropies
        order = entropies.argsort(stable=True)
        ranked = [order[classes[order] == k] for k in range(int(classes.max()) + 1)]
        at = torch.cat([one_class[: self.options.supports] for one_class in ranked])
        return features[at], classes[at], entropies[at]


def described(net: Network, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return features (B, F) normalised, the classes (B,) that the classifier predicts, and the entropies (B,) of these."""
    from torch.nn import functional as F

    logits = net.classify(features)
    return F.normalize(features), logits.argmax(1), entropy_of_each(logits)


def centroids(supports: Tensor, classes: Tensor, count: int) -> Tensor:
    """Return the normalised sum of the supports (S, F) of each of `count` classes, (K, F); 0 for a class without any."""
    from torch.nn import functional as F

    return F.normalize(F.one_hot(classes, count).to(supports.dtype).T @ supports)
