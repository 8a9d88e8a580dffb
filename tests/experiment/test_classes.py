"""The classes of a sweep: kept, renamed, merged; refused with the line; part of the digest; printed with the table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import two_sets
from markdown_it import MarkdownIt
from pictures import as_folder, classes, tree
from rich.console import Console
from toys import even, samples, toy

import dabench
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.api import SweepRequest, plan_sweep
from dabench.cli import main
from dabench.data.cache import Prepared
from dabench.data.prepare import prepare_dataset
from dabench.errors import SpecError
from dabench.experiment.plan import Plan
from dabench.experiment.planner import make_plan
from dabench.experiment.validation import sweep_from
from dabench.plugins.contract import Dataset
from dabench.plugins.registry import REGISTRY, Registry
from dabench.reporting import formats
from dabench.reporting.escape import escape_latex
from dabench.reporting.formats import FILES
from dabench.reporting.tables import caption, classes_text
from dabench.reporting.terminal import print_matrix

BASE: dict[str, Any] = {
    "name": "try",
    "datasets": ["acted", "wild"],
    "adapters": ["none"],
    "backbone": "conv4",
    "seeds": 1,
    "size": 16,
}
ACTED, WILD = ("neutral", "calm", "happy", "angry"), ("angry", "happy", "neutral")


def sets(acted: tuple[str, ...] = ACTED, wild: tuple[str, ...] = WILD) -> list[Dataset]:
    """Return two toy sets; the first pixel of a picture is its number, and each class has ten pictures in training."""
    made = []
    for seed, (name, names) in enumerate((("acted", acted), ("wild", wild))):
        splits = {split: samples(even(each, len(names)), seed) for split, each in (("train", 10), ("val", 2), ("test", 5))}
        made.append(toy(name, splits, classes=names))
    return made


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """A function that plans a sweep over `sets()`, or those given, with BASE changed as given."""
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))

    def make(*datasets: Dataset, **changes: Any) -> Plan:
        registry = Registry(entry_points=False)
        for dataset in datasets or sets():
            registry.register(dataset)
        return make_plan(sweep_from(BASE | changes, registry), registry, tmp_path / "raw", lambda _: None)

    return make


def originally(prepared: Prepared) -> dict[str, set[str]]:
    """Return class of the sweep -> the classes that its training pictures had in the set, by their numbers."""
    names = ACTED if prepared.name == "acted" else WILD
    found = prepared.samples("train")
    numbers = np.asarray(found.images[:, 0, 0, 0]) // 10
    return {c: {names[n] for n in numbers[found.labels == k]} for k, c in enumerate(prepared.classes)}


# What is kept


def test_the_classes_kept_are_the_logits_in_that_order(plan: Callable[..., Plan]) -> None:
    made = plan(classes=["happy", "neutral"])
    assert made.classes == ("happy", "neutral")
    for prepared in made.prepared.values():
        assert originally(prepared) == {"happy": {"happy"}, "neutral": {"neutral"}}
        assert prepared.count("train") == 20


def test_keep_in_the_table_is_the_same(plan: Callable[..., Plan]) -> None:
    one, other = plan(classes=["happy", "neutral"]), plan(classes={"keep": ["happy", "neutral"]})
    assert one.runs == other.runs
    assert one.sweep.digest == other.sweep.digest


def test_without_a_word_the_order_is_that_of_the_first_set(plan: Callable[..., Plan]) -> None:
    made = plan(*sets(acted=("happy", "neutral", "angry")))
    assert made.classes == made.prepared["wild"].classes == ("happy", "neutral", "angry")


def test_names_that_differ_in_case_alone_are_one_class(plan: Callable[..., Plan]) -> None:
    made = plan(*sets(acted=("Neutral", "SURPRISE\u0301D"), wild=("neutral", "surpris\u00e9d")))
    assert made.classes == made.prepared["wild"].classes == ("Neutral", "SURPRISE\u0301D")


def test_names_are_written_as_they_are_kept(plan: Callable[..., Plan]) -> None:
    made = plan(classes=["Happy", "NEUTRAL"])
    assert made.classes == ("Happy", "NEUTRAL")
    assert originally(made.prepared["wild"]) == {"Happy": {"happy"}, "NEUTRAL": {"neutral"}}


def test_letters_in_two_cases_stay_two_classes(plan: Callable[..., Plan]) -> None:
    assert plan(*sets(acted=("a", "A", "b"), wild=("A", "a", "B"))).classes == ("a", "A", "b")


# What is renamed


def test_two_classes_become_one(plan: Callable[..., Plan]) -> None:
    made = plan(classes={"map": {"calm": "neutral"}})
    assert made.classes == ("neutral", "happy", "angry")
    acted = made.prepared["acted"]
    assert originally(acted) == {"neutral": {"neutral", "calm"}, "happy": {"happy"}, "angry": {"angry"}}
    assert acted.splits["train"]["classes"] == {"neutral": 20, "happy": 10, "angry": 10}


def test_a_renaming_of_one_set_leaves_the_others(plan: Callable[..., Plan]) -> None:
    made = plan(classes={"keep": ["happy", "neutral"], "map": {"acted": {"neutral": "x", "calm": "neutral"}}})
    assert originally(made.prepared["acted"]) == {"happy": {"happy"}, "neutral": {"calm"}}
    assert originally(made.prepared["wild"]) == {"happy": {"happy"}, "neutral": {"neutral"}}


def test_what_is_said_of_one_set_counts_more_than_what_is_said_of_all(plan: Callable[..., Plan]) -> None:
    made = plan(
        classes={"keep": ["quiet", "happy"], "map": {"neutral": "quiet", "acted": {"neutral": "neutral", "calm": "quiet"}}}
    )
    assert originally(made.prepared["acted"]) == {"quiet": {"calm"}, "happy": {"happy"}}
    assert originally(made.prepared["wild"]) == {"quiet": {"neutral"}, "happy": {"happy"}}


def test_a_single_class_is_an_error(plan: Callable[..., Plan]) -> None:
    with pytest.raises(SpecError, match="the datasets have a single class, 'happy', so every network is right; add images of"):
        plan(classes={"keep": ["happy"]})


def test_classes_can_change_places(plan: Callable[..., Plan]) -> None:
    made = plan(classes={"keep": ["happy", "angry"], "map": {"wild": {"happy": "angry", "angry": "happy"}}})
    assert originally(made.prepared["wild"]) == {"happy": {"angry"}, "angry": {"happy"}}


def test_a_set_that_has_none_of_the_renamed_classes_is_not_copied(plan: Callable[..., Plan], tmp_path: Path) -> None:
    acted, wild = sets(wild=("neutral", "happy", "angry"))
    made = plan(acted, wild, size=8, classes={"map": {"calm": "neutral"}})
    assert made.prepared["wild"] == prepare_dataset(wild, tmp_path / "raw" / "wild", tmp_path / "cache", notify=lambda _: None)


def test_another_map_is_other_work(plan: Callable[..., Plan]) -> None:
    same = {"keep": ["happy", "neutral"]}
    plans = [plan(classes=same | {"map": m}) for m in ({}, {"calm": "neutral"}, {"calm": "happy"})]
    assert len({run.digest for p in plans for run in p.runs if run.sources == ("acted",)}) == 3
    assert len({p.sweep.digest for p in plans}) == 3
    assert len({json.dumps(p.sweep.recipe) for p in plans}) == 3


# What is refused

HEAD = """name = "s"
datasets = ["acted", "wild"]
adapters = ["none"]
backbone = "conv4"
size = 16
"""
BAD = {
    "a class that a set lacks": (
        'classes = ["happy", "neutrall"]',
        6,
        ["classes: dataset 'acted' has no neutrall; did you mean 'neutral'?", "its classes are neutral, calm, happy, angry"],
    ),
    "a class that a set lacks, in the table": ('[classes]\n\nkeep = ["calm"]', 8, ["dataset 'wild' has no calm"]),
    "a class twice": ('[classes]\nkeep = ["happy", "happy"]', 7, ["classes = ['happy', 'happy']: duplicate name"]),
    "different classes": (
        "",
        2,
        ["acted has neutral, calm, happy, angry", "wild has angry, happy, neutral", 'classes = ["neutral", "happy", "angry"]'],
    ),
    "different classes, renamed": (
        '[classes.map]\nhappy = "glad"',
        2,
        ["acted has neutral, calm, glad", 'keep = ["neutral", "glad", "angry"] under [classes]'],
    ),
    "no class shared": (
        '[classes.map.wild]\nhappy = "x"\nangry = "y"\nneutral = "z"',
        2,
        ["wild has y, x, z", "rename classes that mean the same under [classes.map]"],
    ),
    "a renaming of no class": (
        '[classes.map]\nhappy = "glad"\nclam = "neutral"',
        8,
        ["classes.map.clam: no dataset of the sweep has a class 'clam'; did you mean 'calm'?", "known: neutral, calm"],
    ),
    "a renaming of no class of that set": (
        '[classes.map.wild]\ncalm = "neutral"',
        7,
        ["classes.map.wild.calm: dataset 'wild' has no class 'calm'", "known: angry, happy, neutral"],
    ),
    "a renaming in a set that is not there": (
        '[classes.map.wlid]\nhappy = "glad"',
        6,
        ["[classes.map.wlid]: 'wlid' is not in datasets; did you mean 'wild'?"],
    ),
    "a number for a name": ("[classes.map]\ncalm = 3", 7, ["classes.map.calm = 3: must be the new name of a class"]),
    "no name": ('[classes.map.acted]\ncalm = ""', 7, ["classes.map.acted.calm = '': must be the new name of a class"]),
    "a table in a table": ('[classes.map.acted.calm]\nx = "y"', 6, ["classes.map.acted.calm", "must be the new name"]),
    "a list for the map": ('[classes]\nmap = ["calm"]', 7, ["classes.map = ['calm']: must be a table of old = \"new\""]),
    "a text for what is kept": ('[classes]\nkeep = "calm"', 7, ["classes.keep = 'calm': must be a list of class names"]),
    "an unknown key": ("[classes]\nkeeep = []", 7, ["unknown key 'classes.keeep'; did you mean 'keep'?", "[classes.map]"]),
    "a text for classes": ('classes = "happy"', 6, ["classes = 'happy': must be a list"]),
    "the name inside": ('[class_map]\ncalm = "neutral"', 6, ["unknown key 'class_map'", "[classes.map]"]),
}


@pytest.fixture
def registered(registry_restored: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two sets, as the commands find them."""
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for dataset in sets():
        REGISTRY.register(dataset)


