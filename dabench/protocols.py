"""What plugins are written against: samples, and the three kinds Dataset, Backbone and Adapter.

A plugin is one class with a few facts and one or two methods. Importing a plugin must not import torch: `dabench list`
reads every plugin's facts, and should answer at once. Import torch inside the methods that need it.

Letters in shapes: N images, B batch, C channels, H height, W width, F features, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from dabench.errors import PluginError, nearest
from dabench.typed import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from dabench.data.view import Target, View
    from dabench.network import Network
    from dabench.train import Trainer

Access = Literal["none", "unlabelled", "few-shot", "full"]
"""What of the target's training split a method may see; each level includes the ones before it.

none: nothing. unlabelled: its images. few-shot: and `shots` labels per class. full: and every label.
"""

Kind = Literal["dataset", "backbone", "adapter"]
KINDS: tuple[Kind, ...] = ("dataset", "backbone", "adapter")

SUPERVISED = "supervised"
"""The method of the pretraining that all adapters with the default `network` and `pretrain` share."""

NAMING = ("subject", "clip")
"""Attributes that say where an image is from: shown beside it, and never results by group."""


class Images(Protocol):
    """What serves as the images of a split: a numpy array, in memory or memory-mapped, or a `dabench.LazyImages`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: Any, /) -> Any: ...

    def __array__(self, dtype: Any = None, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Samples:
    """The images of one split, with what is known of each.

    Attributes:
        images: (N, C, H, W) uint8, C is 1 (grey) or 3 (RGB), all of one size; `LazyImages` where they may not fit into memory.
        labels: (N,) int64, indices into the dataset's `classes`; None where they are withheld.
        groups: (N,) int64, what images share when they are not independent: the subject, the font, the video. None if unknown.
        attributes: name -> (N,) array of numbers or text, such as age or sex.
    """

    images: Images
    labels: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Augment:
    """Training augmentation, drawn anew for each image of each batch."""

    crop: int | None = setting(None, "side of the random crop in pixels (the centre when testing); 0: the whole image", low=0)
    flip: bool = setting(False, "mirror left-right with probability 1/2")
    rotate: float = setting(0.0, "largest rotation to either side in degrees, drawn uniformly", low=0, high=180)


FACES = Augment(crop=44, flip=True, rotate=5.0)
"""The study's augmentation of 48x48 faces: 44x44 crops, mirrored, turned within 5 degrees to either side."""


@dataclass(frozen=True)
class RemoteFile:
    """A raw file that anybody may download.

    Attributes:
        name: its plain name in the raw folder.
        urls: where it lies: http(s) addresses, tried in this order.
        sha256: of its bytes, 64 lower-case hex digits.
        bytes: its size; None where nobody publishes it.
        unpacked: the plain name of what it holds, if that serves as well; empty if it does not.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int | None = None
    unpacked: str = ""

    def described(self) -> str:
        """Return its name, with its size where that is known."""
        return self.name if self.bytes is None else f"{self.name} ({self.bytes:,} bytes)"


@dataclass(frozen=True)
class NoOptions:
    """The options of a plugin that has none."""


class Plugin:
    """What the three kinds share: facts as class attributes, and options.

    Attributes:
        name: what users write; lower case with hyphens. A name ending in "/*" is a family: it serves every name with that
            beginning, and the rest of it is `self.variant`.
        variants: every `self.variant` of a family that has a fixed number of them; empty if any will do.
        label: the short name in tables such as VGG-FER-NAE; made from `name` if empty.
        title: one line that says what it is.
        citation: BibTeX entries, or an empty string.
        Options: a frozen dataclass of `dabench.setting` fields, each with a default.
    """

    kind: ClassVar[Kind]
    name: str = ""
    variants: tuple[str, ...] = ()
    label: str = ""
    title: str = ""
    citation: str = ""
    Options: ClassVar[type] = NoOptions

    def __init__(self, options: Any = None, variant: str = "") -> None:
        if variant and self.variants and variant not in self.variants:
            known = [self.name.removesuffix("*") + v for v in self.variants]
            name = self.name.removesuffix("*") + variant
            raise PluginError(f"unknown {self.kind} '{name}'{nearest(variant, self.variants)}; known: {', '.join(known)}")
        self.options: Any = self.Options() if options is None else options
        self.variant = variant
        if variant:
            self.name = self.name.removesuffix("*") + variant
        if not self.label:
            self.label = self.name.upper()


class Dataset(Plugin, ABC):
    """A labelled image set with fixed training and test splits.

    Attributes:
        classes: the names of the K classes; labels are indices into it.
        licence, homepage: terms of use, and where the set lives.
        obtain: how a person gets the raw files, and the layout expected in the raw folder. Empty if nothing is needed.
        counts: images per split as its authors state them, "all" for those of all splits, "clips" for the videos of a set that
            are to be there; checked when preparing. Empty if not known.
        plugin: the name of the plugin, where a sweep declares the set under another name; else empty.
        raw_folder: the folder of its raw files below the folder of all raw sets; the name of the plugin if empty.
        files: what `dabench prepare` downloads where it is missing. Empty if the terms of the set do not allow it.
        augment: the training augmentation that suits it; a sweep's [augment] changes it.
        drop: the list of pictures that are left out, a path; set by the key `drop` of a sweep's [dataset.NAME].
        notes: what whoever uses the set must know of its making, such as what was left out, a line each; `prepare` sets it. It
            is kept with the prepared set, and said each time that is used.
    """

    kind: ClassVar[Kind] = "dataset"
    classes: tuple[str, ...] = ()
    licence: str = ""
    homepage: str = ""
    obtain: str = ""
    counts: Mapping[str, int] = {}
    plugin: str = ""
    raw_folder: str = ""
    files: tuple[RemoteFile, ...] = ()
    augment: Augment = Augment()
    drop: str = ""
    notes: tuple[str, ...] = ()

    @abstractmethod
    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read the raw files in the folder `raw` and return Samples for "train" and "test", and "val" if the set has one.

        Called once; the result is kept in the prepared cache. Must give the same samples each time. Where "val" is
        missing, dabench splits a tenth off "train" (whole groups).

        Raises:
            dabench.errors.DataError: a file is missing or unreadable; say which, where, and how to get it.
        """

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the files that the samples depend on; when one changes, the set is prepared again."""
        return sorted(p for p in raw.rglob("*") if p.is_file()) if raw.is_dir() else []

    def raw_in(self, data: Path) -> Path:
        """Return the folder with its raw files, where `data` holds those of all datasets."""
        return data / (self.raw_folder or self.plugin or self.name)

    def imitate(self, raw: Path, n: int, seed: int) -> None:
        """Write a made-up set in the documented layout into the folder `raw`, with at least `n` images of each class.

        Each class looks different, so that a network can learn it, and what the set knows of subjects is there. `prepare`
        reads it like the real one, but for `counts`. It serves those who try the plugin without the real files, and
        `dabench check`. Leave it out if you have none.

        Raises:
            NotImplementedError: the plugin does not offer it.
        """
        raise NotImplementedError


class Backbone(Plugin, ABC):
    """A network body that turns images into features; the classifying layer is added by dabench.

    Attributes:
        dropout: probability of dropping a feature before the linear classifier.
    """

    kind: ClassVar[Kind] = "backbone"
    dropout: float = 0.0

    @abstractmethod
    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return an encoder: a module from (B, `channels`, `size`, `size`) float in [0, 1] to (B, F) with `num_features` = F.

        Raises:
            dabench.errors.PluginError: `pretrained` weights cannot be had.
        """


class Adapter(Plugin):
    """A method that carries a classifier from its sources to a target.

    Attributes:
        access: what of the target it may see; the rest is not in its process.
    """

    kind: ClassVar[Kind] = "adapter"
    access: Access = "none"

    def network(self, net: Network) -> Network:
        """Return the network of this method, made of the fresh `net`; the default returns `net` as it is.

        Here a method adds what it needs, such as a bottleneck or a second head. Called in pretraining and in adaptation, on the
        CPU, before any weights are loaded; both must get modules of the same names and shapes. A method with a `network` of its
        own does not share the pretraining of others.
        """
        return net

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train the fresh network `net` on the labelled `sources` and return it.

        The default is plain supervised training. It is trained once per (sources, seed) and shared by every adapter
        that keeps it.
        """
        return trainer.supervised(net, sources)

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Adapt the pretrained `net` (this run's own copy) to `target` and return it. The default returns it unchanged."""
        return net

    @classmethod
    def shares_pretraining(cls) -> bool:
        """Whether the method keeps the default `network` and `pretrain`, so that one training serves all such methods."""
        return cls.network is Adapter.network and cls.pretrain is Adapter.pretrain

    @classmethod
    def adapts(cls) -> bool:
        """Whether the method does anything with a target."""
        return cls.adapt is not Adapter.adapt
