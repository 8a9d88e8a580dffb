"""The store keeps finished runs whole, finds no others, and takes no folder that is not its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import run_record, sweep_record, two_sets

from dabench.analysis.matrix import read_matrix
from dabench.errors import StoreError
from dabench.storage.reader import StoredRun
from dabench.storage.run_store import RunStore
from dabench.storage.schema import DatasetRecord

DIGEST = "ab" * 32
LOGITS = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
IMAGES = np.arange(2 * 3 * 1 * 4 * 5, dtype=np.uint8).reshape(2, 3, 1, 4, 5)
RECIPE: dict[str, Any] = {"name": "tiny", "train": {"lr": 0.05, "steps": 4}}
FACTS = DatasetRecord("pale", "PALE", "x", "x", "x", "x", "x", {"test": 4}, False, {})


def claimed(folder: Path, **recipe: Any) -> RunStore:
    store = RunStore(folder)
    store.claim(sweep_record(RECIPE | recipe), 'name = "tiny"\n')
    return store


def with_run(folder: Path) -> tuple[RunStore, Path]:
    """Return a store with one finished run, and that run's folder."""
    store = claimed(folder)
    facts = run_record(digest=DIGEST, tests={"pale": "01", "fonts/a": "02"})
    logits = {"pale": LOGITS, "fonts/a": LOGITS + 1}
    store.add(facts, logits, lambda path: _write(path, b"network"), {"zebras/../x": IMAGES, "apes": IMAGES + 1})
    return store, store.runs / f"none_bright_s0-{DIGEST[:10]}"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def found(store: RunStore) -> StoredRun:
    record = store.find(DIGEST)
    assert record is not None
    return record


# Finding


def test_a_finished_run_is_found(tmp_path: Path) -> None:
    store, folder = with_run(tmp_path / "out")
    assert store.folder / found(store).where == folder


@pytest.mark.parametrize(("dataset", "expected"), [("pale", LOGITS), ("fonts/a", LOGITS + 1)])
def test_its_logits_come_back_to_the_bit(tmp_path: Path, dataset: str, expected: Any) -> None:
    store, _ = with_run(tmp_path / "out")
    assert found(store).logits(dataset).tobytes() == expected.tobytes()


def test_its_pictures_come_back_in_their_order_whatever_their_headings(tmp_path: Path) -> None:
    store, _ = with_run(tmp_path / "out")
    shown = found(store).pictures()
    assert list(shown) == ["zebras/../x", "apes"]
    assert [images.tobytes() for images in shown.values()] == [IMAGES.tobytes(), (IMAGES + 1).tobytes()]


def test_a_run_without_pictures_is_written_as_before_there_were_any(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    store.add(run_record(digest=DIGEST), {}, lambda path: _write(path, b"network"))
    assert "pictures" not in json.loads(store.text(f"{found(store).where}/run.json"))
    assert found(store).pictures() == {}


@pytest.mark.parametrize("images", [IMAGES.astype(np.float32), IMAGES[0], IMAGES.repeat(2, 2), IMAGES[:0]])
def test_a_file_of_other_arrays_holds_no_pictures(tmp_path: Path, images: Any) -> None:
    store = claimed(tmp_path / "out")
    store.add(run_record(digest=DIGEST), {}, lambda path: _write(path, b"network"), {"apes": images})
    with pytest.raises(ValueError, match=r"picture-1\.npy holds no images"):
        found(store).pictures()


def test_its_facts_come_back(tmp_path: Path) -> None:
    store, _ = with_run(tmp_path / "out")
    assert found(store).facts.name == "none_bright_s0"


def test_another_digest_is_not_found(tmp_path: Path) -> None:
    store, _ = with_run(tmp_path / "out")
    assert store.find("cd" * 32) is None


def test_a_digest_with_the_same_beginning_is_not_found(tmp_path: Path) -> None:
    store, _ = with_run(tmp_path / "out")
    assert store.find(DIGEST[:10] + "0" * 54) is None


def test_a_run_without_predictions_for_a_test_set_is_not_found(tmp_path: Path) -> None:
    store, _ = with_run(tmp_path / "out")
    assert store.find(DIGEST, {"pale": "01", "bright": "03"}) is None


def test_predictions_on_other_data_of_the_same_name_are_not_found(tmp_path: Path) -> None:
    store, _ = with_run(tmp_path / "out")
    assert store.find(DIGEST, {"pale": "01"}) is not None
    assert store.find(DIGEST, {"pale": "99"}) is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink], ids=["truncated", "one bit flipped", "missing"])
