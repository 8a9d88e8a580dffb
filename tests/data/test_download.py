"""Downloads from a server on the loopback: resumed, checked, from the next mirror, and never half a file under its name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from toys import samples

import dabench
from dabench.cli import main
from dabench.data.download import fetch
from dabench.errors import DataError
from dabench.plugins.contract import Dataset, RemoteFile, Samples
from dabench.plugins.registry import REGISTRY, Registry

CONTENT = np.random.default_rng(0).integers(0, 256, 1_000_000, dtype=np.uint8).tobytes()
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])


@dataclass
class Server:
    """What the paths of the loopback server hold, how it behaves, and what was asked for: (path, first byte)."""

    address: str
    holds: dict[str, bytes] = field(default_factory=lambda: {"/good": CONTENT})
    ranges: bool = True
    wrong_part: bool = False
    tells_size: bool = True
    stop_after: int | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    def file(self, *paths: str, **facts: object) -> RemoteFile:
        """Return the file that is expected, at these paths of the server."""
        urls = tuple(self.address + p for p in paths or ("/good",))
        expected = RemoteFile("data.bin", urls, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
        return replace(expected, **facts)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
            here.asked.append((self.path, begin))
            body = here.holds.get(self.path)
            if body is None:
                self.send_error(404)
                return
            part = here.ranges and begin > 0
            if part and begin >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if part else 200)
            if part:
                first = 0 if here.wrong_part else begin
                self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
                body = body[first:]
            if here.tells_size:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if here.stop_after is None else body[: here.stop_after])

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Server(f"http://127.0.0.1:{listening.server_port}")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield here
    listening.shutdown()
    listening.server_close()
    thread.join()


def quiet(line: str) -> None:
    pass


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_a_missing_file_is_brought_whole(server: Server, tmp_path: Path) -> None:
    assert fetch([server.file()], tmp_path / "raw", notify=quiet) == [tmp_path / "raw" / "data.bin"]
    assert (tmp_path / "raw" / "data.bin").read_bytes() == CONTENT
    assert names(tmp_path / "raw") == ["data.bin"]


def test_a_file_that_is_there_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert fetch([server.file()], tmp_path, notify=quiet) == []
    assert server.asked == []


def test_another_file_of_that_name_is_named_and_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(OTHER)
    said: list[str] = []
    assert fetch([server.file()], tmp_path, notify=said.append) == []
    assert [line.partition(" (")[0] for line in said] == [f"{tmp_path / 'data.bin'} is not the published file"]
    assert (tmp_path / "data.bin").read_bytes() == OTHER
    assert server.asked == []


def test_a_file_that_is_there_unpacked_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"unpacked")
    assert fetch([server.file(unpacked="data")], tmp_path, notify=quiet) == []
    assert server.asked == []


def test_a_file_that_is_not_there_unpacked_is_brought(server: Server, tmp_path: Path) -> None:
    assert fetch([server.file(unpacked="data")], tmp_path, notify=quiet) == [tmp_path / "data.bin"]


# A file whose size nobody publishes


def test_without_a_size_the_file_is_brought_whole(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    fetch([server.file(bytes=None)], tmp_path, notify=said.append)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert said == [f"downloading data.bin from {server.address}/good"]


def test_without_a_size_a_truncated_answer_is_noticed_and_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.stop_after = 300_000
    with pytest.raises(DataError, match=r"ended after 300,000 of 1,000,000 bytes"):
        fetch([server.file(bytes=None)], tmp_path, notify=quiet)
    server.stop_after = None
    fetch([server.file(bytes=None)], tmp_path, notify=quiet)
    assert server.asked == [("/good", 0), ("/good", 300_000)]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_without_a_size_a_part_that_is_whole_becomes_the_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    fetch([server.file(bytes=None)], tmp_path, notify=quiet)
    assert names(tmp_path) == ["data.bin"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_without_a_size_a_rotten_part_is_brought_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * 1_000_001)
    fetch([server.file(bytes=None)], tmp_path, notify=quiet)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_without_a_size_a_server_that_tells_none_is_refused_and_the_part_kept(server: Server, tmp_path: Path) -> None:
    server.tells_size = False
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:500])
    with pytest.raises(DataError, match="does not say how many bytes the file has"):
        fetch([server.file(bytes=None)], tmp_path, notify=quiet)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:500]


def test_a_truncated_answer_is_kept_and_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.stop_after = 300_000
    with pytest.raises(
        DataError, match=r"ended after 300,000 of 1,000,000 bytes\); try again \(the download resumes where it stopped\)"
    ):
        fetch([server.file()], tmp_path, notify=quiet)
    assert names(tmp_path) == ["data.bin.part"]
    server.stop_after = None
    fetch([server.file()], tmp_path, notify=quiet)
    assert server.asked == [("/good", 0), ("/good", 300_000)]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_stopped_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch([server.file()], tmp_path, notify=quiet, progress=stop)
    kept = (tmp_path / "data.bin.part").stat().st_size
    fetch([server.file()], tmp_path, notify=quiet)
    assert server.asked[-1] == ("/good", kept) != ("/good", 0)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_the_next_mirror_goes_on_where_the_first_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:500])
    fetch([server.file("/gone", "/good")], tmp_path, notify=quiet)
    assert server.asked == [("/gone", 500), ("/good", 500)]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_without_ranges_it_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:500])
    fetch([server.file()], tmp_path, notify=quiet)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_an_answer_with_another_part_is_refused(server: Server, tmp_path: Path) -> None:
    server.wrong_part = True
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:500])
    with pytest.raises(DataError, match="sent another part of the file than the requested one"):
        fetch([server.file()], tmp_path, notify=quiet)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:500]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (OTHER, "delivered a file with another sha256, which was deleted"),
        (CONTENT + b"x", "sent more than the expected 1,000,000 bytes"),
        (CONTENT[:99], "ended after 99 of 1,000,000 bytes"),
    ],
    ids=["changed", "longer", "shorter"],
)
def test_a_mirror_with_another_file_is_refused_and_the_next_tried(
    server: Server, tmp_path: Path, content: bytes, reason: str
) -> None:
    server.holds["/bad"] = content
    said: list[str] = []
    fetch([server.file("/bad", "/good")], tmp_path, notify=said.append)
    assert any(reason in line for line in said)
    assert names(tmp_path) == ["data.bin"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.holds["/good"] = OTHER
    with pytest.raises(DataError, match="delivered a file with another sha256, which was deleted"):
        fetch([server.file()], tmp_path, notify=quiet)
    assert names(tmp_path) == []


def test_a_rotten_beginning_is_thrown_away_and_the_file_brought_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * 500)
    fetch([server.file()], tmp_path, notify=quiet)
    assert server.asked == [("/good", 500), ("/good", 0)]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [1_000_000, 1_000_001])
def test_a_rotten_part_of_full_size_or_more_is_brought_anew(server: Server, tmp_path: Path, size: int) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * size)
    fetch([server.file()], tmp_path, notify=quiet)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_when_no_mirror_gives_it_the_steps_are_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        fetch([server.file("/gone", "/lost")], tmp_path / "raw", notify=quiet)
    text = str(caught.value)
    assert text.count("answered 404") == 2
    assert f"put the file with sha256 {hashlib.sha256(CONTENT).hexdigest()} into {tmp_path / 'raw'} yourself" in text
    assert "\n" not in text


def test_a_server_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/x: .*refused"):
        fetch([RemoteFile("data.bin", ("http://127.0.0.1:9/x",), "0" * 64, 1)], tmp_path, notify=quiet)


def test_only_http_is_opened(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    with pytest.raises(DataError, match="is not an http or https address"):
        fetch([RemoteFile("data.bin", (f"file://{tmp_path}/x",), "0" * 64, 1)], tmp_path / "raw", notify=quiet)


@pytest.mark.parametrize("facts", [{"name": "../x"}, {"name": ""}, {"name": "/x"}, {"name": "a\\b"}, {"sha256": "ABC"}])
def test_a_file_described_wrongly_is_refused_before_anything(server: Server, tmp_path: Path, facts: Mapping[str, object]) -> None:
    with pytest.raises(DataError, match="must have a name without folders and a sha256 of 64 lower-case hex digits"):
        fetch([server.file(**facts)], tmp_path, notify=quiet)  # type: ignore[arg-type]
    assert server.asked == []


def test_a_folder_that_cannot_be_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written .* or give another folder with --raw"):
        fetch([server.file()], tmp_path / "file", notify=quiet)


def test_progress_counts_to_the_end_and_from_where_it_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:900_000])
    seen: list[tuple[str, int, int]] = []
    fetch([server.file()], tmp_path, notify=quiet, progress=lambda *now: seen.append(now))
    assert seen[0][1] > 900_000
    assert seen[-1] == ("data.bin", 1_000_000, 1_000_000)


# dabench prepare


class Online(Dataset):
    """A set whose one file may be downloaded."""

    name, title, classes = "online", "a set to download", ("a", "b")

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        first = (raw / "data.bin").read_bytes()[0]
        return {"train": samples([0, 1] * 20, first), "test": samples([0, 1] * 4, first + 1)}


@pytest.mark.usefixtures("registry_restored")
def test_prepare_downloads_what_is_missing_once(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    REGISTRY.register(type("Here", (Online,), {"files": (server.file(),), "__module__": __name__}))
    for _ in range(2):
        assert main(["prepare", "online", "--data", str(tmp_path)]) == 0
    assert server.asked == [("/good", 0)]
    assert (tmp_path / "online" / "data.bin").is_file()
    assert "downloading data.bin (1,000,000 bytes) from http://127.0.0.1" in capsys.readouterr().err


@pytest.mark.usefixtures("registry_restored")
def test_show_names_what_is_downloaded(server: Server) -> None:
    REGISTRY.register(type("Here", (Online,), {"files": (server.file(),), "__module__": __name__}))
    assert dabench.show("dataset", "online")["files"] == ["data.bin (1,000,000 bytes), downloaded by dabench prepare"]


def test_a_set_that_may_not_be_downloaded_prints_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "fer2013", "--data", str(tmp_path)]) == 2
    assert "Download FER2013 from its page" in capsys.readouterr().err


DOWNLOADED = [e.name for e in Registry(entry_points=False).entries("dataset") if e.make().files]  # type: ignore[attr-defined]


def test_the_digits_may_be_downloaded() -> None:
    assert {"mnist", "mnist-t10k", "svhn", "usps"} <= set(DOWNLOADED)


@pytest.fixture(params=DOWNLOADED)
def online(request: pytest.FixtureRequest, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """One of our own sets whose files, made up, lie on the server, but not where the first address says."""
    dataset: Dataset = REGISTRY.make("dataset", request.param)
    dataset.make_synthetic(tmp_path / "made-up", 10, 0)
    held = {f.name: (tmp_path / "made-up" / f.name).read_bytes() for f in dataset.files}
    server.holds = {f"/good/{name}": content for name, content in held.items()}
    files = tuple(
        replace(
            f,
            urls=(f"{server.address}/gone/{f.name}", f"{server.address}/good/{f.name}"),
            sha256=hashlib.sha256(held[f.name]).hexdigest(),
            bytes=None if f.bytes is None else len(held[f.name]),
        )
        for f in dataset.files
    )
    monkeypatch.setattr(type(dataset), "files", files)
    monkeypatch.setattr(type(dataset), "counts", {})
    return dataset


def test_prepare_brings_a_set_from_its_mirror_goes_on_where_it_stopped_and_asks_no_more(
    online: Dataset, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["prepare", online.name, "--data", str(tmp_path / "data")]
    raw = online.raw_in(tmp_path / "data")
    first = online.files[0].name
    server.stop_after = 100
    assert main(command) == 2
    assert names(raw) == [f"{first}.part"]
    assert "try again (the download resumes where it stopped)" in capsys.readouterr().err
    server.stop_after = None
    assert main(command) == 0
    assert (f"/good/{first}", 100) in server.asked
    assert names(raw) == sorted(f.name for f in online.files)
    asked = len(server.asked)
    assert main(command) == 0
    assert len(server.asked) == asked
    assert f"{online.name}: " in capsys.readouterr().out


def test_prepare_leaves_nothing_where_every_mirror_of_a_set_has_another_file(
    online: Dataset, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.holds = {path: bytes(len(content)) for path, content in server.holds.items()}
    assert main(["prepare", online.name, "--data", str(tmp_path / "data")]) == 2
    assert "delivered a file with another sha256, which was deleted" in capsys.readouterr().err
    assert names(online.raw_in(tmp_path / "data")) == []
