"""The commands of a human study: serve, page, status and export, and the way from answers to the report."""

from __future__ import annotations

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from served import Client, images, study
from tiny_sweeps import SHAPES, TINY

import dabench
from dabench.cli import main
from dabench.errors import DataError, SpecError, StoreError
from dabench.rating import server
from dabench.rating.export import read_returned, study_rows, write_answers
from dabench.rating.store import StudyStore, open_study
from dabench.rating.study import RaterQuestion

pytestmark = pytest.mark.usefixtures("registry_restored")

SERVE = ["human", "serve", "bright", "--plugin", str(SHAPES), "--port", "0"]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that is stopped as soon as it is started, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(server, "run", lambda store, listening: None)


def answer_all(store: StudyStore, rater: int, answer: int = 1) -> None:
    for number, _ in enumerate(store.trials(rater)):
        store.keep(rater, number, answer, 2.0, False)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


# Serve


def test_serve_prints_a_link_for_each_rater_on_this_machine_alone(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SERVE, "--raters", "3"]) == 0
    shown = capsys.readouterr()
    links = re.findall(r"^  rater-\d  http://127\.0\.0\.1:\d+/r/([\w-]{22,})/$", shown.out, flags=re.M)
    assert len(set(links)) == 3
    assert "without encryption" not in shown.err
    assert shown.out.endswith("All answers are in human/bright-study. Next: dabench human export human/bright-study\n")


def test_other_machines_reach_the_page_only_with_a_link_that_cannot_be_guessed(
    at_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SERVE, "--host", "0.0.0.0", "--raters", "1"]) == 0
    shown = capsys.readouterr()
    assert re.search(r"^  rater-1  http://\S+:\d+/r/[\w-]{22,}/$", shown.out, flags=re.M)
    assert "0.0.0.0: other machines reach this page, and it is sent without encryption" in shown.err


def test_links_may_lead_through_another_server(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SERVE, "--raters", "1", "--url", "https://study.example.org/faces/"]) == 0
    assert re.search(r"rater-1  https://study\.example\.org/faces/r/[\w-]+/\n", capsys.readouterr().out)


def test_the_same_command_goes_on_with_the_same_links(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for arguments in (SERVE, SERVE, ["human", "serve", "human/bright-study", "--port", "0"]):
        assert main(arguments) == 0
        outputs.append(re.findall(r"/r/\S+", capsys.readouterr().out))
    assert outputs[0] == outputs[1] == outputs[2]


def test_a_study_keeps_its_number_of_raters(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SERVE, "--raters", "2"]) == 0
    assert main(SERVE) == 0
    assert len(dabench.human_status("human/bright-study")) == 2


def test_other_settings_do_not_change_a_study(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SERVE) == 0
    assert main([*SERVE, "--per-class", "5"]) == 2
    assert "human/bright-study: has a study with other settings (per-class 30)" in capsys.readouterr().err
    assert main(["human", "serve", "human/bright-study", "--pause", "5"]) == 2
    assert (
        "is a study, which keeps its folder, images and settings; give only --raters and the address" in capsys.readouterr().err
    )


def test_settings_of_the_command_line_reach_the_study(at_once: None) -> None:
    Path("text.txt").write_text("Look at\nthe image.\n\n\nThen choose.\n", encoding="utf-8")
    settings = shlex.split(
        "--per-class 2 --seed 3 --repeats 0.25 --practice 4 --pause 9 --question Which? --instructions text.txt"
    )
    assert main([*SERVE, *settings, "--ask", "age=number"]) == 0
    with closing(open_study(Path("human/bright-study"))) as store:
        found = store.settings
        kinds = store.trials(0)
    assert (found.per_class, found.seed, found.repeats, found.practice, found.pause) == (2, 3, 0.25, 4, 9)
    assert (found.question, found.instructions) == ("Which?", ("Look at the image.", "Then choose."))
    assert found.ask == (RaterQuestion("age", "number"),)
    assert [kinds.count(kind) for kind in ("practice", "test", "repeat")] == [4, 8, 2]


def test_a_sweep_of_several_datasets_is_an_error_with_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["human", "serve", "quick"]) == 2
    assert "quick: has the datasets font-digits, uci-digits; name one: font-digits --sweep quick" in capsys.readouterr().err


def test_a_sweep_of_one_dataset_is_rated_with_its_classes(at_once: None) -> None:
    classes = dabench.prepare("bright", plugins=[SHAPES]).classes[:2]
    head = f"size = 18\nclasses = {json.dumps(classes)}"
    text = TINY.format(adapters='["none"]', head=head, tables="").replace('["bright", "pale"]', '["bright"]')
    Path("tiny.toml").write_text(text, encoding="utf-8")
    assert main(["human", "serve", "tiny.toml", "--plugin", str(SHAPES), "--port", "0"]) == 0
    with closing(open_study(Path("human/bright-study"))) as store:
        assert store.classes == tuple(classes)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_is_an_error_with_its_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(SERVE) == 2
    said = capsys.readouterr().err
    assert f"dabench human serve needs the package {package}, which is not installed: pip install 'dabench[human]'" in said


