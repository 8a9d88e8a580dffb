"""A human study of made-up images, and its server in a thread, for tests."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dabench.rating.images import StudyImages, png
from dabench.rating.server import listen, make_server
from dabench.rating.store import Rater, StudyStore, make_study
from dabench.rating.study import StudySettings

WORDS = ("angry", "happy", "very_sad")
DIGEST = "0123456789abcdef" * 4


def images(count: int = 12, practice: int = 3, classes: tuple[str, ...] = WORDS) -> StudyImages:
    """Return the images of a study; each has its own shade."""
    rng = np.random.default_rng(0)
    drawn = [png(rng.integers(0, 255, (1, 16, 16), dtype=np.uint8)) for _ in range(count + practice)]
    test = {f"{DIGEST[:8]}-{3 * i}": image for i, image in enumerate(drawn[:count])}
    return StudyImages(
        "made-up", DIGEST, classes, test, tuple((image, i % len(classes)) for i, image in enumerate(drawn[count:]))
    )


@contextmanager
def study(folder: Path, raters: int = 2, made: StudyImages | None = None, **settings: Any) -> Iterator[StudyStore]:
    """Make or continue a study in a folder."""
    with closing(make_study(folder, made or images(), StudySettings(**settings))) as store:
        store.add_raters(raters)
        yield store


@dataclass
class Reply:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)


class Client:
    """Asks as a browser does, over one connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, body: Any = None, *, method: str = "") -> Reply:
        """Get a path, or post a body (JSON, or bytes as they are)."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        self.connection.request(method or ("GET" if body is None else "POST"), path, content)
        got = self.connection.getresponse()
        return Reply(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())

    def answer(self, rater: Rater, number: int, answer: int = 0, **more: Any) -> Reply:
        """Post an answer."""
        return self.ask(f"/r/{rater.token}/answer", {"number": number, "answer": answer, "seconds": 1.25, **more})


@contextmanager
def serving(store: StudyStore, port: int = 0) -> Iterator[int]:
    """Serve a study in a thread; yield the port."""
    server = make_server(store)
    with listen("127.0.0.1", port) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def client_of(store: StudyStore) -> Iterator[Client]:
    """Serve a study and yield a client of it."""
    with serving(store) as port, closing(Client(port).connection) as connection:
        client = Client(port)
        client.connection = connection
        yield client
