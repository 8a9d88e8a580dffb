"""The page of a rater in a real browser: served and from disk, by keyboard and touch, through reloads and a killed server."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Browser, started
from contrast import contrast
from rater import PageRater
from served import images, serving, study

import dabench
from dabench.rating.offline import write_pages
from dabench.rating.server import listen
from dabench.rating.store import StudyStore, links, open_study
from dabench.rating.study import RaterQuestion, StudySettings


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@dataclass
class Place:
    """A study that is served, with a link for each rater."""

    store: StudyStore
    links: list[str]


@contextmanager
def place(folder: Path, **settings: object) -> Iterator[Place]:
    with study(folder, **settings) as store, serving(store) as port:  # type: ignore[arg-type]
        yield Place(store, [link for _, link in links(store.raters, f"http://127.0.0.1:{port}")])


def small(browser: Browser) -> None:
    """Look as on a phone."""
    browser.tell("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)


def large(browser: Browser) -> None:
    browser.tell("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)


def test_a_rater_reads_practises_answers_by_number_and_ends(browser: Browser, tmp_path: Path) -> None:
    large(browser)
    with place(tmp_path / "s", made=images(4), repeats=0.25, pause=3) as at:
        rater = PageRater(browser, at.links[0])
        rater.see("Image rating")
        assert browser.seen(".words li") == ["angry", "happy", "very sad"]
        rater.click()
        right = at.store.right(0, 0)
        assert right is not None
        assert rater.answer(str(right + 1)) == "Practice image 1 of 3"
        assert rater.feedback == f"Yes: {['angry', 'happy', 'very sad'][right]}."
        rater.go_on(lambda count: "3" if count.startswith("Image") else "1")
        answers = at.store.answers()
        assert browser.complaints() == []
    assert [a.answer for a in answers if a.kind != "practice"] == [2] * 5
    assert all(a.seconds is not None and 0 < a.seconds < 200 and not a.interrupted for a in answers)


def test_wrong_practice_is_told_the_word(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(2)) as at:
        rater = PageRater(browser, at.links[0])
        rater.see("Image rating")
        rater.click()
        right = at.store.right(0, 0)
        assert right is not None
        rater.answer(str((right + 1) % 3 + 1))
        assert rater.feedback.endswith(f"The word is {['angry', 'happy', 'very sad'][right]}.")


def begun(browser: Browser, at: Place, rater: int = 0) -> PageRater:
    """Return a rater at the first image of a study without practice."""
    page = PageRater(browser, at.links[rater])
    page.see("Image rating")
    page.click()
    page.wait(lambda: page.count, "the first image")
    return page


def test_a_reload_goes_on_where_the_rater_was(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(6, practice=0)) as at:
        rater = begun(browser, at)
        for _ in range(3):
            rater.answer("2")
        browser.driver.refresh()
        rater.see("Welcome back")
        assert "3 of 7 images are done." in browser.seen("main p")
        rater.click()
        assert rater.answer("1") == "Image 4 of 7"
        assert [a.answer for a in at.store.answers()] == [1, 1, 1, 0]


def test_a_second_window_of_the_same_rater_doubles_nothing(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(4, practice=0)) as at:
        rater = begun(browser, at)
        for number in range(2):  # what another window did meanwhile
            at.store.keep(0, number, 0, 1.0, False)
        rater.press("3")
        rater.wait(lambda: rater.count == "Image 3 of 4", "the image that is next")
        assert [a.answer for a in at.store.answers()] == [0, 0]


def test_a_pause_hides_the_image_and_marks_the_answer(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(3, practice=0)) as at:
        rater = begun(browser, at)
        rater.press("\ue00c")  # Escape
        rater.wait(lambda: browser.seen(".paused p") == ["Paused"], "the pause")
        assert rater.count == ""
        rater.press("1")
        assert at.store.answers() == []
        rater.press("\ue007")  # Enter, on the button with the focus
        rater.answer("2")
        rater.answer("2", mouse=True)
        assert [a.interrupted for a in at.store.answers()] == [True, False]


@pytest.mark.parametrize(
    ("words", "key", "word"),
    [
        (("2", "0", "1"), "0", "0"),  # digits have their own keys
        (("zero", "0", "1"), "2", "0"),
        (tuple("abcdefghijk"), "0", "j"),
    ],
)
def test_a_key_chooses_its_word(browser: Browser, tmp_path: Path, words: tuple[str, ...], key: str, word: str) -> None:
    with place(tmp_path / "s", made=images(3, practice=0, classes=words)) as at:
        rater = begun(browser, at)
        assert f"{key}\n{word}" in browser.seen(".choices button")
        rater.answer(key)
        assert [words[a.answer] for a in at.store.answers()] == [word]


def test_the_keyboard_alone_reaches_every_word(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(3, practice=0)) as at:
        rater = begun(browser, at)
        rater.press("\ue014\ue014\ue014")  # Right, three times
        assert browser.ask("document.activeElement.textContent") == "3very sad"
        count = rater.count
        rater.press("\ue007")
        rater.wait(lambda: rater.count != count, "the next image")
        assert [a.answer for a in at.store.answers()] == [2]


def test_a_screen_reader_is_told_what_is_shown(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(3, practice=0)) as at:
        rater = begun(browser, at)
        assert browser.find(".choices").accessible_name == "Which word describes the image best?"
        assert browser.find(".choices button").accessible_name == "angry"
        assert browser.find(".frame img").accessible_name == "Image 1 of 3"
        assert browser.find("#progress").accessible_name == "Progress"
        rater.wait(lambda: browser.ask("document.getElementById('live').textContent") == "Image 1 of 3", "the announcement")


def test_a_phone_shows_image_and_words_without_scrolling(browser: Browser, tmp_path: Path) -> None:
    words = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    small(browser)
    try:
        with place(tmp_path / "s", made=images(3, practice=0, classes=words)) as at:
            begun(browser, at)
            assert browser.ask("document.documentElement.scrollHeight <= innerHeight")
            assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
            assert (
                browser.ask("Math.min(...[...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().height))")
                >= 44
            )
    finally:
        large(browser)


def test_the_image_stays_in_view_beside_many_words(browser: Browser, tmp_path: Path) -> None:
    small(browser)
    try:
        with place(tmp_path / "s", made=images(3, practice=0, classes=tuple(f"word {i}" for i in range(65)))) as at:
            begun(browser, at)
            browser.ask("document.querySelector('.choices button:last-child').scrollIntoView()")
            assert browser.ask("document.querySelector('.frame').getBoundingClientRect().top >= 0")
            assert browser.find(".choices button:last-child").is_displayed()
            assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
    finally:
        large(browser)


def test_the_second_click_of_a_double_click_is_no_answer(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s", made=images(4, practice=0)) as at:
        rater = begun(browser, at)
        shown = "document.querySelector('.frame img').alt"
        press = "document.querySelector('.choices button').click()"
        # The second click comes as soon as the next image is seen, before the page waits for an answer to it.
        browser.driver.execute_script(
            "const seen = new MutationObserver(() => {"
            f"if (!document.querySelector('.frame img') || {shown} !== 'Image 2 of 4') return;"
            f"seen.disconnect(); setTimeout(() => {{ {press};"
            "setTimeout(() => { window.chosen = document.querySelectorAll('.chosen').length; }, 0); }, 60); });"
            f"seen.observe(document.querySelector('main'), {{childList: true, subtree: true}}); {press}"
        )
        rater.wait(lambda: browser.ask("window.chosen !== undefined"), "the second click")
        assert browser.ask("window.chosen") == 0
        rater.wait(lambda: rater.count == "Image 2 of 4", "the second image")
        rater.answer("2")
        assert [a.answer for a in at.store.answers()] == [0, 1]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("selector", ["h1", "#count", "#pause", ".choices button"])
def test_texts_can_be_read(browser: Browser, tmp_path: Path, selector: str, dark: bool) -> None:
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.tell("Emulation.setEmulatedMedia", media="screen", features=[scheme])
    with place(tmp_path / "s", made=images(3, practice=0)) as at:
        begun(browser, at)
        own = browser.style(selector, "backgroundColor")
        ground = browser.style("body", "backgroundColor") if own == "rgba(0, 0, 0, 0)" else own
        assert contrast(browser.style(selector, "color"), ground) >= 4.5
    browser.tell("Emulation.setEmulatedMedia", media="screen", features=[])


def test_words_are_text_whatever_they_hold(browser: Browser, tmp_path: Path) -> None:
    words = ("<img src=x onerror=document.title='run'>", "</script>", "&amp;")
    with place(tmp_path / "s", made=images(3, practice=0, classes=words)) as at:
        begun(browser, at)
        assert browser.seen(".choices span") == list(words)
        assert browser.driver.title == "Image rating"


def test_questions_about_the_rater_come_first_and_once(browser: Browser, tmp_path: Path) -> None:
    ask = (RaterQuestion("age", "number"), RaterQuestion("sex", "choice", ("female", "male")))
    with place(tmp_path / "s", made=images(3, practice=0), ask=ask) as at:
        rater = PageRater(browser, at.links[0])
        rater.see("About you")
        browser.find("#ask-0").send_keys("old")
        rater.click()
        rater.wait(lambda: browser.seen(".wrong") == ["age: write a whole number, or leave it empty."], "the complaint")
        browser.find("#ask-0").clear()
        browser.find("#ask-0").send_keys("44")
        rater.click()
        rater.see("Image rating")
        assert at.store.about(0) == {"age": "44", "sex": ""}
        browser.driver.refresh()
        rater.see("Image rating")


def test_a_wrong_link_shows_no_page(browser: Browser, tmp_path: Path) -> None:
    with place(tmp_path / "s") as at:
        browser.driver.get(re.sub(r"/r/.*", "/r/guess/", at.links[0]))
        assert browser.seen("body") == ["This page does not exist. Use the link that you were given."]


def test_an_answer_during_an_outage_is_kept_and_sent_once(browser: Browser, tmp_path: Path) -> None:
    with study(tmp_path / "s", made=images(4, practice=0)) as store:
        with serving(store) as port:
            at = Place(store, [link for _, link in links(store.raters, f"http://127.0.0.1:{port}")])
            rater = begun(browser, at)
            rater.answer("1")
            rater.wait(lambda: rater.count == "Image 2 of 4", "the second image")
        rater.press("2")
        rater.wait(lambda: "The server does not answer." in "".join(browser.seen("#connection")), "the notice")
        assert len(store.answers()) == 1
        with serving(store, port):
            rater.wait(lambda: rater.count == "Image 3 of 4", "the next image")
            assert [a.answer for a in store.answers()] == [0, 1]
            rater.wait(lambda: browser.seen("#connection") == [], "the end of the notice")


def test_an_answer_that_was_not_confirmed_is_sent_after_a_reload(browser: Browser, tmp_path: Path) -> None:
    with study(tmp_path / "s", made=images(4, practice=0)) as store:
        with serving(store) as port:
            rater = begun(browser, Place(store, [link for _, link in links(store.raters, f"http://127.0.0.1:{port}")]))
        rater.press("3")
        rater.wait(lambda: browser.seen("#connection"), "the notice")
        with serving(store, port):
            browser.driver.get(rater.link)
            rater.see("Welcome back")
            assert [a.answer for a in store.answers()] == [2]


# From disk


def pages(folder: Path, **settings: object) -> list[Path]:
    return write_pages(folder, images(6, practice=2), StudySettings(repeats=0.34, **settings), 2)  # type: ignore[arg-type]


def downloaded(browser: Browser, rater: PageRater, folder: Path) -> Path:
    """Download the answers into a folder, and return the file."""
    folder.mkdir()
    browser.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.find(".actions button:last-child").click()
    return Path(rater.wait(lambda: next(folder.glob("*.csv"), None), "the file"))


def test_the_page_from_disk_gives_one_file_with_all_answers(browser: Browser, tmp_path: Path) -> None:
    (page, _) = pages(tmp_path / "page", ask=(RaterQuestion("age", "number"),))
    rater = PageRater(browser, page.as_uri())
    rater.see("About you")
    browser.find("#ask-0").send_keys("44")
    rater.go_on(lambda count: "2", until=lambda: rater.count == "Image 4 of 8")
    browser.driver.refresh()
    rater.see("Welcome back")
    assert "3 of 8 images are done." in browser.seen("main p")
    rater.go_on(lambda count: "3")
    file = downloaded(browser, rater, tmp_path / "downloads")
    assert browser.complaints() == []
    assert file.name == "rater-1.csv"
    files = dabench.human_export(file, to=tmp_path / "to")
    answers, raters = (list(csv.DictReader(f.read_text().splitlines())) for f in files)
    assert sorted(row["image"] for row in answers if row["repeat"] == "no") == sorted(images(6).test)
    assert len([row for row in answers if row["repeat"] == "yes"]) == 2
    assert sorted(row["answer"] for row in answers) == ["happy"] * 3 + ["very_sad"] * 5
    assert raters == [{"rater": "rater-1", "age": "44"}]


def test_the_page_from_disk_needs_no_network(browser: Browser, tmp_path: Path) -> None:
    (page, _) = pages(tmp_path / "page")
    browser.open(page)
    rater = PageRater(browser, page.as_uri())
    rater.go_on(lambda count: "1", until=lambda: rater.count == "Image 1 of 8")
    assert {address.partition(":")[0] for address in browser.requests()} <= {"file", "data", "about"}


def test_a_page_from_disk_without_its_images_says_so(browser: Browser, tmp_path: Path) -> None:
    (page, _) = pages(tmp_path / "page")
    shutil.rmtree(tmp_path / "page" / "images")
    rater = PageRater(browser, page.as_uri())
    rater.see("Image rating")
    rater.click()
    rater.see("This page cannot go on")
    assert "Keep all files of the folder together." in browser.seen("main p")[0]


# Several at once


@contextmanager
def process(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Serve a study in a process; it is ready."""
    command = [sys.executable, "-m", "dabench", "human", "serve", str(folder), "--port", str(port), "--raters", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            assert "answers are kept here" in running.stdout.readline()
            yield running
        finally:
            running.kill()


def free_port() -> int:
    with listen("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])


def word_for(rater: int, count: str) -> int:
    """Return the answer of a rater to the image that is counted so."""
    return (rater + sum(map(int, re.findall(r"\d+", count)))) % 3


@pytest.mark.slow
def test_four_raters_at_once_lose_nothing_by_a_reload_and_a_killed_server(tmp_path: Path) -> None:
    with study(tmp_path / "s", raters=4, made=images(60, practice=3)) as store:
        people, kinds = store.raters, [store.trials(r) for r in range(4)]
    port = free_port()
    killed, up_again, reached = threading.Event(), threading.Event(), threading.Barrier(3)
    failures: list[BaseException] = []

    def rate(number: int, browser: Browser) -> None:
        try:
            rater = PageRater(browser, f"http://127.0.0.1:{port}/r/{people[number].token}/")

            def key(count: str) -> str:
                return str(word_for(number, count) + 1)

            if number in (1, 2):  # the other two answer meanwhile, so that the server ends during their answers
                rater.go_on(key, until=lambda: rater.count == "Image 20 of 66")
                reached.wait(300)
                killed.wait(300)
            if number == 2:
                rater.press(key("Image 20 of 66"))  # while there is no server
            if number == 1:
                up_again.wait(300)
                browser.driver.refresh()
            rater.go_on(key)
        except BaseException as e:
            failures.append(e)
            reached.abort()

    with ExitStack() as stack:
        windows = [stack.enter_context(started(tmp_path / f"profile-{n}")) for n in range(4)]
        threads = [threading.Thread(target=rate, args=(n, window)) for n, window in enumerate(windows)]
        with process(tmp_path / "s", port) as running:
            for thread in threads:
                thread.start()
            reached.wait(300)
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
        killed.set()
        with process(tmp_path / "s", port):
            up_again.set()
            for thread in threads:
                thread.join()
    assert failures == []
    with closing(open_study(tmp_path / "s")) as store:
        answers = store.answers()
    for number, person in enumerate(people):
        own = [a for a in answers if a.rater == person.name]
        assert [a.kind for a in own] == kinds[number]
        expected = [word_for(number, f"Practice image {n} of 3") for n in (1, 2, 3)]
        expected += [word_for(number, f"Image {n} of 66") for n in range(1, 67)]
        assert [a.answer for a in own] == expected


@pytest.mark.slow
def test_fifty_raters_at_once_each_have_their_answers(tmp_path: Path) -> None:
    from served import Client

    with study(tmp_path / "s", raters=50, made=images(40)) as store:
        people, trials = store.raters, [len(store.trials(r)) for r in range(50)]
    port = free_port()
    failures: list[str] = []

    def rate(number: int) -> None:
        client = Client(port)
        with closing(client.connection):
            base = f"/r/{people[number].token}"
            for trial in range(trials[number]):
                if client.ask(f"{base}/image/{trial}").status != 200:
                    failures.append(f"{number}: image {trial}")
                reply = client.answer(people[number], trial, (number + trial) % 3)
                if reply.status != 200 or reply.value["next"] != trial + 1:
                    failures.append(f"{number}: answer {trial}")

    with process(tmp_path / "s", port) as running:
        threads = [threading.Thread(target=rate, args=(n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.kill(running.pid, signal.SIGKILL)
    assert failures == []
    with closing(open_study(tmp_path / "s")) as store:
        found = {p.name: [a.answer for a in store.answers() if a.rater == p.name] for p in people[:3]}
        assert len(store.answers()) == sum(trials)
    assert found == {f"rater-{n + 1}": [(n + t) % 3 for t in range(trials[n])] for n in range(3)}
