"""Draw contact sheets: rows of small images with captions, under headings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dabench.data.cache import Prepared
from dabench.errors import SpecError, StoreError

_TILE, _GAP, _TEXT = 96, 8, 14

Tile = tuple[NDArray[np.uint8], str]
"""An image, (C, H, W) with C 1 or 3, and its caption, in one or more lines."""


def contact_sheet(lines: Sequence[str | Sequence[Tile | None]]) -> Image.Image:
    """Return a sheet with one line below the other: a text is a heading, a sequence a row of tiles, and None a gap in it."""
    steps = [[_TILE + 2 if tile else _GAP for tile in line] for line in lines if not isinstance(line, str)]
    heights = [3 * _GAP if isinstance(line, str) else _TILE + _TEXT * _depth(line) + _GAP for line in lines]
    sheet = Image.new("RGB", (2 * _GAP + max(map(sum, steps), default=_TILE), sum(heights) + _GAP), "white")
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(), _GAP
    for line, height in zip(lines, heights, strict=True):
        if isinstance(line, str):
            draw.text((_GAP, top), _plain(line), "black", font)
        else:
            left = _GAP
            for tile in line:
                if tile:
                    sheet.paste(_scaled(tile[0]), (left, top))
                    for number, text in enumerate(tile[1].splitlines()):
                        draw.text((left, top + _TILE + number * _TEXT), _plain(text)[:16], "black", font)
                left += _TILE + 2 if tile else _GAP
        top += height
    return sheet


def _depth(tiles: Sequence[Tile | None]) -> int:
    """Return the number of lines of the longest caption, at least one."""
    return max((len(tile[1].splitlines()) for tile in tiles if tile), default=1) or 1


def _scaled(image: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).convert("RGB")
    scale = _TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX)


def _plain(text: str) -> str:
    # The built-in font of Pillow has few scripts; without FreeType it raises an error on others.
    return text.encode("latin-1", "replace").decode("latin-1")


def sheet_path(name: str) -> Path:
    """Return the path given by --contact-sheet; raise SpecError if it does not end in .png, because the file is overwritten."""
    if not name.lower().endswith(".png"):
        raise SpecError(f"--contact-sheet {name}: the name must end in .png")
    return Path(name)


def write_sheet(sets: Iterable[Prepared], path: Path, pictures: int = 12) -> None:
    """Write a sheet with a row for each split and class of each dataset: up to `pictures` images, of different subjects first.

    Raises:
        StoreError: the file cannot be written.
    """
    sheet = contact_sheet([line for prepared in sets for line in _lines(prepared, pictures)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path)
    except OSError as e:
        raise StoreError(f"{path}: cannot be written ({e.strerror or e}); give another file with --contact-sheet") from e


def _lines(prepared: Prepared, pictures: int) -> Iterator[str | list[Tile | None]]:
    for split in prepared.splits:
        samples = prepared.samples(split)
        labels = np.zeros(prepared.count(split)) if samples.labels is None else samples.labels
        what = "subject" if "subject" in samples.attributes else "group"
        who = samples.attributes.get("subject", samples.groups)
        for number, name in enumerate(prepared.classes if prepared.labelled else ("no labels",)):
            at = np.flatnonzero(labels == number)
            of = 0 if who is None else len(np.unique(who[at]))
            yield f"{prepared.name} {split}: {name}, {len(at):,} images" + (f" of {of:,} {what}{'s'[: of > 1]}" if of else "")
            chosen = (at if who is None else _varied(at, who))[:pictures]
            yield [(np.asarray(samples.images[i]), str(i if who is None else who[i])) for i in chosen.tolist()]


def _varied(at: NDArray[np.int64], who: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return positions, one of each subject first, so that the first few show many subjects."""
    first = np.sort(np.unique(who[at], return_index=True)[1])
    return np.concatenate([at[first], np.delete(at, first)])
