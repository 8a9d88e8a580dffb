"""A sweep's results in one zip: what another person needs to check its tables, and no more.

    pack.json              what this is, and the SHA-256 of every other file
    sweep.json, sweep.toml the sweep, as in the output folder; of paths on the machine that ran it, the last name alone
    datasets/NAME/         facts (licence, digest, counts, citation); test labels, groups and, unless left out, attributes
    runs/NAME-DIGEST/      run.json (losses, times, environment), logits-DATASET.npy of every checkpoint, to the bit; or
                           predicted-DATASET.npy, the classes predicted, where the pack is to be small, or to hold counts alone
    failed/NAME.txt        why a run failed, in one line

No image and no network is in it. The same results give the same bytes. A pack is read where it lies: nothing is unpacked onto
the disk, and nothing in it is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dabench.analysis.predictions import Predictions
from dabench.errors import DataError, StoreError
from dabench.storage.atomic import new_file
from dabench.storage.mirror import OutputMirror
from dabench.storage.reader import NETWORK, ResultsReader, StoredRun, file_name_of, predicted_name
from dabench.storage.remote_fs import is_remote
from dabench.storage.run_store import RunStore
from dabench.storage.schema import sealed, to_json
from dabench.storage.zip_files import opened_zip

FORMAT = 1

_LIST = "pack.json"

_LARGEST = 2**32
"""Bytes of the largest file that is read."""

_BEGINNING = (1980, 1, 1, 0, 0, 0)

Orders = Mapping[str, NDArray[np.int64]]
"""Dataset -> (N,) the order of its test images in a pack, where they are sorted."""


class Pack(ResultsReader):
    """A pack, opened; every file of it is checked against its list at once.

    Raises:
        StoreError: it is no pack, is damaged, or holds what its list does not name.
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
            name = min(strange, default="a file that stands twice")
            raise self._damaged(f"its list and its files differ: {name}")
        for name, expected in self._digests.items():
            if self._sum(name) != expected:
                raise self._damaged(f"{name} has changed")

    def _listed(self) -> dict[str, str]:
        try:
            value = json.loads(self.text(_LIST))
            found, files = value["format"], value["files"]
        except FileNotFoundError:
            raise StoreError(f"{self.place}: is no pack of dabench export (it has no {_LIST})") from None
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise self._damaged(f"{_LIST} cannot be read: {e}") from e
        if found != FORMAT or not isinstance(files, dict):
            raise StoreError(f"{self.place}: is a pack of format {found!r}, this dabench reads {FORMAT}; use another version")
        return files

    def _sum(self, name: str) -> str:
        try:
            with self.open(name) as f:
                return hashlib.file_digest(f, "sha256").hexdigest()  # type: ignore[arg-type]
        except Exception as e:  # a zip and its compressions each have errors of their own
            raise self._damaged(f"{name} cannot be read: {e}") from e

    def _damaged(self, why: str) -> StoreError:
        return StoreError(f"{self.place}: the pack is damaged ({why}); get it again")

    def names(self, folder: str) -> list[str]:
        """Return the names of what lies in a folder, in any order; none where there is no such folder."""
        start = f"{folder}/"
        return list(dict.fromkeys(n[len(start) :].partition("/")[0] for n in self._digests if n.startswith(start)))

    def open(self, name: str) -> BinaryIO:
        """Open a file; raise OSError where it is not there."""
        info = self._infos.get(name)
        if info is None:
            raise FileNotFoundError(f"{name} is not in it")
        if info.file_size > _LARGEST or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise OSError(f"{name} is too large, or compressed by another method than deflate")
        return self._archive.open(info)  # type: ignore[return-value]

    def array(self, name: str) -> NDArray[Any]:
        """Return the array in a file; raise OSError where it is not there, StoreError where it is no array."""
        with self.open(name) as f:
            content = io.BytesIO(f.read(self._infos[name].file_size))
        try:
            found: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
        except (ValueError, MemoryError) as e:  # its list may be as wrong as the file: whoever makes a pack writes both
            raise self._damaged(f"{name} is no array: {e}") from e
        found.flags.writeable = False
        return found

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file; raise OSError where it is not there."""
        if name not in self._digests:
            raise FileNotFoundError(f"{name} is not in it")
        return self._digests[name]


def open_results(runs: str | Path) -> ResultsReader:
    """Return a sweep's output folder, here or elsewhere, or a pack, for reading.

    Raises:
        StoreError: a pack is none or damaged, or an address cannot be reached.
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
        attributes: put the attributes of test images (age, sex, ...) in, by which there are results by group.
        classes_only: of predictions put the classes in alone, a small part of the size: all tables but those of confidences.
        counts: so, without attributes, and with the test images of each dataset sorted by their class and what was predicted of
            them: how many there are of each sort, and no label of any image, for datasets whose labels may not be given away.
            Groups (subjects) stay together and are sorted and numbered anew, by what is in them; where they are few, intervals
            are then of other resamples, and differ by what 10,000 of them leave open.

    Raises:
        StoreError: there is such a file already, or it cannot be written; nothing is left half-made.
    """
    if path.exists():
        raise StoreError(f"{path}: is there already; give another file with --to")
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
    info = zipfile.ZipInfo(name, _BEGINNING)  # no time and no owner: the same results, the same bytes
    # Logits are 6 % smaller when deflated, and are read many times.
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
    """Yield name and content of every file of the pack but its list."""
    yield "sweep.json", io.BytesIO(_json(sealed(_without_folders(to_json(runs.record)))))
    with contextlib.suppress(FileNotFoundError):  # somebody removed it: no number depends on it
        yield "sweep.toml", stored.open("sweep.toml")
    for dataset, test in runs.tests.items():
        folder = f"datasets/{file_name_of(dataset)}"
        files = {f: d for f, d in test.facts.files.items() if attributes or not f.startswith("attribute-")}
        facts = replace(test.facts, files=files)
        if dataset in orders:
            order = orders[dataset]
            arrays = {"labels.npy": _npy(test.labels[order])}
            if test.groups is not None:
                starts = np.diff(test.groups[order]) != 0  # groups lie in one piece each, and are numbered in their order
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
        kept = ["run.json", *(f for f in record.facts.files if f != NETWORK)]
        yield from ((f"{record.where}/{f}", stored.open(f"{record.where}/{f}")) for f in kept)
    for name, reason in stored.failures().items():
        yield f"failed/{name}.txt", io.BytesIO("".join(reason.splitlines()[:1]).encode() + b"\n")


def _orders(runs: Predictions) -> dict[str, NDArray[np.int64]]:
    """Return the order of each dataset's test images in a pack that tells which image none of them is."""
    orders = {}
    for dataset, test in runs.tests.items():
        tested = [record for record in runs.records.values() if dataset in record.facts.tests]
        predicted = [row for record in tested for row in record.logits(dataset).argmax(2)]
        orders[dataset] = _order(np.stack([test.labels, *predicted]), test.groups)
    return orders


