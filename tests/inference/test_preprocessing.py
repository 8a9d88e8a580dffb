"""Image files become the input of a stored network as they did in the sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from trained import raw_files

import dabench
from dabench.data.video import ClipSampling
from dabench.errors import DataError, StoreError
from dabench.inference import preprocessing as module
from dabench.inference.card import usage_code
from dabench.inference.preprocessing import Preprocessing, preprocessing_of
from dabench.inference.stored import NetworkChoice, StoredNetworks
from dabench.plugins.registry import REGISTRY, Registry
from dabench.storage.run_store import RunStore


def networks(runs: Path, adapter: str = "dann", to: str = "night", **choice: Any) -> StoredNetworks:
    return StoredNetworks(runs, NetworkChoice(adapter, to, **choice), REGISTRY)


def prepared_images(runs: Path, dataset: str) -> NDArray[np.uint8]:
    """The test images of the sweep, as its networks were tested on them."""
    from dabench.inference.score import _test_images

    store = RunStore(runs)
    found = {name: images for name, images, _ in _test_images(store, store.read_sweep(), Path(), REGISTRY, lambda line: None)}
    return np.concatenate([np.asarray(part) for part in found[dataset]])


def ordered(images: NDArray[np.uint8]) -> list[bytes]:
    return sorted(image.tobytes() for image in images)


@pytest.mark.parametrize("dataset", ["day", "night"])
def test_raw_files_become_the_prepared_test_images(trained_runs: Path, dataset: str) -> None:
    """day is resized to a side that only the note of its preparation states, night to that of its options, with padding."""
    steps = networks(trained_runs, "none", dataset, source="day").preprocessing
    made = np.stack([steps.prepared(path) for path in raw_files(trained_runs, dataset)])
    assert ordered(made) == ordered(prepared_images(trained_runs, dataset))


def test_a_call_returns_the_centre_crop_from_0_to_1(trained_runs: Path) -> None:
    steps, path = networks(trained_runs).preprocessing, raw_files(trained_runs, "night")[0]
    expected = torch.from_numpy(steps.prepared(path)[None, :, 2:18, 2:18]).float() / 255
    assert torch.equal(steps(path), expected)


def test_several_images_make_one_batch(trained_runs: Path) -> None:
    steps, paths = networks(trained_runs).preprocessing, raw_files(trained_runs, "night")[:3]
    assert torch.equal(steps(paths), torch.cat([steps(path) for path in paths]))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"])
def test_an_image_of_pillow_is_read_as_its_file_is(mode: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / "image.png")
    steps = Preprocessing(3, 16, 16)
    assert np.array_equal(steps.prepared(picture), steps.prepared(tmp_path / "image.png"))


def test_an_image_of_pillow_is_turned_as_exif_says(tmp_path: Path) -> None:
    picture = Image.fromarray(np.arange(600, dtype=np.uint16).astype(np.uint8).reshape(20, 30))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "image.png", exif=exif)
    steps = Preprocessing(1, 16, 16)
    assert np.array_equal(steps.prepared(Image.open(tmp_path / "image.png")), steps.prepared(tmp_path / "image.png"))


def test_grey_images_of_a_dataset_are_grey_in_three_channels(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    made = Preprocessing(3, 16, 16, grey=True).prepared(picture)
    assert np.array_equal(made[0], made[2])


def test_an_image_is_cropped_to_its_face(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    monkeypatch.setattr(module, "largest_face", lambda grey: (5, 10, 25, 30))
    found = Preprocessing(1, 20, 20, face=True).prepared(Image.fromarray(pixels))
    assert np.array_equal(found[0], pixels[10:30, 5:25])


def test_an_image_without_a_face_is_an_error_where_the_dataset_has_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "largest_face", lambda grey: None)
    with pytest.raises(DataError, match="shows no face"):
        Preprocessing(1, 20, 20, face=True).prepared(Image.new("L", (40, 40)))


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.png: cannot be read as an image"):
        Preprocessing(1, 16, 16)(tmp_path / "a.png")


def test_the_options_of_a_dataset_of_clips_are_its_sampling(trained_runs: Path) -> None:
    store = RunStore(trained_runs)
    record = store.read_sweep()
    options = {"plugin": "video-folder", "path": "clips", "frames": 7, "face": True, "skip_start": 0.2, "size": 32}
    record = replace(record, sweep=replace(record.sweep, dataset={"night": options}))
    facts = replace(store.dataset("night").facts, notes=())
    found = preprocessing_of(record, "night", facts, REGISTRY)
    assert (found.sampling, found.face, found.grey, found.first) == (ClipSampling(7, skip_start=0.2), True, True, 32)


def test_a_dataset_whose_plugin_is_missing_is_noted(trained_runs: Path) -> None:
    store = RunStore(trained_runs)
    record = store.read_sweep()
    record = replace(record, sweep=replace(record.sweep, dataset={"night": {"plugin": "gone"}}))
    found = preprocessing_of(record, "night", store.dataset("night").facts, Registry(entry_points=False))
    assert "the preparation of night itself is not known" in found.notes[0]


def test_jpeg_in_the_prepared_dataset_is_noted(trained_runs: Path) -> None:
    store = RunStore(trained_runs)
    record = store.read_sweep()
    record = replace(record, sweep=replace(record.sweep, dataset={"night": {"plugin": "image-folder", "store": "jpeg"}}))
    found = preprocessing_of(record, "night", store.dataset("night").facts, REGISTRY)
    assert found.notes == ("images of night are stored as JPEG in the prepared dataset, which is not repeated here",)


def test_a_record_without_the_size_of_the_input_is_an_error(trained_runs: Path) -> None:
    store = RunStore(trained_runs)
    with pytest.raises(StoreError, match="run the sweep again: complete runs are kept"):
        preprocessing_of(replace(store.read_sweep(), input=None), "night", store.dataset("night").facts, REGISTRY)


STEPS = (
    Preprocessing(1, 16, 16),
    Preprocessing(3, 20, 16),
    Preprocessing(3, 16, 16, grey=True),
    Preprocessing(1, 20, 16, "crop"),
    Preprocessing(3, 20, 16, "pad", first=28),
    Preprocessing(1, 20, 20, "pad", first=20),
    Preprocessing(3, 20, 20, first=28, grey=True),
)


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_the_code_of_a_model_card_does_the_same_steps(
    steps: Preprocessing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    seen: list[torch.Tensor] = []

    def network(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images

    code = usage_code(steps, "safetensors").replace("from network import load_network\n", "")
    exec(code, {"load_network": lambda: network})
    assert torch.equal(seen[0], steps("image.png"))


def test_dabench_network_gives_the_preprocessing_of_its_target(trained_runs: Path) -> None:
    found = dabench.network(trained_runs, "dann", to="night").preprocessing
    assert (found.first, found.square, found.size, found.crop) == (28, "pad", 20, 16)
