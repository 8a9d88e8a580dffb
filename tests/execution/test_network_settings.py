"""The table [network] of a sweep from the file to the stored network, which is rebuilt from the job alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tiny_sweeps import tiny

from dabench.data.augment import Augmenter
from dabench.storage.run_store import RunStore
from dabench.training.evaluate import logits
from dabench.training.network import adapter_network, build_network, load_network

TABLE = "[network]\nbottleneck = 6\nmean = [0.25]\nstd = [0.5]"


def test_runs_train_adapt_and_store_the_network_with_its_bottleneck_and_normalisation(tmp_path: Path) -> None:
    sweep = tiny(tmp_path, ["none", "dann", "shot"], head='pairs = ["bright -> pale"]', tables=TABLE)
    outcome = sweep.run(tmp_path / "out")
    assert (outcome.failed, outcome.completed) == (0, len(sweep.plan.runs))
    store = RunStore(tmp_path / "out")
    assert store.read_sweep().sweep.network == {"bottleneck": 6, "mean": [0.25], "std": [0.5]}
    for name in ("dann_bright_pale_s0", "shot_bright_pale_s0"):
        job, file = sweep.plan.job(next(r for r in sweep.plan.runs if r.name == name)), store.network(sweep.digest(name))
        assert load_file(file)["encoder.1.weight"].shape[0] == 6
        backbone = sweep.registry.make("backbone", job.backbone, job.backbone_options)
        adapter = sweep.registry.make("adapter", job.adapter, job.options)
        fresh = build_network(backbone, job.channels, job.size, len(job.classes), settings=job.network)
        net = adapter_network(adapter, fresh)
        load_network(net, file)
        augmenter = Augmenter(job.augment, job.size, job.size, torch.device("cpu"))
        found = logits(net.eval(), np.load(job.tests["pale"]), augmenter, job.test, "fp32")
        record = store.find(job.digest)
        assert record is not None
        np.testing.assert_allclose(found, record.logits("pale")[-1], rtol=1e-4, atol=1e-5)
