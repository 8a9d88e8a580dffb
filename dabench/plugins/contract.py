"""The contract of plugins: every class and method that datasets, backbones and adapters use.

docs/writing-plugins.md has examples. A plugin is one class with a few attributes and one or two methods. `from dabench import
Adapter, Batch, ...` gives every name that a plugin needs. No other module of dabench is part of the contract.

dabench imports a plugin module whenever it lists plugins. The module therefore imports torch, numpy and other slow libraries
inside the methods that need them, or under `if TYPE_CHECKING:` for annotations.

A plugin raises DataError if files are missing or wrong, and PluginError if it cannot do what is asked of it. A message says what
is wrong, where, what is allowed and what to do. Any other exception is reported as a fault of the plugin.

Options are a frozen dataclass `Options` inside the class. Each field is a `setting` with a default, a meaning and a range.
`self.options` holds the values of the sweep.

Letters in shapes: N images, B batch, C channels, H height, W width, F features, K classes. A crop of H x W is h x w.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

from dabench.errors import DataError, PluginError, nearest
from dabench.plugins.options import setting

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

__all__ = [
    "FACES",
    "KINDS",
    "NAMING",
    "Access",
    "Adapter",
    "Augment",
    "Backbone",
    "Batch",
    "ClassPredictions",
    "Correction",
    "DataError",
    "Dataset",
    "Images",
    "Network",
    "NoOptions",
    "Plugin",
    "PluginError",
    "PluginKind",
    "RemoteFile",
    "Samples",
    "Splits",
    "Target",
    "TrainSettings",
    "Trainer",
    "View",
    "setting",
]

Access = Literal["none", "unlabelled", "few-shot", "full", "test"]
"""The part of the target that a method may see.

Of its training split: none: nothing. unlabelled: the images. few-shot: also `shots` labels per class. full: also every label.

