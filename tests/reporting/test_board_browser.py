"""The leaderboard in a real browser: sorting and filtering by mouse and keyboard, on a phone, in the dark, without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, started
from contrast import contrast
from fabricated import two_sets

import dabench
from dabench.reporting.baseline import write_baseline


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard of two tables with two tasks each."""
    folder = tmp_path_factory.mktemp("board")
    for name in ("one", "two"):
        write_baseline(name, two_sets(seeds=2 if name == "one" else 1).write(folder / f"runs-{name}").folder, folder)
    return dabench.leaderboard(folder / "one.json", folder / "two.json", to=folder / "page")[0]


def head(number: int) -> str:
    return f"#board thead th:nth-child({number}) button"


def values(browser: Browser, column: int) -> list[str]:
    """Return what the rows that are shown are sorted by."""
    found = browser.ask(
        "[...document.querySelectorAll('#board tbody tr:not([hidden])')].map(r => r.cells[arguments[0]].dataset.value)", column
    )
    return [str(value) for value in found]


def choose(browser: Browser, column: str, value: str) -> None:
    browser.ask(
        "(() => { const s = document.querySelector(`[data-column=${arguments[0]}]`); s.value = arguments[1]; "
        "s.dispatchEvent(new Event('change')); })()", column, value,
    )  # fmt: skip


def test_a_click_sorts_numbers_from_the_largest_and_the_next_reverses(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find(head(3)).click()
    found = [float(v) for v in values(browser, 2)]
    assert found == sorted(found, reverse=True)
    browser.find(head(3)).click()
    assert [float(v) for v in values(browser, 2)] == sorted(found)


def test_keys_sort_too_and_the_column_says_how(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find(head(1)).send_keys("\ue007")  # Enter
    found = values(browser, 0)
    assert found == sorted(found)
    assert browser.ask(
        "[...document.querySelectorAll('#board th')].filter(h => h.ariaSort).map(h => [h.cellIndex, h.ariaSort])"
    ) == [[0, "ascending"]]
    assert browser.seen("#state") == ["16 of 16 rows, sorted by method, ascending"]


@pytest.mark.parametrize("times", [1, 2])
def test_rows_without_a_value_are_last_in_both_orders(browser: Browser, page: Path, times: int) -> None:
    browser.open(page)
    for _ in range(times):
        browser.find(head(4)).click()
    gains = values(browser, 3)
    assert gains.count("") == 8
    assert gains[-8:] == [""] * 8


def test_filters_choose_rows_together(browser: Browser, page: Path) -> None:
    browser.open(page)
    choose(browser, "method", "adabn")
    assert browser.seen("#state") == ["4 of 16 rows"]
    choose(browser, "table", "two")
    assert (values(browser, 0), {*values(browser, 10)}) == (["adabn", "adabn"], {"two"})
    browser.find("#clear").click()
    assert browser.seen("#state") == ["16 of 16 rows"]


def test_a_value_that_no_row_has_beside_the_other_filters_cannot_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page)
    choose(browser, "method", "adabn")
    enabled = browser.ask(
        "[...document.querySelector('[data-column=setting]').options].filter(o => !o.disabled).map(o => o.value)"
    )
    assert enabled == ["", "unlabelled target"]


def test_each_filter_has_a_name(browser: Browser, page: Path) -> None:
    browser.open(page)
    labels = browser.ask("[...document.querySelectorAll('.filters select')].map(s => s.labels[0].firstChild.textContent.trim())")
    assert labels == ["task", "method", "setting", "table"]


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_never_wider_than_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    assert browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("selector", ["#board td", "#board .below", "#board thead button", ".filters label", "#clear"])
def test_texts_stand_out_from_the_ground(browser: Browser, page: Path, selector: str, dark: bool) -> None:
    browser.open(page, dark=dark)
    assert contrast(browser.style(selector, "color"), browser.style("body", "background-color")) >= 4.5


def test_without_scripts_all_rows_are_shown_and_no_filter(browser: Browser, page: Path) -> None:
    browser.open(page, scripts=False)
    assert len(browser.seen("#board tbody tr")) == 16
    assert browser.seen(".filters") == []


def test_the_page_asks_for_nothing_and_nothing_goes_wrong(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find(head(1)).click()
    assert browser.complaints() == []
    assert [r for r in browser.requests() if not r.startswith(("data:", "about:"))] == [page.absolute().as_uri()]
