"""Wrong requests: one clear line on standard error that says what, where, what is allowed and what to do; exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from fabricated import two_sets
from PIL import Image
from tiny_sweeps import SHAPES, TINY

from dabench.cli import main

pytestmark = pytest.mark.usefixtures("registry_restored")

Fails = Callable[..., str]


@pytest.fixture
def fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fails:
    """A function that runs a command which must be refused, and returns the one line that says why."""
    monkeypatch.chdir(tmp_path)

    def refused(*words: str) -> str:
        code = main(words)
        out, err = capsys.readouterr()
        lines = [x for x in err.splitlines() if not x.startswith(("preparing ", "resizing ")) and ": read as: " not in x]
        assert code == 2, err
        assert len(lines) == 1, err
        assert lines[0].startswith("dabench: error: ")
        assert "Traceback" not in out + err
        return lines[0].removeprefix("dabench: error: ")

    return refused


@pytest.fixture
def sweep(tmp_path: Path, fails: Fails) -> Fails:
    """A function from the text of a sweep file (and more words) to the line that refuses it."""

    def refused(text: str, *words: str) -> str:
        (tmp_path / "s.toml").write_text(text, encoding="utf-8")
        line = fails("sweep", "s.toml", "--engine", "inline", *words)
        assert not (tmp_path / "runs").exists()
        return line

    return refused


def digits(**changes: str) -> str:
    """Return a sweep file over the embedded digits, with keys (as TOML) changed, added or, if empty, left out."""
    keys = {
        "name": '"s"',
        "datasets": '["uci-digits", "font-digits"]',
        "adapters": '["none", "dann"]',
        "backbone": '"conv4"',
        "size": "16",
        **changes,
    }
    tables = {k: v for k, v in keys.items() if v.startswith("[\n")}
    lines = [f"{k} = {v}" for k, v in keys.items() if v and k not in tables]
    return "\n".join([*lines, *(f"[{k}]{v[1:]}" for k, v in tables.items())]) + "\n"


FILES = {
    "unknown key": (digits(adpters='["none"]'), ["s.toml, line 6", "'adpters'", "did you mean 'adapters'"]),
    "unknown key in a table": (
        digits(train="[\nlr = 0.1\nepoch = 3"),
        ["s.toml, line 8", "'train.epoch'", "did you mean 'epochs'"],
    ),
    "unknown option": (digits(dann="[\nwieght = 3"), ["s.toml, line 7", "'dann.wieght'", "did you mean 'weight'"]),
    "unknown augmentation": (digits(augment="[\nflipp = true"), ["s.toml, line 7", "'augment.flipp'", "did you mean 'flip'"]),
    "wrong type": (digits(seeds='"three"'), ["s.toml, line 6", "seeds = 'three'", "a whole number"]),
    "wrong type in a table": (digits(train="[\nbatch = 3.5"), ["s.toml, line 7", "train.batch = 3.5", "a whole number"]),
    "a text for a list": (digits(datasets='"uci-digits"'), ["s.toml, line 2", "datasets = 'uci-digits'", "a list"]),
    "a value for a table": (digits(train="3"), ["s.toml, line 6", "[train] must be a table"]),
    "too small": (digits(train="[\nepochs = -1"), ["s.toml, line 7", "train.epochs = -1", "must be more than 0"]),
    "too large": (digits(train="[\nmomentum = 1.5"), ["s.toml, line 7", "train.momentum = 1.5", "must be at most 0.9999"]),
    "not a number": (digits(train="[\nlr = nan"), ["s.toml, line 7", "train.lr = nan", "finite"]),
    "no seeds": (digits(seeds="0"), ["s.toml, line 6", "seeds = 0", "at least 1"]),
    "no shots": (digits(shots="0"), ["s.toml, line 6", "shots = 0", "at least 1"]),
    "not one of the choices": (
        digits(train='[\noptimizer = "adam"'),
        ["s.toml, line 7", "train.optimizer = 'adam'", "'sgd', 'adamw'", "did you mean 'adamw'"],
    ),
    "unknown dataset": (
        digits(datasets='["uci-digit", "font-digits"]'),
        ["s.toml, line 2", "unknown dataset 'uci-digit'", "did you mean 'uci-digits'", "font-digits", "--plugin FILE"],
    ),
    "unknown adapter": (
        digits(adapters='["none", "danna"]'),
        ["s.toml, line 3", "unknown adapter 'danna'", "did you mean 'dann'"],
    ),
    "unknown backbone": (digits(backbone='"vgg9"'), ["s.toml, line 4", "unknown backbone 'vgg9'", "did you mean 'vgg19'"]),
    "no datasets": (digits(datasets=""), ["s.toml", "datasets is missing", "datasets = ["]),
    "no backbone": (digits(backbone=""), ["s.toml", "backbone is missing", "backbone = "]),
    "a name that is no folder": (digits(name='"../up"'), ["s.toml, line 1", "name = '../up'", "letters, digits"]),
    "a set twice": (digits(datasets='["uci-digits", "uci-digits"]'), ["s.toml, line 2", "duplicate name"]),
    "a pair of unknown sets": (
        digits(pairs='["uci-digits -> font"]'),
        ["s.toml, line 6", "pairs[0]", "'font' is not in datasets", "did you mean 'font-digits'"],
    ),
    "a pair without an arrow": (digits(pairs='["uci-digits"]'), ["s.toml, line 6", "SOURCE -> TARGET"]),
    "no TOML": ('name = "s"\nseeds = = 3', ["s.toml", "is not valid TOML", "line 2"]),
    "a crop beyond the image": (digits(augment="[\ncrop = 44"), ["augment.crop = 44", "16x16"]),
    "ten crops of the whole": (digits(test="[\ncrops = 10"), ["test.crops = 10", "augment.crop"]),
    "a missing class": (digits(classes='["1", "eleven"]'), ["classes: dataset 'uci-digits' has no eleven", "0, 1, 2"]),
    "too many shots": (
        digits(adapters='["none", "fine-tune"]', shots="1000"),
        ["shots = 1000", "class '0'", "dataset 'font-digits'", "training images", "or fewer"],
    ),
    "a plugin file that is not there": (digits(plugins='["mine.py"]'), ["plugin file", "mine.py", "cannot be read"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_sweep_file_is_refused_with_the_line_and_what_is_allowed(sweep: Fails, case: str) -> None:
    text, parts = FILES[case]
    line = sweep(text)
    assert [part for part in parts if part not in line] == [], line


SETS = {
    "unknown key": ("train.epoch=3", ["--set", "'train.epoch'", "did you mean 'epochs'"]),
    "unknown table": ("trian.epochs=3", ["--set", "'trian'", "did you mean 'train'"]),
    "wrong type": ("train.steps=many", ["--set", "train.steps = 'many'", "a whole number"]),
    "out of range": ("train.lr=-1", ["--set", "train.lr = -1", "more than 0"]),
    "unknown adapter": ('adapters=["non"]', ["--set", "unknown adapter 'non'", "did you mean 'none'"]),
    "no value": ("train.lr", ["--set 'train.lr'", "key=value"]),
    "no key": ("=3", ["--set '=3'", "key=value"]),
    "a table in a value": ("backbone.width=3", ["--set", "'backbone' is a value"]),
}


@pytest.mark.parametrize("case", SETS)
def test_an_override_is_refused_as_an_override(sweep: Fails, case: str) -> None:
    override, parts = SETS[case]
    line = sweep(digits(), "--set", override)
    assert [part for part in parts if part not in line] == [], line
    assert "line " not in line


NAMES: Mapping[str, tuple[list[str], list[str]]] = {
    "sweep": (["sweep", "quik"], ["unknown sweep 'quik'", "did you mean 'quick'", ".toml"]),
    "sweep file": (["sweep", "none.toml"], ["there is no sweep file none.toml"]),
    "dataset": (["prepare", "fer"], ["unknown dataset 'fer'", "fer2013", "dabench list datasets"]),
    "adapter": (["show", "adapter", "none2"], ["unknown adapter 'none2'", "did you mean 'none'"]),
    "baseline": (["baseline", "papper"], ["unknown baseline 'papper'", "did you mean 'paper'"]),
    "citation": (["cite", "quack"], ["'quack': nothing to cite", "quick", "output folder"]),
    "folder": (["report", "nowhere"], ["nowhere", "is not a results folder", "sweep.json"]),
    "table without a name": (["baseline", "--from", "runs"], ["the table needs a name", "dabench baseline NAME --from runs"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_an_unknown_name_is_refused_with_what_there_is(fails: Fails, case: str) -> None:
    words, parts = NAMES[case]
    line = fails(*words)
    assert [part for part in parts if part not in line] == [], line


REPORTS = {
    "metric": (["report", "RUNS", "--metric", "acuracy"], ["unknown metric 'acuracy'", "did you mean 'accuracy'", "macro-f1"]),
    "class": (["report", "RUNS", "--metric", "recall:q"], ["unknown metric 'recall:q'", "recall:x, recall:y, recall:z"]),
    "selection": (["report", "RUNS", "--select", "lats"], ["unknown selection 'lats'", "did you mean 'last'"]),
    "baseline": (["compare", "RUNS", "quik"], ["unknown baseline 'quik'", "paper"]),
    "no baseline": (
        ["compare", "RUNS", "RUNS/sweep.json"],
        ["sweep.json", "cannot be read", "missing keys: name", "dabench baseline NAME --from RUNS"],
    ),
    "folder": (["baseline", "mine", "--from", "RUNS", "--to", "RUNS/sweep.json"], ["cannot be written", "--to"]),
}


@pytest.mark.parametrize("case", REPORTS)
def test_a_report_is_refused_with_what_there_is(fails: Fails, tmp_path: Path, case: str) -> None:
    runs = two_sets(seeds=1).write(tmp_path / "made").folder
    words, parts = REPORTS[case]
    line = fails(*(w.replace("RUNS", str(runs)) for w in words))
    assert [part for part in parts if part not in line] == [], line


def test_an_unfinished_sweep_is_refused_as_a_baseline(fails: Fails, tmp_path: Path) -> None:
    runs = two_sets(leave_out=lambda run: run.seed == 1).write(tmp_path / "made").folder
    line = fails("baseline", "mine", "--from", str(runs), "--to", str(tmp_path))
    assert "6 of 12 runs are missing" in line
    assert "finish the sweep first" in line


def test_wrong_words_on_the_command_line_are_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["swep", "quick"], ["report", "x", "--format", "xml"], ["sweep"], ["show", "plugin", "x"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert "error: " in capsys.readouterr().err.splitlines()[-1]


def pictures(folder: Path, **counts: int) -> None:
    """Write pictures of 16x16 into class folders: counts by path, as cat=4 or train__cat=4."""
    for place, count in counts.items():
        at = folder / place.replace("__", "/")
        at.mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(at / f"{i}.png")


def folders(*names: str, **more: str) -> str:
    """Return a sweep file over folders of pictures."""
    declared = {f"dataset.{n}": f'[\npath = "{n}"' for n in names}
    return digits(**{"datasets": json.dumps(list(names)), "size": "", "adapters": '["none"]', **declared, **more})


def test_datasets_of_different_classes_are_refused_with_both_lists_and_the_line_to_add(sweep: Fails, tmp_path: Path) -> None:
    pictures(tmp_path / "a", cat=10, dog=10, owl=10)
    pictures(tmp_path / "b", cat=10, dog=10, fox=10)
    line = sweep(folders("a", "b"))
    assert "a has cat, dog, owl" in line
    assert "b has cat, dog, fox" in line
    assert 'classes = ["cat", "dog"]' in line


def test_the_line_to_add_makes_the_sweep_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "a", cat=10, dog=10, owl=10)
    pictures(tmp_path / "b", cat=10, dog=10, fox=10)
    short = {"train": "[\nsteps = 1\nbatch = 4\ncheckpoints = 1", "seeds": "1"}
    (tmp_path / "s.toml").write_text(folders("a", "b", classes='["cat", "dog"]', **short))
    assert main(["sweep", "s.toml", "--engine", "inline"]) == 0


def test_datasets_that_share_no_class_are_refused(sweep: Fails, tmp_path: Path) -> None:
    pictures(tmp_path / "a", cat=10, dog=10)
    pictures(tmp_path / "b", car=10, bus=10)
    assert "they share no class" in sweep(folders("a", "b"))


def test_shots_larger_than_a_class_are_refused_with_the_class_and_how_many_it_has(sweep: Fails, tmp_path: Path) -> None:
    pictures(tmp_path / "a", train__cat=20, train__dog=20, test__cat=2, test__dog=2)
    pictures(tmp_path / "b", train__cat=20, train__dog=5, val__cat=2, val__dog=2, test__cat=2, test__dog=2)
    line = sweep(folders("a", "b", adapters='["fine-tune"]', shots="6"))
    assert "shots = 6: class 'dog' of dataset 'b' has only 5 training images" in line
    assert "set shots = 5 or fewer" in line


def test_a_class_missing_from_a_split_is_refused_with_what_to_do(sweep: Fails, tmp_path: Path) -> None:
    trained = {"train__cat": 9, "train__dog": 9, "train__owl": 9}
    pictures(tmp_path / "a", **trained, test__cat=2, test__owl=2)
    pictures(tmp_path / "b", **trained, test__cat=2, test__dog=2, test__owl=2)
    line = sweep(folders("a", "b"))
    assert "dataset 'a': its test split has no image of class 'dog'" in line
    assert 'classes = ["cat", "owl"]' in line


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_pictures_is_refused(sweep: Fails, tmp_path: Path, made: bool) -> None:
    pictures(tmp_path / "b", cat=10, dog=10)
    if made:
        (tmp_path / "a" / "cat").mkdir(parents=True)
    line = sweep(folders("a", "b"))
    assert "dataset 'a'" in line
    assert ("holds no images in class folders" if made else "there is no folder or zip") in line


EMPTY = """
import numpy as np
from dabench import Dataset, Samples

