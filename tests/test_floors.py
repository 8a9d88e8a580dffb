"""Imports run one way, the core names no plugin, and listing loads no heavy library. Read from the source, not from memory."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import dabench

PLUGINS = ("dabench.datasets", "dabench.backbones", "dabench.adapters")
HEAVY = ("torch", "torchvision", "ray", "optuna", "timm", "pytorch_adapt", "matplotlib", "sklearn", "decord", "cv2")


def sources() -> dict[str, Path]:
    """Module name -> file, of the package and of the first-party adapters."""
    found = {}
    for package in ("dabench", "dabench.adapters"):
        folder = Path(next(iter(import_module(package).__path__)))
        for path in folder.rglob("*.py"):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


SOURCES = sources()


def imports_of(module: str, *, late: bool = True) -> set[str]:
    """The modules of dabench that a module imports when it runs; `late`: those inside functions too."""
    return set(_imports(ast.parse(SOURCES[module].read_text(encoding="utf-8")), late)) - {module}


def _imports(node: ast.AST, late: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield from _imports(other, late)
        elif isinstance(child, ast.Import):
            yield from (a.name for a in child.names if a.name.partition(".")[0] == "dabench")
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute here"
            if (child.module or "").partition(".")[0] == "dabench":
                for name in (f"{child.module}.{a.name}" for a in child.names):
                    yield name if name in SOURCES else str(child.module)
        elif late or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _imports(child, late)


def named_in(module: str) -> set[str]:
    """The modules of dabench that a module names anywhere, for type checkers too."""
    found = (n.module for n in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))) if isinstance(n, ast.ImportFrom))
    return {name for name in found if name and name.partition(".")[0] == "dabench"}


def is_plugin(module: str) -> bool:
    return module.startswith(tuple(f"{p}." for p in PLUGINS))


def test_the_reader_of_imports_sees_them() -> None:
    assert {"dabench.plugins.registry", "dabench.plugins.options", "dabench.training.settings"} <= imports_of(
        "dabench.experiment.validation"
    ) | imports_of("dabench.experiment.config")
    assert "dabench.data.images" in imports_of("dabench.data.prepare")
    assert "dabench.data.images" not in imports_of("dabench.data.prepare", late=False)
    assert "dabench.api" not in imports_of("dabench")  # for type checkers alone
    assert {"dabench.adapters.dann", "dabench.data.splits"} <= set(SOURCES)


def test_every_imported_module_is_there() -> None:
    assert {name for module in SOURCES for name in imports_of(module)} - set(SOURCES) == set()


@pytest.mark.parametrize("late", [False, True])
def test_no_module_imports_itself_through_others(late: bool) -> None:
    list(TopologicalSorter({m: imports_of(m, late=late) for m in SOURCES}).static_order())


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if not is_plugin(m)))
def test_the_core_names_no_plugin_module(module: str) -> None:
    assert {name for name in imports_of(module) if is_plugin(name)} == set()


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if is_plugin(m)))
def test_a_plugin_imports_only_what_plugins_are_written_against(module: str) -> None:
    allowed = {
        "dabench",
        "protocols",
        "typed",
        "errors",
        "libraries",
        "second_order",
        "data.resize",
        "data.splits",
    }
    allowed |= {
        "places",
        "data.clips",
        "data.video",
        "data.video_pool",
        "data.lazy",
        "data.tables",
        "data.pictures",
        "data.imitation",
    }
    kind = module.rpartition(".")[0]
    rest = {name for name in imports_of(module) if not name.startswith(f"{kind}.")}
    assert rest <= {f"dabench.{a}" if a != "dabench" else a for a in allowed}


def test_the_contract_stands_on_errors_and_settings_alone() -> None:
    assert named_in("dabench.plugins.contract") == {"dabench.errors", "dabench.plugins.options"}


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if m.startswith("dabench.adapters.")))
def test_an_adapter_is_written_against_what_dabench_exports(module: str) -> None:
    assert named_in(module) <= {"dabench", "dabench.training.pytorch_adapt", "dabench.training.batchnorm"}


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if m.startswith("dabench.data.")))
def test_data_stands_on_protocols_alone(module: str) -> None:
    below = {
        f"dabench.{name}"
        for name in ("protocols", "errors", "digests", "code_hash", "typed", "record_types", "atomic", "far", "places")
    }
    assert {name for name in imports_of(module) if not name.startswith("dabench.data.")} <= below


def parts(*names: str) -> set[str]:
    """The modules of those names, and all that are in those that are packages."""
    return {m for m in SOURCES for name in names if f"{m}.".startswith(f"dabench.{name}.")}


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("errors", {*SOURCES} - parts("errors")),
        ("typed", {*SOURCES} - parts("errors", "typed")),
        ("protocols", {*SOURCES} - parts("errors", "typed", "protocols")),
        ("far", {*SOURCES} - parts("errors", "far")),
        ("places", {*SOURCES} - parts("errors", "typed", "protocols", "digests", "far", "places")),
        ("registry", parts("spec", "plan", "store", "train", "work", "drive", "matrix", "api", "cli")),
        ("train", parts("registry", "spec", "plan", "store", "work", "drive", "matrix", "api", "cli")),
        ("evaluate", parts("registry", "spec", "plan", "store", "work", "drive", "matrix", "api", "cli")),
        ("store", parts("registry", "spec", "plan", "train", "work", "drive", "matrix", "api", "cli")),
        ("stored", parts("registry", "spec", "plan", "store", "train", "work", "drive", "matrix", "api", "cli")),
        *(
            (lower, parts("registry", "spec", "plan", "train", "work", "drive", "matrix", "api", "cli"))
            for lower in ("parts", "predictions", "by_group")
        ),
        ("matrix", parts("registry", "spec", "plan", "train", "work", "drive", "api", "cli")),
        ("plan", parts("store", "train", "evaluate", "work", "drive", "matrix", "api", "cli")),
        ("watching", parts("drive", "matrix", "reporting", "api", "cli")),
        ("drive", parts("matrix", "api", "cli")),
        ("reporting", parts("drive", "api", "cli")),
        ("api", parts("cli")),
    ],
)
def test_no_part_imports_one_above_it(lower: str, upper: set[str]) -> None:
    assert parts(lower)
    assert {name for module in parts(lower) for name in imports_of(module)} & upper == set()


def heavy_after(code: str) -> str:
    check = f"import sys; print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.rpartition("HEAVY ")[2].strip()


def test_importing_dabench_loads_no_heavy_library() -> None:
    assert heavy_after("import dabench") == "[]"


def test_listing_all_plugins_loads_no_heavy_library() -> None:
    code = """
from dabench.plugins.contract import KINDS
from dabench.plugins.registry import REGISTRY
assert all(len(REGISTRY.entries(kind)) > 2 for kind in KINDS)
"""
    assert heavy_after(code) == "[]"


def test_the_command_list_loads_no_heavy_library() -> None:
    code = """
import runpy, sys
sys.argv = ["dabench", "list", "--json"]
try:
    runpy.run_module("dabench", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    assert heavy_after(code) == "[]"


def test_the_check_for_heavy_libraries_sees_one() -> None:
    assert heavy_after("import matplotlib") == "['matplotlib']"


def test_every_word_that_dabench_offers_is_there() -> None:
    assert [name for name in dabench.__all__ if not hasattr(dabench, name)] == []


def test_dir_shows_every_word_that_dabench_offers() -> None:
    assert {*dabench.__all__, "list"} - set(dir(dabench)) == set()


def test_an_unknown_word_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'dabench' has no attribute 'swepe'"):
        _ = dabench.swepe


def test_every_package_is_named_for_the_wheel() -> None:
    table = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {m for m, path in SOURCES.items() if path.name == "__init__.py"}
    assert folders | {"dabench.baselines", "dabench.sweeps"} == set(table["tool"]["setuptools"]["packages"])