test: nothing of the training split, but the test images without labels, one batch at a time (`Adapter.predict`).
"""

PluginKind = Literal["dataset", "backbone", "adapter"]

KINDS: tuple[PluginKind, ...] = ("dataset", "backbone", "adapter")

SUPERVISED = "supervised"
"""The method name of the pretraining that all adapters with the default `network` and `pretrain` share."""

SOURCE_ONLY = "source-only"
"""The method name of the run that continues the shared pretraining on the sources, for as many steps as adaptations take."""

NAMING = ("subject", "clip")
"""Attributes that identify the origin of an image. They are shown beside it; there are no results by them."""


class Images(Protocol):
    """The images of a split: a numpy array (in memory or memory-mapped), or a `dabench.LazyImages`, which is read in parts."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, values 0 to 255."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: Any, /) -> Any: ...

    def __array__(self, dtype: Any = None, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Samples:
    """The images of one split with their labels, groups and attributes.

    Attributes:
        images: (N, C, H, W) uint8, values 0 to 255, C is 1 (grey) or 3 (RGB), all of one size; `dabench.LazyImages` if they
            may not fit into memory.
        labels: (N,) int64, indices into the dataset's `classes`; None in every split of a dataset without labels, which can
            only be a target.
        groups: (N,) int64, a number for each subject, font or video whose images are not independent; None if unknown. No
            group is in two splits. A validation split keeps groups together, and intervals resample groups.
        attributes: name -> (N,) array of numbers or text, such as age or sex.
    """

    images: Images
    labels: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Splits(dict[str, Samples]):
    """The samples of each split, with notes and classes. `Dataset.prepare` may return it in place of a plain dict.

    Attributes:
        notes: what users of the dataset must know, such as images that were left out; one line each. They are stored with the
            prepared dataset and printed at each use.
        classes: the names of the classes, if the raw files define them; empty: those of the dataset.
    """

    def __init__(self, splits: Mapping[str, Samples], *, notes: Sequence[str] = (), classes: Sequence[str] = ()) -> None:
        super().__init__(splits)
        self.notes, self.classes = tuple(notes), tuple(classes)


_LATER = ("resized_crop", "saturation", "hue")
"""Fields of Augment that are younger than stored results. At their default they are in no digest, so that these stay valid."""


@dataclass(frozen=True)
class Augment:
    """Training augmentation, drawn for each image of each batch. Testing uses the centre crop.

    With `resized_crop`, a random box takes the place of the random crop: its area is from this fraction of the image to all of
    it, drawn uniformly, the ratio of its sides from 3/4 to 4/3, drawn uniformly on a logarithmic scale. The box is resized to
    the crop, bilinearly and without smoothing (torchvision's RandomResizedCrop, antialias=False).

    `saturation` and `hue` change images in colour, after contrast, brightness and gamma. In the colour space YIQ, whose Y is
    0.299 R + 0.587 G + 0.114 B, the chroma (I, Q) is multiplied by a factor and turned by an angle. Y stays. Results are clipped
    to [0, 1]. Grey images have no chroma and do not change.
    """

    crop: int | None = setting(None, "side of the random crop in pixels (the centre when testing); 0: the whole image", low=0)
    flip: bool = setting(False, "mirror left-right with probability 1/2")
    rotate: float = setting(0.0, "largest rotation to either side in degrees, drawn uniformly", low=0, high=180)
    scale: float = setting(0.0, "largest change of size: a factor from 1 - scale to 1 + scale", low=0, high=0.9)
    translate: float = setting(0.0, "largest move along each axis, as a fraction of the side", low=0, high=1)
    shear: float = setting(0.0, "largest horizontal shear: move of the top against the bottom edge, in sides", low=0, high=1)
    contrast: float = setting(0.0, "largest change of contrast: a factor from 1 - contrast to 1 + contrast", low=0, high=1)
    brightness: float = setting(0.0, "largest change of brightness to either side; 1 is from black to white", low=0, high=1)
    gamma: float = setting(0.0, "largest gamma: an exponent from 1 / (1 + gamma) to 1 + gamma", low=0, high=9)
    erasing: float = setting(0.0, "probability that a rectangle of 2 to 33 % of the image becomes one random grey", low=0, high=1)
    resized_crop: float = setting(
        0.0,
        "smallest area of a random box that is resized to `crop`, as a fraction of the image, such as 0.08; 0: no resizing",
        low=0,
        high=1,
    )
    saturation: float = setting(
        0.0, "largest change of saturation: a factor from 1 - saturation to 1 + saturation", low=0, high=1
    )
    hue: float = setting(0.0, "largest turn of the hue to either side, as a fraction of the circle", low=0, high=0.5)

    @property
    def recorded(self) -> dict[str, Any]:
        """The values as digests and records hold them: a field of _LATER only if it differs from its default."""
        return {key: value for key, value in vars(self).items() if key not in _LATER or value != getattr(type(self), key)}

    def __str__(self) -> str:
        """Return the fields that differ from their defaults, as they are written in code."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return f"Augment({', '.join(f'{f.name}={own[f.name]!r}' for f in fields(self) if own[f.name] != f.default)})"


FACES = Augment(crop=44, flip=True, rotate=5.0)
"""The study's augmentation of 48x48 faces: random 44x44 crops, horizontal flips, rotations up to 5 degrees."""


@dataclass(frozen=True)
class RemoteFile:
    """A raw file that dabench may download.

    Attributes:
        name: the file name in the raw folder, without folders.
        urls: http(s) addresses, tried in this order.
        sha256: the SHA-256 of the file, 64 lower-case hex digits.
        bytes: the size of the file; None if unknown.
        unpacked: the name of the unpacked file, if `prepare` accepts it instead; else empty.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int | None = None
    unpacked: str = ""

    def described(self) -> str:
        """Return the name, with the size if it is known."""
        return self.name if self.bytes is None else f"{self.name} ({self.bytes:,} bytes)"


@dataclass(frozen=True)
class NoOptions:
    """The `Options` of a plugin without options."""


class Plugin:
    """The base of datasets, backbones and adapters: facts as class attributes, and options.

    Attributes:
        name: the name in sweep files and commands: lower case letters, digits, '-', '_' and '.'. A name that ends in "/*" is a
            family: "office-31/*" serves every name that begins with "office-31/".
        variants: for a family, the names after the slash ("amazon", "dslr", "webcam"); empty if every name is allowed.
            `self.variant` is the one that was asked for. Set what differs between variants in `__init__(self, options,
            variant)`, after `super().__init__(options, variant)`.
        short_name: the short name in tables, such as FER in FER-JAFFE; default: `name` in capitals.
        title: a description in one line.
        citation: BibTeX entries, or an empty string.
        Options: a frozen dataclass of `dabench.setting` fields.
        options: the instance of `Options` with the values of the sweep.
    """

    kind: ClassVar[PluginKind]
    name: str = ""
    variants: tuple[str, ...] = ()
    short_name: str = ""
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
        if not self.short_name:
            self.short_name = self.name.upper()

    def with_facts(self, **facts: Any) -> Self:
        """Return a copy with other values of these attributes; this plugin does not change."""
        other = copy.copy(self)
        for fact, value in facts.items():
            setattr(other, fact, value)
        return other


class Dataset(Plugin, ABC):
    """A labelled image set with fixed training and test splits. All attributes but `name` and `classes` are optional.

    Attributes:
        name, variants, short_name, title, citation, Options, options: as in `Plugin`.
        classes: the names of the K classes; labels are indices into it. Empty if `prepare` finds them (see `Splits`).
        license, homepage: the terms of use, and an address.
        download_instructions: how a person gets the raw files, and the expected layout of the raw folder. Empty if no files are
            needed.
        counts: images per split as published; "all" counts the images of all splits, "clips" the videos. dabench verifies them
            when it prepares the dataset. Empty if unknown.
        shares_images_with: the names of datasets that hold some of the same images, or copies of them that were changed. A sweep
            with both as source and target prints a warning. One of the two datasets declares it.
        plugin: set by dabench: the name of the plugin, if a sweep declares the dataset under another name; else empty.
        raw_folder: the folder of the raw files, below the folder of all raw datasets; default: the name of the plugin. A family
            whose variants share one folder names that folder.
        files: the files that `dabench prepare` downloads if they are missing. Empty if the terms of use do not allow it.
        augment: the default training augmentation; [augment] of a sweep changes it.
        drop: set by dabench: the path of a list of images to leave out, from the key `drop` of [dataset.NAME].
        store, store_quality: set by dabench: how prepared images are stored, from these keys of [dataset.NAME].
        work: set by dabench: a folder for intermediate results of `prepare`, such as decoded clips, from which an interrupted
            call continues; else None.
    """

    kind: ClassVar[PluginKind] = "dataset"
    classes: tuple[str, ...] = ()
    license: str = ""
    homepage: str = ""
    download_instructions: str = ""
    counts: Mapping[str, int] = {}
    shares_images_with: tuple[str, ...] = ()
    plugin: str = ""
    raw_folder: str = ""
    files: tuple[RemoteFile, ...] = ()
    augment: Augment = Augment()
    drop: str = ""
    store: Literal["raw", "jpeg"] = "raw"
    store_quality: int = 95
    work: Path | None = None

    @abstractmethod
    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Read the raw files in the folder `raw` and return the samples of "train", "test" and, if the set has one, "val".

        A dataset that leaves something out returns `Splits` with notes that say what, how much and why.

        Called once; the result is stored in the cache. It returns the same samples in the same order each time and writes
        nothing into `raw`. If there is no "val", dabench splits a tenth off "train", by whole groups.

        Raises:
            DataError: a file is missing or cannot be read; the message says which, where, and ends with `download_instructions`.
        """

    def raw_files(self, raw: Path) -> Sequence[Path]:
        """Return the files that the samples depend on. If one changes, the dataset is prepared again."""
        return sorted(p for p in raw.rglob("*") if p.is_file()) if raw.is_dir() else []

    def raw_in(self, data: Path) -> Path:
        """Return the folder of the raw files, below `data`, the folder of all raw datasets."""
        return data / (self.raw_folder or self.plugin or self.name)

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write a synthetic dataset in the documented layout into the folder `raw`, with at least `n` images of each class.

        Classes look different, so that a network can learn them. Groups are included if the dataset has them. `prepare` reads
        the files like the real ones, except for `counts`. `dabench check` uses it, and people who try the plugin without the
        real files. Optional.

        Raises:
            NotImplementedError: the plugin has no synthetic dataset.
        """
        raise NotImplementedError


class Backbone(Plugin, ABC):
    """The encoder of a network, which turns images into features. dabench adds the linear classifier.

    Attributes:
        name, variants, short_name, title, citation, Options, options: as in `Plugin`.
        dropout: the dropout probability of features before the linear classifier.
    """

    kind: ClassVar[PluginKind] = "backbone"
    dropout: float = 0.0

    @abstractmethod
    def build(self, channels: int, size: int, pretrained: bool) -> nn.Module:
        """Return an encoder on the CPU with an int attribute `num_features` = F.

        Its forward maps (B, `channels`, `size`, `size`) float32 in [0, 1] to (B, F); a normalisation of the input is part of it.
        Under autocast the result may be bfloat16. Initial weights come from torch's global generator, which dabench seeds. In
        evaluation mode the features of an image do not depend on the rest of the batch.

        Raises:
            PluginError: the backbone cannot use such images, or its pretrained weights are not available.
        """


@dataclass(frozen=True)
class View:
    """Images of the training split of one dataset, on the trainer's device. They must not be changed in place.

    Attributes:
        name: the dataset.
        classes: the names of the K classes of the sweep.
        images: (N, C, H, W) uint8, values 0 to 255, of the sweep's size; neither cropped nor augmented. Images that are too
            large for the device are not a tensor: they have only shape, dtype, device and len(), and `rows` reads them.
        labels: (N,) int64, indices into `classes`, or None where they are withheld.
        groups: (N,) int64, or None where there are none or they are withheld.
        validation: of a source: its validation split, with labels; else None.
    """

    name: str
    classes: tuple[str, ...]
    images: Tensor
    labels: Tensor | None = None
    groups: Tensor | None = None
    validation: View | None = None

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, at: Tensor) -> Tensor:
        """Return the images at positions `at` (n,) int64 on any device: (n, C, H, W) uint8 on the trainer's device.

        It works for sets of every size. `Trainer.stream` and `Trainer.batches` do, too, and read ahead.
        """
        read: Callable[[Tensor], Tensor] | None = getattr(self.images, "rows", None)  # a tensor has no such attribute
        return read(at) if read else self.images.index_select(0, at.to(self.images.device))


@dataclass(frozen=True)
class Target:
    """The part of the target's training split that the `access` of an adapter grants.

    Attributes:
        name: the dataset.
        classes: the names of the K classes of the sweep.
        unlabelled: all training images, in the order of a hash of each image, without labels or groups; None if access is
            "none".
        shots: labelled images: some of each class if access is "few-shot", all if "full"; else None.
    """

    name: str
    classes: tuple[str, ...]
    unlabelled: View | None = None
    shots: View | None = None


@dataclass(frozen=True)
class Batch:
    """One batch of a stream, on the trainer's device.

    Attributes:
        images: (B, C, h, w) float32 in [0, 1], augmented and cropped.
        labels: (B,) int64, or None if a view of the stream has no labels.
        view: (B,) int64, for each image the index of its view in the list given to `Trainer.stream`.
        index: (B,) int64, for each image its position in its view.
        copies: copies of the images, each augmented by itself, as many as were asked for; the first is `images`.
    """

    images: Tensor
    labels: Tensor | None
    view: Tensor
    index: Tensor
    copies: tuple[Tensor, ...] = ()

    def require_labels(self) -> Tensor:
        """Return the labels.

        Raises:
            PermissionError: they are withheld; the adapter's `access` does not grant them.
        """
        if self.labels is None:
            raise PermissionError("these labels are withheld: the adapter's `access` does not grant them")
        return self.labels


class Network(Protocol):
    """A classifier: an encoder, dropout, and a linear layer. It is a torch.nn.Module with the members listed here.

    Its input is (B, C, h, w) float32 in [0, 1]. Features and logits are float32, also under autocast. `Adapter.network`
    may replace `encoder` and `head` and add other modules.
    """

    encoder: nn.Module
    """(B, C, h, w) -> (B, F); with [network] bottleneck, it ends with the bottleneck."""
    bottleneck: int
    """The number of features of the bottleneck that [network] sets, which is then F; 0 without one. Where it is not 0, a method
    adds no bottleneck of its own."""
    dropout: nn.Module
    """The backbone's dropout, for features before the head."""
    head: Any
    """(B, F) -> (B, K), a torch.nn.Linear or a module in its place, with the attributes `in_features` and `out_features`."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Return logits (B, K): `classify` of `features`."""

    def features(self, images: Tensor) -> Tensor:
        """Return features (B, F)."""

    def classify(self, features: Tensor) -> Tensor:
        """Return logits (B, K) of features (B, F); dropout is active in training mode."""

    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...
    def to(self, device: torch.device, /) -> Self: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any], /, strict: bool = True) -> Any: ...


