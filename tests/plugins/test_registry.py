"""Plugins: found, loaded, registered, and what is said when that goes wrong."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toys import adapter, toy

from dabench.errors import PluginError, SpecError
from dabench.plugins.contract import KINDS, Adapter, Backbone, Dataset, Plugin
from dabench.plugins.registry import Registry, facts_problem

GOOD = """
import dabench

class Mine(dabench.Dataset):
    name = "mine"
    classes = ("a", "b")

    def prepare(self, raw):
        return {}
"""

AddPackage = Callable[[str, str, str], None]


@pytest.fixture
def add_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddPackage]:
    """A function (package, source, entry_points.txt) that puts a package where installed ones are found."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    before = set(sys.modules)

    def add(package: str, source: str, entry_points: str) -> None:
        (site / f"{package}.py").write_text(source)
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()

    yield add
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(site)):
            del sys.modules[name]


def names(registry: Registry, kind: Any) -> list[str]:
    return [e.name for e in registry.entries(kind)]


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(PluginError) as caught:
        act()
    return str(caught.value)


# First-party


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("dataset", {"font-digits", "uci-digits", "image-folder", "fer2013"}),
        ("backbone", {"vgg19", "conv4", "timm/*"}),
        ("adapter", {"none", "fine-tune", "dann", "maml", "coral", "adabn"}),
    ],
)
def test_first_party_plugins_are_found(registry: Registry, kind: Any, expected: set[str]) -> None:
    assert expected <= set(names(registry, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_no_first_party_plugin_is_broken(registry: Registry, kind: Any) -> None:
    assert {e.name: e.error for e in registry.entries(kind) if e.plugin is None} == {}


def test_entries_are_sorted_by_name(registry: Registry) -> None:
    assert names(registry, "adapter") == sorted(names(registry, "adapter"))


def test_a_new_file_in_a_plugin_folder_is_found_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    import dabench.datasets

    (tmp_path / "brand_new_set.py").write_text(GOOD.replace('"mine"', '"brand-new"'))
    monkeypatch.setattr(dabench.datasets, "__path__", [*dabench.datasets.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "dabench.datasets.brand_new_set", raising=False)
    assert registry.find("dataset", "brand-new").origin == "dabench.datasets.brand_new_set"
    monkeypatch.delitem(sys.modules, "dabench.datasets.brand_new_set")
    monkeypatch.delattr(dabench.datasets, "brand_new_set")


def test_a_module_that_begins_with_an_underscore_is_no_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    import dabench.datasets

    (tmp_path / "_helper.py").write_text(GOOD)
    monkeypatch.setattr(dabench.datasets, "__path__", [*dabench.datasets.__path__, str(tmp_path)])
    assert "mine" not in names(registry, "dataset")
    assert "dabench.datasets._helper" not in sys.modules


def test_a_plugin_is_made_with_its_options(registry: Registry) -> None:
    assert registry.make("dataset", "font-digits", {"copies": 3}).options.copies == 3


def test_wrong_options_name_the_plugin_and_the_key(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"unknown key 'font-digits\.copys'; did you mean 'copies'"):
        registry.make("dataset", "font-digits", {"copys": 3})


def test_a_family_serves_every_name_with_that_beginning(registry: Registry) -> None:
    made = registry.make("backbone", "timm/resnet18")
    assert (made.name, made.variant, made.short_name) == ("timm/resnet18", "resnet18", "RESNET18")


def test_a_family_with_a_fixed_number_of_members_lists_them(registry: Registry) -> None:
    assert registry.members("dataset", "office-31/*") == ["office-31/amazon", "office-31/dslr", "office-31/webcam"]


@pytest.mark.parametrize(("kind", "name"), [("backbone", "timm/*"), ("dataset", "uci-digits"), ("dataset", "office-31/dslr")])
def test_anything_else_stands_for_itself(registry: Registry, kind: Any, name: str) -> None:
    assert registry.members(kind, name) == [name]


def test_a_member_that_a_family_does_not_have_is_an_error_that_lists_them(registry: Registry) -> None:
    message = refusal(lambda: registry.make("dataset", "office-31/amazn"))
    assert "unknown dataset 'office-31/amazn'; did you mean 'amazon'" in message
    assert message.endswith("known: office-31/amazon, office-31/dslr, office-31/webcam")


def test_a_family_without_a_variant_is_unknown(registry: Registry) -> None:
    assert "unknown backbone 'timm/'" in refusal(lambda: registry.make("backbone", "timm/"))


@pytest.mark.parametrize(
    ("kind", "wrong", "right"), [("dataset", "font-digit", "font-digits"), ("adapter", "fine_tune", "fine-tune"),
                                 ("backbone", "vg19", "vgg19")]
)  # fmt: skip
def test_an_unknown_name_gives_the_nearest_names_and_the_full_list(registry: Registry, kind: Any, wrong: str, right: str) -> None:
    message = refusal(lambda: registry.find(kind, wrong))
    assert f"unknown {kind} '{wrong}'; did you mean '{right}'" in message
    assert f"known: {', '.join(names(registry, kind))} " in message
    assert f"dabench list {kind}s" in message


# Entry points


def test_a_plugin_of_another_package_is_found_by_its_entry_point(add_package: AddPackage) -> None:
    add_package("stranger", GOOD, "[dabench.datasets]\nmine = stranger:Mine\n")
    entry = Registry().find("dataset", "mine")
    assert entry.origin == "package stranger (stranger:Mine)"
    assert entry.make().name == "mine"


def test_an_entry_point_may_name_a_module_of_plugins(add_package: AddPackage) -> None:
    add_package("many", GOOD + GOOD.replace("Mine", "Two").replace('"mine"', '"two"'), "[dabench.datasets]\nany = many\n")
    assert {"mine", "two"} <= set(names(Registry(), "dataset"))


def test_all_three_kinds_have_entry_points(add_package: AddPackage) -> None:
    source = """
import dabench
class B(dabench.Backbone):
    name = "their-net"
    def build(self, channels, size, pretrained): ...
class A(dabench.Adapter):
    name = "their-method"
"""
    add_package("both", source, "[dabench.backbones]\nb = both:B\n[dabench.adapters]\na = both:A\n")
    registry = Registry()
    assert "their-net" in names(registry, "backbone")
    assert "their-method" in names(registry, "adapter")


def test_a_package_found_by_entry_point_reaches_a_fresh_process(tmp_path: Path, add_package: AddPackage) -> None:
    add_package("stranger", GOOD, "[dabench.datasets]\nmine = stranger:Mine\n")
    code = "from dabench.plugins.registry import REGISTRY; print(REGISTRY.find('dataset', 'mine').origin)"
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path / 'site')!r}); {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "package stranger (stranger:Mine)"


@pytest.mark.parametrize(
    ("source", "point", "reason"),
    [
        ("raise RuntimeError('no licence')", "broken:Mine", "RuntimeError: no licence (line 1 of "),
        ("import not_there_at_all", "broken:Mine", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("class Mine(:", "broken:Mine", "SyntaxError: "),
        ("raise SystemExit(3)", "broken:Mine", "SystemExit: 3"),
        (GOOD, "broken:Yours", "AttributeError: "),
        ("Mine = 3", "broken:Mine", "3 is not a Dataset, Backbone or Adapter"),
        (GOOD.replace("prepare", "read"), "broken:Mine", "dataset 'mine' does not implement prepare()"),
        (GOOD.replace('"mine"', '"My Set"'), "broken:Mine", "Mine.name = 'My Set': use lower case"),
    ],
)
def test_a_broken_entry_point_is_kept_with_its_origin_and_reason(
    add_package: AddPackage, source: str, point: str, reason: str
) -> None:
    add_package("broken", source, f"[dabench.datasets]\nmine = {point}\n")
    registry = Registry()
    entry = next(e for e in registry.entries("dataset") if e.name == "mine")
    assert entry.plugin is None
    assert reason in entry.error
    message = refusal(lambda: registry.make("dataset", "mine"))
    assert f"dataset 'mine' (package broken ({point})) cannot be used: " in message
    assert reason in message


def test_a_broken_entry_point_hurts_nobody_else(add_package: AddPackage) -> None:
    add_package("broken", "raise RuntimeError('no licence')", "[dabench.datasets]\nmine = broken:Mine\n")
    registry = Registry()
    assert registry.make("dataset", "uci-digits").name == "uci-digits"
    assert len(registry.entries("adapter")) == len(Registry(entry_points=False).entries("adapter"))


def test_two_packages_with_one_name_are_told_only_to_who_asks_for_it(add_package: AddPackage) -> None:
    add_package("one", GOOD, "[dabench.datasets]\nmine = one:Mine\n")
    add_package("two", GOOD, "[dabench.datasets]\nmine = two:Mine\n")
    registry = Registry()
    assert registry.make("dataset", "uci-digits").name == "uci-digits"
    message = refusal(lambda: registry.make("dataset", "mine"))
    assert "two datasets are named 'mine'" in message
    assert "package one (one:Mine)" in message
    assert "package two (two:Mine)" in message


def test_an_installed_plugin_may_be_registered_too(add_package: AddPackage) -> None:
    add_package("mine", GOOD, "[dabench.datasets]\nmine = mine:Mine\n")
    cls = importlib.import_module("mine").Mine
    registry = Registry()
    assert registry.register(cls) is cls
    assert registry.find("dataset", "mine").origin == "package mine (mine:Mine)"


def test_a_package_that_takes_a_first_party_name_is_named_beside_it(add_package: AddPackage) -> None:
    add_package("thief", GOOD.replace('"mine"', '"uci-digits"'), "[dabench.datasets]\nx = thief:Mine\n")
    message = refusal(lambda: Registry().make("dataset", "uci-digits"))
    assert "dabench.datasets.uci_digits and package thief (thief:Mine)" in message


# --plugin FILE


def write(tmp_path: Path, text: str, name: str = "mine.py") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_plugin_file_is_found_and_its_origin_is_its_path(tmp_path: Path, registry: Registry) -> None:
    path = write(tmp_path, GOOD)
    assert [e.name for e in registry.load_file(path)] == ["mine"]
    assert registry.find("dataset", "mine").origin == f"file {path.resolve()}"


def test_a_plugin_file_loaded_twice_is_loaded_once(tmp_path: Path, registry: Registry) -> None:
    path = write(tmp_path, GOOD)
    assert registry.load_file(path) == registry.load_file(path)


def test_a_plugin_file_may_define_an_instance(tmp_path: Path, registry: Registry) -> None:
    text = GOOD.replace('    name = "mine"\n', "") + "\nmine = Mine()\nmine.name = 'given'\n"
    assert [e.name for e in registry.load_file(write(tmp_path, text))] == ["given"]


def test_a_second_name_for_a_class_is_no_second_plugin(tmp_path: Path, registry: Registry) -> None:
    assert [e.name for e in registry.load_file(write(tmp_path, GOOD + "\nAlias = Mine\n"))] == ["mine"]


def test_a_class_that_a_plugin_file_only_imports_is_not_its_plugin(tmp_path: Path, registry: Registry) -> None:
    text = "from dabench.datasets.uci_digits import UCIDigits\n" + GOOD
    assert [e.name for e in registry.load_file(write(tmp_path, text))] == ["mine"]


def test_a_plugin_file_is_compiled_as_it_is_written(tmp_path: Path, registry: Registry) -> None:
    registry.load_file(write(tmp_path, GOOD + "    kept: int = 3\n"))
    assert type(registry.make("dataset", "mine")).__annotations__ == {"kept": int}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("class Mine(:\n", "SyntaxError: invalid syntax (line 1)"),
        ("x = 1\nraise ValueError('not today')\n", "ValueError: not today (line 2 of "),
        ("raise SystemExit(1)\n", "SystemExit: 1"),
        ("import nothing_of_that_name\n", "No module named 'nothing_of_that_name'"),
        ("x = 1\n", "defines no named class derived from Dataset, Backbone or Adapter"),
        ("", "defines no named class derived from Dataset, Backbone or Adapter"),
        (GOOD.replace("prepare", "read"), "dataset 'mine' does not implement prepare()"),
        (GOOD.replace('"mine"', "3"), "Mine.name = 3: use lower case letters"),
        (GOOD.replace('"mine"', '"a/b/c"'), "at most one '/'"),
        (GOOD + "    Options = dict\n", "Options must be a frozen dataclass"),
    ],
)
def test_a_bad_plugin_file_is_one_error_with_its_path_and_reason(
    tmp_path: Path, registry: Registry, text: str, reason: str
) -> None:
    path = write(tmp_path, text)
    message = refusal(lambda: registry.load_file(path))
    assert message.startswith(f"plugin file {path.resolve()}: ")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize("what", ["missing", "folder", "not text"])
