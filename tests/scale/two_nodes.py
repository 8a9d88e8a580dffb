"""A sweep over two Ray nodes on one machine, one of which is killed in the middle of a run: complete, equal to the undisturbed.

    make scale
    python tests/scale/two_nodes.py

Each node has a cache and a folder of its own, and the second is told that it does not see the driver's disk (DABENCH_NODE): all
that it opens and finishes goes through Ray. One core each. What one machine cannot show: two clocks, a slow network.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))


def logs_on(node: Path) -> set[str]:
    """Return the names of the runs that a node without the driver's disk has in hand."""
    return {path.name for path in node.glob("dabench-node-*/logs/*.txt")}


class Killer(threading.Thread):
    """Ends the second node's processes in the middle of the second run that it is seen with."""

    def __init__(self, cluster: Any, node: Any, folder: Path) -> None:
        super().__init__(daemon=True)
        self.cluster, self.node, self.folder = cluster, node, folder
        self.seen: set[str] = set()
        self.killed = ""

    def run(self) -> None:
        while not self.killed:
            new = logs_on(self.folder) - self.seen
            if new and self.seen:
                self.cluster.remove_node(self.node, allow_graceful=False)
                self.killed = min(new)
            self.seen |= new
            time.sleep(0.005)


def main(folder: Path) -> bool:
    """Do the sweep twice in `folder`, print what came of it, and return whether all is as it must be."""
    os.environ["DABENCH_CACHE"] = str(folder / "driver-cache")
    os.environ["DABENCH_DATA"] = str(folder / "raw")
    os.environ["OMP_NUM_THREADS"] = "1"
    from tiny_sweeps import identical, stored_logits, tiny

    from dabench.execution.ray.nodes import (  # before Ray: it sets what Ray reads when it is imported
        granted_files,
        prepared_files,
    )
    from dabench.storage.run_store import RunStore

    warnings.simplefilter("ignore")
    from ray.cluster_utils import Cluster

    (folder / "node").mkdir()
    sweep = tiny(folder, ["none", "fine-tune"], overrides=["seeds=3", "train.steps=40"])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    own = {"DABENCH_CACHE": str(folder / "node-cache"), "DABENCH_NODE": str(folder / "node")}
    node = cluster.add_node(num_cpus=1, env_vars=own)
    killer = Killer(cluster, node, folder / "node")
    killer.start()
    store = RunStore(folder / "two")
    began = time.perf_counter()
    outcome = sweep.run(store.folder, "ray", address=cluster.address, retries=2)
    seconds = time.perf_counter() - began
    cluster.shutdown()
    sweep.run(folder / "one")
    brought = {p.stem for p in (folder / "node-cache" / "granted").glob("*.npy")}
    known = prepared_files(sweep.plan)
    granted = {sha for run in sweep.plan.runs for sha in granted_files(sweep.plan.job(run), known).values()}
    equal = identical(stored_logits(sweep, folder / "two"), stored_logits(sweep, folder / "one"))
    whole = (outcome.completed, outcome.failed, outcome.interrupted) == (len(sweep.plan.runs), 0, False)
    print("| runs | on the second node | killed during | files copied to it | complete | equal to undisturbed | s |")
    print("|---:|---:|---|---:|---|---|---:|")
    words = " | ".join("yes" if right else "NO" for right in (whole, equal))
    files = f"{len(brought & granted)} of {len(granted)}, {len(brought - granted)} other files"
    print(f"| {len(sweep.plan.runs)} | {len(killer.seen)} runs | {killer.killed} | {files} | {words} | {seconds:.0f} |")
    if not whole:
        print(outcome, store.failures())
    return whole and equal and bool(killer.killed) and len(brought) > 5 and brought <= granted


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="two-nodes-") as place:
        sys.exit(0 if main(Path(place)) else 1)
