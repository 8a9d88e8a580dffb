"""The cache of prepared datasets: each dataset is decoded once into memory-mapped uint8 arrays, with counts and a digest.

Each prepared dataset has one folder, which is written under a temporary name and then renamed. `prepared.json` is written last
and holds the SHA-256 of every array, so a damaged or incomplete folder is detected and made again. Labels are in separate
files, so a worker that must not see them does not open them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dabench.data.csv_files import FILE
from dabench.data.file_rows import open_images
from dabench.data.lazy import chunks
from dabench.data.packed import write_header, write_packed
from dabench.data.skipped import LIST, list_text
from dabench.errors import DataError, StoreError
from dabench.hashing import digest, file_digest
from dabench.plugins.contract import Images, Samples
from dabench.storage.atomic import new_folder, write_text
from dabench.storage.paths import cache_address, cache_folder
from dabench.storage.remote_fs import RemoteFolder, keyless
from dabench.storage.schema import check_files

FORMAT = 2
"""Version of a prepared folder. From 2 on, images are in hash order (dabench.data.splits.hash_order)."""

RECORD = "prepared.json"

Notify = Callable[[str], None]


@dataclass(frozen=True)
class DatasetContent:
    """The content of a dataset to store in the cache; `dropped`, `notes` and `store` are those of `Prepared`.

    Attributes:
        skipped: path -> why the file was skipped.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Samples]
    dropped: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    store: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A prepared dataset on disk. `digest` identifies its content: images, labels, groups, classes, splits and their order.

    The names of raw files (the attribute FILE) are no part of the content.

    Attributes:
        dropped: what a cleaned variant leaves out: "list" (SHA-256 of the drop list), "images" and "of" (split -> number of
            dropped images, and of all images), "reasons" (reason -> number of images). Empty if nothing was dropped.
        notes: the notes of `Splits` from when it was prepared.
        skipped: files that could not be used: "list" (SHA-256 of their list `skipped_list`), "files" (their number), "reasons"
            (reason -> number of files). Empty if no file was skipped.
        store: how images are compressed: "codec" ("jpeg") and "quality". Empty if they are not. `digest` is then that of the
            decoded images.
    """

    folder: Path
    name: str
    classes: tuple[str, ...]
    digest: str
    splits: Mapping[str, Mapping[str, Any]]
    dropped: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, Any] = field(default_factory=dict)
    store: Mapping[str, Any] = field(default_factory=dict)

    def path(self, split: str, part: str) -> Path:
        """Return the file of one part of a split: "images", "labels", "groups" or "attribute-NAME"."""
        return self.folder / f"{split}-{part}.npy"

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files in the folder."""
        arrays = (f"{split}-{part}.npy" for split, facts in self.splits.items() for part in facts["files"])
        return (*arrays, *([LIST] if self.skipped else []), RECORD)

    @property
    def skipped_list(self) -> Path:
        """The CSV of skipped files (path, reason), if there are any."""
        return self.folder / LIST

    def count(self, split: str) -> int:
        """Return the number of images in a split."""
        return int(self.splits[split]["shape"][0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (channels, height, width) of an image."""
        _, c, h, w = self.splits["train"]["shape"]
        return int(c), int(h), int(w)

    @property
    def labelled(self) -> bool:
        """Whether the dataset has labels. One without labels has them in no split, and only the classes of its sweep."""
        return "labels" in self.splits["train"]["files"]

    def labels(self, split: str) -> NDArray[np.int64]:
        """Read the labels of a split, (N,) int64; raise DataError if the dataset has none."""
        if not self.labelled:
            raise DataError(f"dataset '{self.name}' has no labels")
        return np.asarray(np.load(self.path(split, "labels"), allow_pickle=False), dtype=np.int64)

    def has_groups(self, split: str) -> bool:
        """Whether the groups of a split are known."""
        return "groups" in self.splits[split]["files"]

    def groups(self, split: str) -> NDArray[np.int64] | None:
        """Read the groups of a split, (N,) int64, or return None if they are not known."""
        if not self.has_groups(split):
            return None
        return np.asarray(np.load(self.path(split, "groups"), allow_pickle=False), dtype=np.int64)

    def samples(self, split: str) -> Samples:
        """Open a split: its images are memory-mapped, or read on access if they are large; everything else is read."""
        images = open_images(self.path(split, "images"))
        parts = self.splits[split]["files"]
        attributes = {
            part.removeprefix("attribute-"): np.load(self.path(split, part), allow_pickle=False)
            for part in parts
            if part.startswith("attribute-")
        }
        return Samples(images, self.labels(split) if self.labelled else None, self.groups(split), attributes)


def write(folder: Path, name: str, made: DatasetContent) -> None:
    """Write a dataset into an empty folder that no other process reads yet."""
    record: dict[str, Any] = {"format": FORMAT, "name": name, "classes": list(made.classes), "splits": {}}
    for split, samples in made.splits.items():
        parts: dict[str, Any] = {"images": samples.images, "labels": samples.labels, "groups": samples.groups}
        parts |= {f"attribute-{a}": v for a, v in samples.attributes.items()}
        files, decoded = {}, {}
        for part, values in parts.items():
            if values is None:
                continue
            path = folder / f"{split}-{part}.npy"
            with open(path, "wb") as f:
                if part == "images" and made.store:
                    decoded[part] = write_packed(f, values, made.store["quality"])
                elif part == "images":
                    _write_images(f, values)
                else:
                    np.lib.format.write_array(f, np.ascontiguousarray(values), allow_pickle=False)
                f.flush()
                os.fsync(f.fileno())
            files[part] = file_digest(path)
        counts = None if samples.labels is None else np.bincount(samples.labels, minlength=len(made.classes))
        record["splits"][split] = {
            "shape": list(samples.images.shape),
            "classes": {} if counts is None else dict(zip(made.classes, counts.tolist(), strict=True)),
            "files": files,
            **({"decoded": decoded} if decoded else {}),
        }
    content = {s: v["files"] | v.get("decoded", {}) for s, v in record["splits"].items()}
    for files in content.values():
        files.pop(f"attribute-{FILE}", None)  # the same images under other names are the same dataset
    record["digest"] = digest([record["classes"], content])
    record |= {"dropped": dict(made.dropped), "notes": list(made.notes)}
    record |= {"store": dict(made.store)} if made.store else {}
    if made.skipped:
        write_text(folder / LIST, list_text(made.skipped))
        facts = {"list": file_digest(folder / LIST), "files": len(made.skipped), "reasons": Counter(made.skipped.values())}
        record["skipped"] = facts
    record["check"] = digest(record)
    write_text(folder / RECORD, json.dumps(record, indent=1))


def _write_images(file: BinaryIO, images: Images) -> None:
    """Write (N, C, H, W) uint8 images in numpy's .npy format, with some megabytes in memory at a time."""
    write_header(file, images.shape)
    for chunk in chunks(images):
        file.write(chunk.data)


def problem_of(folder: Path) -> str:
    """Return what is wrong with a prepared folder, or an empty string. Every byte is read once."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            return "it was made by another version of dabench"
        for split, facts in record["splits"].items():
            check_files(f"{split}-{part}.npy" for part in facts["files"])
            for part, expected in facts["files"].items():
                path = folder / f"{split}-{part}.npy"
                if path.is_symlink() or file_digest(path) != expected:
                    return f"{path.name} has changed"
                if part == "images":
                    open_images(path)  # raises for images that this machine decodes otherwise
                else:
                    np.load(path, mmap_mode="r", allow_pickle=False)  # raises for other files and for Python objects
        if (skipped := record.get("skipped")) and file_digest(folder / LIST) != skipped["list"]:
            return f"{LIST} has changed"
        check = record.pop("check")
        return "" if digest(record) == check else f"{RECORD} has changed"
    except FileNotFoundError as e:
        return f"{Path(e.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as e:
        return f"it cannot be read: {e}"


def open_prepared(folder: Path) -> Prepared:
    """Return the dataset in a complete folder; its arrays are not verified."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    dropped, notes = record.get("dropped", {}), tuple(record.get("notes", ()))  # older caches do not have them
    classes, skipped = tuple(record["classes"]), record.get("skipped", {})
    store = record.get("store", {})
    return Prepared(folder, record["name"], classes, record["digest"], record["splits"], dropped, notes, skipped, store)


def cached(folder: Path, name: str, make: Callable[[], DatasetContent], *, rebuild: bool, notify: Notify) -> Prepared:
    """Return the dataset in `folder`. Call `make` first if the folder is missing or damaged, or if `rebuild` is true.

    Raises:
        StoreError: the folder cannot be written, or the remote cache is needed and cannot be read.
    """
    address = cache_address() if folder.parent == cache_folder() else None
    elsewhere = _RemoteCache(address, folder, name, notify) if address else None
    if folder.exists() and not rebuild:
        problem = problem_of(folder)
        if not problem:
            if elsewhere:
                elsewhere.keep()
            return open_prepared(folder)
        notify(f"prepared cache of {name} is damaged ({problem}): {'fetching it again' if elsewhere else 'making it again'}")
    if elsewhere and not rebuild and elsewhere.fetch():
        return open_prepared(folder)
    made = make()
    with _new(folder) as hidden:
        write(hidden, name, made)
        if rebuild and folder.exists():
            shutil.rmtree(folder)
    if elsewhere:
        elsewhere.keep(anew=rebuild)
    return open_prepared(folder)


class _RemoteCache:
    """The remote copy of one prepared dataset. A mark in the local folder says that the remote copy exists."""

    def __init__(self, address: str, folder: Path, name: str, notify: Notify) -> None:
        self.address, self.folder, self.name, self.notify = address, folder, name, notify
        self.mark = f".sent-{digest(keyless(address))[:10]}"
        self.damaged = False

    def fetch(self) -> bool:
        """Fetch the dataset if its remote copy is complete; return whether it was.

        Raises:
            StoreError: the remote folder cannot be read.
        """
        remote = RemoteFolder(self.address, f"{self.name} cannot be fetched; try again, or set DABENCH_CACHE to a local folder")
        with remote.reaching():
            names = [n for n in remote.sizes(self.folder.name) if n.count("/") == 1]
        if f"{self.folder.name}/{RECORD}" not in names:
            return False
        self.notify(f"fetching {self.name} from {remote.address} ...")
        try:
            with _new(self.folder) as hidden, remote.reaching():
                _bring(remote, names, hidden)
                (hidden / self.mark).touch()
        except _Damaged as e:
            self.notify(f"prepared cache of {self.name} in {remote.address} is damaged ({e}): making it again")
            self.damaged = True
        return not self.damaged

    def keep(self, *, anew: bool = False) -> None:
        """Send the dataset if there is no remote copy, or always if `anew`; report an error without raising it."""
        if (self.folder / self.mark).exists():
            return
        try:
            remote = RemoteFolder(self.address, f"{self.name} is kept in {self.folder} and will be sent at the next start")
            with remote.reaching():
                files = [f"{self.folder.name}/{file}" for file in open_prepared(self.folder).files]
                if anew or self.damaged or not remote.stands(files[-1]):
                    self.notify(f"sending {self.name} to {remote.address} ...")
                    remote.send(self.folder.parent, files, (RECORD,))
                (self.folder / self.mark).touch()
        except StoreError as e:
            self.notify(str(e))


class _Damaged(Exception):
    """A remote copy is not complete; the text says why."""


def _bring(remote: RemoteFolder, names: Sequence[str], to: Path) -> None:
    """Fetch the files of a dataset into an empty folder; raise _Damaged if they are not complete."""
    try:
        for name in names:
            remote.bring(name, to / PurePosixPath(name).name)
    except FileNotFoundError as e:
        raise _Damaged("another process is sending it now") from e
    if problem := problem_of(to):
        raise _Damaged(problem)


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that is renamed to `folder` unless that is complete; raise StoreError if it cannot be written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder, lambda: not problem_of(folder)) as hidden:
            yield hidden
    except OSError as e:
        variable = "DABENCH_MIRROR" if cache_address() else "DABENCH_CACHE"
        raise StoreError(
            f"prepared cache {folder.parent}: cannot be written ({e.strerror or e}); free space, or set {variable} to another "
            "folder; no partial files were left"
        ) from e