class Empty(Dataset):
    name = "empty"
    classes = ("a", "b")
    def prepare(self, raw):
        none = Samples(np.zeros((0, 1, 16, 16), np.uint8), np.zeros(0, np.int64))
        return {"train": none, "test": none}
"""


def test_a_dataset_without_images_is_refused(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text(EMPTY)
    line = fails("prepare", "empty", "--plugin", "empty.py")
    assert "dataset 'empty', split 'train': is empty" in line


def test_raw_files_that_are_not_there_are_told_with_where_to_get_and_where_to_put_them(fails: Fails, tmp_path: Path) -> None:
    """A sweep tells it in several lines: see tests/experiment/test_raw_files.py."""
    line = fails("prepare", "fer2013")
    assert "dataset 'fer2013'" in line
    assert str(tmp_path / "raw" / "fer2013") in line  # DABENCH_DATA / NAME
    assert "archive.zip" in line
    assert "put fer2013.csv" in line


def test_raw_files_are_looked_for_where_data_says(fails: Fails, tmp_path: Path) -> None:
    assert str(tmp_path / "elsewhere" / "fer2013") in fails("prepare", "fer2013", "--data", "elsewhere")
    assert str(tmp_path / "here") in fails("prepare", "fer2013", "--raw", "here")


PLUGINS = {
    "syntax": ("def (:\n", ["SyntaxError", "line 1"]),
    "import": ("import not_there_at_all\n", ["ModuleNotFoundError", "not_there_at_all", "line 1"]),
    "exception": ("x = 1\ny = x / 0\n", ["ZeroDivisionError", "line 2"]),
    "exit": ("raise SystemExit(3)\n", ["SystemExit"]),
    "nothing": ("x = 1\n", ["defines no named class derived from Dataset, Backbone or Adapter"]),
    "abstract": (
        'from dabench import Dataset\nclass D(Dataset):\n    name = "d"\n',
        ["dataset 'd' does not implement prepare()"],
    ),
    "name": ('from dabench import Adapter\nclass A(Adapter):\n    name = "My Adapter"\n', ["'My Adapter'", "lower case"]),
    "access": (
        'from dabench import Adapter\nclass A(Adapter):\n    name = "a"\n    access = "everything"\n',
        ["access = 'everything'", "none, unlabelled, few-shot, full"],
    ),
    "taken": ('from dabench import Adapter\nclass A(Adapter):\n    name = "dann"\n', ["two adapters are named 'dann'", "rename"]),
}


@pytest.mark.parametrize("case", PLUGINS)
def test_a_broken_plugin_file_is_refused_with_its_name_and_reason(fails: Fails, tmp_path: Path, case: str) -> None:
    text, parts = PLUGINS[case]
    (tmp_path / "mine.py").write_text(text)
    line = fails("list", "--plugin", "mine.py")
    assert str(tmp_path / "mine.py") in line
    assert [part for part in parts if part not in line] == [], line


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """The command of a tiny sweep that could run."""
    (tmp_path / "tiny.toml").write_text(TINY.format(adapters='["none"]', head="", tables=""), encoding="utf-8")
    return ["sweep", "tiny.toml", "--plugin", str(SHAPES), "--engine", "inline"]


def last_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that refuses a sweep after its plan was made."""
    capsys.readouterr()
    assert main(words) == 2
    *notes, line = capsys.readouterr().err.splitlines()
    assert [n for n in notes if n.startswith("dabench:") or "Traceback" in n] == []
    assert line.startswith("dabench: error: ")
    return line


