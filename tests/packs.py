"""Packs as zips, read and written by hand."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, files: Mapping[str, bytes], *, listed: bool = False) -> Path:
    """Write a zip; `listed`: with a list that says what its files are, as somebody who means harm would write it."""
    files = dict(files)
    if listed:
        head = json.loads(files.pop("pack.json"))
        head["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        files["pack.json"] = json.dumps(head).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
