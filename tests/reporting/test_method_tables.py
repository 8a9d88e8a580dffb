"""The table of methods and the results by class, in every format."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import ADABN, NONE, DatasetContent, Fabrication, two_sets

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.reporting.classes import class_tables
from dabench.reporting.formats import FILES, files_of, markdown
from dabench.reporting.html.page import to_html
from dabench.reporting.methods import methods_notes, methods_tables


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return read_matrix(two_sets().write(tmp_path_factory.mktemp("methods")))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    sets, pairs = {name: DatasetContent(name.upper()) for name in "abc"}, ("a -> c", "b -> c", "a + b -> c")
    adapters = {"none": NONE, "adabn": ADABN}
    return read_matrix(Fabrication(lambda run, test: 1, sets, adapters, pairs=pairs).write(tmp_path_factory.mktemp("several")))


def test_conditions_then_tasks_then_the_average_are_the_columns(matrix: Matrix) -> None:
    (table,) = methods_tables(matrix)
    assert table.columns == ("method", "target labels", "target images", "steps", "P -> H", "H -> P", "average")
    assert table.headings == {0: "reference", 1: "source only", 2: "unlabelled target", 3: "few labels"}
    assert table.rows[0][:4] == ("trained on the target", "all", "train", "20")
    assert table.rows[3][:4] == ("fine-tune", "5 per class", "train", "40")
    assert table.rows[3][4].startswith("90.0 [")
    assert table.rows[3][-1] == "70.0"


def test_the_sources_while_adapting_are_a_column_where_a_method_has_none(matrix: Matrix) -> None:
    of = matrix.methods[0]
    rows = [replace(row, uses_sources=False) if row.adapter == "adabn" else row for row in of.rows]
    (table,) = methods_tables(replace(matrix, methods=[replace(of, rows=rows)]))
    assert table.columns[1] == "sources while adapting"
    assert [row[1] for row in table.rows] == ["-", "-", "no", "yes"]


def test_the_spread_is_the_standard_deviation_on_request(matrix: Matrix) -> None:
    (table,) = methods_tables(replace(matrix, spread="std"))
    assert table.rows[1][4:] == ("50.0 ± 14.1", "60.0 ± 14.1", "55.0")
    assert methods_notes(replace(matrix, spread="std"))[0].startswith("± standard deviation over seeds.")


def test_one_seed_has_no_standard_deviation_and_a_note_on_ties(tmp_path: Path) -> None:
    one = read_matrix(two_sets(seeds=1).write(tmp_path / "s"))
    assert methods_notes(one)[0] == "Bold: best of its column; one seed cannot tell which others are tied with it."
    assert methods_tables(replace(one, spread="std"))[0].rows[1][4] == "40.0"


def test_the_best_is_bold_and_ties_are_marked_in_markdown(matrix: Matrix) -> None:
    text = FILES["methods.md"](matrix)
    assert "| **few labels** " in text
    assert "**90.0** [" in text
    assert "70.0= [" in text
    assert "the 95 % interval of their paired difference contains 0" in text


def test_latex_has_a_label_rules_a_short_caption_and_the_width_of_a_column(matrix: Matrix) -> None:
    text = FILES["methods.tex"](matrix)
    assert r"\label{tab:made-methods}" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}" in text
    caption = next(line for line in text.splitlines() if line.startswith(r"\caption"))
    assert len(caption) < 220
    assert r"\begin{tabular}[t]{@{}r@{}}\textbf{90.0}\\[-3pt]{\tiny [" in text
    assert "70.0$^{=}$" in text


def test_two_tables_in_latex_have_two_labels(several: Matrix) -> None:
    text = FILES["methods.tex"](several)
    assert [text.count(rf"\label{{tab:made-methods{end}}}") for end in ("", "-several-sources")] == [1, 1]


def test_csv_has_methods_in_rows_and_numbers_of_tasks_in_columns(matrix: Matrix) -> None:
    rows = list(csv.DictReader(io.StringIO(FILES["methods.csv"](matrix))))
    assert list(rows[0])[:5] == ["setting", "method", "P -> H", "H -> P", "average"]
    found = {row["method"]: row for row in rows}
    assert found["none"]["P -> H"] == "50.0"
    assert found["none"]["P -> H std"] == "14.1421"
    assert found["fine-tune"]["P -> H mark"] == "best"
    assert found["fine-tune"]["target labels"] == "5 per class"
    assert float(found["adabn"]["H -> P low"]) < 60 < float(found["adabn"]["H -> P high"])


def test_several_sources_are_marked_in_the_column_and_have_single_sources_below(several: Matrix) -> None:
    one, more = methods_tables(several)
    assert one.columns[-3:] == ("A -> C", "B -> C", "average")
    assert more.columns[-2:] == ("A+B -> C", "average")
    assert [row[0] for row in more.rows] == [
        "trained on the target", "none", "none, best single source", "none, mean of single sources",
        "adabn", "adabn, best single source", "adabn, mean of single sources",
    ]  # fmt: skip
    assert "oracle" in next(note for note in methods_notes(several) if note.startswith("Best single source"))


def test_results_json_has_the_table(several: Matrix) -> None:
    tables = json.loads(FILES["results.json"](several))["methods"]
    assert [(t["kind"], len(t["tasks"])) for t in tables] == [("one source", 2), ("several sources", 1)]
    row = next(r for r in tables[0]["rows"] if r["adapter"] == "adabn")
    assert (row["setting"], row["average"], row["results"][0]["std"]) == ("unlabelled target", 90.0, 0.0)


def test_a_store_without_runs_has_no_files_of_methods(tmp_path: Path) -> None:
    empty = read_matrix(two_sets(leave_out=lambda run: True).write(tmp_path / "s"))
    assert not [name for name in files_of(empty) if name.startswith(("methods", "classes"))]
    assert methods_notes(empty) == []


def test_classes_are_columns_and_methods_rows_of_one_table_for_each_task(matrix: Matrix) -> None:
    first, second = class_tables(matrix)
    assert [t.title for t in (first, second)] == [f"Recall of each class in %, {task}" for task in ("P -> H", "H -> P")]
    # Of the four images of class x, none has 4 of 4 wrong with both seeds; of the three of y 2 and none.
    assert first.rows[1][:4] == ("none", "0.0", "66.7", "100.0")
    assert [row[0] for row in first.rows] == ["trained on the target", "none", "adabn", "fine-tune"]


def test_a_class_without_test_images_is_empty(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P"), "hand": DatasetContent("H", labels=[0, 0, 1, 1])}
    matrix = read_matrix(Fabrication(lambda run, test: 1, sets).write(tmp_path / "s"))
    assert class_tables(matrix)[0].rows[1][:4] == ("none", "50.0", "100.0", "-")
    row = next(csv.DictReader(io.StringIO(FILES["classes.csv"](matrix))))
    assert (row["x"], row["z"]) == ("50.0", "")


def test_the_page_has_the_table_first_and_open_and_the_rest_folded(matrix: Matrix) -> None:
    html = to_html(matrix)
    order = ('<section id="methods"', '<section id="matrix"', '<section id="gains"', '<section id="classes"')
    assert sorted(order, key=html.index) == list(order)
    methods, *folded = (html[html.index(part) :].split("</section>")[0] for part in order)
    assert "<details" not in methods
    assert "<b>90.0</b> <small>[" in methods
    assert "70.0<sup>=</sup> <small>[" in methods
    assert all('<details class="fold"><summary><h2' in section for section in folded)


def test_a_table_without_marks_is_printed_as_before(matrix: Matrix) -> None:
    (table,) = methods_tables(matrix)
    plain = replace(table, headings={}, marks={})
    assert "**" not in markdown(plain)
    assert len(markdown(plain).splitlines()) == 2 + len(table.rows)
