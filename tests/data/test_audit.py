"""What an audit finds, in made-up sets with planted faults and in the public FER2013."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audited import found, smooth, splits
from numpy.typing import NDArray
from PIL import Image
from toys import CLASSES, even, samples, toy

import dabench
from dabench.cli import main
from dabench.data.audit import Audit, audit_datasets
from dabench.data.fingerprints import fingerprints, mirrored_pairs, near_pairs, same_pixels
from dabench.data.prepare import prepare_dataset
from dabench.errors import PluginError, SpecError
from dabench.plugins.contract import Samples
from dabench.plugins.registry import REGISTRY
from dabench.reporting.audit import COLUMNS, audit_tables, examples_sheet, finding_rows, write_audit

ConditionChange = Callable[[dict[str, Samples]], None]


def compressed(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a (1, H, W) picture as JPEG gives it back."""
    out = io.BytesIO()
    Image.fromarray(image[0].astype(np.uint8)).save(out, "JPEG", quality=90)
    return np.asarray(Image.open(out))[None]


def flags(result: Audit, kind: Any = "identical") -> list[tuple[int, bool, bool, bool]]:
    return [(len(g.members), g.across_splits, g.across_datasets, g.conflicting) for g in result.of(kind)]


def test_a_clean_set_has_no_finding(tmp_path: Path) -> None:
    result = found(tmp_path, splits(), radius=5)
    assert result.groups == ()
    assert result.overlaps == ()


