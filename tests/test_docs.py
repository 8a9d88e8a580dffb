"""Every command of README and docs is one that dabench takes, and every printed output is what the command prints."""

from __future__ import annotations

import io
import re
import shlex
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from command_list import command_in

from dabench.cli import main, make_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_OTHERWISE = {"make quick": "dabench report runs/quick"}
"""What is run in the place of a command that trains for minutes."""


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the fenced blocks of a page in one of the languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def arguments_in(lines: list[str]) -> Iterator[list[str]]:
    """Yield the arguments of each dabench command among lines."""
    for line in lines:
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # variables of the environment
            words = words[1:]
        if words[:1] == ["dabench"]:
            yield words[1:]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of each dabench command in the shell blocks of a page."""
    yield from arguments_in("\n".join(blocks(page, "sh", "console")).replace("\\\n", " ").splitlines())


def mentions(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of each command that the running text of a page mentions, in part or in full."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    yield from arguments_in([" ".join(code.split()) for code in re.findall(r"`(dabench [a-z-][^`]*)`", text)])


def parameters(find: Callable[[Path], Iterator[list[str]]]) -> list[Any]:
    return [pytest.param(a, id=f"{page.name}-{' '.join(a)[:60]}") for page in PAGES for a in find(page)]


def taken(arguments: list[str]) -> bool:
    """Whether dabench takes these arguments; --help and --version end the parser without an error."""
    try:
        make_parser().parse_args(arguments)
    except SystemExit as end:
        return end.code == 0
    return True


def flags_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    command = command_in(arguments)
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0, command
    return set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))


def test_commands_are_found() -> None:
    assert len(parameters(commands)) > 15
    assert len(parameters(mentions)) > 30


@pytest.mark.parametrize("arguments", parameters(commands))
def test_dabench_takes_a_command_of_the_docs(arguments: list[str]) -> None:
    assert taken(arguments)


@pytest.mark.parametrize("arguments", parameters(mentions))
def test_a_command_in_the_text_has_a_verb_and_flags_that_exist(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if not arguments[0].startswith("-"):
        flags = {re.match(r"--[a-z-]*", word)[0] for word in arguments if word.startswith("--")}
        assert flags <= flags_of(arguments, capsys)


def test_a_command_with_a_wrong_flag_is_found() -> None:
    assert not taken(["report", "RUNS", "--nonsense"])


# Output


def same(printed: list[str], shown: list[str]) -> bool:
    """Whether lines are those shown, where a line "..." stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(same(printed[i:], shown[1:]) for i in range(len(printed) + 1))
    return bool(printed) and printed[0] == shown[0] and same(printed[1:], shown[1:])


def shown_outputs(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of the console blocks of a page, with the lines shown as its output."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            yield command, [line.rstrip() for line in lines]


SHOWN = [pytest.param(c, lines, id=f"{page.name}-{c[:60]}") for page in PAGES for c, lines in shown_outputs(page)]


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a working folder with runs/quick and runs/digits-zoo, from the records of the committed tables."""
    for name in ("quick", "digits-zoo"):
        with zipfile.ZipFile(ROOT / "baselines" / f"{name}.zip") as pack:
            pack.extractall(tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_an_output_of_the_docs_is_what_is_printed(command: str, shown: list[str], stores: None) -> None:
    words = shlex.split(_OTHERWISE.get(command, command), comments=True)
    assert words[0] == "dabench"
    with redirect_stdout(io.StringIO()) as out:
        assert main(words[1:]) == 0
    assert same([line.rstrip() for line in out.getvalue().strip("\n").splitlines()], shown)


def test_an_output_with_another_digit_is_found() -> None:
    assert same(["a", "b 1", "c"], ["...", "b 1", "..."])
    assert not same(["a", "b 1", "c"], ["...", "b 2", "..."])


INTERVAL = re.compile(r"[+-]?\d+\.\d(?: %)? [\[(][+-]?\d+\.\d, [+-]?\d+\.\d[\])]")


@pytest.mark.parametrize("page", ["README.md", "docs/results.md", "docs/reading-a-report.md", "docs/tour.md"])
def test_every_number_with_an_interval_is_that_of_a_committed_table(page: str) -> None:
    tables = "".join(table.read_text(encoding="utf-8") for table in (ROOT / "baselines").glob("*.md"))
    tables += "71.8 [70.6, 73.1]"  # paper-fer2013 by the last checkpoint, which its table does not show
    numbers = INTERVAL.findall(" ".join((ROOT / page).read_text(encoding="utf-8").split()))
    assert numbers
    assert [n for n in numbers if n.replace(" %", "") not in tables] == []


def test_the_number_beside_its_table_is_that_of_the_last_checkpoint() -> None:
    with redirect_stdout(io.StringIO()) as out:
        assert main(["report", str(ROOT / "baselines" / "paper-fer2013.zip")]) == 0
    assert "71.8 [70.6, 73.1]" in out.getvalue()


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        file = (page.parent / path).resolve() if path else page
        headings = (
            re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M)
            if file.suffix == ".md" and file.is_file()
            else []
        )
        anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
        if not file.exists() or (anchor and anchor not in anchors):
            broken.append(link)
    assert broken == []
