"""The structure of the code: packages stand on floors, imports only go down, and nothing imports in a circle.

Everything is read from the source: annotations under TYPE_CHECKING and imports inside functions count like any other.
`python tests/test_floors.py` prints the floors with their numbers of modules, lines and imports.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import dabench

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "hashing"),
    ("plugins",),
    ("storage",),
    ("data", "backbones"),
    ("training", "datasets"),
    ("experiment", "checks", "adapters"),
    ("execution", "analysis"),
    ("reporting", "rating"),
    ("inference",),
    ("api",),
    ("cli", "__init__"),
    ("__main__",),
)
"""From the ground up. A package imports itself and what stands on a lower floor, never a package beside it."""
SHELVES = ("datasets", "backbones", "adapters")
"""Packages with one plugin a file. A plugin may also import `dabench` itself, as a stranger's plugin does."""
MOST_LOOSE = 6
HEAVY = (
    "torch", "torchvision", "ray", "optuna", "timm", "pytorch_adapt", "matplotlib", "sklearn", "av", "decord", "cv2", "pydantic",
)  # fmt: skip


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


def imports_of(module: str) -> set[str]:
    """The modules of dabench that a module imports anywhere: at its top, in functions, and for annotations alone."""
    return set(_imports(ast.parse(SOURCES[module].read_text(encoding="utf-8")))) - {module}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.partition(".")[0] == "dabench")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            if (node.module or "").partition(".")[0] == "dabench":
                for name in (f"{node.module}.{a.name}" for a in node.names):
                    yield name if name in SOURCES else str(node.module)


IMPORTS = {module: imports_of(module) for module in SOURCES}


def package_of(module: str) -> str:
    """The package that a module belongs to, or its own name where it lies loose in dabench/."""
    return module.split(".")[1] if "." in module else "__init__"


def floor_of(package: str) -> int:
    """The floor of a package, from 1; an error that says what to do where it stands on none."""
    for number, floor in enumerate(FLOORS, 1):
        if package in floor:
            return number
    raise AssertionError(f"dabench/{package} stands on no floor: put it into FLOORS, and into CONTRIBUTING.md")


def wrong_imports(module: str, imported: set[str]) -> set[str]:
    """What a module imports from its own floor or above, outside its own package."""
    own = package_of(module)
    others = {name for name in imported if package_of(name) != own}
    if own in SHELVES:
        others -= {"dabench"}
    return {name for name in others if floor_of(package_of(name)) >= floor_of(own)}


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    assert wrong_imports(module, IMPORTS[module]) == set()


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("dabench.plugins.registry", "dabench.storage.reader"),
        ("dabench.execution.run", "dabench.analysis.matrix"),
        ("dabench.analysis.matrix", "dabench.execution.run"),
        ("dabench.data.cache", "dabench.cli"),
        ("dabench.training.trainer", "dabench"),
    ],
)
def test_an_import_upwards_or_sideways_is_seen(module: str, imported: str) -> None:
    assert wrong_imports(module, {imported}) == {imported}


def test_a_package_that_stands_on_no_floor_is_an_error() -> None:
    with pytest.raises(AssertionError, match="stands on no floor"):
        floor_of("attic")


def test_every_imported_module_exists() -> None:
    assert {name for imported in IMPORTS.values() for name in imported} - set(SOURCES) == set()


def test_no_module_imports_itself_through_others() -> None:
    list(TopologicalSorter(IMPORTS).static_order())


def test_no_package_imports_itself_through_others() -> None:
    arrows: dict[str, set[str]] = {}
    for module, imported in IMPORTS.items():
        mine = arrows.setdefault(package_of(module), set())
        mine |= {package_of(name) for name in imported} - {package_of(module), "__init__"}
    list(TopologicalSorter(arrows).static_order())


def test_annotations_and_late_imports_count() -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dabench.cli import main\ndef f():\n    import dabench.api"
    )
    assert set(_imports(ast.parse(text))) == {"dabench.cli", "dabench.api"}


def test_few_modules_lie_loose() -> None:
    loose = sorted(path.name for path in Path(dabench.__file__).parent.glob("*.py"))
    assert len(loose) <= MOST_LOOSE, loose


@pytest.mark.parametrize("module", sorted(m for m in SOURCES if package_of(m) not in SHELVES))
def test_the_core_names_no_plugin(module: str) -> None:
    assert {name for name in IMPORTS[module] if package_of(name) in SHELVES} == set()


def test_storage_knows_no_plugin() -> None:
    """It uses how tables are typed (plugins.options), and neither the contract nor the registry."""
    mine = {name for module in SOURCES if package_of(module) == "storage" for name in IMPORTS[module]}
    assert {name for name in mine if package_of(name) == "plugins"} == {"dabench.plugins.options"}


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


def test_no_module_takes_the_name_of_a_function() -> None:
    """An imported submodule becomes an attribute of `dabench` and would replace the function of that name."""
    below = {module.split(".")[1] for module in SOURCES if "." in module} | {"adapters", "baselines", "sweeps"}
    assert below & set(dabench.__all__) == set()


def test_an_unknown_word_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'dabench' has no attribute 'swepe'"):
        _ = dabench.swepe


def test_every_package_is_named_for_the_wheel() -> None:
    table = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {m for m, path in SOURCES.items() if path.name == "__init__.py"}
    assert folders | {"dabench.baselines", "dabench.baselines.contributed", "dabench.sweeps"} == set(
        table["tool"]["setuptools"]["packages"]
    )


def main() -> None:
    """Print the floors: packages with their modules, lines and imports of other packages, and what breaks the rules."""
    for number, floor in reversed(list(enumerate(FLOORS, 1))):
        for package in floor:
            mine = [m for m in SOURCES if package_of(m) == package]
            lines = sum(SOURCES[m].read_text(encoding="utf-8").count("\n") for m in mine)
            others = sorted({package_of(n) for m in mine for n in IMPORTS[m]} - {package})
            print(f"{number:>2}  {package:<11}{len(mine):>4} modules{lines:>6} lines   imports {', '.join(others) or '-'}")
    wrong = {m: found for m in SOURCES if (found := wrong_imports(m, IMPORTS[m]))}
    try:
        list(TopologicalSorter(IMPORTS).static_order())
        circle = "no circles"
    except CycleError as e:
        circle = f"a circle: {' -> '.join(e.args[1])}"
    total = sum(path.read_text(encoding="utf-8").count("\n") for path in SOURCES.values())
    edges = sum(map(len, IMPORTS.values()))
    print(
        f"{len(SOURCES)} modules, {total} lines, {edges} imports, {sum(map(len, wrong.values()))} upwards or sideways, {circle}"
    )
    for module, found in sorted(wrong.items()):
        print(f"  {module} imports {', '.join(sorted(found))}")


if __name__ == "__main__":
    main()
