"""The sweep that everything happens to: a small one through the real command, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))

from tiny_sweeps import SHAPES, TINY, Tiny, tiny  # noqa: E402

from dabench.storage.run_store import RunStore  # noqa: E402

ADAPTERS = ("none", "fine-tune", "adabn", "coral", "dann", "maml")
WRONG = Path(__file__).parent / "wrong.py"


@dataclass
class Sweep:
    """A small sweep: its file in a folder, its plan, and how it is begun."""

    folder: Path
    planned: Tiny
    plugins: tuple[Path, ...]

    @classmethod
    def made(cls, folder: Path, adapters: Sequence[str] = ADAPTERS, *, seeds: int = 1, steps: int = 24, head: str = "") -> Sweep:
        """Write the sweep's file into `folder` and plan it."""
        folder.mkdir(parents=True, exist_ok=True)
        plugins = (SHAPES, WRONG)
        names = "[" + ", ".join(f'"{a}"' for a in adapters) + "]"
        text = TINY.format(adapters=names, head=head, tables="")
        text = text.replace("seeds = 1", f"seeds = {seeds}").replace("steps = 4", f"steps = {steps}")
        (folder / "sweep.toml").write_text(text.replace("checkpoints = 2", "checkpoints = 6"), encoding="utf-8")
        overrides = [f"train.steps={steps}", "train.checkpoints=6", f"seeds={seeds}"]
        return cls(folder, tiny(folder, adapters, head=head, plugins=plugins, overrides=overrides), plugins)

    def command(self, out: Path, *options: str) -> list[str]:
        """Return the command that does the sweep into a folder."""
        plugins = [word for p in self.plugins for word in ("--plugin", str(p))]
        return [sys.executable, "-m", "dabench", "sweep", str(self.folder / "sweep.toml"), "--out", str(out), *plugins, *options]

    def begin(self, out: Path, *options: str, before: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
        """Begin it, in a session of its own, after the words of another command."""
        return subprocess.Popen(
            [*before, *self.command(out, *options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | environment, start_new_session=True,
        )  # fmt: skip

    def run(self, out: Path, *options: str, before: Sequence[str] = (), **environment: str) -> tuple[int, str]:
        """Do what is missing; return the exit code, and what it said on standard error."""
        process = self.begin(out, *options, before=before, **environment)
        try:
            _, said = process.communicate(timeout=280)
        finally:
            end(process)
        return process.returncode, said

    def results(self, out: Path) -> dict[str, Any]:
        """Return all that is a result of every run that stands: name -> networks, logits, losses and scores, to the bit."""
        store, found = RunStore(out), {}
        for run in self.planned.plan.runs:
            record = store.find(run.digest, self.planned.plan.test_digests(run))
            if record:
                logits = [record.logits(test).tobytes() for test in run.tests]
                facts = [record.facts.losses, record.facts.scores, record.facts.checkpoints, record.facts.steps]
                found[run.name] = (store.network(run.digest).read_bytes(), logits, facts)
        return found


def end(process: subprocess.Popen[str], how: int = signal.SIGKILL) -> None:
    """Send a signal to a process that `begin` began, and to it alone."""
    if process.poll() is None:
        process.send_signal(how)
    if how == signal.SIGKILL:
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
