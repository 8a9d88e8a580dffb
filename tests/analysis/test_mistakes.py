"""Mistakes of a cell: which images they are, how confident, and the prepared images that belong to them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from fabricated import LABELS, NONE, DatasetContent, Fabrication, two_sets
from numpy.typing import NDArray
from PIL import Image
from tiny_sweeps import SHAPES, TINY

import dabench
from dabench.analysis.export import write_pack
from dabench.analysis.find_mistakes import cell_names
from dabench.analysis.mistakes import Mistakes
from dabench.cli import main
from dabench.data import cache
from dabench.data.find_prepared import find_prepared
from dabench.errors import DataError, SpecError, StoreError
from dabench.hashing import digest
from dabench.plugins.contract import Samples
from dabench.reporting.html.page import to_html
from dabench.reporting.mistake_files import mistake_list
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

CELL = "none:print:hand"

PEOPLE = [f"s{i // 2}" for i in range(10)]


@dataclass
class Confident(Fabrication):
    """A store whose logits on hand of networks trained on print are given for each seed: image -> logits of the three classes."""

    given: Mapping[int, Mapping[int, tuple[float, float, float]]] = field(default_factory=dict)

    def _logits(self, run: Run, test: str) -> NDArray[np.float32]:
        logits = super()._logits(run, test)
        if test == "hand" and run.sources == ("print",) and run.target is None:
            for image, values in self.given.get(run.seed, {}).items():
                logits[-1, image] = values
        return logits


GIVEN = {
    # Image 0 (class x) is wrong with both seeds, 4 (class y) with seed 0 alone, 7 (class z) with seed 1 alone and not on average.
    0: {0: (0, 2, 0), 4: (5, 0, 0)},
    1: {0: (0, 3, 0), 4: (0, 1, 0), 7: (0.1, 0, 0)},
}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    subjects = {"subject": PEOPLE, "file": [f"f{i}.png" for i in range(10)], "age": [20.0] * 5 + [60.0] * 5}
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", groups=[i // 2 for i in range(10)], attributes=subjects)}
    made = Confident(lambda run, test: 0 if run.sources == ("print",) else 1, sets, given=GIVEN)
    return made.write(tmp_path / "made")


@pytest.fixture(autouse=True)
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the images of hand: the pixels of image i are 20 i."""
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    return put(tmp_path / "cache", "hand", digest("hand"))


def put(folder: Path, name: str, known_as: str, count: int = 10) -> Path:
    images = np.stack([np.full((1, 4, 4), 20 * i, np.uint8) for i in range(count)])
    samples = Samples(images, np.array([*LABELS] * 2)[:count])
    place = folder / f"{name}-1x4x4-{known_as[:16]}"
    place.mkdir(parents=True)
    cache.write(place, name, cache.DatasetContent(("x", "y", "z"), {"train": samples, "test": samples}))
    record = json.loads((place / cache.RECORD).read_text())
    (place / cache.RECORD).write_text(json.dumps(record | {"digest": known_as}))
    return place


def mistakes(store: RunStore, cell: str = CELL) -> Mistakes:
    (found,) = dabench.report(store.folder, errors=cell, write=False).mistakes
    return found


def test_a_mistake_is_an_image_whose_mean_probability_is_highest_for_another_class(store: RunStore) -> None:
    found = mistakes(store)
    assert (found.image.tolist(), found.labels.tolist(), found.predicted.tolist()) == ([0, 4], [0, 1], [1, 0])
    assert (found.of, found.seeds, found.wrong_seeds.tolist()) == (10, 2, [2, 1])


def test_the_most_confident_mistake_comes_first(store: RunStore) -> None:
    def share(logit: float) -> float:
        return float(np.exp(logit) / (np.exp(logit) + 2))

    other = 1 / (np.e + 2)  # of class x, where the logits are (0, 1, 0)
    assert mistakes(store).confidence.tolist() == pytest.approx([(share(2) + share(3)) / 2, (share(5) + other) / 2])
    assert list(mistakes(store).confidence) == sorted(mistakes(store).confidence, reverse=True)


def test_each_mistake_has_its_image(store: RunStore) -> None:
    found = mistakes(store)
    assert found.images.shape == (2, 1, 4, 4)
    assert found.images[:, 0, 0, 0].tolist() == [0, 80]


