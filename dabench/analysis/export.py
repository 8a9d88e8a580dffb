"""Write and read packs: a zip with the results of a sweep that another person needs to check its tables.

    pack.json              format, and the SHA-256 of every other file
    sweep.json, sweep.toml the sweep, as in the output folder; absolute paths are reduced to their last name
    datasets/NAME/         record (licence, digest, counts, citation); test labels, groups and, unless omitted, attributes
    runs/NAME-DIGEST/      run.json (losses, times, environment), logits-DATASET.npy of every checkpoint, bit for bit; or
                           predicted-DATASET.npy, the predicted classes, in a small pack or one with counts only
    failed/NAME.txt        the reason of a failed run, in one line

It has no images and no networks. Equal results give equal bytes. A pack is read without unpacking it to disk or executing
anything in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.predictions import Predictions
from dabench.data.csv_files import FILE
from dabench.errors import DataError, StoreError
from dabench.storage.atomic import new_file
from dabench.storage.mirror import OutputMirror
from dabench.storage.reader import NETWORK, ResultsReader, StoredRun, file_name_of, picture_name, predicted_name
from dabench.storage.remote_fs import is_remote
from dabench.storage.run_store import RunStore
from dabench.storage.schema import sealed, to_json
from dabench.storage.zip_files import opened_zip

FORMAT = 1

_LIST = "pack.json"

_LARGEST = 2**32
"""Bytes of the largest file that may be read."""

_BEGINNING = (1980, 1, 1, 0, 0, 0)

Orders = Mapping[tuple[str, int], NDArray[np.int64]]
"""(dataset, fold) -> (N,) order of its test images in a pack, if they are sorted; without folds, the fold is 0."""


class Pack(ResultsReader):
    """An open pack; all its files are verified when it is opened.

    Raises:
        StoreError: the file is not a pack, is damaged, or has files that pack.json does not list.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._archive = opened_zip(path, "pack")
        except DataError as e:
            raise StoreError(str(e)) from e
        infos = [i for i in self._archive.infolist() if not i.is_dir()]
        self._infos = {i.filename: i for i in infos}
        self._digests = self._listed()
        strange = self._infos.keys() ^ self._digests.keys() ^ {_LIST}
        if strange or len(infos) != len(self._infos):
            name = min(strange, default="a file that occurs twice")
            raise self._damaged(f"its files do not match pack.json: {name}")
        for name, expected in self._digests.items():
            if self._sum(name) != expected:
                raise self._damaged(f"{name} has changed")

    def _listed(self) -> dict[str, str]:
        try:
            value = json.loads(self.text(_LIST))
            found, files = value["format"], value["files"]
        except FileNotFoundError:
            raise StoreError(f"{self.place}: is not a pack of dabench export (it has no {_LIST})") from None
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise self._damaged(f"{_LIST} cannot be read: {e}") from e
        if found != FORMAT or not isinstance(files, dict):
            raise StoreError(
                f"{self.place}: is a pack of format {found!r}, but this dabench reads {FORMAT}; use another version of dabench"
            )
        return files

    def _sum(self, name: str) -> str:
        try:
            with self.open(name) as f:
                return hashlib.file_digest(f, "sha256").hexdigest()  # type: ignore[arg-type]
        except Exception as e:  # zipfile and the compression modules raise many kinds of errors
            raise self._damaged(f"{name} cannot be read: {e}") from e

    def _damaged(self, why: str) -> StoreError:
        return StoreError(f"{self.place}: the pack is damaged ({why}); obtain a new copy")

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, in any order; none if there is no such folder."""
        start = f"{folder}/"
        return list(dict.fromkeys(n[len(start) :].partition("/")[0] for n in self._digests if n.startswith(start)))

    def open(self, name: str) -> BinaryIO:
        """Open a file; raise OSError if it does not exist."""
        info = self._infos.get(name)
        if info is None:
            raise FileNotFoundError(f"{name} is not in the pack")
        if info.file_size > _LARGEST or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise OSError(f"{name} is too large, or is not compressed by deflate")
        return self._archive.open(info)  # type: ignore[return-value]

    def array(self, name: str) -> NDArray[Any]:
        """Return the array in a file; raise OSError if it does not exist, StoreError if it is not an array."""
        with self.open(name) as f:
            content = io.BytesIO(f.read(self._infos[name].file_size))
        try:
            found: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
        except (ValueError, MemoryError) as e:  # checksums do not help: whoever wrote the file also wrote pack.json
            raise self._damaged(f"{name} is not an array: {e}") from e
        found.flags.writeable = False
        return found

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file; raise OSError if it does not exist."""
        if name not in self._digests:
            raise FileNotFoundError(f"{name} is not in the pack")
        return self._digests[name]


