"""Look at folders of images and write a sweep file with what was found, for the user to read and change."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dabench.data.decoding import header
from dabench.data.folder_names import same_name
from dabench.data.folders import Picture, files_below, picture_files
from dabench.data.layouts import class_names, read_layout
from dabench.errors import DataError, SpecError, StoreError
from dabench.storage.atomic import new_file

_VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv"}

_LOOKED_AT = 200
"""Most images of a folder whose size is read."""

_UNEQUAL = 3
"""A class that is so many times as frequent as another one is worth a word."""

_LARGE = 64
"""Images with more pixels on a side are for a network that starts from published weights."""


@dataclass(frozen=True)
class FolderFacts:
    """What was found in a folder.

    Attributes:
        name: its name in the sweep. form: "images", "parquet" or "videos".
        classes: names of its classes -> number of images; empty if they are not known without reading the files.
        sides: sides of its images in pixels, of those that were looked at. grey: whether all of these are grey.
        about: a line on it for the sweep file.
    """

    name: str
    path: Path
    form: str
    classes: dict[str, int] = field(default_factory=dict)
    sides: tuple[int, ...] = ()
    grey: bool = False
    about: str = ""


def draft_sweep(folders: Sequence[Path], file: Path) -> tuple[FolderFacts, ...]:
    """Write a sweep file about these folders and return what was found in them.

    Raises:
        SpecError: there are fewer than two folders, or two have the same name.
        DataError: a folder has no images in class folders, or can be read in two ways, or they share fewer than two classes.
        StoreError: the file exists, or cannot be written.
    """
    if len(folders) < 2:
        raise SpecError("a sweep needs two folders or more: one to train on and another to test on")
    found = tuple(_looked_at(folder) for folder in folders)
    doubled = [name for name, many in Counter(facts.name for facts in found).items() if many > 1]
    if doubled:
        raise SpecError(f"two folders are named {doubled[0]}; rename one, because the name is that of the dataset")
    text = _text(found, file.stem)
    if file.exists():
        raise StoreError(f"{file} exists already; nothing was changed; give another file with --to")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with new_file(file) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as e:
        raise StoreError(f"{file}: cannot be written ({e.strerror or e}); give another file with --to") from e
    return found


def _looked_at(folder: Path) -> FolderFacts:
    folder = folder.expanduser().resolve()
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.stem.lower() if folder.is_file() else folder.name.lower()).strip("-._") or "data"
    if not folder.exists():
        raise DataError(f"{folder}: does not exist; give folders of images, such as studio/happy/1.png")
    who = f"folder {folder}"
    names = [path.suffix.lower() for path in files_below(folder, who)] if folder.is_dir() else [folder.suffix.lower()]
    if ".parquet" in names:
        return FolderFacts(name, folder, "parquet", about=f"{names.count('.parquet')} Parquet files")
    if videos := sum(suffix in _VIDEOS for suffix in names):
        return FolderFacts(name, folder, "videos", about=f"{videos:,} videos")
    return _images(name, folder, who)


def _images(name: str, folder: Path, who: str) -> FolderFacts:
    pictures = picture_files(folder, who)
    reading = read_layout([path for path, _ in pictures], "", folder, who)
    if not reading.places:
        raise DataError(f"{folder}: has no images in class folders (<class>/<image>); dabench new sweep reads only such folders")
    names = class_names(reading, folder, who)
    counts = Counter(names[same_name(place.label)] for place in reading.places.values())
    headers = list(_headers(pictures))
    sides = tuple(min(shape) for shape, _ in headers)
    splits = Counter(place.split for place in reading.places.values() if place.split)
    parts = [
        f"{len(reading.places):,} images, read as {reading.text('picture')}",
        f"{min(sides)} to {max(sides)} pixels" if sides and min(sides) < max(sides) else f"{sides[0]} pixels" if sides else "",
        ", ".join(f"{split} {many:,}" for split, many in splits.items()) or "no splits: a fifth of each class is held out",
    ]
    grey = all(grey for _, grey in headers)
    return FolderFacts(name, folder, "images", dict(sorted(counts.items())), sides, grey, "; ".join(filter(None, parts)))


def _headers(pictures: Sequence[Picture]) -> Iterator[tuple[tuple[int, int], bool]]:
    """Yield size and greyness of evenly chosen images; those that cannot be read are left out."""
    for _, content in pictures[:: max(1, len(pictures) // _LOOKED_AT)]:
        try:
            yield header(content())
        except (ValueError, OSError):
            continue


def _text(found: Sequence[FolderFacts], name: str) -> str:
    common, lost = _common_classes(found)
    about = [line for facts in found for line in (f"# {facts.name}: {facts.about}", *_counted(facts))]
    lines = [*_OPENING.format(name=name).splitlines(), *about, *_warnings(found, lost)]
    lines += [f'name = "{name}"', f"datasets = [{_list(facts.name for facts in found)}]", *_network(found)]
    lines += [f"classes = [{_list(common)}]   # those that all datasets have"] if lost else []
    for facts in found:
        key = "parquet" if facts.form == "parquet" else "path"
        plugin = ['plugin = "video-folder"'] if facts.form == "videos" else []
        lines += ["", f"[dataset.{facts.name}]", *plugin, f"{key} = {_quoted(str(facts.path))}"]
    for facts in found:
        renamed = [
            (label, new) for label in facts.classes for new in common if label != new and same_name(label) == same_name(new)
        ]
        lines += (
            ["", f"[classes.map.{facts.name}]", *(f"{_quoted(old)} = {_quoted(new)}" for old, new in renamed)] if renamed else []
        )
    return "\n".join(lines) + "\n"


_OPENING = """\
# Written by dabench new sweep from what it found. Read it, change what is wrong, then:
#
#   dabench sweep {name}.toml --plan
#   dabench sweep {name}.toml
#
"""


def _counted(facts: FolderFacts) -> list[str]:
    many = ", ".join(f"{label} {count:,}" for label, count in facts.classes.items())
    return textwrap.wrap(many, 120, initial_indent="#   ", subsequent_indent="#   ")


def _network(found: Sequence[FolderFacts]) -> list[str]:
    """Return adapters, backbone, seeds and the size of images."""
    sides = sorted(side for facts in found for side in facts.sides)
    middle = sides[len(sides) // 2] if sides else None
    large = bool(middle and middle > _LARGE)
    network = ['backbone = "timm/resnet18.a1_in1k"', "pretrained = true   # downloads the published weights once"]
    lines = ['adapters = ["none", "augmented", "adabn", "dann"]   # every gain is over "none"; see: dabench list adapters']
    lines += [*(network if large else ['backbone = "conv4"']), "seeds = 3"]
    if middle:
        size = min(middle, 224) if large else max(16, middle)
        lines.append(f"size = {size}   # images of all datasets become squares of this side")
    return lines


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _common_classes(found: Sequence[FolderFacts]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the classes of all folders of images, and folder -> its classes that others lack."""
    known = [facts for facts in found if facts.classes]
    if not known:
        return [], {}
    shared = set.intersection(*({same_name(label) for label in facts.classes} for facts in known))
    common = [label for label in known[0].classes if same_name(label) in shared]
    if len(shared) < 2:
        each = "; ".join(f"{facts.name}: {', '.join(facts.classes)}" for facts in known)
        raise DataError(
            f"the folders have fewer than two classes in common ({each}); rename folders so that classes are named alike"
        )
    lost = {facts.name: [label for label in facts.classes if same_name(label) not in shared] for facts in known}
    return common, {name: labels for name, labels in lost.items() if labels}


def _warnings(found: Sequence[FolderFacts], lost: dict[str, list[str]]) -> list[str]:
    """Return comments on what may be wrong."""
    lines = [f"# Left out, because other datasets lack them: classes {', '.join(of)} of {name}." for name, of in lost.items()]
    unequal = [f.name for f in found if f.classes and max(f.classes.values()) > _UNEQUAL * min(f.classes.values())]
    if unequal:
        lines.append(f"# Classes of {', '.join(unequal)} are unequal: read dabench report RUNS --metric balanced-accuracy, too.")
    if any(facts.form != "images" for facts in found):
        lines.append("# Parquet files and videos were not opened: set size and classes if the datasets differ in them.")
    return lines
