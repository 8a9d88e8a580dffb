"""New plugins: the package that `dabench new` writes is whole, installs, and is found, checked and run."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dabench
from dabench.cli import main
from dabench.errors import PluginError, StoreError
from dabench.plugins.contract import KINDS, PluginKind
from dabench.plugins.registry import REGISTRY

pytestmark = pytest.mark.usefixtures("registry_restored")


def pictures(raw: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, n in (("train", 12), ("test", 4)):
        for name in ("first", "second"):
            (raw / split / name).mkdir(parents=True)
            for i in range(n):
                Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(raw / split / name / f"{i}.png")
    return raw


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_has_module_test_readme_and_entry_point(kind: PluginKind, tmp_path: Path) -> None:
    files = dabench.new(kind, "my-own", tmp_path / "p")
    assert [f.relative_to(tmp_path / "p").as_posix() for f in files] == [
        "pyproject.toml",
        "README.md",
        "dabench_my_own.py",
        "tests/test_dabench_my_own.py",
    ]
    project = tomllib.loads(files[0].read_text(encoding="utf-8"))["project"]
    assert project["description"] == f"{'An' if kind == 'adapter' else 'A'} {kind} for dabench"
    points = project["entry-points"]
    assert points == {f"dabench.{kind}s": {"my-own": "dabench_my_own:MyOwn"}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "a.b-c_d", "4faces", "3d"])
def test_every_allowed_name_gives_python_that_defines_the_class(kind: PluginKind, name: str, tmp_path: Path) -> None:
    files = dabench.new(kind, name, tmp_path / "p")
    point = tomllib.loads(files[0].read_text(encoding="utf-8"))["project"]["entry-points"][f"dabench.{kind}s"][name]
    classes = [n.name for n in ast.parse(files[2].read_text(encoding="utf-8")).body if isinstance(n, ast.ClassDef)]
    assert point == f"{files[2].stem}:{classes[0]}"
    ast.parse(files[3].read_text(encoding="utf-8"))
    assert REGISTRY.load_file(files[2])[0].name == name


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_written_against_what_dabench_exports(kind: PluginKind, tmp_path: Path) -> None:
    tree = ast.parse(dabench.new(kind, "my-own", tmp_path / "p")[2].read_text(encoding="utf-8"))
    names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert {name for name in names if name.startswith("dabench")} == {"dabench"}


@pytest.mark.parametrize("name", ["My-Faces", "my faces", "", "a/b", "../x", "-a", "a-"])
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is not a valid plugin name: use lower case letters and digits"):
        dabench.new("dataset", name, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "README.md").write_text("mine")
    with pytest.raises(StoreError, match="exists already; nothing was changed; give another folder with --to"):
        dabench.new("dataset", "mine", tmp_path / "p")
    assert [f.read_text() for f in (tmp_path / "p").iterdir()] == ["mine"]


def test_the_command_writes_into_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "adapter", "my-method"]) == 0
    assert "Next: pip install -e my-method | dabench check my-method" in capsys.readouterr().out
    assert (tmp_path / "my-method" / "dabench_my_method.py").is_file()


def test_a_new_dataset_whose_facts_are_emptied_is_told_what_to_fill_in(tmp_path: Path) -> None:
    files = dabench.new("dataset", "my-faces", tmp_path / "p")
    text = files[2].read_text(encoding="utf-8")
    text = text.replace('title = "two made-up classes"', 'title = ""').replace('license = "private"', 'license = ""')
    files[2].write_text(text, encoding="utf-8")
    failed = [f.advice for f in dabench.check("my-faces", plugins=[files[2]]) if f.state == "failed"]
    assert [a.split(";")[0] for a in failed] == ["title is empty", "license is empty"]


def test_a_new_dataset_keeps_the_contract_on_real_files(tmp_path: Path) -> None:
    files = dabench.new("dataset", "my-faces", tmp_path / "p")
    found = dabench.check("my-faces", plugins=[files[2]], raw=pictures(tmp_path / "faces"))
    assert [f for f in found if f.state == "failed"] == []
    assert [f.rule for f in found if f.state == "skipped"] == ["no group is in two splits"]


@pytest.mark.parametrize("kind", ["backbone", "adapter"])
def test_a_new_network_or_method_keeps_the_contract_as_it_is(kind: PluginKind, tmp_path: Path) -> None:
    files = dabench.new(kind, "my-own", tmp_path / "p")
    assert [f for f in dabench.check("my-own", plugins=[files[2]]) if f.state != "passed"] == []


@pytest.fixture(scope="module")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new virtual environment, in which the packages of this one are to be seen: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    theirs = dict.fromkeys(p for p in sys.path if p.endswith("site-packages"))
    lines = [f"import site; site.addsitedir({p!r})\n" for p in theirs]
    (site / "borrowed.pth").write_text("".join(lines), encoding="utf-8")
    return folder / "bin" / "python"


SWEEP = """
name = "faces"
datasets = ["my-faces", "font-digits"]
adapters = ["none", "dann"]
backbone = "conv4"
seeds = 1
size = 16
[classes]
keep = ["0", "1"]
[classes.map.my-faces]
first = "0"
second = "1"
[train]
steps = 2
batch = 8
checkpoints = 1
"""


@pytest.mark.slow
def test_a_package_filled_in_and_installed_is_listed_checked_and_swept(empty_environment: Path, tmp_path: Path) -> None:
    def run(*words: object, code: int = 0) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"DABENCH_DATA": str(tmp_path / "data")}
        ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, cwd=tmp_path / "elsewhere", env=environment)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout

    (tmp_path / "elsewhere").mkdir()
    commands = empty_environment, "-m", "dabench"
    assert "my-faces" not in run(*commands, "list", "datasets")
    dabench.new("dataset", "my-faces", tmp_path / "package")
    offline = "--no-deps", "--no-index", "--no-build-isolation"
    run(sys.executable, "-m", "pip", "--python", empty_environment, "install", "-q", *offline, tmp_path / "package")
    run(empty_environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "package")  # installed, and registered
    shutil.rmtree(tmp_path / "package")  # what is installed stands by itself
    pictures(tmp_path / "data" / "my-faces")
    assert ["my-faces", "two", "made-up", "classes"] in [line.split() for line in run(*commands, "list", "datasets").splitlines()]
    assert "origin: package dabench-my-faces (dabench_my_faces:MyFaces)\n" in run(*commands, "show", "dataset", "my-faces")
    assert " 0 failed" in run(*commands, "check", "my-faces")
    assert "my-faces: 22 / 2 / 8 images (train / val / test)" in run(*commands, "prepare", "my-faces")
    (tmp_path / "elsewhere" / "faces.toml").write_text(SWEEP, encoding="utf-8")
    assert "CONV4-MYFACES-FONT" in run(*commands, "sweep", "faces.toml", "--engine", "inline")
    results = json.loads(run(*commands, "report", "runs/faces", "--format", "json"))
    assert results["complete"]
    assert {(g["sources"][0], g["target"]) for g in results["gains"]} == {
        ("my-faces", "font-digits"),
        ("font-digits", "my-faces"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_that_comes_with_a_plugin_passes_as_generated(kind: PluginKind, tmp_path: Path) -> None:
    files = dabench.new(kind, "my-own", tmp_path / "p")
    assert 'dabench.check("my-own")' in files[3].read_text(encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "p")
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout


def test_the_test_that_comes_with_a_plugin_fails_where_the_contract_is_broken(tmp_path: Path) -> None:
    files = dabench.new("dataset", "my-own", tmp_path / "p")
    text = files[2].read_text(encoding="utf-8")
    files[2].write_text(text.replace("return Samples(images, labels)", "return Samples(images, labels + 1)"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "p")
    assert ran.returncode == 1, ran.stdout
    assert "labels" in ran.stdout
