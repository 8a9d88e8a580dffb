"""The file of a human study: its images, raters, orders and answers, in SQLite.

An answer is on the disk before the page shows the next image (write-ahead log, `synchronous = FULL`). Each answer is kept once: a
second answer to the same image of the same rater changes nothing. The file has no label of a test image.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex, token_urlsafe
from threading import Lock
from typing import Any

from dabench.errors import SpecError, StoreError
from dabench.rating.images import StudyImages
from dabench.rating.study import Kind, StudySettings, trials_for
from dabench.storage.clock import utc

FILE = "study.sqlite"

_TABLES = (
    "CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE raters (rater INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, about TEXT)",
    "CREATE TABLE images (kind TEXT, image INTEGER, name TEXT NOT NULL, class INTEGER, png BLOB NOT NULL, "
    "PRIMARY KEY (kind, image))",
    "CREATE TABLE trials (rater INTEGER, number INTEGER, kind TEXT NOT NULL, image INTEGER NOT NULL, "
    "PRIMARY KEY (rater, number))",
    "CREATE TABLE answers (rater INTEGER, number INTEGER, answer INTEGER NOT NULL, seconds REAL, interrupted INTEGER NOT NULL, "
    "time TEXT NOT NULL, PRIMARY KEY (rater, number))",
)


_SHOWN = "trials t JOIN images i ON i.image = t.image AND (i.kind = 'practice') = (t.kind = 'practice')"
"""Trials with their images; a repeat shows a test image."""


@dataclass(frozen=True)
class Rater:
    """One rater. The token is the part of the link that cannot be guessed."""

    number: int
    name: str
    token: str


@dataclass(frozen=True)
class Answer:
    """One answer with what it belongs to. `right` is the class of a practice image, and None for all others."""

    rater: str
    kind: Kind
    image: str
    answer: int
    seconds: float | None
    time: str
    interrupted: bool
    right: int | None


@dataclass(frozen=True)
class Progress:
    """How far a rater is: number of answers of each kind, and of images."""

    rater: str
    practice: int
    of_practice: int
    images: int
    of_images: int
    repeats: int
    of_repeats: int


class StudyStore:
    """An open study. Threads may share it."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder, self._db, self._lock = folder, connection, Lock()
        record = {key: json.loads(value) for key, value in self._rows("SELECT key, value FROM study")}
        self.id: str = record["id"]
        self.dataset: str = record["dataset"]
        self.digest: str = record["digest"]
        self.classes: tuple[str, ...] = tuple(record["classes"])
        self.settings = StudySettings.from_record(record["settings"])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def raters(self) -> list[Rater]:
        """The raters in order of their numbers."""
        return [Rater(*row) for row in self._rows("SELECT rater, name, token FROM raters ORDER BY rater")]

    def add_raters(self, count: int) -> None:
        """Add raters until there are `count`."""
        counts = dict(self._rows("SELECT kind, COUNT(*) FROM images GROUP BY kind"))
        with _explained(self.folder), self._transaction() as db:
            (known,) = db.execute("SELECT COUNT(*) FROM raters").fetchone()
            for rater in range(known, count):
                db.execute("INSERT INTO raters VALUES (?, ?, ?, NULL)", (rater, f"rater-{rater + 1}", token_urlsafe(16)))
                trials = trials_for(rater, self.settings, counts["test"], counts.get("practice", 0))
                rows = [(rater, number, trial.kind, trial.image) for number, trial in enumerate(trials)]
                db.executemany("INSERT INTO trials VALUES (?, ?, ?, ?)", rows)

    def trials(self, rater: int) -> list[Kind]:
        """Return the kind of each trial of a rater, in order."""
        return [kind for (kind,) in self._rows("SELECT kind FROM trials WHERE rater = ? ORDER BY number", rater)]

    def image(self, rater: int, number: int) -> bytes | None:
        """Return the PNG of a trial, or None if there is no such trial."""
        found = self._rows(f"SELECT png FROM {_SHOWN} WHERE rater = ? AND number = ?", rater, number)
        return found[0][0] if found else None

    def next_trial(self, rater: int) -> int:
        """Return the number of the first trial without an answer."""
        return int(self._rows("SELECT COUNT(*) FROM answers WHERE rater = ?", rater)[0][0])

    def right(self, rater: int, number: int) -> int | None:
        """Return the class of a practice image; None for test images, whose classes the file does not have."""
        found = self._rows(f"SELECT class FROM {_SHOWN} WHERE rater = ? AND number = ?", rater, number)
        return found[0][0] if found else None

    def keep(self, rater: int, number: int, answer: int, seconds: float | None, interrupted: bool) -> None:
        """Write an answer to the disk, unless this trial has one."""
        with self._lock:
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (rater, number, answer, seconds, interrupted, utc(time.time())),
            )

    def about(self, rater: int) -> dict[str, str] | None:
        """Return what the rater said about themselves, or None if they were not asked yet."""
        ((text,),) = self._rows("SELECT about FROM raters WHERE rater = ?", rater)
        return None if text is None else json.loads(text)

    def keep_about(self, rater: int, about: dict[str, str]) -> None:
        """Write what a rater says about themselves, unless they said it before."""
        with self._lock:
            self._db.execute("UPDATE raters SET about = ? WHERE rater = ? AND about IS NULL", (json.dumps(about), rater))

    def answers(self) -> list[Answer]:
        """Return all answers, by rater and in their order."""
        rows = self._rows(
            "SELECT r.name, t.kind, i.name, answer, seconds, time, interrupted, i.class "
            f"FROM {_SHOWN} JOIN answers a USING (rater, number) JOIN raters r USING (rater) ORDER BY rater, number"
        )
        return [
            Answer(name, kind, image, answer, seconds, at, bool(interrupted), right)
            for name, kind, image, answer, seconds, at, interrupted, right in rows
        ]

    def progress(self) -> list[Progress]:
        """Return how far each rater is."""
        rows = self._rows(
            "SELECT r.name, t.kind, COUNT(a.number), COUNT(*) FROM raters r JOIN trials t USING (rater) "
            "LEFT JOIN answers a USING (rater, number) GROUP BY r.rater, t.kind"
        )
        found: dict[str, dict[str, tuple[int, int]]] = {rater.name: {} for rater in self.raters}
        for name, kind, done, count in rows:
            found[name][kind] = done, count
        kinds = ("practice", "test", "repeat")
        return [Progress(name, *(n for kind in kinds for n in of.get(kind, (0, 0)))) for name, of in found.items()]

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock, _explained(self.folder, "make a copy of the folder on another disk, and use that"):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _transaction(self._db) as db:
            yield db


