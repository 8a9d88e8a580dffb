"""What a process and its children are at, as Linux tells it in /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

LISTENING = "0A"


def family(pid: int) -> set[int]:
    """Return a process and all that come from it."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            children[int(stat.read_text().rpartition(")")[2].split()[1])].append(int(stat.parent.name))
        except OSError:
            continue
    found = {pid}
    todo = [pid]
    while todo:
        more = children[todo.pop()]
        found.update(more)
        todo += more
    return found


def listening(pids: Iterable[int]) -> set[str]:
    """Return the addresses on which these processes listen, as /proc/net/tcp and tcp6 write them, without the port."""
    sockets = {}
    for file in ("tcp", "tcp6"):
        for line in Path("/proc/net", file).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING:
                sockets[words[9]] = words[1].rpartition(":")[0]
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(sockets.get(target[8:-1], ""))
    return found - {""}
