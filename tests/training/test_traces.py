"""A sweep on Ray listens on loopback alone, and leaves no process and no folder behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from processes import family, listening
from tiny_sweeps import SHAPES, TINY

from dabench.cli import main
from dabench.execution.options import ExecutionOptions

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="reads /proc, which Linux alone has")
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same in IPv6, and ::1."""


def begun(folder: Path, temporary: Path, steps: int) -> subprocess.Popen[str]:
    """Begin a sweep on Ray in a process of its own that has its temporary files in `temporary`."""
    file = folder / "tiny.toml"
    text = TINY.format(adapters='["none", "adabn"]', head="", tables="")
    file.write_text(text.replace("steps = 4", f"steps = {steps}"), encoding="utf-8")
    words = ["sweep", str(file), "--plugin", str(SHAPES), "--out", str(folder / "runs")]
    return subprocess.Popen(
        [sys.executable, "-m", "dabench", *words], env=os.environ | {"TMPDIR": str(temporary)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


@pytest.mark.slow
@pytest.mark.parametrize("interrupted", [False, True], ids=["ended", "Ctrl-C"])
def test_a_sweep_listens_on_loopback_alone_and_leaves_nothing(tmp_path: Path, interrupted: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="t-") as temporary:
        sweep = begun(tmp_path, Path(temporary), 2000 if interrupted else 40)
        addresses, pids = set[str](), set[int]()
        while sweep.poll() is None:
            pids |= family(sweep.pid)
            addresses |= listening(family(sweep.pid))
            if interrupted and list((tmp_path / "runs" / "logs").glob("*.txt")):
                sweep.send_signal(signal.SIGINT)
                interrupted = False
            time.sleep(0.5)
        said = sweep.communicate()[0]
        assert sweep.returncode in (0, 1), said
        assert len(pids) > 4, said  # Ray was there
        assert addresses
        assert addresses <= LOOPBACK
        end = time.monotonic() + 20
        while alive(pids) and time.monotonic() < end:
            time.sleep(0.1)
        assert not alive(pids)
        # torch makes an empty folder for its compiler, one for each user, whatever is done with it.
        assert [name for name in os.listdir(temporary) if not name.startswith("torchinductor_")] == []


def test_a_ray_client_address_is_one_line_that_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dabench.errors import SpecError
    from dabench.execution.ray import cluster

    with pytest.raises(SpecError, match=r"--address ray://h:1: is the address of a Ray client; use HOST:PORT"):
        cluster._join("ray://h:1")
    assert ExecutionOptions().address is None
    assert main(["sweep", "nowhere", "--address", "ray://h:1"]) == 2


ENVIRONMENT = """
import os
before = dict(os.environ)
from dabench.execution.ray import engine
from dabench.execution.ray.cluster import quiet
print("changed by the import", sorted(dict(os.environ).items() ^ before.items()))
with quiet():
    print("set meanwhile", os.environ["TUNE_DISABLE_SIGINT_HANDLER"])
print("left behind", sorted(dict(os.environ).items() ^ before.items()))
"""


def test_the_engine_changes_no_environment_variable_but_while_it_works() -> None:
    done = subprocess.run([sys.executable, "-c", ENVIRONMENT], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines() == ["changed by the import []", "set meanwhile 1", "left behind []"]