def test_an_output_folder_below_a_file_is_refused(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = last_line([*tiny, "--out", "tiny.toml/out"], capsys)
    assert "tiny.toml/out: cannot be written" in line
    assert "--out" in line


def test_the_output_folder_of_another_sweep_is_refused(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store = two_sets(seeds=1).write(tmp_path / "made")
    before = {f: f.read_bytes() for f in store.folder.rglob("*") if f.is_file()}
    line = last_line([*tiny, "--out", "made"], capsys)
    assert "made: belongs to the sweep 'made', not to 'tiny'" in line
    assert {f: f.read_bytes() for f in store.folder.rglob("*") if f.is_file()} == before


def test_the_output_folder_of_the_same_sweep_with_other_settings_is_refused_with_what_differs(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(tiny) == 0
    line = last_line([*tiny, "--set", "train.steps=5", "--set", "shots=2"], capsys)
    assert "holds the sweep 'tiny' with other settings" in line
    assert "train.steps: 4 -> 5" in line
    assert "shots: 3 -> 2" in line
    assert "--out runs/tiny-2" in line


def test_a_folder_with_foreign_files_is_refused_and_left_as_it_is(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    line = last_line([*tiny, "--out", "mine"], capsys)
    assert "mine: is not empty and not a results folder" in line
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_cache_that_cannot_be_written_is_refused(fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "file" / "cache"))
    line = fails("prepare", "uci-digits")
    assert "prepared cache" in line
    assert "set DABENCH_CACHE" in line


def test_a_network_too_deep_for_the_images_says_which_size_would_do(
    tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main([*tiny, "--set", "size=8"])
    out, err = capsys.readouterr()
    assert code in (1, 2)
    assert "8 pixels are too few; set size = 16 or more" in out + err
    assert "Traceback" not in out + err