@pytest.mark.parametrize("raters", ["0", "1001"])
def test_a_number_of_raters_that_cannot_be_is_an_error(capsys: pytest.CaptureFixture[str], raters: str) -> None:
    assert main([*SERVE, "--raters", raters]) == 2
    assert f"--raters {raters}: must be 1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"), [(b"\n \n", "is empty; write the text"), (b"\xff\xfe\xff", "cannot be read as UTF-8")]
)
def test_instructions_that_cannot_be_read_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    assert main([*SERVE, "--instructions", str(tmp_path / "text.txt")]) == 2
    assert said in capsys.readouterr().err


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process, and a link."""
    with study(tmp_path / "s", raters=1):
        pass
    command = [sys.executable, "-m", "dabench", "human", "serve", str(tmp_path / "s"), "--raters", "1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        lines = [running.stdout.readline() for _ in range(3)]
        yield running, lines[1].split()[1]
        running.kill()


def test_the_process_serves_until_it_is_interrupted(process: tuple[subprocess.Popen[str], str]) -> None:
    running, link = process
    port, token = re.search(r":(\d+)/r/([^/]+)/", link).groups()  # type: ignore[union-attr]
    client = Client(int(port))
    with closing(client.connection):
        assert client.ask(f"/r/{token}/answer", {"number": 0, "answer": 1}).status == 200
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert "Stopped. All answers are in" in out


# Status


def test_status_is_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with study(tmp_path / "s") as store:
        answer_all(store, 0)
        assert main(["human", "status", str(tmp_path / "s")]) == 0
        assert re.search(r"rater-1 +1 of 3 +12 of 12 +1 of 1", capsys.readouterr().out)
        assert main(["human", "status", str(tmp_path / "s"), "--json"]) == 0
    assert [row["images"] for row in json.loads(capsys.readouterr().out)] == ["12 of 12", "0 of 12"]


# Export


def test_each_answer_is_in_answers_once_and_repeats_are_marked(tmp_path: Path) -> None:
    with study(tmp_path / "s", repeats=0.25) as store:
        answer_all(store, 0)
        store.keep(1, 0, 0, 1.0, False)
    files = dabench.human_export(tmp_path / "s")
    assert files == [tmp_path / "s" / f"{name}.csv" for name in ("answers", "raters")]
    rows, raters = map(rows_of, files)
    assert list(rows[0]) == ["rater", "image", "answer", "repeat", "seconds", "time", "interrupted"]
    answers, repeats = ([row for row in rows if row["repeat"] == word] for word in ("no", "yes"))
    assert sorted(row["image"] for row in answers) == sorted(images().test)
    assert {(row["rater"], row["answer"], row["seconds"], row["interrupted"]) for row in answers} == {
        ("rater-1", "happy", "2.000", "no")
    }
    assert (len(repeats), raters) == (3, [{"rater": "rater-1"}])


def test_what_raters_say_about_themselves_is_a_column_each_and_no_formula(tmp_path: Path) -> None:
    ask = (RaterQuestion("age", "number"), RaterQuestion("job", "text"))
    with study(tmp_path / "s", ask=ask) as store:
        store.keep_about(0, {"age": "30", "job": '=cmd|"/c calc"'})
        answer_all(store, 0)
        answer_all(store, 1)
    assert rows_of(dabench.human_export(tmp_path / "s")[1]) == [
        {"rater": "rater-1", "age": "30", "job": '\'=cmd|"/c calc"'},
        {"rater": "rater-2", "age": "", "job": ""},
    ]


def test_classes_are_written_as_they_are(tmp_path: Path) -> None:
    with study(tmp_path / "s", made=images(classes=("-1", "+1", "=0"))) as store:
        answer_all(store, 0, 2)
    assert {row["answer"] for row in rows_of(dabench.human_export(tmp_path / "s")[0])} == {"=0"}


def test_an_export_after_more_answers_replaces_the_first(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        for number in range(5):
            store.keep(0, number, 0, 1.0, False)
        dabench.human_export(tmp_path / "s", to=tmp_path / "to")
        answer_all(store, 0)
    answers, *_ = dabench.human_export(tmp_path / "s", to=tmp_path / "to")
    assert len(rows_of(answers)) == 13


def test_a_file_with_lines_of_its_own_is_not_overwritten(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        answer_all(store, 0)
    (tmp_path / "s" / "raters.csv").write_text("my notes\n")
    with pytest.raises(StoreError, match=r"raters\.csv: has 1 lines that the study does not have; give another folder with --to"):
        dabench.human_export(tmp_path / "s")
    assert (tmp_path / "s" / "raters.csv").read_text() == "my notes\n"
    assert not (tmp_path / "s" / "answers.csv").exists()


def test_without_answers_there_is_nothing_to_export(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        store.keep(0, 0, 0, 1.0, False)  # practice
        with pytest.raises(StoreError, match="there are no answers to export yet; dabench human status shows"):
            write_answers(tmp_path, *study_rows(store))


@pytest.mark.parametrize("what", [(), ("s", "s")])
def test_one_study_or_files_can_be_exported(tmp_path: Path, what: tuple[str, ...]) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(SpecError, match="give the folder of one study, or the CSV files that raters sent back"):
        dabench.human_export(*(tmp_path / w for w in what))


HEAD = "rater,image,answer,repeat,seconds,time,interrupted,age\n"
LINE = "rater-1,01234567-3,happy,no,1.0,2026-01-01T00:00:00.000Z,no,30\n"


def test_files_that_raters_sent_are_joined_and_equal_lines_taken_once(tmp_path: Path) -> None:
    again = LINE.replace(",no,1.0", ",yes,2.0")
    (tmp_path / "a.csv").write_text(HEAD + LINE)
    (tmp_path / "b.csv").write_text(HEAD + LINE + again)
    (tmp_path / "c.csv").write_text(HEAD + LINE.replace("rater-1", "rater-2").replace(",30", ","))
    files = dabench.human_export(*(tmp_path / f"{n}.csv" for n in "abc"), to=tmp_path / "to")
    answers, raters = map(rows_of, files)
    assert [(row["rater"], row["repeat"], row["seconds"]) for row in answers] == [
        ("rater-1", "no", "1.0"), ("rater-1", "yes", "2.0"), ("rater-2", "no", "1.0"),
    ]  # fmt: skip
    assert raters == [{"rater": "rater-1", "age": "30"}, {"rater": "rater-2", "age": ""}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINE.replace("happy", "angry"), r"b\.csv, line 2: rater 'rater-1' says something else than in .*a\.csv, line 2"),
        (LINE.replace("-3,", "-6,").replace(",30", ",31"), r"b\.csv, line 2: rater 'rater-1' says something else"),
        (LINE.replace(",no,1", ",maybe,1"), "repeat is 'maybe'; it must be yes or no"),
    ],
)
def test_files_that_contradict_each_other_are_an_error(tmp_path: Path, line: str, said: str) -> None:
    for name, text in (("a", LINE), ("b", line)):
        (tmp_path / f"{name}.csv").write_text(HEAD + text)
    with pytest.raises(DataError, match=said):
        read_returned([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_files_of_raters_need_a_folder_to_write_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["human", "export", str(tmp_path / "a.csv")]) == 2
    assert "a.csv: name the folder for the answers with --to" in capsys.readouterr().err


def test_exported_answers_become_the_human_row(at_once: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.toml").write_text(TINY.format(adapters='["none"]', head="", tables=""), encoding="utf-8")
    dabench.sweep("tiny.toml", plugins=[SHAPES], engine="inline", quiet=True)
    assert (
        main(["human", "serve", "pale", "--sweep", "tiny.toml", "--plugin", str(SHAPES), "--per-class", "5", "--port", "0"]) == 0
    )
    with closing(open_study(Path("human/pale-study"))) as store:
        answer_all(store, 0)
        answer_all(store, 3)
    assert main(["human", "export", "human/pale-study"]) == 0
    assert capsys.readouterr().out.endswith("Next: dabench report RUNS --human pale=human/pale-study/answers.csv\n")
    matrix = dabench.report("runs/tiny", human={"pale": "human/pale-study/answers.csv"}, write=False)
    (cell,) = [c for c in matrix.cells if c.adapter == "human"]
    assert (cell.mean, matrix.human["pale"].raters, matrix.human["pale"].images) == (25, 2, 20)
    assert [(rater.repeats, rater.same) for rater in matrix.human["pale"].by_rater] == [(2, 2), (2, 2)]


# Page


def test_the_pages_of_a_study_have_no_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "page"
    assert (
        main(["human", "page", "bright", "--plugin", str(SHAPES), "--to", str(folder), "--per-class", "3", "--raters", "2"]) == 0
    )
    out = capsys.readouterr().out
    assert f"{folder}: rater-1.html, rater-2.html" in out
    assert "Practice images have no feedback there, because the files have no labels." in out
    names = {p.name for p in folder.iterdir()}
    assert names == {"images", "rating.css", "rating.js", *(f"rater-{n}.{end}" for n in (1, 2) for end in ("html", "js"))}
    text = (folder / "rater-1.js").read_text()
    facts = json.loads(text.removeprefix("window.STUDY = ").removesuffix(";\n"))
    assert set(facts) == {
        "mode", "study", "rater", "words", "classes", "practice", "images", "again", "pause", "question", "instructions", "ask",
        "trials",
    }  # fmt: skip
    assert {tuple(map(type, trial)) for trial in facts["trials"]} == {(str, str)}
    assert {kind for _, kind in facts["trials"]} == {"practice", "test", "repeat"}
    assert {name for name, _ in facts["trials"]} == {p.stem for p in (folder / "images").iterdir()}


def test_a_page_in_a_folder_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main(["human", "page", "bright", "--plugin", str(SHAPES), "--to", str(tmp_path)]) == 2
    assert "exists; use another folder with --to" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
