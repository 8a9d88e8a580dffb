"""What a run says is in its log, by either engine, and nowhere else."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from tiny_sweeps import PLUGINS, SHAPES, tiny

from dabench.execution.logs import original_stderr, run_log
from dabench.storage.run_store import RunStore

SAID = ("printed", "an error", "written", "from C", "from a child")


@pytest.fixture(scope="module", params=["inline", "ray"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> RunStore:
    """A sweep of adapters that talk, done by each engine."""
    if request.param == "ray":
        request.getfixturevalue("running_ray")
    folder = tmp_path_factory.mktemp("logs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        planned = tiny(folder, ["none", "talks", "talks-and-fails"], plugins=(SHAPES, PLUGINS / "talkers.py"))
        planned.run(folder / "out", request.param)
    return RunStore(folder / "out")


@pytest.mark.parametrize("target", ["bright", "pale"])
def test_all_that_a_run_says_is_in_its_log(store: RunStore, target: str) -> None:
    source = {"bright": "pale", "pale": "bright"}[target]
    text = store.log(f"talks_{source}_{target}_s0").read_text()
    assert [what for what in SAID if f"{what} for {target}" not in text] == []


@pytest.mark.parametrize("pair", ["bright_pale", "pale_bright"])
def test_a_warning_is_in_the_log_of_every_run_though_they_share_a_process(store: RunStore, pair: str) -> None:
    assert "UserWarning: a warning" in store.log(f"talks_{pair}_s0").read_text()


def test_a_run_says_nothing_in_the_log_of_another(store: RunStore) -> None:
    text = store.log("talks_bright_pale_s0").read_text()
    assert "for pale" in text
    assert "for bright" not in text


def test_the_log_of_a_run_that_fails_ends_with_where_it_failed(store: RunStore) -> None:
    text = store.log("talks-and-fails_bright_pale_s0").read_text()
    order = ["about to divide", "talkers.py", "ZeroDivisionError: no luck", "-- ended"]
    assert sorted(order, key=text.index) == order


def test_a_log_says_when_and_by_which_process_the_run_was_done(store: RunStore) -> None:
    lines = store.log("supervised_bright_s0").read_text().splitlines()
    assert re.fullmatch(r"-- begun 20\d\d-\d\d-\d\dT[\d:.]+Z, process \d+", lines[0])
    assert re.fullmatch(r"-- ended 20\d\d-\d\d-\d\dT[\d:.]+Z, after [\d.]+ s", lines[-1])


def test_afterwards_the_process_speaks_as_before(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with run_log(tmp_path / "log.txt"):
        print("inside")
        os.write(1, b"below\n")
    print("outside")
    os.write(2, b"beside\n")
    assert capfd.readouterr() == ("outside\n", "beside\n")
    assert [line for line in (tmp_path / "log.txt").read_text().splitlines() if line[0] != "-"] == ["inside", "below"]


def test_a_second_attempt_is_appended(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with run_log(tmp_path / "log.txt"):
            print(word)
    text = (tmp_path / "log.txt").read_text()
    assert text.index("first") < text.index("second")
    assert text.count("-- begun") == 2


def test_progress_is_seen_while_a_log_is_kept(tmp_path: Path) -> None:
    read, write = os.pipe()
    before = os.dup(2)
    os.dup2(write, 2)
    kept, sys.stderr = sys.stderr, open(2, "w", closefd=False)  # noqa: SIM115 - standard error as it is without pytest
    try:
        with original_stderr() as seen, run_log(tmp_path / "log.txt"):
            print("progress", file=seen)
            print("a word of the run", file=sys.stderr)
    finally:
        sys.stderr = kept
        os.dup2(before, 2)
        os.close(before)
        os.close(write)
    assert os.read(read, 1000) == b"progress\n"
    os.close(read)


def test_where_standard_error_is_no_file_it_is_given_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    notebook = io.StringIO()
    monkeypatch.setattr(sys, "stderr", notebook)
    with original_stderr() as seen:
        assert seen is notebook


def test_a_run_goes_on_whose_log_cannot_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("in the way")
    with run_log(tmp_path / "logs" / "run.txt"):
        print("lost")
    print("went on")
    assert capfd.readouterr().out == "went on\n"
