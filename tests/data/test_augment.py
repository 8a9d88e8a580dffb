"""Whole-batch augmentation: every output is made of the right pixels of its own image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dabench.data import augment as augment_module
from dabench.data.augment import Augmenter, _rotations, as_floats
from dabench.data.distortions import affine, boxes, colour_parts, coloured, erased, mixed, shifted, warped
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
    for most in (augment_module._READY_MADE, 0):
        monkeypatch.setattr(augment_module, "_READY_MADE", most)
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


# Resized crops


def resized(box: tuple[int, int, int, int], augment: Augment, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Return images under a resized crop of the box (top, left, height, width)."""
    top, left, height, width = (torch.full((len(images),), float(n)) for n in box)
    monkeypatch.setattr(augment_module, "boxes", lambda *_: (torch.stack([top, left]), torch.stack([height, width])))
    return trained_on(augment, images)


BOXES = [(0, 0, 32, 32), (3, 5, 20, 17), (10, 0, 7, 9), (31, 2, 1, 30)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("crop", [32, 24])
def test_a_box_is_resized_as_torchvision_does(box: tuple[int, int, int, int], crop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.transforms.v2 import functional as V

    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours = resized(box, Augment(crop=crop, resized_crop=0.08), images, monkeypatch)
    theirs = V.resized_crop(as_floats(images), *box, [crop, crop], antialias=False)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_a_flipped_box_is_the_mirror_image_of_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    images = NUMBERED.expand(40, 1, 16, 16)
    plain, flipped = (resized((2, 3, 9, 7), Augment(flip=flip, resized_crop=0.08), images, monkeypatch) for flip in (False, True))
    mirrored = [torch.allclose(image, plain[0].flip(-1), atol=1e-5) for image in flipped]
    assert 10 < sum(mirrored) < 30
    assert all(m or torch.allclose(image, plain[0], atol=1e-5) for m, image in zip(mirrored, flipped, strict=True))


def test_boxes_are_drawn_as_torchvision_does() -> None:
    from torchvision.transforms.v2 import RandomResizedCrop

    torch.manual_seed(0)
    other, image = RandomResizedCrop(24, scale=(0.08, 1.0)), torch.zeros(1, 64, 64)
    drawn = [other.make_params([image]) for _ in range(4000)]
    theirs = torch.tensor([[float(d[key]) for d in drawn] for key in ("top", "left", "height", "width")])
    ours = torch.cat(boxes(0.08, 4000, (64, 64), torch.Generator().manual_seed(0)))
    found = [(n, torch.log(w / h), h * w / 64**2) for n in (ours, theirs) for h, w in [n[2:]]]
    for one, other_one in zip(found[0], found[1], strict=True):
        torch.testing.assert_close(one.mean(-1), other_one.mean(-1), rtol=0.05, atol=0.02)
        torch.testing.assert_close(one.std(-1), other_one.std(-1), rtol=0.05, atol=0.02)


def test_boxes_are_whole_pixels_within_the_image_of_the_area_and_the_ratio_asked_for() -> None:
    (top, left), (height, width) = boxes(0.25, 5000, (60, 60), torch.Generator().manual_seed(0))
    for start, length in ((top, height), (left, width)):
        assert torch.equal(start, start.round())
        assert float(start.min()) == 0
        assert float((start + length).max()) == 60
    area, ratio = height * width / 3600, width / height
    assert 0.24 < float(area.min()) < 0.27
    assert 0.95 < float(area.max()) <= 1
    assert 0.73 < float(ratio.min()) < 0.77
    assert 1.3 < float(ratio.max()) < 1.37


def test_a_box_that_does_not_fit_is_the_whole_image() -> None:
    starts, lengths = boxes(1.0, 50, (60, 60), torch.Generator().manual_seed(0))
    assert (starts.unique().tolist(), lengths.unique().tolist()) == ([0.0], [60.0])


def test_the_whole_image_at_its_own_size_is_the_image() -> None:
    torch.testing.assert_close(trained_on(Augment(resized_crop=1.0), batch(5)), as_floats(batch(5)), rtol=0, atol=1e-5)


def test_each_image_has_a_box_of_its_own() -> None:
    assert len(torch.unique(trained_on(Augment(crop=12, resized_crop=0.2), batch(40)), dim=0)) > 30


def test_a_box_turns_around_the_centre_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 180 degrees the box below on the right shows what lies above on the left."""
    monkeypatch.setattr(augment_module, "between", lambda *_: torch.tensor([[180.0], [1.0], [0.0], [0.0], [0.0]]))
    found = resized((8, 8, 8, 8), Augment(crop=8, rotate=180.0, resized_crop=0.2), NUMBERED, monkeypatch)
    torch.testing.assert_close(found, as_floats(NUMBERED[..., :8, :8].flip(2, 3)), rtol=0, atol=1e-4)


def test_training_sees_resized_boxes_and_testing_the_centre_crop() -> None:
    augmenter = Augmenter(Augment(crop=12, resized_crop=0.2, flip=True), 16, 16, CPU)
    assert augmenter.train(batch(3), torch.Generator()).shape == (3, 1, 12, 12)
    assert torch.equal(augmenter.test(batch(1)), NUMBERED[..., 2:14, 2:14])


# Saturation and hue


COLOURS = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25


def changed(saturation: float, hue: float, images: Tensor = COLOURS) -> Tensor:
    both = (torch.full((len(images),), value) for value in (saturation, hue))
    return coloured(images, *both, colour_parts(CPU))


def luma(images: Tensor) -> Tensor:
    return (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
def test_saturation_is_torchvisions(factor: float) -> None:
    from torchvision.transforms.v2 import functional as V

    torch.testing.assert_close(changed(factor, 0.0), V.adjust_saturation(COLOURS, factor), rtol=0, atol=1e-3)


@pytest.mark.parametrize("hue", [-0.3, 0.1, 0.5])
def test_hue_keeps_the_luma_and_leaves_grey_as_it_is(hue: float) -> None:
    pale = 0.5 + (COLOURS - 0.5) * 0.2  # so that nothing is clipped
    torch.testing.assert_close(luma(changed(1.0, hue, pale)), luma(pale), rtol=0, atol=1e-5)
    grey = COLOURS[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(changed(0.7, hue, grey), grey, rtol=0, atol=1e-5)


def test_hue_is_a_turn() -> None:
    pale = 0.5 + (COLOURS - 0.5) * 0.2
    torch.testing.assert_close(changed(1.0, 0.15, changed(1.0, 0.2, pale)), changed(1.0, 0.35, pale), rtol=0, atol=1e-5)
    torch.testing.assert_close(changed(1.0, 0.5, pale), 2 * luma(pale)[:, None] - pale, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("field", "value"), [("saturation", 0.5), ("hue", 0.2)])
def test_saturation_and_hue_are_drawn_for_each_image_within_their_range(field: str, value: float) -> None:
    red = torch.tensor([180, 100, 100], dtype=torch.uint8)[None, :, None, None].expand(2000, 3, 1, 1)
    found = trained_on(Augment(**{field: value}), red)[:, :, 0, 0]  # type: ignore[arg-type]
    own, chroma = as_floats(red)[0, :, 0, 0], found - luma(found[:, :, None, None])[:, 0]
    assert len(torch.unique(found, dim=0)) > 1000
    if field == "saturation":
        factor = chroma[:, 0] / (own - luma(own[None, :, None, None])[0, 0])[0]
        assert 0.5 <= float(factor.min()) + 1e-4 < 0.51
        assert 1.49 < float(factor.max()) <= 1.5 + 1e-4
    else:
        ends = [changed(1.0, turn, own[None, :, None, None])[0, :, 0, 0] for turn in (-0.2, 0.2)]
        assert all(float((found - end).abs().sum(1).min()) < 0.01 for end in ends)
        assert float(found[:, 0].min()) >= min(float(end[0]) for end in ends) - 1e-4  # less red at each further turn


def test_grey_images_draw_nothing_for_saturation_and_hue() -> None:
    one, other = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    plain, own = Augment(crop=12, erasing=0.5), Augment(crop=12, erasing=0.5, saturation=0.5, hue=0.2)
    found = [Augmenter(a, 16, 16, CPU).train(batch(8), g) for a, g in ((plain, one), (own, other))]
    assert torch.equal(*found)


def test_colours_are_not_rounded_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = changed(1.3, 0.1)
    assert torch.equal(found, changed(1.3, 0.1))


@pytest.mark.parametrize("field", ["resized_crop", "saturation", "hue"])
def test_a_younger_field_is_recorded_only_where_it_is_set(field: str) -> None:
    assert field not in Augment().recorded
    assert Augment(**{field: 0.25}).recorded[field] == 0.25  # type: ignore[arg-type]


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
