"""The HTML page as text: what stands in it, that it needs nothing else, and that no name breaks it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from fabricated import ADABN, FINE_TUNE, NONE, DatasetContent, Fabrication, edit, method, two_sets
from markup import Page

from dabench.analysis.matrix import Matrix, read_matrix
from dabench.reporting import provenance as facts
from dabench.reporting.html import cells, page
from dabench.reporting.html.page import to_html
from dabench.reporting.matrices import matrix_tables
from dabench.storage.run_store import RunStore
from dabench.storage.schema import AdapterFacts

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "\"'><img src=x onerror=alert(1)>",
    "cdata": "]]> <![CDATA[ <!-- --> ?>",
    "ends": "</td></table></svg></title></style></script></pre>",
    "template": "{{ 7 * 7 }} {% raw %} {# #}",
    "entity": "&lt;b&gt; R&D &#60;",
    "newline": "one\ntwo\r\nthree\ttab",
    "right to left": "עברית ‮evil‬ العربية",
    "control": "a\x00b\x1bc\x7fd",
    "surrogate": "half \ud800 pair",
    "mathtext": "$x^{$ \\frac",
    "long": "x" * 500,
    "long words": "word " * 100,
    "id": 'id="forest-title" url(#forest) #010101',
    "empty": " ",
}
BENIGN = "benign"


def store_of(folder: Path, text: str) -> RunStore:
    """Return a store in which every name that a user may give is `text`: titles, labels, classes, attributes, reasons, files."""
    path = text.replace("/", "").replace("\x00", "")[:40].encode("utf-8", "ignore").decode() or "attribute"
    attributes = {path: [text.replace("\x00", "")[:60].encode("utf-8", "ignore").decode()] * 5 + ["b"] * 5}
    store = Fabrication(
        lambda run, test: 4 if run.target else 5 + len(run.sources[0]) % 2,
        {
            "print": DatasetContent(text, attributes=attributes, citation=f"@misc{{key, title={{{text}}}}}"),
            "hand": DatasetContent("H"),
        },
        {"none": NONE, "adabn": method(text, "unlabelled"), "fine-tune": FINE_TUNE},
        title=text,
        classes=(text, "y", "z"),
        backbone_label=text,
        leave_out=lambda run: run.target == "print" and run.method == "adabn",
    ).write(folder)
    record = store.read_sweep()
    adabn = replace(record.adapters["adabn"], options={"weight": text})
    store.write_record(replace(record, overrides=(f"title={text}",), adapters={**record.adapters, "adabn": adabn}))
    (store.folder / "sweep.toml").write_text(f"# {text}\n", encoding="utf-8", errors="replace")
    reason = f"{text}\nTraceback\n{text}\nin line 1"
    store.fail("adabn_hand_print_s0", reason.encode("utf-8", "replace").decode())
    facts = {"license": text, "title": text, "homepage": f"https://example.org/{text}"}
    edit(store.folder / "datasets" / "print" / "facts.json", lambda old: json.dumps(json.loads(old) | facts))
    return store


def page_of(store: RunStore, metric: str = "accuracy") -> Page:
    return Page(to_html(read_matrix(store, metric)))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    ages = {"age": ["old"] * 5 + ["young"] * 5}
    sets = {"print": DatasetContent("P", attributes=ages, citation="@misc{p, title={P}}"), "hand": DatasetContent("H")}
    return read_matrix(two_sets(datasets=sets).write(tmp_path_factory.mktemp("page")))


@pytest.fixture(scope="module")
def html(matrix: Matrix) -> Page:
    return Page(to_html(matrix))


def test_the_same_store_gives_the_same_bytes(matrix: Matrix) -> None:
    assert to_html(matrix) == to_html(read_matrix(matrix.predictions.store))


def test_another_order_of_the_runs_gives_the_same_bytes(tmp_path: Path) -> None:
    stores = [two_sets(order=order).write(tmp_path / str(i)) for i, order in enumerate((list, reversed))]
    assert to_html(read_matrix(stores[0])) == to_html(read_matrix(stores[1]))


def test_the_page_has_a_language_a_title_landmarks_and_one_main_heading(html: Page) -> None:
    assert html.one("html").attrs["lang"] == "en"
    assert next(e for e in html.all("title") if "head" in e.path).content == "Made up, to be checked by hand – dabench"
    assert html.one("h1").content == "Made up, to be checked by hand"
    assert all(html.one(tag) for tag in ("header", "nav", "main", "footer"))
    levels = [int(e.tag[1]) for e in html.elements if re.fullmatch(r"h[1-6]", e.tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_section_is_reached_from_the_navigation_and_named_by_its_heading(html: Page) -> None:
    sections = {e.attrs["id"]: e for e in html.all("section") if "id" in e.attrs}
    links = [e.attrs["href"].removeprefix("#") for e in html.all("a") if "nav" in e.path]
    assert links == list(sections)
    headings = {e.attrs["id"] for e in html.all("h2")}
    assert {e.attrs["aria-labelledby"] for e in sections.values()} == headings


def test_no_id_stands_twice_and_every_reference_has_its_element(html: Page) -> None:
    ids = [e.attrs["id"] for e in html.elements if "id" in e.attrs]
    assert len(set(ids)) == len(ids)
    wanted = {i for e in html.elements for i in e.attrs.get("aria-labelledby", "").split()}
    wanted |= {e.attrs["href"][1:] for e in html.elements if e.attrs.get("href", "").startswith("#")}
    wanted |= {i for e in html.elements for v in e.attrs.values() for i in re.findall(r"url\(#([^)]+)\)", v)}
    assert wanted
    assert wanted <= set(ids)


def test_every_table_has_a_caption_and_heads_with_scope(html: Page) -> None:
    tables = html.all("table")
    assert len(tables) > 20
    assert all(any(e.tag == "caption" and e.content.strip() for e in table.inside) for table in tables)
    assert {e.attrs.get("scope") for e in html.all("th")} == {"col", "row", "rowgroup"}


def test_every_figure_says_what_it_shows_and_its_numbers(html: Page) -> None:
    figures = html.all("svg", role="img")
    assert [f.attrs["aria-labelledby"] for f in figures] == [
        f"{name}-title {name}-text" for name in ("forest", "ranks0", "losses", "accuracies")
    ]
    texts = {e.attrs["id"]: e.content for e in html.elements if e.tag in ("title", "desc") and "id" in e.attrs}
    assert texts["forest-title"] == "Gain of each adapter on each target, in points of accuracy"
    assert "adabn, P -> H: +20.0 [+11.8, +28.2]" in texts["forest-text"]
    assert "trained on P: 1.00 to 0.05 in 20 steps" in texts["losses-text"]
    assert "adabn, P -> H, on H: 0.0 to 70.0" in texts["accuracies-text"]


def test_nothing_is_loaded_from_anywhere(matrix: Matrix, html: Page) -> None:
    assert {e.tag for e in html.elements} & {"img", "iframe", "object", "embed", "audio", "video", "base"} == set()
    links = [v for e in html.elements for k, v in e.attrs.items() if k in ("src", "href", "srcset", "action", "data")]
    assert {v for v in links if not v.startswith("#")} == {"data:,"}
    text = to_html(matrix)
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert re.findall(r"[a-z]+://", text) == []


def test_only_the_script_of_the_page_may_run(html: Page) -> None:
    rule = html.one("meta", http_equiv="Content-Security-Policy").attrs["content"]
    script = html.one("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert "default-src 'none'" in rule
    assert f"script-src 'sha256-{digest}';" in rule
    assert script.attrs == {}
    assert [k for e in html.elements for k in e.attrs if k.startswith("on")] == []


def test_every_cell_of_the_matrix_is_in_a_map_with_its_interval(matrix: Matrix, html: Page) -> None:
    shown = {e.content for e in html.all("td") if "main" in e.path and {i.tag for i in e.inside} & {"a", "span"}}
    assert {f"{c.mean:.1f}[{c.low:.1f}, {c.high:.1f}]" for c in matrix.cells} <= shown


def test_the_tables_of_the_matrix_are_there_field_by_field(matrix: Matrix, html: Page) -> None:
    found = [[e.content for e in row.inside] for row in html.all("tr")]
    for table in matrix_tables(matrix):
        for row in table.rows:
            assert [c.replace("->", "→") for c in row] in found


def test_a_number_leads_to_its_confusion_matrix(matrix: Matrix, html: Page) -> None:
    link = next(a for a in html.all("a") if a.content.startswith("80.0["))
    box = html.one("div", id=link.attrs["href"][1:])
    caption, counts = box.inside[0].inside[0].content, [e.content for e in box.inside[0].inside[2].inside]
    assert caption.startswith("adabn: P → H, tested on P80.0 [")
    assert "]; target labels 0, target images train, steps 40, seeds 2, selection last. Accuracy in %" in caption
    assert counts == ["x440850.0", "y0606100.0", "z0066100.0"]


def test_a_map_is_of_sources_by_targets_with_the_in_domain_numbers_marked(html: Page) -> None:
    maps = html.all("table", class_="heat")
    assert [m.inside[0].content for m in maps] == [
        "tested on",
        *["adapted to and tested on", "adapted to; tested on the source"] * 2,
    ]
    rows = [[e.content.partition("[")[0] for e in row.inside] for row in maps[1].inside[2].inside]
    assert rows == [["P", "90.0", "70.0"], ["H", "60.0", "90.0"]]
    marked = [["borrowed" in e.attrs.get("class", "") for e in row.inside[1:]] for row in maps[1].inside[2].inside]
    assert marked == [[True, False], [False, True]]
    assert next([e.content for e in row.inside][1] for row in maps[2].inside[2].inside) == "no number"


def test_the_confusion_of_a_class_without_images_has_no_recall(tmp_path: Path) -> None:
    sets = {"print": DatasetContent("P", [0, 0, 1, 1]), "hand": DatasetContent("H")}
    html = page_of(Fabrication(lambda run, test: 1, sets, {"none": NONE}, seeds=1).write(tmp_path / "s"))
    rows = [[e.content for e in row.inside] for row in html.all("tr")]
    assert ["z", "0", "0", "0", "0", "–"] in rows


def test_what_was_run_is_there(matrix: Matrix, html: Page) -> None:
    rows = [[e.content for e in row.inside] for row in html.all("tr")]
    assert ["P", "print", "print", "20", "2", "10", "not known", "none needed", matrix.datasets["print"].digest[:12]] in rows
    assert ["cpu (x86_64)", "fp32", "0.1.0", "2.15.0", "2.4.6", "3.11.7", "12"] in rows
    assert ["all", "12", "1.5 s", "12.0 s", "6.0 s", "18.0 s"] in rows
    assert ["fine-tune", "fine-tuning on shots", "images, and labels of the shots", "5 per class", "–"] in rows
    assert "# made" in [e.content.strip() for e in html.all("pre")]
    assert any("@misc{p, title={P}}" in e.content for e in html.all("pre"))


def test_what_is_to_know_of_a_dataset_is_there(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    note = "read as: class/picture; 2 classes <b>, split at random"
    edit(store.folder / "datasets" / "print" / "facts.json", lambda text: text.replace("{", f'{{"notes": ["{note}"],', 1))
    assert f"P: {note}" in [e.content for e in page_of(store).all("p", class_="note")]


def test_the_command_to_run_it_again_holds_the_overrides(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    store.write_record(replace(store.read_sweep(), overrides=("train.steps=60", 'title="It\'s; rm -rf /"')))
    assert page_of(store).one("pre", class_="command").content == (
        "dabench sweep made.toml --set train.steps=60 --set 'title=\"It'\"'\"'s; rm -rf /\"'"
    )


def test_what_failed_is_told_with_its_reason_in_full(tmp_path: Path) -> None:
    store = two_sets(leave_out=lambda run: run.method == "adabn").write(tmp_path / "s")
    store.fail("adabn_print_hand_s0", "loss is not a number at step 3\nTraceback: here")
    html = page_of(store)
    rows = [[e.content for e in row.inside] for row in html.all("tr")]
    assert ["adabn_print_hand_s0", "loss is not a number at step 3"] in rows
    assert any("Traceback: here" in e.content for e in html.all("pre"))
    assert "Unfinished: 4 of 12 runs are missing" in html.one("section", class_="warning").content


def test_a_complete_sweep_warns_of_nothing(html: Page) -> None:
    assert html.all("section", class_="warning") == []


def test_what_each_rule_would_have_chosen_is_there_where_runs_stored_scores(html: Page, tmp_path: Path) -> None:
    assert [e.content.partition(":")[0] for e in html.all("caption") if " rule" in e.content] == [
        "Selection rules",
        "Rank correlation of each rule's score with accuracy",
    ]
    assert any(row.content.startswith("oracle (target labels)") for row in html.all("tr"))
    store = two_sets(seeds=1).write(tmp_path / "s")
    for path in store.runs.glob("*/run.json"):
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "scores"}))
    assert page_of(store).all("section", id="selection") == []


def test_numbers_chosen_by_test_labels_say_so_in_every_caption(tmp_path: Path) -> None:
    matrix = read_matrix(two_sets(seeds=1).write(tmp_path / "s"), selection="oracle")
    html = Page(to_html(matrix))
    assert "oracle (target labels)" in html.one("dl").content
    captions = [e.content for e in html.all("caption") if "Accuracy in %" in e.content]
    assert len(captions) == 1 + 3 + 2 + 1 + 12
    assert all("FROM TARGET TEST LABELS" in c for c in captions)


def test_results_by_group_have_their_section_only_where_there_are_some(html: Page, tmp_path: Path) -> None:
    assert any("Accuracy by age, P test" in e.content for e in html.all("caption"))
    assert page_of(two_sets(seeds=1).write(tmp_path / "s")).all("section", id="groups") == []


@pytest.mark.parametrize(
    "adapters", [{"none": NONE}, {"adabn": ADABN}, {"none": NONE, "own": method("own", adapts=False, own_pretraining=True)}]
)
@pytest.mark.parametrize("names", [["print"], ["print", "hand"], ["a", "b", "c"]])
def test_any_number_of_datasets_and_any_adapters_make_a_page(
    tmp_path: Path, adapters: dict[str, AdapterFacts], names: list[str]
) -> None:
    sets = {name: DatasetContent(name.upper()) for name in names}
    html = page_of(Fabrication(lambda run, test: 1, sets, adapters, seeds=1).write(tmp_path / "s"))
    assert html.one("h1")


def test_sources_taken_together_have_a_row_of_their_own(tmp_path: Path) -> None:
    sets = {name: DatasetContent(name.upper()) for name in "abc"}
    html = page_of(
        Fabrication(lambda run, test: 1, sets, {"none": NONE, "adabn": ADABN}, pairs=("a + b -> c", "a -> c")).write(
            tmp_path / "s"
        )
    )
    rows = [[e.content for e in row.inside] for m in html.all("table", class_="heat")[1:] for row in m.inside[2].inside]
    assert [row[0] for row in rows] == ["A", "A+B", "A"]


def test_a_store_without_any_run_makes_a_page(tmp_path: Path) -> None:
    html = page_of(two_sets(leave_out=lambda run: True).write(tmp_path / "s"))
    assert "No run is complete yet." in html.one("main").content
    assert "12 of 12 runs are missing" in html.one("header").content


def test_runs_without_curves_make_a_page(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    for path in store.runs.glob("*/run.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in facts.items() if k not in ("losses", "checkpoints", "steps")}))
    assert "The runs stored no curves." in page_of(store).one("main").content


def test_a_store_without_its_sweep_file_makes_a_page(tmp_path: Path) -> None:
    store = two_sets(seeds=1).write(tmp_path / "s")
    (store.folder / "sweep.toml").unlink()
    assert "does not hold the sweep file" in page_of(store).one("main").content


def test_means_over_pairs_follow_the_gains_with_what_is_to_know_of_them(html: Page) -> None:
    text = html.one("section", id="gains").content
    assert text.index("Adaptation gains") < text.index("Means over 2 pairs of datasets") < text.index("Drop:")
    assert "No p: 2 targets and 2 sets of sources are too few." in text


@pytest.mark.parametrize("metric", ["balanced-accuracy", "recall:x", "ece"])
def test_every_metric_makes_a_page_that_names_it(tmp_path: Path, metric: str) -> None:
    html = page_of(two_sets(seeds=1).write(tmp_path / "s"), metric)
    assert metric in html.one("dl").content


def test_of_a_large_sweep_there_is_what_there_is_room_for_and_the_rest_is_named(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "MOST_COUNTS", 3 * 15)
    monkeypatch.setattr(page, "MOST_FIELDS", 10)
    html = Page(to_html(matrix))
    assert len([e for e in html.all("details") if "data-adapter" in e.attrs]) == 3
    main = html.one("main").content
    assert (
        "This page shows 3 of 12 cells. confusion.csv has the counts of all cells, and the folder confusion/ has images of 12."
        in main
    )
    assert "It is in matrix.csv" in main
    assert "1 more table does not fit on this page. All results are in subgroups.csv" in main
    links = [a for a in html.all("a") if a.attrs["href"].startswith("#m") and "table" in a.path]
    assert len([e for e in html.all("span", class_="cell") if e.attrs["tabindex"] == "0"]) + len(links) == 16


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A function from a name of HOSTILE, or BENIGN, to the page of a store in which all is named so."""
    return cache(lambda name: to_html(read_matrix(store_of(tmp_path_factory.mktemp("named"), HOSTILE.get(name, name)))))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_no_element_of_the_page(named: Callable[[str], str], name: str) -> None:
    assert Page(named(name)).skeleton == Page(named(BENIGN)).skeleton


