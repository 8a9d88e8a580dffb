"""Write the pages of a human study as files that work from disk, and read the answers that raters send back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from dabench.errors import StoreError
from dabench.rating.images import StudyImages
from dabench.rating.page import FILES, FOLDER, facts_for, index, script_of
from dabench.rating.study import StudySettings, Trial, trials_for


def write_pages(folder: Path, images: StudyImages, settings: StudySettings, raters: int) -> list[Path]:
    """Write a page for each rater, and the images that all of them show; return the pages.

    The page keeps answers in the browser until the rater downloads them as a CSV. No file has a label of an image.

    Raises:
        StoreError: the folder is not empty or cannot be written.
    """
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise StoreError(f"{folder}: exists; use another folder with --to")
    study, names = token_hex(8), list(images.test)
    try:
        (folder / "images").mkdir(parents=True)
        for name, png in images.test.items():
            (folder / "images" / f"{name}.png").write_bytes(png)
        for number, (png, _) in enumerate(images.practice):
            (folder / "images" / f"practice-{number + 1}.png").write_bytes(png)
        for name in FILES:
            (folder / name).write_bytes((FOLDER / name).read_bytes())
        pages = []
        for number in range(raters):
            rater = f"rater-{number + 1}"
            trials = trials_for(number, settings, len(names), len(images.practice))
            facts = facts_for(rater, study, images.classes, settings, [trial.kind for trial in trials])
            facts |= {"mode": "file", "classes": images.classes, "trials": _places(trials, names)}
            (folder / f"{rater}.js").write_text(script_of(facts), encoding="utf-8")
            pages.append(folder / f"{rater}.html")
            pages[-1].write_text(index(f"{rater}.js"), encoding="utf-8")
    except OSError as e:
        raise StoreError(f"{folder}: cannot be written ({e.strerror or e}); give another folder with --to") from e
    return pages


def _places(trials: Sequence[Trial], names: Sequence[str]) -> list[list[str]]:
    """Return (name of the image, kind) of each trial."""
    return [[f"practice-{t.image + 1}" if t.kind == "practice" else names[t.image], t.kind] for t in trials]
