"""The prepared cache: each dataset decoded once into memory-mapped uint8 arrays, with counts and a content digest.

One folder per prepared dataset, written whole under another name and then renamed. `prepared.json` is written last and holds
the SHA-256 of every array, so that a damaged or half-written folder is noticed and made again. Labels lie in files of
their own: a worker that may not see them does not open them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dabench.data.lazy import LazyImages, chunks
from dabench.data.splits import checked, with_validation
from dabench.digests import code_digest, digest, file_digest
from dabench.errors import DataError, StoreError
from dabench.protocols import Dataset, Images, Samples

FORMAT = 1
Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A dataset on disk. `digest` identifies its content: images, labels, groups, classes, splits and their order."""

    folder: Path
    name: str
    classes: tuple[str, ...]
    digest: str
    splits: Mapping[str, Mapping[str, Any]]

    def path(self, split: str, part: str) -> Path:
        """Return the file of a split's "images", "labels", "groups" or "attribute-NAME"."""
        return self.folder / f"{split}-{part}.npy"

    def count(self, split: str) -> int:
        """Return the number of images in a split."""
        return int(self.splits[split]["shape"][0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (channels, height, width) of an image."""
        _, c, h, w = self.splits["train"]["shape"]
        return int(c), int(h), int(w)

    def labels(self, split: str) -> NDArray[np.int64]:
        """Read the labels of a split, (N,) int64."""
        return np.asarray(np.load(self.path(split, "labels"), allow_pickle=False), dtype=np.int64)

    def has_groups(self, split: str) -> bool:
        """Whether the images of a split know their group."""
        return "groups" in self.splits[split]["files"]

    def groups(self, split: str) -> NDArray[np.int64] | None:
        """Read the groups of a split, (N,) int64, or None."""
        if not self.has_groups(split):
            return None
        return np.asarray(np.load(self.path(split, "groups"), allow_pickle=False), dtype=np.int64)

    def samples(self, split: str) -> Samples:
        """Open a split: images memory-mapped, the rest read."""
        images = np.load(self.path(split, "images"), mmap_mode="r", allow_pickle=False)
        parts = self.splits[split]["files"]
        attributes = {
            part.removeprefix("attribute-"): np.load(self.path(split, part), allow_pickle=False)
            for part in parts
            if part.startswith("attribute-")
        }
        return Samples(images, self.labels(split), self.groups(split), attributes)


def prepare(dataset: Dataset, raw: Path, cache: Path, *, rebuild: bool = False, say: Say = print) -> Prepared:
    """Return the dataset from the cache, making it first where it is missing, out of date or damaged.

    Args:
        dataset: the plugin, with its options.
        raw: the folder with its raw files; not looked at if it needs none.
        cache: the folder of all prepared sets.
        rebuild: make it again even if it is there.
        say: is told what happens, one line a call.

    Raises:
        DataError: the raw files are missing or wrong, or the samples break the contract.
        StoreError: the cache cannot be written.
    """
    key = digest([FORMAT, dataset.name, code_digest(dataset), repr(dataset.options), _fingerprint(dataset.raw_files(raw), raw)])
    folder = cache / f"{dataset.name.replace('/', '-')}-{key[:16]}"

    def make() -> tuple[tuple[str, ...], dict[str, Samples]]:
        say(f"preparing {dataset.name} ...")
        splits = dataset.prepare(raw)  # first: a set declared by its folder finds its classes here
        return dataset.classes, with_validation(checked(dataset, splits))

    return _cached(folder, dataset.name, make, rebuild=rebuild, say=say)


def reshaped(
    prepared: Prepared,
    channels: int,
    size: int,
    classes: tuple[str, ...],
    renames: Mapping[str, str] = {},
    *,
    say: Say = print,
) -> Prepared:
    """Return the set with square images of `size` pixels, `channels` 1 or 3, and only `classes`, in that order.

    The result lies in the cache beside the original and is made once; where nothing changes it is the original.

    Args:
        renames: class of the original -> its name among `classes`; several may become one.
    """
    if prepared.shape == (channels, size, size) and prepared.classes == classes and not renames:
        return prepared
    key = digest([FORMAT, prepared.digest, channels, size, classes, dict(renames)])
    folder = prepared.folder.parent / f"{prepared.name.replace('/', '-')}-{channels}x{size}x{size}-{key[:16]}"

    def make() -> tuple[tuple[str, ...], dict[str, Samples]]:
        # Imported here: pillow serves only the sets whose images change.
        from dabench.data.resize import resized

        say(f"resizing {prepared.name} to {channels}x{size}x{size} ...")
        splits = {}
        for split in prepared.splits:
            kept, labels = _selected(prepared, split, classes, renames)
            old = prepared.samples(split)
            splits[split] = Samples(
                LazyImages(
                    (len(kept), channels, size, size),
                    lambda at, images=old.images, kept=kept: resized(images, kept[at], channels, size),  # type: ignore[misc]
                ),
                labels,
                None if old.groups is None else old.groups[kept],
                {name: values[kept] for name, values in old.attributes.items()},
            )
        return classes, splits

    return _cached(folder, prepared.name, make, rebuild=False, say=say)


def _selected(
    prepared: Prepared, split: str, classes: tuple[str, ...], renames: Mapping[str, str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the images whose class is kept, and their labels in the new numbering."""
    numbers = {name: number for number, name in enumerate(classes)}
    new = np.array([numbers.get(renames.get(name, name), -1) for name in prepared.classes], dtype=np.int64)
    labels = new[prepared.labels(split)]
    kept = np.flatnonzero(labels >= 0)
    return kept, labels[kept]


def _cached(
    folder: Path,
    name: str,
    make: Callable[[], tuple[tuple[str, ...], dict[str, Samples]]],
    *,
    rebuild: bool,
    say: Say,
) -> Prepared:
    if folder.exists() and not rebuild:
        problem = _problem(folder)
        if not problem:
            return _open(folder)
        say(f"prepared cache of {name} is damaged ({problem}): made again")
    classes, splits = make()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as e:
        raise StoreError(
            f"prepared cache {folder.parent}: cannot be written ({e.strerror}); set DABENCH_CACHE to a folder that can"
        ) from e
    try:
        _write(scratch, name, classes, splits)
        if folder.exists() and (rebuild or _problem(folder)):
            shutil.rmtree(folder)
        try:
            os.rename(scratch, folder)
        except OSError:
            if _problem(folder):  # not the same work finished by another process meanwhile
                raise
    except OSError as e:
        raise StoreError(f"prepared cache {folder}: cannot be written ({e.strerror or e}); nothing was left half-made") from e
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _open(folder)


def _write(folder: Path, name: str, classes: tuple[str, ...], splits: Mapping[str, Samples]) -> None:
    record: dict[str, Any] = {"format": FORMAT, "name": name, "classes": list(classes), "splits": {}}
    for split, samples in splits.items():
        assert samples.labels is not None
        parts: dict[str, Any] = {"images": samples.images, "labels": samples.labels}
        if samples.groups is not None:
            parts["groups"] = samples.groups
        parts |= {f"attribute-{a}": v for a, v in samples.attributes.items()}
        files = {}
        for part, values in parts.items():
            path = folder / f"{split}-{part}.npy"
            with open(path, "wb") as f:
                if part == "images":
                    _write_images(f, values)
                else:
                    np.lib.format.write_array(f, np.ascontiguousarray(values), allow_pickle=False)
                f.flush()
                os.fsync(f.fileno())
            files[part] = file_digest(path)
        counts = np.bincount(samples.labels, minlength=len(classes))
        record["splits"][split] = {
            "shape": list(samples.images.shape),
            "classes": dict(zip(classes, counts.tolist(), strict=True)),
            "files": files,
        }
    record["digest"] = _content(record)
    record["check"] = digest(record)
    path = folder / "prepared.json"
    with open(path, "w", encoding="utf-8") as f:
        json.dump(record, f, indent=1)
        f.flush()
        os.fsync(f.fileno())


def _write_images(file: BinaryIO, images: Images) -> None:
    """Write (N, C, H, W) uint8 images as numpy's own format, some megabytes in memory at a time."""
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, images.shape))}
    np.lib.format.write_array_header_1_0(file, header)
    for chunk in chunks(images):
        file.write(chunk.data)


def _content(record: Mapping[str, Any]) -> str:
    return digest([record["classes"], {s: v["files"] for s, v in record["splits"].items()}])


def _problem(folder: Path) -> str:
    """Say what is wrong with a prepared folder, or return an empty string. Reads every byte once."""
    try:
        record = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            return "made by another version"
        for split, facts in record["splits"].items():
            for part, expected in facts["files"].items():
                if file_digest(folder / f"{split}-{part}.npy") != expected:
                    return f"{split}-{part}.npy has changed"
        check = record.pop("check")
        return "" if digest(record) == check else "prepared.json has changed"
    except FileNotFoundError as e:
        return f"{Path(e.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "prepared.json cannot be read"


def _open(folder: Path) -> Prepared:
    record = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
    return Prepared(folder, record["name"], tuple(record["classes"]), record["digest"], record["splits"])


def _fingerprint(files: Iterable[Path], root: Path) -> str:
    try:
        rows = [[os.path.relpath(f, root), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    except OSError as e:
        raise DataError(f"{e.filename}: cannot be read ({e.strerror})") from e
    return digest(rows)
