"""How images become the input of a stored network, from what its results folder records.

An image is decoded as image viewers show it, becomes a square as in its dataset, is resized to the size and channels of the
sweep, and is cropped to its centre if networks were trained on crops. The normalisation by mean and standard deviation is part
of the network.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from dabench.data.decoding import decoded
from dabench.data.images import resized_picture
from dabench.data.squares import MADE_SQUARE, Square
from dabench.data.video import ClipSampling, largest_face
from dabench.errors import DataError, PluginError, SpecError, StoreError
from dabench.experiment.config import Sweep
from dabench.experiment.resolve import make_dataset
from dabench.plugins.contract import Augment
from dabench.plugins.options import build
from dabench.plugins.registry import Registry
from dabench.storage.schema import DatasetRecord, SweepRecord

Images = Image.Image | str | Path

_RESIZED = re.compile(r"are resized to (\d+)x\1\b")
"""The side of the prepared images in the note of a dataset whose images have different sizes (dabench.data.images)."""


@dataclass(frozen=True)
class Preprocessing:
    """The steps from an image to the input of a network.

    Calling it with one image or several (PIL images or paths of files) returns their tensors, (B, channels, crop, crop) float32
    from 0 to 1.

    Attributes:
        channels: 1: grey, 3: RGB.
        size: side of the square that images are resized to. crop: side of the centre crop of it that the network sees.
        square: how an image that is not square becomes square.
        first: side that the dataset resizes its images to before; None if it keeps their own, or its side is not known.
        grey: whether the dataset's own images are grey, also if `channels` is 3.
        face: images are cropped to their largest face first.
        sampling: which frames of a clip are taken.
        notes: what is not known of the dataset's own preparation.
    """

    channels: int
    size: int
    crop: int
    square: Square = "stretch"
    first: int | None = None
    grey: bool = False
    face: bool = False
    sampling: ClipSampling = field(default_factory=ClipSampling)
    notes: tuple[str, ...] = ()

    def __call__(self, images: Images | Sequence[Images]) -> Tensor:
        """Return images as the network's input: (B, channels, crop, crop) float32 from 0 to 1; B is 1 for a single image.

        Raises:
            DataError: a file cannot be read as an image, or shows no face where the dataset's images are crops of faces.
        """
        given = [images] if isinstance(images, Image.Image | str | Path) else images
        rows = np.stack([self.prepared(image) for image in given])
        return torch.from_numpy(self.cropped(rows)).float() / 255

    def prepared(self, image: Images | bytes) -> NDArray[np.uint8]:
        """Return an image (or the bytes of an image file) as a prepared dataset has it, (channels, size, size) uint8.

        Raises:
            DataError: as for a call.
        """
        picture = _picture(image)
        if self.face:
            grey = picture.convert("L")
            box = largest_face(grey)
            if box is None:
                raise DataError("shows no face, and images of this dataset are crops of faces")
            picture = grey.crop(box)
        if self.first is not None:
            planes = 1 if self.grey or picture.mode == "L" else 3
            picture = _as_picture(resized_picture(picture, planes, self.first, self.square))
        elif self.grey:
            picture = picture.convert("L")
        return np.ascontiguousarray(resized_picture(picture, self.channels, self.size, self.square))

    def cropped(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the centre crops of prepared images (B, channels, size, size)."""
        start = (self.size - self.crop) // 2
        return np.ascontiguousarray(images[..., start : start + self.crop, start : start + self.crop])

    @property
    def steps(self) -> list[str]:
        """The steps in words, one line each."""
        colour = "grey, by the ITU-R 601-2 luma weights" if self.channels == 1 else "RGB"
        grey = ", from grey" if self.grey and self.channels == 3 else ""
        first = [f"resized to {self.first}x{self.first}, bilinear"] if self.first not in (None, self.size) else []
        crop = [f"cropped to the {self.crop}x{self.crop} pixels in the middle"] if self.crop != self.size else []
        return [
            "decoded as image viewers show it (EXIF rotation, transparent pixels on white, first image of an animation)",
            *(["cropped to the largest face that OpenCV's frontal cascade finds"] if self.face else []),
            f"made {colour}{grey}",
            f"{MADE_SQUARE[self.square].partition(' (')[0]} if not square",
            *first,
            f"resized to {self.size}x{self.size}, bilinear",
            *crop,
            "divided by 255",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {key: value for key, value in asdict(self).items() if key not in ("notes", "sampling")}


def _picture(image: Images | bytes) -> Image.Image:
    """Return an image in mode L or RGB, as `decoded` does for the bytes of a file."""
    if isinstance(image, Image.Image) and image.mode in ("L", "RGB") and 0x0112 not in image.getexif():
        return image
    if isinstance(image, Image.Image):
        upright, content = ImageOps.exif_transpose(image), io.BytesIO()
        # A PNG holds every mode but these, so that all rules about modes are those of files.
        (upright.convert("RGB") if upright.mode in ("CMYK", "YCbCr", "LAB", "HSV") else upright).save(content, "PNG")
        image = content.getvalue()
    where = "" if isinstance(image, bytes) else f"{image}: "
    try:
        return decoded(image if isinstance(image, bytes) else Path(image).expanduser().read_bytes())
    except OSError as e:
        raise DataError(f"{where}cannot be read ({e.strerror or e})") from e
    except ValueError as e:
        raise DataError(f"{where}cannot be read as an image ({e})") from e


def _as_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def preprocessing_of(record: SweepRecord, dataset: str, facts: DatasetRecord, registry: Registry) -> Preprocessing:
    """Return how the images of a dataset become the input of the networks of a sweep.

    Args:
        facts: the stored record of the dataset.

    Raises:
        StoreError: the record is of an early version, which did not keep the size of the input.
    """
    given = record.input
    if given is None:
        raise StoreError(
            "sweep.json does not hold the size of the network's input, because an early version wrote it; "
            "run the sweep again: complete runs are kept, and the record is rewritten"
        )
    crop = build(Augment, given.augment).crop or given.size
    try:
        made = make_dataset(Sweep(dataset=record.sweep.dataset), dataset, registry)
    except (PluginError, SpecError) as e:
        note = f"the dataset plugin cannot be made, so the preparation of {dataset} itself is not known: {e}"
        return Preprocessing(given.channels, given.size, crop, first=_side(facts), notes=(note,))
    options: Mapping[str, Any] = vars(made.options)
    clips = "frames" in options
    store = "stored as JPEG in the prepared dataset, which is not repeated here" if made.store == "jpeg" else ""
    keys = ("frames", "skip_start", "skip_end")
    return Preprocessing(
        given.channels,
        given.size,
        crop,
        options.get("square", "stretch"),
        _side(facts) or options.get("size"),
        clips or options.get("channels") == 1,
        bool(options.get("face", False)),
        ClipSampling(**{key: options[key] for key in keys}) if clips else ClipSampling(),
        (f"images of {dataset} are {store}",) if store else (),
    )


def _side(facts: DatasetRecord) -> int | None:
    """Return the side of the prepared images that the notes of a dataset state; None if they state none."""
    found = [match for note in facts.notes if (match := _RESIZED.search(note))]
    return int(found[0][1]) if found else None
