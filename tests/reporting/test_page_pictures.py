"""The section of the page with the images that methods showed."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from fabricated import edit, two_sets
from markup import Page
from numpy.typing import NDArray
from PIL import Image

from dabench.analysis.export import Pack, write_pack
from dabench.analysis.matrix import read_matrix
from dabench.errors import StoreError
from dabench.reporting.html import pictures
from dabench.reporting.html.page import to_html
from dabench.storage.reader import ResultsReader
from dabench.storage.run_store import RunStore
from dabench.storage.schema import Run

GREY = np.random.default_rng(0).integers(0, 256, (2, 3, 1, 16, 16), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (1, 2, 3, 16, 12), dtype=np.uint8)
LARGE = np.full((1, 1, 1, 256, 128), 77, np.uint8)


def shown(run: Run) -> Mapping[str, NDArray[np.uint8]]:
    """The pictures of a fabricated run: adabn shows two, and other images with another seed."""
    return {"digits": GREY + np.uint8(run.seed), "shapes": COLOUR} if run.method == "adabn" and run.target else {}


def store_of(folder: Path, **changes: object) -> RunStore:
    return two_sets(**{"pictures": shown, **changes}).write(folder)


def page_of(store: ResultsReader) -> Page:
    return Page(to_html(read_matrix(store)))


def png(address: str) -> NDArray[np.uint8]:
    """Return the pixels of a data: address."""
    head, _, content = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_there_is_a_figure_for_each_method_task_and_heading_of_the_first_seed(tmp_path: Path) -> None:
    section = page_of(store_of(tmp_path / "s")).one("section", id="images")
    captions = [e.content.strip() for e in section.inside[0].inside if e.tag == "figure"]
    assert captions == [f"adabn, {task}, seed 0: {what}." for task in ("P → H", "H → P") for what in ("digits", "shapes")]


def test_without_the_first_seed_the_next_one_is_shown(tmp_path: Path) -> None:
    html = page_of(store_of(tmp_path / "s", leave_out=lambda run: run.seed == 0 and run.target is not None))
    assert np.array_equal(png(html.all("img")[0].attrs["src"])[:16, :16, 0], GREY[0, 0, 0] + np.uint8(1))


def test_a_picture_is_rows_of_the_images_with_transparent_gaps(tmp_path: Path) -> None:
    grey, colour = (png(e.attrs["src"]) for e in page_of(store_of(tmp_path / "s")).all("img")[:2])
    assert grey.shape == (2 * 16 + 1, 3 * 16 + 2, 2)
    assert np.array_equal(grey[17:, 34:, 0], GREY[1, 2, 0])
    assert np.array_equal(colour[:, 13:, :3], np.moveaxis(COLOUR[0, 1], 0, -1))
    assert set(grey[:, 16, 1]) == set(colour[:, 12, 3]) == {0}
    assert set(grey[:16, :16, 1].ravel()) == {255}


def test_the_page_enlarges_small_images_without_smoothing(tmp_path: Path) -> None:
    html = page_of(store_of(tmp_path / "s"))
    image = html.all("img")[0].attrs
    assert (image["width"], image["height"], image["class"]) == (str(4 * 50), str(4 * 33), "pixels")
    assert ".pixels { display: block; image-rendering: pixelated;" in html.one("style").text


def test_large_images_are_reduced(tmp_path: Path) -> None:
    image = page_of(store_of(tmp_path / "s", pictures=lambda run: {"wide": LARGE})).all("img")[0].attrs
    assert (image["width"], image["height"]) == ("32", "64")
    assert np.array_equal(png(image["src"])[..., 0], np.full((64, 32), 77))


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    assert [e.attrs["alt"] for e in page_of(store_of(tmp_path / "s")).all("img")[:2]] == [
        "2 rows of 3 images: digits", "1 row of 2 images: shapes"
    ]  # fmt: skip


def test_a_heading_of_any_letters_is_text(tmp_path: Path) -> None:
    hostile = "\"'><script>alert(1)</script>\x00"
    html = page_of(store_of(tmp_path / "s", pictures=lambda run: {hostile: GREY} if run.target else {}))
    assert html.all("img")[0].attrs["alt"] == f"2 rows of 3 images: {hostile[:-1]}\ufffd"
    assert len(html.all("script")) == 1


def test_the_page_may_show_images_in_it_and_loads_no_others(tmp_path: Path) -> None:
    html = page_of(store_of(tmp_path / "s"))
    assert "img-src data:;" in html.one("meta", http_equiv="Content-Security-Policy").attrs["content"]
    assert all(e.attrs["src"].startswith("data:image/png;base64,") for e in html.all("img"))


@pytest.mark.parametrize(("bound", "most", "count"), [("MOST_FIGURES", 3, 3), ("MOST_BYTES", 4000, 1), ("MOST_BYTES", 1, 0)])
def test_pictures_that_do_not_fit_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, count: int
) -> None:
    monkeypatch.setattr(pictures, bound, most)
    section = page_of(store_of(tmp_path / "s")).one("section", id="images")
    assert sum(e.tag == "figure" for e in section.inside[0].inside) == count
    assert f"This page shows {count} of 4 figures." in section.content


def test_without_pictures_there_is_no_section(tmp_path: Path) -> None:
    html = page_of(two_sets().write(tmp_path / "s"))
    assert html.all("section", id="images") == html.all("img") == []
    assert "#images" not in [e.attrs["href"] for e in html.all("a")]


def test_a_report_of_a_pack_has_no_pictures(tmp_path: Path) -> None:
    html = page_of(Pack(write_pack(store_of(tmp_path / "s"), tmp_path / "s.zip")))
    assert html.all("section", id="images") == []
    assert "missing" not in html.one("header").content


def test_a_run_whose_pictures_are_damaged_is_missing(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s")
    (folder,) = store.runs.glob("adabn_print_hand_s0-*")
    (folder / "picture-1.npy").write_bytes(b"damaged")
    assert read_matrix(store).missing == ["adabn_print_hand_s0"]


def test_pictures_that_a_record_only_names_are_one_error(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    (record,) = store.runs.glob("adabn_print_hand_s0-*/run.json")
    edit(record, lambda text: text.replace('"parent"', '"pictures": ["digits"], "parent"'))
    with pytest.raises(StoreError, match=r"its pictures cannot be read .*run it again with --redo"):
        page_of(store)
