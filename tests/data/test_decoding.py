"""The bytes of picture files of every kind as 8-bit grey or RGB, as a viewer shows them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from pictures import claiming, saved
from PIL import Image, features

from dabench.data.decoding import decoded

GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def colours(picture: Image.Image) -> set[Any]:
    return {colour for _, colour in picture.getcolors()}


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_grey_stays_grey_in_every_format_without_loss(form: str) -> None:
    picture = decoded(saved(Image.fromarray(GREYS), form, **({"lossless": True} if form == "WEBP" else {})))
    np.testing.assert_array_equal(np.asarray(picture.convert("L")), GREYS)
    assert picture.mode == ("RGB" if form == "WEBP" else "L")  # a WebP has colours, always


def test_a_palette_is_looked_up() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, *RED])
    assert colours(decoded(saved(picture))) == {RED}


def test_one_bit_is_black_and_white() -> None:
    picture = Image.new("1", (4, 4))
    picture.putpixel((0, 0), 1)
    assert sorted(np.unique(np.asarray(decoded(saved(picture))))) == [0, 255]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bits_keep_their_greys(form: str) -> None:
    picture = decoded(saved(Image.fromarray(GREYS.astype(np.uint16) * 257), form))
    np.testing.assert_array_equal(np.asarray(picture), GREYS)


def test_cmyk_becomes_rgb() -> None:
    (found,) = colours(decoded(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")))
    assert found == RED


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_white_ground_shows_where_a_picture_is_transparent(mode: str) -> None:
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))  # black, and not to be seen
    picture.putpixel((0, 0), (*RED, 255))
    shown = decoded(saved(picture if mode == "RGBA" else picture.convert("P")))
    assert colours(shown) == {RED, WHITE}


def test_half_transparent_grey_stays_grey() -> None:
    assert decoded(saved(Image.new("LA", (4, 4), (0, 127)))).getcolors() == [(16, 128)]


def test_of_an_animation_the_first_picture_is_taken() -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    assert decoded(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])).convert("L").getpixel((0, 0)) == 10


def test_of_several_pages_the_first_is_taken() -> None:
    pages = [Image.new("L", (4, 4), value) for value in (10, 200)]
    assert decoded(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])).getpixel((0, 0)) == 10


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (5, 3)), (6, (3, 0)), (8, (0, 5))])
def test_a_picture_stands_as_the_camera_was_held(orientation: int, corner: tuple[int, int]) -> None:
    picture, exif = Image.new("L", (6, 4)), Image.Exif()
    picture.putpixel((0, 0), 255)
    exif[0x0112] = orientation
    upright = decoded(saved(picture, exif=exif))
    assert upright.size == ((6, 4) if orientation in (1, 3) else (4, 6))
    assert upright.getpixel(corner) == 255


@pytest.mark.filterwarnings("error")
def test_broken_notes_about_a_picture_are_no_broken_picture() -> None:
    content = saved(Image.new("L", (8, 8), 9), "JPEG", exif=b"Exif\x00\x00nonsense")
    assert decoded(content).getpixel((0, 0)) == 9


@pytest.mark.parametrize("form", ["PCX", "TGA", "EPS", "ICO"])
def test_formats_beyond_the_usual_are_not_opened(form: str) -> None:
    with pytest.raises(ValueError, match=r"^it is none of (AVIF, )?BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP$"):
        decoded(saved(Image.new("RGB", (16, 16)), form))


@pytest.mark.parametrize(
    "picture", [Image.fromarray(np.full((4, 4), 0.5, np.float32)), Image.fromarray(np.full((4, 4), 70_000, np.int32))]
)
def test_numbers_of_no_known_scale_are_refused(picture: Image.Image) -> None:
    with pytest.raises(ValueError, match="scale is not known; save it with 8 bits"):
        decoded(saved(picture, "TIFF"))


@pytest.mark.parametrize("size", [(50_000, 50_000), (12_000, 10_000)])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="decompression bomb"):
        decoded(claiming(*size))


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 168, 3), dtype=np.uint8))
JPEGS: dict[str, dict[str, Any]] = {"baseline": {}, "progressive": {"progressive": True}, "optimized": {"optimize": True}}


@pytest.mark.parametrize("how", JPEGS)
@pytest.mark.parametrize("form", ["RGB", "L"])
def test_a_jpeg_without_its_end_is_read(how: str, form: str) -> None:
    content = saved(NOISE.convert(form), "JPEG", **JPEGS[how])
    for cut in (1, 2):
        np.testing.assert_array_equal(np.asarray(decoded(content[:-cut])), np.asarray(decoded(content)))


@pytest.mark.parametrize("how", JPEGS)
@pytest.mark.parametrize("part", [0.3, 0.5, 0.99])
def test_a_jpeg_without_some_of_its_pixels_is_refused(how: str, part: float) -> None:
    content = saved(NOISE, "JPEG", **JPEGS[how])
    with pytest.raises(ValueError, match="truncated"):
        decoded(content[: int(part * len(content))])


def with_chunk(content: bytes, kind: bytes, data: bytes, check: int = 0) -> bytes:
    """Return a PNG with another chunk after its header; `check` spoils its checksum."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ check)
    return content[:33] + chunk + content[33:]


TEXT = zlib.compress(bytes(3_000_000))
ODD_PNGS = {
    "a long text": (b"zTXt", b"Comment\0\0" + TEXT, 0),
    "a long international text": (b"iTXt", b"Comment\0\1\0\0\0" + TEXT, 0),
    "a long colour profile": (b"iCCP", b"profile\0\0" + TEXT, 0),
    "a text with a wrong checksum": (b"tEXt", b"Comment\0hello", 1),
    "a broken text": (b"zTXt", b"Comment\0\0broken", 0),
}


@pytest.mark.parametrize("kind", ODD_PNGS)
def test_a_png_is_read_whatever_is_written_beside_its_pixels(kind: str) -> None:
    content = saved(NOISE)
    np.testing.assert_array_equal(np.asarray(decoded(with_chunk(content, *ODD_PNGS[kind]))), np.asarray(NOISE))


def test_a_png_with_a_long_text_stands_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decoded(with_chunk(saved(NOISE, exif=exif), b"zTXt", b"Comment\0\0" + TEXT)).size == (120, 168)


@pytest.mark.skipif(not features.check("avif"), reason="this pillow does not read AVIF")
def test_an_avif_is_read() -> None:
    assert decoded(saved(NOISE, "AVIF")).size == NOISE.size


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", saved(Image.fromarray(GREYS))[:-30]])
def test_what_is_no_whole_picture_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        decoded(content)
