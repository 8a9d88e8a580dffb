"""Images of one size and channel count."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dabench.data.images import resized, resized_picture

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (4, 1, 6, 6), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (4, 3, 6, 6), dtype=np.uint8)
ALL = np.arange(4)


def test_grey_becomes_colour_by_repetition() -> None:
    np.testing.assert_array_equal(resized(GREY, ALL, 3, 6), GREY.repeat(3, 1))


def test_colour_becomes_grey_by_the_luma_weights() -> None:
    luma = (COLOUR * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdims=True)
    assert np.abs(resized(COLOUR, ALL, 1, 6) - luma).max() <= 1


def test_there_and_back_is_the_same_grey() -> None:
    np.testing.assert_array_equal(resized(resized(GREY, ALL, 3, 6), ALL, 1, 6), GREY)


def test_the_same_size_and_channels_change_no_pixel() -> None:
    np.testing.assert_array_equal(resized(COLOUR, ALL, 3, 6), COLOUR)


def test_only_the_asked_images_come_in_the_asked_order() -> None:
    np.testing.assert_array_equal(resized(GREY, np.array([2, 0]), 1, 6), GREY[[2, 0]])


def test_a_larger_size_keeps_the_place_of_things() -> None:
    image = np.zeros((1, 3, 4, 4), np.uint8)
    image[0, 0, :2, :2] = 255  # red, top left
    big = resized(image, np.array([0]), 3, 16)
    assert big.shape == (1, 3, 16, 16)
    assert big[0, 0, 2, 2] == 255
    assert big[0, :, 12:, :].max() == 0
    assert big[0, 1:].max() == 0


def test_a_smaller_size_averages() -> None:
    checks = (np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)[None, None]
    small = resized(checks, np.array([0]), 1, 4)
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_a_picture_that_is_not_square_becomes_square_when_a_size_is_given() -> None:
    assert resized_picture(Image.new("RGB", (8, 4)), 3, 6).shape == (3, 6, 6)


WIDE = np.arange(32, dtype=np.uint8).reshape(4, 8)
"""Eight pixels in each of four rows."""


def test_a_picture_is_stretched_cropped_or_padded() -> None:
    picture = Image.fromarray(WIDE)
    np.testing.assert_array_equal(resized_picture(picture, 1, 4, "crop")[0], WIDE[:, 2:6])
    padded = resized_picture(picture, 1, 8, "pad")[0]
    np.testing.assert_array_equal(padded[2:6], WIDE)
    assert padded[:2].max() == padded[6:].max() == 0
    stretched = resized_picture(picture, 1, 4, "stretch")[0]
    assert stretched[0, 0] < 2
    assert stretched[0, 3] > 5


def test_without_a_size_a_picture_keeps_its_own() -> None:
    assert resized_picture(Image.new("L", (8, 4)), 3).shape == (3, 4, 8)
