"""Results: reported, and packed for others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dabench.errors import StoreError
from dabench.storage.mirror import Remote
from dabench.storage.remote_fs import is_remote
from dabench.storage.run_store import Store

if TYPE_CHECKING:
    from dabench.analysis.frames import Results
    from dabench.analysis.matrix import Matrix
    from dabench.analysis.trials import Trial

Files = str | Path | Mapping[str, str | Path] | None
"""A file about the images of the only dataset that there is, or dataset -> file."""


def report(
    runs: str | Path,
    *,
    metric: str = "accuracy",
    select: str | None = None,
    human: Files = None,
    by: Files = None,
    published: bool = True,
    write: bool = True,
    out: str | Path | None = None,
) -> Matrix:
    """Return the matrix of a sweep's output folder, or of a pack of it, and write its report; trains nothing.

    Args:
        runs: the folder that `sweep` wrote (or its address, s3://...), or the .zip that `export` wrote.
        metric: "accuracy", "balanced-accuracy", "macro-f1", "ece", "recall:CLASS" or "worst-group:ATTRIBUTE".
        select: the rule that chooses a checkpoint of each run; the last if not given.
        human: the answers of people, as `dabench.analysis.human` describes them: a CSV, or of several datasets {"nae": "answers.csv"}.
        by: attributes of test images for results by group, as `dabench.analysis.attributes` describes them: a CSV, or of several
            datasets {"fer2013": "audit/fer2013/test-fer2013.csv"}.
        published: lay published numbers beside those measured, where the committed tables have some for the same datasets.
        write: write the files of the report, too.
        out: the folder for them; default runs/report/. Of a pack nothing is written unless it is given.

    Raises:
        StoreError: it is no sweep's folder and no pack, or is damaged, or `out` holds something else.
        SpecError: an unknown metric or rule.
        DataError: a file of answers or attributes cannot be read, or a line of it is wrong.
    """
    from dabench.analysis.baselines import with_published
    from dabench.analysis.export import opened
    from dabench.analysis.human import with_people
    from dabench.analysis.matrix import read_matrix

    folder = report_place(runs, out) if write else None
    matrix = read_matrix(opened(runs), metric, select, _files(by))
    if human:
        matrix = with_people(matrix, _files(human))
    if published:
        matrix = with_published(matrix)
    if folder:
        from dabench.report.write import write_report

        write_report(matrix, folder)
        if is_remote(runs) and out is None:
            far = Remote(str(runs))
            far.send("report")
            far.close()
    return matrix


def _files(given: Files) -> dict[str, Path]:
    """Return dataset -> file; "" stands for the only dataset that there is."""
    files = given if isinstance(given, Mapping) else {"": given} if given else {}
    return {name: Path(file).expanduser() for name, file in files.items()}


def trials(runs: str | Path, *, test_accuracy: bool = False) -> list[Trial]:
    """Return the trials of a sweep's search, task by task; `dabench.analysis.trials.Trial` says what is known of each.

    Args:
        runs: the folder that `sweep` wrote, or the .zip that `export` wrote.
        test_accuracy: look at the test labels, too: to see what the choice cost, not to choose.

    Raises:
        SpecError: the sweep searches nothing.
        StoreError: it is no sweep's folder, or the trials' runs are not in it.
    """
    from dabench.analysis.export import opened
    from dabench.analysis.trials import read_trials

    return read_trials(opened(runs), test_accuracy=test_accuracy)


def report_place(runs: str | Path, out: str | Path | None) -> Path | None:
    """Return the folder into which the report of an output folder or pack goes; None: it is not written.

    Raises:
        StoreError: `out` holds something that is no report.
    """
    if out is None and is_remote(runs):
        return Remote(str(runs)).store.report
    if out is None:
        return None if Path(runs).is_file() else Store(Path(runs)).report
    folder = Path(out).expanduser()
    if folder.exists() and not (folder / "results.json").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: is there already and no report; give another folder with --out")
    return folder


def export(
    runs: str | Path, to: str | Path | None = None, *, attributes: bool = True, answers: bool = False, counts: bool = False
) -> Path:
    """Pack what another person needs to check the tables of a sweep into one zip, and return its path.

    What is in it is said in `dabench.analysis.export`: no images and no networks. `report` reads it as it reads the output folder.

    Args:
        runs: the folder that `sweep` wrote.
        to: the zip to write; default NAME.zip after the sweep.
        attributes: put attributes of the people in the test images (age, sex, ...) in, too.
        answers: of predictions put the classes in alone, a small part of the size: all tables but those of confidences.
        counts: so, and of each dataset how many test images there are of each sort alone, so that no image's label is given away.

    Raises:
        StoreError: it is no sweep's folder, or the zip is there already or cannot be written.
    """
    from dabench.analysis.export import opened, write_pack

    stored = opened(runs)
    path = Path(to).expanduser() if to else Path(f"{stored.read_sweep().sweep.name}.zip")
    return write_pack(stored, path, attributes=attributes, answers=answers, counts=counts)


def load(runs: str | Path, *, metric: str = "accuracy", select: str | None = None) -> Results:
    """Return the results of a sweep as pandas frames and numpy arrays; `dabench.analysis.frames.Results` describes every column.

    Args:
        runs: the folder that `sweep` wrote, or the .zip that `export` wrote.
        metric, select: as `report` takes them.

    Raises:
        StoreError, SpecError: as `report` does.
    """
    from dabench.analysis.export import opened
    from dabench.analysis.frames import Results
    from dabench.analysis.matrix import read_matrix

    return Results(read_matrix(opened(runs), metric, select))