def test_a_copy_in_one_split_is_found(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[3] = made["train"].images[7]
    assert flags(found(tmp_path, made)) == [(2, False, False, False)]


def test_a_copy_in_another_split_is_across_splits(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[0] = made["train"].images[1]
    assert flags(found(tmp_path, made)) == [(2, True, False, False)]


def test_copies_with_different_classes_are_conflicting(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[29] = made["train"].images[0]
    assert flags(found(tmp_path, made)) == [(2, False, False, True)]


def test_one_pixel_by_one_level_is_not_identical(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[1] = made["train"].images[0]
    made["train"].images[1, 0, 5, 5] ^= 1
    assert flags(found(tmp_path, made)) == []


def test_a_copy_in_another_dataset_is_across_datasets_and_not_across_splits(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    other["test"].images[0] = one["train"].images[0]
    assert flags(found(tmp_path, one, other)) == [(2, False, True, False)]


def test_classes_of_two_datasets_are_compared_by_name(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    other["train"].images[0] = one["train"].images[0]
    sets = [
        prepare_dataset(toy("one", one), tmp_path, tmp_path / "1", notify=lambda _: None),
        prepare_dataset(toy("two", other, classes=CLASSES[::-1]), tmp_path, tmp_path / "2", notify=lambda _: None),
    ]
    assert flags(audit_datasets(sets, radius=None)) == [(2, False, True, True)]


def test_a_grey_picture_stored_in_colour_is_identical_to_itself(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    other["train"].images[0] = one["train"].images[0]
    coloured = {s: Samples(v.images.repeat(3, 1), v.labels) for s, v in other.items()}
    assert flags(found(tmp_path, one, coloured)) == [(2, False, True, False)]


def test_the_same_bytes_in_another_shape_are_not_identical() -> None:
    flat = np.arange(64, dtype=np.uint8)
    shapes = [fingerprints(flat.reshape(1, 1, *shape)) for shape in ((4, 16), (16, 4))]
    assert shapes[0].pixels[0] != shapes[1].pixels[0]


def test_constant_pictures_are_found_whatever_their_value(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[0], made["test"].images[5] = 0, 77
    assert len(found(tmp_path, made).of("constant")) == 2


def test_constant_pictures_are_not_near_identical(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[0], made["test"].images[5] = 0, 77
    assert found(tmp_path, made, radius=5).of("near-identical") == []


def test_a_picture_of_one_colour_is_constant() -> None:
    colour = np.zeros((1, 3, 8, 8), np.uint8)
    colour[0, 1] = 200
    assert fingerprints(colour).constant.tolist() == [True]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: np.clip(image * 0.9 + 6, 0, 255),
        lambda image: np.clip(image + np.random.default_rng(0).normal(0, 3, image.shape), 0, 255),
        lambda image: compressed(image),
    ],
    ids=["brightness", "noise", "compressed"],
)
def test_a_picture_slightly_changed_is_near_identical(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    made = splits()
    made["test"].images[0] = change(made["train"].images[4].astype(np.float64)).astype(np.uint8)
    assert flags(found(tmp_path, made, radius=5), "near-identical") == [(2, True, False, False)]


def test_a_near_copy_at_another_size_is_found_across_datasets(tmp_path: Path) -> None:
    one, other = splits(1), splits(2)
    large = {s: Samples(v.images.repeat(2, 2).repeat(2, 3), v.labels) for s, v in other.items()}
    large["train"].images[0] = one["train"].images[0].repeat(2, 1).repeat(2, 2)
    assert flags(found(tmp_path, one, large, radius=5), "near-identical") == [(2, False, True, False)]


def test_a_near_group_holds_all_copies_of_its_pictures(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[1] = made["train"].images[0]
    made["train"].images[2] = (made["train"].images[0] * 0.9).astype(np.uint8)
    assert flags(found(tmp_path, made, radius=5), "near-identical") == [(3, False, False, False)]


def test_a_chain_of_near_pairs_is_one_group(tmp_path: Path) -> None:
    made = splits()
    for k, factor in enumerate((0.97, 0.9, 0.8)):
        made["train"].images[k + 1] = (made["train"].images[0] * factor).astype(np.uint8)
    assert flags(found(tmp_path, made, radius=5), "near-identical") == [(4, False, False, False)]


@pytest.mark.parametrize("change", [lambda image: image, lambda image: image * 0.9, lambda image: compressed(image)])
def test_a_mirrored_copy_is_found_across_splits(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    made = splits()
    made["test"].images[0] = change(made["train"].images[4][:, :, ::-1].astype(np.float64)).astype(np.uint8)
    result = found(tmp_path, made, radius=5)
    assert flags(result, "mirrored") == [(2, True, False, False)]
    assert flags(result, "near-identical") == []


def test_a_near_copy_of_a_symmetric_picture_is_not_mirrored() -> None:
    half = smooth(1, 3)
    whole = np.concatenate([half, half[:, :, :, ::-1]], axis=3)
    of = fingerprints(np.concatenate([whole, (whole * 0.9).astype(np.uint8)]))
    assert len(near_pairs(of, 5, 0.95)) == 1
    assert len(mirrored_pairs(of, 5, 0.95)) == 0


def test_mirrored_copies_are_found_among_the_first_of_identical_pictures() -> None:
    images = smooth(6, 5)[[0, 1, 1, 2, 3]]
    images[4] = images[1][:, :, ::-1]
    assert mirrored_pairs(fingerprints(images), 5, 0.95).tolist() == [[1, 4]]


def test_the_table_says_what_is_not_looked_for(tmp_path: Path) -> None:
    assert table(found(tmp_path, splits(), radius=5), "not looked for")[0].startswith("not looked for: crops, rotations")


@pytest.mark.parametrize("radius", [0, 1, 3, 5, 15])
def test_bands_find_every_pair_within_the_radius(radius: int) -> None:
    rng = np.random.default_rng(1)
    base = rng.integers(0, 256, (20, 1, 8, 9))
    near = np.clip(np.concatenate([base + rng.integers(-40, 41, base.shape) for _ in range(4)]), 0, 255)
    of = fingerprints(near.astype(np.uint8))
    apart = np.bitwise_count(of.hashes[:, None] ^ of.hashes[None])
    every = {(int(a), int(b)) for a, b in zip(*np.nonzero(apart <= radius), strict=True) if a < b}
    assert {(a, b) for a, b in near_pairs(of, radius, -1.0).tolist()} == every


def test_the_correlation_of_thumbnails_is_asked_for_too() -> None:
    of = fingerprints(smooth(1, 3).repeat(2, 0) * np.array([1, 1], np.uint8)[:, None, None, None])
    changed = fingerprints(np.concatenate([smooth(1, 3), np.where(smooth(1, 3) > 100, 255, smooth(1, 3))]).astype(np.uint8))
    between = float(changed.thumbnails[0] @ changed.thumbnails[1])
    assert len(near_pairs(changed, 15, between - 0.01)) == 1
    assert len(near_pairs(changed, 15, between + 0.01)) == 0
    assert len(near_pairs(of, 15, -1.0)) == 0  # identical ones are no near pair


def test_chunks_give_the_fingerprints_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    images = smooth(10, 4)
    whole = fingerprints(images)
    monkeypatch.setattr("dabench.data.lazy._BYTES", 3 * images[0].nbytes)
    parts = fingerprints(images)
    assert (parts.pixels == whole.pixels).all()
    assert (parts.hashes == whole.hashes).all()


def test_blocks_find_the_pairs_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([smooth(9, 4), (smooth(9, 4) * 0.9).astype(np.uint8)])
    whole = near_pairs(fingerprints(images), 5, 0.95)
    monkeypatch.setattr("dabench.data.fingerprints._BLOCK", 2)
    np.testing.assert_array_equal(near_pairs(fingerprints(images), 5, 0.95), whole)
    assert len(whole) == 9


def test_groups_of_identical_pictures_are_in_order() -> None:
    images = smooth(6, 5)[[0, 1, 2, 1, 0, 5]]
    assert [g.tolist() for g in same_pixels(fingerprints(images))] == [[0, 4], [1, 3]]


def test_a_subject_on_both_sides_is_found(tmp_path: Path) -> None:
    made = {"train": samples(even(4), 1, groups=np.arange(12)), "test": samples(even(2), 2, groups=np.arange(11, 17))}
    made["val"] = samples(even(1), 3, groups=np.arange(100, 103))
    overlap = found(tmp_path, made).overlaps
    assert [(o.dataset, o.splits, o.subjects, o.pictures) for o in overlap] == [("set-a", ("train", "test"), (11,), 2)]


# What is printed and written


def table(result: Audit, title: str) -> tuple[str, ...]:
    """Return the row of the table of findings that begins so."""
    return next(row for row in audit_tables(result)[0].rows if row[0].startswith(title))


def test_the_table_counts_groups_and_pictures(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[1], made["test"].images[0] = made["train"].images[0], made["train"].images[0]
    assert table(found(tmp_path, made), "identical")[1:] == ("1", "3")


def test_the_table_says_where_subjects_are_not_known(tmp_path: Path) -> None:
    assert table(found(tmp_path, splits()), "subjects")[0] == "subjects in two splits (set-a: subjects not known)"


def test_the_table_states_the_thresholds_of_near_identical(tmp_path: Path) -> None:
    assert "hash within 5 of 64 bits and correlation >= 0.95" in table(found(tmp_path, splits(), radius=5), "near")[0]


def test_the_balance_names_every_class_and_its_ratio(tmp_path: Path) -> None:
    made = splits() | {"test": samples([0, 0, 0, 1, 2], 9, shape=(1, 24, 24))}
    balance = audit_tables(found(tmp_path, made))[1]
    assert balance.columns == ("split", *CLASSES, "all", "largest : smallest")
    assert ("test", "3", "1", "1", "5", "3.0") in balance.rows


def test_the_balance_of_a_split_without_a_class_says_so(tmp_path: Path) -> None:
    made = splits() | {"test": samples([0, 0, 1], 9, shape=(1, 24, 24))}
    assert audit_tables(found(tmp_path, made))[1].rows[-1][-1] == "a class is empty"


def test_the_csv_has_a_row_for_each_picture_of_each_finding(tmp_path: Path) -> None:
    made = splits(attributes={})
    made["test"].images[0] = made["train"].images[29]
    made["train"].images[5] = 0
    result = found(tmp_path, made)
    file = write_audit(result, tmp_path / "out")[0]
    with open(file, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["finding"], r["split"], r["class"], r["conflicting_labels"]) for r in rows] == [
        ("identical", "train", "c", "yes"),
        ("identical", "test", "a", "yes"),
        ("constant", "train", "a", "no"),
    ]


def test_a_position_in_the_csv_is_that_picture(tmp_path: Path) -> None:
    made = splits()
    made["test"].images[0] = made["train"].images[1]
    result = found(tmp_path, made)
    for row in finding_rows(result):
        image = result.pictures.sets[row[2]].samples(row[3]).images[int(row[4])]
        np.testing.assert_array_equal(image, made["train"].images[1])


def test_the_csv_names_subjects_and_attributes(tmp_path: Path) -> None:
    made = splits()
    made["train"] = Samples(made["train"].images, made["train"].labels, np.arange(30), {"age": np.arange(20, 50)})
    made["train"].images[1] = made["train"].images[0]
    rows = sorted((row[6], row[COLUMNS.index("attributes")]) for row in finding_rows(found(tmp_path, made)))
    assert rows == [("0", "age=20"), ("1", "age=21")]


def test_an_overlap_has_its_row_in_the_csv(tmp_path: Path) -> None:
    made = {s: samples(even(n), n, groups=np.arange(3 * n)) for s, n in (("train", 3), ("test", 1))}
    made["val"] = samples(even(1), 7, groups=np.arange(50, 53))
    rows = list(finding_rows(found(tmp_path, made)))
    assert [(r[0], r[3], r[6]) for r in rows] == [("subject in two splits", "train and test", s) for s in "012"]


def test_the_contact_sheet_shows_the_pictures(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[0] = made["test"].images[0] = 0
    made["train"].images[0, 0, :, 12:] = made["test"].images[0, 0, :, 12:] = 200
    sheet = examples_sheet(found(tmp_path, made))
    assert sheet is not None
    pixels = np.asarray(sheet)
    assert int((pixels == 200).all(-1).sum()) >= 2 * 96 * 48


def test_a_clean_set_has_no_contact_sheet_and_an_old_one_goes(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[0] = 0
    assert [f.name for f in write_audit(found(tmp_path, made), tmp_path / "out")] == ["findings.csv", "examples.png"]
    write_audit(found(tmp_path, splits(3), names="xyz"), tmp_path / "out")
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["findings.csv"]


def test_pictures_of_colour_and_odd_shape_are_drawn(tmp_path: Path) -> None:
    made = {s: samples(even(2), k, shape=(3, 8, 300)) for k, s in enumerate(("train", "val", "test"))}
    made["test"].images[0] = made["train"].images[0]
    assert examples_sheet(found(tmp_path, made)) is not None


def test_a_class_in_another_script_is_drawn(tmp_path: Path) -> None:
    made = splits()
    made["train"].images[1] = made["train"].images[0]
    prepared = prepare_dataset(
        toy("korean", made, classes=("행복", "슬픔", "분노")), tmp_path, tmp_path / "k", notify=lambda _: None
    )
    assert examples_sheet(audit_datasets([prepared], radius=None)) is not None


# The command


def test_the_command_prints_the_tables_and_writes_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "font-digits"]) == 0
    out = capsys.readouterr().out
    assert "Audit of font-digits: 4,000 images" in out
    assert "Class balance of font-digits" in out
    files = {f.name for f in (tmp_path / "audit" / "font-digits").iterdir()}
    assert files == {"findings.csv", "examples.png", "test-font-digits.csv"}


def test_a_sweep_stands_for_its_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "quick", "--radius", "-1", "--out", "found"]) == 0
    out = capsys.readouterr().out
    assert "Audit of font-digits, uci-digits: 5,797 images" in out
    assert "near-identical images (not searched)" in out
    assert (tmp_path / "found" / "findings.csv").is_file()


def test_a_dataset_named_twice_is_looked_at_once() -> None:
    assert list(dabench.audit("uci-digits", "quick", "uci-digits").pictures.sets) == ["uci-digits", "font-digits"]


def test_a_sweep_file_declares_datasets(tmp_path: Path) -> None:
    from pictures import as_folder, classes, tree

    as_folder(tmp_path / "faces", tree(classes(10)))
    text = 'name = "s"\ndatasets = ["mine", "uci-digits"]\nadapters = ["none"]\nbackbone = "conv4"\n'
    (tmp_path / "s.toml").write_text(text + '[dataset.mine]\npath = "faces"\n', encoding="utf-8")
    assert list(dabench.audit(tmp_path / "s.toml").pictures.sets) == ["mine", "uci-digits"]


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"unknown dataset 'uci-digit'; did you mean 'uci-digits'"):
        dabench.audit("uci-digit")


def test_raw_is_for_one_dataset(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"is the folder of a single dataset, but 2 are named; use data \(--data\) instead"):
        dabench.audit("quick", raw=tmp_path)


@pytest.mark.parametrize("radius", [-2, 16])
def test_a_radius_out_of_range_is_an_error(radius: int) -> None:
    with pytest.raises(SpecError, match=rf"radius = {radius}: must be 0 to 15 .bits"):
        dabench.audit("uci-digits", radius=radius)


def test_an_output_folder_that_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["audit", "uci-digits", "--out", str(tmp_path / "file")]) == 2
    assert re.search(r"error: .*file: cannot be written .*--out", capsys.readouterr().err)


@pytest.mark.usefixtures("registry_restored")
def test_attributes_and_groups_of_a_plugin_reach_the_audit() -> None:
    REGISTRY.register(toy("registered"))
    assert len(dabench.audit("registered").pictures.image_positions) == 90


# The real set


@pytest.fixture(scope="module")
def fer(real_data: Callable[[str], Path], _cache: Path) -> tuple[Audit, float]:
    archive = real_data("fer2013/archive.zip")
    prepared = prepare_dataset(REGISTRY.make("dataset", "fer2013"), archive.parent, _cache, notify=lambda _: None)
    began = time.perf_counter()
    result = audit_datasets([prepared])
    return result, time.perf_counter() - began


def test_fer2013_holds_1516_groups_of_identical_pictures_557_across_splits_57_conflicting(fer: tuple[Audit, float]) -> None:
    groups = fer[0].of("identical")
    assert (len(groups), sum(g.across_splits for g in groups), sum(g.conflicting for g in groups)) == (1516, 557, 57)


def test_fer2013_is_audited_in_under_a_minute(fer: tuple[Audit, float]) -> None:
    assert fer[1] < 60


def test_the_contact_sheet_of_fer2013_is_a_picture(fer: tuple[Audit, float], tmp_path: Path) -> None:
    files = write_audit(fer[0], tmp_path)
    with Image.open(files[1]) as sheet:
        assert sheet.width > 1000
