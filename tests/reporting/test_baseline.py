"""Committed tables: the published one, and measured ones written from a finished sweep."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from committed import MEASURED, computed_again
from fabricated import edit, two_sets
from markdown_it import MarkdownIt

import dabench
from dabench.analysis.baselines import committed_tables, read_baseline, records_of
from dabench.analysis.export import open_results
from dabench.analysis.matrix import read_matrix
from dabench.cli import main
from dabench.errors import DabenchError, SpecError, StoreError
from dabench.experiment.overrides import PATHS
from dabench.experiment.sweep_file import load_sweep, sweep_path
from dabench.plugins.registry import Registry
from dabench.reporting.baseline import baseline_md, baseline_notes, baseline_tables, write_baseline
from dabench.storage.schema import to_json

PUBLISHED = {
    "VGG-FER-FER": 70.57,
    "VGG-FER-NAE": 29.05,
    "VGG-NAE-NAE": 46.86,
    "VGG-NAE-FER": 25.30,
    "Human-None-NAE": 39.60,
}


def test_the_papers_table_holds_the_five_published_numbers() -> None:
    assert {c["name"]: c["mean"] for c in read_baseline("paper")["cells"]} == PUBLISHED


def test_the_papers_table_is_marked_as_published_with_its_source() -> None:
    paper = read_baseline("paper")
    (table,) = baseline_tables(paper)
    assert {row[-1] for row in table.rows} == {"published"}
    assert "(published)" in table.title
    assert "Kim et al." in baseline_notes(paper)[0]
    assert "Table 1" in baseline_notes(paper)[0]


def test_published_numbers_are_printed_with_both_decimals_as_published() -> None:
    (table,) = baseline_tables(read_baseline("paper"))
    assert [row[4] for row in table.rows] == ["70.57", "29.05", "46.86", "25.30", "39.60"]


def test_the_human_row_was_trained_on_none() -> None:
    (table,) = baseline_tables(read_baseline("paper"))
    assert table.rows[-1][:4] == ("Human-None-NAE", "human", "None", "NAE")


def test_a_table_of_domains_has_methods_in_rows_and_tasks_in_columns() -> None:
    (table,) = baseline_tables(read_baseline("office-31-shot"))
    assert table.columns[:3] == ("adapter", "AMAZON -> DSLR", "AMAZON -> WEBCAM")
    assert table.rows[1] == ("shot", "94.0", "90.1", "74.7", "98.4", "74.3", "99.9", "88.6")


def test_a_table_of_domains_names_its_network_and_its_metric() -> None:
    (table,) = baseline_tables(read_baseline("visda-2017-shot"))
    assert table.shared == "balanced-accuracy in %, network timm/resnet101.tv_in1k"


def test_all_other_domains_as_sources_are_named_so() -> None:
    (table,) = baseline_tables(read_baseline("pacs-tll"))
    assert table.columns[1] == "others -> ARTPAINTING"


def test_the_notes_of_a_published_table_state_its_protocol() -> None:
    assert any(
        line.startswith("Protocol: ResNet-50, pretrained on ImageNet") for line in baseline_notes(read_baseline("pacs-tll"))
    )


@pytest.mark.parametrize("name", sorted(committed_tables()))
def test_every_committed_table_can_be_read_and_printed(name: str) -> None:
    value = read_baseline(name)
    assert value["name"] == name
    assert value["kind"] in ("published", "measured")
    assert value["citations"]
    assert all(len(row) == len(t.columns) for t in baseline_tables(value) for row in t.rows)
    assert len(baseline_notes(value)) >= 1


def test_there_are_measured_tables() -> None:
    assert "quick" in MEASURED


@pytest.mark.parametrize("name", MEASURED)
def test_a_measured_table_follows_from_its_records_letter_by_letter(name: str) -> None:
    # After a change that is meant: python tests/reporting/committed.py
    file, again = committed_tables()[name], computed_again(name)
    assert file.read_text(encoding="utf-8") == json.dumps(again, indent=1) + "\n"
    assert file.with_suffix(".md").read_text(encoding="utf-8") == baseline_md(again)


EARLIER = "Measured with an earlier version of "


@pytest.mark.parametrize("name", MEASURED)
def test_a_measured_table_is_of_its_sweep_file_as_it_stands_or_says_that_it_is_not(name: str) -> None:
    records = records_of(name)
    assert records is not None
    done = open_results(records).read_sweep()
    file = load_sweep(done.sweep.name, done.overrides, (), Registry())
    written = to_json(file.sweep.as_dict())
    for options in written["dataset"].values():
        options |= {key: Path(options[key]).name for key in PATHS if key in options}  # a table tells no folder
    stored = to_json(done.sweep)
    # Keys that are younger than the records did not exist when they were made.
    written["train"] = {key: value for key, value in written["train"].items() if key in stored["train"]}
    assert (written == stored) == (not read_baseline(name).get("note", "").startswith(EARLIER))


def test_a_table_whose_sweep_file_has_changed_is_found_out(tmp_path: Path) -> None:
    records = records_of("quick")
    assert records is not None
    done = open_results(records).read_sweep()
    other = tmp_path / "quick.toml"
    other.write_text(sweep_path("quick").read_text(encoding="utf-8").replace("steps = 300", "steps = 200"), encoding="utf-8")
    assert to_json(load_sweep(other, done.overrides, (), Registry()).sweep.as_dict()) != to_json(done.sweep)


def test_the_committed_quick_table_is_complete_and_measured() -> None:
    quick = read_baseline("quick")
    assert (quick["kind"], quick["complete"], quick["missing"]) == ("measured", True, [])
    assert {c["adapter"] for c in quick["cells"]} == {"none", "augmented", "fine-tune", "joint-bn", "dann", "maml"}
    assert len(quick["seeds"]) == 3
    assert re.fullmatch(r"[0-9a-f]{64}", quick["digest"])


def test_an_unfinished_sweep_is_no_baseline(tmp_path: Path) -> None:
    store = two_sets(leave_out=lambda run: run.name == "adabn_print_hand_s1").write(tmp_path / "s")
    with pytest.raises(DabenchError, match=r"1 of 12 runs are missing \(adabn_print_hand_s1"):
        write_baseline("made", store.folder, tmp_path)
    assert not list(tmp_path.glob("made*"))


def test_a_written_baseline_is_read_back_with_the_results_and_where_they_come_from(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    files = write_baseline("mine", store.folder, tmp_path)
    assert [f.name for f in files] == ["mine.json", "mine.md", "mine.zip"]
    value, results = read_baseline(tmp_path / "mine.json"), read_matrix(store).as_dict()
    assert results.pop("methods")  # repeats the cells
    assert {key: value[key] for key in results} == results
    assert (value["name"], value["kind"], value["source"]) == ("mine", "measured", "dabench sweep made")
    assert value["provenance"]["runs"] == 12
    assert value["provenance"]["training_seconds"] == 18
    assert value["provenance"]["environments"] == [
        {"dabench": "0.1.0", "python": "3.11.7", "torch": "2.15.0", "numpy": "2.4.6", "device": "cpu (x86_64)",
         "precision": "fp32"}
    ]  # fmt: skip


def test_the_records_of_a_baseline_are_predicted_classes_and_no_logits(tmp_path: Path) -> None:
    *_, records = write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path)
    pack = open_results(records)
    assert {name.partition("-")[0] for run in pack.names("runs") for name in pack.names(f"runs/{run}")} == {
        "run.json",
        "predicted",
    }
    with pytest.raises(StoreError, match="has predicted classes without logits"):
        read_matrix(pack, "ece")


def test_a_table_with_records_is_compared_image_by_image(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    write_baseline("mine", store.folder, tmp_path)
    found = dabench.compare(store.folder, tmp_path / "mine.json")
    assert all(pair.paired and pair.verdict == "the same" for pair in found.pairs)


def test_balanced_accuracy_stands_beside_accuracy(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    write_baseline("mine", store.folder, tmp_path)
    value = read_baseline(tmp_path / "mine.json")
    expected = read_matrix(store, "balanced-accuracy")
    assert [c["mean"] for c in value["other_metrics"]["balanced-accuracy"]["cells"]] == [c.mean for c in expected.cells]
    cells, gains = baseline_tables(value)
    assert {"accuracy %", "balanced-accuracy %"} < {*cells.columns}
    assert "gain in balanced-accuracy" in gains.columns


def test_a_rule_that_chooses_has_the_oracle_beside_it(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    write_baseline("mine", store.folder, tmp_path, "entropy")  # which likes the first checkpoint, where all is wrong
    value = read_baseline(tmp_path / "mine.json")
    assert (value["selection"], {c["mean"] for c in value["cells"]}) == ("entropy", {0.0})
    expected = read_matrix(store, selection="oracle")
    assert [c["mean"] for c in value["other_metrics"]["accuracy by oracle"]["cells"]] == [c.mean for c in expected.cells]
    assert "accuracy by oracle %" in baseline_tables(value)[0].columns
    assert "checkpoint 'entropy'" in "\n".join(baseline_notes(value))


@pytest.mark.parametrize("option", [("--select", "oracle"), ("--metric", "accuracy"), ("--counts",)])
def test_options_for_making_a_table_need_results(option: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "quick", *option]) == 2
    assert f"{option[0]}: makes a table only together with --from RUNS" in capsys.readouterr().err


def test_balanced_accuracy_can_be_the_metric_of_a_table(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    assert main(["baseline", "mine", "--from", str(store.folder), "--to", str(tmp_path), "--metric", "balanced-accuracy"]) == 0
    value = read_baseline(tmp_path / "mine.json")
    assert (value["metric"], [*value["other_metrics"]]) == ("balanced-accuracy", ["accuracy"])
    assert [c["mean"] for c in value["cells"]] == [c.mean for c in read_matrix(store, "balanced-accuracy").cells]
    first = baseline_tables(value)[0].columns
    assert first.index("balanced-accuracy %") < first.index("accuracy %")


def test_a_baseline_says_its_conditions(tmp_path: Path) -> None:
    write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path)
    notes = "\n".join(baseline_notes(read_baseline(tmp_path / "mine.json")))
    for part in ("2 seeds", "'last'", "torch 2.15.0", "Python 3.11.7", "fp32", "digest"):
        assert part in notes


def test_a_baseline_of_one_seed_says_what_its_intervals_do_not(tmp_path: Path) -> None:
    write_baseline("mine", two_sets(seeds=1).write(tmp_path / "s").folder, tmp_path)
    notes = "\n".join(baseline_notes(read_baseline(tmp_path / "mine.json")))
    assert "1 seed, " in notes
    assert "only, without the variation between trainings" in notes


def test_a_baseline_of_a_cleaned_set_says_what_was_left_out(tmp_path: Path) -> None:
    at = two_sets().write(tmp_path / "s")
    dropped = {"list": "1a2b3c4d5e", "images": {"test": 2}, "of": {"test": 14}, "reasons": {"identical": 2}}
    edit(at.folder / "datasets" / "hand" / "facts.json", lambda text: json.dumps(json.loads(text) | {"dropped": dropped}))
    write_baseline("mine", at.folder, tmp_path)
    notes = baseline_notes(read_baseline(tmp_path / "mine.json"))
    assert "H: 2 of 14 test images dropped (identical; list 1a2b3c4d)" in notes


def test_the_markdown_of_a_baseline_holds_the_tables_and_notes(tmp_path: Path) -> None:
    _, md, _ = write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path)
    tokens = MarkdownIt().enable("table").parse(md.read_text(encoding="utf-8"))
    assert [t.type for t in tokens].count("table_open") == 2
    cells = {t.content for t in tokens if t.type == "inline"}
    assert {"NET-P-H", "fine-tune", "P -> H", "5 per class", "train"} <= cells
    assert "90.0 [52.3, 98.7]" in cells


def test_a_baseline_written_twice_is_the_same(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    texts = [[f.read_bytes() for f in write_baseline("mine", store.folder, tmp_path)] for _ in range(2)]
    assert texts[0] == texts[1]


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    files = write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path / "tables" / "new")
    assert all(f.is_file() for f in files)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "s")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written.*--to"):
        write_baseline("mine", store.folder, tmp_path / "file" / "new")


def test_an_unknown_baseline_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="unknown baseline 'papr'; did you mean 'paper'"):
        read_baseline("papr")


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', '{"cells": []}', "\x00"])
def test_a_damaged_baseline_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"b\.json: cannot be read"):
        read_baseline(path)


def test_a_baseline_is_plain_json(tmp_path: Path) -> None:
    json_file, *_ = write_baseline("mine", two_sets().write(tmp_path / "s").folder, tmp_path)
    assert json.loads(json_file.read_text(encoding="utf-8"))["short_names"] == {"print": "P", "hand": "H"}
