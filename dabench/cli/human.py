"""The commands of a human study: write test images, serve or write the page on which people rate them, and export the answers."""

from __future__ import annotations

import argparse
import json
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.cli.common import DONE, CommandAdder, stdout_console, takes_data, takes_set
from dabench.errors import DataError, SpecError

if TYPE_CHECKING:
    from dabench.rating.study import StudySettings

SETTINGS = ("per_class", "seed", "repeats", "practice", "pause", "question")


def add(verb: CommandAdder) -> None:
    """Add the commands of this module."""
    group = verb.group("human", "have people label test images, for a human row in the report")
    sub = group("images", _images, "write test images without labels, and a CSV for answers", plugins=True)
    sub.add_argument("dataset", metavar="DATASET", help="a dataset")
    sub.add_argument("--to", metavar="DIR", help="new folder for the images; default: human/DATASET")
    sub.add_argument("--images", type=int, metavar="N", help="number of images, balanced over classes (default 70)")
    sub.add_argument("--seed", type=int, default=0, help="seed of the random choice of images (default 0)")
    _takes_dataset(sub)

    _add_pages(group)
    sub = group("status", _status, "show how far each rater of a study is")
    sub.add_argument("study", metavar="STUDY", help="the folder of a study")
    sub.add_argument("--json", action="store_true", help="print JSON")

    sub = group("export", _export, "write answers.csv for dabench report --human, and raters.csv")
    sub.add_argument(
        "what", nargs="+", metavar="STUDY|FILE", help="the folder of a study, or the CSV files that raters sent back"
    )
    sub.add_argument("--to", metavar="DIR", help="folder for the files; default: the folder of the study")


def _add_pages(group: CommandAdder) -> None:
    """Add the two commands that make the page."""
    sub = group("serve", _serve, "serve a page on which people rate test images, with a link for each rater", plugins=True)
    sub.add_argument(
        "dataset", metavar="DATASET|SWEEP|STUDY", help="a dataset, a sweep with one dataset, or the folder of a study to continue"
    )
    sub.add_argument("--to", metavar="DIR", help="folder of the study; default: human/DATASET-study")
    sub.add_argument("--raters", type=int, metavar="N", help="number of raters; default: 4, or those that the study has")
    sub.add_argument("--host", default="127.0.0.1", help="address on which to listen (default 127.0.0.1: this machine only)")
    sub.add_argument("--port", type=int, default=8400, help="port on which to listen (default 8400; 0: any free port)")
    sub.add_argument("--url", help="address of the page in the links, if raters reach it through another server")
    _takes_settings(sub)
    _takes_dataset(sub)

    sub = group("page", _page, "write the page as files that work from disk, without a server", plugins=True)
    sub.add_argument("dataset", metavar="DATASET|SWEEP", help="a dataset, or a sweep with one dataset")
    sub.add_argument("--to", metavar="DIR", help="new folder for the page; default: human/DATASET-page")
    sub.add_argument("--raters", type=int, default=4, metavar="N", help="number of raters (default 4)")
    _takes_settings(sub)
    _takes_dataset(sub)


