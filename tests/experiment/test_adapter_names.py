"""One method with several options in one sweep: adapters = ["dann", "dann@weight=1"]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_sweeps import tiny
from toys import even, samples, toy

import dabench
from dabench.analysis.export import open_results
from dabench.analysis.matrix import read_matrix
from dabench.errors import SpecError
from dabench.experiment.adapter_names import own_options, plugin_of
from dabench.experiment.plan import Plan
from dabench.experiment.planner import make_plan
from dabench.experiment.resolve import make_adapter
from dabench.experiment.sweep_file import table_sweep
from dabench.experiment.validation import sweep_from
from dabench.plugins.contract import SUPERVISED
from dabench.plugins.registry import Registry
from dabench.reporting.citation import cite_sweep
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

TWO = ["none", "dann", "dann@weight=1,steps_fraction=0.5"]
BASE: dict[str, Any] = {
    "name": "try",
    "datasets": ["font-digits", "uci-digits"],
    "adapters": TWO,
    "backbone": "conv4",
    "seeds": 1,
}
OWN = TWO[2]


def planned(tmp_path: Path, registry: Registry, **changes: Any) -> Plan:
    for seed, name in enumerate("xy"):
        if name not in {e.name for e in registry.entries("dataset")}:
            registry.register(toy(name, {split: samples(even(10), seed) for split in ("train", "test")}))
    sweep = sweep_from(BASE | {"datasets": ["x", "y"]} | changes, registry)
    return make_plan(sweep, registry, tmp_path / "raw", lambda _: None)


def run_of(plan: Plan, method: str) -> Run:
    return next(r for r in plan.runs if (r.method, r.target) == (method, "y"))


@pytest.mark.parametrize(
    ("name", "plugin", "options"),
    [
        ("dann", "dann", {}),
        ("dann@weight=1", "dann", {"weight": 1}),
        ("fine-tune@head_only=true,passes=1e-2", "fine-tune", {"head_only": True, "passes": 0.01}),
        ("mine/a@kind=all-of-it", "mine/a", {"kind": "all-of-it"}),
        ("dann@weight=1e+1+em-prior", "dann", {"weight": 10}),
    ],
)
def test_a_name_holds_the_plugin_and_its_options(name: str, plugin: str, options: dict[str, Any]) -> None:
    assert (plugin_of(name), own_options(name)) == (plugin, options)


def test_a_correction_follows_a_plus(registry: Registry) -> None:
    sweep = sweep_from(BASE | {"adapters": ["dann + em-prior", "bbse"], "em-prior": {"iterations": 7}}, registry)
    assert sweep.adapters == ("dann+em-prior", "bbse")
    corrected, alone = (make_adapter(sweep, name, registry) for name in sweep.adapters)
    assert corrected.correction is not None
    assert (corrected.name, corrected.correction.name, corrected.correction.options.iterations) == ("dann", "em-prior", 7)
    assert alone.correction is not None
    assert (alone.name, alone.correction.name) == ("bbse", "bbse")
    assert "Saerens" in corrected.citation
    assert "Ganin" in corrected.citation


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none + em-prior", "source-only training with em-prior is written 'em-prior'"),
        ("bbse + em-prior", "source-only training with em-prior is written 'em-prior'"),
        ("dann + mcd", "mcd is a method, not a correction; after '+' a correction is allowed (see: dabench list adapters)"),
        ("dann + bbse + em-prior", "an adapter has one correction; name each in a row of its own"),
        ("tent + bbse", "tent predicts at test time from the test stream, and a correction needs a network that stays the same"),
        ("mme + bbse", "mme learns from labels of the target, so class shares of the sources are not those of its training"),
        ("shot + bbse", "shot is source-free, and a correction needs the validation images of the sources"),
        ("augmented + bbse", "augmented does not adapt to a target, so there is no target to correct it for"),
    ],
)
def test_a_correction_that_cannot_be_is_refused(registry: Registry, name: str, why: str) -> None:
    with pytest.raises(SpecError) as refused:
        sweep_from(BASE | {"adapters": [name]}, registry)
    assert str(refused.value) == f"adapters: '{name.replace(' ', '')}': {why}"


@pytest.mark.parametrize(
    "name", ["dann@", "dann@weight", "dann@weight=", "dann@=1", "dann@weight=1,", "dann@weight=1,weight=2", "dann@hidden=[1]",
             "dann@weight=1/2", "dann@weight = 1", 'dann@weight="1"'],
)  # fmt: skip
def test_a_name_that_is_no_list_of_options_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"must be OPTION=VALUE.*see: dabench show adapter dann"):
        own_options(name)


def test_the_options_of_a_name_change_those_of_the_table(registry: Registry) -> None:
    sweep = sweep_from(BASE | {"dann": {"hidden": 32, "weight": 0.5}}, registry)
    options = [make_adapter(sweep, name, registry).options for name in ("dann", OWN)]
    assert [(o.weight, o.hidden, o.steps_fraction) for o in options] == [(0.5, 32, 1.0), (1.0, 32, 0.5)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("dann@wieght=1", "dann has no option 'wieght'; did you mean 'weight'?"),
        ("dann@weight=-1", "dann.weight = -1.0: must be at least 0"),
        ("dann@weight=much", "dann.weight = 'much': must be a number"),
    ],
)
def test_a_wrong_option_is_refused_with_those_that_there_are(registry: Registry, name: str, why: str) -> None:
    options = "options of dann: weight, hidden, steps_fraction (see: dabench show adapter dann)"
    with pytest.raises(SpecError) as refused:
        sweep_from(BASE | {"adapters": ["none", name]}, registry)
    assert str(refused.value) == f"adapters: '{name}': {why}; {options}"


def test_an_adapter_without_options_is_said_to_have_none(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"options of adabn: \(no options\)"):
        sweep_from(BASE | {"adapters": ["adabn@weight=1"]}, registry)


def test_a_wrong_value_of_the_table_is_not_blamed_on_the_name(registry: Registry) -> None:
    with pytest.raises(SpecError) as refused:
        sweep_from(BASE | {"adapters": ["dann@hidden=3"], "dann": {"weight": -1}}, registry)
    assert str(refused.value) == "dann.weight = -1.0: must be at least 0"


def test_what_gains_are_measured_against_has_no_other_options(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"'none@weight=1': none changes nothing, gains are measured against it; write 'none'"):
        sweep_from(BASE | {"adapters": ["none@weight=1"]}, registry)


@pytest.mark.parametrize(
    ("first", "second"),
    [("dann", "dann@weight=0.2"), ("dann@weight=1", "dann@weight=1.0"), ("dann@weight=1,hidden=9", "dann@hidden=9,weight=1")],
)
def test_the_same_settings_twice_are_refused(registry: Registry, first: str, second: str) -> None:
    with pytest.raises(SpecError, match=f"adapters: '{first}' and '{second}' are the same method with the same options"):
        sweep_from(BASE | {"adapters": ["none", first, second]}, registry)


def test_each_has_runs_of_its_own_and_shares_the_pretraining(tmp_path: Path, registry: Registry) -> None:
    plan = planned(tmp_path, registry)
    plain, own = run_of(plan, "dann"), run_of(plan, OWN)
    assert plain.digest != own.digest
    assert plain.parent == own.parent == next(r.digest for r in plan.runs if (r.method, r.sources) == (SUPERVISED, plain.sources))
    assert own.folder.startswith("dann@weight=1,steps_fraction=0.5_x_y_s0-")


def test_a_method_with_its_own_pretraining_has_one_for_each(tmp_path: Path, registry: Registry) -> None:
    plan = planned(tmp_path, registry, adapters=["maml", "maml@tasks=1"])
    assert len({run_of(plan, name).parent for name in ("maml", "maml@tasks=1")}) == 2


def test_another_adapter_beside_it_changes_no_digest(tmp_path: Path, registry: Registry) -> None:
    one, two = (planned(tmp_path, registry, adapters=names) for names in (["none", "dann"], ["none", "dann", "dann@weight=1"]))
    assert {r.digest for r in one.runs} < {r.digest for r in two.runs}


def test_its_job_names_the_plugin_and_all_options(tmp_path: Path, registry: Registry) -> None:
    plan = planned(tmp_path, registry, dann={"hidden": 32})
    job = plan.job(run_of(plan, OWN))
    assert (job.method, job.adapter, job.options) == (OWN, "dann", {"hidden": 32, "weight": 1, "steps_fraction": 0.5})


def test_its_title_says_what_it_changes(tmp_path: Path, registry: Registry) -> None:
    assert planned(tmp_path, registry).facts[OWN].title == "domain-adversarial training, weight=1,steps_fraction=0.5"


def test_a_search_over_an_adapter_leaves_those_with_options_alone(registry: Registry) -> None:
    space = sweep_from(BASE | {"search": {"trials": 2}}, registry).search.space
    assert {key.rpartition(".")[0] for key in space} == {"train", "dann"}


@pytest.mark.parametrize("key", ["dann.weight", "dann@weight=1.hidden"])
def test_a_search_over_one_with_options_is_refused(registry: Registry, key: str) -> None:
    table = BASE | {"adapters": ["none", "dann@weight=1"], "search": {"trials": 2, "space": {key: [1, 2]}}}
    with pytest.raises(SpecError, match="options of an adapter with '@' in its name are not searched"):
        sweep_from(table, registry)


def test_show_sweep_lists_its_options_and_where_they_come_from() -> None:
    rows = {row["key"]: row for row in dabench.show("sweep", BASE | {"dann": {"hidden": 32}})["tables"][OWN]}
    assert {key: (row["value"], row["from"]) for key, row in rows.items()} == {
        "weight": (1.0, "adapters"), "hidden": (32, "file"), "steps_fraction": (0.5, "adapters"),
    }  # fmt: skip


def test_it_can_be_set_for_one_call(registry: Registry) -> None:
    sweep = table_sweep(BASE, ['adapters=["none", "dann@weight=1"]', "dann.hidden=8"], registry).sweep
    assert make_adapter(sweep, "dann@weight=1", registry).options.hidden == 8


def test_it_is_cited_as_the_method_that_it_is(registry: Registry) -> None:
    found = cite_sweep(table_sweep(BASE, (), registry), registry)
    assert "dann(at)weight=1,steps\\_fraction=0.5 \\cite{ganin2016domain}" in found.sentence
    assert sum("{ganin2016domain," in entry for entry in found.entries) == 1


def test_each_has_its_gains_in_the_report_and_in_an_exported_pack(tmp_path: Path) -> None:
    out, pack = tmp_path / "out", tmp_path / "pack.zip"
    names = ["fine-tune@passes=1", "fine-tune@passes=2"]
    tiny(tmp_path, ["none", *names], overrides=['pairs=["bright -> pale"]']).run(out)
    dabench.export(out, pack)
    for stored in (RunStore(out), open_results(pack)):
        assert [g.adapter for g in read_matrix(stored).gains] == names
