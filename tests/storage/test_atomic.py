"""Locks end with their holder; files and folders appear whole or not at all; abandoned temporary folders are removed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dabench.storage import atomic
from dabench.storage.atomic import lock, new_file, new_folder, remove_abandoned, temporary_folder, write_text
from dabench.storage.events import event_log, event_logs
from dabench.storage.in_progress import SweepLock


@contextmanager
def opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY)
    yield file
    os.close(file)


# Locks


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    with opened(tmp_path) as mine, opened(tmp_path) as other:
        assert lock(mine)
        with pytest.raises(BlockingIOError):
            lock(other)


def test_a_lock_is_free_when_its_file_is_closed(tmp_path: Path) -> None:
    with opened(tmp_path) as mine:
        lock(mine)
    with opened(tmp_path) as other:
        assert lock(other)


def test_a_shared_lock_is_held_by_several(tmp_path: Path) -> None:
    with opened(tmp_path) as mine, opened(tmp_path) as other:
        assert lock(mine, shared=True)
        assert lock(other, shared=True)


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(file: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL])
def test_a_file_system_without_locks_says_so(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, number)
    with opened(tmp_path) as mine:
        assert not lock(mine)


def test_a_system_without_fcntl_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "fcntl", None)
    with opened(tmp_path) as mine:
        assert not lock(mine)


def test_the_store_is_imported_on_a_system_without_fcntl() -> None:
    code = "import sys; sys.modules['fcntl'] = None; import dabench.storage.run_store, dabench.execution.status"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_system_without_locks_keeps_no_sweep_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, errno.ENOLCK)
    with SweepLock(tmp_path).exclusive(), SweepLock(tmp_path).exclusive():
        pass


def test_on_a_file_system_without_locks_no_temporary_folder_is_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, errno.ENOLCK)
    with temporary_folder(tmp_path / "x") as folder:
        remove_abandoned(tmp_path / "x")
        assert folder.is_dir()


def test_a_sweep_that_begins_while_its_status_is_read_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def read_meanwhile(path: Any, *how: Any) -> int:
        file = real(path, *how)
        reader = real(path, os.O_RDONLY)
        lock(reader, shared=True)
        threading.Thread(target=lambda: (time.sleep(0.2), os.close(reader))).start()
        return file

    monkeypatch.setattr(os, "open", read_meanwhile)
    with event_log(tmp_path / "events"):
        monkeypatch.setattr(os, "open", real)
        assert [s.alive for s in event_logs(tmp_path / "events")] == [True]


# Files and folders


def test_a_file_is_replaced_by_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    write_text(tmp_path / "a", "new\n")
    assert (tmp_path / "a").read_bytes() == b"new\n"


def test_a_file_whose_writing_failed_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    with pytest.raises(KeyError), new_file(tmp_path / "a") as path:
        raise KeyError(path.write_text("half", encoding="utf-8"))
    assert {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()} == {"a": "old"}


def test_a_folder_whose_writing_failed_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyError), new_folder(tmp_path / "a") as folder:
        raise KeyError((folder / "half").touch())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_by_what_was_written(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with new_folder(tmp_path / "a") as folder:
            (folder / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["a", "a/new"]


def test_a_whole_folder_that_another_process_made_meanwhile_stays(tmp_path: Path) -> None:
    whole = (tmp_path / "a" / "first").exists
    with new_folder(tmp_path / "a", whole) as slow:
        with new_folder(tmp_path / "a", whole) as fast:
            (fast / "first").touch()
        (slow / "second").touch()
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["a", "a/first"]


def test_a_new_folder_is_as_open_to_others_as_any(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    with new_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


# Temporary folders


def test_a_temporary_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "x") as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_that_is_held_is_not_removed(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "x") as folder:
        remove_abandoned(tmp_path / "x")
        assert folder.is_dir()


@pytest.mark.parametrize("name", ["x-abcdefgh", "x-12345678"])
def test_a_temporary_folder_that_nobody_holds_is_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    remove_abandoned(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["y-abcdefgh", "x-abc", "x", "xx-abcdefgh"])
def test_other_folders_are_not_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    remove_abandoned(tmp_path / "x")
    assert (tmp_path / name).is_dir()


def test_what_a_link_leads_to_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "x-abcdefgh").symlink_to(tmp_path / "mine")
    remove_abandoned(tmp_path / "x")
    assert (tmp_path / "mine").is_dir()


def test_a_temporary_folder_that_is_removed_before_it_is_held_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    mkdir = Path.mkdir

    def disturbed(folder: Path, mode: int) -> None:
        mkdir(folder, mode)
        if not seen:
            remove_abandoned(tmp_path / "x")
        seen.append(folder)

    monkeypatch.setattr(Path, "mkdir", disturbed)
    with temporary_folder(tmp_path / "x") as folder:
        assert [folder] == seen[1:]
        assert folder.is_dir()
