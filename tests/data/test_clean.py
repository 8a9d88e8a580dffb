"""What a cleaned variant leaves out: each rule on planted faults, the lists, the command, and a sweep over both variants."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audited import found, splits
from numpy.typing import NDArray
from toys import toy

import dabench
from dabench.cli import main
from dabench.data.audit import Audit, audit_datasets
from dabench.data.clean import images_to_drop, write_drop_lists
from dabench.data.csv_files import image_name
from dabench.data.prepare import prepare_dataset
from dabench.errors import DataError, SpecError, StoreError
from dabench.experiment.resolve import make_dataset
from dabench.experiment.validation import sweep_from
from dabench.plugins.contract import Samples
from dabench.plugins.registry import REGISTRY, Registry


def numbered(made: dict[str, Samples]) -> dict[str, Samples]:
    """Return the splits with the number of each picture as its attribute, since preparing orders them by a hash."""
    return {s: Samples(v.images, v.labels, v.groups, {"n": np.arange(len(v.images))}) for s, v in made.items()}


def places(result: Audit, near: bool = False) -> dict[str, list[tuple[str, int, str, str]]]:
    """Return of each set what goes: split, number, reason, and the split and number of what stays for it."""

    def number(dataset: str, split: str, position: int) -> int:
        return int(result.pictures.sets[dataset].samples(split).attributes["n"][position])

    def kept(dataset: str, text: str) -> str:
        *other, split, position = text.split()
        return " ".join([*other, split, str(number(*other or [dataset], split, int(position)))])  # type: ignore[misc]

    return {
        name: sorted((d.split, number(name, d.split, d.position), d.reason, d.kept and kept(name, d.kept)) for d in rows)
        for name, rows in images_to_drop(result, near).items()
    }


def going(tmp_path: Path, *sets: dict[str, Samples], near: bool = False) -> Any:
    """Return `places` of sets, of the one set alone if it is one."""
    result = places(found(tmp_path, *map(numbered, sets), radius=5 if near else None), near)
    return result["set-a"] if len(sets) == 1 else list(result.values())


def image(made: dict[str, Samples], split: str, number: int) -> NDArray[np.uint8]:
    return np.asarray(made[split].images)[number]


def test_a_clean_set_loses_nothing(tmp_path: Path) -> None:
    assert going(tmp_path, splits(), near=True) == []


@pytest.mark.parametrize(
    ("kept", "goes"), [("test", "val"), ("test", "train"), ("val", "train")], ids=["test before val", "test before train", "val"]
)
def test_of_copies_in_two_splits_the_one_nearer_to_the_test_stays(tmp_path: Path, kept: str, goes: str) -> None:
    made = splits()
    image(made, goes, 1)[:] = image(made, kept, 2)
    assert going(tmp_path, made) == [(goes, 1, "identical", f"{kept} 2")]


def test_of_copies_in_one_split_the_one_at_the_lowest_position_stays(tmp_path: Path) -> None:
    made = splits()
    image(made, "test", 1)[:] = image(made, "test", 3)[:] = image(made, "test", 2)
    result = found(tmp_path, made)
    positions = sorted(result.pictures.place(m)[2] for m in result.of("identical")[0].members.tolist())
    assert [(d.split, d.position, d.kept) for d in images_to_drop(result)["set-a"]] == [
        ("test", positions[1], f"test {positions[0]}"),
        ("test", positions[2], f"test {positions[0]}"),
    ]


def test_copies_with_conflicting_labels_all_go_out_of_the_test_too(tmp_path: Path) -> None:
    made = splits()
    image(made, "train", 0)[:] = image(made, "train", 29)[:] = image(made, "test", 0)
    assert going(tmp_path, made) == [(s, n, "conflicting labels", "") for s, n in (("test", 0), ("train", 0), ("train", 29))]


def test_constant_pictures_go_and_are_no_copies_of_each_other(tmp_path: Path) -> None:
    made = splits()
    image(made, "train", 0)[:] = image(made, "test", 11)[:] = 0
    image(made, "val", 5)[:] = 200
    assert going(tmp_path, made) == [(s, n, "constant", "") for s, n in (("test", 11), ("train", 0), ("val", 5))]


def with_subjects(train: list[int], val: list[int], test: list[int]) -> dict[str, Samples]:
    groups = {"train": train, "val": val, "test": test}
    return {s: Samples(v.images, v.labels, np.resize(groups[s], len(v.images))) for s, v in splits().items()}


def test_subjects_of_the_test_go_out_of_train_and_val(tmp_path: Path) -> None:
    made = with_subjects([*range(29), 41], [*range(50, 61), 40], [40, 41])
    assert going(tmp_path, made) == [("train", 29, "subject in test", ""), ("val", 11, "subject in test", "")]


def test_subjects_in_train_and_val_alone_stay(tmp_path: Path) -> None:
    assert going(tmp_path, with_subjects([1, 2], [2, 3], [4, 5])) == []


def test_a_copy_that_a_subject_of_the_test_leaves_behind_stays(tmp_path: Path) -> None:
    made = with_subjects([41, *range(29)], [50], [40, 41])
    image(made, "train", 5)[:] = image(made, "train", 0)
    assert going(tmp_path, made) == [("train", 0, "subject in test", "")]


def test_a_copy_of_another_datasets_test_goes_out_of_training(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    image(one, "train", 3)[:] = image(one, "val", 3)[:] = image(other, "test", 4)
    assert going(tmp_path, one, other) == [
        [("train", 3, "identical", "set-b test 4"), ("val", 3, "identical", "set-b test 4")],
        [],
    ]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_copies_in_the_same_split_of_two_datasets_stay(tmp_path: Path, split: str) -> None:
    one, other = splits(1), splits(2)
    image(one, split, 3)[:] = image(other, split, 3)
    assert going(tmp_path, one, other) == [[], []]


def test_other_words_for_a_class_in_another_dataset_are_no_conflict(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    image(one, "test", 0)[:] = image(other, "test", 11)
    assert going(tmp_path, one, other) == [[], []]


def test_a_test_picture_that_goes_stands_for_none_in_another_dataset(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    image(one, "train", 3)[:] = image(other, "test", 0)[:] = image(other, "test", 11)
    assert going(tmp_path, one, other) == [[], [("test", 0, "conflicting labels", ""), ("test", 11, "conflicting labels", "")]]


# Near-identical images


def paler(made: dict[str, Samples], split: str, number: int, factor: float = 0.9) -> NDArray[np.uint8]:
    return (image(made, split, number) * factor).astype(np.uint8)


def test_near_identical_pictures_stay_unless_asked_for(tmp_path: Path) -> None:
    made = splits()
    image(made, "train", 0)[:] = paler(made, "test", 0)
    result = found(tmp_path, numbered(made), radius=5)
    assert places(result)["set-a"] == []
    assert places(result, near=True)["set-a"] == [("train", 0, "near-identical", "test 0")]


def test_near_identical_pictures_with_conflicting_labels_both_go(tmp_path: Path) -> None:
    made = splits()
    image(made, "train", 29)[:] = paler(made, "test", 0)
    assert going(tmp_path, made, near=True) == [("test", 0, "conflicting labels", ""), ("train", 29, "conflicting labels", "")]


def linked(result: Audit, *pairs: tuple[tuple[str, int], tuple[str, int]]) -> Audit:
    """Return the audit with these pairs of (split, number) as the near-identical ones."""

    def at(place: tuple[str, int]) -> int:
        split, number = place
        start = next(start for _, s, start in result.pictures.splits_of if s == split)
        return start + int(np.flatnonzero(result.pictures.sets["set-a"].samples(split).attributes["n"] == number)[0])

    return replace(result, near=np.array([sorted((at(a), at(b))) for a, b in pairs]), radius=5)


def test_what_only_a_chain_links_with_what_stays_stays_too(tmp_path: Path) -> None:
    result = linked(found(tmp_path, numbered(splits())), (("test", 0), ("val", 0)), (("val", 0), ("train", 0)))
    assert places(result, near=True)["set-a"] == [("val", 0, "near-identical", "test 0")]


def test_a_conflict_goes_no_further_than_its_pair(tmp_path: Path) -> None:
    result = linked(found(tmp_path, numbered(splits())), (("test", 0), ("train", 29)), (("test", 0), ("val", 0)))
    assert [row[:3] for row in places(result, near=True)["set-a"]] == [
        ("test", 0, "conflicting labels"),
        ("train", 29, "conflicting labels"),
    ]


def test_a_copy_names_what_stays_when_what_stayed_for_it_goes_as_near(tmp_path: Path) -> None:
    made = splits()
    image(made, "train", 0)[:] = image(made, "train", 1)[:] = paler(made, "val", 0)
    gone = going(tmp_path, made, near=True)
    assert {row[2] for row in gone} == {"identical", "near-identical"}
    assert [row[3] for row in gone] == ["val 0", "val 0"]


def test_a_copy_of_what_goes_for_a_near_conflict_goes_for_it(tmp_path: Path) -> None:
    made = splits()
    image(made, "train", 0)[:] = image(made, "train", 1)[:] = paler(made, "val", 11)
    assert going(tmp_path, made, near=True) == [
        (s, n, "conflicting labels", "") for s, n in (("train", 0), ("train", 1), ("val", 11))
    ]


@pytest.mark.parametrize("near", [False, True])
def test_an_audit_of_what_is_left_finds_nothing(tmp_path: Path, near: bool) -> None:
    made = splits()
    for k, (split, other) in enumerate((("train", "test"), ("train", "val"), ("val", "test"), ("train", "train"))):
        image(made, split, k)[:] = image(made, other, k + 6)
        image(made, split, 11 - k)[:] = image(made, other, k) if not near else paler(made, other, k, 0.95)
    image(made, "train", 20)[:] = 3
    result = found(tmp_path, made, radius=5 if near else None)
    (cleaned,) = write_drop_lists(result, tmp_path / "lists", near=near, notify=lambda _: None)
    assert cleaned.variant is not None
    assert len(result.groups) > 4
    assert audit_datasets([cleaned.variant], radius=5 if near else None).groups == ()


# The lists and the variants


def faulty(seed: int = 0) -> dict[str, Samples]:
    made = splits(seed)
    image(made, "train", 1)[:] = image(made, "test", 2)
    image(made, "train", 5)[:] = image(made, "val", 2)
    return made


LIST = """\
dataset,digest,split,position,pixels,class,reason,kept
set-a,DIGEST,train,10,44ae626412cfe073657cede1e763d4a6,a,identical,test 3
set-a,DIGEST,train,25,8a2115d2e666b29daabf903c3795e511,a,identical,val 7
"""


def test_a_list_says_of_each_picture_where_it_is_and_why_it_goes(tmp_path: Path) -> None:
    result = found(tmp_path, faulty())
    (cleaned,) = write_drop_lists(result, tmp_path / "lists", notify=lambda _: None)
    assert cleaned.path == tmp_path / "lists" / "drop-set-a.csv"
    assert cleaned.path.read_text(encoding="utf-8").replace(cleaned.whole.digest[:16], "DIGEST") == LIST


def test_only_a_set_with_something_to_drop_has_a_list(tmp_path: Path) -> None:
    cleaned = write_drop_lists(found(tmp_path, splits(1), faulty()), tmp_path / "lists", notify=lambda _: None)
    assert [c.variant is not None for c in cleaned] == [False, True]
    assert [f.name for f in (tmp_path / "lists").glob("drop-*")] == ["drop-set-b.csv"]


def test_beside_a_list_stands_which_test_images_training_held_before(tmp_path: Path) -> None:
    made = faulty()
    image(made, "test", 3)[:] = 0  # constant: it goes, so that those after it have other positions
    result = found(tmp_path, made)
    (cleaned,) = write_drop_lists(result, tmp_path / "lists", notify=lambda _: None)
    assert cleaned.variant is not None
    assert cleaned.tests == tmp_path / "lists" / "cleaned-test-set-a.csv"
    with open(cleaned.tests, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert [row["image"] for row in rows] == [image_name(cleaned.variant.digest, i) for i in range(11)]
    held = [at for at, row in enumerate(rows) if row["identical in training before"] == "set-a"]
    copies = (made["train"].images[1], made["test"].images[2])  # the same picture
    images = cleaned.variant.samples("test").images
    assert [at for at in range(11) if any(np.array_equal(images[at], c) for c in copies)] == held
    assert len(held) == 1


def test_where_training_held_no_test_image_there_is_no_such_file(tmp_path: Path) -> None:
    made = splits(1)
    image(made, "train", 5)[:] = image(made, "val", 2)
    (cleaned,) = write_drop_lists(found(tmp_path, made), tmp_path / "lists", notify=lambda _: None)
    assert cleaned.tests is None
    assert [f.name for f in (tmp_path / "lists").iterdir()] == ["drop-set-a.csv"]


def test_a_variant_is_the_set_without_these_pictures_in_the_same_order(tmp_path: Path) -> None:
    result = found(tmp_path, numbered(faulty()))
    (cleaned,) = write_drop_lists(result, tmp_path / "lists", notify=lambda _: None)
    assert cleaned.variant is not None
    before, after = cleaned.whole.samples("train"), cleaned.variant.samples("train")
    stays = ~np.isin(before.attributes["n"], (1, 5))
    np.testing.assert_array_equal(after.attributes["n"], before.attributes["n"][stays])
    np.testing.assert_array_equal(after.images, np.asarray(before.images)[stays])
    np.testing.assert_array_equal(after.labels, np.asarray(before.labels)[stays])


def test_a_variant_has_a_digest_of_its_own_and_always_the_same(tmp_path: Path) -> None:
    digests = set()
    for place in ("one", "two"):
        (cleaned,) = write_drop_lists(found(tmp_path / place, faulty()), tmp_path / place / "lists", notify=lambda _: None)
        assert cleaned.variant is not None
        assert cleaned.variant.digest != cleaned.whole.digest
        digests.add(cleaned.variant.digest)
    assert len(digests) == 1


def test_a_list_that_is_another_is_not_overwritten(tmp_path: Path) -> None:
    result = found(tmp_path, faulty())
    (cleaned,) = write_drop_lists(result, tmp_path / "lists", notify=lambda _: None)
    assert cleaned.path is not None
    write_drop_lists(result, tmp_path / "lists", notify=lambda _: None)  # the same
    edited = "".join(cleaned.path.read_text().splitlines(keepends=True)[:-1])
    cleaned.path.write_text(edited)
    with pytest.raises(StoreError, match=r"drop-set-a\.csv: holds a different list, .* another folder with --out"):
        write_drop_lists(result, tmp_path / "lists", notify=lambda _: None)
    assert cleaned.path.read_text() == edited


def test_a_class_that_would_be_lost_is_an_error(tmp_path: Path) -> None:
    made = with_subjects([*range(20), *[41] * 10], [50], [40, 41])
    with pytest.raises(DataError, match=r"leaves no image of class 'c' in train of 'set-a'; remove lines of that class"):
        write_drop_lists(found(tmp_path, made), tmp_path / "lists", notify=lambda _: None)


def test_a_variant_has_no_list_of_its_own(tmp_path: Path) -> None:
    made = faulty()
    image(made, "train", 0)[:] = paler(made, "test", 0)
    (cleaned,) = write_drop_lists(found(tmp_path, made), tmp_path / "lists", notify=lambda _: None)
    assert cleaned.variant is not None
    with pytest.raises(SpecError, match=r"'set-a': is a cleaned variant already, .* audit the whole dataset again"):
        write_drop_lists(audit_datasets([cleaned.variant]), tmp_path / "more", near=True, notify=lambda _: None)


def test_near_identical_pictures_that_were_not_looked_for_cannot_be_dropped(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="were not searched, so they cannot be dropped; leave out --radius -1"):
        write_drop_lists(found(tmp_path, faulty()), tmp_path / "lists", near=True)


# The command, and sweeps


@pytest.fixture
def _faulty(registry_restored: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    REGISTRY.register(toy("faulty", faulty()))
    REGISTRY.register(toy("other", splits(3)))


SWEEP = """
name = "clean"
datasets = ["faulty", "faulty-clean", "other"]
adapters = ["none", "adabn"]
backbone = "conv4"
seeds = 1
pairs = ["faulty-clean -> other"]
[dataset.faulty-clean]
plugin = "faulty"
drop = "audit/faulty/drop-faulty.csv"
[train]
steps = 2
batch = 8
device = "cpu"
[conv4]
width = 4
"""
TEXT = "2 of 30 training images dropped (identical; list "


@pytest.mark.usefixtures("_faulty")
def test_the_command_says_what_is_dropped_and_how_a_sweep_takes_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "faulty", "other", "--radius", "-1", "--drop", "--out", "out"]) == 0
    out = capsys.readouterr().out
    assert "faulty: 28 / 12 / 12 images (train / val / test)" in out
    assert TEXT in out
    assert '[dataset.faulty]\ndrop = "out/drop-faulty.csv"\n' in out
    assert "\n  tests  out/cleaned-test-faulty.csv: " in out
    assert out.endswith("other: nothing to drop\n")


@pytest.mark.usefixtures("_faulty")
def test_the_lines_for_a_member_of_a_family_are_toml_that_a_sweep_takes(capsys: pytest.CaptureFixture[str]) -> None:
    REGISTRY.register(toy("family/one", faulty(1)))
    assert main(["audit", "family/one", "--drop"]) == 0
    lines = capsys.readouterr().out.partition("relative to that file):\n")[2]
    head = 'name = "s"\ndatasets = ["family/one", "other"]\nadapters = ["none"]\nbackbone = "conv4"\n'
    Path("s.toml").write_text(head + lines, encoding="utf-8")
    assert main(["prepare", "s.toml"]) == 0
    assert "family/one: 28 / 12 / 12 images" in capsys.readouterr().out


@pytest.mark.usefixtures("_faulty")
def test_a_sweep_over_the_whole_and_the_cleaned_set_says_so_in_every_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("clean.toml").write_text(SWEEP, encoding="utf-8")
    assert main(["audit", "faulty", "--drop"]) == 0
    digest = capsys.readouterr().out.partition("  digest ")[2][:64]
    assert main(["sweep", "clean.toml", "--plan"]) == 0
    assert TEXT in capsys.readouterr().out
    assert main(["sweep", "clean.toml", "--engine", "inline"]) == 0
    report = tmp_path / "runs" / "clean" / "report"
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))["datasets"]
    assert [n for n, facts in results.items() if "dropped" in facts] == ["faulty-clean"]
    assert results["faulty-clean"]["digest"] == digest
    assert results["faulty-clean"]["dropped"]["images"] == {"train": 2}
    for name in ("matrix.md", "matrix.tex", "gains.md", "gains.tex"):
        assert f"FAULTY-CLEAN: {TEXT}" in (report / name).read_text(encoding="utf-8")


@pytest.mark.usefixtures("_faulty")
def test_prepare_and_audit_of_a_sweep_see_the_cleaned_set(capsys: pytest.CaptureFixture[str]) -> None:
    Path("clean.toml").write_text(SWEEP, encoding="utf-8")
    assert main(["audit", "faulty", "--drop"]) == 0
    capsys.readouterr()
    assert main(["prepare", "clean.toml"]) == 0
    out = capsys.readouterr().out
    assert "faulty: 30 / 12 / 12 images" in out
    assert "faulty-clean: 28 / 12 / 12 images" in out
    assert main(["audit", "clean.toml", "--set", 'datasets=["faulty-clean"]', "--set", "pairs=[]"]) == 0
    assert "Audit of faulty-clean: 52 images" in capsys.readouterr().out


@pytest.mark.usefixtures("_faulty")
def test_a_set_under_two_names_is_decoded_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("clean.toml").write_text(SWEEP, encoding="utf-8")
    assert main(["audit", "faulty", "--drop"]) == 0
    assert main(["prepare", "clean.toml"]) == 0
    err = capsys.readouterr().err
    assert err.count("preparing faulty") == 1
    assert err.count("dropping 2 images") == 1


@pytest.mark.usefixtures("_faulty")
def test_raw_is_for_a_dataset_and_not_for_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "quick", "--raw", "here"]) == 2
    assert "--raw here: is the folder of a single dataset, but quick is a sweep; use --data" in capsys.readouterr().err


def test_a_declared_set_reads_the_raw_files_of_its_plugin(registry: Registry, tmp_path: Path) -> None:
    table: dict[str, Any] = {"name": "x", "datasets": ["clean", "uci-digits"], "adapters": ["none"], "backbone": "conv4"}
    sweep = sweep_from(table | {"dataset": {"clean": {"plugin": "fer2013"}}}, registry)
    assert make_dataset(sweep, "clean", registry).raw_in(tmp_path) == tmp_path / "fer2013"


def test_a_list_is_found_beside_the_sweep_file(registry: Registry, tmp_path: Path) -> None:
    table: dict[str, Any] = {"name": "x", "datasets": ["font-digits", "uci-digits"], "adapters": ["none"], "backbone": "conv4"}
    sweep = sweep_from(table | {"dataset": {"uci-digits": {"drop": "lists/a.csv"}}}, registry, tmp_path)
    assert make_dataset(sweep, "uci-digits", registry).drop == str(tmp_path / "lists" / "a.csv")
    assert make_dataset(sweep, "font-digits", registry).drop == ""


@pytest.mark.usefixtures("_faulty")
def test_a_table_in_python_takes_a_list_from_the_working_folder() -> None:
    (cleaned,) = dabench.drop(dabench.audit("faulty", radius=-1), "lists")
    table = {"name": "x", "datasets": ["faulty", "other"], "adapters": ["none"], "backbone": "conv4", "seeds": 1}
    table |= {"dataset": {"faulty": {"drop": "lists/drop-faulty.csv"}}, "train": {"steps": 1, "batch": 4, "device": "cpu"}}
    matrix = dabench.sweep(table, engine="inline", quiet=True)
    assert cleaned.variant is not None
    assert matrix.datasets["faulty"].digest == cleaned.variant.digest


# Pictures that cannot be read


def pictures(folder: Path, damaged: dict[str, bytes]) -> Path:
    from pictures import as_folder, classes, tree

    as_folder(folder, tree(classes(10)) | damaged)
    text = 'name = "s"\ndatasets = ["mine", "uci-digits"]\nadapters = ["none"]\nbackbone = "conv4"\n'
    (folder.parent / "s.toml").write_text(f'{text}[dataset.mine]\npath = "{folder.name}"\n', encoding="utf-8")
    return folder.parent / "s.toml"


def test_an_audit_lists_every_picture_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pictures import png

    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "faces", {"a/00.png": b"", "a/07.png": b"text", "b/03.png": png()[:-30]})
    assert main(["audit", "s.toml", "--radius", "-1", "--out", "out"]) == 1
    out = capsys.readouterr().out
    assert "Pictures that cannot be read: 3; mine was not checked further" in out
    assert "Audit of uci-digits: 1,797 images" in out
    with open("out/findings.csv", newline="", encoding="utf-8") as f:
        rows = [row for row in csv.DictReader(f) if row["finding"] == "unreadable"]
    assert sorted((row["dataset"], row["error"].partition(": ")[0]) for row in rows) == [
        ("mine", "a/00.png"),
        ("mine", "a/07.png"),
        ("mine", "b/03.png"),
    ]


def test_a_dataset_alone_that_cannot_be_read_is_audited(tmp_path: Path) -> None:
    found = dabench.audit(pictures(tmp_path / "faces", {"b/08.png": b"x", "b/09.png": b"x"}), set={"datasets": ["mine"]})
    assert [(u.dataset, u.why.partition(": ")[0]) for u in found.unreadable] == [("mine", "b/08.png"), ("mine", "b/09.png")]
    assert len(found.pictures.image_positions) == 0


def test_nothing_is_dropped_where_a_dataset_cannot_be_read(tmp_path: Path) -> None:
    result = dabench.audit(pictures(tmp_path / "faces", {"b/08.png": b"x", "b/09.png": b"x"}))
    with pytest.raises(DataError, match="mine: cannot be prepared, so no image is dropped; remove or replace the unreadable"):
        write_drop_lists(result, tmp_path / "lists")


def test_another_fault_than_unreadable_pictures_is_that_error(tmp_path: Path) -> None:
    file = pictures(tmp_path / "faces", {})
    with pytest.raises(DataError, match="there is no folder or zip at"):
        dabench.audit(file, set={"dataset.mine.path": "nowhere"})


# The real set


@pytest.fixture(scope="module")
def fer(real_data: Callable[[str], Path], _cache: Path) -> Audit:
    folder = real_data("fer2013/archive.zip").parent
    return audit_datasets([prepare_dataset(REGISTRY.make("dataset", "fer2013"), folder, _cache, notify=lambda _: None)])


@pytest.mark.parametrize(
    ("near", "numbers"),
    [(False, {"train": 1797, "val": 81, "test": 32}), (True, {"train": 2998, "val": 161, "test": 102})],
    ids=["identical", "near"],
)
def test_what_goes_of_fer2013_leaves_no_copies(fer: Audit, tmp_path: Path, near: bool, numbers: dict[str, int]) -> None:
    (cleaned,) = write_drop_lists(fer, tmp_path, near=near, notify=lambda _: None)
    assert cleaned.variant is not None
    assert cleaned.variant.dropped["images"] == numbers
    assert audit_datasets([cleaned.variant], radius=5 if near else None).groups == ()
