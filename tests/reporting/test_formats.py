"""Markdown, CSV and LaTeX of a fabricated store: letter by letter, well formed, and unmoved by hostile names."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fabricated import ADABN, NONE, DatasetContent, Fabrication, method, two_sets
from markdown_it import MarkdownIt

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.reporting import formats
from dabench.reporting.classes import class_tables
from dabench.reporting.escape import escape_latex
from dabench.reporting.formats import FILES
from dabench.reporting.matrices import matrix_tables
from dabench.reporting.methods import methods_tables
from dabench.reporting.sections import group_tables, rules_tables
from dabench.reporting.tables import Table
from dabench.storage.schema import SETTINGS

GOLDEN = Path(__file__).parent.parent / "golden"
HOSTILE = {
    "pipe": "a|b",
    "html": "<script>alert(1)</script>",
    "entity": "&lt;b&gt; R&D",
    "underscore": "_a_ b_c",
    "dollar": "$x^{$",
    "backslash": "end\\",
    "command": "\\input{secret}",
    "newline": "one\ntwo",
    "return": "one\r\rtwo | three",
    "formula": "=cmd|' /C calc'!A0",
    "hidden formula": "\t=1+1",
    "at": "@SUM(A1)",
    "quote": 'say "a", b; c',
    "link": "[a](javascript:x)",
    "star": "*1pt",
    "percent": "100 % #1 ~~a~~ ^{}",
    "code": "`*x*`",
}


def unfinished() -> Fabrication:
    """Return the store behind the golden files: subjects of known age on one side, one run missing."""
    subjects = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    ages = {"age": [23.0, 23.0, 35.0, 35.0, np.nan, np.nan, 38.0, 38.0, 61.0, 61.0], "subject": [f"s{s}" for s in subjects]}
    sets = {"print": DatasetContent("P", groups=subjects, attributes=ages), "hand": DatasetContent("H")}
    return two_sets(datasets=sets, leave_out=lambda run: run.name == "fine-tune_hand_print_s1")


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    return read_matrix(unfinished().write(tmp_path_factory.mktemp("golden")))


@pytest.mark.parametrize("file", FILES)
def test_a_report_is_letter_by_letter_what_it_was(matrix: Matrix, file: str) -> None:
    # After a change that is meant: python tests/reporting/golden.py
    assert FILES[file](matrix) == (GOLDEN / file).read_text(encoding="utf-8")


def attribute_of(name: str) -> str:
    """Return a hostile name of an attribute; one with a slash cannot be stored."""
    return HOSTILE[name].replace("/", "")


def hostile(name: str, folder: Path) -> Matrix:
    """Return a matrix in which title, labels of a dataset and the backbone, an adapter's title and an attribute are hostile."""
    text = HOSTILE[name]
    attributes = {attribute_of(name): [text] * 5 + ["b"] * 5}
    fabrication = Fabrication(
        lambda run, test: 1,
        {"print": DatasetContent(text, attributes=attributes), "hand": DatasetContent("H")},
        {"none": NONE, "adabn": method(text, "unlabelled")},
        title=text,
        classes=(text, "y", "z"),
        backbone_label=text,
        seeds=1,
        leave_out=lambda run: run.target == "print",
    )
    return read_matrix(fabrication.write(folder / "s"))