@pytest.mark.parametrize("name", [n for n in HOSTILE if n not in ("control", "surrogate", "right to left")])
def test_a_hostile_name_is_shown_as_it_is(named: Callable[[str], str], name: str) -> None:
    html = Page(named(name))
    seen = HOSTILE[name].replace("\r\n", "\n")
    assert html.one("h1").content == seen
    assert seen in [e.content for e in html.all("th")]
    assert any(seen in e.content for e in html.all("pre"))


@pytest.mark.parametrize("name", ["control", "surrogate", "right to left"])
def test_characters_that_no_page_may_hold_or_that_turn_it_round_are_replaced(named: Callable[[str], str], name: str) -> None:
    text = named(name)
    text.encode("utf-8")
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", text) == []
    assert "\ufffd" in Page(text).one("h1").content


def test_a_homepage_that_is_no_address_of_the_web_is_no_link(tmp_path: Path) -> None:
    store = store_of(tmp_path / "s", BENIGN)
    path = store.folder / "datasets" / "print" / "facts.json"
    edit(path, lambda text: json.dumps(json.loads(text) | {"homepage": "javascript:alert(1)"}))
    assert [a for a in page_of(store).all("a") if not a.attrs["href"].startswith("#")] == []


def test_of_many_failures_the_first_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST_FAILURES", 2)
    store = two_sets(leave_out=lambda run: run.method == "adabn").write(tmp_path / "s")
    for i in range(3):
        store.fail(f"run{i}", "it diverged")
    main = page_of(store).one("main").content
    assert "run1" in main
    assert "run2it diverged" not in main
    assert "The other failures are in the folder failed/" in main
