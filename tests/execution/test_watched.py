"""A sweep that is really run, and what is left to look at: lines, logs, TensorBoard, status, and what to do next."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tiny_sweeps import PLUGINS, SHAPES, TINY

import dabench
from dabench.cli import main

pytestmark = pytest.mark.usefixtures("registry_restored")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command of a sweep of which one run fails."""
    monkeypatch.chdir(tmp_path)
    head = 'pairs = ["bright -> pale"]'
    (tmp_path / "tiny.toml").write_text(TINY.format(adapters='["none", "talks-and-fails"]', head=head, tables=""))
    return ["sweep", "tiny.toml", "--plugin", str(SHAPES), "--plugin", str(PLUGINS / "talkers.py"), "--engine", "inline"]


def test_everything_that_can_be_watched_is_there(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--log-json", "log.jsonl", "--tensorboard"]) == 1
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    happened = [line["event"] for line in lines]
    assert (happened[0], happened[-1]) == ("sweep-started", "sweep-ended")
    assert sorted(happened[1:-1]) == ["done"] * 4 + ["failed"] + ["started"] * 5
    assert lines[-1]["counts"] == {"runs": 5, "complete": 4, "running": 0, "failed": 1, "pending": 0}
    assert "failed talks-and-fails_bright_pale_s0: ZeroDivisionError: no luck (log: runs/tiny/logs/talks-and-fails_b" in err
    assert "about to divide" not in out + err
    assert len(list((tmp_path / "runs/tiny/tensorboard").iterdir())) == 4
    assert "tensorboard --logdir runs/tiny/tensorboard" in out

    found = dabench.status("runs/tiny")
    assert (found.state, found.complete, found.failed, found.pending) == ("ended", 4, 1, 0)
    assert found.failures[0].tail[-2] == "ZeroDivisionError: no luck"
    assert found.resume_command in out


def test_with_lines_on_standard_output_nothing_else_is_there(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*command, "--log-json", "-"])
    out, err = capsys.readouterr()
    assert [json.loads(line)["event"] for line in out.splitlines()][-1] == "sweep-ended"
    assert "Report: runs/tiny/report/index.html" in err


def test_a_stopped_sweep_is_known_as_stopped(command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "stops.py").write_text(
        "from dabench import Adapter\nclass Stops(Adapter):\n    name = 'stops'\n"
        "    def adapt(self, net, sources, target, trainer):\n        raise KeyboardInterrupt\n"
    )
    assert main([*command, "--plugin", "stops.py", "--set", 'adapters=["none", "stops"]']) == 1
    found = dabench.status("runs/tiny")
    assert (found.state, found.complete, found.pending, found.active) == ("stopped", 4, 1, ())
    assert f"Continue with: {found.resume_command}" in capsys.readouterr().err


def test_how_a_sweep_is_run_is_part_of_the_command_that_goes_on(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*command, "--cpus-per-run", "0.5", "--max-parallel", "1"])
    assert dabench.status("runs/tiny").resume_command.endswith("--engine inline --cpus-per-run 0.5 --max-parallel 1")


def test_a_plan_tells_time_of_the_cores_memory_and_disk(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--plan", "--set", 'adapters=["none"]']) == 0
    time, memory, disk, intervals = capsys.readouterr().out.splitlines()[-4:]
    assert intervals.startswith("intervals of 1 seed: ")
    assert time.startswith("time: about ")
    assert time.endswith("of core time (cores per run: 1)")
    assert re.fullmatch(r"memory: [0-9.]+ [MG]B per run", memory)
    assert re.fullmatch(r"disk: [0-9.]+ [MG]B", disk)
