"""Writes a sweep's output folder of 2,000 runs that nobody trained, to time and weigh a report of it.

    python tests/speed/many_runs.py /tmp/many
    /usr/bin/time -v dabench report /tmp/many

Eight datasets, every ordered pair, `none` and seven adapters, five seeds: 848 cells, 392 gains. One test set has 10,000 images,
the others 2,000; four have subjects, five have attributes. 0.7 GB.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from fabricated import NONE, DatasetContent, Fabrication, method

from dabench.hashing import digest
from dabench.storage.schema import Run

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SUBJECTS = 100


class Drawn(Fabrication):
    """A fabrication whose predictions are drawn: images are easy or hard for all runs, and each run errs on its own, too."""

    def _logits(self, run: Run, test: str) -> NDArray[np.float32]:
        labels = np.asarray(self.datasets[test].labels)
        shared = np.random.default_rng(int(digest(test)[:8], 16)).normal(size=len(labels))
        rng = np.random.default_rng(int(digest([run.digest, test])[:8], 16))
        at_home = test in run.sources or test == run.target
        margin = (1.2 if at_home else 0.2) + shared + 0.1 * rng.normal() + 0.5 * rng.normal(size=(2, len(labels)))
        logits = rng.normal(scale=0.5, size=(2, len(labels), len(self.classes)))
        np.put_along_axis(logits, np.broadcast_to(labels[None, :, None], (2, len(labels), 1)), margin[..., None], axis=2)
        return logits.astype(np.float32)


def dataset(number: int) -> DatasetContent:
    """Return a test set: every other one with subjects, five of eight with attributes."""
    n = 10_000 if number == 0 else 2_000
    rng = np.random.default_rng(number)
    subject = rng.integers(0, SUBJECTS, n)
    of_subject: dict[str, NDArray[Any]] = {
        "age": rng.integers(18, 85, SUBJECTS),
        "sex": rng.choice(["f", "m"], SUBJECTS),
        "light": rng.choice(["day", "evening", "night"], SUBJECTS),
    }
    grouped, known = number % 2 == 1, number % 2 == 1 or number == 0
    attributes = {name: values[subject].tolist() for name, values in of_subject.items()} if known else {}
    labels = rng.integers(0, len(CLASSES), n).tolist()
    return DatasetContent(f"SET{number}", labels, subject.tolist() if grouped else None, attributes=attributes)


def many() -> Drawn:
    """Return the sweep of 2,000 runs."""
    adapters = {"none": NONE, **{f"method-{i}": method(f"method {i}", "unlabelled") for i in range(7)}}
    sets = {f"set-{i}": dataset(i) for i in range(8)}
    return Drawn(lambda run, test: 0, sets, adapters, name="many", title="Many runs", classes=CLASSES, seeds=5)


if __name__ == "__main__":
    store = many().write(Path(sys.argv[1]))
    print(f"{len(list(store.runs.iterdir()))} runs in {store.folder}")
