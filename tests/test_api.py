"""What the commands do, as functions for scripts and notebooks."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from fabricated import edit, two_sets

import dabench
from dabench import Adapter, Dataset, Samples
from dabench.errors import DabenchError, PluginError, SpecError, StoreError
from dabench.execution.estimate import Cost, estimate_cost
from dabench.execution.options import ExecutionOptions
from dabench.experiment.sweep_file import sweep_file
from dabench.plugins.registry import REGISTRY
from dabench.storage.run_store import RunStore

WORDS = (
    "baseline",
    "cite",
    "compare",
    "export",
    "export_network",
    "human",
    "list",
    "load",
    "network",
    "predict",
    "predictions_template",
    "prepare",
    "register",
    "report",
    "score",
    "show",
    "sweep",
)


pytestmark = pytest.mark.usefixtures("registry_restored")


def domain(own_name: str, shade: int) -> type[Dataset]:
    """Return a dataset class: a bright half, left or right, on a ground of `shade`."""

    class Halves(Dataset):
        name = own_name
        classes = ("left", "right")

        def prepare(self, raw: Path) -> Mapping[str, Samples]:
            def part(n: int, seed: int) -> Samples:
                labels = (np.arange(n) % 2).astype(np.int64)
                images = np.random.default_rng(seed).integers(shade, shade + 40, (n, 1, 16, 16), dtype=np.uint8)
                for image, label in zip(images, labels, strict=True):
                    image[0, :, 8 * label : 8 * label + 8] += 100
                return Samples(images, labels)

            return {"train": part(40, 1), "test": part(20, 2)}

    return Halves


TABLE = {
    "name": "halves",
    "title": "From a notebook \U0001f600",
    "datasets": ["dark", "bright"],
    "adapters": ["none", "adabn"],
    "backbone": "conv4",
    "seeds": 1,
    "train": {"steps": 2, "batch": 8, "checkpoints": 1},
    "conv4": {"width": 4},
}


@pytest.fixture
def halves() -> None:
    dabench.register(domain("dark", 0))
    dabench.register(domain("bright", 90))


@pytest.mark.parametrize("word", WORDS)
def test_every_command_is_a_function_of_the_same_name(word: str) -> None:
    assert callable(getattr(dabench, word))


def test_the_words_stay_functions_after_the_modules_of_those_names_are_imported() -> None:
    import importlib

    modules = "api cli experiment.sweep_file storage.run_store analysis.matrix analysis.baselines analysis.human analysis.frames"
    modules += " inference.predict inference.score inference.export"
    for module in (*modules.split(), "reporting", "reporting.write", "reporting.citation", "checks.check", "data.audit"):
        importlib.import_module(f"dabench.{module}")
    kinds = {word: type(getattr(dabench, word)).__name__ for word in WORDS}
    assert kinds == dict.fromkeys(WORDS, "function")


def test_every_public_name_is_there() -> None:
    assert [name for name in dabench.__all__ if not hasattr(dabench, name)] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        dabench.sweeep  # noqa: B018


def test_a_table_of_keys_sweeps_registered_datasets(halves: None, tmp_path: Path) -> None:
    matrix = dabench.sweep(TABLE, out=tmp_path / "out", engine="inline", quiet=True)
    assert [(c.name, c.target) for c in matrix.cells if c.adapter == "none"] == [
        ("CONV4-DARK-DARK", None),
        ("CONV4-DARK-BRIGHT", None),
        ("CONV4-BRIGHT-DARK", None),
        ("CONV4-BRIGHT-BRIGHT", None),
    ]
    assert [g.adapter for g in matrix.gains] == ["adabn", "adabn"]
    assert matrix.as_dict()["title"] == TABLE["title"]
    assert (tmp_path / "out" / "report" / "results.json").is_file()


def test_a_table_of_keys_is_kept_as_a_sweep_file_that_says_the_same(halves: None, tmp_path: Path) -> None:
    table = {**TABLE, "adapters": ["none"], "title": 'a "b" \x7f', "class_map": None}
    dabench.sweep(table, out=tmp_path / "out", engine="inline", quiet=True)
    kept = tomllib.loads((tmp_path / "out" / "sweep.toml").read_text(encoding="utf-8"))
    assert kept == {key: value for key, value in table.items() if value is not None}


def test_the_table_of_a_sweep_stays_as_it_is(halves: None) -> None:
    table = {**TABLE, "train": {"steps": 2}}
    assert sweep_file(table, {"train.steps": 3}, ()).sweep.train.steps == 3
    assert table["train"] == {"steps": 2}


def test_a_value_that_no_sweep_can_hold_is_an_error_that_names_its_key() -> None:
    with pytest.raises(SpecError, match=r"train\.lr = .*: a sweep holds strings, numbers"):
        sweep_file({**TABLE, "train": {"lr": {1, 2}}}, (), ())


def test_a_sweep_that_goes_on_looks_through_its_finished_runs_once(
    halves: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dabench.sweep(TABLE, out=tmp_path / "out", engine="inline", quiet=True)
    gone, *stand = sorted((tmp_path / "out" / "runs").glob("adabn*"))
    shutil.rmtree(gone)
    stand += (tmp_path / "out" / "runs").glob("[!a]*")
    read, digest = [], RunStore.digest
    monkeypatch.setattr(RunStore, "digest", lambda self, name: (read.append(name), digest(self, name))[1])
    dabench.sweep(TABLE, out=tmp_path / "out", engine="inline", tensorboard=True)
    networks = sorted(name for name in read if name.endswith(".safetensors") and gone.name not in name)
    assert networks == sorted(f"runs/{run.name}/network.safetensors" for run in stand)
    assert f"halves: {len(stand) + 1} runs, {len(stand)} complete, 1 to do -> {tmp_path / 'out'}\n" in capsys.readouterr().err


def test_the_output_folder_is_named_after_the_sweep(halves: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dabench.sweep({**TABLE, "adapters": ["none"]}, engine="inline", quiet=True)
    assert (tmp_path / "runs" / "halves" / "sweep.json").is_file()


def test_quiet_prints_nothing(halves: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dabench.sweep({**TABLE, "adapters": ["none"]}, out=tmp_path / "out", engine="inline", quiet=True)
    assert capfd.readouterr() == ("", "")


def test_an_override_may_be_any_text(halves: None, tmp_path: Path) -> None:
    change = {"title": '\U0001f600 = \\ " #', "adapters": ["none"]}
    matrix = dabench.sweep(TABLE, out=tmp_path / "out", set=change, engine="inline", quiet=True)
    assert matrix.as_dict()["title"] == change["title"]


def test_overrides_are_given_as_a_table_or_as_text(halves: None, tmp_path: Path) -> None:
    for number, change in enumerate(({"train.steps": 1, "adapters": ["none"]}, ["train.steps=1", 'adapters=["none"]'])):
        out = tmp_path / str(number)
        dabench.sweep(TABLE, out=out, set=change, engine="inline", quiet=True)
        assert RunStore(out).read_sweep().sweep.train["steps"] == 1
        assert RunStore(out).read_sweep().sweep.adapters == ("none",)


def test_a_wrong_key_in_a_table_is_an_error_that_names_it() -> None:
    with pytest.raises(SpecError, match=r"^unknown key 'train\.epoch'; did you mean 'epochs'"):
        dabench.sweep({**TABLE, "train": {"epoch": 3}}, quiet=True)


def test_a_run_that_fails_raises_nothing_and_is_in_the_matrix(halves: None, tmp_path: Path) -> None:
    class Failing(Adapter):
        name = "failing"

        def adapt(self, net, sources, target, trainer):  # type: ignore[no-untyped-def]
            raise RuntimeError("no luck")

    dabench.register(Failing)
    matrix = dabench.sweep({**TABLE, "adapters": ["none", "failing"]}, out=tmp_path / "out", engine="inline", quiet=True)
    assert matrix.missing == ["failing_dark_bright_s0", "failing_bright_dark_s0"]
    assert matrix.failed["failing_dark_bright_s0"].startswith("RuntimeError: no luck")
    assert len([c for c in matrix.cells if c.adapter == "none"]) == 4


def test_an_interrupted_sweep_keeps_what_is_finished_and_goes_on(halves: None, tmp_path: Path) -> None:
    class Stopping(Adapter):
        name = "stopping"
        stop = True

        def adapt(self, net, sources, target, trainer):  # type: ignore[no-untyped-def]
            if type(self).stop:
                raise KeyboardInterrupt
            return net

    dabench.register(Stopping)
    table, out = {**TABLE, "adapters": ["none", "stopping"]}, tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        dabench.sweep(table, out=out, engine="inline", quiet=True)
    before = {f.name: f.stat().st_mtime_ns for f in (out / "runs").iterdir()}
    assert len(before) == 4
    Stopping.stop = False
    matrix = dabench.sweep(table, out=out, engine="inline", quiet=True)
    assert matrix.missing == []
    assert {name: (out / "runs" / name).stat().st_mtime_ns for name in before} == before


def test_registering_decorates_a_class() -> None:
    @dabench.register
    class Mine(Adapter):
        name = "mine"

    assert Mine.name == "mine"
    assert "mine" in {row["name"] for row in dabench.list()["adapters"]}


def test_registering_a_name_that_is_taken_names_both_origins() -> None:
    with pytest.raises(PluginError, match=r"two datasets are named 'uci-digits': dabench\.datasets\.uci_digits and register"):
        dabench.register(domain("uci-digits", 0))


def test_the_list_names_every_kind() -> None:
    found = dabench.list()
    assert set(found) == {"datasets", "backbones", "adapters", "sweeps", "baselines"}
    assert {row["name"] for row in found["adapters"]} >= {"none", "fine-tune", "dann", "maml", "coral", "adabn"}
    assert all(row["title"] for rows in found.values() for row in rows)


def test_vgg19_shows_its_number_of_parameters() -> None:
    assert dabench.show("backbone", "vgg19")["parameters"].startswith("20,038,983 with 3 channels, 44x44 images and 7 classes")


def test_a_family_shows_its_members_and_a_member_its_own_counts() -> None:
    assert dabench.show("dataset", "office-31/*")["names"] == ["office-31/amazon", "office-31/dslr", "office-31/webcam"]
    facts = dabench.show("dataset", "office-31/dslr")
    assert (facts["name"], facts["counts"], "names" in facts) == ("office-31/dslr", {"all": 498}, False)


def test_an_adapter_shows_its_access_and_its_options_with_defaults() -> None:
    facts = dabench.show("adapter", "fine-tune")
    assert facts["access"] == "few-shot"
    assert {o["key"]: o["default"] for o in facts["options"]}["head_only"] is False


def test_a_report_can_be_read_without_writing(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    with pytest.raises(SpecError, match="spread 'sd': must be interval or std"):
        dabench.report(store.folder, spread="sd", write=False)  # type: ignore[arg-type]
    matrix = dabench.report(store.folder, metric="recall:x", write=False)
    assert matrix.metric == "recall:x"
    assert list(store.report.iterdir()) == []


def test_a_report_writes_its_files(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    matrix = dabench.report(store.folder)
    assert json.loads((store.report / "results.json").read_text()) == matrix.as_dict()


def test_a_report_of_no_sweep_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a results folder"):
        dabench.report(tmp_path)


def test_a_baseline_is_read_by_its_name() -> None:
    assert dabench.baseline("paper")["kind"] == "published"


def test_a_dataset_is_prepared_once(halves: None, capsys: pytest.CaptureFixture[str]) -> None:
    first = dabench.prepare("dark", rebuild=True)
    assert "preparing dark" in capsys.readouterr().err
    assert dabench.prepare("dark") == first
    assert capsys.readouterr().err == ""
    assert {split: first.count(split) for split in first.splits} == {"train": 36, "val": 4, "test": 20}


def planned(out: Path, **change: object):  # type: ignore[no-untyped-def]
    from dabench.api import SweepRequest, plan_sweep

    return plan_sweep(SweepRequest({**TABLE, **change}, out, options=ExecutionOptions(engine="inline")))


def test_a_plan_estimates_every_run_that_is_left_and_keeps_nothing(halves: None, tmp_path: Path) -> None:
    plan = planned(tmp_path / "out", train={"steps": 100, "batch": 8, "checkpoints": 1})
    assert set(plan.cost.seconds) == {r.digest for r in plan.plan.runs}
    assert min(plan.cost.seconds.values()) > 0
    assert plan.cost.wall == pytest.approx(sum(plan.cost.seconds.values()))
    assert not (tmp_path / "out").exists()


def test_a_longer_training_is_expected_to_take_longer(halves: None, tmp_path: Path) -> None:
    def training(steps: int) -> float:
        plan = planned(tmp_path / "out", adapters=["none"], train={"steps": steps, "batch": 8, "checkpoints": 1})
        return plan.cost.wall

    assert training(20_000) > 20 * training(200)


def test_a_plan_of_a_finished_sweep_has_nothing_left(halves: None, tmp_path: Path) -> None:
    dabench.sweep(TABLE, out=tmp_path / "out", engine="inline", quiet=True)
    plan = planned(tmp_path / "out")
    assert (len(plan.complete), plan.pending, plan.cost.wall) == (4, [], 0)


def test_runs_like_those_that_stand_are_expected_to_take_what_these_took(halves: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dabench.sweep(TABLE, out=out, engine="inline", quiet=True)
    for facts in out.glob("runs/*/run.json"):
        run = json.loads(facts.read_text())
        run["seconds"]["total"] = 70.0 if run["target"] else 50.0
        edit(facts, lambda text, run=run: json.dumps(run))  # type: ignore[misc]
    plan = planned(out, seeds=2)
    assert {r.target is not None: plan.cost.seconds[r.digest] for r in plan.pending} == {False: 50.0, True: 70.0}
    assert estimate_cost(plan.plan, [], RunStore(out), REGISTRY, ExecutionOptions(engine="inline"), None) == Cost(
        {}, 0, 0, 0, None, None
    )


def test_the_quick_sweep_has_six_adapters_and_both_directions(quick_runs: Path) -> None:
    results = json.loads((quick_runs / "report" / "results.json").read_text(encoding="utf-8"))
    assert {c["adapter"] for c in results["cells"]} == {*("none", "augmented", "fine-tune", "joint-bn", "dann", "maml")}
    assert {(g["sources"][0], g["target"]) for g in results["gains"]} == {
        ("font-digits", "uci-digits"),
        ("uci-digits", "font-digits"),
    }
    assert {c["n"] for c in results["cells"]} == {1000, 360}


def test_a_report_needs_neither_the_data_nor_the_networks(
    quick_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(quick_runs, tmp_path / "copy")
    for network in (tmp_path / "copy").rglob("*.safetensors"):
        network.unlink()
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "nowhere"))
    assert dabench.report(tmp_path / "copy", write=False).as_dict() == dabench.report(quick_runs, write=False).as_dict()


def test_a_foreign_value_in_overrides_is_an_error_of_dabench(halves: None, tmp_path: Path) -> None:
    for value in ("many", None, object()):
        with pytest.raises(SpecError, match=r"train\.steps"):
            dabench.sweep(TABLE, out=tmp_path / "out", set={"train.steps": value}, quiet=True)


@pytest.mark.parametrize("table", [{"plugins": 3}, {"dataset": {"dark": 3}}, {"dataset": 3}, {"train": 3}, {}])
def test_a_table_of_wrong_types_is_an_error_of_dabench(table: dict[str, object]) -> None:
    with pytest.raises(DabenchError):
        dabench.sweep({"name": "x", **table}, quiet=True)


def test_tab_in_a_notebook_shows_the_public_names_and_no_others() -> None:
    shown = {name for name in dir(dabench) if not name.startswith("__")}
    assert shown == {name for name in dabench.__all__ if name != "__version__"} | {"list"}
    assert {"sweep", "report", "load", "register", "check"} <= shown


def test_show_refuses_keys_of_a_sweep_for_a_plugin() -> None:
    with pytest.raises(SpecError, match="--set overrides keys of a sweep"):
        dabench.show("adapter", "dann", set={"train.epochs": 2})


def test_show_of_a_plugin_needs_its_name() -> None:
    with pytest.raises(SpecError, match="a NAME is missing"):
        dabench.show("adapter")
