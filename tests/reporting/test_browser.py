"""The page in a real browser: by mouse, by keyboard, on a phone, in the dark, on paper; and what it does not ask for."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, started
from contrast import contrast
from test_html import BENIGN, HOSTILE, store_of

from dabench.analysis.matrix import read_matrix
from dabench.reporting.html.page import to_html


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(quick_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the quick sweep, alone in a folder: what it needed beside it would be missing."""
    return Path(shutil.copy(quick_runs / "report" / "index.html", tmp_path_factory.mktemp("page") / "index.html"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a hostile name of many kinds at once."""
    folder = tmp_path_factory.mktemp("hostile")
    text = " ".join(HOSTILE[name] for name in ("script", "image", "cdata", "ends", "right to left", "newline", "long"))
    (folder / "index.html").write_text(to_html(read_matrix(store_of(folder / "s", text))), encoding="utf-8")
    return folder / "index.html"


def unfold(browser: Browser) -> None:
    """Open the folded sections."""
    browser.ask("document.querySelectorAll('.fold').forEach(d => d.open = true)")


def sideways(browser: Browser) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_headline_matrices_gains_and_curves_are_seen(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.seen("h1") == ["Printed to handwritten digits, and back"]
    assert browser.seen(".headline")[0].startswith("Accuracy over 2 pairs of datasets")
    unfold(browser)
    assert browser.seen("h2") == browser.seen("nav a")
    assert {"Cross matrix", "Gains", "Selection", "Confusion", "Learning curves", "What was run"} < set(browser.seen("h2"))
    assert len(browser.seen(".heat")) == 10
    assert len(browser.seen("svg[role=img]")) == 4
    assert browser.ask("[...document.querySelectorAll('svg[role=img]')].every(s => s.getBBox().width > 300)")
    assert any("FONT → UCI" in text for text in browser.seen("#forest-title ~ g text"))


def test_the_methods_are_seen_first_and_the_rest_is_folded_until_asked_for(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.seen("h2")[0] == "Methods"
    assert len(browser.seen("#methods table")) == 1
    assert browser.seen(".heat") == browser.seen("svg[role=img]") == browser.seen("table.confusion") == []
    browser.find("#matrix summary").send_keys("\ue007")  # the enter key
    assert len(browser.seen(".heat")) == 10
    browser.find("nav a[href='#gains']").click()
    assert len(browser.seen("#gains svg[role=img]")) == 2


@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_is_asked_for_and_nothing_complained_about(browser: Browser, page: Path, scripts: bool) -> None:
    browser.open(page, scripts=scripts)
    assert [url for url in browser.requests() if url not in ("about:blank", "data:,")] == [page.as_uri()]
    assert browser.complaints() == []


def test_one_confusion_matrix_is_chosen_from_a_list(browser: Browser, page: Path) -> None:
    browser.open(page)
    unfold(browser)
    assert len(browser.seen("table.confusion")) == 1
    options = browser.driver.find_elements("css selector", "#matrices option")
    assert len(options) == 24
    assert [o.get_attribute("label") for o in browser.driver.find_elements("css selector", "#matrices optgroup")] == [
        "none", "augmented", "fine-tune", "joint-bn", "dann", "maml",
    ]  # fmt: skip
    options[9].click()
    assert browser.seen("table.confusion caption")[0].startswith(f"fine-tune: {options[9].text.strip()}")


def test_a_number_of_the_matrix_leads_to_its_confusion_matrix(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#matrix summary").click()
    browser.find("#matrix .adapter:nth-of-type(5) .heat td:nth-of-type(2) a").click()
    assert browser.seen("table.confusion caption")[0].startswith("dann: FONT → UCI, tested on UCI")
    assert browser.ask("document.activeElement.matches('.scroll[tabindex]')")


def test_without_scripts_every_confusion_matrix_can_be_opened(browser: Browser, page: Path) -> None:
    browser.open(page, scripts=False)
    browser.find("#confusion summary").click()
    assert browser.seen("#matrices select") == []
    assert len(browser.seen("#matrices summary")) == 24
    assert browser.seen("table.confusion") == []
    browser.find("#c7 summary").click()
    assert browser.seen("table.confusion caption")[0].startswith(browser.seen("#c7 summary")[0])


def test_the_interval_of_a_number_is_seen_on_hover_and_on_focus(browser: Browser, page: Path) -> None:
    from selenium.webdriver import ActionChains

    browser.open(page)
    unfold(browser)
    assert browser.style(".heat i", "opacity") == "0"
    assert re.fullmatch(r"\(\d+\.\d, \d+\.\d\)", browser.ask("document.querySelector('.heat i').textContent"))
    ActionChains(browser.driver).move_to_element(browser.find(".heat a")).perform()
    assert browser.style(".heat i", "opacity") == "1"
    ActionChains(browser.driver).move_to_element(browser.find("h1")).perform()
    browser.ask("document.querySelector('.heat a').focus()")
    assert browser.style(".heat i", "opacity") == "1"


def test_all_that_can_be_used_is_reached_by_the_tab_key_and_shows_where_it_is(browser: Browser, page: Path) -> None:
    browser.open(page)
    unfold(browser)
    browser.ask("document.activeElement.blur()")
    wanted = browser.ask("document.querySelectorAll('a, select, summary:not(.one summary)').length")
    reached, outlined = [], []
    for _ in range(200):
        browser.driver.switch_to.active_element.send_keys("\ue004")
        name, shown = browser.ask("[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]")
        if name == "BODY":
            break
        reached.append(name)
        outlined.append(shown != "none")
    assert reached[0] == "A"
    assert sum(name in ("A", "SELECT", "SUMMARY") for name in reached) == wanted
    assert all(outlined)


def test_on_a_phone_the_page_does_not_move_sideways_and_wide_tables_do(browser: Browser, page: Path) -> None:
    browser.open(page, width=375)
    unfold(browser)
    assert sideways(browser) == 0
    assert browser.ask("(b => b.scrollWidth > b.clientWidth)(document.querySelector('#run .scroll'))")
    assert float(browser.style("body", "fontSize").removesuffix("px")) >= 16


@pytest.mark.parametrize("width", [320, 375, 1200])
def test_names_of_any_length_do_not_move_the_page_sideways(browser: Browser, hostile: Path, width: int) -> None:
    browser.open(hostile, width=width)
    unfold(browser)
    assert sideways(browser) == 0


def test_hostile_names_run_nothing_and_ask_for_nothing(browser: Browser, hostile: Path) -> None:
    browser.open(hostile)
    assert browser.seen("h1")[0].startswith("<script>alert(1)</script> \"'><img src=x onerror=alert(1)>")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if url not in ("about:blank", "data:,")] == [hostile.as_uri()]
    assert browser.ask("document.querySelectorAll('img, script').length") == 1


def test_a_browser_sees_the_same_elements_whatever_the_names(browser: Browser, hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "benign.html").write_text(to_html(read_matrix(store_of(tmp_path / "s", BENIGN))), encoding="utf-8")
    found = []
    for file in (tmp_path / "benign.html", hostile):
        browser.open(file, scripts=False)
        found.append(browser.ask("[...document.querySelectorAll('*')].map(e => e.tagName + e.parentNode.nodeName)"))
    assert found[0] == found[1]


def test_the_dark_scheme_is_dark_and_its_figures_follow(browser: Browser, page: Path) -> None:
    seen = {}
    for dark in (False, True):
        browser.open(page, dark=dark)
        ground, ink = browser.style("body", "backgroundColor"), browser.style("body", "color")
        texts = browser.ask("[...document.querySelectorAll('svg[role=img] text')].map(e => getComputedStyle(e).fill)")
        seen[dark] = (ground, ink)
        assert contrast(ground, ink) > 12
        assert min(contrast(ground, text) for text in texts) >= 4.5
        cells = browser.ask("[...document.querySelectorAll('.heat td[class^=v], .confusion td[class^=v]')]"
                            ".map(e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color])")  # fmt: skip
        assert min(contrast(a, b) for a, b in cells) >= 4.5
    assert contrast(seen[False][0], "#ffffff") < 1.1
    assert contrast(seen[True][0], "#000000") < 1.5


def test_on_paper_it_is_light_whole_and_with_its_intervals(browser: Browser, page: Path) -> None:
    browser.open(page, dark=True, media="print")
    assert browser.style("body", "backgroundColor") in ("rgba(0, 0, 0, 0)", "rgb(255, 255, 255)")  # nothing, or white
    assert contrast(browser.style("body", "color"), "#ffffff") > 12
    assert browser.style("nav", "display") == browser.style("#matrices label", "display") == "none"
    assert browser.style(".heat i", "opacity") == "1"
    assert browser.style(".scroll", "overflowX") == "visible"
    heats = browser.ask("[...document.querySelectorAll('.heat')].map(h => h.checkVisibility() && h.clientHeight > 50)")
    assert heats == [True] * 10  # what is folded on the screen


def test_the_printed_page_is_a_document_of_some_sheets(browser: Browser, page: Path) -> None:
    browser.open(page)
    pdf = base64.b64decode(browser.tell("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 16
