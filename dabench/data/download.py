"""Downloads of raw files: checked, resumed, from mirrors, and never half a file under its own name.

A file is written as NAME.part beside its place and renamed when its checksum is right, so an interrupted download goes on
where it stopped and nobody reads half a file. By urllib: pooch does not resume, and requests loses the last block where a
connection breaks.
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dabench.errors import DataError
from dabench.hashing import file_digest
from dabench.plugins.contract import RemoteFile

Progress = Callable[[str, int, int], None]
"""Is told name, bytes there so far, and bytes in all."""

_BLOCK = 1 << 18

_SECONDS = 30.0


class _Refused(Exception):
    """One mirror did not give the file; the text says why."""


def fetch(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    notify: Callable[[str], None] = print,
    progress: Progress = lambda name, done, total: None,
) -> list[Path]:
    """Bring what is missing of `files` into `folder` and return the files that were brought.

    A file that is there is never replaced, nor asked for where what it holds is there unpacked. One with another checksum is
    the user's own, packed again perhaps: it is named, and whoever reads it judges it.

    Raises:
        DataError: a file is described wrongly, no mirror gave it, or the folder cannot be written.
    """
    return [path for file in files if (path := _one(file, folder, notify, progress))]


def _one(file: RemoteFile, folder: Path, notify: Callable[[str], None], progress: Progress) -> Path | None:
    path = folder / file.name
    if not file.name or Path(file.name).name != file.name or "\\" in file.name or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
        raise DataError(f"file {file.name!r}: must have a plain name and a sha256 of 64 lower-case hex digits")
    try:
        if path.exists():
            if file_digest(path) != file.sha256:
                notify(f"{path} is not the published file (another sha256); it is read as it is. To have that one, move it away")
            return None
        if file.unpacked and (folder / file.unpacked).exists():
            return None
        folder.mkdir(parents=True, exist_ok=True)
        reasons = []
        for url in file.urls:
            notify(f"getting {file.described()} from {url}")
            try:
                _from(url, file, folder, progress)
                return path
            except _Refused as e:
                reasons.append(f"{url}: {e}")
                notify(f"  {e}")
    except OSError as e:
        raise DataError(f"{path}: cannot be written ({e.strerror or e}); free space, or give another folder with --raw") from e
    why = "; ".join(reasons) or "it has no address"
    raise DataError(
        f"{file.name} could not be had ({why}); try again (it goes on where it stopped), or put the file with sha256 "
        f"{file.sha256} into {folder} yourself"
    )


def _from(url: str, file: RemoteFile, folder: Path, progress: Progress) -> None:
    """Bring one file from one mirror; raise _Refused where it does not give the file."""
    part = folder / f"{file.name}.part"
    there = part.stat().st_size if part.exists() else 0
    total = file.bytes
    if total is None or there < total:
        total = _append(url, file, part, there, progress)
    size = part.stat().st_size
    if size < total:  # kept: the next call goes on from here
        raise _Refused(f"ended after {size:,} of {total:,} bytes")
    if file_digest(part) != file.sha256:
        part.unlink()  # nothing of it can be trusted, what an earlier mirror gave included
        if there:
            _from(url, file, folder, progress)
            return
        raise _Refused("has another sha256; thrown away")
    os.replace(part, folder / file.name)


def _append(url: str, file: RemoteFile, part: Path, there: int, progress: Progress) -> int:
    """Add to `part` what it lacks, and return the size of the whole file: the expected one, or what the server says."""
    if not url.startswith(("https://", "http://")):
        raise _Refused("is no http or https address")
    headers = {"User-Agent": "dabench", "Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_SECONDS) as answer:
            goes_on = answer.status == 206  # a server without ranges sends the whole file
            if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                raise _Refused("answered with another part of the file than the one asked for")
            if file.bytes is None and answer.length is None:
                raise _Refused("does not say how many bytes the file has")
            done = there if goes_on else 0
            total: int = done + answer.length if file.bytes is None else file.bytes
            with open(part, "ab" if goes_on else "wb") as out:
                while block := _read(answer):
                    if done + len(block) > total:
                        out.truncate(0)
                        raise _Refused(f"gives more than the {total:,} bytes expected")
                    out.write(block)
                    done += len(block)
                    progress(file.name, done, total)
                out.flush()
                os.fsync(out.fileno())
                return total
    except urllib.error.HTTPError as e:
        if e.code == 416 and there and file.bytes is None:  # there is no more of it: the checksum judges what is here
            return there
        raise _Refused(f"answered {e.code} {e.reason}") from e
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ValueError) as e:
        raise _Refused(str(getattr(e, "reason", None) or e)) from e


def _read(answer: Any) -> bytes:
    """Return the next block, or nothing at the end; a connection that breaks ends the answer, and what came is kept."""
    try:
        block: bytes = answer.read1(_BLOCK)
        return block
    except (http.client.HTTPException, ConnectionError, TimeoutError):
        return b""
