"""A prepared cache on s3:// or elsewhere: made once for all mirrors, never used half sent or damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from elsewhere import delete, files_of, put, put_by_key, query_of
from pyarrow import fs
from toys import toy

from dabench.cli import main
from dabench.data.cache import Prepared, problem_of
from dabench.data.prepare import prepare_dataset, reshaped
from dabench.errors import StoreError
from dabench.storage.paths import cache_folder

NOBODY = query_of("127.0.0.1:1")


@pytest.fixture(params=["s3", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A cache on the server, or in a folder that stands for a network file system."""
    if request.param == "file":
        return f"file://{tmp_path}/far/cache"
    return f"s3://key:secret@runs/{tmp_path.name}/cache{request.getfixturevalue('s3')}"


class Machine:
    """A machine with a mirror of its own, which prepares a toy set of raw files that all share."""

    def __init__(self, root: Path, name: str, patch: pytest.MonkeyPatch) -> None:
        self._mirror, self._raw, self._patch = root / f"mirror-{name}", root / "raw", patch
        self._raw.mkdir(exist_ok=True)
        self.dataset = toy()
        self.said: list[str] = []

    def prepare(self, address: str, *, rebuild: bool = False) -> Prepared:
        self._patch.setenv("DABENCH_MIRROR", str(self._mirror))
        self._patch.setenv("DABENCH_CACHE", address)
        self.said.clear()
        return prepare_dataset(self.dataset, self._raw, cache_folder(), rebuild=rebuild, notify=self.said.append)

    @property
    def times(self) -> int:
        return self.dataset.calls  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Machine]:
    return lambda name: Machine(tmp_path, name, monkeypatch)


def test_a_set_made_by_one_machine_is_fetched_by_another(address: str, machine: Callable[[str], Machine]) -> None:
    one, other = machine("one"), machine("other")
    made, fetched = one.prepare(address), other.prepare(address)
    assert (one.times, other.times) == (1, 0)
    assert made.digest == fetched.digest
    assert made.folder != fetched.folder
    assert problem_of(fetched.folder) == ""


def test_what_is_made_of_a_set_is_fetched_too(address: str, machine: Callable[[str], Machine]) -> None:
    one, other = machine("one"), machine("other")
    made = reshaped(one.prepare(address), 3, 4, one.dataset.classes, notify=one.said.append)
    fetched = reshaped(other.prepare(address), 3, 4, other.dataset.classes, notify=other.said.append)
    assert made.digest == fetched.digest
    assert not any("resizing" in line for line in other.said)


def test_what_is_whole_here_is_used_and_nobody_asked(address: str, machine: Callable[[str], Machine]) -> None:
    one, other = machine("one"), machine("other")
    for m in (one, other):
        m.prepare(address)
    for name in files_of(address):
        delete(address, name)
    for m in (one, other):
        m.prepare(address)
        assert m.said == []
    assert files_of(address) == {}
    assert (one.times, other.times) == (1, 0)


def array(address: str) -> str:
    return next(name for name in sorted(files_of(address)) if name.endswith("train-images.npy"))


def test_an_array_damaged_there_is_noticed_made_again_and_sent(address: str, machine: Callable[[str], Machine]) -> None:
    made = machine("one").prepare(address)
    whole = files_of(address)
    put(address, array(address), whole[array(address)][:-1] + b"\xff\xfe")
    other = machine("other")
    assert other.prepare(address).digest == made.digest
    assert other.times == 1
    assert any("is damaged (train-images.npy has changed): making it again" in line for line in other.said)
    assert files_of(address) == whole


@pytest.mark.parametrize("gone", ["prepared.json", "train-labels.npy"])
def test_a_half_sent_set_is_made_again_and_sent(gone: str, address: str, machine: Callable[[str], Machine]) -> None:
    machine("one").prepare(address)
    whole = files_of(address)
    delete(address, next(name for name in whole if name.endswith(gone)))
    other = machine("other")
    other.prepare(address)
    assert other.times == 1
    assert files_of(address) == whole


def test_a_set_damaged_here_is_fetched_again(address: str, machine: Callable[[str], Machine]) -> None:
    one = machine("one")
    made = one.prepare(address)
    made.path("train", "labels").write_bytes(b"")
    assert one.prepare(address).digest == made.digest
    assert one.times == 1
    assert problem_of(made.folder) == ""


