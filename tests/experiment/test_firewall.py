"""What an adapter's access does not grant is not in its process, under either engine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tiny_sweeps import PLUGINS, SHAPES, Tiny, tiny

from dabench.data.splits import choose_shots
from dabench.experiment.access import grant_source, grant_target, grant_test
from dabench.plugins.registry import Registry
from dabench.storage.run_store import RunStore

# Those that may see labels come first: what they were given must be gone when the others search.
CHEATS = ("cheat-full", "careless", "cheat-few-shot", "cheat-unlabelled", "cheat-none")


def cheating_sweep(folder: Path) -> Tiny:
    """Plan a sweep of cheats from bright to pale. Pale is trained on, too, so its labels were in the process before."""
    prepared = tiny(folder, ["none"]).plan.prepared["pale"]
    registry = Registry(entry_points=False)
    registry.load_file(PLUGINS / "cheats.py")
    from_file = registry.find("adapter", "cheat-none").plugin
    assert isinstance(from_file, type)
    checksum = __import__(from_file.__module__).checksum
    options: dict[str, Any] = {"report": str(folder)}
    for split in ("train", "test"):
        options |= {split: checksum(prepared.labels(split)), f"n_{split}": prepared.count(split)}
    tables = []
    for name in CHEATS:
        opened = {"opened": str(prepared.path("test", "labels"))} if name == "careless" else {}
        rows = [f"{key} = {json.dumps(value)}" for key, value in (options | opened).items()]
        tables.append(f"[{name}]\n" + "\n".join(rows))
    return tiny(
        folder,
        ["none", *CHEATS],
        head='pairs = ["bright -> pale"]',
        tables="\n".join(tables),
        plugins=(SHAPES, PLUGINS / "cheats.py"),
        registry=registry,
    )


@pytest.fixture(scope="module", params=["inline", "ray"])
def findings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> dict[str, Any]:
    """What each cheat found and was granted, by its name; and the sweep."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "ray":
        request.getfixturevalue("running_ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        patch.setenv("DABENCH_DATA", str(folder / "raw"))
        sweep = cheating_sweep(folder)
        outcome = sweep.run(folder / "out", request.param)
    assert (outcome.failed, RunStore(folder / "out").failures()) == (0, {})
    return {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in CHEATS} | {"sweep": sweep}


@pytest.mark.parametrize("name", ["cheat-none", "cheat-unlabelled", "cheat-few-shot"])
def test_a_cheat_finds_no_labels_of_its_target(findings: dict[str, Any], name: str) -> None:
    assert findings[name]["found"] == []


def test_the_search_finds_training_labels_where_they_are_granted(findings: dict[str, Any]) -> None:
    assert findings["cheat-full"]["found"] == ["train in memory"]


def test_the_search_finds_test_labels_in_a_file_that_is_open(findings: dict[str, Any]) -> None:
    assert findings["careless"]["found"] == ["test in an open file", "test in memory"]


@pytest.mark.parametrize("name", CHEATS)
def test_the_search_looks_at_the_whole_process(findings: dict[str, Any], name: str) -> None:
    assert findings[name]["looked_at"] > 100_000


def images_of(sweep: Tiny, at: Any = slice(None)) -> str:
    images = sweep.plan.prepared["pale"].samples("train").images
    return hashlib.sha256(images[at].tobytes()).hexdigest()


@pytest.mark.parametrize("name", ["cheat-none", "careless"])
def test_access_none_gets_nothing(findings: dict[str, Any], name: str) -> None:
    assert findings[name]["granted"] == {"unlabelled": None, "shots": None}


def test_access_unlabelled_gets_all_training_images_without_labels_and_groups(findings: dict[str, Any]) -> None:
    images = images_of(findings["sweep"])
    expected = {"unlabelled": {"images": images, "labels": None, "groups": None}, "shots": None}
    assert findings["cheat-unlabelled"]["granted"] == expected


def test_access_few_shot_gets_the_images_and_the_labels_of_the_shots(findings: dict[str, Any]) -> None:
    sweep = findings["sweep"]
    labels = sweep.plan.prepared["pale"].labels("train")
    at = choose_shots(labels, sweep.plan.classes, 3, 0, "pale")
    assert findings["cheat-few-shot"]["granted"] == {
        "unlabelled": {"images": images_of(sweep), "labels": None, "groups": None},
        "shots": {"images": images_of(sweep, at), "labels": labels[at].tolist(), "groups": None},
    }


def test_access_full_gets_every_training_label(findings: dict[str, Any]) -> None:
    labels = findings["sweep"].plan.prepared["pale"].labels("train")
    assert findings["cheat-full"]["granted"]["shots"]["labels"] == labels.tolist()


# The grants themselves


@pytest.fixture
def sweep(tmp_path: Path) -> Tiny:
    return tiny(tmp_path, ["none", "fine-tune", "dann", "maml"])


def test_no_job_names_a_labels_file_but_those_of_its_sources(sweep: Tiny) -> None:
    for run in sweep.plan.runs:
        named = json.dumps(asdict(sweep.plan.job(run)))
        allowed = [str(sweep.plan.prepared[s].path(split, "labels")) for s in run.sources for split in ("train", "val")]
        for path in allowed:
            named = named.replace(path, "")
        assert "labels.npy" not in named


def test_fine_tune_and_maml_get_the_very_same_shots(sweep: Tiny) -> None:
    shots = {
        run.method: target.shots
        for run in sweep.plan.runs
        if (target := sweep.plan.job(run).target) and run.target == "pale" and run.method in ("fine-tune", "maml")
    }
    assert shots["fine-tune"] is not None
    assert shots["fine-tune"] == shots["maml"]


@pytest.mark.parametrize(
    ("access", "keys"),
    [
        ("none", {"name"}),
        ("unlabelled", {"name", "images"}),
        ("few-shot", {"name", "images", "shots"}),
        ("full", {"name", "images", "shots"}),
    ],
)
def test_a_grant_of_a_target_holds_no_more_than_its_access(sweep: Tiny, access: Any, keys: set[str]) -> None:
    grant = asdict(grant_target(sweep.plan.prepared["pale"], access, 3, seed=0))
    assert {key for key, value in grant.items() if value is not None} == keys


def test_few_shots_are_as_many_of_each_class_as_asked(sweep: Tiny) -> None:
    shots = grant_target(sweep.plan.prepared["pale"], "few-shot", 3, seed=0).shots
    assert shots is not None
    assert sorted(shots.labels) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_another_seed_gets_other_shots(sweep: Tiny) -> None:
    one, other = (grant_target(sweep.plan.prepared["pale"], "few-shot", 3, seed=s).shots for s in (0, 1))
    assert one is not None
    assert other is not None
    assert one.at != other.at


def test_a_source_is_granted_its_training_and_validation_split_alone(sweep: Tiny) -> None:
    grant = asdict(grant_source(sweep.plan.prepared["bright"]))
    names = {part: Path(path).name for part, path in grant.items() if part != "name"}
    assert names == {
        "images": "train-images.npy", "labels": "train-labels.npy", "groups": "train-groups.npy",
        "val_images": "val-images.npy", "val_labels": "val-labels.npy",
    }  # fmt: skip


def test_to_be_scored_a_target_gives_its_validation_images_alone(sweep: Tiny) -> None:
    for run in sweep.plan.runs:
        scored = sweep.plan.job(run).scored
        assert set(scored) == ({run.target} if run.target else set(run.tests))
        assert {Path(path).name for path in scored.values()} == {"val-images.npy"}


def test_of_a_test_split_the_images_alone_are_granted(sweep: Tiny) -> None:
    assert Path(grant_test(sweep.plan.prepared["pale"])).name == "test-images.npy"
