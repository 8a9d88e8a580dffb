"""Free memory as the system and its cgroups say it, read from made-up folders of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from dabench.execution.resources import free_memory

GB = 1024**3


def system(root: Path, free: int, cgroup: str = "") -> Path:
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {free // 1024} kB\n")
    (root / "proc" / "self" / "cgroup").write_text(cgroup)
    return root


def limited(folder: Path, names: tuple[str, str, str], limit: object, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {files}\n")


V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def test_without_limits_it_is_what_the_system_has(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, 8 * GB)) == 8 * GB


def test_a_limit_of_version_2_holds_and_files_that_can_be_let_go_of_are_free(tmp_path: Path) -> None:
    root = system(tmp_path, 8 * GB, "0::/box/job\n")
    limited(root / "sys/fs/cgroup/box/job", V2, 4 * GB, 3 * GB, GB)
    assert free_memory(root) == 2 * GB


def test_a_limit_of_a_parent_holds(tmp_path: Path) -> None:
    root = system(tmp_path, 8 * GB, "0::/box/job\n")
    limited(root / "sys/fs/cgroup/box/job", V2, "max", GB, 0)
    limited(root / "sys/fs/cgroup/box", V2, 3 * GB, 2 * GB, 0)
    assert free_memory(root) == GB


def test_a_limit_of_version_1_holds(tmp_path: Path) -> None:
    root = system(tmp_path, 8 * GB, "5:cpu:/\n4:memory:/box\n0::/\n")
    limited(root / "sys/fs/cgroup/memory/box", V1, 4 * GB, GB, 0)
    assert free_memory(root) == 3 * GB


def test_a_limit_that_is_passed_leaves_nothing(tmp_path: Path) -> None:
    root = system(tmp_path, 8 * GB, "0::/box\n")
    limited(root / "sys/fs/cgroup/box", V2, GB, 2 * GB, 0)
    assert free_memory(root) == 0


def test_a_system_that_does_not_say_is_not_guessed(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None


def test_this_system_says_something_that_can_be() -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("needs Linux")
    free = free_memory()
    assert free is not None
    assert 0 < free < 1e15