def refusal(text: str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    Path("s.toml").write_text(HEAD + text + "\n")
    assert main(["sweep", "s.toml", "--plan", *words]) == 2
    *notes, line = capsys.readouterr().err.splitlines()
    assert [n for n in notes if not n.startswith("preparing ")] == []
    return line.removeprefix("dabench: error: ")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("case", BAD)
def test_bad_classes_are_refused_with_the_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, number, parts = BAD[case]
    line = refusal(text, capsys)
    assert line.startswith(f"s.toml, line {number}: ")
    assert [part for part in parts if part not in line] == [], line


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("classes.map.clam=neutral", "--set: classes.map.clam: no dataset of the sweep has a class 'clam'"),
        ('classes=["happy", "sad"]', "--set: classes: dataset 'acted' has no sad"),
        ("classes.keep=happy", "--set: classes.keep = 'happy': must be a list"),
        ("classes.map=neutral", "--set: classes.map = 'neutral': must be a table"),
    ],
)
def test_a_bad_override_is_refused_as_one(override: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("", capsys, "--set", override).startswith(part)


@pytest.mark.usefixtures("registered")
def test_a_map_over_a_list_says_that_the_list_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal('classes = ["happy"]', capsys, "--set", "classes.map.calm=neutral")
    assert "'classes' is a value, not a table" in line


@pytest.mark.usefixtures("registered")
def test_a_bad_table_in_python_is_refused_without_a_place() -> None:
    with pytest.raises(SpecError, match=r"^classes.map.clam: no dataset"):
        plan_sweep(SweepRequest(BASE | {"classes": {"map": {"clam": "neutral"}}}))


# The ways to say it


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("one_set", [False, True])
def test_the_same_map_by_file_by_override_and_in_python(tmp_path: Path, one_set: bool) -> None:
    path = tmp_path / "s.toml"
    path.write_text(HEAD)
    override = f"classes.map{'.acted' if one_set else ''}.calm=neutral"
    overridden = plan_sweep(SweepRequest(path, set=[override])).plan
    path.write_text(f'{HEAD}[classes.map{".acted" if one_set else ""}]\ncalm = "neutral"\n')
    names = {"calm": "neutral"}
    table = dict(BASE, name="s", seeds=3) | {"classes": {"map": {"acted": names} if one_set else names}}
    for other in (plan_sweep(SweepRequest(path)).plan, plan_sweep(SweepRequest(table)).plan):
        assert other.runs == overridden.runs
        assert other.classes == ("neutral", "happy", "angry")


@pytest.mark.usefixtures("registered")
def test_a_map_in_python_may_speak_of_all_sets_and_of_one(tmp_path: Path) -> None:
    table = BASE | {"classes": {"keep": ["quiet", "happy"], "map": {"acted": {"calm": "quiet"}, "neutral": "quiet"}}}
    assert plan_sweep(SweepRequest(table)).plan.prepared["acted"].splits["train"]["classes"] == {"quiet": 20, "happy": 10}


def test_sets_of_different_classes_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, letters in (("acted", "abc"), ("wild", "ac")):
        as_folder(tmp_path / name, tree(classes(10, letters), size=(16, 16)))
    text = (
        HEAD
        + """seeds = 1
[classes]
keep = ["c", "rest"]
[classes.map]
b = "rest"
[classes.map.wild]
a = "rest"
[train]
steps = 1
batch = 4
checkpoints = 1
[dataset.acted]
path = "acted"
[dataset.wild]
path = "wild"
"""
    )
    (tmp_path / "s.toml").write_text(text)
    assert main(["sweep", "s.toml", "--engine", "inline"]) == 0
    results = json.loads((tmp_path / "runs" / "s" / "report" / "results.json").read_text())
    assert (results["classes"], results["class_map"]) == (["c", "rest"], {"b": "rest", "wild": {"a": "rest"}})
    assert results["datasets"]["acted"]["counts"]["test"] == 4  # of three classes of two: without a
    assert main(["sweep", "s.toml", "--engine", "inline", "--set", "classes.map.b=c"]) == 2  # another sweep than the folder's


# In the report


def matrix(tmp_path: Path, **changes: Any) -> Matrix:
    return read_matrix(two_sets(seeds=1, **changes).write(tmp_path / "s"))


RENAMED: Mapping[str, Any] = {"keep": ("x", "y", "z"), "class_map": {"u": "x", "hand": {"v": "y", "w": "y"}}}
TEXT = "x, y, z; u read as x; v of H read as y; w of H read as y"


def test_the_caption_says_what_is_kept_and_renamed(tmp_path: Path) -> None:
    assert caption(matrix(tmp_path, **RENAMED)).endswith(f" Classes: {TEXT}.")


def test_a_sweep_that_keeps_all_says_nothing(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    assert classes_text(made) == ""
    assert "Classes" not in caption(made)
    assert "class_map" not in json.loads(formats.to_json(made))
    assert "classes" not in FILES["matrix.csv"](made).split("\n")[0].split(",")


def test_of_many_classes_the_first_are_named(tmp_path: Path) -> None:
    many = ("x", "y", "z", *(f"c{i}" for i in range(60)))
    text = classes_text(matrix(tmp_path, classes=many, keep=many))
    assert text.startswith("x, y, z, c0")
    assert text.endswith("c16 and 43 more")


def test_every_format_says_it(tmp_path: Path) -> None:
    made = matrix(tmp_path, **RENAMED)
    console = Console(record=True, width=500, file=io.StringIO())
    print_matrix(made, console)
    assert f"Classes: {TEXT}." in console.export_text()
    for text in (FILES["matrix.md"](made), FILES["gains.md"](made), FILES["matrix.tex"](made), FILES["gains.tex"](made)):
        assert f"Classes: {TEXT}." in text
    for text in (FILES["matrix.csv"](made), FILES["gains.csv"](made)):
        assert {row["classes"] for row in csv.DictReader(io.StringIO(text))} == {TEXT}
    results = json.loads(formats.to_json(made))
    assert (results["classes"], results["class_map"]) == (["x", "y", "z"], RENAMED["class_map"])


@pytest.mark.parametrize("name", ["a|b", "<b>x</b>", "_a_ $x$", "\\input{x}", "=1+1", "[red]x[/red]"])
def test_strange_class_names_stay_what_they_are(tmp_path: Path, name: str) -> None:
    made = matrix(tmp_path, classes=(name, "y", "z"), keep=(name, "y", "z"), class_map={name: "y"})
    inline = [t for t in MarkdownIt("commonmark").parse(FILES["matrix.md"](made)) if t.type == "inline"]
    assert {child.type for child in inline[1].children or []} <= {"text", "text_special"}
    assert f"Classes: {name}, y, z; {name} read as y." in "".join(child.content for child in inline[1].children or [])
    (text,) = {row["classes"] for row in csv.DictReader(io.StringIO(FILES["matrix.csv"](made)))}
    assert text.lstrip("'") == f"{name}, y, z; {name} read as y"
    assert escape_latex(f"{name}, y, z") in FILES["matrix.tex"](made)
    console = Console(record=True, width=500, file=io.StringIO())
    print_matrix(made, console)
    assert f"Classes: {name}, y, z" in console.export_text()


def test_a_committed_table_says_it(tmp_path: Path) -> None:
    two_sets(seeds=1, **RENAMED).write(tmp_path / "s")
    dabench.cli.main(["baseline", "mine", "--from", str(tmp_path / "s"), "--to", str(tmp_path)])
    assert f"- Classes: {TEXT}." in (tmp_path / "mine.md").read_text()
