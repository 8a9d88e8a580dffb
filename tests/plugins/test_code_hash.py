"""Digests of code: of plugins, with the modules that they import, and of the modules that compute a run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dabench.plugins import code_hash
from dabench.plugins.code_hash import CORE, NUMBERLESS, code_digest, core_digest, followed
from dabench.plugins.registry import Registry

PLUGIN = '''"""A plugin."""
import dabench

FACTOR = 2

class Mine(dabench.Dataset):
    """What it is."""

    name = "mine"
    classes = ("a",)

    def prepare(self, raw):
        """Read it."""
        return {"value": FACTOR}  # why
'''


def digest_of(text: str) -> str:
    registry = Registry(entry_points=False)
    registry.load_file(Path("mine.py"), text)
    return code_digest(registry.make("dataset", "mine"))


def test_code_that_has_changed_on_the_disk_since_it_was_loaded_leaves_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    registry = Registry(entry_points=False)
    registry.load_file(path)
    path.write_text(PLUGIN.replace("FACTOR = 2", "FACTOR = 3333"))
    assert code_digest(registry.make("dataset", "mine")) == digest_of(PLUGIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # why", ""),
        ("Read it.", "Read everything."),
        ("What it is.", "Something else."),
        ('"""A plugin."""', ""),
        ("FACTOR = 2\n", "FACTOR   =   2\n\n\n"),
    ],
)
def test_comments_docstrings_and_layout_leave_the_code_digest(old: str, new: str) -> None:
    assert old in PLUGIN
    assert digest_of(PLUGIN.replace(old, new)) == digest_of(PLUGIN)


def test_where_a_search_looks_for_a_setting_leaves_the_code_digest() -> None:
    plain = PLUGIN.replace("FACTOR = 2", 'FACTOR = dabench.setting(2, "times", low=0)')
    searched = PLUGIN.replace("FACTOR = 2", 'FACTOR = dabench.setting(2, "times", low=0, search={"int": [1, 4]})')
    assert digest_of(searched) == digest_of(plain)
    assert digest_of(searched.replace("low=0", "low=1")) != digest_of(plain)


def test_where_a_default_comes_from_leaves_the_code_digest() -> None:
    plain = PLUGIN.replace("FACTOR = 2", 'FACTOR = dabench.setting(2, "times")')
    assert digest_of(plain.replace('"times"', '"times", origin="the paper: 2"')) == digest_of(plain)


def test_the_help_of_a_setting_leaves_the_code_digest() -> None:
    plain = PLUGIN.replace("FACTOR = 2", 'FACTOR = dabench.setting(2, "times", low=0)')
    assert digest_of(plain.replace("times", "how often")) == digest_of(plain)
    assert digest_of(plain.replace("setting(2", "setting(3")) != digest_of(plain)


@pytest.mark.parametrize(("old", "new"), [("FACTOR = 2", "FACTOR = 3"), ('{"value"', '{"other"'), ('("a",)', '("a", "b")')])
def test_code_that_may_change_a_result_changes_the_code_digest(old: str, new: str) -> None:
    assert old in PLUGIN
    assert digest_of(PLUGIN.replace(old, new)) != digest_of(PLUGIN)


def digest_of_child(text: str) -> str:
    registry = Registry(entry_points=False)
    registry.load_file(Path("mine.py"), text)
    parent = type(registry.make("dataset", "mine"))
    return code_digest(type("Child", (parent,), {"name": "child", "__module__": __name__})())


def test_the_code_a_plugin_builds_on_counts() -> None:
    assert digest_of_child(PLUGIN) == digest_of_child(PLUGIN.replace("  # why", ""))
    assert digest_of_child(PLUGIN) != digest_of_child(PLUGIN.replace("FACTOR = 2", "FACTOR = 3"))


def main_digest(tmp_path: Path, body: str) -> str:
    script = tmp_path / "script.py"
    script.write_text(f"""
import dabench
from dabench.plugins.code_hash import code_digest

class Mine(dabench.Dataset):
    name = "mine"
    def prepare(self, raw):
        {body}

def factory():
    class Inner(Mine):
        name = "inner"
        def size(self):
            {body}
    return Inner

