"""What all tests share: a cache and a home of their own, so that nothing of the user's is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(autouse=True)
def _own_places(monkeypatch: pytest.MonkeyPatch, _cache: Path, tmp_path: Path) -> None:
    """One prepared cache for the whole session (made once), and no raw data unless a test says so."""
    monkeypatch.setenv("DABENCH_CACHE", str(_cache))
    monkeypatch.setenv("DABENCH_DATA", str(tmp_path / "raw"))