def test_a_plugin_file_that_cannot_be_read_is_one_error(tmp_path: Path, registry: Registry, what: str) -> None:
    path = tmp_path / "mine.py"
    if what == "folder":
        path.mkdir()
    elif what == "not text":
        path.write_bytes(b"\xff\xfe\x00")
    assert f"plugin file {path}: cannot be read (" in refusal(lambda: registry.load_file(path))


def test_a_mended_plugin_file_loads_after_a_failure(tmp_path: Path, registry: Registry) -> None:
    second = GOOD.replace("Mine", "Two").replace('"mine"', '"uci-digits"')
    path = write(tmp_path, GOOD + second)
    assert "two datasets are named 'uci-digits'" in refusal(lambda: registry.load_file(path))
    assert "mine" not in names(registry, "dataset")
    write(tmp_path, GOOD)
    assert [e.name for e in registry.load_file(path)] == ["mine"]


def test_two_files_with_one_name_are_an_error_that_names_both(tmp_path: Path, registry: Registry) -> None:
    one, two = write(tmp_path, GOOD, "one.py"), write(tmp_path, GOOD, "two.py")
    registry.load_file(one)
    message = refusal(lambda: registry.load_file(two))
    assert f"two datasets are named 'mine': file {one.resolve()} and file {two.resolve()}; rename one" in message


