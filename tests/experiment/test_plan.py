"""A sweep expanded to runs: which, how often, and what identifies them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from toys import adapter, even, samples, toy

from dabench.errors import DataError, SpecError
from dabench.experiment import plan as plan_module
from dabench.experiment import planner as planning
from dabench.experiment.plan import Plan
from dabench.experiment.planner import make_plan
from dabench.experiment.resolve import make_adapter, make_backbone
from dabench.experiment.validation import sweep_from
from dabench.hashing import digest
from dabench.plugins import code_hash
from dabench.plugins.contract import FACES, SOURCE_ONLY, SUPERVISED, Augment, Dataset, Samples
from dabench.plugins.registry import Registry
from dabench.storage.schema import Run
from dabench.training.settings import NetworkConfig

BASE: dict[str, Any] = {"name": "try", "datasets": ["x", "y"], "adapters": ["none"], "backbone": "conv4", "seeds": 2, "shots": 3}

MakePlan = Callable[..., Plan]


def keep(self: Any, net: Any, *rest: Any) -> Any:
    return net


def data(seed: int, train: Sequence[int] = even(20), test: Sequence[int] = even(10), **how: Any) -> dict[str, Samples]:
    return {"train": samples(train, seed, **how), "test": samples(test, seed + 100, **how)}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePlan:
    """A function that plans a sweep over toy datasets x, y, z, or those given, with BASE changed as given."""
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))

    def make(*datasets: Dataset, **changes: Any) -> Plan:
        registry = Registry(entry_points=False)
        for dataset in datasets or [toy(name, data(n)) for n, name in enumerate("xyz")]:
            registry.register(dataset)
        registry.register(adapter("own", pretrain=keep, adapt=keep, access="few-shot"))
        registry.register(adapter("all", adapt=keep, access="full"))
        registry.register(adapter("images", adapt=keep, access="unlabelled"))
        return make_plan(sweep_from(BASE | changes, registry), registry, tmp_path / "raw", lambda _: None)

    return make


def found(plan: Plan, method: str, source: str = "x", target: str | None = "y", seed: int = 0) -> Run:
    (run,) = [r for r in plan.runs if (r.method, r.sources, r.target, r.seed) == (method, (source,), target, seed)]
    return run


def digests(plan: Plan) -> dict[str, str]:
    return {r.name: r.digest for r in plan.runs}


def changed(one: Plan, two: Plan) -> set[str]:
    """Names of the runs in both plans whose digest differs."""
    old, new = digests(one), digests(two)
    assert set(old) == set(new)
    return {name for name in old if old[name] != new[name]}


# Which runs


def test_none_needs_only_one_pretraining_for_each_dataset_and_seed(plan: MakePlan) -> None:
    runs = plan().runs
    assert [(r.method, r.sources, r.target, r.seed) for r in runs] == [
        (SUPERVISED, ("x",), None, 0),
        (SUPERVISED, ("y",), None, 0),
        (SUPERVISED, ("x",), None, 1),
        (SUPERVISED, ("y",), None, 1),
    ]


@pytest.mark.parametrize(
    ("adapters", "datasets", "seeds", "runs"),
    [
        (["none"], ["x"], 3, 3),
        (["none", "fine-tune"], ["x", "y"], 2, 4 + 4 + 4),
        (["none", "fine-tune", "dann"], ["x", "y"], 2, 4 + 4 + 8),
        (["none", "own"], ["x", "y"], 2, 4 + 4 + 4 + 4),
        (["none", "fine-tune", "dann", "maml"], ["x", "y"], 3, 6 + 6 + 6 + 6 + 6 + 6),
        (["none", "fine-tune"], ["x", "y", "z"], 1, 3 + 3 + 6),
        (["fine-tune"], ["x", "y"], [5, 9], 4 + 4),
    ],
)
def test_the_number_of_runs(plan: MakePlan, adapters: list[str], datasets: list[str], seeds: Any, runs: int) -> None:
    assert len(plan(adapters=adapters, datasets=datasets, seeds=seeds).runs) == runs


def test_every_run_has_a_name_a_folder_and_a_digest_of_its_own(plan: MakePlan) -> None:
    runs = plan(adapters=["none", "fine-tune", "dann", "own"], datasets=["x", "y", "z"]).runs
    for values in ([r.name for r in runs], [r.folder for r in runs], [r.digest for r in runs]):
        assert len(set(values)) == len(runs)


def test_a_pretraining_comes_before_what_starts_from_it(plan: MakePlan) -> None:
    seen: set[str] = set()
    for run in plan(adapters=["none", "own", "dann"]).runs:
        assert run.parent is None or run.parent in seen
        seen.add(run.digest)


def test_adapters_with_the_default_pretraining_share_it(plan: MakePlan) -> None:
    made = plan(adapters=["none", "fine-tune", "dann"])
    shared = found(made, SUPERVISED, target=None)
    assert found(made, "fine-tune").parent == found(made, "dann").parent == shared.digest


def test_an_adapter_with_its_own_pretraining_starts_from_that(plan: MakePlan) -> None:
    made = plan(adapters=["none", "own"])
    assert found(made, "own").parent == found(made, "own", target=None).digest


def test_a_pretraining_is_tested_on_every_dataset_and_an_adaptation_on_source_and_target(plan: MakePlan) -> None:
    made = plan(adapters=["none", "fine-tune"], datasets=["x", "y", "z"])
    assert found(made, SUPERVISED, target=None).tests == ("x", "y", "z")
    assert found(made, "fine-tune").tests == ("x", "y")


def test_pairs_limit_the_adaptations_but_every_dataset_keeps_its_diagonal(plan: MakePlan) -> None:
    made = plan(adapters=["none", "fine-tune"], datasets=["x", "y", "z"], pairs=["x -> y"], seeds=1)
    assert [(r.method, r.sources, r.target) for r in made.runs] == [
        (SUPERVISED, ("x",), None), (SOURCE_ONLY, ("x",), None), (SUPERVISED, ("y",), None), (SOURCE_ONLY, ("y",), None),
        (SUPERVISED, ("z",), None), (SOURCE_ONLY, ("z",), None), ("fine-tune", ("x",), "y"),
    ]  # fmt: skip


def test_several_sources_are_one_run(plan: MakePlan) -> None:
    made = plan(adapters=["none", "fine-tune"], datasets=["x", "y", "z"], pairs=["x + y -> z"], seeds=1)
    assert made.runs[-1].sources == ("x", "y")
    assert made.runs[-1].tests == ("x", "y", "z")
    assert made.runs[-1].name == "fine-tune_x+y_z_s0"


@pytest.mark.parametrize(
    ("method", "labels"), [("none", None), ("dann", "0"), ("images", "0"), ("fine-tune", "3 per class"), ("all", "all")]
)
def test_a_run_says_how_many_target_labels_it_uses(plan: MakePlan, method: str, labels: str | None) -> None:
    made = plan(adapters=["none", "dann", "images", "fine-tune", "all"])
    assert found(made, SUPERVISED, target=None).label_budget == "0"
    if labels is not None:
        assert found(made, method).label_budget == labels


def test_all_shots_are_said_as_all(plan: MakePlan) -> None:
    assert found(plan(adapters=["fine-tune"], shots="all"), "fine-tune").label_budget == "all"


# What identifies a run


def test_leave_one_out_trains_once_on_all_others_of_each_target(plan: MakePlan) -> None:
    made = plan(adapters=["none", "images"], datasets=["x", "y", "z"], pairs="leave-one-out", seeds=1)
    found = [(r.method, r.sources) for r in made.runs if len(r.sources) > 1]
    each = [("y", "z"), ("x", "z"), ("x", "y")]
    assert sorted(found) == sorted((m, s) for m in (SUPERVISED, SOURCE_ONLY, "images") for s in each)


def test_the_same_sweep_gives_the_same_digests(plan: MakePlan) -> None:
    assert changed(plan(adapters=["none", "dann", "maml"]), plan(adapters=["none", "dann", "maml"])) == set()


@pytest.mark.parametrize(
    "changes", [{"title": "Something else"}, {"name": "other"}, {"dataset": {"x": {}}}, {"pairs": ["x -> y", "y -> x"]}]
)
def test_what_changes_no_number_changes_no_digest(plan: MakePlan, changes: dict[str, Any]) -> None:
    adapters = ["none", "dann", "maml"]
    assert changed(plan(adapters=adapters), plan(adapters=adapters, **changes)) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"epochs": 2}}, {"train": {"lr": 0.02}}, {"train": {"threads": 2}}, {"train": {"checkpoints": 3}},
        {"test": {"batch": 100}}, {"augment": {"flip": True}}, {"size": 16}, {"channels": 3}, {"pretrained": True},
        {"classes": ["b", "a"]}, {"classes": ["c", "b", "a"]}, {"conv4": {"width": 8}}, {"backbone": "vgg19"},
    ],
    ids=str,
)  # fmt: skip
def test_what_changes_every_number_changes_every_digest(plan: MakePlan, changes: dict[str, Any]) -> None:
    old = plan(adapters=["none", "dann", "maml"])
    assert changed(old, plan(adapters=["none", "dann", "maml"], **changes)) == set(digests(old))


def test_the_content_of_a_file_of_weights_counts_for_every_run_and_its_place_does_not(plan: MakePlan, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("a", "b", "c")}
    for name, content in zip(files, (b"1", b"1", b"2"), strict=True):
        files[name].write_bytes(content)
    none = plan()
    one, moved, other = (plan(conv4={"weights": str(file)}) for file in files.values())
    assert changed(none, one) == changed(one, other) == set(digests(one))
    assert changed(one, moved) == set()


def test_the_code_that_reads_weights_counts_for_the_runs_that_start_from_a_file(
    plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w").write_bytes(b"1")
    old = [plan(), plan(conv4={"weights": str(tmp_path / "w")})]
    monkeypatch.setattr(plan_module, "modules_digest", lambda name: f"new code of {name}")
    new = [plan(), plan(conv4={"weights": str(tmp_path / "w")})]
    assert [len(changed(*pair)) for pair in zip(old, new, strict=True)] == [0, len(old[1].runs)]


def test_a_job_has_the_path_of_a_file_in_a_package_and_the_sweep_keeps_its_name(
    plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "its_weights").mkdir()
    (tmp_path / "its_weights" / "w.pth").write_bytes(b"1")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "its_weights" / "__init__.py").touch()
    found = plan(conv4={"weights": "package:its_weights/w.pth"})
    assert found.job(found.runs[0]).backbone_options["weights"] == str(tmp_path / "its_weights" / "w.pth")
    assert found.sweep.options["conv4"]["weights"] == "package:its_weights/w.pth"


def test_a_file_of_weights_that_is_not_there_is_an_error_with_its_key(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match=r"\[conv4\] weights = 'w\.pth': cannot be read \(No such file or directory\); a path"):
        plan(conv4={"weights": "w.pth"})


def test_code_that_computes_a_run_counts_for_every_run(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    old = plan(adapters=["none", "dann", "maml"])
    read = code_hash._source
    warmer = str(read("dabench.training.optimizers")).replace("progress / settings.warmup", "progress / settings.warmup / 2")
    monkeypatch.setattr(code_hash, "_source", lambda name: warmer if name == "dabench.training.optimizers" else read(name))
    monkeypatch.setattr(code_hash, "modules_digest", code_hash.modules_digest.__wrapped__)
    assert changed(old, plan(adapters=["none", "dann", "maml"])) == set(digests(old))


def test_the_precision_counts_for_every_run(plan: MakePlan) -> None:
    old, new = (plan(adapters=["none", "dann"], train={"precision": p}) for p in ("fp32", "bf16"))
    assert changed(old, new) == set(digests(old))


def test_the_class_of_device_counts_for_every_run(plan: MakePlan) -> None:
    old = plan(adapters=["none", "dann"], train={"device": "cpu"})
    elsewhere = replace(old, device="cuda")
    assert changed(old, replace(elsewhere, runs=tuple(planning._runs(elsewhere)))) == set(digests(old))


@pytest.mark.parametrize(("has", "precision"), [(("avx512_bf16",), "bf16"), ((), "fp32")])
def test_auto_is_the_precision_and_the_device_that_it_stands_for(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, has: tuple[str, ...], precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(has, True))
    made = plan(adapters=["none", "dann"])
    assert changed(made, plan(adapters=["none", "dann"], train={"device": "cpu", "precision": precision})) == set()
    train = made.job(made.runs[0]).train
    assert (train.device, train.precision) == ("cpu", precision)


def test_another_seed_is_another_run(plan: MakePlan) -> None:
    made = plan(adapters=["none", "dann"])
    assert found(made, SUPERVISED, target=None, seed=0).digest != found(made, SUPERVISED, target=None, seed=1).digest
    assert found(made, "dann", seed=0).digest != found(made, "dann", seed=1).digest


def test_more_seeds_methods_and_pairs_leave_the_runs_there_were(plan: MakePlan) -> None:
    old = digests(plan(adapters=["none", "dann"]))
    new = digests(plan(adapters=["dann", "none", "maml"], seeds=4, datasets=["y", "x", "z"]))
    assert old.items() <= new.items()


def test_shots_count_only_for_methods_that_see_some(plan: MakePlan) -> None:
    adapters = ["none", "dann", "all", "fine-tune", "maml"]
    names = changed(plan(adapters=adapters), plan(adapters=adapters, shots=4))
    assert {n.split("_")[0] for n in names} == {"fine-tune", "maml"}
    # What maml does before it meets a target does not depend on the shots.
    assert all(len(n.split("_")) == 4 for n in names)


def test_options_of_an_adapter_count_for_that_adapter_alone(plan: MakePlan) -> None:
    adapters = ["none", "dann", "coral", "maml"]
    names = changed(plan(adapters=adapters), plan(adapters=adapters, dann={"weight": 0.7}))
    assert {n.split("_")[0] for n in names} == {"dann"}


def test_options_of_a_method_with_its_own_pretraining_count_for_that_too(plan: MakePlan) -> None:
    names = changed(plan(adapters=["none", "maml"]), plan(adapters=["none", "maml"], maml={"tasks": 7}))
    assert "maml_x_s0" in names
    assert "maml_x_y_s0" in names
    assert not any(n.startswith(SUPERVISED) for n in names)


def test_a_default_written_out_changes_nothing(plan: MakePlan) -> None:
    assert changed(plan(adapters=["dann"]), plan(adapters=["dann"], dann={}, train={"epochs": 15})) == set()


def test_data_count_for_the_runs_that_train_on_them(plan: MakePlan) -> None:
    old = plan(adapters=["none", "dann"])
    fresh = [toy(name, data(n + (50 if name == "y" else 0)), classes=("a", "b", "c")) for n, name in enumerate("xyz")]
    for dataset in fresh:
        type(dataset).raw_files = lambda self, raw: [Path(__file__)]  # type: ignore[method-assign]  # not the cache of the old
    names = changed(old, plan(*fresh, adapters=["none", "dann"]))
    assert {n for n in names if n.endswith("s0")} >= {"supervised_y_s0", "dann_x_y_s0", "dann_y_x_s0"}


# Sizes, channels, augmentation, classes


def test_images_take_the_largest_size_and_colour_if_any_set_has_it(plan: MakePlan) -> None:
    made = plan(toy("x", data(0)), toy("y", data(1, shape=(3, 12, 12))))
    assert (made.size, made.channels, made.input_size) == (12, 3, 12)
    assert {p.shape for p in made.prepared.values()} == {(3, 12, 12)}


def test_size_and_channels_can_be_set(plan: MakePlan) -> None:
    made = plan(toy("x", data(0)), toy("y", data(1, shape=(3, 12, 12))), size=10, channels=1)
    assert {p.shape for p in made.prepared.values()} == {(1, 10, 10)}


def test_the_augmentation_is_what_the_datasets_ask_for(plan: MakePlan) -> None:
    wanted = Augment(crop=6, flip=True)
    made = plan(toy("x", data(0), augment=wanted), toy("y", data(1), augment=wanted))
    assert made.augment == wanted
    assert made.input_size == 6


def test_the_sweep_changes_the_augmentation(plan: MakePlan) -> None:
    wanted = Augment(crop=6, flip=True)
    made = plan(toy("x", data(0), augment=wanted), toy("y", data(1), augment=wanted), augment={"rotate": 3.0})
    assert made.augment == Augment(crop=6, flip=True, rotate=3.0)


def test_datasets_that_ask_for_different_augmentation_are_an_error_unless_all_is_set(plan: MakePlan) -> None:
    pair = toy("x", data(0), augment=FACES), toy("y", data(1))
    with pytest.raises(SpecError, match=r"different augmentation \(x: Augment\(crop=44.*set crop, flip, rotate under"):
        plan(*pair)
    assert plan(*pair, augment={"crop": 6, "flip": False, "rotate": 0.0}).augment == Augment(crop=6)


def test_a_crop_larger_than_the_images_is_an_error_that_says_what_to_set(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match=r"augment\.crop = 9: larger than the images, which are 8x8; set size or augment\.crop"):
        plan(augment={"crop": 9})


def test_ten_crops_without_a_crop_are_an_error(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match=r"test\.crops = 10 needs augment\.crop"):
        plan(test={"crops": 10})


def test_different_classes_are_an_error_with_both_lists_and_the_line_to_add(plan: MakePlan) -> None:
    with pytest.raises(SpecError) as caught:
        plan(toy("x", data(0)), toy("y", data(1), classes=("c", "b", "contempt")))
    message = str(caught.value)
    assert "x has a, b, c; y has c, b, contempt" in message
    assert message.endswith('keep the shared classes with this line in the sweep file: classes = ["b", "c"]')


def test_the_line_to_add_is_the_one_that_helps(plan: MakePlan) -> None:
    made = plan(toy("x", data(0)), toy("y", data(1), classes=("c", "b", "contempt")), classes=["b", "c"])
    assert made.classes == ("b", "c")
    assert {p.classes for p in made.prepared.values()} == {("b", "c")}
    assert made.prepared["y"].splits["test"]["classes"] == {"b": 10, "c": 10}


def test_no_shared_class_says_so(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match="they share no class"):
        plan(toy("x", data(0)), toy("y", data(1), classes=("p", "q", "r")))


def test_the_same_classes_in_another_order_are_brought_into_one(plan: MakePlan) -> None:
    made = plan(toy("x", data(0)), toy("y", data(1), classes=("c", "a", "b")))
    assert made.classes == ("a", "b", "c")
    images, labels = made.prepared["y"].samples("test").images, made.prepared["y"].labels("test")
    np.testing.assert_array_equal(labels, (images[:, 0, 0, 0] // 10 + 2) % 3)  # 0, 1, 2 there are c, a, b


def test_a_class_that_a_dataset_lacks_is_an_error_with_its_list(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match=r"classes: dataset 'x' has no contempt; its classes are a, b, c"):
        plan(classes=["a", "contempt"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_missing_from_a_split_is_an_error_that_names_both_and_what_to_do(plan: MakePlan, split: str) -> None:
    lacking = toy("y", data(1, **{split: [0, 2] * 10}))
    with pytest.raises(DataError) as caught:
        plan(toy("x", data(0)), lacking)
    message = str(caught.value)
    assert f"dataset 'y': its {split} split has no image of class 'b'" in message
    assert 'classes = ["a", "c"]' in message
    assert plan(toy("x", data(0)), lacking, classes=["a", "c"]).classes == ("a", "c")


def test_more_shots_than_a_class_has_are_found_when_planning(plan: MakePlan) -> None:
    with pytest.raises(DataError, match=r"shots = 19: class '[abc]' of dataset '[xy]' has only 18 training images"):
        plan(adapters=["none", "fine-tune"], shots=19)


def test_shots_do_not_matter_where_nobody_uses_them(plan: MakePlan) -> None:
    assert plan(adapters=["none", "dann"], shots=1000).runs


def test_an_empty_dataset_is_an_error_that_names_it(plan: MakePlan) -> None:
    empty = Samples(np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, np.int64))
    with pytest.raises(DataError, match=r"dataset 'y', split 'train': is empty"):
        plan(toy("x", data(0)), toy("y", {"train": empty, "test": empty}))


# What a worker is handed


def plain(value: Any) -> list[Any]:
    """Return the plain values that a job or a part of it is made of; each must be one that JSON has."""
    if is_dataclass(value):
        assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]
        return [item for f in fields(value) for item in plain(getattr(value, f.name))]
    if isinstance(value, Mapping):
        return [item for key, inner in value.items() for item in (*plain(key), *plain(inner))]
    if isinstance(value, tuple | list):
        return [item for inner in value for item in plain(inner)]
    assert value is None or type(value) in (str, int, float, bool)
    return [value]


def test_a_job_is_plain_values(plan: MakePlan) -> None:
    made = plan(adapters=["none", "fine-tune", "own"])
    for run in made.runs:
        assert plain(made.job(run))


def test_a_pretrainings_job_names_no_target(plan: MakePlan) -> None:
    made = plan()
    assert made.job(found(made, SUPERVISED, target=None)).target is None


@pytest.mark.parametrize("method", ["dann", "fine-tune", "own", "all", "images"])
def test_no_job_names_a_file_with_labels_other_than_of_its_sources(plan: MakePlan, method: str) -> None:
    made = plan(adapters=["none", method])
    for run in made.runs:
        of_sources = {str(made.prepared[s].path(split, "labels")) for s in run.sources for split in ("train", "val")}
        assert {t for t in plain(made.job(run)) if "labels" in str(t)} == of_sources


def test_a_job_carries_its_options_and_seed(plan: MakePlan) -> None:
    made = plan(adapters=["dann"], dann={"weight": 0.7}, conv4={"width": 8})
    job = made.job(found(made, "dann", seed=1))
    assert (job.options, job.backbone, job.backbone_options, job.seed) == ({"weight": 0.7}, "conv4", {"width": 8}, 1)


# What stores that stand rest on

PINNED = {
    "supervised_font-digits_s0": "287deb175e7e5e8c1634c6a7f0af29eb0fd7f45d28fb70a87145e0a629303b8b",
    "own_font-digits_s0": "f881943622ddb1a9876af7c13f24cdcc3ce3d13ec55f4c7f1cf73006030f51bb",
    "dann_font-digits_uci-digits_s0": "748531fab3a8059b19bfd72ddde47ff0208dd7d247716cf500cfcb7df4fd3957",
    "own_font-digits_uci-digits_s0": "778a5b4dd9509b1ae2b6849e54ce0c5342a37e2f93929e89b67ac82774d671f5",
}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A sweep whose code and images have made-up digests, so that nothing but how runs are identified counts."""
    monkeypatch.setattr(plan_module, "code_digest", lambda plugin: f"code of {plugin.name}")
    monkeypatch.setattr(plan_module, "core_digest", lambda: "code of the core")
    registry = Registry(entry_points=False)
    registry.register(adapter("own", pretrain=keep, adapt=keep, access="few-shot"))
    table = {"name": "pinned", "datasets": ["font-digits", "uci-digits"], "adapters": ["none", "dann", "own"]}
    sweep = sweep_from(table | {"backbone": "conv4", "seeds": 1}, registry)
    prepared: Any = {
        n: SimpleNamespace(digest=f"images of {n}", classes=("0", "1"), labelled=True, count=lambda split: 100)
        for n in sweep.datasets
    }
    adapters = {n: make_adapter(sweep, n, registry) for n in sweep.adapters}
    return Plan(sweep, Augment(), 1, 16, {}, prepared, adapters, make_backbone(sweep, registry), (), "cpu", "fp32")


