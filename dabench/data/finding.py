"""A prepared set found, or made: here, and where DABENCH_CACHE is an address, there.

Arrays are memory-mapped, so a cache elsewhere has a mirror here (dabench.places.cache_folder). A set that the mirror lacks is
brought whole and held against its checksums; one that lies in neither is made here and sent, its record last. What is whole
here is used whatever becomes of sending it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from dabench.data.cache import RECORD, Made, Prepared, Say, opened, problem_of, write
from dabench.digests import digest
from dabench.errors import StoreError
from dabench.far import Far, keyless
from dabench.places import cache_address, cache_folder
from dabench.scratch import scratch_folder


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
    with _scratch(folder) as scratch:
        try:
            write(scratch, name, made)
            _stand(scratch, folder, rebuild=rebuild)
        except OSError as e:
            raise StoreError(f"prepared cache {folder}: cannot be written ({e.strerror or e}); nothing was left half-made") from e
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
            with _scratch(self.folder) as scratch:
                problem = _brought(far, names, scratch)
                if not problem:
                    (scratch / self.mark).touch()
                    _stand(scratch, self.folder)
                    return True
        self.say(f"prepared cache of {self.name} in {far.address} is damaged ({problem}): made again")
        self.damaged = True
        return False

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


def _brought(far: Far, names: Sequence[str], scratch: Path) -> str:
    """Bring the files of a set into a scratch folder; return what is wrong with them, or an empty string."""
    try:
        for name in names:
            far.bring(name, scratch / PurePosixPath(name).name)
    except FileNotFoundError:
        return "it is just being sent anew"
    return problem_of(scratch)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder that nobody reads, to be renamed to `folder`; raise StoreError where it cannot be made."""
    with ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = stack.enter_context(scratch_folder(folder.with_name(f".{folder.name}")))
        except OSError as e:
            variable = "DABENCH_MIRROR" if cache_address() else "DABENCH_CACHE"
            raise StoreError(
                f"prepared cache {folder.parent}: cannot be written ({e.strerror}); set {variable} to a folder that can"
            ) from e
        yield scratch


def _stand(scratch: Path, folder: Path, *, rebuild: bool = False) -> None:
    """Let a whole scratch folder stand as `folder`; what stands there is replaced if it is damaged, or with `rebuild`."""
    if folder.exists() and (rebuild or problem_of(folder)):
        shutil.rmtree(folder)
    try:
        os.rename(scratch, folder)
    except OSError:
        if problem_of(folder):  # not the same work finished by another process meanwhile
            raise