def has_study(folder: Path) -> bool:
    """Whether a folder has the file of a study."""
    return (folder / FILE).is_file()


def open_study(folder: Path) -> StudyStore:
    """Open the study in a folder.

    Raises:
        StoreError: there is none, or its file cannot be read.
    """
    if not has_study(folder):
        raise StoreError(f"{folder}: has no study ({FILE}); make one with dabench human serve DATASET --to {folder}")
    with _explained(folder):
        connection = _connect(folder)
        try:
            return StudyStore(folder, connection)
        except (StoreError, KeyError, TypeError, ValueError) as e:
            connection.close()
            raise StoreError(f"{folder / FILE}: is not a study of this version of dabench ({e}); use another folder") from e


def make_study(folder: Path, images: StudyImages, settings: StudySettings) -> StudyStore:
    """Make a study in a new or empty folder, or open the one that is there if it has the same images and settings.

    Raises:
        SpecError: the study in the folder has other images or settings.
        StoreError: the folder has other files, or cannot be written.
    """
    if has_study(folder) and _is_whole(folder):
        store = open_study(folder)
        try:
            _check_same(store, images, settings)
        except SpecError:
            store.close()
            raise
        return store
    if not has_study(folder) and folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists and has no study; use another folder with --to")
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with closing(_connect(folder)) as connection, _transaction(connection) as db:
            _fill(db, images, settings)
    return open_study(folder)


def _is_whole(folder: Path) -> bool:
    """Whether the study was made completely. It is made in one transaction, so that there is nothing else or all of it."""
    with _explained(folder), closing(_connect(folder)) as db:
        return bool(db.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'study'").fetchone()[0])


def _fill(db: sqlite3.Connection, images: StudyImages, settings: StudySettings) -> None:
    for table in _TABLES:
        db.execute(table)
    record: dict[str, Any] = {"id": token_hex(8), "dataset": images.dataset, "digest": images.digest, "classes": images.classes}
    record["settings"] = asdict(settings)
    db.executemany("INSERT INTO study VALUES (?, ?)", [(key, json.dumps(value)) for key, value in record.items()])
    test = [("test", i, name, None, png) for i, (name, png) in enumerate(images.test.items())]
    practice = [("practice", i, f"practice-{i + 1}", of, png) for i, (png, of) in enumerate(images.practice)]
    db.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?)", [*test, *practice])


def _check_same(store: StudyStore, images: StudyImages, settings: StudySettings) -> None:
    where = f"{store.folder}: has a study"
    if (store.dataset, store.digest) != (images.dataset, images.digest):
        raise SpecError(f"{where} of other images ({store.dataset}, digest {store.digest[:8]}); use another folder with --to")
    old, new = asdict(store.settings), asdict(settings)
    changed = [f"{key.replace('_', '-')} {old[key]!r}" for key in old if old[key] != new[key]]
    if changed:
        raise SpecError(
            f"{where} with other settings ({', '.join(changed)}); continue it with dabench human serve {store.folder}, "
            "or use another folder with --to"
        )


def _connect(folder: Path) -> sqlite3.Connection:
    path = folder / FILE
    # The file has the tokens of the links, so that only its owner may read it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


@contextmanager
def _explained(folder: Path, advice: str = "give another folder with --to") -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as e:
        said = e.strerror if isinstance(e, OSError) else e
        raise StoreError(f"{folder / FILE}: cannot be used ({said or e}); {advice}") from e


def links(raters: Sequence[Rater], base: str) -> list[tuple[str, str]]:
    """Return (name, link) of each rater. `base` is the address of the server."""
    return [(rater.name, f"{base.rstrip('/')}/r/{rater.token}/") for rater in raters]
