"""Output folders on s3:// and elsewhere: sent as they are done, fetched by a start, never read half-sent."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from elsewhere import delete, files_of, put, put_by_key
from fabricated import two_sets
from tiny_sweeps import SHAPES, TINY

import dabench
from dabench.analysis.matrix import read_matrix
from dabench.cli import main
from dabench.reporting.formats import to_json
from dabench.storage.mirror import OutputMirror
from dabench.storage.remote_fs import is_remote, shown


@pytest.fixture(autouse=True)
def _mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DABENCH_MIRROR", str(tmp_path / "mirror"))


@pytest.fixture(params=["s3", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An output folder on the server, or in a folder that stands for a network file system."""
    if request.param == "file":
        return f"file://{tmp_path}/far/out"
    query = request.getfixturevalue("s3")
    return f"s3://key:secret@runs/{tmp_path.name}/out{query}"


def sent(address: str) -> OutputMirror:
    """Send a made-up sweep to an address and forget the mirror."""
    far = OutputMirror(address)
    two_sets().write(far.store.folder)
    far.heads()
    far.send("runs")
    far.close()
    return far


def test_an_address_is_told_from_a_path() -> None:
    assert [is_remote(p) for p in ("s3://b/x", "file:///x", "runs/quick", "/x", "C:/x", Path("s3:/b"))] == [
        True,
        True,
        *[False] * 4,
    ]


@pytest.mark.parametrize(
    ("address", "without"),
    [
        ("s3://key:secret@bucket/runs?endpoint_override=x", "s3://bucket/runs"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("s3://key:se@cret@bucket/a@b", "s3://bucket/a@b"),
        ("s3://key:se/cr?et@bucket/a", "s3://bucket/a"),
        ("hdfs://host:8020/user/a@b", "hdfs://host:8020/user/a@b"),
    ],
)
def test_keys_in_an_address_are_not_shown(address: str, without: str) -> None:
    assert shown(address) == without


@pytest.mark.parametrize(
    "bad", ["nowhere://key:secret@x/y", "s3://key:secret@/x", "s3://key:se/secret@x/y", "s3://key:secret@x/%zz"]
)
def test_keys_in_an_address_that_is_none_are_not_shown(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", bad]) == 2
    said = capsys.readouterr().err
    assert "is not an address" in said
    assert "secret" not in said


def test_what_is_sent_and_fetched_gives_the_same_report(address: str, tmp_path: Path) -> None:
    far = sent(address)
    here = to_json(read_matrix(far.store))
    shutil.rmtree(far.store.folder)
    again = OutputMirror(address)
    again.fetch(networks=True)
    assert to_json(read_matrix(again.store)) == here
    assert len(list(again.store.runs.glob("*/network.safetensors"))) == len(list(again.store.runs.iterdir()))


def test_a_report_fetches_no_networks_and_is_sent(address: str) -> None:
    far = sent(address)
    shutil.rmtree(far.store.folder)
    matrix = dabench.report(address)
    assert not matrix.missing
    assert not list(far.store.runs.glob("*/network.safetensors"))
    assert files_of(address)["report/results.json"] == to_json(matrix).encode()


def test_a_run_without_its_record_was_never_whole(address: str) -> None:
    far = sent(address)
    (folder,) = far.store.runs.glob("adabn_print_hand_s0-*")
    delete(address, f"runs/{folder.name}/run.json")
    shutil.rmtree(far.store.folder)
    assert dabench.report(address, write=False).missing == ["adabn_print_hand_s0"]


def test_a_torn_file_is_noticed(address: str) -> None:
    far = sent(address)
    (folder,) = far.store.runs.glob("adabn_print_hand_s0-*")
    name = f"runs/{folder.name}/logits-hand.npy"
    put(address, name, files_of(address)[name][:-7])
    shutil.rmtree(far.store.folder)
    assert dabench.report(address, write=False).missing == ["adabn_print_hand_s0"]


def test_what_the_mirror_alone_has_is_sent_by_the_next_start(address: str) -> None:
    far = sent(address)
    (folder,) = far.store.runs.glob("adabn_print_hand_s0-*")
    delete(address, f"runs/{folder.name}/run.json")
    again = OutputMirror(address)
    again.fetch(networks=True)
    again.close()
    assert f"runs/{folder.name}/run.json" in files_of(address)


def test_the_record_of_a_run_is_sent_last(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    far = OutputMirror(address)
    two_sets().write(far.store.folder)
    real = shutil.copyfileobj
    monkeypatch.setattr(shutil, "copyfileobj", lambda source, to, size: (order.append(source.name), real(source, to, size)))
    for folder in far.store.runs.iterdir():
        far._send(f"runs/{folder.name}")
    records = [i for i, name in enumerate(order) if name.endswith("run.json")]
    assert len(records) == len(list(far.store.runs.iterdir()))
    between = [order[a + 1 : b + 1] for a, b in zip([-1, *records], records, strict=False)]
    assert all({Path(name).parent for name in names} == {Path(names[-1]).parent} for names in between)


@pytest.mark.parametrize("bad", ["nowhere://x/y", "s3:///x"])
def test_an_address_that_is_none_is_one_line(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", bad]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("variable", ["DABENCH_DATA", "DABENCH_MIRROR"])
def test_raw_data_or_a_mirror_elsewhere_is_refused_in_one_line(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "s3://key:secret@bucket/x")
    assert main(["report", "s3://bucket/y"] if variable == "DABENCH_MIRROR" else ["prepare", "uci-digits"]) == 2
    assert f"{variable} = s3://bucket/x: must be a folder" in capsys.readouterr().err


def test_a_name_there_that_leaves_its_folder_is_refused(s3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"s3://key:secret@runs/{tmp_path.name}/out{s3}"
    sent(address)
    put_by_key(s3, f"{tmp_path.name}/out/runs/../../../escaped/run.json", b"{}")
    assert main(["report", address]) == 2
    assert "has a name that leads out of its folder" in capsys.readouterr().err
    assert not list(tmp_path.rglob("escaped"))


def test_an_address_without_a_sweep_is_one_line(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", address]) == 2
    assert "is not a results folder" in capsys.readouterr().err


@pytest.mark.usefixtures("registry_restored")
@pytest.mark.slow
def test_a_sweep_killed_while_it_sends_goes_on_to_the_same_result(s3: str, tmp_path: Path) -> None:
    address = f"s3://key:secret@runs/{tmp_path.name}/killed{s3}"
    file = tmp_path / "tiny.toml"
    file.write_text(TINY.format(adapters='["none", "fine-tune"]', head="", tables=""), encoding="utf-8")
    words = ["sweep", str(file), "--plugin", str(SHAPES), "--engine", "inline", "--out", address]
    killed = subprocess.Popen([sys.executable, "-m", "dabench", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(name.endswith(".safetensors") for name in files_of(address)) and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    kept = [path for path in (tmp_path / "mirror").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"key:secret" in path.read_bytes() for path in kept)
    shutil.rmtree(tmp_path / "mirror")  # another machine goes on
    matrices = [dabench.sweep(file, plugins=[SHAPES], engine="inline", out=o, quiet=True) for o in (address, tmp_path / "whole")]
    assert to_json(matrices[0]) == to_json(matrices[1])
    assert files_of(address)["report/results.json"] == to_json(matrices[1]).encode()
    shutil.rmtree(tmp_path / "mirror")
    assert not dabench.report(address, write=False).missing
