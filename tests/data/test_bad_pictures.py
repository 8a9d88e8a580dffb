"""Bad picture sets through `dabench prepare`: a skipped file, or one line that names it, exit code 2, and no half-made cache."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from limited import needs_limits, run_limited
from pictures import as_folder, as_zip, claiming, classes, png, saved, tree
from PIL import Image

from dabench.cli import main
from dabench.data.prepare import prepare_dataset
from dabench.datasets.image_folder import ImageFolder

pytestmark = pytest.mark.usefixtures("registry_restored")

Make = Callable[[Path], object]
Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """A function that prepares a dataset which must be refused, and returns the one line that says why."""
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "raw").mkdir()

    def refuse(*words: str) -> str:
        code = main(["prepare", *(words or ("image-folder",)), "--raw", str(tmp_path / "raw")])
        out, err = capsys.readouterr()
        *notes, line = err.split("\n")[:-1]
        assert (code, out) == (2, "")
        assert [n for n in notes if not n.startswith("preparing ")] == []
        assert list((tmp_path / "cache").glob("*")) + list((tmp_path / "cache").glob(".*")) == []
        return line.removeprefix("dabench: error: ")

    return refuse


def folder(**files: bytes) -> Make:
    """Twenty good pictures in the classes a and b, and these files, named as a__05_png."""
    more = {name.replace("__", "/").replace("_", "."): content for name, content in files.items()}
    return lambda raw: as_folder(raw, tree(classes()) | more)


def zipped(*names: str, **how: int) -> Make:
    """A zip of twenty good pictures and one of each of these names."""

    def make(raw: Path) -> None:
        as_zip(raw / "set.zip", tree(classes()))
        with zipfile.ZipFile(raw / "set.zip", "a") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), png(), **how)

    return make


def cut_zip(raw: Path) -> None:
    path = as_zip(raw / "set.zip", tree(classes()))
    path.write_bytes(path.read_bytes()[:-300])


def stating(path: Path, size: int) -> None:
    """Let every file of a zip state that it unpacks to `size` bytes."""
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # local header, central directory
        at = content.find(mark)
        while at >= 0:
            content[at + place : at + place + 4] = struct.pack("<I", size)
            at = content.find(mark, at + 4)
    path.write_bytes(content)


def huge_in_zip(raw: Path) -> None:
    stating(as_zip(raw / "set.zip", tree(classes())), 3_000_000_000)


def huge_file(raw: Path) -> None:
    folder()(raw)
    with open(raw / "a" / "00.png", "ab") as f:
        f.truncate(300_000_000)  # takes no place on the disk


def linked(raw: Path) -> None:
    folder()(raw)
    (raw / "c").symlink_to(raw / "b")


def two_zips(raw: Path) -> None:
    for name in ("one", "two"):
        as_zip(raw / f"{name}.zip", tree(classes()))


def strange(raw: Path) -> None:
    as_folder(raw, tree(classes()) | {"a/two\nlines \N{GRINNING FACE}.png": b"x"})


def strange_bytes(raw: Path) -> None:
    folder()(raw)
    Path(os.fsdecode(os.fsencode(raw) + b"/a/caf\xe9.png")).write_bytes(b"x")


def strange_class(raw: Path) -> None:
    as_folder(raw, tree(classes()) | tree([f"two\nlines/{i}.png" for i in range(10)]))


FLOATS = saved(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF")
DEEP = saved(Image.fromarray(np.full((8, 8), 70_000, np.int32)), "TIFF")

BAD: Mapping[str, tuple[Make, list[str]]] = {
    "a truncated zip": (cut_zip, ["set.zip is not a complete zip", "download it again"]),
    "text called a zip": (lambda raw: (raw / "set.zip").write_text("hello"), ["set.zip is not a complete zip"]),
    "an absolute name in a zip": (zipped("/etc/a/1.png"), ["set.zip contains '/etc/a/1.png', a path out of its folder"]),
    "a name that goes up": (zipped("a/../../1.png"), ["'a/../../1.png', a path out of its folder"]),
    "a name that goes up, as Windows writes it": (zipped("..\\a\\1.png"), ["a path out of its folder"]),
    "a name with a drive": (zipped("C:\\a\\1.png"), ["a path out of its folder"]),
    "a name twice in a zip": (zipped("c/1.png", "c//1.png"), ["set.zip/c/1.png is in the zip twice", "create the zip again"]),
    "another compression": (
        zipped("c/1.png", compress_type=zipfile.ZIP_BZIP2),
        ["set.zip/c/1.png is not compressed with deflate", "create the zip again"],
    ),
    "a zip that unpacks to gigabytes": (
        huge_in_zip,
        ["set.zip/a/00.png has 3,000,000,000 bytes; an image may have at most", "remove it"],
    ),
    "a huge file": (huge_file, ["raw/a/00.png has 300,000,000 bytes; an image may have at most 200,000,000", "remove it"]),
    "a folder twice, by a link": (linked, ["raw/c and ", "raw/b are the same folder", "count twice; remove the link"]),
    "no pictures": (lambda raw: None, ["holds no images in class folders", "Put images into the raw folder"]),
    "two zips": (two_zips, ["holds 2 zips; keep one"]),
    "a class of two lines": (strange_class, ["classes = ('a', 'b', 'two\\nlines')", "a list of different, printable names"]),
    "a picture beside split folders": (
        folder(train__a__1_png=png(), test__a__1_png=png()),
        ["is not in one of the folders train"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_set_of_pictures_is_refused(refused: Refused, tmp_path: Path, case: str) -> None:
    make, parts = BAD[case]
    make(tmp_path / "raw")
    line = refused()
    assert line.startswith("dataset 'image-folder': ")
    assert [part for part in parts if part not in line] == [], line


SKIPPED: Mapping[str, tuple[Make, str]] = {
    # what is written, and a part of the line in the list of skipped files
    "a tiny picture of 50,000 x 50,000": (folder(a__05_png=claiming(50_000, 50_000)), "decompression bomb"),
    "text instead of a picture": (folder(a__05_png=b"hello"), "(it is none of "),
    "an empty file": (folder(a__05_png=b""), "(it is none of "),
    "a truncated picture": (folder(a__05_png=png(size=(64, 64))[:-400]), "truncated"),
    "a bad first picture": (folder(a__00_png=b"x"), "\na/00.png,"),
    "a bad last picture": (folder(b__99_png=b"x"), "\nb/99.png,"),
    "fractions": (folder(a__05_tif=FLOATS), "so their scale is not known; save it with 8 bits)"),
    "more than 16 bits": (folder(a__05_tif=DEEP), "scale is not known"),
    "a name of two lines": (strange, "\na/two\\nlines \N{GRINNING FACE}.png,"),
    "a name that is no text": (strange_bytes, "\na/caf\\udce9.png,"),
}


@pytest.mark.parametrize("case", SKIPPED)
def test_a_bad_picture_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    make, part = SKIPPED[case]
    (tmp_path / "raw").mkdir()
    make(tmp_path / "raw")
    assert main(["prepare", "image-folder", "--raw", str(tmp_path / "raw")]) == 0
    out, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if "skipped" in line]
    assert line.startswith("image-folder: 1 of 2")
    (table,) = (tmp_path / "cache").glob("*/skipped.csv")
    assert f"  1 files skipped: {table}\n" in out
    listed = table.read_text(encoding="utf-8")
    assert listed.startswith("path,reason\n")
    assert part in listed


def good(raw: Path, tmp_path: Path) -> dict[str, int]:
    prepared = prepare_dataset(ImageFolder(), raw, tmp_path / "cache", notify=lambda _: None)
    return {split: prepared.count(split) for split in prepared.splits}


def test_a_link_back_to_a_folder_it_lies_in_is_not_followed(tmp_path: Path) -> None:
    raw = as_folder(tmp_path / "raw", tree(classes()))
    (raw / "a" / "up").symlink_to(raw)
    (raw / "b" / "self").symlink_to(raw / "b" / "self")
    assert good(raw, tmp_path) == {"train": 14, "val": 2, "test": 4}


def test_pictures_in_linked_folders_count_and_a_new_one_there_is_noticed(tmp_path: Path) -> None:
    elsewhere = as_folder(tmp_path / "elsewhere", tree(classes(names="b")))
    raw = as_folder(tmp_path / "raw", tree(classes(names="a")))
    (raw / "b").symlink_to(elsewhere / "b")
    assert sum(good(raw, tmp_path).values()) == 20
    as_folder(elsewhere, {"b/new.png": png(77)})
    assert sum(good(raw, tmp_path).values()) == 21


def test_names_in_a_zip_may_be_written_as_windows_does(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in tree(classes()).items():
            archive.writestr(name.replace("/", "\\"), content)
    assert good(path, tmp_path) == {"train": 14, "val": 2, "test": 4}


def test_emoji_are_names_like_others(tmp_path: Path) -> None:
    raw = as_folder(tmp_path / "raw", tree(classes(names="\N{GRINNING FACE}\N{CRYING FACE}")))
    assert good(raw, tmp_path) == {"train": 14, "val": 2, "test": 4}


def test_pictures_of_all_modes_stand_side_by_side(tmp_path: Path) -> None:
    modes = {mode: saved(Image.new(mode, (8, 8)), "TIFF") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")}
    files = {f"{c}/{mode}-{i}.tif": content for c in "ab" for mode, content in modes.items() for i in range(2)}
    raw = as_folder(tmp_path / "raw", {"a/0.png": png(mode="RGB")} | files)
    prepared = prepare_dataset(ImageFolder(), raw, tmp_path / "cache", notify=lambda _: None)
    assert prepared.shape == (3, 8, 8)
    assert sum(prepared.count(split) for split in prepared.splits) == 33


BOMB = """
import sys
from pathlib import Path
from dabench.data.folders import pictures_in
from dabench.errors import DataError
limit(20)
((_, read),) = pictures_in(Path(sys.argv[1]), "who")
try:
    print(len(read()))
