"""The contract suite: what breaks a rule is found, under that rule, with what to do."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_sweeps import PLUGINS
from toys import adapter, even, samples, toy

import dabench
from dabench import LazyImages
from dabench.checks.dataset_checks import dataset_rules
from dabench.checks.rules import Finding, Rule, Skipped, common_rules, examine
from dabench.cli import main
from dabench.data import lazy
from dabench.errors import DataError, PluginError
from dabench.plugins.contract import Adapter, Backbone, ClassPredictions, Correction, Dataset, Plugin, Samples
from dabench.plugins.registry import REGISTRY
from dabench.storage.paths import cache_folder

pytestmark = pytest.mark.usefixtures("registry_restored")
GOOD = {"title": "a toy", "license": "CC0"}


def broken(rules: Sequence[Rule]) -> dict[str, str]:
    """Return rule -> advice of the rules that are broken."""
    return {f.rule: f.advice for f in examine("dataset", "toy", rules) if f.state == "failed"}


def of_dataset(dataset: Dataset, raw: Path) -> dict[str, str]:
    return broken([*common_rules(dataset), *dataset_rules(dataset, raw)])


def of_plugin(plugin: type[Plugin]) -> list[Finding]:
    REGISTRY.register(plugin)
    return [f for f in dabench.check(plugin.name) if f.state == "failed"]


def test_a_good_dataset_breaks_no_rule(tmp_path: Path) -> None:
    assert of_dataset(toy(**GOOD), tmp_path) == {}


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        ({"title": ""}, "title is empty; write one line"),
        ({"title": "a\nb"}, "title has more than one line"),
        ({"short_name": "two words"}, "short_name = 'two words': begin with a capital or digit"),
        ({"citation": "Kim et al."}, "citation must begin like BibTeX"),
        ({"citation": "@misc{key, title = {x}"}, "citation has 2 '{' and 1 '}'"),
        ({"license": " "}, "license is empty; state the terms"),
        ({"homepage": "www.example.org"}, "homepage = 'www.example.org': must begin with https://"),
        ({"classes": ("a", "a", "b")}, "name each class once"),
        ({"augment": 44}, "augment = 44; use dabench.Augment"),
        ({"counts": {"train": 61}}, "train holds 60 images, but the dataset has 61"),
    ],
)
def test_a_wrong_fact_is_explained(tmp_path: Path, facts: dict[str, Any], advice: str) -> None:
    assert any(advice in text for text in of_dataset(toy(**{**GOOD, **facts}), tmp_path).values())


def changed(**parts: Samples) -> Mapping[str, Samples]:
    return {"train": samples(even(20), 1), "test": samples(even(10), 2)} | parts


@pytest.mark.parametrize(
    ("test", "advice"),
    [
        (samples([0, 0, 1]), "test has no image of c; remove them from classes"),
        (samples([0, 1, 3]), "label 3 is outside 0..2"),
        (Samples(np.zeros((3, 8, 8), np.uint8), np.arange(3)), "images have different shapes in different splits"),
        (Samples(np.zeros((3, 1, 8, 8), np.float32), np.arange(3)), "images are float32"),  # type: ignore[arg-type]
        (Samples(np.zeros((3, 1, 8, 8), np.uint8), np.arange(3)), "100 % of the images in test are constant"),
        (samples([0, 1, 2], shape=(1, 9, 9)), "images have different shapes in different splits"),
    ],
)
def test_wrong_samples_are_explained(tmp_path: Path, test: Samples, advice: str) -> None:
    assert any(advice in text for text in of_dataset(toy(splits=changed(test=test), **GOOD), tmp_path).values())


def test_a_group_in_two_splits_is_named(tmp_path: Path) -> None:
    splits = {"train": samples(even(4), groups=np.arange(12)), "test": samples(even(2), 2, groups=np.arange(11, 17))}
    assert of_dataset(toy(splits=splits, **GOOD), tmp_path) == {
        "no group is in two splits": "1 groups are in train and in test (11); split by whole groups"
    }


class Drawn(Dataset):
    """Draws from a generator without a seed."""

    name, short_name, title, license, classes = "drawn", "D", "t", "CC0", ("a", "b")

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        images = np.random.default_rng().integers(0, 256, (8, 1, 8, 8), dtype=np.uint8)
        return {s: Samples(images, np.arange(8) % 2) for s in ("train", "test")}


def test_samples_that_differ_each_time_are_found(tmp_path: Path) -> None:
    assert of_dataset(Drawn(), tmp_path) == {
        "prepare() returns the same samples each time": "images of train differ between two calls; sort file lists, and fix "
        "the seeds of random numbers"
    }


class Ages(Drawn):
    """Draws an attribute from a generator without a seed; another is not known of some."""

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        rows = {"age": np.random.default_rng().normal(size=8), "height": np.array([np.nan] * 8)}
        return {s: samples([0, 1] * 4, attributes=rows) for s in ("train", "test")}


def test_an_attribute_that_differs_each_time_is_found(tmp_path: Path) -> None:
    assert "age of train differ between two calls" in of_dataset(Ages(), tmp_path)["prepare() returns the same samples each time"]


class Counting(Drawn):
    """Reads its images when asked for; notes how many at most are read at a time."""

    most = 0

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        held = samples([0, 1] * 20).images

        def read(at: NDArray[np.int64]) -> NDArray[np.uint8]:
            type(self).most = max(self.most, len(at))
            return np.asarray(held)[at]

        return {s: Samples(LazyImages((40, 1, 8, 8), read), np.arange(40) % 2) for s in ("train", "test")}


def test_a_set_larger_than_memory_is_checked_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "_BYTES", 5 * 64)
    monkeypatch.setattr(lazy, "_SMALL", 1)
    assert of_dataset(Counting(), tmp_path) == {}
    assert Counting.most == 5


class Writes(Drawn):
    """Writes into the raw folder."""

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        (raw / "index.txt").write_text("x")
        return {"train": samples([0, 1] * 4), "test": samples([0, 1] * 4)}


def test_a_raw_folder_written_into_is_found(tmp_path: Path) -> None:
    found = of_dataset(Writes(), tmp_path)
    assert list(found) == ["prepare() does not change the raw folder"]
    assert "index.txt; do not write into the raw folder" in next(iter(found.values()))


class Stale(Drawn):
    """Names a raw file that is another one each time."""

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        return {"train": samples([0, 1] * 4), "test": samples([0, 1] * 4)}

    def raw_files(self, raw: Path) -> Sequence[Path]:
        return [Path(tempfile.mkstemp(dir=self.folder)[1])]


def test_a_set_that_is_prepared_each_time_anew_is_found(tmp_path: Path) -> None:
    Stale.folder = tmp_path  # type: ignore[attr-defined]
    found = of_dataset(Stale(), tmp_path / "raw")
    assert list(found.values()) == ["preparing twice decoded 2 times; check that raw_files() returns the same files each time"]


class Imitated(Drawn):
    """A set of one array in a file, that can be made up; `fault` spoils it."""

    download_instructions = "Ask the authors."
    fault = ""

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        if not (raw / "set.npy").exists():
            raise DataError(f"no set.npy in {raw}. {self.download_instructions}")
        images = np.load(raw / "set.npy")
        every = samples([0, 1] * (len(images) // 2))
        every = Samples(images, every.labels, np.arange(len(images)) if self.fault != "groups" else None)
        half = len(images) // 2
        groups = every.groups
        assert every.labels is not None
        return {
            "train": Samples(images[:half], every.labels[:half], None if groups is None else groups[:half]),
            "test": Samples(images[half:], every.labels[half:], None if groups is None else groups[half:]),
        }

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        if self.fault == "few":
            n = 2
        side = 9 if self.fault == "shape" and seed else 8
        rng = np.random.default_rng(seed)
        raw.mkdir(exist_ok=True)
        np.save(raw / "set.npy", rng.integers(0, 256, (4 * n, 1, side, side), dtype=np.uint8))


def test_without_raw_files_the_made_up_set_is_looked_at(tmp_path: Path) -> None:
    found = examine("dataset", "x", dataset_rules(Imitated(), tmp_path))
    assert {f.state for f in found} == {"passed"}
    assert list(tmp_path.iterdir()) == []


def test_a_made_up_set_is_prepared_with_a_work_folder_of_its_own(tmp_path: Path) -> None:
    class Works(Imitated):
        seen: ClassVar[set[Path | None]] = set()

        def prepare(self, raw: Path) -> Mapping[str, Samples]:
            self.seen.add(self.work)
            return super().prepare(raw)

    before = dict(os.environ)
    assert of_dataset(Works(), tmp_path) == {}
    assert Works.seen
    assert not [work for work in Works.seen if work is None or work.is_relative_to(cache_folder())]
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("few", "10 images per class were requested, but 'a' has 4; write the requested number"),
        ("shape", "shape of train: synthetic (1, 9, 9), real (1, 8, 8); make_synthetic() must write the same"),
    ],
)
def test_an_imitation_unlike_the_set_is_explained(tmp_path: Path, fault: str, advice: str) -> None:
    dataset = Imitated()
    dataset.fault = fault
    dataset.make_synthetic(tmp_path, 10, 0)
    assert of_dataset(dataset, tmp_path) == {"make_synthetic() writes files that prepare() reads like the real ones": advice}


@pytest.mark.parametrize("there", [True, False])
def test_an_imitation_that_fails_is_explained_and_the_other_rules_are_looked_at(tmp_path: Path, there: bool) -> None:
    class Fails(Imitated):
        def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
            raise ValueError("two\nlines")

    if there:
        Imitated().make_synthetic(tmp_path, 10, 0)
    found = examine("dataset", "x", dataset_rules(Fails(), tmp_path))
    states = {f.rule: f.state for f in found}
    assert states["prepare() returns the same samples each time"] == ("passed" if there else "skipped")
    (failed,) = [f for f in found if f.state == "failed"]
    assert failed.rule == "make_synthetic() writes files that prepare() reads like the real ones"
    assert failed.advice.startswith("ValueError: two lines (line ")


def test_raw_files_are_looked_for_in_the_folder_that_the_dataset_names(tmp_path: Path) -> None:
    class Elsewhere(Imitated):
        name, raw_folder = "elsewhere", "family"

    (tmp_path / "family").mkdir()
    np.save(tmp_path / "family" / "set.npy", np.zeros((40, 1, 8, 8), np.uint8))
    REGISTRY.register(Elsewhere)
    failed = {f.rule: f.advice for f in dabench.check("elsewhere", data=tmp_path) if f.state == "failed"}
    assert "100 % of the images in train are constant" in failed["at most 1 % of the images are constant"]


def refusing(error: Exception, download_instructions: str = "Ask the authors.") -> Dataset:
    class Refusing(Drawn):
        def prepare(self, raw: Path) -> Mapping[str, Samples]:
            raise error

    Refusing.download_instructions = download_instructions
    return Refusing()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (FileNotFoundError("x.zip"), "an empty raw folder raises FileNotFoundError: x.zip; raise dabench.errors.DataError"),
        (DataError("no files"), "does not say how to get the files; end it with self.download_instructions: no files"),
        (DataError("no files. Ask the authors.\nNow."), "has more than one line"),
    ],
)
def test_a_poor_refusal_is_explained(tmp_path: Path, error: Exception, advice: str) -> None:
    assert advice in of_dataset(refusing(error), tmp_path)["without raw files, the error says how to get them"]


def test_without_raw_files_the_rules_about_samples_are_not_done(tmp_path: Path) -> None:
    dataset = refusing(DataError("none. Ask the authors."))
    states = {f.rule: f.state for f in examine("dataset", "x", dataset_rules(dataset, tmp_path))}
    assert states["without raw files, the error says how to get them"] == "passed"
    assert states["every split contains every class"] == "skipped"


def test_raw_files_that_cannot_be_read_are_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("x")
    found = of_dataset(refusing(DataError("a.zip is no zip. Ask the authors.")), tmp_path)
    assert found["every split contains every class"] == "a.zip is no zip. Ask the authors."


def test_an_option_without_a_meaning_is_named(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Options:
        size: int = 4

    assert "options without a description: size" in "".join(of_dataset(toy(Options=Options, **GOOD), tmp_path).values())


def test_an_exception_is_told_with_its_line() -> None:
    def look() -> str:
        raise KeyError("age")

    assert "KeyError: 'age' (line " in broken([Rule("it is", look)])["it is"]


def test_a_rule_that_cannot_be_looked_at_is_no_failure() -> None:
    def look() -> str:
        raise Skipped("needs files")

    assert examine("dataset", "x", [Rule("it is", look)]) == [Finding("dataset", "x", "it is", "skipped", "needs files")]


# Backbones and adapters


class Body(Backbone):
    """A backbone to be broken in one way each."""

    name, title = "body", "t"

    def build(self, channels: int, size: int, pretrained: bool) -> Any:
        from torch import nn

        encoder: Any = nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, 4))
        encoder.num_features = 4
        return self.spoil(encoder)

    def spoil(self, encoder: Any) -> Any:
        return encoder


def test_a_good_backbone_breaks_no_rule() -> None:
    assert of_plugin(Body) == []


def wide(encoder: Any) -> Any:
    encoder.num_features = 5
    return encoder


def idle(encoder: Any) -> Any:
    from torch import nn

    encoder.unused = nn.Linear(2, 2)
    encoder.forward = lambda images: encoder[1](encoder[0](images))
    return encoder


def fixed(encoder: Any) -> Any:
    import torch

    encoder[1].weight.data.copy_(
        torch.rand(encoder[1].weight.shape, generator=torch.Generator().manual_seed(np.random.randint(1e6)))
    )
    return encoder


def batchwise(encoder: Any) -> Any:
    encoder.forward = lambda images: encoder[1](encoder[0](images - images.mean(0)))
    return encoder


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (wide, "4 images give (4, 4), but num_features = 5"),
        (idle, "the features do not depend on the parameters encoder.unused"),
        (fixed, "differ; draw the initial weights from torch's global generator"),
        (batchwise, "they must not depend on it"),
        (lambda encoder: None, "must return a torch module with an int attribute `num_features`"),
    ],
)
def test_a_broken_backbone_is_explained(spoil: Callable[[Any], Any], advice: str) -> None:
    found = of_plugin(type("Spoilt", (Body,), {"name": "spoilt", "spoil": staticmethod(spoil), "__module__": __name__}))
    assert any(advice in f.advice for f in found)


def test_a_good_adapter_breaks_no_rule() -> None:
    assert of_plugin(adapter(title="t", adapt=lambda self, net, sources, target, trainer: net, access="unlabelled")) == []


def spoils_source(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
    sources[0].images.zero_()
    return net


def freezes(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
    return net.requires_grad_(False)


def gives_nan(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
    net.head.bias.data[0] = float("nan")
    return net


def draws(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
    net.head.bias.data += float(np.random.default_rng().random())
    return net


def uses_a_tensor(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
    target.unlabelled.images.float().mean()
    return net


def test_an_adapter_that_cannot_use_large_datasets_gets_a_warning() -> None:
    plugin = adapter(title="t", adapt=uses_a_tensor, access="unlabelled")
    assert of_plugin(plugin) == []
    (found,) = [f for f in dabench.check(plugin.name) if f.state == "warning"]
    assert "the images of 'target' are too large to lie on the device as one tensor" in found.advice


@pytest.mark.parametrize(
    ("adapt", "advice"),
    [
        (spoils_source, "the images of source have changed"),
        (freezes, "still frozen: "),
        (gives_nan, "some logits are not finite after 3 steps"),
        (draws, "two runs differ; draw all random numbers from trainer.generator()"),
        (lambda self, net, sources, target, trainer: None, "must return a Network, not NoneType"),
        (lambda self, net, sources, target, trainer: target.shots.labels, "AttributeError"),
        (lambda self, net, sources, target, trainer: net if sources[-1].groups.sum() else None, "AttributeError"),
    ],
)
def test_a_broken_adapter_is_explained(adapt: Any, advice: str) -> None:
    assert any(advice in f.advice for f in of_plugin(adapter(title="t", adapt=adapt, access="unlabelled")))


def test_an_adapter_that_trains_longer_than_it_says_is_told() -> None:
    def longer(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
        return trainer.supervised(net, sources, steps=2 * trainer.adaptation_steps(sources))

    (found,) = of_plugin(adapter(title="t", adapt=longer))
    assert "adapt() took 10 steps, length() says 5, so `none` would not train as long" in found.advice


@pytest.mark.parametrize(
    ("name", "where"), [("test-norm", "after adapt(), "), ("test-norm-at-checkpoints", "at a checkpoint of adapt(), ")]
)
def test_an_adapter_whose_network_looks_at_other_test_images_is_explained(name: str, where: str) -> None:
    REGISTRY.load_file(PLUGINS / "beside.py")
    found = {f.rule: f.advice for f in dabench.check(name) if f.state == "failed"}
    advice = found["the logits of an image do not depend on the rest of the batch, at checkpoints and at the end"]
    assert advice.startswith(where + "the logits of an image change by")
    assert "keep the running statistics of batch norms" in advice


def test_an_adapter_with_a_network_of_its_own_breaks_no_rule() -> None:
    REGISTRY.load_file(Path(__file__).parents[1] / "sample_plugins" / "bottleneck.py")
    assert [f for f in dabench.check("bottleneck") if f.state == "failed"] == []


def test_a_pretraining_that_returns_another_architecture_is_explained() -> None:
    def grows(self: Adapter, net: Any, sources: Any, trainer: Any) -> Any:
        from torch import nn

        net.more = nn.Linear(2, 2)
        return net

    def keeps(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
        return net

    (found,) = of_plugin(adapter(title="t", pretrain=grows, adapt=keeps, access="unlabelled"))
    assert found.rule == "adapt() can load the network that pretrain() returns"
    assert "has more than this network (more.bias, more.weight)" in found.advice


def test_an_adapter_that_does_nothing_with_what_it_may_see_is_told() -> None:
    assert ["implement adapt()" in f.advice for f in of_plugin(adapter(title="t", access="few-shot"))] == [True]


RESUMES = "an interrupted and resumed run gives exactly the same logits"


def resumed(name: str) -> Finding:
    """Return what comes of the rule about interrupted runs for an adapter of memories.py."""
    REGISTRY.load_file(PLUGINS / "memories.py")
    return next(f for f in dabench.check(name) if f.rule == RESUMES)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("forgetful", "adapt() gives other logits when it is interrupted and resumed; pass the state of its loss"),
        ("forgetful-before", "pretrain() gives other logits when it is interrupted and resumed"),
        (
            "hidden",
            "an interrupted adapt() starts again from the beginning, because stream 2 (generator) has no state_dict() and",
        ),
        ("late", "make all of them before trainer.fit, not in a loss"),
    ],
)
def test_an_adapter_that_does_not_resume_is_explained(name: str, advice: str) -> None:
    assert advice in resumed(name).advice


@pytest.mark.parametrize("name", ["mindful", "teacher", "twice", "redrawn"])
def test_an_adapter_that_names_its_state_resumes(name: str) -> None:
    assert resumed(name).state == "passed"


# The command


def test_the_command_prints_each_rule_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "uci-digits"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "dataset uci-digits"
    assert "  passed    every split contains every class" in out
    assert out.splitlines()[-1] == "16 passed, 0 failed, 2 skipped"


def test_the_command_prints_a_repeated_reason_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = refusing(DataError("none. Ask the authors."))
    REGISTRY.register(type(dataset))
    main(["check", dataset.name, "--raw", str(tmp_path)])
    skipped = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  skipped")]
    assert len(skipped) > 2
    assert skipped[0].endswith(f": there are no raw files in {tmp_path}; give their folder with --raw DIR")
    assert [line.endswith(": (same reason)") for line in skipped[1:-1]] == [True] * (len(skipped) - 2)


def test_a_broken_rule_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    REGISTRY.register(toy("untitled", license="CC0"))
    assert main(["check", "untitled", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [f["rule"] for f in found if f["state"] == "failed"] == ["the title is one line"]


def test_an_unknown_plugin_is_an_error_with_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"unknown plugin 'uci-digit'; did you mean 'uci-digits'"):
        dabench.check("uci-digit")


def test_one_of_a_family_is_checked() -> None:
    assert {f.state for f in dabench.check("timm/resnet18")} == {"passed"}


class Rooms(Drawn):
    """A family of two."""

    name, variants = "rooms/*", ("kitchen", "hall")

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        return {"train": samples([0, 1] * 4), "test": samples([0, 1] * 4)}


def test_a_family_is_checked_by_each_of_its_members() -> None:
    REGISTRY.register(Rooms)
    assert {f.name for f in dabench.check("rooms/*")} == {"rooms/kitchen", "rooms/hall"}


def test_one_member_is_checked_alone() -> None:
    REGISTRY.register(Rooms)
    assert {f.name for f in dabench.check("rooms/hall")} == {"rooms/hall"}


def test_a_dataset_is_checked_in_its_raw_folder(tmp_path: Path) -> None:
    place = type("Placed", (Imitated,), {"name": "placed", "raw_folder": "elsewhere", "__module__": __name__})
    REGISTRY.register(place)
    place().make_synthetic(tmp_path / "elsewhere", 10, 0)
    (tmp_path / "elsewhere" / "set.npy").write_bytes(b"damaged")
    assert "failed" in {f.state for f in dabench.check("placed", data=tmp_path)}


def test_first_party_plugins_keep_their_contract() -> None:
    # Datasets, and every adapter and backbone more slowly, have contract tests of their own.
    assert [f for f in dabench.check("conv4", "dann", "maml", "none") if f.state == "failed"] == []


def test_an_adaptation_in_many_short_trainings_gets_a_warning() -> None:
    def short(self: Adapter, net: Any, sources: Any, target: Any, trainer: Any) -> Any:
        for _ in range(trainer.adaptation_steps(sources)):
            net = trainer.supervised(net, sources, steps=1)
        return net

    plugin = adapter(title="t", adapt=short)
    REGISTRY.register(plugin)
    (found,) = [f for f in dabench.check(plugin.name) if f.state == "warning"]
    assert found.advice.startswith("adapt() calls trainer.fit 12 times. Each call restarts momentum")
    assert "call trainer.run once" in found.advice


@pytest.mark.parametrize("access", ["test", "unlabelled"])
def test_predict_and_access_test_go_together(access: Any) -> None:
    def predict(self: Adapter, net: Any, images: Any) -> Any:
        return net(images)

    members = {"predict": predict} if access == "unlabelled" else {}
    found = of_plugin(adapter(title="t", access=access, **members))
    assert any("predict() is" in f.advice for f in found)


def test_a_correction_without_a_ratio_for_each_class_fails() -> None:
    class OneRatio(Correction):
        name, title = "one-ratio", "a toy"

        def ratios(self, given: ClassPredictions) -> NDArray[np.float64]:
            return given.target.mean(0)[:1]

    failed = {f.rule: f.advice for f in of_plugin(OneRatio)}
    assert "it must return 4 finite numbers of at least 0" in failed.pop("ratios() returns a ratio for each class")
    assert failed == {}