def _takes_dataset(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--sweep", help="sweep whose report is to show the answers: use its image size and classes")
    sub.add_argument("--raw", metavar="DIR", help="folder with the raw files; default: DATA/DATASET")
    takes_data(sub)
    takes_set(sub, "override a key of the sweep, or set an option of the dataset")


def _takes_settings(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--per-class", type=int, metavar="N", help="test images of each class, all if there are fewer (default 30)")
    sub.add_argument("--seed", type=int, help="seed of the choice and order of images (default 0)")
    sub.add_argument(
        "--repeats", type=float, metavar="SHARE", help="share of the images that each rater sees twice (default 0.1)"
    )
    sub.add_argument("--practice", type=int, metavar="N", help="number of practice images, from the training split (default 10)")
    sub.add_argument("--pause", type=int, metavar="N", help="number of images between two proposed pauses (default 50)")
    sub.add_argument("--question", metavar="TEXT", help="what is asked about each image; default: Which word describes ...")
    sub.add_argument("--instructions", metavar="FILE", help="text file with the instructions; empty lines separate paragraphs")
    sub.add_argument(
        "--ask", action="append", default=[], metavar="NAME=KIND",
        help="ask raters about themselves: NAME=number, NAME=text or NAME=A,B,...; may be repeated; default: nothing is asked",
    )  # fmt: skip


def _settings(a: argparse.Namespace) -> StudySettings | None:
    """Return the settings on the command line, or None if there are none."""
    from dabench.rating.study import StudySettings, rater_question

    given = {name: getattr(a, name) for name in SETTINGS if getattr(a, name) is not None}
    if a.ask:
        given["ask"] = tuple(map(rater_question, a.ask))
    if a.instructions:
        given["instructions"] = _paragraphs(Path(a.instructions))
    return StudySettings(**given) if given else None


def _paragraphs(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"--instructions {path}: cannot be read as UTF-8 text ({e})") from e
    found = tuple(" ".join(part.split()) for part in text.replace("\r\n", "\n").split("\n\n") if part.strip())
    if not found:
        raise DataError(f"--instructions {path}: is empty; write the text that raters read first, or omit the option")
    return found


def _images(a: argparse.Namespace) -> int:
    from dabench import api

    if a.seed < 0:
        raise SpecError(f"--seed {a.seed}: must be 0 or more")
    files = api.human(
        a.dataset, a.to, images=a.images, seed=a.seed, sweep=a.sweep, raw=a.raw, data=a.data, plugins=a.plugin, set=a.set
    )
    folder = files[0].parent
    print(f"{folder}: {len(files) - 2} images, classes.txt, and answers.csv with one line per image")
    print("Each person fills in a copy of answers.csv: a name in column rater, a class in column answer.")
    print(_report(a.dataset, folder / "answers.csv"))
    return DONE


def _report(dataset: str, answers: Path) -> str:
    """Return the next command. Without a dataset, it is for sweeps with one dataset."""
    return f"Next: dabench report RUNS --human {shlex.quote(f'{dataset}={answers}' if dataset else str(answers))}"


def _serve(a: argparse.Namespace) -> int:
    from dabench import api

    folder = api.human_serve(
        a.dataset, a.to, settings=_settings(a), raters=a.raters, host=a.host, port=a.port, url=a.url, sweep=a.sweep, raw=a.raw,
        data=a.data, plugins=a.plugin, set=a.set, announce=_print_links,
    )  # fmt: skip
    print(f"\nStopped. All answers are in {folder}. Next: dabench human export {shlex.quote(str(folder))}")
    return DONE


def _print_links(folder: Path, links: list[tuple[str, str]]) -> None:
    print(f"{folder}: answers are kept here. Give each rater one link, and nobody else:")
    for name, link in links:
        print(f"  {name}  {link}")
    print("Stop with Ctrl+C; the same command goes on later, with the same links.", flush=True)


def _page(a: argparse.Namespace) -> int:
    from dabench import api

    pages = api.human_page(
        a.dataset,
        a.to,
        settings=_settings(a),
        raters=a.raters,
        sweep=a.sweep,
        raw=a.raw,
        data=a.data,
        plugins=a.plugin,
        set=a.set,
    )
    folder = pages[0].parent
    print(f"{folder}: {', '.join(page.name for page in pages)}")
    print("Give each rater the whole folder and the name of one page. The last screen downloads the answers as a CSV.")
    print("Practice images have no feedback there, because the files have no labels.")
    print(f"Next: dabench human export RATER.csv ... --to {shlex.quote(f'{folder}-answers')}")
    return DONE


def _status(a: argparse.Namespace) -> int:
    from dabench import api

    rows = api.human_status(a.study)
    if a.json:
        print(json.dumps(rows, indent=1))
        return DONE
    from rich import box
    from rich.table import Table

    table = Table(*rows[0], box=box.SIMPLE_HEAD) if rows else Table()
    for row in rows:
        table.add_row(*row.values())
    stdout_console().print(table)
    return DONE


def _dataset_of(what: Path) -> str:
    """Return the dataset of a study; nothing for a file that a rater sent back, which does not name it."""
    from dabench.rating.store import has_study, open_study

    if not has_study(what):
        return ""
    with closing(open_study(what)) as store:
        return store.dataset


def _export(a: argparse.Namespace) -> int:
    from dabench import api

    files = api.human_export(*a.what, to=a.to)
    print(f"Written: {', '.join(map(str, files))}")
    print(_report(_dataset_of(Path(a.what[0])), files[0]))
    return DONE
