"""Open the output folder of a sweep: a local folder, or a remote one with a local mirror."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dabench.execution.queue import Event, Listener
from dabench.storage.mirror import OutputMirror
from dabench.storage.remote_fs import is_remote
from dabench.storage.run_store import RunStore


class OutputFolder:
    """The store of a sweep; for a remote output folder, complete runs are uploaded.

    Raises:
        StoreError: the remote folder cannot be reached.
    """

    def __init__(self, out: str | Path | None, name: str, notify: Callable[[str], None]) -> None:
        self._far = OutputMirror(str(out)) if out is not None and is_remote(out) else None
        if self._far is None:
            self.store = RunStore(Path(out).expanduser() if out else Path("runs") / name)
        else:
            self.store = self._far.store
            notify(f"downloading the complete runs of {self._far.address} -> {self.store.folder}")
            self._far.fetch(networks=True)

    def listening(self, listen: Listener) -> Listener:
        """Return a listener that passes events to `listen` and uploads each complete run."""
        if self._far is None:
            return listen
        far, begun = self._far, False

        def take(event: Event) -> None:
            nonlocal begun
            if not begun:
                far.heads()
            begun = True
            if event.what == "done":
                far.send(f"runs/{event.run.folder}")
            listen(event)

        return take

    def close(self) -> None:
        """Upload everything else and wait for it; raise StoreError if it cannot be written."""
        if self._far is not None:
            self._far.heads()
            self._far.send("failed", "report")
            self._far.close()