def test_a_mistake_is_named_by_image_file_subject_and_group(store: RunStore) -> None:
    names = {column: values.tolist() for column, values in mistakes(store).names.items()}
    short = digest("hand")[:8]
    assert names == {
        "name": [f"{short}-0", f"{short}-4"],
        "file": ["f0.png", "f4.png"],
        "subject": ["s0", "s2"],
        "group": [0, 2],
    }


def test_a_file_attribute_makes_no_subgroups(store: RunStore) -> None:
    found = dabench.report(store.folder, write=False)
    assert {g.attribute for g in found.subgroups} == {"age"}
    assert "file" not in found.omitted_attributes.get("hand", {})


def test_the_list_has_a_line_for_each_mistake(store: RunStore) -> None:
    matrix = dabench.report(store.folder, errors=[CELL], write=False)
    rows = list(csv.DictReader(io.StringIO(mistake_list(matrix, matrix.mistakes[0]))))
    assert [(r["image"], r["file"], r["true"], r["predicted"], r["wrong_seeds"], r["seeds"]) for r in rows] == [
        ("0", "f0.png", "x", "y", "2", "2"),
        ("4", "f4.png", "y", "x", "1", "2"),
    ]


def test_a_cell_without_mistakes_has_an_empty_sheet(tmp_path: Path) -> None:
    store = two_sets(wrong=lambda run, test: 0).write(tmp_path / "right")
    assert main(["report", str(store.folder), "--errors", CELL]) == 0
    assert (store.report / "mistakes" / "none_print_on_hand.csv").read_text().count("\n") == 1


