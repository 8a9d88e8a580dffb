"""The figures for papers."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fabricated import DatasetContent, two_sets
from PIL import Image

import dabench
from dabench.analysis.matrix import Matrix, read_matrix
from dabench.cli import main
from dabench.errors import SpecError, StoreError
from dabench.reporting.figures.plots import MARKERS, all_figures, gain_figures, matrix_figures, method_figures
from dabench.reporting.figures.write import CAPTIONS, STYLE, inches_of, write_figures

WIDTH = 3.25


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    ages = {"age": ["young"] * 5 + ["old"] * 5}
    sets = {"print": DatasetContent("P", attributes=ages), "hand": DatasetContent("H")}
    return read_matrix(two_sets(datasets=sets).write(tmp_path / "s"))


def texts(figure: object) -> list[str]:
    return [t.get_text() for t in figure.findobj(mpl.text.Text)]  # type: ignore[attr-defined]


def test_there_is_a_figure_of_each_kind(matrix: Matrix) -> None:
    kinds = {name.partition("-")[0] for name, _ in all_figures(matrix, WIDTH)}
    assert kinds == {"matrix", "methods", "gains", "confusion", "curves", "groups"}


def test_names_of_figures_differ(matrix: Matrix) -> None:
    names = [name for name, _ in all_figures(matrix, WIDTH)]
    assert len(names) == len(set(names))


def test_a_matrix_shows_the_numbers_of_its_cells(matrix: Matrix) -> None:
    figures = dict(matrix_figures(matrix, WIDTH))
    plain = [f"{cell.mean:.1f}" for cell in matrix.cells if cell.adapter == "none"]
    assert len(plain) == 4
    assert set(plain) <= set(texts(figures["matrix-none"][0]))


def test_methods_are_drawn_with_their_intervals(matrix: Matrix) -> None:
    (_, (figure, _)), *_ = method_figures(matrix, WIDTH)
    (axes,) = figure.axes
    rows = {row.adapter: row.results[0] for row in matrix.methods[0].rows if row.role == "method"}
    drawn = {label.get_text(): bar for label, bar in zip(axes.get_yticklabels(), axes.containers, strict=True)}
    for adapter, result in rows.items():
        assert result is not None
        (segment,) = drawn[adapter].lines[2][0].get_segments()
        assert segment[:, 0].tolist() == pytest.approx([result.low, result.high])


def test_only_the_best_method_and_those_tied_with_it_are_filled(tmp_path: Path) -> None:
    made = two_sets(seeds=4, wrong=lambda run, test: 1 if run.method in ("adabn", "fine-tune") else 8)
    read = read_matrix(made.write(tmp_path / "s"))
    (_, (figure, _)), *_ = method_figures(read, WIDTH)
    (axes,) = figure.axes
    filled = {
        label.get_text(): bar.lines[0].get_markerfacecolor() != "white"
        for label, bar in zip(axes.get_yticklabels(), axes.containers, strict=True)
    }
    marks = {row.adapter: bool(row.results[0] and row.results[0].mark) for row in read.methods[0].rows if row.role == "method"}
    assert set(marks.values()) == {True, False}
    assert {name: filled[name] for name in marks} == marks


def test_a_gain_that_is_not_told_from_zero_is_empty(matrix: Matrix) -> None:
    (_, (figure, _)), *_ = gain_figures(matrix, WIDTH)
    told = [g.told_from_zero for g in matrix.gains if (g.sources, g.target) == (["hand"], "print")]
    filled = [bar.lines[0].get_markerfacecolor() != "white" for bar in figure.axes[0].containers]
    assert sorted(filled) == sorted(told)


def test_one_seed_says_that_it_cannot_tell_ties(tmp_path: Path) -> None:
    (_, (_, caption)), *_ = method_figures(read_matrix(two_sets(seeds=1).write(tmp_path / "s")), WIDTH)
    assert "one seed cannot tell" in caption


def test_no_fact_is_shown_by_colour_alone() -> None:
    with mpl.rc_context(fname=STYLE):
        assert len(mpl.rcParams["axes.prop_cycle"]) == len(set(MARKERS)) == len(MARKERS)


@pytest.mark.parametrize("form", ["pdf", "svg", "png"])
def test_the_same_results_give_the_same_files(matrix: Matrix, tmp_path: Path, form: str) -> None:
    first, second = (write_figures(matrix, tmp_path / name, form, WIDTH) for name in ("a", "b"))
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]


def test_a_figure_has_the_width_that_was_asked_for(matrix: Matrix, tmp_path: Path) -> None:
    for file in write_figures(matrix, tmp_path / "f", "png", 2.5)[:-1]:
        with Image.open(file) as picture:
            assert picture.width == 2.5 * 300


def test_fonts_are_embedded(matrix: Matrix, tmp_path: Path) -> None:
    pdf = write_figures(matrix, tmp_path / "f", "pdf", WIDTH)[0].read_bytes()
    assert b"/FontFile2" in pdf
    svg = write_figures(matrix, tmp_path / "f", "svg", WIDTH)[0].read_text(encoding="utf-8")
    assert "<text" not in svg


def test_every_figure_has_a_caption_below_the_conditions(matrix: Matrix, tmp_path: Path) -> None:
    *files, captions = write_figures(matrix, tmp_path / "f", "svg", WIDTH)
    text = captions.read_text(encoding="utf-8")
    assert captions.name == CAPTIONS
    assert re.findall(r"^- `(.+?)`: .+\.$", text, flags=re.M) == [file.name for file in files]
    assert matrix.digest[:12] in text


def test_a_style_of_ones_own_is_applied(matrix: Matrix, tmp_path: Path) -> None:
    style = tmp_path / "own.mplstyle"
    style.write_text("savefig.facecolor: ff0000\n", encoding="utf-8")
    file = write_figures(matrix, tmp_path / "f", "png", WIDTH, style)[0]
    with Image.open(file) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_settings_of_matplotlib_are_as_before(matrix: Matrix, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    write_figures(matrix, tmp_path / "f", "svg", WIDTH)
    assert dict(mpl.rcParams) == before


def test_a_style_with_an_unknown_key_is_an_error(matrix: Matrix, tmp_path: Path) -> None:
    style = tmp_path / "own.mplstyle"
    style.write_text("fontt.size: 7\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"own\.mplstyle.*fontt\.size"):
        write_figures(matrix, tmp_path / "f", "svg", WIDTH, style)


def test_a_style_with_a_wrong_value_is_an_error(matrix: Matrix, tmp_path: Path) -> None:
    style = tmp_path / "own.mplstyle"
    style.write_text("font.size: huge\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"own\.mplstyle.*huge"):
        write_figures(matrix, tmp_path / "f", "svg", WIDTH, style)


def test_a_style_that_does_not_exist_is_an_error(matrix: Matrix, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.mplstyle"):
        write_figures(matrix, tmp_path / "f", "svg", WIDTH, tmp_path / "none.mplstyle")


@pytest.mark.parametrize(
    ("text", "inches"), [("3.25in", 3.25), ("84mm", 84 / 25.4), ("8.4 cm", 8.4 / 2.54), ("240pt", 240 / 72.27)]
)
def test_a_width_has_a_unit(text: str, inches: float) -> None:
    assert inches_of(text) == pytest.approx(inches)


@pytest.mark.parametrize("text", ["3.25", "wide", "1in", "21in", "-3in", "nanin", ""])
def test_a_wrong_width_is_an_error_that_says_what_is_allowed(text: str) -> None:
    with pytest.raises(SpecError, match=r"must be a number with a unit"):
        inches_of(text)


def test_a_folder_that_cannot_be_written_is_an_error(matrix: Matrix, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="--to"):
        write_figures(matrix, tmp_path / "file", "svg", WIDTH)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_hostile_names_are_drawn_without_a_warning(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("$x^{$"), "hand": DatasetContent("화남_%")}
    read = read_matrix(two_sets(datasets=sets).write(tmp_path / "s"))
    for file in write_figures(read, tmp_path / "f", "png", WIDTH)[:-1]:
        with Image.open(file) as picture:
            assert np.asarray(picture.convert("L")).std() > 1


def test_the_command_prints_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = two_sets().write(tmp_path / "s")
    assert main(["figures", str(store.folder), "--to", str(tmp_path / "f"), "--format", "svg"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(printed) == sorted((tmp_path / "f").iterdir())


def test_an_unknown_format_is_an_error(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    with pytest.raises(SpecError, match="pdf, svg, png"):
        dabench.figures(store.folder, tmp_path / "f", format="eps")  # type: ignore[arg-type]