def test_the_runs_of_a_sweep_that_searches_nothing_have_the_digests_that_they_always_had(pinned: Plan) -> None:
    assert {name: run for name, run in {r.name: r.digest for r in planning._runs(pinned)}.items() if name in PINNED} == PINNED


def test_a_sweep_that_searches_nothing_has_the_digest_that_it_always_had(pinned: Plan) -> None:
    assert pinned.sweep.digest == "204056154138634ccbdf447f8c5fb0754f8152db17f2fcc397eaade58edc413d"
    assert digest(pinned.sweep.recipe) == "c3591d2936137a7859d101d89af2c6e3eb31e4a543897d072a7e4457dba3ccf9"


YOUNGER: dict[str, Any] = {
    "source_batches": "proportional", "encoder_lr_factor": 0.1, "head_lr_factor": 10.0, "inverse_factor": 5.0,
    "inverse_power": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("key", YOUNGER)
def test_a_key_that_is_younger_than_stored_results_is_in_no_digest_at_its_default(pinned: Plan, key: str) -> None:
    assert key not in pinned.sweep.as_dict()["train"]
    train = replace(pinned.sweep.train, **{key: YOUNGER[key]})
    other = replace(pinned, sweep=replace(pinned.sweep, train=train))
    assert other.sweep.recipe["train"][key] == YOUNGER[key]
    assert not {r.digest for r in planning._runs(other)} & {r.digest for r in planning._runs(pinned)}


@pytest.mark.parametrize("table", [{"bottleneck": 8}, {"mean": (0.5,), "std": (0.5,)}])
def test_the_table_network_is_in_digests_only_where_it_is_set(pinned: Plan, table: dict[str, Any]) -> None:
    assert "network" not in pinned.sweep.as_dict()
    other = replace(pinned, sweep=replace(pinned.sweep, network=NetworkConfig(**table)))
    assert other.sweep.recipe["network"] == table
    assert not {r.digest for r in planning._runs(other)} & {r.digest for r in planning._runs(pinned)}


def test_a_job_has_the_table_network(plan: MakePlan) -> None:
    found = plan(network={"bottleneck": 8})
    assert found.job(found.runs[0]).network == NetworkConfig(bottleneck=8)


def test_values_of_the_normalisation_must_fit_the_channels(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match=r"network\.mean has 3 values; allowed: 1, because images are grey"):
        plan(network={"mean": [0.5, 0.5, 0.5], "std": [0.5]}, channels=1)


def test_a_younger_field_of_the_augmentation_is_in_no_digest_at_its_default(pinned: Plan) -> None:
    other = replace(pinned, augment=Augment(hue=0.1))
    assert not {r.digest for r in planning._runs(other)} & {r.digest for r in planning._runs(pinned)}


# Settings of a run's own


def test_a_run_with_a_setting_of_its_own_is_another_run_and_trains_with_it(pinned: Plan) -> None:
    plain, own = (plan_module.pretraining(pinned, None, ("font-digits",), 0, s) for s in ((), (("train.lr", 0.5),)))
    assert plain.digest != own.digest
    assert plain.name != own.name
    assert (pinned.train(plain.settings).lr, pinned.train(own.settings).lr) == (0.05, 0.5)


def test_a_setting_that_is_what_the_sweep_says_anyway_is_the_same_work(pinned: Plan) -> None:
    plain, own = (plan_module.pretraining(pinned, None, ("font-digits",), 0, s) for s in ((), (("train.lr", 0.05),)))
    assert plain.digest == own.digest


def test_a_shared_pretraining_does_not_depend_on_the_options_of_an_adapter(pinned: Plan) -> None:
    both = [plan_module.pretraining(pinned, "dann", ("font-digits",), 0, (("dann.weight", w),)) for w in (0.1, 0.9)]
    assert both[0] == both[1]
    adapted = [plan_module.adaptation(pinned, "dann", both[0], "uci-digits", (("dann.weight", w),)) for w in (0.1, 0.9)]
    assert adapted[0].digest != adapted[1].digest
