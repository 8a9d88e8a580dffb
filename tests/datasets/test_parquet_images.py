"""Images in Parquet files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dabench.datasets.parquet_images import ParquetImages
from dabench.errors import DataError
from dabench.experiment.resolve import make_dataset
from dabench.experiment.sweep_file import read_sweep
from dabench.plugins.contract import Samples, Splits
from dabench.plugins.registry import Registry

SHADES = np.arange(0, 240, 20, dtype=np.uint8)
LABELS = [i % 3 for i in range(len(SHADES))]


def png(shade: int, side: int = 6) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((side, side), shade, np.uint8)).save(out, "PNG")
    return out.getvalue()


def write(file: Path, **columns: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)
    return file


def read(path: Path, **options: Any) -> Splits:
    return ParquetImages(ParquetImages.Options(parquet=str(path), **options)).prepare(Path())


def shades(samples: Samples) -> list[int]:
    return np.asarray(samples.images)[:, 0, 0, 0].tolist()


BYTES = [png(shade) for shade in SHADES.tolist()]


@pytest.mark.parametrize("form", ["bytes", "structs", "paths", "structs with paths"])
def test_images_are_bytes_structs_or_paths(form: str, tmp_path: Path) -> None:
    for i, content in enumerate(BYTES):
        (tmp_path / f"{i}.png").write_bytes(content)
    paths = [f"{i}.png" for i in range(len(BYTES))]
    images = {
        "bytes": BYTES,
        "structs": [{"bytes": content, "path": None} for content in BYTES],
        "paths": paths,
        "structs with paths": [{"bytes": None, "path": path} for path in paths],
    }[form]
    if form == "structs with paths":
        images = pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    splits = read(write(tmp_path / "all.parquet", image=images, label=LABELS), test=0.25)
    assert sorted(shades(splits["train"]) + shades(splits["test"])) == SHADES.tolist()
    for samples in splits.values():
        assert [LABELS[SHADES.tolist().index(shade)] for shade in shades(samples)] == samples.labels.tolist()  # type: ignore[union-attr]


def test_the_names_of_files_are_the_splits(tmp_path: Path) -> None:
    for name, at in (("train-00000-of-00002", 0), ("train-00001-of-00002", 3), ("validation", 6), ("test", 9)):
        write(tmp_path / "data" / f"{name}.parquet", image=BYTES[at : at + 3], label=LABELS[at : at + 3])
    splits = read(tmp_path)
    assert {split: shades(samples) for split, samples in splits.items()} == {
        "test": [180, 200, 220],
        "train": [0, 20, 40, 60, 80, 100],
        "val": [120, 140, 160],
    }


def test_a_column_can_be_the_split(tmp_path: Path) -> None:
    fold = ["Train"] * 9 + ["test"] * 3
    splits = read(write(tmp_path / "a.parquet", image=BYTES, label=LABELS, fold=fold), split="fold")
    assert shades(splits["test"]) == [180, 200, 220]


def test_whole_groups_are_held_out(tmp_path: Path) -> None:
    who = [f"person {i // 3}" for i in range(12)]
    splits = read(write(tmp_path / "a.parquet", image=BYTES, label=LABELS, who=who), group="who")
    train, test = (set(splits[s].groups.tolist()) for s in ("train", "test"))  # type: ignore[union-attr]
    assert (len(train | test), train & test) == (4, set())


def test_class_names_of_hugging_face_files_are_the_classes(tmp_path: Path) -> None:
    info = {"info": {"features": {"label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": BYTES, "label": LABELS}).replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").classes == ("cat", "dog", "owl")


def test_labels_may_be_names(tmp_path: Path) -> None:
    names = [["owl", "cat", "dog"][i] for i in LABELS]
    splits = read(write(tmp_path / "a.parquet", image=BYTES, label=names))
    assert splits.classes == ("cat", "dog", "owl")
    assert splits["test"].labels.tolist() == [("cat", "dog", "owl").index(names[s // 20]) for s in shades(splits["test"])]  # type: ignore[union-attr]


def test_images_that_cannot_be_read_are_skipped_and_named(tmp_path: Path) -> None:
    splits = read(write(tmp_path / "a.parquet", image=[*BYTES, b"no image", None], label=[*LABELS, 0, 1]), skip_limit=0.2)
    assert splits.skipped.keys() == {"a.parquet:12", "a.parquet:13"}  # type: ignore[attr-defined]
    assert sum(len(s.images) for s in splits.values()) == 12


def test_a_path_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(BYTES[0])
    file = write(tmp_path / "data" / "a.parquet", image=["../secret.png"], label=[0])
    with pytest.raises(DataError, match="is not below"):
        read(file)


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no column": ({"picture": BYTES, "label": LABELS}, {}, "has no column 'image', only picture, label"),
    "numbers as images": ({"image": LABELS, "label": LABELS}, {}, "column 'image' is int64"),
    "a label out of range": (
        {"image": BYTES, "label": LABELS},
        {"classes": ("a", "b")},
        "a.parquet:2: label 2; it must be 0 to 1",
    ),
    "no label": ({"image": BYTES[:1], "label": pa.array([None], pa.int64())}, {}, "label None"),
    "an unknown split": ({"image": BYTES, "label": LABELS, "s": ["x"] * 12}, {"split": "s"}, "row 0: split 'x'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_an_error_that_says_what_is_allowed(case: str, tmp_path: Path) -> None:
    columns, options, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.parquet", **columns), **options)


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing"])
def test_a_damaged_file_is_an_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as a Parquet file"):
        read(tmp_path / "a.parquet")


def test_no_file_is_an_error_that_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no Parquet file at .* parquet = "):
        read(tmp_path)


def test_files_of_which_only_some_name_a_split_are_an_error(tmp_path: Path) -> None:
    for name in ("train", "more"):
        write(tmp_path / f"{name}.parquet", image=BYTES, label=LABELS)
    with pytest.raises(DataError, match=r"others do not: more\.parquet"):
        read(tmp_path)


def test_the_key_parquet_alone_declares_such_a_dataset(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'name = "s"\ndatasets = ["mine", "uci-digits"]\nadapters = ["none"]\nbackbone = "conv4"\n'
        '[dataset.mine]\nparquet = "data"\nlabel = "digit"\n',
        encoding="utf-8",
    )
    sweep = read_sweep(file, [], Registry()).sweep
    made = make_dataset(sweep, "mine", Registry())
    assert (made.plugin, made.options.parquet, made.options.label) == ("parquet-images", str(tmp_path / "data"), "digit")
