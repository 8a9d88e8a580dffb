"""Published numbers beside measured ones: where they belong, marked, with their source, and averaged with nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import groupby
from pathlib import Path

import pytest
from fabricated import NONE, DatasetContent, Fabrication, edit, method
from markdown_it import MarkdownIt

import dabench
from dabench.analysis.baselines import committed_tables, published_tables, read_baseline
from dabench.analysis.matrix import Matrix
from dabench.cli import main
from dabench.datasets._emotions import BASIC
from dabench.plugins.registry import Registry
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


def test_a_number_of_another_network_is_kept_apart(tmp_path: Path) -> None:
    found = report(faces(tmp_path / "s", backbone="conv4")).other_networks
    assert [(p.name, p.backbone) for p in found if p.test == "fer2013"] == [("VGG-FER-FER", "vgg19"), ("VGG-NAE-FER", "vgg19")]


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


# Domains

OFFICE = {f"office-31/{domain}": DatasetContent(domain[0].upper()) for domain in ("amazon", "dslr", "webcam")}
PACS = {f"pacs/{domain}": DatasetContent(domain[0].upper()) for domain in ("art_painting", "cartoon", "photo", "sketch")}
RESNET50 = "timm/resnet50.tv_in1k"


def domains(folder: Path, contents: dict[str, DatasetContent], backbone: str, **changes: object) -> Matrix:
    """Return the report of a made-up sweep of a family of domains."""
    family = next(iter(contents)).partition("/")[0]
    classes = Registry(entry_points=False).make("dataset", next(iter(contents))).classes
    made = {"datasets": contents, "adapters": {"none": NONE, "dann": method("adversarial", "unlabelled")}, **changes}
    store = Fabrication(lambda run, test: 4, classes=classes, seeds=1, name=family, **made).write(folder)  # type: ignore[arg-type]
    edit(store.folder / "sweep.json", lambda text: text.replace('"name": "conv4"', f'"name": "{backbone}"'))
    return report(store.folder)


def leave_one_out(names: list[str]) -> tuple[str, ...]:
    return tuple(" + ".join(s for s in names if s != t) + f" -> {t}" for t in names)


def test_office_31_stands_beside_the_numbers_of_its_network(tmp_path: Path) -> None:
    found = {(p.baseline, p.adapter, p.name): p.mean for p in domains(tmp_path, OFFICE, RESNET50).published}
    assert found["office-31-tll", "dann", "RESNET50-AMAZON-WEBCAM"] == 91.4
    assert found["office-31-papers", "none", "RESNET50-AMAZON-WEBCAM"] == 68.4
    assert {adapter for _, adapter, _ in found} == {"none", "dann"}


def test_each_published_table_has_a_row_of_its_own(tmp_path: Path) -> None:
    rows = {row[0]: row for row in first_table(domains(tmp_path, OFFICE, RESNET50))}
    assert [name for name in rows if name.startswith("A (")] == [
        f"A (published, office-31-{source})" for source in ("papers", "shot", "tll")
    ]
    assert rows["A (published, office-31-papers)"][1:] == ["-", "68.9 ± 0.2", "68.4 ± 0.2"]


def test_the_notes_name_the_table_of_each_source(tmp_path: Path) -> None:
    text = FILES["matrix.md"](domains(tmp_path, OFFICE, RESNET50))
    assert "Published (office-31-shot), not measured here: Liang et al." in text
    assert "so these numbers are those of an oracle" in text


def test_pacs_with_three_sources_stands_beside_the_numbers_of_its_network(tmp_path: Path) -> None:
    found = domains(tmp_path, PACS, "timm/resnet18.tv_in1k", pairs=leave_one_out([*PACS])).published
    assert {p.test.removeprefix("pacs/"): p.mean for p in found if p.adapter == "dann"} == {
        "art_painting": 81.9,
        "cartoon": 77.5,
        "photo": 91.8,
        "sketch": 74.6,
    }


def test_sources_in_another_order_are_the_same_task(tmp_path: Path) -> None:
    order = ["pacs/sketch", "pacs/photo", "pacs/cartoon", "pacs/art_painting"]
    matrix = domains(tmp_path, {name: PACS[name] for name in order}, RESNET50, pairs=leave_one_out(order))
    assert {tuple(p.sources) for p in matrix.published} <= {tuple(c.sources) for c in matrix.cells}


def test_numbers_of_other_networks_have_a_table_that_names_them(tmp_path: Path) -> None:
    text = FILES["matrix.md"](domains(tmp_path, OFFICE, "conv4"))
    table = text.partition("## Published results on these tasks with other networks")[2]
    assert re.search(
        r"\| dann +\| +A -> W +\| +W +\| +60\.0 \(.*\) +\| +91\.4 +\| +timm/resnet50\.tv\\_in1k +\| +office-31-tll +\|", table
    )
    assert "Another network, other images and another training" in table


def test_the_numbers_of_a_cell_stand_together(tmp_path: Path) -> None:
    found = domains(tmp_path, OFFICE, "conv4").other_networks
    assert [p.baseline for p in found if (p.adapter, p.name) == ("none", "RESNET50-AMAZON-WEBCAM")] == [
        "office-31-papers",
        "office-31-shot",
        "office-31-tll",
    ]
    assert len(list(groupby(found, lambda p: (p.adapter, p.name)))) == 12


def test_the_page_and_latex_have_the_table_of_other_networks(tmp_path: Path) -> None:
    matrix = domains(tmp_path, OFFICE, "conv4")
    assert "Published results on these tasks with other networks" in to_html(matrix)
    assert "Published results on these tasks with other networks" in FILES["matrix.tex"](matrix)


def test_the_terminal_says_where_other_networks_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    domains(tmp_path, OFFICE, "conv4")
    assert main(["report", str(tmp_path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "30 published numbers for these tasks with other networks: on the HTML page" in out
    assert main(["report", str(tmp_path), "--all"]) == 0
    assert "Published results on these tasks with other networks" in capsys.readouterr().out


def test_results_name_spread_and_digits_of_a_source(tmp_path: Path) -> None:
    value = json.loads(to_json(domains(tmp_path, OFFICE, RESNET50)))
    (found,) = [
        p
        for p in value["published"]
        if (p["baseline"], p["adapter"], p["name"]) == ("office-31-papers", "dann", "RESNET50-AMAZON-WEBCAM")
    ]
    assert (found["mean"], found["spread"], found["printed"]) == (82.0, 0.4, "82.0 ± 0.4")


def test_a_number_without_them_has_no_such_keys(tmp_path: Path) -> None:
    value = json.loads(to_json(report(faces(tmp_path / "s"))))
    assert {"spread", "printed"} & value["published"][0].keys() == set()


def test_a_table_of_other_datasets_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    monkeypatch.setattr("dabench.analysis.baselines.read_baseline", lambda name: parsed.append(name) or read_baseline(name))
    assert {table["name"] for table in published_tables(["usps"])} == {"adda", "digits-5-epl", "digits-5-m3sda"}
    assert set(parsed) == {"adda", "digits-5-epl", "digits-5-m3sda"}


# The committed tables

DOMAINS = [name for name, path in committed_tables().items() if path.suffix == ".toml" and "columns = [" in path.read_text()]


@pytest.mark.parametrize("name", DOMAINS)
def test_a_table_of_domains_has_datasets_and_classes_that_dabench_knows(name: str) -> None:
    table, registry = read_baseline(name), Registry(entry_points=False)
    datasets = {dataset: registry.make("dataset", dataset) for dataset in table["datasets"]}
    assert {d.classes for d in datasets.values()} == {tuple(table["classes"])}
    assert {n: d.short_name for n, d in datasets.items()} == table["datasets"]


@pytest.mark.parametrize("name", DOMAINS)
def test_a_table_of_domains_tells_how_its_checkpoint_was_chosen(name: str) -> None:
    assert re.search(r"checkpoint|reports the epoch|tests after each pass", " ".join(read_baseline(name)["protocol"].split()))


AVERAGES = {
    ("office-31-tll", "none"): 79.5, ("office-31-tll", "dann"): 86.1, ("office-31-tll", "mcc"): 89.6,
    ("office-31-papers", "none"): 76.1, ("office-31-papers", "mdd"): 88.9, ("office-31-papers", "mcc"): 89.4,
    ("office-31-shot", "none"): 79.3, ("office-31-shot", "shot"): 88.6,
    ("office-home-tll", "none"): 58.4, ("office-home-tll", "cdan"): 68.8, ("office-home-tll", "mcc"): 72.4,
    ("office-home-papers", "none"): 46.1, ("office-home-papers", "mdd"): 68.1,
    ("office-home-shot", "none"): 60.2, ("office-home-shot", "shot"): 71.8,
    ("office-home-multi-tll", "mdd"): 77.2, ("office-home-multi-sig", "none"): 68.8,
    ("domainnet-tll", "none"): 43.3, ("domainnet-tll", "mdd"): 51.8, ("domainnet-multi-tll", "mdd"): 48.8,
    ("domainnet-multi-papers", "m3sda@beta=true"): 42.6, ("domainnet-multi-sig", "none"): 40.6,
    ("pacs-domainbed", "none"): 85.5, ("pacs-multi-sig", "m3sda"): 88.3, ("pacs-tll", "none"): 86.4,
    ("digits-5-epl", "none"): 79.27, ("digits-5-epl", "m3sda"): 86.79,
}  # fmt: skip
"""Averages as the sources print them: a wrong digit of a row would show here."""


@pytest.mark.parametrize(("name", "adapter"), AVERAGES, ids="-".join)
def test_a_row_has_the_average_that_its_source_prints(name: str, adapter: str) -> None:
    row = [c["mean"] for c in read_baseline(name)["cells"] if c["adapter"] == adapter]
    assert sum(row) / len(row) == pytest.approx(AVERAGES[name, adapter], abs=0.06)


PAGES = Path(__file__).parents[2] / "docs"


def test_the_page_of_published_tables_lists_each_of_them() -> None:
    named = set(re.findall(r"`([a-z0-9-]+)`", (PAGES / "published.md").read_text(encoding="utf-8").partition("## Three ways")[0]))
    assert set(DOMAINS) <= named


def test_the_page_of_results_counts_them() -> None:
    assert f"| {len(DOMAINS)} published tables of Office-31" in (PAGES / "results.md").read_text(encoding="utf-8")