def test_only_the_first_images_are_read_and_all_are_listed(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.analysis.find_mistakes.MOST_DRAWN", 1)
    found = mistakes(store)
    assert (len(found.images), len(found.image)) == (1, 2)


# Names of cells


def test_cells_are_named_by_adapter_sources_and_test(store: RunStore) -> None:
    names = list(cell_names(dabench.report(store.folder, write=False)))
    assert {"none:print:hand", "adabn:print:hand", "adabn:print:hand:print"} <= set(names)


@pytest.mark.parametrize("text", ["none:print:hand", "none:P:H"])
def test_a_cell_may_be_named_with_short_names(store: RunStore, text: str) -> None:
    assert mistakes(store, text).cell.name == "NET-P-H"


def test_the_end_of_a_name_may_be_left_out(tmp_path: Path) -> None:
    store = two_sets(datasets={"hand": DatasetContent("H")}, adapters={"none": NONE}, wrong=lambda run, test: 2).write(
        tmp_path / "s"
    )
    assert mistakes(store, "none").image.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none:print", "--errors none:print: names 2 cells; name one of them: none:print:print, none:print:hand"),
        (
            "none:print:hnd",
            "did you mean 'none:print:hand'.*; known: none:print:print, none:print:hand, none:hand:print, none:hand",
        ),
        ("dann:print:hand", r"--errors dann:print:hand: is no cell of this sweep.*; known: .*, fine-tune:hand:print:hand"),
    ],
)
def test_an_unknown_cell_names_those_that_there_are(store: RunStore, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        mistakes(store, text)


# The images


def test_images_that_are_not_in_the_cache_are_an_error_with_the_next_command(store: RunStore, prepared: Path) -> None:
    (prepared / cache.RECORD).unlink()
    command = f"dabench sweep {store.folder / 'sweep.toml'} --plan"
    with pytest.raises(DataError, match=rf"the prepared images of hand \(digest .*\) are not in the cache .*: {command}"):
        mistakes(store)


def test_a_file_of_images_that_cannot_be_read_is_an_error(store: RunStore, prepared: Path) -> None:
    (prepared / "test-images.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="make it again with: dabench sweep"):
        mistakes(store)


def test_prepared_folders_of_other_versions_and_partial_ones_are_passed_over(tmp_path: Path, prepared: Path) -> None:
    for name, text in (("a", "no json"), ("b", "{}"), ("c", "[]"), (".d", (prepared / cache.RECORD).read_text())):
        (prepared.parent / name).mkdir()
        (prepared.parent / name / cache.RECORD).write_text(text)
    found = find_prepared(prepared.parent, digest("hand"))
    assert found is not None
    assert found.folder == prepared


def test_another_dataset_of_the_cache_is_not_taken(tmp_path: Path) -> None:
    assert find_prepared(tmp_path / "cache", digest("print")) is None


def test_a_cache_that_does_not_exist_has_nothing(tmp_path: Path) -> None:
    assert find_prepared(tmp_path / "nowhere", digest("hand")) is None


@pytest.mark.usefixtures("registry_restored")
def test_images_of_a_trained_sweep_with_folds_are_those_of_the_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = TINY.format(adapters='["none"]', head="folds = 2\nsize = 18", tables="")
    (tmp_path / "tiny.toml").write_text(text, encoding="utf-8")
    dabench.sweep("tiny.toml", plugins=[SHAPES], engine="inline", quiet=True)
    (found,) = dabench.report("runs/tiny", errors="none:bright:pale", write=False).mistakes
    folds = [p for p in (tmp_path / "cache").glob("pale*fold-*") if np.load(p / "test-images.npy").shape[2:] == (18, 18)]
    known = {}
    for fold in folds:
        labels = np.load(fold / "test-labels.npy")
        known |= {image.tobytes(): labels[i] for i, image in enumerate(np.load(fold / "test-images.npy"))}
    assert len(found.images) > 10
    assert [known[image.tobytes()] for image in found.images] == found.labels[: len(found.images)].tolist()


# Packs


def test_a_pack_with_logits_takes_the_images_of_the_cache(store: RunStore, tmp_path: Path) -> None:
    pack = write_pack(store, tmp_path / "s.zip")
    (found,) = dabench.report(pack, errors=CELL, out=tmp_path / "r").mistakes
    assert np.array_equal(found.images, mistakes(store).images)
    assert (tmp_path / "r" / "mistakes" / "none_print_on_hand.png").is_file()


def test_a_pack_of_classes_has_no_confidences(store: RunStore, tmp_path: Path) -> None:
    pack = write_pack(store, tmp_path / "s.zip", classes_only=True)
    with pytest.raises(
        StoreError, match=r"mistakes have no confidences; use the output folder, or a pack .* without --classes-only"
    ):
        dabench.report(pack, errors=CELL, write=False)


def test_a_pack_of_counts_tells_no_images(store: RunStore, tmp_path: Path) -> None:
    pack = write_pack(store, tmp_path / "s.zip", counts=True)
    with pytest.raises(DataError, match="the single test images of hand cannot be identified"):
        dabench.report(pack, errors=CELL, write=False)
    assert "name" not in dabench.load(pack).predictions("hand")


# The sheet


def test_the_command_draws_a_sheet_and_says_where(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(store.folder), "--errors", CELL]) == 0
    sheet = store.report / "mistakes" / "none_print_on_hand.png"
    out = capsys.readouterr().out
    assert "none, P, tested on H: 2 of 10 images wrong" in out
    assert f"Mistakes: {sheet}" in out
    pixels = np.asarray(Image.open(sheet).convert("L"))
    top = np.flatnonzero((pixels[:, 10:100] < 30).all(1))[0]  # the first row of image 0, which is black
    assert (pixels[top + 40, 10 : 10 + 90] == 0).all()
    assert (pixels[top + 40, 8 + 98 + 2 : 8 + 98 + 90] == 80).all()  # image 4


def test_the_page_shows_the_sheet(store: RunStore) -> None:
    page = to_html(dabench.report(store.folder, errors=CELL, write=False))
    assert 'href="#mistakes"' in page
    assert "none, P, tested on H: 2 of 10 images wrong" in page
    assert 'id="mistakes"' not in to_html(dabench.report(store.folder, write=False))


def test_a_sheet_that_does_not_fit_the_page_is_counted(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dabench.reporting.html.mistakes.MOST_BYTES", 10)
    assert "This page shows 0 of 1 sheets." in to_html(dabench.report(store.folder, errors=CELL, write=False))


def test_results_are_the_same_with_and_without_mistakes(store: RunStore) -> None:
    drawn, plain = (dabench.report(store.folder, errors=e, write=False) for e in (CELL, ()))
    assert drawn.as_dict() == plain.as_dict()


def test_a_later_report_leaves_the_sheets(store: RunStore) -> None:
    dabench.report(store.folder, errors=CELL)
    dabench.report(store.folder)
    assert (store.report / "mistakes" / "none_print_on_hand.png").is_file()


def test_a_format_that_shows_no_images_is_refused(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(store.folder), "--errors", CELL, "--format", "md"]) == 2
    assert "draws images, which --format md cannot show; leave --format out" in capsys.readouterr().err


def test_a_pack_needs_a_folder_for_the_sheet(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = write_pack(store, tmp_path / "s.zip")
    assert main(["report", str(pack), "--errors", CELL]) == 2
    assert f"--errors {CELL}: no report is written for a pack; add --out DIR" in capsys.readouterr().err