@pytest.mark.parametrize("file", ["logits-pale.npy", "logits-fonts-a.npy", "network.safetensors", "picture-2.npy"])
def test_a_damaged_file_makes_a_run_unfinished(tmp_path: Path, damage: Any, file: str) -> None:
    store, folder = with_run(tmp_path / "out")
    damage(folder / file)
    assert store.find(DIGEST) is None


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(path.read_bytes()[:50]), Path.unlink], ids=["truncated", "missing"]
)
def test_a_run_without_a_whole_record_is_unfinished(tmp_path: Path, damage: Any) -> None:
    store, folder = with_run(tmp_path / "out")
    damage(folder / "run.json")
    assert store.find(DIGEST) is None


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": 3}', "null", '{"files": {}, "digest": 1, "tests": []}'])
def test_a_record_of_another_kind_makes_a_run_unfinished(tmp_path: Path, content: str) -> None:
    store, folder = with_run(tmp_path / "out")
    (folder / "run.json").write_text(content, encoding="utf-8")
    assert store.find(DIGEST) is None


def test_a_report_needs_no_network(tmp_path: Path) -> None:
    store, folder = with_run(tmp_path / "out")
    (folder / "network.safetensors").unlink()
    assert store.find(DIGEST, network=False) is not None


# Adding


def test_a_run_added_again_replaces_the_old_one(tmp_path: Path) -> None:
    store, folder = with_run(tmp_path / "out")
    (folder / "logits-pale.npy").write_bytes(b"damaged")
    with_run(tmp_path / "out")
    assert store.find(DIGEST) is not None


