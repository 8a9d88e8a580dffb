"""Many clips on all cores: one worker process a core, decoded clips kept on disk, progress on standard error."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from dabench.data.video import ClipError, Cutting, kept_at
from dabench.errors import DataError, StoreError


def decode_clips(paths: Sequence[Path], cutting: Cutting, work: Path, cores: int) -> Mapping[Path, Path | str]:
    """Decode clips that are not decoded yet and return for each the .npy file of its frames, or why there are none.

    A frame file holds (N, size, size) uint8. What was decoded by an earlier, interrupted call is used as it stands.

    Args:
        paths: the clips.
        cutting: what is taken from each.
        work: the folder that keeps decoded clips.
        cores: worker processes at a time.

    Raises:
        DataError: a package that decodes or finds faces is not installed.
        StoreError: `work` cannot be written.
    """
    for module, package, wanted in (("decord", "decord", True), ("cv2", "opencv-python-headless<5", cutting.face)):
        if wanted and find_spec(module) is None:
            raise DataError(f"videos need the package {package}, which is not installed: pip install '{package}'")
    results: dict[Path, Path | str] = {}
    left: queue.SimpleQueue[tuple[Path, Path]] = queue.SimpleQueue()
    for path in dict.fromkeys(paths):
        try:
            target = kept_at(work, path, cutting)
            target.parent.mkdir(parents=True, exist_ok=True)
        except ClipError as e:
            results[path] = str(e)
            continue
        except OSError as e:
            raise StoreError(f"{work}: cannot be written ({e.strerror}); set DABENCH_CACHE to a folder that can") from e
        if target.is_file():
            results[path] = target
        else:
            left.put((path, target))
    if left.qsize():
        _Pool(left, cutting, results).run(min(cores, left.qsize()))
    return {path: results[path] for path in paths}


class _Pool:
    """Threads that each hand clips to a worker process of their own until none are left."""

    def __init__(self, left: queue.SimpleQueue[tuple[Path, Path]], cutting: Cutting, results: dict[Path, Path | str]) -> None:
        self.left, self.cutting, self.results = left, cutting, results
        self.there, self.total = len(results), left.qsize()
        self.workers: set[subprocess.Popen[str]] = set()
        self.stopped = False

    def run(self, workers: int) -> None:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        began = said = time.monotonic()
        try:
            for thread in threads:
                thread.start()
            while any(t.is_alive() for t in threads):
                time.sleep(0.05)
                if time.monotonic() - said > (0.5 if sys.stderr.isatty() else 10):
                    said = time.monotonic()
                    self._say(said - began)
            self._say(time.monotonic() - began, end="\n")
        finally:
            self.stopped = True
            for worker in list(self.workers):
                worker.kill()
        if len(self.results) < self.there + self.total:
            raise StoreError("decoding stopped early: a worker process could not be started; see: dabench doctor")

    def _say(self, seconds: float, end: str = "") -> None:
        done = len(self.results) - self.there
        rate = f"{done / seconds:.1f} clips/s" if done else "starting"
        line = f"decoding clips: {done:,} of {self.total:,} ({rate})"
        terminal = sys.stderr.isatty()
        print(f"\r{line}" if terminal else line, end=end if terminal else "\n", file=sys.stderr, flush=True)

    def _work(self) -> None:
        worker = self._start()
        while not self.stopped:
            try:
                path, target = self.left.get_nowait()
            except queue.Empty:
                break
            reason = self._ask(worker, path, target)
            if reason is None:  # the worker is dead, and the clip is what killed it
                self.workers.discard(worker)
                reason = f"the decoder crashed on it (exit status {worker.wait()})"
                if not self.stopped:
                    worker = self._start()
            if not self.stopped:
                self.results[path] = reason or target
        self.workers.discard(worker)
        worker.kill()
        worker.communicate()

    def _ask(self, worker: subprocess.Popen[str], path: Path, target: Path) -> str | None:
        assert worker.stdin
        assert worker.stdout
        request = {"path": str(path), "target": str(target), "cutting": asdict(self.cutting)}
        try:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
            return str(json.loads(answer)["reason"]) if answer else None
        except OSError:
            return None

    def _start(self) -> subprocess.Popen[str]:
        here = str(Path(__file__).parents[2])
        search = os.pathsep.join([here, *filter(None, sys.path)])  # as this process finds its packages
        worker = subprocess.Popen(
            [sys.executable, "-m", "dabench.data.video"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # FFmpeg prints there by itself; what counts comes as the answer
            text=True,
            env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupt reaches the parent, which ends its workers
        )
        self.workers.add(worker)
        return worker
