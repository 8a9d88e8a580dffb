"""Published numbers beside measured ones: where they belong, marked, with their source, and averaged with nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from fabricated import NONE, DatasetContent, Fabrication, edit
from markdown_it import MarkdownIt

import dabench
from dabench.analysis.baselines import read_baseline
from dabench.analysis.matrix import Matrix
from dabench.cli import main
from dabench.datasets._emotions import BASIC
from dabench.reporting.formats import FILES, to_json
from dabench.reporting.html.page import to_html

FACES = {"fer2013": DatasetContent("FER"), "nae": DatasetContent("NAE")}


def faces(folder: Path, backbone: str = "vgg19", **changes: object) -> Path:
    """Return the output folder of a sweep such as the study's."""
    made = {"datasets": FACES, "adapters": {"none": NONE}, "classes": BASIC, "seeds": 1, **changes}
    store = Fabrication(lambda run, test: 4, **made).write(folder)  # type: ignore[arg-type]
    edit(store.folder / "sweep.json", lambda text: text.replace('"name": "conv4"', f'"name": "{backbone}"'))
    return store.folder


def report(folder: Path, **options: object) -> Matrix:
    return dabench.report(folder, write=False, **options)  # type: ignore[arg-type]


def first_table(matrix: Matrix) -> list[list[str]]:
    """Return the rows of the first Markdown table, as a reader of Markdown sees them."""
    tokens = MarkdownIt().enable("table").parse(FILES["matrix.md"](matrix))
    ends = [i for i, t in enumerate(tokens) if t.type == "table_close"]
    rows: list[list[str]] = []
    for i, token in enumerate(tokens[: ends[0]]):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            rows[-1].append(tokens[i + 1].content)
    return rows


def test_the_studys_numbers_stand_beneath_those_measured(tmp_path: Path) -> None:
    rows = first_table(report(faces(tmp_path / "s")))
    assert [row[0] for row in rows] == ["trained on", "FER", "FER (published)", "NAE", "NAE (published)", "Human (published)"]
    assert [row[1:] for row in rows if "published" in row[0]] == [["70.57", "29.05"], ["25.30", "46.86"], ["-", "39.60"]]


def test_their_source_and_protocol_are_told_beneath(tmp_path: Path) -> None:
    text = FILES["matrix.md"](report(faces(tmp_path / "s")))
    line = next(line for line in text.splitlines() if line.startswith("Published, not measured here: Kim et al."))
    assert "Table 1." in line
    assert "states neither seeds, nor intervals" in line


def test_latex_says_source_and_protocol_in_the_caption(tmp_path: Path) -> None:
    text = FILES["matrix.tex"](report(faces(tmp_path / "s")))
    assert r"FER (published) & 70.57 & 29.05 \\" in text
    assert "Published, not measured here: Kim et al." in text


def test_the_page_shows_them_marked_with_their_source(tmp_path: Path) -> None:
    page = to_html(report(faces(tmp_path / "s")))
    row = re.search(r'<th scope="row">FER \(published\)</th>(.*?)</tr>', page, flags=re.S)
    assert row
    assert re.findall(r"<b>([\d.]+)</b><i>(\w+)</i>", row[1]) == [("70.57", "published"), ("29.05", "published")]
    assert "Published, not measured here: Kim et al." in page


def test_results_keep_them_apart_from_what_was_measured(tmp_path: Path) -> None:
    value = json.loads(to_json(report(faces(tmp_path / "s"))))
    assert {c["mean"] for c in value["cells"]} == {60}
    assert [p["name"] for p in value["published"]] == [c["name"] for c in read_baseline("paper")["cells"]]
    assert {(p["baseline"], p["low"]) for p in value["published"]} == {("paper", None)}


def test_the_csv_holds_measured_numbers_alone(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(FILES["matrix.csv"](report(faces(tmp_path / "s"))))))
    assert {row["mean"] for row in rows} == {"60.0"}


def test_cells_gains_and_digest_do_not_know_of_them(tmp_path: Path) -> None:
    folder = faces(tmp_path / "s")
    with_them, without = report(folder), report(folder, published=False)
    assert with_them.published
    assert not without.published
    assert (with_them.cells, with_them.gains, with_them.digest) == (without.cells, without.gains, without.digest)


@pytest.mark.parametrize(
    "other",
    [
        {"backbone": "conv4"},
        {"datasets": {"fer2013": DatasetContent("FER"), "hand": DatasetContent("H")}},
    ],
    ids=["backbone", "datasets"],
)
def test_numbers_of_something_else_are_left_out(tmp_path: Path, other: dict[str, object]) -> None:
    found = report(faces(tmp_path / "s", **other)).published  # type: ignore[arg-type]
    assert [p.name for p in found] == (["Human-None-NAE"] if "backbone" in other else ["VGG-FER-FER"])


def test_other_classes_are_another_task(tmp_path: Path) -> None:
    assert report(faces(tmp_path / "s", classes=BASIC[:6])).published == []


def test_another_metric_is_not_published(tmp_path: Path) -> None:
    assert report(faces(tmp_path / "s"), metric="macro-f1").published == []


def test_no_published_leaves_them_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = faces(tmp_path / "s")
    assert main(["report", str(folder)]) == 0
    assert "FER (published)" in capsys.readouterr().out
    assert main(["report", str(folder), "--no-published"]) == 0
    assert "(published)" not in capsys.readouterr().out
    assert "published" not in (folder / "report" / "results.json").read_text()


def test_people_of_ones_own_stand_above_the_published_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("rater,image,answer\nA,0,angry\nA,1,happy\n")
    rows = first_table(report(faces(tmp_path / "s"), human={"nae": tmp_path / "a.csv"}))
    assert [row[0] for row in rows[-2:]] == ["Human", "Human (published)"]


def test_a_published_table_says_its_classes_and_its_protocol() -> None:
    paper = read_baseline("paper")
    assert set(paper["classes"]) == set(BASIC)
    assert paper["protocol"]
