"""Test the checkpoints of a run in a thread of their own, so that test images are out of an adapter's reach.

The trainer calls its checkpoint function inside the code of an adapter. If that function held the test images, every adapter
could follow it to them. So a thread holds them, and the trainer gets two queues: one for requests, one for answers. The
adapter stays in the main thread, where signals arrive, and it waits while the thread tests.

No adapter comes by accident, or by following references, from what it is given to a test image. It does not stop code that
deliberately searches the frames of its process.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Literal, Protocol

import torch

from dabench.errors import DabenchError
from dabench.plugins.contract import Network

Request = tuple[Literal["test", "state", "restore"], tuple[Any, ...]]

Answer = tuple[Any, BaseException | None]


class Checkpoints(Protocol):
    """What the thread holds: it tests a network, and its state can be saved and restored."""

    def __call__(self, net: Any, step: int, /) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


class CheckpointRequests:
    """What the trainer holds instead: it asks the thread and waits for the answer. An error of the thread is raised here."""

    def __init__(self, requests: SimpleQueue[Request | None], answers: SimpleQueue[Answer]) -> None:
        self._requests, self._answers = requests, answers

    def __call__(self, net: Network, step: int) -> None:
        """Test the network after `step` steps."""
        self._ask("test", net, step)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the checkpoints so far."""
        state: dict[str, Any] = self._ask("state")
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._ask("restore", state)

    def _ask(self, what: Literal["test", "state", "restore"], *given: Any) -> Any:
        self._requests.put((what, given))
        result, error = self._answers.get()
        if error is not None:
            raise error
        return result


@contextmanager
def in_own_thread(checkpoints: Checkpoints, threads: int) -> Iterator[CheckpointRequests]:
    """Yield what a trainer calls at its checkpoints; a thread with `threads` CPU threads answers it until the block ends."""
    requests: SimpleQueue[Request | None] = SimpleQueue()
    answers: SimpleQueue[Answer] = SimpleQueue()
    # A daemon, so that a process that is interrupted twice does not wait for a test.
    thread = threading.Thread(target=_serve, args=(checkpoints, threads, requests, answers), name="checkpoints", daemon=True)
    thread.start()
    try:
        yield CheckpointRequests(requests, answers)
    finally:
        requests.put(None)
        thread.join()


def _serve(checkpoints: Checkpoints, threads: int, requests: SimpleQueue[Request | None], answers: SimpleQueue[Answer]) -> None:
    """Answer requests until None arrives."""
    torch.set_num_threads(threads)  # OpenMP keeps a number for each thread, on which results depend
    actions: Mapping[str, Callable[..., Any]] = {
        "test": checkpoints,
        "state": checkpoints.state_dict,
        "restore": checkpoints.load_state_dict,
    }
    while (request := requests.get()) is not None:
        what, given = request
        try:
            answers.put((actions[what](*given), None))
        except BaseException as e:
            answers.put((None, _without_frames(e)))
        del request, given  # the thread keeps no network alive


def _without_frames(error: BaseException) -> BaseException:
    """Return the error without its frames, which hold the test images. An unexpected error keeps its traceback as text."""
    if isinstance(error, Exception) and not isinstance(error, DabenchError):
        error.add_note("in the thread that tests checkpoints:\n" + "".join(traceback.format_exception(error)).rstrip())
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
