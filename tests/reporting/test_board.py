"""The rows of the leaderboard, its files, and its page as text."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import NONE, DatasetContent, Fabrication, two_sets
from test_html import HOSTILE, store_of

import dabench
from dabench.analysis import baselines
from dabench.analysis.export import open_results, write_pack
from dabench.analysis.matrix import read_matrix
from dabench.cli import main
from dabench.errors import SpecError, StoreError
from dabench.reporting import board
from dabench.reporting.baseline import write_baseline
from dabench.reporting.board import BoardRow, board_csv, board_rows, board_tables
from dabench.reporting.html.board import board_html


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table (mine), its records, and a pack without a table (bare.zip)."""
    folder = tmp_path_factory.mktemp("board")
    store = two_sets().write(folder / "s")
    write_baseline("mine", store.folder, folder)
    write_pack(store, folder / "bare.zip")
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[BoardRow]:
    return board_rows(board_tables([folder / "mine.json"]))


def row_of(rows: list[BoardRow], method: str, task: str) -> BoardRow:
    (row,) = (row for row in rows if (row.method, row.task) == (method, task))
    return row


def test_there_is_a_row_for_each_method_on_each_task(rows: list[BoardRow]) -> None:
    assert {(row.method, row.task) for row in rows} == {
        (method, task) for method in ("none", "adabn", "fine-tune", "trained on the target") for task in ("P -> H", "H -> P")
    }


def test_results_and_gains_are_those_of_the_matrix(folder: Path, rows: list[BoardRow]) -> None:
    matrix, row = read_matrix(open_results(folder / "bare.zip")), row_of(rows, "adabn", "P -> H")
    gain = next(g for g in matrix.gains if (g.adapter, g.target) == ("adabn", "hand"))
    cell = next(c for c in matrix.cells if (c.adapter, c.target, c.test) == ("adabn", "hand", "hand"))
    assert row.gain == gain
    assert (row.result.mean, row.result.low, row.result.high) == (cell.mean, cell.low, cell.high) != (0, 0, 0)


def test_none_and_the_reference_have_no_gain(rows: list[BoardRow]) -> None:
    assert {row.method for row in rows if row.gain is None} == {"none", "trained on the target"}


def test_each_row_states_its_conditions(rows: list[BoardRow]) -> None:
    assert row_of(rows, "fine-tune", "P -> H").conditions == {
        "target labels": "5 per class", "target images": "train", "sources while adapting": "yes", "steps": "40", "seeds": "2",
        "selection": "last",
    }  # fmt: skip
    assert row_of(rows, "none", "P -> H").conditions["target labels"] == "0"
    assert row_of(rows, "trained on the target", "P -> H").conditions["target labels"] == "all"


def test_rows_of_a_task_begin_with_the_best(rows: list[BoardRow]) -> None:
    of_task = [row.result.mean for row in rows if row.task == "P -> H"]
    assert of_task == sorted(of_task, reverse=True)


def test_marks_are_those_of_the_table_of_methods(rows: list[BoardRow]) -> None:
    assert row_of(rows, "fine-tune", "P -> H").result.mark == "best"
    assert row_of(rows, "trained on the target", "P -> H").result.mark == ""


def test_a_longer_training_than_none_is_marked_and_explained(tmp_path: Path) -> None:
    store = two_sets(steps=lambda run: 30 if run.target else 20).write(tmp_path / "s")
    (table,) = board_tables([store.folder])
    assert row_of(board_rows([table]), "adabn", "P -> H").marks == "(a)"
    assert any(line.startswith("(a) trained longer than none") for line in table.lines)


def test_a_contributed_table_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(line.startswith("Contributed") for line in board_tables([folder / "mine.json"])[0].lines)
    monkeypatch.setattr(baselines, "contributed_tables", lambda: {"mine": folder / "mine.json"})
    monkeypatch.setattr(board, "contributed_tables", baselines.contributed_tables)
    assert board_tables(["mine"])[0].lines[0] == "Contributed: measured by others."


def test_a_table_keeps_its_rule_and_its_metric(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    write_baseline("mine", store.folder, tmp_path, "entropy", metric="balanced-accuracy")
    (table,) = board_tables([tmp_path / "mine.zip"])
    assert (table.matrix.selection, table.matrix.metric) == ("entropy", "balanced-accuracy")


def test_a_pack_alone_is_read_by_accuracy_and_the_last_checkpoint(folder: Path) -> None:
    (table,) = board_tables([folder / "bare.zip"])
    assert (table.matrix.selection, table.matrix.metric, table.text) == ("last", "accuracy", None)


def test_another_json_beside_a_pack_is_no_table(tmp_path: Path, folder: Path) -> None:
    pack = tmp_path / "bare.zip"
    pack.write_bytes((folder / "bare.zip").read_bytes())
    pack.with_suffix(".json").write_text('{"my": "notes"}')
    assert board_tables([pack])[0].text is None


def test_a_table_beside_the_pack_of_another_is_refused(tmp_path: Path) -> None:
    write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path)
    (tmp_path / "mine.zip").unlink()
    write_pack(two_sets(seeds=1).write(tmp_path / "o"), tmp_path / "mine.zip")
    with pytest.raises(StoreError, match=r"mine\.json beside it is another table"):
        board_tables([tmp_path / "mine.zip"])


