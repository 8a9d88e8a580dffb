"""Printed digits in the fonts of matplotlib, processed like the UCI handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dabench import Dataset, Samples, setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRAIN = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-BoldOblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic",
    "cmr10", "cmss10", "cmtt10", "cmti10",
)  # fmt: skip
_TEST = ("DejaVuSans-BoldOblique", "DejaVuSansMono-Bold", "DejaVuSerif-BoldItalic", "STIXGeneralBolIta", "cmb10")
_RENDERED = 64  # height of the font in pixels before acquisition


class FontDigits(Dataset):
    """Digits drawn with small random rotation, shear and stroke width, cropped, scaled to a 32x32 bitmap, and reduced to 8x8.

    The reduction counts the black pixels of each 4x4 block, as for the UCI digits, so the domain shift between the two datasets
    is print against handwriting. The font is the group; fonts of the test split are not in the training split.
    """

    name = "font-digits"
    short_name = "FONT"
    title = "printed digits, 8x8, from matplotlib's fonts"
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    license = "rendered from DejaVu (Bitstream Vera licence), STIX (OFL) and Computer Modern (BaKoMa) fonts"
    homepage = "https://matplotlib.org"
    citation = """@article{hunter2007matplotlib,
  title = {Matplotlib: A 2D Graphics Environment},
  author = {Hunter, John D.},
  journal = {Computing in Science \\& Engineering},
  volume = {9},
  number = {3},
  pages = {90--95},
  year = {2007}
}"""

    @dataclass(frozen=True)
    class Options:
        """Options of font-digits."""

        copies: int = setting(20, "images of each digit in each font", low=2)

    def prepare(self, raw: Path) -> Mapping[str, Samples]:
        """Render both splits; `raw` is not used. The result depends only on the versions of pillow and matplotlib."""
        return {"train": self._render(_TRAIN, 0), "test": self._render(_TEST, 1)}

    def _render(self, fonts: tuple[str, ...], seed: int) -> Samples:
        import matplotlib
        import numpy as np
        from PIL import ImageFont

        rng = np.random.default_rng(seed)
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        images, labels, groups, names = [], [], [], []
        for number, font_name in enumerate(fonts):
            font = ImageFont.truetype(str(folder / f"{font_name}.ttf"), _RENDERED)
            for digit in range(10):
                for _ in range(self.options.copies):
                    images.append(acquired(_drawn(str(digit), font, rng)))
                    labels.append(digit)
                    # Numbered across both splits, so that the same number is the same font.
                    groups.append(number + (len(_TRAIN) if fonts is _TEST else 0))
                    names.append(font_name)
        return Samples(
            np.stack(images)[:, None], np.array(labels, np.int64), np.array(groups, np.int64), {"font": np.array(names)}
        )


def _drawn(digit: str, font: object, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return one digit as black (1) on white (0) with random shear, rotation and thickness, (H, W)."""
    import numpy as np
    from PIL import Image, ImageDraw

    side = 2 * _RENDERED
    picture = Image.new("L", (side, side), 0)
    stroke = int(rng.integers(0, 3))
    ImageDraw.Draw(picture).text((side // 2, side // 2), digit, fill=255, font=font, anchor="mm", stroke_width=stroke)  # type: ignore[arg-type]
    turn, shear = np.deg2rad(rng.uniform(-8, 8)), rng.uniform(-0.15, 0.15)
    a, b, d, e = np.cos(turn), np.sin(turn) + shear, -np.sin(turn), np.cos(turn)
    centre = side / 2
    matrix = (a, b, centre - a * centre - b * centre, d, e, centre - d * centre - e * centre)
    picture = picture.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return (np.asarray(picture) > 127).astype(np.uint8)


def acquired(bitmap: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a bitmap processed like the UCI digits: cropped, scaled to 32x32, 4x4 blocks counted; (8, 8) uint8.

    The longer side fills the frame and the aspect ratio is kept: UCI digits are 8 pixels high and 5 to 6 wide. The counts 0..16
    are scaled to 0..255, as for the UCI digits.
    """
    import numpy as np
    from PIL import Image

    rows, cols = np.flatnonzero(bitmap.any(1)), np.flatnonzero(bitmap.any(0))
    cut = bitmap[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] * np.uint8(255)
    height, width = (max(1, round(32 * side / max(cut.shape))) for side in cut.shape)
    sized = np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.BILINEAR)) > 127
    frame = np.zeros((32, 32), bool)
    top, left = (32 - height) // 2, (32 - width) // 2
    frame[top : top + height, left : left + width] = sized
    counts = frame.reshape(8, 4, 8, 4).sum((1, 3))
    result: NDArray[np.uint8] = np.round(counts * (255 / 16)).astype(np.uint8)
    return result
