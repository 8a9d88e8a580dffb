"""What all tests share: a cache and a home of their own, so that nothing of the user's is read or written."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dabench.plugins.contract import KINDS
from dabench.plugins.registry import REGISTRY, Registry

# Before torch is imported: tests share the cores with others, and threads that wait for each other there take minutes.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_finish() -> None:
    """Leave the objects of imports and tests out of garbage collection. A run begins with one, which would look at them all."""
    import hypothesis  # noqa: F401  # it looks for what refers to an object, and would not see what is left out

    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Take them back, because extension modules report what is left at the end of the process."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(autouse=True)
def _own_places(monkeypatch: pytest.MonkeyPatch, _cache: Path, tmp_path: Path) -> None:
    """One prepared cache for the whole session (made once), and no raw data unless a test says so."""
    monkeypatch.setenv("DABENCH_CACHE", str(_cache))
    monkeypatch.setenv("DABENCH_DATA", str(tmp_path / "raw"))


@pytest.fixture
def registry() -> Registry:
    """The first-party plugins, in a registry of the test's own."""
    return Registry(entry_points=False)


@contextmanager
def kept_registry() -> Iterator[None]:
    """What is added to the registry of the commands meanwhile is forgotten afterwards."""
    for kind in KINDS:
        REGISTRY.entries(kind)
    before = dict(REGISTRY._entries), dict(REGISTRY._files), list(REGISTRY._registered)
    yield
    REGISTRY._entries, REGISTRY._files, REGISTRY._registered = before


@pytest.fixture(scope="module", autouse=True)
def _registry_of_a_module() -> Iterator[None]:
    """No module of tests sees the plugins that another one loaded."""
    with kept_registry():
        yield


@pytest.fixture
def registry_restored() -> Iterator[None]:
    """What a test adds to the registry of the commands is forgotten after it."""
    with kept_registry():
        yield


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """A function from a path below DABENCH_TEST_DATA to that file; the test is skipped where it is not there."""

    def find(relative: str) -> Path:
        root = os.environ.get("DABENCH_TEST_DATA")
        if not root:
            pytest.skip(f"needs {relative} in the folder that DABENCH_TEST_DATA names, which is not set")
        path = Path(root) / relative
        if not path.is_file():
            pytest.skip(f"needs {path}, which is not there")
        return path

    return find


@pytest.fixture(scope="session")
def quick_runs(_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick sweep really run, of one seed and three steps; a test that writes into it takes a copy."""
    import dabench

    folder = tmp_path_factory.mktemp("quick") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        dabench.sweep("quick", out=folder, set={"train.steps": 3, "seeds": 1, "fine-tune.passes": 1}, engine="inline", quiet=True)
    return folder


@pytest.fixture(scope="session")
def trained_runs(_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep over image files (`trained`), really run; a test that writes into it takes a copy."""
    from trained import train

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        return train(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """What follows the path in an address of an S3 server (`elsewhere`)."""
    from elsewhere import serving

    with serving() as query:
        yield query


@pytest.fixture(scope="session")
def running_ray() -> Iterator[None]:
    """Ray, started once as the engine starts it: each start takes seconds."""
    from dabench.execution.ray import cluster as engine

    with engine.started():
        yield
