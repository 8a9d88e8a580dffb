"""Datasets made of Python objects: arrays, torchvision-style datasets, and datasets of the library `datasets` (Hugging Face)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.errors import DataError
from dabench.hashing import digest
from dabench.plugins.contract import Dataset, Samples
from dabench.plugins.options import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dabench.data.squares import Square

_IMAGE = ("image", "img", "pixel_values")
_LABEL = ("label", "labels", "fine_label", "class", "target")
"""Keys of the rows of a dataset, in the order in which they are looked for."""


class PythonDataset(Dataset):
    """Images that a Python program holds; `dataset_from` makes it."""

    @dataclass(frozen=True)
    class Options:
        """What identifies the images: they lie in no file."""

        content: str = setting("", "digest of all images, labels and groups")

    def __init__(self, options: Any = None, variant: str = "", splits: Mapping[str, Samples] | None = None) -> None:
        super().__init__(options, variant)
        self._splits = splits

    def __getstate__(self) -> dict[str, Any]:
        """Leave the images out: workers read the prepared ones."""
        return self.__dict__ | {"_splits": None}

    def __copy__(self) -> PythonDataset:
        """Keep the images, which a pickled dataset leaves out."""
        other = PythonDataset(self.options)
        other.__dict__.update(self.__dict__)
        return other

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Return the images of the program."""
        if self._splits is None:
            raise DataError(f"{self.name}: its images are in another process; prepare it in the program that calls dataset_from")
        return self._splits


def dataset_from(
    train: Any,
    test: Any,
    *,
    name: str,
    val: Any = None,
    classes: Sequence[str] | None = None,
    short_name: str = "",
    title: str = "",
    license: str = "",
    citation: str = "",
    size: int | None = None,
    square: Square = "stretch",
) -> Dataset:
    """Return a dataset of Python objects. Give it to `dabench.register`, and name it in a sweep.

    A split is one of:

    - a tuple (images, labels) or (images, labels, groups) of arrays or tensors. Images: (N, H, W), (N, C, H, W) or (N, H, W, C),
      C is 1 or 3, uint8 from 0 to 255 or floats from 0 to 1. Labels: (N,) whole numbers from 0, or names of classes. Groups: (N,)
      a number or name for each subject;
    - a dataset as in torchvision: `len(split)`, and `split[i]` is (image, label). Images are pillow images, arrays or tensors.
      Their transforms are applied, so it must have none that normalises or is random;
    - a dataset of the library `datasets`: `split[i]` is a dict with "image" and "label".

    All images are held in memory. Large datasets are better read from folders (`image-folder`) or Parquet files.

    Args:
        train, test, val: the splits; without `val`, a tenth of `train` is the validation split.
        name: the name in sweeps.
        classes: names of the K classes, in the order of their labels; default: those of the split, else its labels as text.
        size: side in pixels of the square images; default: the shorter side of the first image. Square images of one size stay as
            they are.
        square: how other images become square: "stretch", "crop" or "pad".

    Returns:
        A dataset plugin. It is identified by the digest of its images, labels and groups.

    Raises:
        DataError: a split is none of these, or its images, labels or groups are wrong; the message names the split and the image.
    """
    given = {"train": train, "test": test} | ({} if val is None else {"val": val})
    read = {split: _read(data, f"{name}: {split}") for split, data in given.items()}
    names = tuple(classes or _classes_of(train) or _names(read))
    splits = _samples(read, names, size, square)
    content = digest([[split, *_digests(samples)] for split, samples in sorted(splits.items())])
    made = PythonDataset(PythonDataset.Options(content), splits=splits)
    title = title or "images of a Python program"
    facts = {"short_name": short_name or name.upper(), "title": title, "license": license, "citation": citation}
    return made.with_facts(name=name, classes=names, **facts)


@dataclass(frozen=True)
class _Split:
    """The images of a split as arrays of their own shapes, and its labels and groups as given."""

    who: str
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    labels: list[Any]
    groups: list[Any] | None


def _read(data: Any, who: str) -> _Split:
    if isinstance(data, (tuple, list)) and len(data) in (2, 3) and hasattr(data[0], "shape"):
        images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8] = _stacked(data[0], who)
        labels, groups = _listed(data[1]), _listed(data[2]) if len(data) == 3 else None
        for what, values in (("labels", labels), ("groups", groups)):
            if values is not None and len(values) != len(images):
                raise DataError(f"{who}: {len(images)} images and {len(values)} {what}; give one for each image")
        return _Split(who, images, labels, groups)
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise DataError(
            f"{who}: {type(data).__name__} is no split; give (images, labels), or a dataset whose items are (image, label) or "
            'dicts with "image" and "label"'
        )
    rows = [_item(data[i], f"{who}: item {i}") for i in range(len(data))]
    if not rows:
        raise DataError(f"{who}: has no images")
    images = [_image(image, f"{who}: item {i}") for i, (image, _) in enumerate(rows)]
    return _Split(who, images, [label for _, label in rows], None)


