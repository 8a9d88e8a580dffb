"""A prepared set found, or made: here, and where DABENCH_CACHE is an address, there.

Arrays are memory-mapped, so a cache elsewhere has a mirror here (dabench.storage.paths.cache_folder). A set that the mirror lacks is
brought whole and held against its checksums; one that lies in neither is made here and sent, its record last. What is whole
here is used whatever becomes of sending it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from dabench.data.cache import RECORD, Made, Prepared, Say, opened, problem_of, write
from dabench.errors import StoreError
from dabench.hashing import digest
from dabench.storage.atomic import new_folder
from dabench.storage.paths import cache_address, cache_folder
from dabench.storage.remote_fs import Far, keyless


def cached(folder: Path, name: str, make: Callable[[], Made], *, rebuild: bool, say: Say) -> Prepared:
    """Return the dataset in `folder`, calling `make` first where it is missing or damaged, or with `rebuild`.

    Raises:
        StoreError: the folder cannot be written, or it must be looked for elsewhere, and cannot be.
    """
    address = cache_address() if folder.parent == cache_folder() else None
    elsewhere = _Elsewhere(address, folder, name, say) if address else None
    if folder.exists() and not rebuild:
        problem = problem_of(folder)
        if not problem:
            if elsewhere:
                elsewhere.keep()
            return opened(folder)
        say(f"prepared cache of {name} is damaged ({problem}): {'looked for elsewhere' if elsewhere else 'made again'}")
    if elsewhere and not rebuild and elsewhere.fetch():
        return opened(folder)
    made = make()
    with _new(folder) as hidden:
        write(hidden, name, made)
        if rebuild and folder.exists():
            shutil.rmtree(folder)
    if elsewhere:
        elsewhere.keep(anew=rebuild)
    return opened(folder)


class _Elsewhere:
    """The place elsewhere of one prepared set. Its folder here bears a mark once it stands there: then nobody asks again."""

    def __init__(self, address: str, folder: Path, name: str, say: Say) -> None:
        self.address, self.folder, self.name, self.say = address, folder, name, say
        self.mark = f".sent-{digest(keyless(address))[:10]}"
        self.damaged = False

    def fetch(self) -> bool:
        """Bring the set here if it is whole there; return whether it was.

        Raises:
            StoreError: it cannot be asked for.
        """
        far = Far(self.address, f"{self.name} cannot be fetched from there; try again, or set DABENCH_CACHE to a local folder")
        with far.reaching():
            names = [n for n in far.sizes(self.folder.name) if n.count("/") == 1]
        if f"{self.folder.name}/{RECORD}" not in names:
            return False
        self.say(f"fetching {self.name} from {far.address} ...")
        try:
            with _new(self.folder) as hidden, far.reaching():
                _bring(far, names, hidden)
                (hidden / self.mark).touch()
        except _Damaged as e:
            self.say(f"prepared cache of {self.name} in {far.address} is damaged ({e}): made again")
            self.damaged = True
        return not self.damaged

    def keep(self, *, anew: bool = False) -> None:
        """Send the set if it is not there, or in any case; what keeps it from being sent is said."""
        if (self.folder / self.mark).exists():
            return
        try:
            far = Far(self.address, f"{self.name} is kept in {self.folder}, and sent by the next start")
            with far.reaching():
                files = [f"{self.folder.name}/{file}" for file in opened(self.folder).files]
                if anew or self.damaged or not far.stands(files[-1]):
                    self.say(f"sending {self.name} to {far.address} ...")
                    far.send(self.folder.parent, files, (RECORD,))
                (self.folder / self.mark).touch()
        except StoreError as e:
            self.say(str(e))


class _Damaged(Exception):
    """A set elsewhere is not whole; the text says why."""


def _bring(far: Far, names: Sequence[str], to: Path) -> None:
    """Bring the files of a set into an empty folder; raise _Damaged if they are not whole."""
    try:
        for name in names:
            far.bring(name, to / PurePosixPath(name).name)
    except FileNotFoundError as e:
        raise _Damaged("it is just being sent anew") from e
    if problem := problem_of(to):
        raise _Damaged(problem)


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `folder`, unless that is whole; raise StoreError if it cannot be written."""
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
