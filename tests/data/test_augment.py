"""Whole-batch augmentation: every output is made of the right pixels of its own image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dabench.data import augment
from dabench.data.augment import Augmenter, _rotations, as_floats
from dabench.data.distortions import affine, erased, mixed, shifted, warped
from dabench.errors import SpecError
from dabench.plugins.contract import Augment
from dabench.plugins.options import build

CPU = torch.device("cpu")
# 256 pixels of 256 different values: where a pixel came from can be read off it.
NUMBERED = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def augmented(augment: Augment, images: Tensor, seed: int = 0) -> Tensor:
    height, width = images.shape[2:]
    return Augmenter(augment, height, width, CPU).cut(images, torch.Generator().manual_seed(seed))


def trained_on(augment: Augment, images: Tensor, seed: int = 0) -> Tensor:
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


@pytest.mark.parametrize("flip", [True, False])
def test_crops_are_the_corners_and_the_centre_and_where_flips_are_allowed_their_mirror_images(flip: bool) -> None:
    crops = Augmenter(Augment(crop=12, flip=flip), 16, 16, CPU).crops(batch(1))
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    windows = [NUMBERED[:, :, y : y + 12, x : x + 12] for y, x in corners]
    expected = windows + [w.flip(-1) for w in windows] if flip else windows
    assert all(torch.equal(got, window) for got, window in zip(crops, expected, strict=True))


def test_size_is_what_comes_out() -> None:
    augmenter = Augmenter(Augment(crop=12, rotate=5), 16, 16, CPU)
    assert augmenter.train(batch(2), torch.Generator()).shape[2:] == augmenter.size == (12, 12)
    assert augmenter.cut(batch(2), torch.Generator()).shape[2:] == augmenter.size


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
        found.append(augmenter.cut(images, torch.Generator().manual_seed(2)))
    assert torch.equal(*found)


# Scale, translation, shear, contrast, brightness, gamma, erasing


OPTIONS: dict[str, float] = {
    "scale": 0.2, "translate": 0.1, "shear": 0.2, "contrast": 0.4, "brightness": 0.2, "gamma": 0.6, "erasing": 0.7
}  # fmt: skip
SMOOTH = (torch.linspace(0, 1, 32)[:, None] * torch.linspace(60, 180, 32)[None]).round().to(torch.uint8).expand(1, 1, 32, 32)


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_changes_images_and_each_image_in_its_own_way(option: str) -> None:
    found = trained_on(Augment(**{option: OPTIONS[option]}), SMOOTH.expand(40, 1, 32, 32))  # type: ignore[arg-type]
    assert len(torch.unique(found, dim=0)) > 20
    assert (found.dtype, found.shape) == (torch.float32, (40, 1, 32, 32))
    assert 0 <= float(found.min()) < float(found.max()) <= 1


@pytest.mark.parametrize("options", [{}, {"crop": 12, "flip": True}, {"crop": 12, "flip": True, "rotate": 9.0}])
def test_without_these_options_training_images_are_the_cut_ones_to_the_bit(options: dict[str, Any]) -> None:
    augment = Augment(**options)
    assert torch.equal(trained_on(augment, batch(50)), as_floats(augmented(augment, batch(50))))


def test_a_crop_and_flip_with_resampling_are_those_without_it() -> None:
    """The smallest scale makes the bilinear path do what the gather does."""
    images = batch(100)
    exact = as_floats(augmented(Augment(crop=12, flip=True), images))
    found = trained_on(Augment(crop=12, flip=True, scale=1e-7), images)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-3)


def test_warping_is_torchvisions_affine() -> None:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as V

    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    theirs = V.affine(image, 25.0, [2, -3], 1.25, [0.0, 0.0], InterpolationMode.BILINEAR)
    # torchvision moves the result; here the move is that of the pixel looked up, so it is turned and scaled back.
    matrix = affine(torch.tensor([-25.0]), torch.tensor([1.25]), torch.zeros(1))
    ours = warped(image, matrix, -(matrix @ torch.tensor([[2.0], [-3.0]]))[:, :, 0], (32, 32))
    inside = slice(8, 24)  # at the edges, torchvision fills with black
    torch.testing.assert_close(ours[..., inside, inside], theirs[..., inside, inside], rtol=0, atol=1e-5)


def test_shear_moves_rows_sideways() -> None:
    column = torch.zeros(1, 1, 33, 33)
    column[..., 16] = 1
    sheared = warped(column, affine(torch.zeros(1), torch.ones(1), torch.tensor([0.25])), torch.zeros(1, 2), (33, 33))
    peaks = sheared[0, 0].argmax(1) - 16
    assert (int(peaks[0]), int(peaks[16]), int(peaks[32])) == (4, 0, -4)


@pytest.mark.parametrize(("option", "expected"), [("contrast", 0.4), ("brightness", 0.2), ("gamma", 0.6)])
def test_light_keeps_to_its_range_and_reaches_it(option: str, expected: float) -> None:
    level = 204  # 0.8
    found = trained_on(Augment(**{option: expected}), torch.full((3000, 1, 2, 2), level, dtype=torch.uint8))  # type: ignore[arg-type]
    low, high = {
        "contrast": (0.5 + 0.3 * 0.6, 0.5 + 0.3 * 1.4),
        "brightness": (0.6, 1.0),
        "gamma": (0.8**1.6, 0.8 ** (1 / 1.6)),
    }[option]
    assert low - 1e-6 <= float(found.min()) < low + 0.01
    assert high - 0.01 < float(found.max()) <= high + 1e-6


def test_light_is_the_same_function_of_a_pixel_everywhere_in_an_image() -> None:
    found = trained_on(Augment(contrast=0.4, brightness=0.2, gamma=0.6), SMOOTH.expand(5, 3, 32, 32))
    assert torch.equal(found[:, 0], found[:, 2])
    for image in found:
        table = {int(p): float(v) for p, v in zip(SMOOTH.flatten(), image[0].flatten(), strict=True)}
        assert all(table[int(p)] == float(v) for p, v in zip(SMOOTH.flatten(), image[0].flatten(), strict=True))


def test_erasing_takes_one_rectangle_of_one_grey_in_the_share_of_images_asked_for() -> None:
    images = torch.rand(2000, 2, 20, 20, generator=torch.Generator().manual_seed(0))
    found = erased(images.clone(), 0.3, torch.Generator().manual_seed(1))
    changed = (found != images).all(1)
    hit = changed.flatten(1).any(1)
    assert 0.25 < float(hit.float().mean()) < 0.35  # standard deviation 0.01
    areas = changed[hit].float().mean((1, 2))
    assert 0.01 < float(areas.min()) < 0.05
    assert 0.28 < float(areas.max()) < 0.37
    for image, where in zip(found[hit], changed[hit], strict=True):
        rows, columns = where.any(1), where.any(0)
        assert torch.equal(where, rows[:, None] & columns[None])
        assert len(torch.unique(image[:, where])) == 1


def test_a_translation_stays_within_its_part_of_the_side() -> None:
    dot = torch.zeros(500, 1, 41, 41, dtype=torch.uint8)
    dot[..., 20, 20] = 255
    found = trained_on(Augment(translate=0.25), dot)
    mass = found / found.sum((2, 3), keepdim=True)
    at = torch.arange(41.0) - 20
    for axis in (2, 3):
        moved = (mass.sum(5 - axis)[:, 0] * at).sum(1)
        assert 9 < float(moved.abs().max()) <= 0.25 * 41 + 1e-3
        assert abs(float(moved.mean())) < 1


def test_an_augmentation_is_written_as_what_differs_from_the_default() -> None:
    assert str(Augment(crop=44, scale=0.2)) == "Augment(crop=44, scale=0.2)"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("scale", 1.0, "must be at most 0.9"), ("erasing", 2.0, "must be at most 1"), ("gamma", -0.1, "must be at least 0")],
)
def test_an_option_out_of_its_range_is_an_error(key: str, value: float, words: str) -> None:
    with pytest.raises(SpecError, match=rf"augment\.{key} = {value}: {words}"):
        build(Augment, {key: value}, "augment")


# One shift for all images, or one each; mixup


def test_a_shift_keeps_images_in_their_range() -> None:
    images = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for seed in range(10):
        moved = shifted(images, torch.Generator().manual_seed(seed))
        assert 0 <= float(moved.min()) <= float(moved.max()) <= 1


@pytest.mark.parametrize(("each", "different"), [(False, 1), (True, 8)])
def test_a_shift_is_that_of_all_images_or_of_each(each: bool, different: int) -> None:
    same = as_floats(SMOOTH).expand(8, 1, 32, 32)
    assert len(torch.unique(shifted(same, torch.Generator().manual_seed(0), each), dim=0)) == different


def test_mixup_mixes_labels_in_the_shares_of_the_images() -> None:
    torch.manual_seed(0)
    images = torch.eye(64)[:, :, None, None]  # what an image is made of can be read off it
    found, labels = mixed(images, torch.eye(64), 0.4)
    torch.testing.assert_close(found[:, :, 0, 0], labels)
    torch.testing.assert_close(labels.sum(1), torch.ones(64))
    assert 30 < int((labels.max(1).values < 1).sum()) < 64


@pytest.mark.parametrize(("alpha", "variance"), [(0.2, 0.25 / 1.4), (1.0, 0.25 / 3)])
def test_shares_of_mixup_are_beta_distributed(alpha: float, variance: float) -> None:
    torch.manual_seed(0)
    found, _ = mixed(torch.arange(20000.0)[:, None, None, None], torch.ones(20000, 1), alpha)
    torch.manual_seed(0)
    other = torch.randperm(20000)
    own = torch.arange(20000.0)
    moved = other != own
    share = ((found.flatten() - own) / (other - own))[moved]
    assert float(share.var()) == pytest.approx(variance, rel=0.05)