def test_a_set_made_again_is_sent_again(address: str, machine: Callable[[str], Machine]) -> None:
    one = machine("one")
    one.prepare(address)
    put(address, array(address), b"old")
    one.prepare(address, rebuild=True)
    assert files_of(address)[array(address)] != b"old"


def test_the_record_of_a_set_is_sent_last(s3: str, machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"s3://key:secret@runs/last/cache{s3}"
    order: list[str] = []
    real = shutil.copyfileobj
    monkeypatch.setattr(shutil, "copyfileobj", lambda a, b, size: (order.append(Path(a.name).name), real(a, b, size)))
    machine("one").prepare(address)
    assert order.count("prepared.json") == 1
    assert order[-1] == "prepared.json"


def test_what_could_not_be_sent_is_kept_said_and_sent_by_the_next_start(s3: str, machine: Callable[[str], Machine]) -> None:
    one, other = machine("one"), machine("other")
    address = f"s3://key:secret@later/cache{s3}"
    made = one.prepare(address)
    assert "will be sent at the next start" in one.said[-1]
    fs.FileSystem.from_uri(address)[0].create_dir("later")  # the bucket
    assert one.prepare(address).digest == other.prepare(address).digest == made.digest
    assert (one.times, other.times) == (1, 0)


def test_a_server_that_nobody_reaches_is_one_line_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DABENCH_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("DABENCH_CACHE", f"s3://key:secret@bucket/cache{NOBODY}")
    assert main(["prepare", "uci-digits"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "s3://bucket/cache: " in line
    assert line.endswith("uci-digits cannot be fetched; try again, or set DABENCH_CACHE to a local folder")


def test_a_cache_at_an_address_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DABENCH_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("DABENCH_CACHE", "nowhere://key:secret@bucket/cache")
    assert main(["prepare", "uci-digits"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere://bucket/cache: is not an address" in line
    assert "secret" not in line


def test_a_name_there_that_leaves_its_folder_is_refused(s3: str, tmp_path: Path, machine: Callable[[str], Machine]) -> None:
    address = f"s3://key:secret@runs/{tmp_path.name}/cache{s3}"
    folder = machine("one").prepare(address).folder.name
    put_by_key(s3, f"{tmp_path.name}/cache/{folder}/../escaped.npy", b"")
    with pytest.raises(StoreError, match="has a name that leads out of its folder"):
        machine("other").prepare(address)
    assert not list(tmp_path.rglob("escaped.npy"))


def test_keys_are_neither_said_nor_written(address: str, tmp_path: Path, machine: Callable[[str], Machine]) -> None:
    one, other = machine("one"), machine("other")
    for m in (one, other):
        m.prepare(address)
        assert m.said
        assert "secret" not in " ".join(m.said)
    written = [p for p in tmp_path.rglob("*") if p.name.startswith("mirror") or "mirror" in str(p.parent)]
    assert not any("secret" in str(p) or (p.is_file() and b"secret" in p.read_bytes()) for p in written)


def test_processes_at_once_are_harmless_with_one_mirror_or_two(s3: str, tmp_path: Path) -> None:
    address = f"s3://key:secret@runs/{tmp_path.name}/cache{s3}"

    def begun(mirror: str) -> subprocess.Popen[str]:
        places = os.environ | {"DABENCH_CACHE": address, "DABENCH_MIRROR": str(tmp_path / mirror)}
        words = [sys.executable, "-m", "dabench", "prepare", "uci-digits"]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=places)

    processes = [begun("one"), begun("one"), begun("other")]
    told = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    out, said = begun("third").communicate()
    assert "preparing" not in said
    assert {text.partition("  cache")[0] for text, _ in told} == {out.partition("  cache")[0]}


def test_a_folder_outside_the_cache_lies_nowhere_else(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"s3://key:secret@runs/{tmp_path.name}/cache{s3}"
    monkeypatch.setenv("DABENCH_CACHE", address)
    prepare_dataset(toy(), tmp_path, tmp_path / "own", notify=lambda line: None)
    assert files_of(address) == {}