# register()


def test_register_is_a_decorator(registry: Registry) -> None:
    cls = adapter("mine")
    assert registry.register(cls) is cls
    assert registry.find("adapter", "mine").origin == "register() of toys.ToyAdapter"


def test_a_ready_instance_can_be_registered(registry: Registry) -> None:
    dataset = toy("ready")
    registry.register(dataset)
    assert registry.make("dataset", "ready") is dataset


def test_registering_again_replaces(registry: Registry) -> None:
    registry.register(adapter("mine", title="old"))
    registry.register(adapter("mine", title="new"))
    assert registry.make("adapter", "mine").title == "new"
    assert [e.name for e in registry.entries("adapter")].count("mine") == 1
    assert [p.title for p in registry.shipment()[1]] == ["new"]


def test_registering_a_taken_name_is_an_error_that_names_both(registry: Registry) -> None:
    message = refusal(lambda: registry.register(adapter("none")))
    assert "two adapters are named 'none': dabench.adapters.none and register() of toys.ToyAdapter" in message


def test_one_name_may_serve_two_kinds(registry: Registry) -> None:
    registry.register(adapter("both"))
    registry.register(toy("both"))
    assert isinstance(registry.make("adapter", "both"), Adapter)
    assert isinstance(registry.make("dataset", "both"), Dataset)


