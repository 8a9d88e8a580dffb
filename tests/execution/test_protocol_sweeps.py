"""The bundled sweeps of the protocols that papers use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dabench.analysis.baselines import committed_tables, read_baseline
from dabench.cli import main
from dabench.datasets.office_31 import Office31
from dabench.experiment.config import Sweep
from dabench.experiment.sweep_file import bundled_sweeps, read_sweep
from dabench.plugins.registry import REGISTRY, Registry

TRANSDUCTIVE = ("office-31", "office-home", "visda-2017", "pacs-pretrained")
NAMES = (*TRANSDUCTIVE, "domainnet", "digits-5")
SEVERAL = ("domainnet", "digits-5")
NOT_RUN = tuple(name for name in NAMES if name != "pacs-pretrained")


def read(name: str) -> Sweep:
    """Return a bundled sweep; the package with the weights of pacs-pretrained need not be installed."""
    overrides = ['"timm/tf_efficientnet_lite0".weights=""'] if name == "pacs-pretrained" else []
    return read_sweep(bundled_sweeps()[name], overrides, Registry(entry_points=False)).sweep


def head(name: str) -> str:
    """Return the header of a sweep file as one line."""
    text = bundled_sweeps()[name].read_text(encoding="utf-8").partition("\nname = ")[0]
    return " ".join(line.removeprefix("#").strip() for line in text.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_the_methods_of_the_papers_are_swept(name: str) -> None:
    several = ["m3sda"] if name in SEVERAL else []
    longest = ["mdd"] if name != "pacs-pretrained" else []  # which two CPU cores can run
    assert list(read(name).adapters) == ["none", "augmented", "dann", "cdan", *longest, "mcc", "shot", *several]


@pytest.mark.parametrize("name", NAMES)
def test_a_target_is_tested_on_the_images_of_its_protocol(name: str) -> None:
    assert read(name).transductive == (name in TRANSDUCTIVE)


@pytest.mark.parametrize("name", NOT_RUN)
def test_the_header_says_that_it_was_not_run_in_full(name: str) -> None:
    assert "not run in full here" in head(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_what_differs(name: str) -> None:
    assert "Differs: " in head(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_header_names_the_published_tables_of_its_datasets(name: str) -> None:
    family = "pacs" if name == "pacs-pretrained" else name
    named = set(re.findall(rf"\b{family}-[a-z0-9-]+\b", head(name).partition("Published: ")[2]))
    published = {table for table, file in committed_tables().items() if file.suffix == ".toml"}
    assert named == {table for table in published if table.startswith(f"{family}-")}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("pacs-pretrained", "digits-5")])
def test_a_published_table_has_the_network_of_the_sweep(name: str) -> None:
    tables = [read_baseline(table) for table in committed_tables() if table.startswith(f"{name}-")]
    assert {cell["backbone"] for table in tables for cell in table["cells"]} == {read(name).backbone}


@pytest.mark.slow
def test_office_31_runs_from_images_to_gains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Office31, "domains", {domain: {} for domain in Office31.domains})  # the real numbers of images
    for seed, domain in enumerate(Office31.domains):
        REGISTRY.make("dataset", f"office-31/{domain}").make_synthetic(tmp_path / "data" / "office-31", 5, seed)
    small = {
        **{f'dataset."office-31/{domain}".size': 32 for domain in Office31.domains},
        "size": 32, "augment.crop": 28, "backbone": "conv4", "pretrained": "false", "seeds": 1, "network.bottleneck": 16,
        "train.steps": 3, "train.batch": 16, "train.checkpoints": 1, "train.device": "cpu", "train.precision": "fp32",
    }  # fmt: skip
    settings = [word for key, value in small.items() for word in ("--set", f"{key}={value}")]
    out = tmp_path / "out"
    assert main(["sweep", "office-31", "--data", str(tmp_path / "data"), "--out", str(out), "--engine", "inline", *settings]) == 0
    results = json.loads((out / "report" / "results.json").read_text())
    assert results["complete"]
    tasks = {(gain["adapter"], *gain["sources"], gain["target"]) for gain in results["gains"]}
    domains = {f"office-31/{domain}" for domain in ("amazon", "dslr", "webcam")}
    methods = ("augmented", "dann", "cdan", "mdd", "mcc", "shot")
    assert tasks >= {(m, s, t) for m in methods for s in domains for t in domains - {s}}
    assert all(0 <= cell["mean"] <= 100 for cell in results["cells"])
    assert "Published results on these tasks with other networks" in (out / "report" / "matrix.md").read_text()