def test_a_sweep_without_tasks_has_the_row_of_its_dataset(tmp_path: Path) -> None:
    one = Fabrication(lambda run, test: 1, {"print": DatasetContent("P")}, {"none": NONE})
    (row,) = board_rows(board_tables([one.write(tmp_path / "s").folder]))
    assert (row.task, row.method, row.setting, row.result.mean) == ("P -> P", "trained on the target", "reference", 90.0)


def test_the_numbers_of_the_csv_are_not_rounded(rows: list[BoardRow]) -> None:
    row = row_of(rows, "adabn", "P -> H")
    line = next(r for r in csv.DictReader(board_csv(rows).splitlines()) if (r["method"], r["task"]) == ("adabn", "P -> H"))
    assert row.gain is not None
    assert (line["mean"], line["low"], line["gain high"]) == (str(row.result.mean), str(row.result.low), str(row.gain.high))
    assert (line["digest"], line["table"], line["setting"]) == (row.table.matrix.digest, "mine", "unlabelled target")


def test_without_rows_there_is_still_a_csv() -> None:
    assert board_csv([]) == "table\n"


def test_the_folder_has_the_page_and_the_records_of_tables_only(folder: Path, tmp_path: Path) -> None:
    files = dabench.leaderboard(folder / "mine.json", folder / "bare.zip", to=tmp_path / "b")
    assert {str(f.relative_to(tmp_path / "b")) for f in files} == {
        "index.html", "leaderboard.csv", "records/mine.md", "records/mine.zip",
    }  # fmt: skip
    assert (tmp_path / "b" / "records" / "mine.zip").read_bytes() == (folder / "mine.zip").read_bytes()


def test_links_of_the_page_lead_somewhere(folder: Path, tmp_path: Path) -> None:
    page, *_ = dabench.leaderboard(folder / "mine.json", folder / "bare.zip", to=tmp_path / "b")
    text = page.read_text(encoding="utf-8")
    links = set(re.findall(r' href="([^"]+)"', text)) - {"data:,"}
    assert {"records/mine.zip", "records/mine.md", "leaderboard.csv", "#t1", "#t2"} <= links
    for link in links:
        assert f'id="{link[1:]}"' in text if link.startswith("#") else (page.parent / link).is_file()


def test_the_page_asks_for_nothing_from_elsewhere(folder: Path) -> None:
    tables = board_tables([folder / "mine.json"])
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', board_html(tables, board_rows(tables)))


def test_equal_tables_give_equal_pages(folder: Path) -> None:
    pages = [board_html(tables, board_rows(tables)) for tables in (board_tables([folder / "mine.json"]) for _ in range(2))]
    assert pages[0] == pages[1]


def test_tables_of_several_metrics_name_the_metric_in_each_row(folder: Path, tmp_path: Path) -> None:
    write_baseline("other", two_sets().write(tmp_path / "s").folder, tmp_path, metric="balanced-accuracy")
    tables = board_tables([folder / "mine.json", tmp_path / "other.json"])
    text = board_html(tables, board_rows(tables))
    assert "result %" in text
    assert '<small class="below">balanced-accuracy</small>' in text


@pytest.mark.parametrize("kind", ["script", "image", "ends", "template"])
def test_no_name_breaks_the_page(kind: str, tmp_path: Path) -> None:
    (table,) = board_tables([store_of(tmp_path / "s", HOSTILE[kind]).folder])
    named = replace(table, name=HOSTILE[kind], note=HOSTILE[kind])
    text = board_html([named], board_rows([named]))
    for markup in ("<script>alert", "<img", "</td></table></svg>"):
        assert markup not in text
    assert text.count("<script") == 1


def test_an_earlier_leaderboard_is_replaced(folder: Path, tmp_path: Path) -> None:
    for names in (["mine.json", "bare.zip"], ["mine.json"]):
        dabench.leaderboard(*(folder / name for name in names), to=tmp_path / "b")
    assert "bare" not in (tmp_path / "b" / "leaderboard.csv").read_text(encoding="utf-8")


def test_a_folder_with_something_else_is_refused_and_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(StoreError, match="exists and is not a leaderboard; use another folder with --to"):
        dabench.leaderboard(folder / "mine.json", to=tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_a_published_table_has_no_rows() -> None:
    with pytest.raises(SpecError, match="paper: is a published table without predictions"):
        board_tables(["paper"])


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="unknown table 'quik'; did you mean 'quick'"):
        board_tables(["quik"])


def test_a_table_twice_is_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="has another table 'mine'"):
        board_tables([folder / "mine.json", folder / "mine.zip"])


def test_a_table_without_its_pack_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.json").write_bytes((folder / "mine.json").read_bytes())
    with pytest.raises(StoreError, match=r"alone\.json: has no pack"):
        board_tables([tmp_path / "alone.json"])


def test_the_command_prints_its_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", str(folder / "bare.zip"), "--to", str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path}/b/index.html", f"{tmp_path}/b/leaderboard.csv"]


def test_numbers_of_a_table_that_was_edited_are_not_shown(folder: Path, tmp_path: Path) -> None:
    write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path)
    value = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    value["cells"][1]["mean"] = 99.9
    (tmp_path / "mine.json").write_text(json.dumps(value))
    assert 99.9 not in {row.result.mean for row in board_rows(board_tables([tmp_path / "mine.json"]))}
