"""The default folders follow HOME and their variables; without a home folder one line says what to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from dabench.errors import SpecError
from dabench.storage.paths import cache_folder, data_folder


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that the system does not know, without HOME, as in a container with a number for a user."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "DABENCH_CACHE", "DABENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.usefixtures("nobody")
def test_without_a_home_folder_an_error_says_what_to_set() -> None:
    for folder, variable in ((cache_folder, "DABENCH_CACHE"), (data_folder, "DABENCH_DATA")):
        with pytest.raises(SpecError, match=f"{variable} is not set, .* no home folder; set HOME, or DABENCH_CACHE"):
            folder()


@pytest.mark.usefixtures("nobody")
def test_without_a_home_folder_the_variables_suffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "a \u00fc"))
    monkeypatch.setenv("DABENCH_DATA", str(tmp_path / "b"))
    assert (cache_folder(), data_folder()) == (tmp_path / "a \u00fc", tmp_path / "b")