class TrainSettings(Protocol):
    """The settings of [train] that a method may read. The trainer applies the others."""

    @property
    def batch(self) -> int:
        """Images in a step, 2 or more. A method with two streams takes half from each."""

    @property
    def lr(self) -> float:
        """The highest learning rate."""


class Trainer(Protocol):
    """The training loop of one run, with the settings of the sweep and the seed of the run.

    All training goes through `fit` or `run`, which follow the schedule, make the checkpoints, resume interrupted runs and record
    losses. `fit` has one loss and one optimizer. `run` has several optimizers, or several steps of them, as in adversarial
    training. A method calls one of them once: each call restarts momentum and schedule, and has checkpoints of its own.
    """

    @property
    def settings(self) -> TrainSettings: ...

    @property
    def device(self) -> torch.device:
        """The device of views, batches and the network."""

    @property
    def seed(self) -> int:
        """The seed of the run. For generators on other devices than `device`."""

    def generator(self) -> torch.Generator:
        """Return a new random generator on `device`; the n-th one of a run is always the same.

        Its state is restored when an interrupted training resumes, like that of a `stream`. Make both before `fit`, not inside
        a loss.
        """

    def steps(self, views: Sequence[View]) -> int:
        """Return the length in steps of a full training on `views`, from [train] `steps` or `epochs`."""

    def adaptation_steps(self, sources: Sequence[View]) -> int:
        """Return the length in steps of an adaptation that is as long as a full training on `sources`.

        That is `steps(sources)`, but at least [train] `least_steps`, so that a small source does not make an adaptation too
        short. If [train] sets `steps`, the length does not depend on the source, and the minimum does not apply.
        """

    def stream(
        self, views: Sequence[View], batch: int | None = None, augment: bool = True, copies: int = 1, strong: bool = False
    ) -> Iterator[Batch]:
        """Return endless shuffled batches of `batch` images (default: [train] batch), the same number from each view.

        With [train] source_batches = "proportional", a view gives a number by its size, at least one. Every image of a view is
        drawn once before any is drawn again. If the views together hold fewer images than `batch`, batches are smaller.

        Args:
            augment: False: images are centre crops without augmentation.
            copies: the number of copies of each image in `Batch.copies`, each augmented by itself.
            strong: the last copy is also under a random shift (that of the adapter `augmented`) and erasing, as in FixMatch.
        """

    def batches(self, view: View, batch: int = 512) -> Iterator[Tensor]:
        """Yield each image of `view` once, in its order, as in testing: centre crops (B, C, h, w) float32 in [0, 1]."""

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return (B, C, H, W) uint8 `images` of a view as (B, C, h, w) float32 in [0, 1], augmented as in training.

        `generator` is on `device`. `stream` augments its batches itself; this is for methods that choose images themselves.
        """

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy, a scalar, of (B, K) logits and (B,) labels, with the sweep's label smoothing."""

    def supervised(
        self,
        net: Network,
        views: Sequence[View],
        *,
        steps: int = ...,
        trainable: Sequence[nn.Module | Network] | None = None,
        lr: float | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Network:
        """Train `net` on labelled `views` by `cross_entropy`; `fit` with one stream. Default of `steps`: steps(views).

        Raises:
            PermissionError: a view has no labels.
        """

    def fit(
        self,
        net: Network,
        loss: Callable[..., Tensor | Mapping[str, Tensor]],
        *streams: Iterator[Any],
        steps: int,
        trainable: Sequence[nn.Module | Network] | None = None,
        lr: float | None = None,
        precision: Literal["auto", "bf16", "fp32"] | None = None,
        state: Mapping[str, Any] | None = None,
        replay: bool = False,
    ) -> Network:
        """Minimise `loss` for `steps` steps and return `net` in evaluation mode.

        Each call makes a new optimizer and restarts the schedule of the learning rate. After the call, also if it raises, `net`
        is in evaluation mode, and every parameter that it froze is trainable again.

        An interrupted training resumes from its last checkpoint: the method runs again up to this call, then the saved states
        are restored. Saved are `net`, `trainable`, the optimizer, the streams and generators made before this call,
        `streams`, the global random numbers of torch, NumPy and Python, and what `state` names.

        Args:
            net: the network that is tested at checkpoints, on `device`.
            loss: called as loss(progress, *batches): progress from 0 to below 1, and the next item of each stream. It returns
                a scalar that is to be minimised, or several by name, of which the sum is minimised; names are shown apart. It
                is called under autocast where the precision is bf16.
            streams: endless iterators, of `stream` or of the method's own. With one that has no state_dict() and
                load_state_dict(), an interrupted training begins anew; `dabench check` reports it.
            trainable: the modules whose parameters change (default: `net`); name extra modules here. They are moved to
                `device` and are in training mode during the call. The rest of `net` is in evaluation mode and does not change,
                including its batch statistics.
            lr: the highest learning rate (default: [train] lr). [train] encoder_lr_factor multiplies it for the parameters of
                the encoder, head_lr_factor for all others.
            precision: in place of [train] precision.
            state: name -> anything else that changes during the training and affects its result: an object with state_dict() and
                load_state_dict() (a module that is not in `net` or `trainable`, another optimizer), a random generator of
                torch, NumPy or Python, a tensor or numpy array that is changed in place, or a dict, list or deque of numbers,
                texts, None, tensors, numpy arrays, and dicts, lists and tuples of them. Restoring keeps the object itself; a
                dict, list or deque gets new items. `dabench check` interrupts and resumes each adapter and finds what is missing.
            replay: a promise about `loss`: it does the same operations in each step, and reads no number from a tensor. With
                [train] replay, steps are then captured as CUDA graphs, and `progress` is a float64 scalar on the device.

        Raises:
            DivergedError: a loss was not a finite number; do not catch it.
            PluginError: the state of something that `state` names cannot be saved.
        """

    def optimizer(
        self,
        *modules: nn.Module | Network,
        lr: float | None = None,
        lr_factor: float = 1.0,
        kind: Literal["sgd", "adamw"] | None = None,
    ) -> torch.optim.Optimizer:
        """Return an optimizer of the parameters of `modules`, for the next call of `run`.

        `run` sets its learning rate by the schedule of [train] and saves its state. Its step() clips gradients as [train] says.

        Args:
            modules: the modules to train; they are moved to `device`.
            lr: the highest learning rate (default: [train] lr). lr_factor: a factor of it, such as 0.1. [train]
                encoder_lr_factor and head_lr_factor multiply it as in `fit`.
            kind: in place of [train] optimizer.
        """

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Take one step of each optimizer down the gradient of the scalar `loss`.

        Only the parameters of these optimizers get a gradient. The graph of `loss` is freed.
        """

    def run(
        self,
        net: Network,
        step: Callable[..., Mapping[str, Tensor]],
        *streams: Iterator[Any],
        steps: int,
        trainable: Sequence[nn.Module | Network] = (),
        precision: Literal["auto", "bf16", "fp32"] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Network:
        """Call `step` `steps` times and return `net` in evaluation mode: a training with several optimizers or updates.

        Make the optimizers before, with `optimizer`. Their modules are in training mode during the call. The rest of `net` is in
        evaluation mode and does not change. Checkpoints, resuming and the end of the call are those of `fit`.

            of_encoder, of_heads = trainer.optimizer(net.encoder), trainer.optimizer(net.head, other)

            def step(progress: float, batch: Batch) -> dict[str, Tensor]:
                ...
                trainer.minimise(classification, of_encoder, of_heads)
                trainer.minimise(-discrepancy, of_heads)
                return {"classification": classification, "discrepancy": discrepancy}

            return trainer.run(net, step, stream, steps=steps)

        Args:
            net, streams, steps, precision, state: as in `fit`.
            step: called as step(progress, *batches), under autocast where the precision is bf16. It updates parameters itself,
                with `minimise`, or with backward() and step() of the optimizers, and returns its losses by name, scalars that
                are recorded and drawn apart.
            trainable: further modules that change, by optimizers of the method's own. Name those optimizers in `state`.

        Raises:
            DivergedError: a loss was not a finite number; do not catch it.
            PluginError: there is no optimizer, or `step` returned no losses, or the state of something that `state` names cannot
                be saved.
        """

    def show(self, name: str, *rows: Tensor) -> None:
        """Keep images for the page of the report, such as translated images below their originals.

        Args:
            name: their heading on the page. A second call with the same name replaces the images.
            rows: (N, C, h, w) float in [0, 1], C 1 or 3, all of one shape; the first 12 of each make one row of the picture.

        Raises:
            PluginError: `rows` are not such images, or none.
        """

    def estimate_statistics(self, net: Network, view: View) -> None:
        """Replace the running mean and variance of each batch norm in `net` by those of all images of `view` together.

        Each image has the same weight. The images are as in testing, in equal batches of 512, a half more or less. Up to 767
        images are one batch. `net` is in evaluation mode afterwards.
        """


class Adapter(Plugin):
    """A method that adapts a classifier from its sources to a target, by its own `network`, `pretrain` or `adapt`.

    `pretrain` and `adapt` are called on different instances, often in different processes. Only the network passes from one to
    the other.
    The same seed gives the same network: random numbers come from trainer.generator(), from a generator seeded with
    trainer.seed, or from torch's global generator, which dabench seeds.

    Attributes:
        name, variants, short_name, title, citation, Options, options: as in `Plugin`.
        access: the part of the target that it may see. Nothing else of it is in the process.
        family: what kind of method it is, in a word or two, for lists: "alignment", "self-training", ...
        uses_sources: False: source-free. No image and no label of a source is in the process of `adapt`, and `sources` is empty.
        source_count: set by dabench: the number of sources of the run, for methods with modules for each source.
        without_groups: what the method does on sources without groups, if it needs them; a note below its results names these
            sources and says so.
        correction: set by dabench: the correction of "ADAPTER + CORRECTION"; None without one.
    """

    kind: ClassVar[PluginKind] = "adapter"
    access: Access = "none"
    family: str = ""
    uses_sources: bool = True
    source_count: int = 1
    without_groups: str = ""
    correction: Correction | None = None

    def network(self, net: Network) -> Network:
        """Return the network of this method, built from the fresh `net`. The default returns `net` unchanged.

        A method adds its own modules here, such as a bottleneck or a second head. dabench calls it before `pretrain` and before
        `adapt`, on the CPU, before any weights are loaded. Both calls must give modules of the same names and shapes. A method
        with its own `network` has its own pretraining.
        """
        return net

    def pretrain(self, net: Network, sources: Sequence[View], trainer: Trainer) -> Network:
        """Train the fresh network `net` on the labelled `sources` and return it. The default is supervised training.

        The default is trained once per (sources, seed) and shared by all adapters that keep it.

        Args:
            net: on `trainer.device`, in training mode, every parameter trainable.
            sources: one view or more, with labels, and with groups where the dataset has them.
            trainer: the training loop.

        Returns:
            `net`, on any device and in any mode: dabench moves it to `trainer.device` and sets evaluation mode. Every
            parameter is trainable again. In evaluation mode, here and at each checkpoint, the logits of an image do not depend
            on the other images of the batch: these are test images, which no access grants.
        """
        return trainer.supervised(net, sources)

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Adapt the pretrained network `net` to `target` and return it. The default returns it unchanged.

        Args:
            net: as in `pretrain`, with the pretrained weights and batch statistics; this run's own copy.
            sources: as in `pretrain`; empty if `uses_sources` is False.
            target: the part of the target that `access` grants.
            trainer: the training loop, as in `pretrain`.

        Returns:
            As `pretrain`.
        """
        return net

    def predict(self, net: Network, images: Tensor) -> Tensor:
        """Return the logits (B, K) of one batch of the test stream; only for access "test".

        It is called once for each batch of test images, in a random order that the seed fixes. The size of batches is [test]
        stream_batch. A method may change `net` and keep state in `self`: both are new for each test split, and with [test]
        stream_reset for each batch. Test images are in no other place: `adapt` does not see them.

        Args:
            net: a copy of the adapted network, in evaluation mode at the first batch, every parameter trainable.
            images: (B, C, h, w) float32 in [0, 1], centre crops.
        """
        return net(images)

    def length(self, full: int, shots: int = 0, batch: int = 1) -> int:
        """Return the number of optimiser steps that `adapt` takes on given data; 0 if it does not train.

        `none`, which gains are taken over, trains on the sources for as many more steps as the longest adaptation of the sweep
        takes. The default is `full`, times the option `steps_fraction` if there is one. A method whose `adapt` takes another
        number of steps overrides it. `dabench check` compares it with the steps that `adapt` takes.

        Args:
            full: the length of a full training on the sources, `Trainer.adaptation_steps`. If `uses_sources` is False, that of
                a full training on the target's images.
            shots: the number of labelled target images; 0 if `access` grants none.
            batch: [train] batch.
        """
        trains = type(self).adapt is not Adapter.adapt
        return max(1, round(getattr(self.options, "steps_fraction", 1.0) * full)) if trains else 0

    @classmethod
    def shares_pretraining(cls) -> bool:
        """Return whether the method keeps the default `network` and `pretrain`, and so shares the pretraining of such methods."""
        return cls.network is Adapter.network and cls.pretrain is Adapter.pretrain

    @classmethod
    def adapts(cls) -> bool:
        """Return whether the method adapts to a target."""
        return cls.adapt is not Adapter.adapt or cls.predict is not Adapter.predict


@dataclass(frozen=True)
class ClassPredictions:
    """What a `Correction` is given: probabilities of a trained network, float64, each row sums to 1.

    Attributes:
        shares: (K,) share of each class in the labelled images that the network was trained on.
        source: (N, K) probabilities of the validation images of the sources.
        labels: (N,) int64, the classes of these images.
        target: (M, K) probabilities of the training images of the target, which have no labels.
    """

    shares: NDArray[np.float64]
    source: NDArray[np.float64]
    labels: NDArray[np.int64]
    target: NDArray[np.float64]


class Correction(Adapter, ABC):
    """A correction of the predictions of another method where classes are more or less frequent in the target (label shift).

    A sweep names it as "dann + em-prior". Alone, as "em-prior", it corrects a network that trains on the sources for as long as
    an adaptation. At each checkpoint, the probability of each class is multiplied by the ratio that `ratios` returns, and
    divided by their sum. The training does not change.
    """

    access = "unlabelled"

    @abstractmethod
    def ratios(self, given: ClassPredictions) -> NDArray[np.float64]:
        """Return how many times as frequent each class is in the target as in the labelled images: (K,), finite, at least 0."""

    def adapt(self, net: Network, sources: Sequence[View], target: Target, trainer: Trainer) -> Network:
        """Train on the sources, as `none` does; dabench then corrects the network."""
        return trainer.supervised(net, sources, steps=self.length(trainer.adaptation_steps(sources)))