print(code_digest(Mine()), code_digest(factory()()))
""")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    return ran.stdout


def test_code_written_in_a_script_or_notebook_counts(tmp_path: Path) -> None:
    one, two = main_digest(tmp_path, "return 1").split(), main_digest(tmp_path, "return 2").split()
    assert one[0] != two[0]
    assert one[1] != two[1]


def test_the_rest_of_a_script_does_not_count(tmp_path: Path) -> None:
    assert main_digest(tmp_path, "return 1") == main_digest(tmp_path, "return 1  # as before")


# The modules that compute a run

Edit = Callable[..., None]


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A function that edits a module of dabench, as `code_hash` reads it: edit(module, old, new)."""
    texts: dict[str, str | None] = {}
    read = code_hash._source
    monkeypatch.setattr(code_hash, "_source", lambda module: texts[module] if module in texts else read(module))
    for cached in ("modules_digest", "_class_digest"):
        monkeypatch.setattr(code_hash, cached, getattr(code_hash, cached).__wrapped__)

    def change(module: str, old: str = "", new: str = "", *, source: str | None = None) -> None:
        text = texts.get(module) or read(module)
        if old:
            assert text is not None
            assert text.count(old) == 1, (module, old)
            source = text.replace(old, new)
        texts[module] = source

    return change


def core_modules() -> set[str]:
    return {name for name, _ in followed((name, code_hash._existing(name)) for name in CORE)}


NUMBERS = [
    ("dabench.training.optimizers", "progress / settings.warmup", "progress / settings.warmup / 2"),
    ("dabench.training.optimizers", "math.cos(math.pi * progress)", "math.cos(progress)"),
    ("dabench.training.validators", "_TEMPERATURE = 0.05", "_TEMPERATURE = 0.1"),
    ("dabench.execution.scores", "SCORED = 1000", "SCORED = 500"),
    ("dabench.training.selection", '"snd", ', ""),
    ("dabench.training.evaluate", ".mean(0)", ".amax(0)"),
    ("dabench.training.network", "nn.Dropout(dropout)", "nn.Dropout(dropout / 2)"),
    ("dabench.data.augment", "_STEPS_PER_DEGREE = 4", "_STEPS_PER_DEGREE = 2"),
    ("dabench.data.augment", "torch.randperm(self.n, ", "torch.randperm(self.n - 1, "),
    ("dabench.data.splits", "_secret_rng(np.asarray(labels", "_secret_rng(np.array(labels"),
    ("dabench.training.device", 'not has.get("avx512_fp16")', 'has.get("avx512_fp16")'),
    ("dabench.execution.compute", "job.pretrained and job.parent is None", "job.pretrained"),
    ("dabench.experiment.access", '"all" if access == "full" else shots', "shots"),
    ("dabench.plugins.contract", "return trainer.supervised(net, sources)", "return net"),
]


@pytest.mark.parametrize(("module", "old", "new"), NUMBERS)
def test_code_that_may_change_a_number_changes_the_core(edit: Edit, module: str, old: str, new: str) -> None:
    before = core_digest()
    edit(module, old, new)
    assert core_digest() != before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("dabench.training.trainer", "{called} became {value} at", "{called} was {value} at"),
        ("dabench.data.splits", 'f"dataset \'{dataset.name}\'"\n    names', 'f"the dataset {dataset.name}"\n    names'),
        ("dabench.data.splits", "    names = classes_of(", "    why = 'the names'\n    names = classes_of("),
        ("dabench.execution.compute", "pretrain() and adapt() must return a Network", "return a Network"),
        ("dabench.training.evaluate", "Return the logits of `net` in evaluation mode", "Return logits"),
        ("dabench.execution.scores", "Most images of the validation split of each target that are scored.", "At most."),
        ("dabench.training.optimizers", "import math\n", "import math  # for the schedule\n"),
        ("dabench.training.optimizers", "def rate_at(settings: TrainConfig, progress", "def rate_at(settings, progress"),
        ("dabench.training.trainer", "progress_line import TrainingProgress\n", "progress_line import EVERY, TrainingProgress\n"),
        ("dabench.training.trainer", "import torch\n", "import torch\n\nfrom dabench import registry as of_plugins\n"),
        ("dabench.execution.compute", "if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    import dabench.analysis.matrix\n"),
        ("dabench.training.network", "return next(net.parameters()).device", "return (next(net.parameters()).device)"),
        ("dabench.training.progress_line", "step", "Step "),
        ("dabench.errors", "class DabenchError", "class Fault(Exception):\n    pass\n\n\nclass DabenchError"),
    ],
)  # fmt: skip
def test_what_changes_no_number_leaves_the_core(edit: Edit, module: str, old: str, new: str) -> None:
    before = core_digest()
    text = code_hash._source(module)
    assert text is not None
    edit(module, source=text.replace(old, new))
    assert code_hash._source(module) != text
    assert core_digest() == before


def test_where_a_module_lies_leaves_the_core(edit: Edit) -> None:
    before = core_digest()
    edit("dabench.data.validators", source=code_hash._source("dabench.training.validators"))
    edit("dabench.training.validators")
    edit("dabench.execution.scores", "from dabench.training import validators", "from dabench.data import validators")
    edit("dabench.data.learning", source=code_hash._source("dabench.training.trainer"))
    edit("dabench.training.trainer")
    edit("dabench.execution.compute", "from dabench.training.trainer import", "from dabench.data.learning import")
    assert core_digest() == before