def open_results(runs: str | Path) -> ResultsReader:
    """Open an output folder (local or remote) or a pack for reading.

    Raises:
        StoreError: a file is not a pack or is damaged, or an address cannot be reached.
    """
    if is_remote(runs):
        mirror = OutputMirror(str(runs))
        mirror.fetch(networks=False)
        mirror.close()
        return mirror.store
    path = Path(runs).expanduser()
    return Pack(path) if path.is_file() else RunStore(path)


def write_pack(
    stored: ResultsReader, path: Path, *, attributes: bool = True, classes_only: bool = False, counts: bool = False
) -> Path:
    """Write the results of a sweep as a pack and return its path.

    Args:
        attributes: include the attributes of test images (age, sex, ...), which results by subgroup need.
        classes_only: store predicted classes instead of logits: a much smaller file, with all tables except those of confidences.
        counts: like classes_only, without attributes, and with the test images of each dataset sorted by class and predictions.
            The pack then tells how often each combination occurs, but no label of a single image, for datasets whose labels may
            not be redistributed. Groups (subjects) stay together, sorted and renumbered by their content.

    Raises:
        StoreError: the file exists or cannot be written; no partial file is left.
    """
    if path.exists():
        raise StoreError(f"{path}: exists; use another file with --to")
    try:
        with new_file(path) as hidden, zipfile.ZipFile(hidden, "w", zipfile.ZIP_DEFLATED) as archive:
            runs = Predictions(stored, stored.read_sweep(), None)
            orders = _orders(runs) if counts else {}
            contents = _contents(stored, runs, attributes and not counts, classes_only or counts, orders)
            files = {name: _put(archive, name, content) for name, content in contents}
            what = "results of dabench sweep, packed by dabench export"
            head = {"format": FORMAT, "what": what, "sweep": runs.record.sweep.name, "digest": runs.digest, "files": files}
            _put(archive, _LIST, io.BytesIO(_json(head)))
    except OSError as e:
        raise StoreError(f"{path}: cannot be written ({e.strerror or e}); give another file with --to") from e
    return path


def _put(archive: zipfile.ZipFile, name: str, content: BinaryIO) -> str:
    info = zipfile.ZipInfo(name, _BEGINNING)  # without time and owner, so that equal results give equal bytes
    # Logits are stored: deflate saves only 6 %, and they are read often.
    logits = PurePosixPath(name).name.startswith("logits-")
    info.compress_type, info.external_attr = zipfile.ZIP_STORED if logits else zipfile.ZIP_DEFLATED, 0o644 << 16
    found = hashlib.sha256()
    with content, archive.open(info, "w", force_zip64=True) as out:
        while chunk := content.read(2**20):
            found.update(chunk)
            out.write(chunk)
    return found.hexdigest()


