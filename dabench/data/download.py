"""Download raw files from mirrors, with checksums, and resume interrupted downloads.

A file is written as NAME.part and renamed when its checksum is right. An interrupted download therefore resumes where it
stopped, and no process reads an incomplete file. This uses urllib because pooch does not resume, and requests loses the last
block when a connection breaks.
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
"""Called with the name of the file, the bytes so far, and the bytes in all."""

_BLOCK = 1 << 18

_SECONDS = 30.0


class _Refused(Exception):
    """A mirror did not deliver the file; the text says why."""


def fetch(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    notify: Callable[[str], None] = print,
    progress: Progress = lambda name, done, total: None,
) -> list[Path]:
    """Download the missing ones of `files` into `folder` and return the downloaded files.

    An existing file is never replaced, and a file is not downloaded if its unpacked content exists. An existing file with
    another checksum is assumed to be the user's own copy: it is reported and used.

    Raises:
        DataError: a file is declared wrongly, no mirror delivered it, or the folder cannot be written.
    """
    return [path for file in files if (path := _one(file, folder, notify, progress))]


def _one(file: RemoteFile, folder: Path, notify: Callable[[str], None], progress: Progress) -> Path | None:
    path = folder / file.name
    if not file.name or Path(file.name).name != file.name or "\\" in file.name or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
        raise DataError(f"file {file.name!r}: must have a name without folders and a sha256 of 64 lower-case hex digits")
    try:
        if path.exists():
            if file_digest(path) != file.sha256:
                notify(f"{path} is not the published file (its sha256 differs) but is used; move it away to download that one")
            return None
        if file.unpacked and (folder / file.unpacked).exists():
            return None
        folder.mkdir(parents=True, exist_ok=True)
        reasons = []
        for url in file.urls:
            notify(f"downloading {file.described()} from {url}")
            try:
                _from(url, file, folder, progress)
                return path
            except _Refused as e:
                reasons.append(f"{url}: {e}")
                notify(f"  {e}")
    except OSError as e:
        raise DataError(f"{path}: cannot be written ({e.strerror or e}); free space, or give another folder with --raw") from e
    why = "; ".join(reasons) or "no address is known"
    raise DataError(
        f"{file.name} could not be downloaded ({why}); try again (the download resumes where it stopped), or put the file with "
        f"sha256 {file.sha256} into {folder} yourself"
    )


def _from(url: str, file: RemoteFile, folder: Path, progress: Progress) -> None:
    """Download one file from one mirror; raise _Refused if the mirror does not deliver it."""
    part = folder / f"{file.name}.part"
    there = part.stat().st_size if part.exists() else 0
    total = file.bytes
    if total is None or there < total:
        total = _append(url, file, part, there, progress)
    size = part.stat().st_size
    if size < total:  # the part is kept: the next call resumes from it
        raise _Refused(f"ended after {size:,} of {total:,} bytes")
    if file_digest(part) != file.sha256:
        part.unlink()  # no byte of it can be trusted, including those from an earlier mirror
        if there:
            _from(url, file, folder, progress)
            return
        raise _Refused("delivered a file with another sha256, which was deleted")
    os.replace(part, folder / file.name)


def _append(url: str, file: RemoteFile, part: Path, there: int, progress: Progress) -> int:
    """Append the missing bytes to `part` and return the size of the whole file, as declared or as the server says."""
    if not url.startswith(("https://", "http://")):
        raise _Refused("is not an http or https address")
    headers = {"User-Agent": "dabench", "Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_SECONDS) as answer:
            goes_on = answer.status == 206  # a server without ranges sends the whole file
            if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                raise _Refused("sent another part of the file than the requested one")
            if file.bytes is None and answer.length is None:
                raise _Refused("does not say how many bytes the file has")
            done = there if goes_on else 0
            total: int = done + answer.length if file.bytes is None else file.bytes
            with open(part, "ab" if goes_on else "wb") as out:
                while block := _read(answer):
                    if done + len(block) > total:
                        out.truncate(0)
                        raise _Refused(f"sent more than the expected {total:,} bytes")
                    out.write(block)
                    done += len(block)
                    progress(file.name, done, total)
                out.flush()
                os.fsync(out.fileno())
                return total
    except urllib.error.HTTPError as e:
        if e.code == 416 and there and file.bytes is None:  # no bytes are left; the checksum decides
            return there
        raise _Refused(f"answered {e.code} {e.reason}") from e
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ValueError) as e:
        raise _Refused(str(getattr(e, "reason", None) or e)) from e


def _read(answer: Any) -> bytes:
    """Return the next block, or no bytes at the end or when the connection breaks."""
    try:
        block: bytes = answer.read1(_BLOCK)
        return block
    except (http.client.HTTPException, ConnectionError, TimeoutError):
        return b""