except Exception as e:
    print(type(e).__name__)
"""


@needs_limits
def test_a_zip_that_states_less_than_it_unpacks_to_fills_no_memory(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "set.zip", {"a/1.png": bytes(100_000_000)})
    stating(path, 1000)
    assert path.stat().st_size < 200_000
    assert run_limited(BOMB, path).split() == ["BadZipFile"]


UNREADABLE = """
import os, sys
from dabench.cli import main
raw, other = sys.argv[1:]
main(["prepare", "image-folder", "--raw", other])  # whatever is imported on the way, while all may be read
os.chmod(os.environ["DABENCH_CACHE"], 0o777)
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(["prepare", "image-folder", "--raw", raw]))
"""


@pytest.mark.parametrize(("place", "mode"), [("", 0), ("a", 0), ("a", 0o444), ("a/05.png", 0)])
def test_what_may_not_be_read_is_refused(place: str, mode: int) -> None:
    # Not below tmp_path, which is root's alone where root runs the tests.
    with tempfile.TemporaryDirectory() as made:
        os.chmod(made, 0o777)
        raw, other = (as_folder(Path(made) / name, tree(classes())) for name in ("raw", "other"))
        (raw / place).chmod(mode)
        ran = subprocess.run(
            [sys.executable, "-c", UNREADABLE, raw, other],
            capture_output=True, text=True, check=False, env=os.environ | {"DABENCH_CACHE": f"{made}/cache"},
        )  # fmt: skip
        for path in (raw, raw / "a"):
            path.chmod(0o777)
        (line,) = [line for line in ran.stderr.splitlines() if line.startswith("dabench: error: ")]
        assert ran.returncode == 2
        assert line.startswith("dabench: error: dataset 'image-folder': ")
        assert str(raw / place) in line
        assert "cannot be read (Permission denied)" in line
        assert len(list((Path(made) / "cache").iterdir())) == 1


PLUGINS = {
    "a label outside the classes": (
        "return {s: Samples(np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 1, 2, 1])) for s in ('train', 'test')}",
        ["split 'train': label 2 is outside 0..1 (2 classes: a, b)"],
    ),
    "a file that is not there": ("open(raw / 'faces.bin')", ["faces.bin: cannot be read (No such file or directory)"]),
    "text instead of a picture": (
        "(raw / 'x.png').write_text('hello'); Image.open(raw / 'x.png')",
        ["raw files cannot be read (cannot identify image file '", "raw/x.png"],
    ),
    "lazy images of another size": (
        "return lazy(lambda at: np.zeros((len(at), 1, 9, 9), np.uint8))",
        ["<lambda>", "must be uint8 (20, 1, 8, 8)", "is uint8 (20, 1, 9, 9)"],
    ),
    "lazy images as fractions": ("return lazy(lambda at: np.zeros((len(at), 1, 8, 8)))", ["must be uint8", "is float64"]),
    "fewer lazy images": ("return lazy(lambda at: np.zeros((1, 1, 8, 8), np.uint8))", ["must be uint8 (20,", "uint8 (1, 1, 8"]),
    "lazy images whose file is gone": (
        "return lazy(lambda at: np.load(raw / 'gone.npy'))",
        ["LazyImages read by", "cannot be read (", "gone.npy"],
    ),
}
PLUGIN = """
import numpy as np
from PIL import Image
from dabench import Dataset, LazyImages, Samples

class Mine(Dataset):
    name, classes = "mine", ("a", "b")

    def prepare(self, raw):
        def lazy(read):
            held = Samples(np.zeros((20, 1, 8, 8), np.uint8), np.arange(20) % 2)
            return {{"train": held, "val": held, "test": Samples(LazyImages((20, 1, 8, 8), read), np.arange(20) % 2)}}
        {body}
"""


@pytest.mark.parametrize("case", PLUGINS)
def test_a_plugin_that_gives_bad_samples_is_refused(refused: Refused, tmp_path: Path, case: str) -> None:
    body, parts = PLUGINS[case]
    (tmp_path / "mine.py").write_text(PLUGIN.format(body=body))
    line = refused("mine", "--plugin", str(tmp_path / "mine.py"))
    assert [part for part in parts if part not in line] == [], line