def _contents(
    stored: ResultsReader, runs: Predictions, attributes: bool, classes_only: bool, orders: Orders
) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and content of every file of the pack except pack.json."""
    yield "sweep.json", io.BytesIO(_json(sealed(_without_folders(to_json(runs.record)))))
    with contextlib.suppress(FileNotFoundError):  # it may have been removed; no result depends on it
        yield "sweep.toml", stored.open("sweep.toml")
    for dataset, test in runs.tests.items():
        folder = f"datasets/{file_name_of(dataset)}"
        left_out = "attribute-" if not attributes else f"attribute-{FILE}."  # names of files may say who is shown
        files = {f: d for f, d in test.facts.files.items() if not f.startswith(left_out)}
        facts = replace(test.facts, files=files)
        if orders:
            order = _pooled(orders, runs, dataset)
            arrays = {"labels.npy": _npy(test.labels[order])}
            if test.groups is not None:
                starts = np.diff(test.groups[order]) != 0  # the images of a group are adjacent; groups are numbered in order
                arrays["groups.npy"] = _npy(np.concatenate([[0], np.cumsum(starts)]))
            files = {f: hashlib.sha256(content).hexdigest() for f, content in arrays.items()}
            facts = replace(facts, files=files, sorted=True)
            yield from ((f"{folder}/{f}", io.BytesIO(content)) for f, content in arrays.items())
        else:
            yield from ((f"{folder}/{f}", stored.open(f"{folder}/{f}")) for f in files)
        yield f"{folder}/facts.json", io.BytesIO(_json(sealed(facts)))
    for record in runs.records.values():
        if classes_only:
            yield from _answers(record, orders)
            continue
        shown = {picture_name(n) for n in range(1, len(record.facts.pictures) + 1)}
        yield f"{record.where}/run.json", _without_pictures(stored, record, shown)
        kept = [f for f in record.facts.files if f != NETWORK and f not in shown]
        yield from ((f"{record.where}/{f}", stored.open(f"{record.where}/{f}")) for f in kept)
    for name, reason in stored.failures().items():
        yield f"failed/{name}.txt", io.BytesIO("".join(reason.splitlines()[:1]).encode() + b"\n")


def _orders(runs: Predictions) -> Orders:
    """Return the orders of the test images for a pack without labels of single images."""
    orders = {}
    for (dataset, test), fold in product(runs.tests.items(), runs.record.fold_numbers):
        place = test.facts.tested_in(fold)
        tested = [r for r in runs.records.values() if r.facts.fold == fold and dataset in r.facts.tests]
        predicted = [row for record in tested for row in record.logits(dataset).argmax(2)]
        groups = None if test.groups is None else test.groups[place]
        orders[dataset, fold] = _order(np.stack([test.labels[place], *predicted]), groups)
    return orders


def _pooled(orders: Orders, runs: Predictions, dataset: str) -> NDArray[np.int64]:
    """Return the order of all test images of a dataset: fold after fold."""
    starts = {fold: runs.facts[dataset].tested_in(fold).start for fold in runs.record.fold_numbers}
    return np.concatenate([start + orders[dataset, fold] for fold, start in starts.items()])


def _order(rows: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the order of N images by the first of `rows` (R, N), then by the second, and so on.

    The images of a group stay together. Groups are ordered by the rows of their sorted images.
    """
    order = np.lexsort(rows[::-1])
    if groups is None:
        return order
    order = order[np.argsort(groups[order], kind="stable")]
    pieces = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return np.concatenate(sorted(pieces, key=lambda piece: rows[:, piece].T.tolist()))


def _answers(record: StoredRun, orders: Orders) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and content of the files of a run, with predicted classes instead of logits."""
    files, outputs, fold = {}, 0, record.facts.fold
    for dataset in record.facts.tests:
        logits = record.logits(dataset)
        outputs = logits.shape[2]
        predicted = logits.argmax(2).astype(np.min_scalar_type(outputs))
        files[predicted_name(dataset)] = _npy(predicted[:, orders[dataset, fold]] if orders else predicted)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    facts = replace(record.facts, files=digests, outputs=outputs, pictures=())
    yield f"{record.where}/run.json", io.BytesIO(_json(sealed(facts)))
    yield from ((f"{record.where}/{name}", io.BytesIO(content)) for name, content in files.items())


def _without_pictures(stored: ResultsReader, record: StoredRun, shown: Collection[str]) -> BinaryIO:
    """Return the content of run.json, in which the images that the method showed are left out: as stored if there are none."""
    if not shown:
        return stored.open(f"{record.where}/run.json")
    files = {name: digest for name, digest in record.facts.files.items() if name not in shown}
    return io.BytesIO(_json(sealed(replace(record.facts, files=files, pictures=()))))


def _npy(array: NDArray[Any]) -> bytes:
    found = io.BytesIO()
    np.save(found, array, allow_pickle=False)
    return found.getvalue()


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _without_folders(value: Any) -> Any:
    """Return a plain value with absolute paths reduced to their last name, to not reveal user names and folders."""
    if isinstance(value, Mapping):
        return {k: _without_folders(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(v) for v in value]
    return re.sub(r"""(^|=["']?)/(?:[^/]+/)+""", r"\1", value) if isinstance(value, str) else value