def _item(item: Any, who: str) -> tuple[Any, Any]:
    """Return image and label of an item of a dataset."""
    if isinstance(item, Mapping):
        found = [next((key for key in keys if key in item), None) for keys in (_IMAGE, _LABEL)]
        if None in found:
            raise DataError(f"{who}: has the keys {', '.join(map(str, item))}; it must have {_IMAGE[0]} and {_LABEL[0]}")
        return item[found[0]], item[found[1]]
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        return item[0], item[1]
    raise DataError(f'{who}: is a {type(item).__name__}; it must be (image, label), or a dict with "image" and "label"')


def _array(values: Any) -> NDArray[Any]:
    import numpy as np

    return np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)


def _listed(values: Any) -> list[Any]:
    return list(_array(values).tolist()) if hasattr(values, "shape") else list(values)


def _bytes(values: NDArray[Any], who: str) -> NDArray[np.uint8]:
    """Return pixel values as uint8."""
    import numpy as np

    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1:
        return np.round(values * 255).astype(np.uint8)
    between = f" from {values.min():g} to {values.max():g}" if values.size and values.dtype.kind in "fiu" else ""
    raise DataError(f"{who}: pixels are {values.dtype}{between}; they must be uint8 from 0 to 255, or floats from 0 to 1")


def _stacked(values: Any, who: str) -> NDArray[np.uint8]:
    """Return images (N, C, H, W)."""
    images = _bytes(_array(values), who)
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return images
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images.transpose(0, 3, 1, 2)
    raise DataError(
        f"{who}: images have the shape {images.shape}; it must be (N, H, W), (N, C, H, W) or (N, H, W, C), C is 1 or 3"
    )


def _image(image: Any, who: str) -> NDArray[np.uint8]:
    """Return an image (C, H, W); a pillow image as image viewers show it."""
    if hasattr(image, "convert"):
        from dabench.data.decoding import plain_picture

        image = _array(plain_picture(image))
    array = _bytes(_array(image), who)
    shaped: NDArray[np.uint8] = _stacked(array[None], who)[0]
    return shaped


def _classes_of(data: Any) -> Sequence[str]:
    """Return the class names that a dataset of torchvision, or of the library `datasets`, knows."""
    features = getattr(data, "features", None)
    if isinstance(features, Mapping):
        return next((features[key].names for key in _LABEL if hasattr(features.get(key), "names")), ())
    return [str(name) for name in getattr(data, "classes", ())]


def _names(read: Mapping[str, _Split]) -> list[str]:
    """Return the labels of all splits as names: 0 to the largest number, or the texts in their order."""
    labels = {label for split in read.values() for label in split.labels}
    if all(isinstance(label, str) for label in labels):
        return sorted(labels)
    return [str(i) for i in range(1 + max((int(label) for label in labels if not isinstance(label, str)), default=0))]


def _samples(read: Mapping[str, _Split], classes: Sequence[str], size: int | None, square: Square) -> dict[str, Samples]:
    first = next(iter(read.values())).images[0]
    shapes = {image.shape for split in read.values() for image in split.images}
    side = size or min(first.shape[1:])
    same = shapes == {(first.shape[0], side, side)}
    planes = max(shape[0] for shape in shapes)
    numbers = _numbered(read)
    return {
        split: Samples(_alike(of.images, None if same else side, planes, square), _labels(of, classes), numbers.get(split))
        for split, of in read.items()
    }


def _alike(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], side: int | None, planes: int, square: Square
) -> NDArray[np.uint8]:
    """Return images of one shape; with `side` None they have it already."""
    import numpy as np
    from PIL import Image

    from dabench.data.images import resized_picture

    if side is None:
        return np.ascontiguousarray(images)
    pictures = (
        Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))) for image in images
    )
    return np.stack([resized_picture(picture, planes, side, square) for picture in pictures])


def _labels(of: _Split, classes: Sequence[str]) -> NDArray[np.int64] | None:
    import numpy as np

    if all(label is None for label in of.labels):
        return None
    known = {name: i for i, name in enumerate(classes)}
    found = []
    for i, label in enumerate(of.labels):
        number = known.get(label) if isinstance(label, str) else None if label is None else int(label)
        if number is None or not 0 <= number < len(classes) or (not isinstance(label, str) and number != label):
            raise DataError(
                f"{of.who}: label {label!r} of image {i}; it must be 0 to {len(classes) - 1}, or one of {', '.join(classes)}"
            )
        found.append(number)
    return np.array(found, np.int64)


def _numbered(read: Mapping[str, _Split]) -> dict[str, NDArray[np.int64]]:
    """Return split -> its groups as numbers that are the same in all splits; without those that have no groups."""
    import numpy as np

    given = {split: of.groups for split, of in read.items() if of.groups is not None}
    known = {group: i for i, group in enumerate(dict.fromkeys(g for groups in given.values() for g in groups))}
    return {split: np.array([known[group] for group in groups], np.int64) for split, groups in given.items()}


def _digests(samples: Samples) -> list[Any]:
    """Return what identifies the samples."""
    import hashlib

    import numpy as np

    arrays = (samples.images, samples.labels, samples.groups)
    return [None if a is None else [list(a.shape), hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()] for a in arrays]