def test_a_module_that_the_core_imports_one_day_is_part_of_it(edit: Edit) -> None:
    edit("dabench.training.trainer", "import torch\n", "import torch\nfrom dabench.data.fresh import FACTOR\n")
    found = []
    for text in ("FACTOR = 1", "FACTOR = 2", "FACTOR = 2  # twice"):
        edit("dabench.data.fresh", source=text)
        found.append(core_digest())
    assert found[0] != found[1] == found[2]


def test_another_function_by_the_same_name_changes_the_core(edit: Edit) -> None:
    before = core_digest()
    edit("dabench.training.evaluate", "import TorchNetwork, device_of", "import TorchNetwork, parameter_count as device_of")
    assert core_digest() != before


def test_a_root_that_is_gone_is_an_error(edit: Edit) -> None:
    edit("dabench.experiment.access")
    with pytest.raises(LookupError, match=r"module dabench\.experiment\.access does not exist"):
        core_digest()


def test_what_execute_reaches_and_computes_with_tensors_is_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    core = core_modules()
    monkeypatch.setattr(code_hash, "NUMBERLESS", ("dabench.cli",))
    reached = followed([("dabench.execution.run", code_hash._existing("dabench.execution.run"))])
    computing = {name for name, source in reached if {"torch", "numpy"} & {m for _, m, _, _ in code_hash._imports(source)}}
    # These store: results, states of unfinished runs, prepared sets.
    storing = {"execution.run", "storage.run_store", "storage.reader", "training.resume", "data.cache"}
    started = {"plugins.weights"}  # counts for the runs that start from a file
    beside = {"execution.gpu", "execution.placement"}  # memory and errors of a GPU; where images lie (test_placement.py)
    assert computing - core <= {f"dabench.{name}" for name in storing | started | beside}
    assert {"dabench.training.trainer", "dabench.training.validators", "dabench.data.augment"} <= computing


def test_every_module_that_is_said_to_change_no_number_is_there() -> None:
    assert [name for name in NUMBERLESS if code_hash._source(name) is None] == []


# Modules that a plugin imports

PACKAGE = {
    "mine/__init__.py": "LIMIT = 3\n",
    "mine/methods/__init__.py": "",
    "mine/methods/own.py": """
import dabench
from mine import LIMIT
from mine.losses import loss
from ..parts import head as h

class Own(dabench.Adapter):
    name = "own"

    def adapt(self, net, sources, target, trainer):
        from .late import late
        return late(loss(h(net, LIMIT)))
""",
    "mine/losses.py": "from mine.constants import SCALE\n\ndef loss(x):\n    return SCALE * x\n",
    "mine/constants.py": "SCALE = 2  # points\n",
    "mine/parts.py": "def head(net, n):\n    return net + n\n",
    "mine/methods/late.py": "def late(x):\n    return x + 1\n",
    "mine/other.py": "def loss(x):\n    return 0\n",
}


@pytest.fixture
def digest_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str], str], str]:
    """A function that writes a package, imports a module of it, and returns the code digest of the plugin in there."""
    tries = iter(range(100))

    def made(files: Mapping[str, str], module: str = "mine.methods.own") -> str:
        folder = tmp_path / str(next(tries))
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            before = set(sys.modules)
            try:
                return code_digest(importlib.import_module(module).Own())
            finally:
                for name in set(sys.modules) - before:
                    if name.partition(".")[0] == module.partition(".")[0]:
                        del sys.modules[name]

    return made


DigestIn = Callable[..., str]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine/__init__.py", "LIMIT = 3", "LIMIT = 4"),
        ("mine/losses.py", "SCALE * x", "SCALE + x"),
        ("mine/constants.py", "SCALE = 2", "SCALE = 3"),
        ("mine/parts.py", "net + n", "net - n"),
        ("mine/methods/late.py", "x + 1", "x + 2"),
        ("mine/methods/own.py", "from mine.losses import loss", "from mine.other import loss"),
    ],
)
def test_the_modules_of_a_plugins_own_package_count(digest_in: DigestIn, file: str, old: str, new: str) -> None:
    assert old in PACKAGE[file]
    assert digest_in(PACKAGE | {file: PACKAGE[file].replace(old, new)}) != digest_in(PACKAGE)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine/constants.py", "  # points", ""),
        ("mine/losses.py", "def loss(x):\n", 'def loss(x):\n    """Return it."""\n'),
        ("mine/other.py", "return 0", "return 1"),  # nothing imports it
        ("mine/methods/own.py", "import dabench\n", "import dabench\nfrom dabench.errors import DataError\n"),
    ],
)
def test_what_changes_no_number_in_a_plugins_own_package_does_not_count(
    digest_in: DigestIn, file: str, old: str, new: str
) -> None:
    assert old in PACKAGE[file]
    assert digest_in(PACKAGE | {file: PACKAGE[file].replace(old, new)}) == digest_in(PACKAGE)


