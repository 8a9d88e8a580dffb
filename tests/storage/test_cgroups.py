"""The number of cores follows the quotas of cgroups, read from made-up folders of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from dabench.storage.paths import cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)


def system(root: Path, cgroup: str, **files: str) -> Path:
    """Write the list of cgroups, and files below sys/fs/cgroup named by their path with "__" for "/" and "." as it is."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("cpu_max", "cpu.max").replace("cpu_cfs", "cpu.cfs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {"cpu_max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu_max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu_max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu_max": "390000 100000\n"}, 3),
        ("0::/\n", {"cpu_max": "6400000 100000\n"}, 8),
        ("0::/box/job\n", {"box__job__cpu_max": "max 100000\n", "box__cpu_max": "300000 100000\n"}, 3),
        ("0::/box/job\n", {"box__job__cpu_max": "200000 100000\n", "box__cpu_max": "400000 100000\n"}, 2),
        ("0::/gone\n", {"cpu_max": "200000 100000\n"}, 2),
        (
            "4:cpu,cpuacct:/box\n2:memory:/\n",
            {"cpu__box__cpu_cfs_quota_us": "250000", "cpu__box__cpu_cfs_period_us": "100000"},
            2,
        ),
        ("4:cpuacct,cpu:/\n0::/\n", {"cpu__cpu_cfs_quota_us": "-1", "cpu__cpu_cfs_period_us": "100000"}, 8),
        ("4:cpuset:/\n", {"cpu__cpu_cfs_quota_us": "100000", "cpu__cpu_cfs_period_us": "100000"}, 8),
        ("0::/\n", {"cpu_max": "nonsense\n"}, 8),
        ("0::/\n", {}, 8),
    ],
)
def test_a_quota_limits_the_cores(tmp_path: Path, cgroup: str, files: dict[str, str], expected: int) -> None:
    assert cores(system(tmp_path, cgroup, **files)) == expected


def test_a_system_without_cgroups_has_the_cores_of_its_affinity(tmp_path: Path) -> None:
    assert cores(tmp_path) == 8
