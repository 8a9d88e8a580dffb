"""Python code in a process of its own that may not take more memory than a test allows it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIMIT = '''
def limit(megabytes):
    """Let this process take so many more bytes than it holds now: its heap, and whatever it maps for itself to write."""
    import resource
    from pathlib import Path

    (held,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:")]
    most = int(held) * 1024 + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
'''

needs_limits = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts what a process maps to write")


def run_limited(code: str, *words: object) -> str:
    """Run `code`, which may call limit(megabytes), with `words` as sys.argv[1:]; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LIMIT + code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