def test_a_helper_of_a_plugin_may_be_renamed(digest_in: DigestIn) -> None:
    renamed = dict(PACKAGE)
    renamed["mine/numbers.py"] = renamed.pop("mine/constants.py")
    renamed["mine/losses.py"] = renamed["mine/losses.py"].replace("mine.constants", "mine.numbers")
    assert digest_in(renamed) == digest_in(PACKAGE)


def test_a_package_may_be_renamed(digest_in: DigestIn) -> None:
    renamed = {name.replace("mine/", "yours/"): text.replace("mine.", "yours.") for name, text in PACKAGE.items()}
    renamed["yours/methods/own.py"] = renamed["yours/methods/own.py"].replace("from mine import", "from yours import")
    assert digest_in(renamed, "yours.methods.own") == digest_in(PACKAGE)


def test_a_package_without_an_init_file_counts(digest_in: DigestIn) -> None:
    text = "import dabench\nfrom mine.inner import helper\n\nclass Own(dabench.Adapter):\n    name = 'own'\n    n = helper.N\n"
    one, two = ({"mine/own.py": text, "mine/inner/helper.py": f"N = {n}\n"} for n in (1, 2))
    assert digest_in(one, "mine.own") != digest_in(two, "mine.own")


def test_two_helpers_that_change_places_count(digest_in: DigestIn) -> None:
    text = (
        "import dabench\nfrom .a import f as first\nfrom .b import f as second\n\nclass Own(dabench.Adapter):\n    name = 'own'\n"
    )
    files = {"two/__init__.py": "", "two/a.py": "def f(): return 1\n", "two/b.py": "def f(): return 2\n"}
    one = files | {"two/own.py": text}
    swapped = files | {"two/own.py": text.replace("first", "third").replace("second", "first").replace("third", "second")}
    assert digest_in(one, "two.own") != digest_in(swapped, "two.own")


@pytest.mark.parametrize(("helper", "same"), [("SCALE = 2", True), ("SCALE = 3", False)])
def test_a_module_beside_a_plugin_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helper: str, same: bool) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = PLUGIN.replace("import dabench\n", "import dabench\nfrom beside_it import SCALE\n")
    found = []
    for written in ("SCALE = 2  # why", helper):
        (tmp_path / "beside_it.py").write_text(written)
        registry = Registry(entry_points=False)
        registry.load_file(tmp_path / "mine.py", text)
        found.append(code_digest(registry.make("dataset", "mine")))
        sys.modules.pop("beside_it", None)
    assert (found[0] == found[1]) is same


def changed_by(edit: Edit, module: str, old: str, new: str) -> set[str]:
    """The names of the plugins of dabench whose digest is another after an edit."""
    registry = Registry(entry_points=False)
    plugins = [e.make() for kind in ("dataset", "backbone", "adapter") for e in registry.entries(kind) if "*" not in e.name]  # type: ignore[arg-type]
    before = {plugin.name: code_digest(plugin) for plugin in plugins}
    edit(module, old, new)
    return {plugin.name for plugin in plugins if code_digest(plugin) != before[plugin.name]}


def test_helpers_of_dabenchs_own_plugins_count_for_those_that_import_them(edit: Edit) -> None:
    assert changed_by(edit, "dabench.datasets._fer2013_csv", "votes[votes == 1] = 0", "votes[votes == 2] = 0") == {
        "fer2013",
        "fer2013-train",
    }


def test_a_module_outside_of_the_core_counts_for_the_adapter_that_imports_it(edit: Edit) -> None:
    assert changed_by(
        edit,
        "dabench.training.batchnorm",
        "if func is F.batch_norm:\n            call =",
        "if func is not F.batch_norm:\n            call =",
    ) == {"maml", "anil"}


def test_modules_that_make_images_count_for_the_datasets_that_use_them(edit: Edit) -> None:
    names = changed_by(edit, "dabench.data.video", "def positions(", "def positions_of(")
    assert {"nae", "video-folder", "ravdess", "crema-d"} <= names
    assert not {"mnist", "font-digits", "conv4", "dann"} & names


def test_a_message_of_a_plugin_does_not_count(edit: Edit) -> None:
    assert changed_by(edit, "dabench.datasets._fer2013_csv", "must be a number of votes", "a strange vote") == set()
