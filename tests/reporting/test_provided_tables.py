"""Provided models in every format of a report, with the conditions that their users state, and on the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fabricated import CLASSES, LABELS, two_sets
from markup import Page

import dabench
from dabench.analysis.matrix import Matrix
from dabench.cli import main
from dabench.reporting.formats import FILES, one_text, to_json
from dabench.reporting.html.page import to_html
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.methods import methods_notes, methods_tables
from dabench.reporting.provided import provided_notes, provided_tables
from dabench.reporting.tables import Table, caption
from dabench.storage.run_store import RunStore

CONDITIONS = 'about = "An SVM on pixels."\nsources = ["print"]\ntarget_labels = 5\ntarget_images = "train"\nsteps = 1200\n'


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets().write(tmp_path / "made")


def predicted(folder: Path, name: str = "svm", conditions: str = "", images: int = 10, datasets: str = "hand") -> Path:
    """Write a file of predictions on the first images of datasets, of which the first three are wrong, and its conditions."""
    lines = [f"{d},{i},{CLASSES[(label + (i < 3)) % 3]}" for d in datasets.split() for i, label in enumerate(LABELS[:images])]
    (folder / f"{name}.toml").write_text(conditions, encoding="utf-8")
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["dataset,image,class", *lines]) + "\n", encoding="utf-8")
    return path


Reported = Callable[..., Matrix]


@pytest.fixture
def reported(store: RunStore, tmp_path: Path) -> Reported:
    return lambda **how: dabench.report(store.folder, predictions={"svm": predicted(tmp_path, **how)}, write=False)


def row_of(table: Table, name: str) -> dict[str, str]:
    return next(dict(zip(table.columns, row, strict=True)) for row in table.rows if row[0] == name)


RESULT = "70.0 (34.2, 91.3)"
"""Seven of ten, with Wilson's interval and Student's t."""

STATED, BARE = "svm (provided, trained on print)", "svm (provided, sources unknown)"


def test_the_table_of_methods_has_a_row_below_its_own_heading(reported: Reported) -> None:
    (table,) = methods_tables(reported(conditions=CONDITIONS))
    assert table.headings[len(table.rows) - 1] == "provided"
    assert row_of(table, STATED)["P -> H"] == RESULT


def test_a_model_is_only_in_tasks_with_its_sources(reported: Reported) -> None:
    (table,) = methods_tables(reported(conditions=CONDITIONS, datasets="hand print"))
    row = row_of(table, STATED)
    assert (row["P -> H"], row["H -> P"], row["average"]) == (RESULT, "-", "-")


def test_a_model_with_unknown_sources_is_in_every_task_of_its_targets(reported: Reported) -> None:
    (table,) = methods_tables(reported(datasets="hand print"))
    row = row_of(table, BARE)
    assert (row["P -> H"], row["H -> P"], row["average"]) == (RESULT, RESULT, "70.0")


def test_a_model_with_some_of_the_images_is_not_among_the_methods(reported: Reported) -> None:
    matrix = reported(images=4)
    assert [row for row in methods_tables(matrix)[0].rows if "provided" in row[0]] == []
    assert any("A model without all test images of a target is only there." in line for line in methods_notes(matrix))


def test_the_marks_of_the_methods_stay_as_they_are(store: RunStore, reported: Reported) -> None:
    plain = dabench.report(store.folder, write=False)
    marks = [[r and r.mark for r in row.results] for row in plain.methods[0].rows]
    assert [[r and r.mark for r in row.results] for row in reported().methods[0].rows] == [*marks, ["", None]]


def test_what_is_stated_is_printed(reported: Reported) -> None:
    row = row_of(methods_tables(reported(conditions=CONDITIONS))[0], STATED)
    conditions = ("target labels", "target images", "steps", "seeds", "selection")
    assert [row[key] for key in conditions] == ["5 per class", "train", "1,200", "one model", "unknown"]


def test_what_is_not_stated_is_printed_as_unknown(reported: Reported) -> None:
    assert provided_tables(reported())[0].shared == (
        "target labels unknown, target images unknown, steps unknown, seeds one model, selection unknown"
    )


def test_the_cross_matrix_of_source_only_networks_has_a_row(reported: Reported) -> None:
    none, *others = matrix_tables(reported(conditions=CONDITIONS))
    assert row_of(none, STATED)["H test"] == RESULT
    assert [row for table in others for row in table.rows if "provided" in row[0]] == []


def test_a_number_of_some_images_says_of_how_many(reported: Reported) -> None:
    matrix = reported(images=4)
    assert row_of(matrix_tables(matrix)[0], BARE)["H test"].endswith(" on 4 of 10 images")
    assert row_of(provided_tables(matrix)[0], "svm (provided)")["test images"] == "4 of 10"


def test_comparisons_are_in_round_brackets_and_state_the_conditions_of_the_networks(reported: Reported) -> None:
    table = provided_tables(reported(conditions=CONDITIONS))[1]
    none, best = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert none["compared with"] == "none: P"
    assert none["difference [95 %]"].startswith("+20.0 (")
    assert none["target labels"] == "0"
    assert best["compared with"] == "best method, fine-tune: P -> H"
    assert (best["result of that"], best["target labels"], best["target images"]) == ("90.0", "5 per class", "train")
    assert table.shared == "networks of this sweep: seeds 2, selection last"


def test_the_caption_explains_the_round_brackets(store: RunStore, reported: Reported) -> None:
    plain = dabench.report(store.folder, write=False)
    assert ["Round brackets" in caption(matrix) for matrix in (plain, reported())] == [False, True]


def test_the_notes_say_what_the_user_says_and_where_the_conditions_are_from(reported: Reported) -> None:
    matrix = reported(conditions=CONDITIONS)
    digest = matrix.provided[0].digest[:12]
    assert f"svm: An SVM on pixels. Conditions from svm.toml; digest of the predictions {digest}." in provided_notes(matrix)


def test_the_notes_say_that_no_conditions_are_stated(store: RunStore, tmp_path: Path) -> None:
    file = predicted(tmp_path)
    file.with_suffix(".toml").unlink()
    matrix = dabench.report(store.folder, predictions={"svm": file}, write=False)
    assert any(line.startswith("svm: No conditions are stated;") for line in provided_notes(matrix))


def test_the_notes_name_the_datasets_on_which_the_metric_is_undefined(store: RunStore, tmp_path: Path) -> None:
    files = {"svm": predicted(tmp_path, images=4)}
    matrix = dabench.report(store.folder, metric="recall:z", predictions=files, write=False)
    assert "svm: recall of z is undefined on its images of H." in provided_notes(matrix)


def test_results_json_has_the_conditions_the_results_and_the_comparisons(reported: Reported) -> None:
    (found,) = json.loads(to_json(reported(conditions=CONDITIONS)))["provided"]
    assert found["conditions"]["target_labels"] == 5
    assert [(c["test"], c["mean"], c["n"], c["of"], c["backbone"]) for c in found["cells"]] == [("hand", 70, 10, 10, "provided")]
    assert [(c["network"]["adapter"], c["difference"]) for c in found["comparisons"]] == [("none", 20), ("fine-tune", -20)]


def test_results_without_other_models_hold_no_word_of_them(store: RunStore) -> None:
    assert "provided" not in to_json(dabench.report(store.folder, write=False))


@pytest.mark.parametrize("file", ["methods.md", "methods.tex", "matrix.md", "matrix.tex"])
def test_tables_as_text_have_the_row(reported: Reported, file: str) -> None:
    assert STATED in FILES[file](reported(conditions=CONDITIONS))


def test_matrix_csv_has_the_cell_with_its_sources_and_mark(reported: Reported) -> None:
    rows = csv.DictReader(io.StringIO(FILES["matrix.csv"](reported())))
    (row,) = (row for row in rows if row["adapter"] == "svm")
    assert (row["sources"], row["backbone"], row["mean"], row["label_budget"]) == ("unknown", "provided", "70.0", "unknown")


def test_provided_csv_has_a_row_for_each_comparison(reported: Reported) -> None:
    rows = list(csv.DictReader(io.StringIO(FILES["provided.csv"](reported(conditions=CONDITIONS)))))
    assert [(r["model"], r["sources"], r["steps"], r["compared_with"], r["difference"]) for r in rows] == [
        ("svm", "print", "1200", "none", "20.0"),
        ("svm", "print", "1200", "fine-tune", "-20.0"),
    ]


def test_provided_tex_has_both_tables(reported: Reported) -> None:
    assert FILES["provided.tex"](reported()).count(r"\begin{table}") == 2


@pytest.mark.parametrize("form", ["md", "tex"])
def test_a_report_as_one_text_has_the_comparisons(reported: Reported, form: str) -> None:
    assert "Other models beside networks of this sweep" in one_text(reported(), form)


def test_the_page_has_a_section_and_a_row_of_the_heatmap(reported: Reported) -> None:
    page = Page(to_html(reported(conditions=CONDITIONS)))
    assert [e.content for e in page.elements if e.attrs.get("id") == "h-provided"] == ["Other models"]
    assert [e.content for e in page.elements if e.attrs.get("href") == "#provided"] == ["Other models"]
    rows = [" ".join(e.content.split()) for e in page.elements if e.tag == "tr"]
    assert f"{STATED}no number70.0(34.2, 91.3)" in rows


def test_the_heatmap_says_of_how_many_images_a_number_is(reported: Reported) -> None:
    assert "<b>25.0 on 4 of 10 images</b>" in to_html(reported(images=4))


def test_a_page_without_other_models_has_no_such_section(store: RunStore) -> None:
    page = Page(to_html(dabench.report(store.folder, write=False)))
    assert [e for e in page.elements if "provided" in (e.attrs.get("id"), e.attrs.get("href", "").lstrip("#"))] == []


def test_a_hostile_name_is_text(store: RunStore, tmp_path: Path) -> None:
    files = {"<img src=x>|a": predicted(tmp_path)}
    page = Page(to_html(dabench.report(store.folder, predictions=files, write=False)))
    assert [e for e in page.elements if e.tag == "img" and e.attrs.get("src") == "x"] == []


# The command line


def test_a_report_prints_and_writes_the_models(store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [predicted(tmp_path, name) for name in ("svm", "tree")]
    flags = [word for file in files for word in ("--predictions", f"{file.stem}={file}")]
    assert main(["report", str(store.folder), *flags]) == 0
    printed = capsys.readouterr().out
    assert "Results of other models" in printed
    assert "tree (provided)" in printed
    assert {p.name for p in store.report.glob("provided.*")} == {"provided.md", "provided.csv", "provided.tex"}


def test_files_of_models_are_removed_when_there_are_none_any_more(store: RunStore, tmp_path: Path) -> None:
    dabench.report(store.folder, predictions={"svm": predicted(tmp_path)})
    dabench.report(store.folder)
    assert list(store.report.glob("provided.*")) == []


def test_a_template_is_what_a_report_takes_after_it_is_filled_in(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "images.csv"
    assert main(["predictions", "template", str(store.folder), "--to", str(file)]) == 0
    assert f"Next: dabench report {store.folder} --predictions my-model={file}" in capsys.readouterr().out
    head, *lines = file.read_text(encoding="utf-8").splitlines()
    filled = [f"{line}{CLASSES[LABELS[i % 10]]}" for i, line in enumerate(lines)]
    file.write_text("\n".join([head, *filled]), encoding="utf-8")
    matrix = dabench.report(store.folder, predictions={"mine": file}, write=False)
    assert [(c.test, c.mean) for c in matrix.provided[0].cells] == [("print", 100), ("hand", 100)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["svm.csv"], "--predictions svm.csv: must be NAME=FILE"),
        (["svm="], "--predictions svm=: must be NAME=FILE"),
        (["svm=FILE", "svm=FILE"], "the model svm was already given"),
        (["svm=nowhere.csv"], "nowhere.csv does not exist"),
        (["svm=svm.toml"], "svm.toml: is a TOML file; name the CSV"),
    ],
)
def test_a_wrong_option_is_exit_code_2_and_writes_nothing(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    file = predicted(tmp_path)
    flags = [word for text in given for word in ("--predictions", text.replace("FILE", str(file)))]
    assert main(["report", str(store.folder), *flags]) == 2
    assert message in capsys.readouterr().err
    assert list(store.report.glob("*")) == []