def shown(name: str) -> str:
    """Return the text as a reader should see it: in one line."""
    return " ".join(HOSTILE[name].split())


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_a_hostile_name_as_it_is_in_tables_of_the_right_size(tmp_path: Path, name: str) -> None:
    matrix = hostile(name, tmp_path)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(formats.one_text(matrix, "md"))
    assert not [t for t in tokens if t.type == "html_block"]
    assert [t.tag for t in tokens if t.type == "heading_open"] == ["h1", *["h2"] * 10]
    assert [t.type for t in tokens].count("table_open") == 10
    inline = [t for t in tokens if t.type == "inline"]
    kinds = {child.type for t in inline for child in t.children or []}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}  # nothing became emphasis, code, a link or HTML
    strong = [
        kids[i + 1].content for t in inline for kids in [t.children or []] for i, c in enumerate(kids) if c.type == "strong_open"
    ]
    assert set(strong) == {"reference", *SETTINGS[:2], "90.0"}  # and only our own words and numbers became bold
    seen = [words("".join(child.content for child in t.children or [])) for t in inline]
    assert seen[0] == shown(name)
    assert f"{shown(name)} test" in seen
    assert words(f"{HOSTILE[name]}-{HOSTILE[name]}-H") in seen
    assert words(f"Accuracy by {attribute_of(name)}, {HOSTILE[name]} test") in seen
    assert f"{shown(name)}*" in seen


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_rows_have_as_many_cells_as_their_head(tmp_path: Path, name: str) -> None:
    matrix = hostile(name, tmp_path)
    tables = [*methods_tables(matrix), *class_tables(matrix), *matrix_tables(matrix), *group_tables(matrix)]
    for table in [*tables, *(table for table, _ in rules_tables(matrix))]:
        lines = formats.markdown(table).split("\n")
        assert len(lines) == 2 + len(table.rows) + len(table.headings)
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(table.columns) + 1}


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_gives_back_every_cell(tmp_path: Path, name: str) -> None:
    matrix = hostile(name, tmp_path)
    rows = list(csv.DictReader(io.StringIO(FILES["matrix.csv"](matrix), newline="")))
    assert [row["name"].removeprefix("'") for row in rows] == [" ".join(c.name.splitlines()) for c in matrix.cells]
    assert [float(row["mean"]) for row in rows] == [c.mean for c in matrix.cells]
    assert {row["target"] for row in rows} == {"", "hand"}
    rows = list(csv.DictReader(io.StringIO(FILES["subgroups.csv"](matrix), newline="")))
    assert {row["attribute"].removeprefix("'") for row in rows} == {" ".join(attribute_of(name).splitlines())}
    assert {row["value"].removeprefix("'") for row in rows} == {words(HOSTILE[name]), "b"}
    assert [float(row["mean"]) for row in rows] == [g.mean for g in matrix.subgroups]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_of_a_csv_begins_as_a_formula(tmp_path: Path, name: str) -> None:
    matrix = hostile(name, tmp_path)
    texts = [form(matrix) for file, form in FILES.items() if file.endswith(".csv")]
    fields = [field for text in texts for row in csv.reader(io.StringIO(text, newline="")) for field in row]
    assert not [f for f in fields if f.lstrip()[:1] in tuple("=+@-") and not re.fullmatch(r"-?[0-9.]+", f)]


def test_a_gain_below_zero_stays_a_number_in_csv(matrix: Matrix) -> None:
    rows = list(csv.DictReader(io.StringIO(FILES["gains.csv"](matrix))))
    assert [float(row["mean"]) for row in rows] == [g.mean for g in matrix.gains]
    assert min(float(row["low"]) for row in rows) < 0


def test_an_unknown_gap_is_an_empty_field_of_the_csv(tmp_path: Path) -> None:
    fabrication = two_sets(leave_out=lambda run: run.name == "supervised_hand_s0")
    rows = list(csv.DictReader(io.StringIO(FILES["gains.csv"](read_matrix(fabrication.write(tmp_path / "s"))))))
    assert [row["gap_closed"] for row in rows if row["target"] == "hand"] == ["", ""]


