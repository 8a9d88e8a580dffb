"""Whole-batch augmentation: every output is made of the right pixels of its own image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dabench.data import augment
from dabench.data.augment import Augmenter, _rotations, as_floats
from dabench.errors import SpecError
from dabench.plugins.contract import Augment

CPU = torch.device("cpu")
# 256 pixels of 256 different values: where a pixel came from can be read off it.
NUMBERED = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def augmented(augment: Augment, images: Tensor, seed: int = 0) -> Tensor:
    height, width = images.shape[2:]
    return Augmenter(augment, height, width, CPU).train(images, torch.Generator().manual_seed(seed))


def batch(n: int) -> Tensor:
    return NUMBERED.expand(n, 1, 16, 16)


def corner(crop: Tensor) -> tuple[int, int]:
    return divmod(int(crop[0, 0, 0]), 16)


def test_a_crop_is_a_window_of_its_image() -> None:
    for crop in augmented(Augment(crop=12), batch(200)):
        y, x = corner(crop)
        assert torch.equal(crop, NUMBERED[0, :, y : y + 12, x : x + 12])


def test_every_window_occurs_about_equally_often() -> None:
    found = [corner(crop) for crop in augmented(Augment(crop=14), batch(9000))]
    counts = [found.count((y, x)) for y in range(3) for x in range(3)]
    assert sum(counts) == 9000
    assert 850 < min(counts) <= max(counts) < 1150  # 1000 expected, standard deviation 30


def test_half_of_the_images_are_mirrored() -> None:
    mirrored = NUMBERED[0].flip(-1)
    found = [torch.equal(image, mirrored) for image in augmented(Augment(flip=True), batch(2000))]
    assert 900 < sum(found) < 1100  # standard deviation 22


def test_what_is_not_mirrored_stays_as_it_is() -> None:
    mirrored = NUMBERED[0].flip(-1)
    rest = [image for image in augmented(Augment(flip=True), batch(50)) if not torch.equal(image, mirrored)]
    assert all(torch.equal(image, NUMBERED[0]) for image in rest)


def test_a_mirrored_crop_is_a_window_mirrored() -> None:
    crops = augmented(Augment(crop=12, flip=True), batch(100))
    mirrored = [crop for crop in crops if int(crop[0, 0, 0]) > int(crop[0, 0, 1])]
    assert len(mirrored) > 10
    for crop in mirrored:
        y, x = corner(crop.flip(-1))
        assert torch.equal(crop.flip(-1), NUMBERED[0, :, y : y + 12, x : x + 12])


def test_no_augmentation_is_the_identity() -> None:
    assert torch.equal(augmented(Augment(), batch(3)), batch(3))


def test_rotation_by_zero_is_the_identity() -> None:
    table = _rotations(5, 16, 16)
    assert torch.equal(table[len(table) // 2], torch.arange(256).reshape(16, 16))


@pytest.mark.parametrize(("end", "turns"), [(0, 1), (-1, -1)])
def test_rotation_by_a_right_angle_is_exact(end: int, turns: int) -> None:
    table = _rotations(90, 16, 16)[end]
    assert torch.equal(NUMBERED.flatten()[table], torch.rot90(NUMBERED[0, 0], turns))


@pytest.mark.parametrize("degrees", [-10, 10])
def test_rotation_turns_as_pillow_does(degrees: int) -> None:
    picture = (np.indices((32, 32)).sum(0) // 8 % 2 * 255).astype(np.uint8)
    table = _rotations(10, 32, 32)[0 if degrees < 0 else -1]
    ours = picture.flatten()[table.numpy()]
    disc = np.hypot(*(np.indices((32, 32)) - 15.5)) < 15

    def wrong(angle: int) -> float:
        theirs = np.asarray(Image.fromarray(picture).rotate(angle, Image.Resampling.NEAREST))
        return float((ours != theirs)[disc].mean())

    # Pillow turns against the clock for positive angles; ours turns with it.
    assert wrong(-degrees) < 0.02
    assert wrong(degrees) > 0.2


def test_rotations_go_to_both_sides_alike() -> None:
    dot = torch.zeros(2000, 1, 17, 17, dtype=torch.uint8)
    dot[:, 0, 1, 7:10] = 255  # over the centre: it moves sideways when turned
    columns = torch.arange(17.0) - 8
    moved = [float((image[0].float().sum(0) * columns).sum()) for image in augmented(Augment(rotate=20), dot)]
    left, right = sum(m < 0 for m in moved), sum(m > 0 for m in moved)
    assert 0.85 < left / right < 1.18


def test_rotation_invents_no_pixel() -> None:
    # All values of this image are above 99, so a hole filled with 0 would show.
    images = torch.randint(100, 256, (50, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert int(augmented(Augment(rotate=30), images).min()) >= 100


def test_every_image_of_a_batch_is_augmented_by_itself() -> None:
    assert len(torch.unique(augmented(Augment(crop=12, flip=True, rotate=5), batch(100)), dim=0)) > 50


def test_colours_move_together() -> None:
    images = torch.cat([batch(20), 255 - batch(20), batch(20)], dim=1)
    out = augmented(Augment(crop=12, flip=True, rotate=10), images)
    assert torch.equal(out[:, 0], out[:, 2])
    assert torch.equal(out[:, 0], 255 - out[:, 1])


def test_the_same_generator_gives_the_same() -> None:
    augment = Augment(crop=12, flip=True, rotate=5)
    assert torch.equal(augmented(augment, batch(50), seed=3), augmented(augment, batch(50), seed=3))


def test_another_generator_gives_another() -> None:
    augment = Augment(crop=12, flip=True, rotate=5)
    assert not torch.equal(augmented(augment, batch(50), seed=3), augmented(augment, batch(50), seed=4))


def test_the_images_given_stay_as_they_are() -> None:
    images = batch(10).clone()
    augmented(Augment(crop=12, flip=True, rotate=5), images)
    assert torch.equal(images, batch(10))


def test_testing_takes_the_centre() -> None:
    out = Augmenter(Augment(crop=12), 16, 16, CPU).test(batch(1))
    assert torch.equal(out, NUMBERED[:, :, 2:14, 2:14])


def test_testing_without_crop_takes_all() -> None:
    assert torch.equal(Augmenter(Augment(flip=True, rotate=5), 16, 16, CPU).test(batch(1)), NUMBERED)


def test_ten_crops_are_the_corners_the_centre_and_their_mirror_images() -> None:
    ten = Augmenter(Augment(crop=12), 16, 16, CPU).ten_crop(batch(1))
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    windows = [NUMBERED[:, :, y : y + 12, x : x + 12] for y, x in corners]
    expected = windows + [w.flip(-1) for w in windows]
    assert all(torch.equal(got, window) for got, window in zip(ten, expected, strict=True))


def test_size_is_what_comes_out() -> None:
    augmenter = Augmenter(Augment(crop=12, rotate=5), 16, 16, CPU)
    assert augmenter.train(batch(2), torch.Generator()).shape[2:] == augmenter.size == (12, 12)


def test_a_crop_larger_than_the_images_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"augment.crop = 44: larger than the images, which are 16x16"):
        Augmenter(Augment(crop=44), 16, 16, CPU)


def test_floats_reach_from_0_to_1() -> None:
    floats = as_floats(batch(1))
    assert (floats.dtype, float(floats.min()), float(floats.max())) == (torch.float32, 0.0, 1.0)


def test_tables_made_beforehand_give_the_same_pictures_as_those_made_by_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(0, 256, (64, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    found = []
    for most in (augment._READY_MADE, 0):
        monkeypatch.setattr(augment, "_READY_MADE", most)
        augmenter = Augmenter(Augment(crop=9, flip=True, rotate=5), 12, 12, torch.device("cpu"))
        assert (augmenter._ready is None) == (most == 0)
        found.append(augmenter.train(images, torch.Generator().manual_seed(2)))
    assert torch.equal(*found)
