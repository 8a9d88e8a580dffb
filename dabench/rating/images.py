"""Choose the images of a human study from a prepared dataset, and write them as PNG."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.human import quiz_images
from dabench.data.cache import Prepared
from dabench.data.csv_files import image_name
from dabench.rating.study import StudySettings


@dataclass(frozen=True)
class StudyImages:
    """The images of a study. Labels of test images are not among them.

    Attributes:
        dataset: name of the dataset; digest: digest of its prepared data; classes: its classes.
        test: name -> PNG of each test image.
        practice: (PNG, class) of each practice image, from the training split.
    """

    dataset: str
    digest: str
    classes: tuple[str, ...]
    test: dict[str, bytes]
    practice: tuple[tuple[bytes, int], ...]


def study_images(prepared: Prepared, settings: StudySettings) -> StudyImages:
    """Return the images of a study: of each class of the test split as many as `settings.per_class`, or all if fewer.

    Raises:
        DataError: the dataset has no labels.
    """
    labels = prepared.labels("test")
    count = int(np.minimum(np.bincount(labels), settings.per_class).sum())
    pixels = prepared.samples("test").images
    test, tested = {}, set()
    for i in quiz_images(labels, count, settings.seed):
        image = np.asarray(pixels[int(i)])
        test[image_name(prepared.digest, int(i))] = png(image)
        tested |= {_fingerprint(image), _fingerprint(image[:, :, ::-1])}
    practice = _practice(prepared, settings, tested)
    return StudyImages(prepared.name, prepared.digest, prepared.classes, test, practice)


def _practice(prepared: Prepared, settings: StudySettings, tested: set[bytes]) -> tuple[tuple[bytes, int], ...]:
    """Return training images, balanced over classes. None is a copy of a test image, whose label feedback would give away."""
    labels, pixels = prepared.labels("train"), prepared.samples("train").images
    drawn = quiz_images(labels, min(len(labels), 4 * settings.practice), settings.seed)
    images = {int(i): np.asarray(pixels[i]) for i in drawn}
    left = np.array([i for i, image in images.items() if _fingerprint(image) not in tested], np.int64)
    usable = quiz_images(labels[left], min(len(left), settings.practice), settings.seed) if len(left) else left
    return tuple((png(images[int(i)]), int(labels[i])) for i in left[usable])


def _fingerprint(image: NDArray[np.uint8]) -> bytes:
    """Return what identical images have in common."""
    return hashlib.sha256(image.tobytes()).digest()


def png(image: NDArray[np.uint8]) -> bytes:
    """Return an image (C, H, W) as PNG in its own size; the page enlarges it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).save(file, "png")
    return file.getvalue()