def test_several_sources_are_one_field_of_the_csv(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    fabrication = Fabrication(lambda run, test: 1, sets, {"none": NONE, "adabn": ADABN}, pairs=("a + b -> c",))
    rows = list(csv.DictReader(io.StringIO(FILES["gains.csv"](read_matrix(fabrication.write(tmp_path / "s"))))))
    assert [row["sources"] for row in rows] == ["a+b"]


def bare(tex: str) -> str:
    """Return LaTeX without its escaped characters."""
    return re.sub(r"\\[&%$#_{}\\]", "", tex)


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_is_balanced_and_escaped(tmp_path: Path, name: str) -> None:
    matrix = hostile(name, tmp_path)
    tex = formats.one_text(matrix, "tex")
    plain = bare(tex)
    assert plain.count("{") == plain.count("}")
    assert set(re.findall(r"\\([A-Za-z]+)", tex)) <= {
        "begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "rightarrow",
        "textbackslash", "textless", "textgreater", "textasciitilde", "textasciicircum", "label", "small", "setlength",
        "tabcolsep", "resizebox", "ifdim", "width", "linewidth", "else", "fi", "shortstack", "tiny", "emph", "multicolumn",
        "textbf", "par", "smallskip", "parbox", "footnotesize", "addlinespace", "medskip",
    }  # fmt: skip
    ours = (r"$\rightarrow$", "$^{=}$", r"\width\fi}{!}{%", "% needs the packages booktabs and graphicx")
    for part in ours:
        plain = plain.replace(part, "")
    assert re.findall(r"[#%_^~$]", plain) == []
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == 8


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_rows_have_as_many_cells_as_the_table_has_columns(tmp_path: Path, name: str) -> None:
    for block in formats.one_text(hostile(name, tmp_path), "tex").split("\n\\begin{tabular}")[1:]:
        columns = len(re.match(r"\{(l?r*)\}", block).group(1))  # type: ignore[union-attr]
        rows = [line for line in block.split("\n") if line.endswith(r" \\") and not line.startswith(r"\multicolumn")]
        assert len(rows) >= 2
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}


@pytest.mark.parametrize("first", ["[a]", " [2pt]", "*"])
def test_a_latex_row_is_not_taken_for_an_argument_of_what_is_before_it(first: str) -> None:
    tex = formats.latex(Table("t", (first, "b"), ((first, "1"), ("c", "2"))), "x")
    assert tex.count(f"\n{{}}{first} & ") == 2


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_hostile_names(tmp_path: Path) -> None:
    bodies = [formats.one_text(hostile(name, tmp_path / name), "tex") for name in HOSTILE]
    head = "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n"
    (tmp_path / "t.tex").write_text(head + "\n\\clearpage\n".join(bodies) + "\n\\end{document}\n", encoding="utf-8")
    done = subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("name", HOSTILE)
def test_json_gives_back_hostile_names(tmp_path: Path, name: str) -> None:
    results = json.loads(formats.to_json(hostile(name, tmp_path)))
    assert results["title"] == HOSTILE[name]
    assert results["datasets"]["print"]["short_name"] == HOSTILE[name]


def test_a_row_of_latex_that_begins_with_a_star_or_a_bracket_keeps_it() -> None:
    tex = formats.latex(Table("t", ("[a]", "b"), (("*x", "1"), ("[x]", "2"))), "c")
    assert [line for line in tex.splitlines() if "&" in line] == [r"{}[a] & b \\", r"{}*x & 1 \\", r"{}[x] & 2 \\"]


def test_our_own_arrow_is_an_arrow_in_latex() -> None:
    assert escape_latex("P -> H") == r"P $\rightarrow$ H"


def test_an_interval_is_not_escaped_in_markdown() -> None:
    assert formats.escape_md("90.0 [70.0, 100.0]") == "90.0 [70.0, 100.0]"


def test_a_table_without_rows_is_a_head_and_a_rule() -> None:
    table = Table("t", ("a", "long name"), ())
    assert formats.markdown(table) == "| a | long name |\n|---|----------:|"


def test_every_format_has_a_text(matrix: Matrix) -> None:
    assert {form: bool(formats.one_text(matrix, form)) for form in formats.FORMATS} == dict.fromkeys(formats.FORMATS, True)


@pytest.mark.parametrize("form", ["md", "csv", "tex"])
def test_a_store_without_attributes_has_nothing_by_group(tmp_path: Path, form: str) -> None:
    text = formats.one_text(read_matrix(two_sets().write(tmp_path / "s")), form)
    assert "Accuracy by" not in text
    assert "fewer than" not in text


@pytest.mark.parametrize(
    "form", [FILES["matrix.csv"], FILES["gains.csv"], FILES["summary.csv"], FILES["subgroups.csv"], FILES["confusion.csv"]]
)
def test_every_row_of_a_csv_says_what_it_depends_on(matrix: Matrix, form: Callable[[Matrix], str]) -> None:
    for row in csv.DictReader(io.StringIO(form(matrix))):
        assert (row["metric"], row["selection"], row["digest"]) == ("accuracy", "last", matrix.digest[:12])
        assert row["seeds"] in ("1", "2")
        assert row["label_budget"] in ("0", "5 per class")