@pytest.mark.parametrize("thing", ["text", 3, str, Plugin, Plugin()])
def test_what_is_no_plugin_cannot_be_registered(registry: Registry, thing: Any) -> None:
    assert "not a Dataset, Backbone or Adapter" in refusal(lambda: registry.register(thing))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"name": ""}, "name = ''"),
        ({"name": "Mine"}, "use lower case letters"),
        ({"name": "my method"}, "use lower case letters"),
        ({"access": "everything"}, "access = 'everything' must be one of none, unlabelled, few-shot, full"),
        ({"access": ["none"]}, "must be one of none, unlabelled, few-shot, full"),
        ({"Options": int}, "Options must be a frozen dataclass"),
        ({"variants": ("a",)}, "only a family has variants; name it 'toy-adapter/*'"),
    ],
)
def test_wrong_facts_are_refused_at_the_door(registry: Registry, facts: dict[str, Any], reason: str) -> None:
    assert reason in refusal(lambda: registry.register(adapter(**facts)))


def test_options_must_be_frozen_and_have_defaults() -> None:
    import dataclasses

    loose = dataclasses.make_dataclass("Loose", [("x", int, 1)])
    bare = dataclasses.make_dataclass("Bare", [("x", int)], frozen=True)
    assert "must be a frozen dataclass" in facts_problem(adapter(Options=loose))
    assert "every field of Options needs a default" in facts_problem(adapter(Options=bare))


def test_a_class_without_its_methods_is_refused(registry: Registry) -> None:
    class Half(Backbone):
        name = "half"

    assert "backbone 'half' does not implement build()" in refusal(lambda: registry.register(Half))


# To worker processes


def test_a_shipment_gives_another_registry_the_files_and_what_was_registered(tmp_path: Path, registry: Registry) -> None:
    path = write(tmp_path, GOOD)
    registry.load_file(path)
    registry.register(adapter("mine"))
    shipment = registry.shipment()
    path.unlink()
    other = Registry(entry_points=False)
    other.receive(shipment)
    assert other.make("dataset", "mine").classes == ("a", "b")
    assert other.make("adapter", "mine").name == "mine"
    other.receive(shipment)  # a second time does nothing


# Protocols


def test_the_label_comes_from_the_name_if_none_is_given() -> None:
    assert adapter("mine")().short_name == "MINE"
    assert adapter("mine", short_name="M")().short_name == "M"


def test_an_adapter_shares_the_pretraining_exactly_if_it_keeps_the_default() -> None:
    assert adapter().shares_pretraining()
    assert not adapter(pretrain=lambda self, net, sources, trainer: net).shares_pretraining()


def test_an_adapter_adapts_exactly_if_it_replaces_the_default() -> None:
    assert not adapter().adapts()
    assert adapter(adapt=lambda self, net, sources, target, trainer: net).adapts()


def test_raw_files_are_all_files_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").touch()
    (tmp_path / "a").touch()
    assert list(toy().raw_files(tmp_path)) == [tmp_path / "a", tmp_path / "sub" / "b"]
    assert list(toy().raw_files(tmp_path / "nowhere")) == []