def test_a_run_that_cannot_be_written_leaves_nothing_half_made(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")

    def full(path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left on device"):
        store.add(run_record(digest=DIGEST), {}, full)
    assert list(store.runs.iterdir()) == []


def test_a_removed_run_is_gone(tmp_path: Path) -> None:
    store, folder = with_run(tmp_path / "out")
    store.remove(DIGEST)
    assert not folder.exists()


def test_a_network_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the pretraining abababab.* is missing; run the sweep again"):
        claimed(tmp_path / "out").network(DIGEST)


def test_what_failed_is_kept(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    store.fail("dann_bright_pale_s0", "the loss became nan")
    assert store.failures() == {"dann_bright_pale_s0": "the loss became nan\n"}


def test_a_failure_is_forgotten_when_the_run_succeeds(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    store.fail("none_bright_s0", "the loss became nan")
    with_run(tmp_path / "out")
    assert store.failures() == {}


def test_test_labels_groups_and_attributes_of_a_dataset_come_back(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    labels, groups, ages = np.array([1, 0, 2, 0]), np.array([5, 5, 6, 6]), np.array([20, 20, 84, 84])
    store.add_dataset(FACTS, {"labels": labels, "groups": groups, "attribute-age": ages})
    kept = store.dataset("pale")
    assert kept.groups is not None
    assert (kept.labels.tolist(), kept.groups.tolist()) == (labels.tolist(), groups.tolist())
    assert kept.attributes["age"].tolist() == ages.tolist()


def test_a_dataset_without_groups_has_none(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    store.add_dataset(FACTS, {"labels": np.array([1, 0, 2, 0]), "groups": None})
    assert store.dataset("pale").groups is None


def test_a_damaged_dataset_is_an_error(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    store.add_dataset(FACTS, {"labels": np.array([1, 0, 2])})
    flip(store.folder / "datasets" / "pale" / "labels.npy")
    with pytest.raises(StoreError, match=r"labels\.npy has changed\); run the sweep again"):
        store.dataset("pale")


def test_a_dataset_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the sweep again to rewrite it"):
        claimed(tmp_path / "out").dataset("pale")


@pytest.mark.parametrize("file", ["sweep.json", "datasets/hand/facts.json"])
def test_a_record_that_was_altered_is_told_by_name_with_what_to_do(tmp_path: Path, file: str) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    path = store.folder / file
    path.write_text(path.read_text().replace(' "title": "', ' "title": "Not '), encoding="utf-8")
    with pytest.raises(StoreError, match=rf"{path.name}.*has changed.*run the sweep again to rewrite it"):
        read_matrix(store)


@pytest.mark.parametrize("file", ["sweep.json", "datasets/hand/facts.json"])
def test_a_record_of_before_that_holds_no_check_is_read(tmp_path: Path, file: str) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    expected, path = read_matrix(store).digest, store.folder / file
    record = json.loads(path.read_text())
    del record["check"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert read_matrix(store).digest == expected


# Taking a folder


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert claimed(tmp_path).claimed_for().name == "tiny"


def test_the_same_sweep_goes_on(tmp_path: Path) -> None:
    with_run(tmp_path / "out")
    assert claimed(tmp_path / "out").find(DIGEST) is not None


def test_another_sweeps_folder_is_refused_with_both_names(tmp_path: Path) -> None:
    claimed(tmp_path / "out")
    with pytest.raises(StoreError, match="belongs to the sweep 'tiny', not to 'huge'; give another folder with --out"):
        claimed(tmp_path / "out", name="huge")


def test_the_same_sweep_with_other_settings_is_refused_naming_what_differs(tmp_path: Path) -> None:
    with_run(tmp_path / "out")
    with pytest.raises(StoreError, match=r"with other settings \(train\.lr: 0\.05 -> 0\.1\); give another folder"):
        claimed(tmp_path / "out", train={"lr": 0.1, "steps": 4})


@pytest.mark.parametrize("change", [('"tiny"', '"other"', 1), ("0.05", "0.5", -1)], ids=["name", "settings"])
def test_a_sweep_goes_on_over_its_altered_record_and_writes_it_anew(tmp_path: Path, change: tuple[str, str, int]) -> None:
    with_run(tmp_path / "out")
    path = tmp_path / "out" / "sweep.json"
    written = path.read_text()
    path.write_text(written.replace(*change), encoding="utf-8")
    assert path.read_text() != written
    assert claimed(tmp_path / "out").find(DIGEST) is not None
    assert path.read_text() == written


def test_another_sweeps_altered_record_is_not_taken_over(tmp_path: Path) -> None:
    claimed(tmp_path / "out")
    path = tmp_path / "out" / "sweep.json"
    path.write_text(path.read_text().replace("0.05", "0.5"), encoding="utf-8")
    with pytest.raises(StoreError, match="belongs to the sweep 'tiny', not to 'huge'"):
        claimed(tmp_path / "out", name="huge")


def test_settings_under_which_nothing_finished_may_change(tmp_path: Path) -> None:
    claimed(tmp_path / "out")
    claimed(tmp_path / "out", train={"lr": 0.1, "steps": 4})
    assert RunStore(tmp_path / "out").claimed_for().recipe["train"]["lr"] == 0.1


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(StoreError, match="is not empty and not a results folder; give another folder with --out"):
        claimed(tmp_path)


def test_a_refused_folder_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(StoreError):
        claimed(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_killed_sweep_left_half_made_is_cleared_away(tmp_path: Path) -> None:
    store = claimed(tmp_path / "out")
    (store.runs / ".none_bright_s0-x").mkdir()
    (store.folder / "tensorboard" / ".abcdefgh").mkdir(parents=True)
    claimed(tmp_path / "out")
    assert list(store.runs.iterdir()) == list((store.folder / "tensorboard").iterdir()) == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(read_only: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        claimed(read_only / "out")


def test_a_folder_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match=r"file is not a writable folder\); give another folder with --out"):
        claimed(tmp_path / "file" / "out")


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        claimed(tmp_path / "file")


def test_a_folder_without_a_sweep_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a results folder"):
        RunStore(tmp_path).read_sweep()


@pytest.mark.parametrize("content", ["{", "[]", "{}", "\x00"])
def test_a_damaged_sweep_record_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "sweep.json").write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match=r"sweep\.json: (cannot be read|is not what dabench writes)"):
        RunStore(tmp_path).read_sweep()


def test_a_sweep_record_of_another_version_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    old = json.dumps({"sweep": {"name": "tiny"}})
    (tmp_path / "sweep.json").write_text(old, encoding="utf-8")
    with pytest.raises(StoreError):
        claimed(tmp_path)
    assert (tmp_path / "sweep.json").read_text(encoding="utf-8") == old
