"""A sweep file as a frozen value; every bad input is one clear error."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pictures import as_folder, classes, tree
from toys import adapter, toy

from dabench import Dataset, Samples
from dabench.datasets.image_folder import ImageFolder
from dabench.errors import DabenchError, PluginError, SpecError
from dabench.experiment.adapter_names import plugins_of
from dabench.experiment.config import Sweep
from dabench.experiment.resolve import make_adapter, make_backbone, make_dataset
from dabench.experiment.sweep_file import SweepFile, bundled_sweeps, line_of, read_sweep
from dabench.experiment.validation import sweep_from
from dabench.plugins.options import KeyProblem
from dabench.plugins.registry import Registry
from dabench.training.optimizers import rate_at
from dabench.training.settings import NetworkConfig, TrainConfig

BASE: dict[str, Any] = {
    "name": "try", "datasets": ["font-digits", "uci-digits"], "adapters": ["none", "dann"], "backbone": "conv4",
}  # fmt: skip

FILE = """# A sweep.
name = "try"
datasets = ["font-digits", "uci-digits"]
adapters = ["none", "dann"]
backbone = "conv4"
seeds = 2

[train]
epochs = 3      # few
lr = 0.1

[dann]
weight = 0.5
"""

Read = Callable[..., SweepFile]


@pytest.fixture
def read(tmp_path: Path, registry: Registry) -> Read:
    """A function that writes a sweep file and reads it, with overrides."""

    def reader(text: str = FILE, *overrides: str) -> SweepFile:
        path = tmp_path / "try.toml"
        path.write_text(text, encoding="utf-8")
        return read_sweep(path, overrides, registry)

    return reader


@pytest.fixture
def refusal(read: Read) -> Callable[..., str]:
    """A function like `read` that returns the message of the SpecError, which must be one line."""

    def refuse(text: str = FILE, *overrides: str) -> str:
        with pytest.raises(SpecError) as caught:
            read(text, *overrides)
        message = str(caught.value)
        assert "\n" not in message
        assert caught.value.exit_code == 2
        return message

    return refuse


Refuse = Callable[..., str]


# What is read


def test_what_the_file_says_is_in_the_sweep(read: Read) -> None:
    sweep = read().sweep
    assert (sweep.name, sweep.datasets, sweep.adapters) == ("try", ("font-digits", "uci-digits"), ("none", "dann"))
    assert (sweep.train.epochs, sweep.train.lr) == (3.0, 0.1)
    assert sweep.options == {"dann": {"weight": 0.5}}


def test_what_it_does_not_say_has_its_default(read: Read) -> None:
    sweep = read().sweep
    assert (sweep.shots, sweep.pretrained, sweep.size) == (5, False, None)
    assert sweep.train.batch == TrainConfig().batch


def test_the_text_is_kept_as_written(read: Read) -> None:
    assert read().text == FILE


def test_a_sweep_cannot_be_changed(read: Read) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read().sweep.seeds = 5


def test_a_number_of_seeds_counts_from_zero_and_a_list_is_itself(registry: Registry) -> None:
    assert sweep_from(BASE | {"seeds": 3}, registry).seed_list == (0, 1, 2)
    assert sweep_from(BASE | {"seeds": [7, 4]}, registry).seed_list == (7, 4)


def test_every_ordered_pair_is_a_task(registry: Registry) -> None:
    for name in ("x", "y"):
        registry.register(toy(name))
    sweep = sweep_from(BASE | {"datasets": ["x", "y", "uci-digits"]}, registry)
    assert {(s[0], t) for s, t in sweep.tasks} == {
        ("x", "y"), ("y", "x"), ("x", "uci-digits"), ("uci-digits", "x"), ("y", "uci-digits"), ("uci-digits", "y"),
    }  # fmt: skip


def test_pairs_name_the_tasks_and_may_have_several_sources(registry: Registry) -> None:
    registry.register(toy("x"))
    pairs = ["font-digits -> uci-digits", " font-digits+x->uci-digits "]
    sweep = sweep_from(BASE | {"datasets": ["font-digits", "uci-digits", "x"], "pairs": pairs}, registry)
    assert sweep.tasks == ((("font-digits",), "uci-digits"), (("font-digits", "x"), "uci-digits"))


THREE = BASE | {"datasets": ["font-digits", "uci-digits", "x"]}
JOINED = {
    (("uci-digits", "x"), "font-digits"), (("font-digits", "x"), "uci-digits"), (("font-digits", "uci-digits"), "x"),
}  # fmt: skip


def test_leave_one_out_makes_each_dataset_the_target_of_all_others(registry: Registry) -> None:
    registry.register(toy("x"))
    tasks = sweep_from(THREE | {"pairs": "leave-one-out"}, registry).tasks
    assert (set(tasks), len(tasks)) == (JOINED, 3)


def test_all_and_leave_one_out_are_every_ordered_pair_and_those(registry: Registry) -> None:
    registry.register(toy("x"))
    tasks = sweep_from(THREE | {"pairs": "all + leave-one-out"}, registry).tasks
    assert (set(tasks), len(tasks)) == ({*sweep_from(THREE, registry).tasks} | JOINED, 9)


@pytest.mark.parametrize("pairs", ["leave-one-out", "all + leave-one-out"])
def test_of_two_datasets_leave_one_out_is_every_ordered_pair_each_once(registry: Registry, pairs: str) -> None:
    tasks = sweep_from(BASE | {"pairs": pairs}, registry).tasks
    assert sorted(tasks) == sorted(sweep_from(BASE, registry).tasks)


def test_leave_one_out_of_one_dataset_is_no_task(registry: Registry) -> None:
    assert sweep_from(BASE | {"datasets": ["uci-digits"], "pairs": "leave-one-out"}, registry).tasks == ()


def test_leave_one_out_counts_the_members_of_a_family(registry: Registry) -> None:
    tasks = sweep_from(BASE | {"datasets": ["office-31/*"], "pairs": "leave-one-out"}, registry).tasks
    assert (("office-31/amazon", "office-31/dslr"), "office-31/webcam") in tasks


@pytest.mark.parametrize("pairs", ["leave-one-out", "all + leave-one-out"])
def test_words_for_pairs_can_be_set_for_one_call(read: Read, pairs: str) -> None:
    assert read(FILE, f"pairs={pairs}").sweep.pairs == pairs


class Rooms(Dataset):
    """A family of any number of members."""

    name, classes = "rooms/*", ("a", "b")

    def prepare(self, raw: Path) -> dict[str, Samples]:
        raise NotImplementedError


OFFICE = ("office-31/amazon", "office-31/dslr", "office-31/webcam")


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_family_stands_for_its_members(registry: Registry, kind: type) -> None:
    sweep = sweep_from(BASE | {"datasets": kind(["font-digits", "office-31/*"])}, registry)
    assert sweep.datasets == ("font-digits", *OFFICE)
    written_out = sweep_from(BASE | {"datasets": ["font-digits", *OFFICE]}, registry)
    assert sweep.digest == written_out.digest


def test_a_family_is_read_from_a_file_and_from_set(read: Read) -> None:
    assert read(FILE.replace('["font-digits", "uci-digits"]', '["office-31/*"]')).sweep.datasets == OFFICE
    assert read(FILE, 'datasets=["office-31/*"]').sweep.datasets == OFFICE


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "office-32/*",
            ["datasets[0] = 'office-32/*': unknown dataset 'office-32/*'; did you mean 'office-31/*'", "dabench list"],
        ),
        (
            "rooms/*",
            ["datasets[0] = 'rooms/*': this family has no fixed list", "for example 'rooms/NAME'", "dabench show dataset"],
        ),
        ("uci-digits/*", ["datasets[0] = 'uci-digits/*': unknown dataset"]),
    ],
)
def test_a_family_without_known_members_is_an_error(registry: Registry, name: str, words: list[str]) -> None:
    registry.register(Rooms)
    with pytest.raises(KeyProblem) as caught:
        sweep_from(BASE | {"datasets": [name]}, registry)
    assert caught.value.path == "datasets"
    assert [w for w in words if w not in str(caught.value)] == []


@pytest.mark.parametrize("pair", ["office-31/* -> uci-digits", "uci-digits -> office-31/*"])
def test_a_pair_names_no_family(registry: Registry, pair: str) -> None:
    table = BASE | {"datasets": ["office-31/*", "uci-digits"], "pairs": [pair]}
    with pytest.raises(
        KeyProblem, match="'office-31/\\*' is a family; a pair names single datasets, for example 'office-31/amazon'"
    ):
        sweep_from(table, registry)


def test_options_are_given_to_a_member_and_not_to_a_family(registry: Registry) -> None:
    table = BASE | {"datasets": ["office-31/*"], "dataset": {"office-31/*": {"size": 64}}}
    with pytest.raises(KeyProblem, match="for a family, write one table per member"):
        sweep_from(table, registry)


def test_a_sweep_can_be_written_as_json(read: Read) -> None:
    assert json.loads(json.dumps(read().sweep.as_dict()))["train"]["epochs"] == 3.0


def test_the_same_sweep_has_the_same_digest_and_another_another(read: Read) -> None:
    assert read().sweep.digest == read(FILE.replace("# few", "# many")).sweep.digest
    assert read().sweep.digest != read(FILE.replace("epochs = 3", "epochs = 4")).sweep.digest


def test_the_recipe_leaves_out_what_only_extends_a_sweep(read: Read) -> None:
    more = read(FILE.replace("seeds = 2", "seeds = 9").replace('["none", "dann"]', '["none", "dann", "coral"]')).sweep
    assert more.recipe == read().sweep.recipe
    assert read(FILE.replace("lr = 0.1", "lr = 0.2")).sweep.recipe != read().sweep.recipe


def test_every_adapter_is_in_the_sweep_of_all_methods() -> None:
    """But m3sda, which is for several sources."""
    registry = Registry(entry_points=False)
    named = {p for name in read_sweep(bundled_sweeps()["digits-zoo"], (), registry).sweep.adapters for p in plugins_of(name)}
    assert named == {entry.name for entry in registry.entries("adapter")} - {"m3sda"}


WITHOUT_PACKAGES = {"pacs-pretrained": ['"timm/tf_efficientnet_lite0".weights=""']}
"""Overrides with which a bundled sweep is read where the package with its weights is not installed."""


@pytest.mark.parametrize("name", sorted(bundled_sweeps()))
def test_a_sweep_of_the_shelf_is_read(name: str) -> None:
    assert read_sweep(bundled_sweeps()[name], WITHOUT_PACKAGES.get(name, ()), Registry()).sweep.name == name


@pytest.mark.parametrize("name", sorted(bundled_sweeps()))
def test_a_sweep_of_the_shelf_opens_with_purpose_cost_source_and_command(name: str) -> None:
    head = bundled_sweeps()[name].read_text(encoding="utf-8").partition("\nname = ")[0].splitlines()
    assert all(line.startswith("#") for line in head)
    assert len(head[0]) > 20
    assert f"#   dabench sweep {name}" in head
    assert any(line.startswith("# Cost: ") for line in head)
    assert any(line.startswith("# Source: ") for line in head)


# Overrides


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("train.epochs=2", "train.epochs", 2.0),
        ("train.batch = 64", "train.batch", 64),
        ("seeds=5", "seeds", 5),
        ("seeds=[3, 4]", "seeds", (3, 4)),
        ("shots=all", "shots", "all"),
        ('shots="all"', "shots", "all"),
        ("title=Hello = there", "title", "Hello = there"),
        ("title=", "title", ""),
        ("pretrained=true", "pretrained", True),
        ('datasets=["uci-digits"]', "datasets", ("uci-digits",)),
        ("dann.weight=2", "options", {"dann": {"weight": 2}}),
        ("conv4.width=8", "options", {"dann": {"weight": 0.5}, "conv4": {"width": 8}}),
        ("augment.flip=true", "augment", {"flip": True}),
        ("dataset.font-digits.copies=3", "dataset", {"font-digits": {"copies": 3}}),
    ],
)
def test_an_override_replaces_a_value(read: Read, override: str, path: str, value: Any) -> None:
    found: Any = read(FILE, override).sweep
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_overrides_are_kept_and_the_last_one_wins(read: Read) -> None:
    file = read(FILE, "seeds=5", "seeds=6")
    assert file.sweep.seeds == 6
    assert file.overrides == ("seeds=5", "seeds=6")


@pytest.mark.parametrize("override", ["dataset.font-digits.drop=lists/a.csv", 'dataset.font-digits={drop = "lists/a.csv"}'])
def test_a_path_in_an_override_is_of_the_working_folder(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert read(FILE, override).sweep.dataset == {"font-digits": {"drop": str(tmp_path / "here" / "lists" / "a.csv")}}


def test_a_plugin_file_in_an_override_is_of_the_working_folder(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(PluginError, match=re.escape(str(tmp_path / "here" / "mine.py"))):
        read(FILE, 'plugins=["mine.py"]')


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train.=3", "", ".=1"])
def test_an_override_without_key_or_value_says_how_to_write_one(refusal: Refuse, override: str) -> None:
    message = refusal(FILE, override)
    assert repr(override) in message
    assert "for example --set train.epochs=2" in message


def test_an_override_below_a_value_says_that_it_is_no_table(refusal: Refuse) -> None:
    assert refusal(FILE, "seeds.first=1") == "--set 'seeds.first=1': 'seeds' is a value, not a table"


def test_an_override_of_a_table_by_a_value_is_an_error(refusal: Refuse) -> None:
    assert refusal(FILE, "train=3") == "--set: [train] must be a table, not 3"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epocs=2", "--set: unknown key 'train.epocs'; did you mean 'epochs'"),
        ("sedes=2", "--set: unknown key 'sedes'; did you mean 'seeds'"),
        ("train.epochs=few", "--set: train.epochs = 'few': must be a number"),
        ("train.epochs=0", "--set: train.epochs = 0.0: must be more than 0"),
        ("train.epochs=nan", "--set: train.epochs = nan: must be a finite number"),
        ("train.optimizer=sdg", "--set: train.optimizer = 'sdg': must be one of 'sgd', 'adamw'; did you mean 'sgd'?"),
        ("backbone=conv5", "--set: unknown backbone 'conv5'; did you mean 'conv4'"),
        ("dann.wieght=2", "--set: unknown key 'dann.wieght'; did you mean 'weight'"),
    ],
)
def test_a_bad_override_is_blamed_on_set_and_not_on_a_line(refusal: Refuse, override: str, words: str) -> None:
    assert refusal(FILE, override).startswith(words)


# Bad files


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("seeds = 2", "sedes = 2", 6, "unknown key 'sedes'; did you mean 'seeds'"),
        ("epochs = 3", "epocs = 3", 9, "unknown key 'train.epocs'; did you mean 'epochs'"),
        ("[train]", "[trian]", 8, "unknown key 'trian'; did you mean 'train'"),
        ("[dann]", "[danna]", 12, "unknown key 'danna'; did you mean 'dann'"),
        ("weight = 0.5", "wieght = 0.5", 13, "unknown key 'dann.wieght'; did you mean 'weight'"),
        ("seeds = 2", 'seeds = "two"', 6, "seeds = 'two': must be a whole number or a list of whole numbers"),
        ("seeds = 2", "seeds = 2.5", 6, "seeds = 2.5: must be a whole number"),
        ("seeds = 2", "seeds = 0", 6, "seeds = 0: must be at least 1"),
        ("seeds = 2", "seeds = []", 6, "must be a number of seeds (1 or more), or a list of different seeds (0 or more)"),
        ("seeds = 2", "seeds = [1, 1]", 6, "must be a number of seeds (1 or more), or a list of different seeds (0 or more)"),
        ("seeds = 2", "seeds = [-1]", 6, "must be a number of seeds (1 or more), or a list of different seeds (0 or more)"),
        ("seeds = 2", "shots = 0", 6, "shots = 0: must be at least 1"),
        ("seeds = 2", 'shots = "some"', 6, "shots = 'some': must be a whole number or 'all'"),
        ("seeds = 2", "size = 3", 6, "size = 3: must be at least 4"),
        ("seeds = 2", "channels = 2", 6, "channels = 2: must be 1 or 3"),
        ("seeds = 2", 'pretrained = "yes"', 6, "pretrained = 'yes': must be true or false"),
        ("seeds = 2", 'title = ["x"]', 6, "title = ['x']: must be a string"),
        ("seeds = 2", "maml = 3", 6, "maml = 3: must be the table of its options, [maml]"),
        ("seeds = 2", 'test = "long"', 6, "[test] must be a table, not 'long'"),
        ("seeds = 2", "options = 3", 6, "options = 3: must be a table"),
        ("seeds = 2", 'plugins = "mine.py"', 6, "plugins = 'mine.py': must be a list of strings"),
        ("lr = 0.1", "lr = -1", 10, "train.lr = -1.0: must be more than 0"),
        ("lr = 0.1", "lr = inf", 10, "train.lr = inf: must be a finite number"),
        ("lr = 0.1", "batch = 1", 10, "train.batch = 1: must be at least 2"),
        ("lr = 0.1", 'schedule = "cosin"', 10, "did you mean 'cosine'"),
        ("weight = 0.5", "weight = -0.5", 13, "dann.weight = -0.5: must be at least 0"),
        ("weight = 0.5", 'weight = "much"', 13, "dann.weight = 'much': must be a number"),
        ('name = "try"', 'name = "my try"', 2, "must be letters, digits"),
        ('name = "try"', 'name = "../try"', 2, "it names the output folder"),
        ('"uci-digits"]', '"uci-digit"]', 3, "unknown dataset 'uci-digit'; did you mean 'uci-digits'"),
        ('"uci-digits"]', '"font-digits"]', 3, "datasets = ['font-digits', 'font-digits']: duplicate name"),
        ('"font-digits", "uci-digits"', "", 3, "datasets is missing; write for example datasets = ["),
        ('"dann"]', '"danna"]', 4, "unknown adapter 'danna'; did you mean 'dann'"),
        ('"dann"]', '"none"]', 4, "adapters = ['none', 'none']: duplicate name"),
        ('"none", "dann"', "", 4, "adapters is missing; write for example adapters = ["),
        ('"none", "dann"', '"none", 3', 4, "adapters[1] = 3: must be a string"),
        ('"conv4"', '"conv5"', 5, "unknown backbone 'conv5'; did you mean 'conv4'"),
        ('"conv4"', '""', 5, "backbone is missing; write for example backbone ="),
        ("seeds = 2", 'classes = ["0", "0"]', 6, "classes = ['0', '0']: duplicate name"),
        ("seeds = 2", 'pairs = ["font-digits"]', 6, 'must be "SOURCE -> TARGET"'),
        ("seeds = 2", 'pairs = "leave-one"', 6, "must be a list of strings or 'leave-one-out' or 'all + leave-one-out'"),
        ("seeds = 2", 'pairs = ["leave-one-out"]', 6, "stand without brackets"),
        ("seeds = 2", 'pairs = ["a -> b -> c"]', 6, 'must be "SOURCE -> TARGET"'),
        ("seeds = 2", 'pairs = ["font-digits -> usps"]', 6, "'usps' is not in datasets"),
        ("seeds = 2", 'pairs = ["font-digit -> uci-digits"]', 6, "did you mean 'font-digits'"),
        ("seeds = 2", 'pairs = [" -> uci-digits"]', 6, "'' is not in datasets"),
        ("seeds = 2", 'pairs = ["uci-digits -> uci-digits"]', 6, "sources and target must be different"),
        ("seeds = 2", 'pairs = ["font-digits + font-digits -> uci-digits"]', 6, "sources and target must be different"),
        ("seeds = 2", 'pairs = ["font-digits -> uci-digits", "font-digits->uci-digits"]', 6, "duplicate pair"),
        ("[dann]\nweight", "[augment]\ncorp", 13, "unknown key 'augment.corp'; did you mean 'crop'"),
        ("[dann]\nweight = 0.5", "[augment]\nrotate = 200", 13, "augment.rotate = 200.0: must be at most 180"),
        ("[dann]\nweight = 0.5", "[maml]\nqueri = 3", 13, "unknown key 'maml.queri'; did you mean 'query'"),
        ("[dann]\nweight = 0.5", "[conv4]\nwidht = 3", 13, "unknown key 'conv4.widht'; did you mean 'width'"),
        ("[dann]\nweight = 0.5", "[test]\ncrops = 5", 13, "test.crops = 5: must be one of 1, 10"),
    ],
)
def test_a_bad_value_is_one_line_with_file_line_and_what_is_allowed(
    refusal: Refuse, tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert FILE.count(old) == 1
    message = refusal(FILE.replace(old, new))
    assert message.startswith(f"{tmp_path / 'try.toml'}, line {line}: ")
    assert words in message


@pytest.mark.parametrize("key", ["name", "datasets", "adapters", "backbone"])
def test_a_missing_key_is_named(refusal: Refuse, key: str) -> None:
    text = "\n".join(line for line in FILE.splitlines() if not line.startswith(key))
    assert f" {key} " in refusal(text)


@pytest.mark.parametrize("text", ["name = ", "a = 1\na = 2", "[x", "name = 'x\n", "\x00"])
def test_a_file_that_is_no_toml_says_where(refusal: Refuse, text: str) -> None:
    message = refusal(text)
    assert "try.toml: is not valid TOML (" in message
    assert "(at " in message


def test_a_file_that_is_not_there_is_one_error(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.toml: cannot be read \(No such file"):
        read_sweep(tmp_path / "nowhere.toml", (), registry)


def test_a_file_that_is_no_text_is_one_error(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xff")
    with pytest.raises(SpecError, match=r"x\.toml: cannot be read"):
        read_sweep(tmp_path / "x.toml", (), registry)


def test_ten_crops_need_a_crop(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"test\.crops = 10 needs augment\.crop"):
        sweep_from(BASE | {"test": {"crops": 10}, "augment": {"crop": None}}, registry)


@pytest.mark.parametrize(
    ("path", "line"),
    [("seeds", 6), ("train", 8), ("train.lr", 10), ("dann.weight", 13), ("adapters[1]", 4), ("train.nothing", None), ("x", None)],
)
def test_the_line_of_a_key_is_found(path: str, line: int | None) -> None:
    assert line_of(FILE, path) == line


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("train = { lr = 1 }", "train.lr", 1),
        ("x = 1\ntrain.lr = 1", "train.lr", 2),
        ('x = 1\n["timm/resnet18"]\na = 1', "timm/resnet18.a", 3),
        ("[ dataset . mine ]  # this\nsize = 3", "dataset.mine.size", 2),
        ("# lr = 1\n[train]\nlr = 2", "train.lr", 3),
    ],
)
def test_the_line_of_a_key_is_found_however_it_is_written(text: str, path: str, line: int) -> None:
    assert line_of(text, path) == line


ENDS = {"Unix": "\n", "Windows": "\r\n", "old Mac": "\r"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ENDS)
def test_a_file_is_read_in_the_forms_that_editors_write(tmp_path: Path, registry: Registry, encoding: str, ends: str) -> None:
    text = FILE.replace("seeds = 2", "seeds = 0").replace("\n", ENDS[ends])
    (tmp_path / "try.toml").write_bytes(text.encode(encoding))
    with pytest.raises(SpecError, match=r"try\.toml, line 6: seeds = 0"):
        read_sweep(tmp_path / "try.toml", (), registry)


def test_a_plugin_file_may_begin_with_a_byte_order_mark(read: Read, tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "mine.py").write_text("import dabench\nclass Mine(dabench.Adapter):\n    name = 'mine'\n", encoding="utf-8-sig")
    read('plugins = ["mine.py"]\n' + FILE)
    assert registry.find("adapter", "mine").name == "mine"


# Plugins


def test_a_plugin_file_is_found_beside_the_sweep_file(read: Read, tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "mine.py").write_text("import dabench\nclass Mine(dabench.Adapter):\n    name = 'mine'\n")
    sweep = read(FILE.replace('"dann"]', '"dann", "mine"]\nplugins = ["mine.py"]')).sweep
    assert make_adapter(sweep, "mine", registry).name == "mine"


def test_a_broken_plugin_file_is_an_error_that_names_it(read: Read, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(PluginError, match=r"plugin file .*mine\.py: ModuleNotFoundError"):
        read('plugins = ["mine.py"]\n' + FILE)


def test_options_of_an_adapter_that_is_not_in_the_sweep_are_checked_too(registry: Registry) -> None:
    with pytest.raises(KeyProblem, match=r"unknown key 'maml\.tsks'; did you mean 'tasks'"):
        sweep_from(BASE | {"maml": {"tsks": 2}}, registry)


def test_options_reach_the_adapter_and_the_backbone(registry: Registry) -> None:
    sweep = sweep_from(BASE | {"dann": {"weight": 2}, "conv4": {"width": 8}}, registry)
    assert make_adapter(sweep, "dann", registry).options.weight == 2.0
    assert make_backbone(sweep, registry).options.width == 8


def test_a_backbone_of_a_family_is_taken(registry: Registry) -> None:
    sweep = sweep_from(BASE | {"backbone": "timm/resnet18"}, registry)
    assert make_backbone(sweep, registry).name == "timm/resnet18"


def test_an_adapter_registered_in_python_is_taken(registry: Registry) -> None:
    registry.register(adapter("mine"))
    assert sweep_from(BASE | {"adapters": ["none", "mine"]}, registry).adapters == ("none", "mine")


TAGGED = FILE.replace('"conv4"', '"timm/resnet18.a1_in1k"') + '\n["timm/resnet18.a1_in1k"]\nweights = "w.pth"\n'


def test_a_file_of_weights_is_relative_to_the_sweep_file(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "w.pth").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read(TAGGED).sweep.options["timm/resnet18.a1_in1k"] == {"weights": str(tmp_path / "w.pth")}


def test_a_name_with_a_dot_is_set_in_quotes(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.pth").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    sweep = read(TAGGED, '"timm/resnet18.a1_in1k".weights=mine.pth').sweep
    assert sweep.options["timm/resnet18.a1_in1k"] == {"weights": str(tmp_path / "mine.pth")}


# [network]


def test_the_table_network_is_read(read: Read) -> None:
    table = "[network]\nbottleneck = 256\nbottleneck_norm = false\nmean = [0.5]\nstd = [0.25, 0.25, 0.5]\n"
    assert read(FILE + table).sweep.network == NetworkConfig(256, False, (0.5,), (0.25, 0.25, 0.5))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("mean = [0.5]", "line 16: network.mean: mean and std belong together; set both"),
        ("std = [0.5]", "line 16: network.std: mean and std belong together; set both"),
        ("mean = [127]\nstd = [0.5]", "mean = [127.0], std = [0.5]: a mean is from 0 to 1, a std above 0 and at most 1; divide"),
        ("mean = [0.5]\nstd = [0]", "a std above 0 and at most 1"),
        ("mean = 0.5", "network.mean = 0.5: must be a list of numbers"),
        ("bottleneck = -1", "network.bottleneck = -1: must be at least 0"),
        ("bottelneck = 1", "unknown key 'network.bottelneck'; did you mean 'bottleneck'"),
    ],
)
def test_a_wrong_key_of_the_table_network_is_an_error(refusal: Refuse, table: str, words: str) -> None:
    assert words in refusal(f"{FILE}[network]\n# here\n{table}\n")


# [dataset.NAME]


DECLARED = FILE.replace('"uci-digits"]', '"mine"]') + '\n[dataset.mine]\npath = "pictures"\n'


def test_a_dataset_is_declared_by_a_path_relative_to_the_sweep_file(
    read: Read, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    as_folder(tmp_path / "pictures", tree(classes()))
    dataset = make_dataset(read(DECLARED).sweep, "mine", registry)
    assert isinstance(dataset, ImageFolder)
    assert dataset.options.path == str(tmp_path / "pictures")
    assert set(dataset.prepare(tmp_path / "nowhere")) == {"train", "test"}


def test_a_declared_dataset_has_its_own_name_and_label(read: Read, registry: Registry) -> None:
    dataset = make_dataset(read(DECLARED).sweep, "mine", registry)
    assert (dataset.name, dataset.short_name) == ("mine", "MINE")
    labelled = make_dataset(read(DECLARED + 'short_name = "M1"\n').sweep, "mine", registry)
    assert labelled.short_name == "M1"


def test_a_dataset_can_be_declared_of_any_plugin(read: Read, registry: Registry) -> None:
    text = DECLARED.replace('path = "pictures"', 'plugin = "font-digits"\ncopies = 3')
    dataset = make_dataset(read(text).sweep, "mine", registry)
    assert (dataset.name, dataset.short_name, dataset.options.copies) == ("mine", "MINE", 3)


def test_a_member_of_a_family_takes_options_under_its_own_name(registry: Registry) -> None:
    sweep = sweep_from(
        BASE | {"datasets": ["office-31/amazon", "office-31/dslr"], "dataset": {"office-31/amazon": {"size": 32}}}, registry
    )
    assert make_dataset(sweep, "office-31/amazon", registry).options.size == 32
    assert make_dataset(sweep, "office-31/dslr", registry).options.size == 224


def test_an_unknown_member_of_a_family_is_an_error_of_the_key(registry: Registry) -> None:
    with pytest.raises(KeyProblem, match=r"unknown dataset 'office-31/kitchen'") as caught:
        sweep_from(BASE | {"datasets": ["office-31/amazon", "office-31/kitchen"]}, registry)
    assert caught.value.path == "datasets"


def test_a_dataset_declared_of_an_instance_leaves_that_its_name(registry: Registry) -> None:
    ready = toy("ready")
    registry.register(ready)
    sweep = sweep_from(BASE | {"datasets": ["ready", "mine"], "dataset": {"mine": {"plugin": "ready"}}}, registry)
    assert make_dataset(sweep, "mine", registry).name == "mine"
    assert ready.name == make_dataset(sweep, "ready", registry).name == "ready"


def test_a_table_for_a_plugin_sets_its_options(read: Read, registry: Registry) -> None:
    sweep = read(FILE + "\n[dataset.font-digits]\ncopies = 3\n").sweep
    assert make_dataset(sweep, "font-digits", registry).options.copies == 3


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        ("[dataset.mine]\npaht = 'x'", 16, "unknown key 'image-folder.paht'; did you mean 'path'"),
        ("[dataset.mine]\nsize = 2", 16, "size = 2: must be at least 4"),
        ("[dataset.mine]\npath = 3", 16, "path = 3: must be a string"),
        ("[dataset.mine]\nplugin = 3", 16, "dataset.mine.plugin = 3: must be a string"),
        ("[dataset.mine]\nplugin = 'font-digit'", 16, "unknown dataset 'font-digit'; did you mean 'font-digits'"),
        ("[dataset.font-digits]\ncopys = 2", 16, "unknown key 'font-digits.copys'; did you mean 'copies'"),
        ("[dataset.'my set']\npath = 'x'", 15, "the name of a dataset is letters, digits"),
        ("[dataset]\nmine = 3", 16, "dataset.mine = 3: must be a table"),
    ],
)
def test_a_bad_declaration_is_one_line_with_file_and_line(
    refusal: Refuse, tmp_path: Path, table: str, line: int, words: str
) -> None:
    message = refusal(FILE + f"\n{table}\n")
    assert message.startswith(f"{tmp_path / 'try.toml'}, line {line}: ")
    assert words in message


def test_every_error_of_a_sweep_is_one_that_dabench_explains(registry: Registry) -> None:
    for key in (f.name for f in dataclasses.fields(Sweep)):
        for value in (None, True, -1, 1.5, "?", ["?"], {"?": 1}, [[]], {"?": {"?": {}}}, [{}]):
            with contextlib.suppress(DabenchError):  # any other error fails the test
                sweep_from(BASE | {key: value}, registry)


# The shelf


def test_the_paper_sweep_has_the_rate_of_the_public_code_in_every_epoch(registry: Registry) -> None:
    train = read_sweep(bundled_sweeps()["paper"], (), registry).sweep.train
    ours = [train.lr * rate_at(train, (epoch + 0.5) / 250) for epoch in range(250)]
    # mainpro_FER.py of 2018: learning_rate_decay_start = 80, _every = 5, _rate = 0.9
    public = [0.01 * 0.9 ** ((epoch - 80) // 5) if epoch > 80 else 0.01 for epoch in range(250)]
    assert (train.epochs, ours) == (250, pytest.approx(public))