def _order(rows: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the order of N images by the first of `rows` (R, N), then by the second, and so on.

    Groups stay in one piece each. They come in the order of the rows of their sorted images.
    """
    order = np.lexsort(rows[::-1])
    if groups is None:
        return order
    order = order[np.argsort(groups[order], kind="stable")]
    pieces = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return np.concatenate(sorted(pieces, key=lambda piece: rows[:, piece].T.tolist()))


def _answers(record: StoredRun, orders: Orders) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and content of the files of a run that keeps of its predictions the classes alone."""
    files, outputs = {}, 0
    for dataset in record.facts.tests:
        logits = record.logits(dataset)
        outputs = logits.shape[2]
        predicted = logits.argmax(2).astype(np.min_scalar_type(outputs))
        files[predicted_name(dataset)] = _npy(predicted[:, orders[dataset]] if dataset in orders else predicted)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    yield f"{record.where}/run.json", io.BytesIO(_json(sealed(replace(record.facts, files=digests, outputs=outputs))))
    yield from ((f"{record.where}/{name}", io.BytesIO(content)) for name, content in files.items())


def _npy(array: NDArray[Any]) -> bytes:
    found = io.BytesIO()
    np.save(found, array, allow_pickle=False)
    return found.getvalue()


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _without_folders(value: Any) -> Any:
    """Return a plain value with the last name alone of every absolute path: who ran it, and where, is nobody's business."""
    if isinstance(value, Mapping):
        return {k: _without_folders(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(v) for v in value]
    return re.sub(r"""(^|=["']?)/(?:[^/]+/)+""", r"\1", value) if isinstance(value, str) else value
