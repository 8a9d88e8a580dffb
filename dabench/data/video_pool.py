"""Decode many clips on all cores: one worker process per core, decoded clips kept on disk, progress on standard error.

The workers are plain subprocesses. A multiprocessing pool would import the user's script in each of them.
"""

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
from multiprocessing.connection import wait
from pathlib import Path

from dabench.data.av_files import ClipError
from dabench.data.video import ClipSampling, is_whole, kept_at
from dabench.errors import DataError, StoreError


def decode_clips(paths: Sequence[Path], cutting: ClipSampling, work: Path, cores: int, limit: float) -> Mapping[Path, Path | str]:
    """Decode the clips that are not decoded yet. Return for each clip the .npy file of its frames, or why there are none.

    A frame file holds (N, size, size) uint8. Clips decoded by an earlier, interrupted call are reused.

    Args:
        paths: the clips.
        cutting: the frames to take from each.
        work: the folder of decoded clips.
        cores: number of worker processes.
        limit: seconds that one clip may take; after that its worker is killed, and the others continue.

    Raises:
        DataError: a package for decoding or face detection is not installed.
        StoreError: `work` cannot be written.
    """
    needed = {"av": "av", "decord": "decord"} | ({"cv2": "opencv-python-headless<5"} if cutting.face else {})
    for module, package in needed.items():
        if find_spec(module) is None:
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
            raise StoreError(f"{work}: cannot be written ({e.strerror}); set DABENCH_CACHE to a writable folder") from e
        if is_whole(target):
            results[path] = target
        else:
            left.put((path, target))
    if left.qsize():
        _Pool(left, cutting, results, limit).run(min(cores, left.qsize()))
    return {path: results[path] for path in paths}


class _Pool:
    """A thread per worker process: each gives clips to its worker until none are left."""

    def __init__(
        self, left: queue.SimpleQueue[tuple[Path, Path]], cutting: ClipSampling, results: dict[Path, Path | str], limit: float
    ) -> None:
        self.left, self.cutting, self.results, self.limit = left, cutting, results, limit
        self.there, self.total = len(results), left.qsize()
        self.workers: set[subprocess.Popen[str]] = set()
        self.stopped, self.trouble = False, ""

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
                    self._notify(said - began)
            self._notify(time.monotonic() - began, end="\n")
        except KeyboardInterrupt:
            self._notify(time.monotonic() - began, end="\n")
            print("stopped; decoded clips are kept, and the same command continues with the others", file=sys.stderr)
            raise
        finally:
            self.stopped = True
            for worker in list(self.workers):
                worker.kill()
            for thread in threads:
                if thread.ident:
                    thread.join()
        if self.trouble or len(self.results) < self.there + self.total:
            raise StoreError(self.trouble or "a process that decodes clips could not be started; see: dabench doctor")

    def _notify(self, seconds: float, end: str = "") -> None:
        done = len(self.results) - self.there
        rate = f"{done / seconds:.1f} clips/s" if done else "starting"
        line = f"decoding clips: {done:,} of {self.total:,} ({rate})"
        terminal = sys.stderr.isatty()
        print(f"\r{line}" if terminal else line, end=end if terminal else "\n", file=sys.stderr, flush=True)

    def _work(self) -> None:
        worker = None
        while not self.stopped:
            try:
                path, target = self.left.get_nowait()
            except queue.Empty:
                break
            worker = worker or self._start()
            if worker is None:
                break
            reason = self._ask(worker, path, target)
            if worker.poll() is not None:
                self._end(worker)
                worker = None
            if not self.stopped:
                self.results[path] = reason or target
        if worker:
            self._end(worker)

    def _ask(self, worker: subprocess.Popen[str], path: Path, target: Path) -> str:
        """Return why a clip has no frames, or "". The worker has ended if the clip crashed it or exceeded the time limit."""
        assert worker.stdin
        assert worker.stdout
        request = {"path": str(path), "target": str(target), "cutting": asdict(self.cutting)}
        answer = ""
        try:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            if not wait([worker.stdout.fileno()], self.limit):
                worker.kill()
                worker.wait()
                return "" if target.is_file() else f"took longer than {self.limit:g} s"
            answer = worker.stdout.readline()
        except OSError:
            pass  # the worker has ended, as when there is no answer
        if not answer:
            return f"the decoder crashed on it (exit status {worker.wait()})"
        told = json.loads(answer)
        if "trouble" in told:
            self.trouble, self.stopped = f"{told['trouble']}; free some space, or set DABENCH_CACHE to another folder", True
        return str(told.get("reason", ""))

    def _end(self, worker: subprocess.Popen[str]) -> None:
        worker.kill()
        worker.communicate()
        self.workers.discard(worker)

    def _start(self) -> subprocess.Popen[str] | None:
        """Return a worker that is ready, or None if none can be started."""
        here = str(Path(__file__).parents[2])
        search = os.pathsep.join([here, *filter(None, sys.path)])  # the same search path as this process
        try:
            worker = subprocess.Popen(
                [sys.executable, "-m", "dabench.data.video"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # FFmpeg prints there; errors are part of the answer
                text=True,
                env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # an interrupt must reach only the parent, which ends its workers
            )
        except OSError:
            return None
        self.workers.add(worker)
        assert worker.stdout
        if worker.stdout.readline():
            return worker
        self._end(worker)
        return None