def test_every_table_in_markdown_says_what_it_depends_on(matrix: Matrix) -> None:
    lines = formats.one_text(matrix, "md").split("\n")
    heads = [i for i, line in enumerate(lines) if line.startswith("## ")]
    shared = f"2 seeds, 5 labelled target images per class for few-shot adapters, digest {matrix.digest[:12]}."
    of_classes = [lines[i + 2] for i in heads if "Recall of each class" in lines[i]]
    assert all(line.startswith(shared) for line in of_classes)
    assert len(of_classes) == 2
    of_rules = [lines[i + 2] for i in heads if " rule" in lines[i]]
    assert of_rules == [shared] * 2  # whatever the metric, and by every rule
    others = [lines[i + 2] for i in heads if " rule" not in lines[i] and "Recall" not in lines[i]]
    assert len(others) == 8
    assert all(line.startswith(f"Accuracy in %, checkpoint chosen by 'last', digest {matrix.digest[:12]}.") for line in others)


@pytest.mark.parametrize("form", ["md", "tex"])
def test_every_row_of_a_text_states_its_conditions_in_a_column_or_above(matrix: Matrix, form: str) -> None:
    text = formats.one_text(matrix, form)
    assert "Target labels 0, target images train, steps 40, seeds 2, selection last." in text  # the matrix of adabn
    assert "Target labels 0, seeds 2, selection last." in text  # means over pairs, whose rows differ in the rest
    assert all(key in text for key in ("target labels", "target images", "steps"))


@pytest.mark.parametrize("file", ["matrix.csv", "gains.csv", "summary.csv", "ranks.csv", "subgroups.csv"])
def test_every_row_of_a_csv_states_images_and_steps(matrix: Matrix, file: str) -> None:
    rows = list(csv.DictReader(io.StringIO(FILES[file](matrix))))
    found = {(row["target_images"], row["steps_min"], row["steps_max"]) for row in rows}
    assert found <= {("none", "20", "20"), ("train", "40", "40")}
    assert found


@pytest.mark.parametrize("file", ["matrix.tex", "gains.md"])
def test_shots_are_not_mentioned_beside_a_table_without_few_shot_adapters(matrix: Matrix, file: str) -> None:
    text = FILES[file](matrix)
    tables = text.split("\\begin{table}")[1:] if file.endswith("tex") else text.split("## ")[1:]
    assert [("few-shot" in t) for t in tables if "adabn: " in t or file.endswith("md")] == [False] * (1 if "tex" in file else 3)


def test_confusion_counts_are_of_all_images_and_seeds(matrix: Matrix) -> None:
    rows = list(csv.DictReader(io.StringIO(FILES["confusion.csv"](matrix))))
    assert len(rows) == len(matrix.cells) * 3
    assert sum(int(row[f"as {c}"]) for row in rows for c in "xyz") == sum(c.n * c.seeds for c in matrix.cells)


def test_methods_are_first_and_means_and_results_by_group_follow_the_gains(matrix: Matrix) -> None:
    md, tex = formats.one_text(matrix, "md"), formats.one_text(matrix, "tex")
    for text in (md, tex):
        order = (
            "Accuracy of each method",
            "none: source only",
            "Adaptation gains",
            "Means over 2 pairs",
            "Accuracy by age, P test",
        )
        assert sorted(order, key=text.index) == list(order)
    assert md.index("no results by subject (names images).") < md.index("Selection rules: mean accuracy")
    assert formats.one_text(matrix, "csv") == FILES["methods.csv"](matrix)


def test_the_table_of_rules_counts_runs_without_a_value_and_says_on_how_many_images_dev_rests(matrix: Matrix) -> None:
    rules = [replace(c, unscored=1, sample_size=41.2) if c.rule == "dev" and c.adapter == "none" else c for c in matrix.rules]
    table, note = rules_tables(replace(matrix, rules=rules))[0]
    (row,) = (cells for cells in table.rows if cells[0] == "dev")
    assert row[1].endswith("; last in 1 of 4 runs)")
    assert "for n runs the rule has no value at any checkpoint" in note
    assert note.endswith("Effective sample size of DEV's weights, median over checkpoints: 41 (none).")
