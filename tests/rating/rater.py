"""A rater at a browser, for tests: reads what the page shows and answers by mouse or keyboard."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from browser import Browser

SECONDS = 120
"""How long something may take on a busy machine; a test that waits longer fails."""

SCREENS = ("About you", "Image rating", "Practice is over", "A pause", "Welcome back", "Thank you", "This page cannot go on")


class PageRater:
    """One rater at one page."""

    def __init__(self, browser: Browser, link: str) -> None:
        self.browser, self.link = browser, link
        browser.complaints()  # of the page before
        browser.driver.get(link)

    @property
    def title(self) -> str:
        """The heading, or an empty text if there is none yet."""
        return str(self.browser.ask("(document.querySelector('h1') || {textContent: ''}).textContent"))

    @property
    def count(self) -> str:
        """Such as "Image 3 of 60", if an image waits for an answer; else another text. A screen reader is told the same."""
        text = str(self.browser.ask("document.getElementById('live').textContent"))
        return text if re.fullmatch(r"(Practice image|Image) \d+ of \d+", text) else ""

    @property
    def feedback(self) -> str:
        """The feedback on a practice image, if it is shown."""
        return str(self.browser.ask("(document.querySelector('.verdict') || {textContent: ''}).textContent"))

    def wait(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Return the value of a condition as soon as it is true."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        raise AssertionError(f"{what}: not reached; the page shows {self.title!r}, {self.count!r}")

    def see(self, title: str) -> None:
        """Wait for a screen."""
        self.wait(lambda: self.title == title, title)

    def click(self, selector: str = "button.main") -> None:
        """Press a button."""
        self.browser.find(selector).click()

    def press(self, key: str) -> None:
        """Press a key."""
        from selenium.webdriver import ActionChains

        ActionChains(self.browser.driver, duration=0).send_keys(key).perform()

    def answer(self, key: str, *, mouse: bool = False) -> str:
        """Answer the image that is shown, and wait until the page goes on; return what was counted."""
        count = self.wait(lambda: self.count, "an image")
        if mouse:
            self.browser.driver.find_elements("css selector", ".choices button")[int(key) - 1].click()
        else:
            self.press(key)
        self.wait(lambda: self.count != count, f"what follows {count}")
        return str(count)

    def go_on(self, choose: Callable[[str], str], until: Callable[[], bool] = lambda: False) -> None:
        """Answer all images and continue after each pause, until the end or as long as `until` is false.

        Args:
            choose: gets what was counted, such as "Image 3 of 60", and returns the key to press.
        """
        while True:
            state = self.wait(lambda: self.count or self.feedback or (self.title in SCREENS and self.title), "anything")
            if until():
                return
            if state == "Thank you":
                return
            assert state != "This page cannot go on"
            if state == self.feedback:
                self.click(".below button")
                self.wait(lambda: not self.feedback, "the next image")
            elif state in SCREENS:
                self.click()
                self.wait(lambda s=state: self.title != s, "the next screen")  # type: ignore[misc]
            else:
                self.answer(choose(state))
