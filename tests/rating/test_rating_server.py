"""What the server of a study sends and takes: only to those with a link, no label of a test image, and each answer once."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import DIGEST, Client, Reply, client_of, images, study

from dabench.errors import SpecError
from dabench.rating.app import MOST_BYTES
from dabench.rating.server import address_of, is_loopback, listen
from dabench.rating.store import Rater, StudyStore
from dabench.rating.study import RaterQuestion


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    ask = (RaterQuestion("age", "number"), RaterQuestion("sex", "choice", ("female", "male")))
    with study(tmp_path / "s", ask=ask, repeats=0.25) as store:
        yield store


@pytest.fixture
def client(store: StudyStore) -> Iterator[Client]:
    with client_of(store) as client:
        yield client


@pytest.fixture
def rater(store: StudyStore) -> Rater:
    return store.raters[0]


# Links


FILES = ("", "study.js", "rating.js", "rating.css", "state", "image/0")


@pytest.mark.parametrize("file", FILES)
def test_a_link_opens_the_page_and_its_files(client: Client, rater: Rater, file: str) -> None:
    assert client.ask(f"/r/{rater.token}/{file}").status == 200


@pytest.mark.parametrize("path", ["/", "/r/", "/r/x", "/r//", "/r//state", "/status", "/study.sqlite"])
def test_without_a_link_there_is_nothing(client: Client, path: str) -> None:
    assert client.ask(path).status == 404


@pytest.mark.parametrize("file", FILES)
def test_a_wrong_link_opens_nothing(client: Client, file: str) -> None:
    assert client.ask(f"/r/wrong/{file}").status == 404


ELSEWHERE = (
    "study.sqlite", "../study.sqlite", "%2e%2e/study.sqlite", "image/-1", "image/x", "image/%C2%B2", "image/99999", "index.html",
    "answer",
)  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_link_opens_nothing_else(client: Client, rater: Rater, name: str) -> None:
    assert client.ask(f"/r/{rater.token}/{name}").status == 404


def test_a_link_without_its_last_slash_leads_to_the_page(client: Client, rater: Rater) -> None:
    reply = client.ask(f"/r/{rater.token}")
    assert (reply.status, reply.headers["location"]) == (307, f"{rater.token}/")


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 0)])
def test_a_part_of_a_link_opens_nothing(client: Client, rater: Rater, cut: slice) -> None:
    assert client.ask(f"/r/{rater.token[cut]}/state").status == 404


def test_an_answer_with_a_wrong_link_is_refused(client: Client, store: StudyStore) -> None:
    assert client.ask("/r/wrong/answer", {"number": 0, "answer": 0}).status == 404
    assert client.ask("/r/wrong/about", {"age": "3"}).status == 404
    assert store.answers() == []


def test_no_page_is_stored_embedded_or_sent_on(client: Client, rater: Rater) -> None:
    headers = client.ask(f"/r/{rater.token}/").headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


# Labels


def whole_session(client: Client, rater: Rater, store: StudyStore) -> dict[str, list[Reply]]:
    """Return every reply to a rater who answers everything."""
    base = f"/r/{rater.token}"
    found: dict[str, list[Reply]] = {f: [client.ask(f"{base}/{f}")] for f in ("", "study.js", "rating.js", "rating.css", "state")}
    found["about"] = [client.ask(f"{base}/about", {"age": "30"})]
    for number, kind in enumerate(store.trials(rater.number)):
        found.setdefault(f"image {kind}", []).append(client.ask(f"{base}/image/{number}"))
        found.setdefault(f"answer {kind}", []).append(client.answer(rater, number, number % 3))
        found["state"].append(client.ask(f"{base}/state"))
    return found


def test_a_reply_about_a_test_image_is_the_next_number_alone(client: Client, rater: Rater, store: StudyStore) -> None:
    session = whole_session(client, rater, store)
    replies = [reply.value for kind in ("test", "repeat") for reply in session[f"answer {kind}"]]
    assert sorted(replies, key=lambda r: r["next"]) == [{"next": n} for n in range(4, 19)]
    assert {tuple(reply.value) for reply in session["state"]} == {("next", "asked")}


def test_nothing_received_names_a_test_image_or_tells_a_repeat(client: Client, rater: Rater, store: StudyStore) -> None:
    session = whole_session(client, rater, store)
    for reply in (r for replies in session.values() for r in replies):
        text = f"{reply.headers} {reply.body.decode('latin-1')}"
        assert DIGEST[:8] not in text
        assert "made-up" not in text
    assert "repeat" not in session["study.js"][0].body.decode()
    kinds = {
        json.dumps({**r.headers, "date": "", "content-length": ""}) for k in ("test", "repeat") for r in session[f"image {k}"]
    }
    assert len(kinds) == 1


def test_the_facts_of_the_page_are_words_and_counts(client: Client, rater: Rater) -> None:
    text = client.ask(f"/r/{rater.token}/study.js").body.decode()
    facts = json.loads(text.removeprefix("window.STUDY = ").removesuffix(";\n"))
    assert set(facts) == {
        "mode",
        "study",
        "rater",
        "words",
        "practice",
        "images",
        "again",
        "pause",
        "question",
        "instructions",
        "ask",
    }
    assert (facts["words"], facts["practice"], facts["images"]) == (["angry", "happy", "very sad"], 3, 15)


def test_an_image_file_has_pixels_and_nothing_else(client: Client, rater: Rater) -> None:
    content = client.ask(f"/r/{rater.token}/image/5").body
    assert re.findall(rb"IHDR|IDAT|IEND|tEXt|zTXt|iTXt|eXIf|tIME", content) == [b"IHDR", b"IDAT", b"IEND"]
    assert content in images().test.values()


def test_feedback_on_practice_comes_after_the_answer(client: Client, rater: Rater, store: StudyStore) -> None:
    before = [client.ask(f"/r/{rater.token}/{f}").body for f in ("study.js", "state")]
    assert b"right" not in b"".join(before)
    assert client.answer(rater, 0).value == {"next": 1, "right": store.right(0, 0)}


# Answers


def test_an_answer_sent_again_is_acknowledged_and_kept_once(client: Client, rater: Rater, store: StudyStore) -> None:
    first, again = client.answer(rater, 0, 1), client.answer(rater, 0, 2)
    assert first.value == again.value
    assert [a.answer for a in store.answers()] == [1]


def test_an_answer_out_of_order_is_refused(client: Client, rater: Rater, store: StudyStore) -> None:
    assert client.answer(rater, 1).status == 400
    assert store.answers() == []


def test_raters_do_not_disturb_each_other(client: Client, store: StudyStore) -> None:
    one, two = store.raters
    for number in range(4):
        client.answer(one, number, 0)
    client.answer(two, 0, 2)
    assert [client.ask(f"/r/{r.token}/state").value["next"] for r in (one, two)] == [4, 1]


BAD: list[Any] = [
    b"", b"{", b"[]", b"null", b"\xff", b"[" * 9000, {}, {"number": 0}, {"number": "0", "answer": 0}, {"number": 0, "answer": 3},
    {"number": 0, "answer": -1}, {"number": 0, "answer": True}, {"number": 0.0, "answer": 0}, {"number": 99, "answer": 0},
    {"number": 0, "answer": 0, "seconds": "x" * MOST_BYTES},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD, ids=[str(b)[:40] for b in BAD])
def test_a_body_that_the_page_never_sends_is_refused(client: Client, rater: Rater, store: StudyStore, body: Any) -> None:
    assert client.ask(f"/r/{rater.token}/answer", body).status == 400
    assert store.answers() == []


@pytest.mark.parametrize("seconds", ["fast", -1, None, 1e9, float("nan")])
def test_a_duration_that_is_none_is_left_out(client: Client, rater: Rater, store: StudyStore, seconds: Any) -> None:
    assert client.answer(rater, 0, seconds=seconds).status == 200
    assert store.answers()[0].seconds is None


def test_an_answer_that_cannot_be_written_is_not_acknowledged(client: Client, rater: Rater, store: StudyStore) -> None:
    store._rows("PRAGMA query_only = ON")
    assert client.answer(rater, 0).status == 503
    store._rows("PRAGMA query_only = OFF")
    assert client.answer(rater, 0).status == 200


@pytest.mark.parametrize("about", [{"age": 30}, {"age": "old"}, {"age": "1" * 201}, {"sex": "cat"}])
def test_a_wrong_answer_about_the_rater_is_refused(client: Client, rater: Rater, store: StudyStore, about: Any) -> None:
    assert client.ask(f"/r/{rater.token}/about", about).status == 400
    assert store.about(0) is None


def test_questions_about_the_rater_may_be_left_empty_and_are_asked_once(client: Client, rater: Rater, store: StudyStore) -> None:
    assert client.ask(f"/r/{rater.token}/state").value["asked"] is False
    assert client.ask(f"/r/{rater.token}/about", {"sex": "", "other": "thing"}).value["asked"] is True
    assert store.about(0) == {"age": "", "sex": ""}


def test_other_methods_are_refused(client: Client, rater: Rater) -> None:
    assert client.ask(f"/r/{rater.token}/state", method="DELETE").status == 404


# The address


def test_loopback_is_told_from_other_addresses() -> None:
    with listen("127.0.0.1", 0) as own, listen("0.0.0.0", 0) as all_of_them:
        assert (is_loopback(own), is_loopback(all_of_them)) == (True, False)
        assert address_of(own) == f"http://127.0.0.1:{own.getsockname()[1]}"
        assert address_of(all_of_them) == f"http://{socket.gethostname()}:{all_of_them.getsockname()[1]}"


def test_a_port_in_use_is_an_error() -> None:
    with listen("127.0.0.1", 0) as used, pytest.raises(SpecError, match=r"cannot be used .*; give another one with --port"):
        listen("127.0.0.1", used.getsockname()[1])


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"give another one with --port|is not an address of this machine"):
        listen("192.0.2.1", 0)


def test_a_port_that_cannot_be_is_an_error() -> None:
    with pytest.raises(SpecError, match="--port 70000: must be 0 to 65535"):
        listen("127.0.0.1", 70000)
