"""Pictures in class folders or a zip of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import as_folder, as_zip, classes, png, saved, tree
from PIL import Image

from dabench.data.cache import Prepared
from dabench.data.prepare import prepare_dataset
from dabench.datasets.image_folder import ImageFolder
from dabench.errors import DataError, SpecError
from dabench.plugins.contract import Samples, Splits
from dabench.plugins.registry import Registry


def folder_set(path: Path, **options: Any) -> ImageFolder:
    return ImageFolder(ImageFolder.Options(path=str(path), **options))


def read(path: Path, **options: Any) -> Mapping[str, Samples]:
    splits = folder_set(path, **options).prepare(Path())
    return {split: replace(samples, images=np.asarray(samples.images)) for split, samples in splits.items()}


def notes(path: Path, **options: Any) -> list[str]:
    splits = folder_set(path, **options).prepare(Path())
    assert isinstance(splits, Splits)
    return list(splits.notes)


def counts(splits: Mapping[str, Samples]) -> dict[str, list[int]]:
    return {s: np.bincount(np.asarray(v.labels)).tolist() for s, v in sorted(splits.items())}


def marks(samples: Samples) -> set[int]:
    return set(samples.images[:, 0, 0, 0].tolist())


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    assert str(caught.value).startswith("dataset 'image-folder': ")
    return str(caught.value)


# Where the pictures lie


def test_class_folders_are_read_and_a_fifth_is_held_out_for_testing(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(classes())))
    assert counts(splits) == {"test": [2, 2], "train": [8, 8]}
    assert marks(splits["train"]) | marks(splits["test"]) == set(range(20))


def test_pictures_without_labels_need_no_class_folders(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(f"{i:02}.png" for i in range(20))), labels=False)
    assert {split: (len(s.images), s.labels) for split, s in splits.items()} == {"train": (16, None), "test": (4, None)}


def test_pictures_without_labels_may_lie_in_split_folders(tmp_path: Path) -> None:
    splits = read(
        as_folder(tmp_path, tree(["train/0.png", "train/1.png", "train/2.png", "test/3.png", "test/4.png"])), labels=False
    )
    assert {split: (marks(s), s.labels) for split, s in splits.items()} == {"train": ({0, 1, 2}, None), "test": ({3, 4}, None)}


def test_the_label_of_a_picture_is_its_folder(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(classes())))
    for samples in splits.values():
        np.testing.assert_array_equal(samples.labels, samples.images[:, 0, 0, 0] // 10)


def test_how_much_is_held_out_is_an_option(tmp_path: Path) -> None:
    assert counts(read(as_folder(tmp_path, tree(classes())), test=0.5)) == {"test": [5, 5], "train": [5, 5]}


@pytest.mark.parametrize("prefix", ["", "wrapping/"])
def test_a_zip_gives_the_same_as_the_folder(tmp_path: Path, prefix: str) -> None:
    folder = read(as_folder(tmp_path / "f", tree(classes())))
    zipped = read(as_zip(tmp_path / "z.zip", tree(classes(prefix=prefix))))
    for split in ("train", "test"):
        np.testing.assert_array_equal(folder[split].images, zipped[split].images)
        np.testing.assert_array_equal(folder[split].labels, zipped[split].labels)


@pytest.mark.parametrize("prefix", ["", "wrapping/"])
def test_split_folders_are_kept_in_a_zip_too(tmp_path: Path, prefix: str) -> None:
    names = classes(4, prefix=f"{prefix}train/") + classes(2, prefix=f"{prefix}test/")
    assert counts(read(as_zip(tmp_path / "z.zip", tree(names)))) == {"test": [2, 2], "train": [4, 4]}


def test_split_folders_are_the_splits(tmp_path: Path) -> None:
    names = classes(4, prefix="train/") + classes(1, prefix="val/") + classes(2, prefix="test/")
    splits = read(as_folder(tmp_path, tree(names)))
    assert counts(splits) == {"test": [2, 2], "train": [4, 4], "val": [1, 1]}
    assert marks(splits["val"]) == {8, 9}


def test_split_folders_have_other_usual_names(tmp_path: Path) -> None:
    names = classes(4, prefix="Training/") + classes(1, prefix="validation/") + classes(2, prefix="TESTING/")
    assert set(read(as_folder(tmp_path, tree(names)))) == {"train", "val", "test"}


def test_classes_may_be_named_like_splits_if_the_option_says_so(tmp_path: Path) -> None:
    names = [f"{c}/{i}.png" for c in ("test", "train") for i in range(10)]
    splits = read(as_folder(tmp_path, tree(names)), layout="class")
    assert counts(splits) == {"test": [2, 2], "train": [8, 8]}


def test_split_folders_without_test_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    message = refusal(as_folder(tmp_path, tree(classes(4, prefix="train/") + classes(2, prefix="val/"))))
    assert "has split folders (train, val), but no file in test" in message
    assert 'test_from = "val" to test on the validation files or test_from = "train" to hold out' in message


def test_images_of_a_split_in_no_class_folder_are_named(tmp_path: Path) -> None:
    message = refusal(as_folder(tmp_path, tree([*classes(4, prefix="train/"), "test/0.png"])))
    assert "(train), but no file in test (test/0.png is in no class folder)" in message


def test_the_validation_images_may_be_those_to_test_on(tmp_path: Path) -> None:
    root = as_folder(tmp_path, tree(classes(4, prefix="train/") + classes(2, prefix="val/")))
    splits = read(root, test_from="val")
    assert counts(splits) == {"test": [2, 2], "train": [4, 4]}
    assert marks(splits["test"]) == {8, 9, 10, 11}


def test_a_test_split_may_be_held_out_of_the_training_images(tmp_path: Path) -> None:
    root = as_folder(tmp_path, tree(classes(10, prefix="train/") + classes(2, prefix="val/")))
    assert counts(read(root, test_from="train")) == {"test": [2, 2], "train": [8, 8], "val": [2, 2]}


def test_split_folders_without_train_are_an_error(tmp_path: Path) -> None:
    assert "(test), but no file in train; add files" in refusal(as_folder(tmp_path, tree(classes(4, prefix="test/"))))


def test_a_picture_beside_the_split_folders_is_an_error_that_names_it(tmp_path: Path) -> None:
    names = [*classes(4, prefix="train/"), *classes(2, prefix="test/"), "more/a/1.png"]
    assert "more/a is not in one of the folders train, val and test" in refusal(as_folder(tmp_path, tree(names)))


def test_what_is_no_picture_is_left_alone(tmp_path: Path) -> None:
    files = tree(classes()) | {"a/notes.txt": b"hello", "README.md": b"x", "cover.png": png()}
    assert counts(read(as_folder(tmp_path, files))) == {"test": [2, 2], "train": [8, 8]}


def test_what_macs_add_to_a_zip_is_left_alone(tmp_path: Path) -> None:
    files = tree(classes(prefix="faces/")) | {"__MACOSX/faces/a/._00.png": b"junk"}
    assert counts(read(as_zip(tmp_path / "z.zip", files))) == {"test": [2, 2], "train": [8, 8]}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_the_usual_kinds_of_pictures_are_read(tmp_path: Path, form: str) -> None:
    names = [f"{c}/{i}.{form.lower()}" for c in "ab" for i in range(5)]
    images = read(as_folder(tmp_path, tree(names, form=form)))["train"].images
    assert len(images) == 8
    assert images.std() > 30


# Classes


def test_classes_are_the_folders_by_name(tmp_path: Path) -> None:
    dataset = folder_set(as_folder(tmp_path, tree(classes(names="cab"))))
    assert dataset.prepare(Path()).classes == ("a", "b", "c")
    assert dataset.classes == ()


def test_the_option_classes_names_folders_without_case(tmp_path: Path) -> None:
    dataset = folder_set(as_folder(tmp_path, tree(classes(names="AB"))), classes=("b", "a"))
    assert dataset.prepare(Path()).classes == ("b", "a")


def test_the_option_classes_gives_their_order(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(classes())), classes=("b", "a"))
    for samples in splits.values():
        np.testing.assert_array_equal(samples.labels, 1 - samples.images[:, 0, 0, 0] // 10)


def test_a_folder_that_is_no_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    message = refusal(as_folder(tmp_path, tree(classes(names="abx"))), classes=("a", "b"))
    assert f"{tmp_path}/x/00.png: folder 'x' must be one of the classes a, b" in message


# Groups


def faces(people: int = 5) -> list[str]:
    return [f"{c}/p{p}_{i}.png" for c in "ab" for p in range(people) for i in range(2)]


def test_the_group_is_found_in_the_file_name(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(faces())), group=r"p(\d)_")
    for samples in splits.values():
        np.testing.assert_array_equal(samples.groups, samples.images[:, 0, 0, 0] % 10 // 2)


def test_whole_groups_are_held_out_for_testing(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(faces())), group=r"p(\d)_")
    assert set(np.asarray(splits["train"].groups)) & set(np.asarray(splits["test"].groups)) == set()
    assert len(splits["test"].images) == 4


def test_without_a_group_there_are_no_groups(tmp_path: Path) -> None:
    assert read(as_folder(tmp_path, tree(faces())))["train"].groups is None


def test_groups_that_cannot_be_held_out_whole_are_an_error(tmp_path: Path) -> None:
    message = refusal(as_folder(tmp_path, tree(faces(1))), group=r"p(\d)_")
    assert "no whole group can be held out for testing" in message


@pytest.mark.parametrize("pattern", [r"subject(\d)", r"p\d_", r"(q)?"])
def test_a_group_that_is_not_in_a_name_is_an_error_that_names_it(tmp_path: Path, pattern: str) -> None:
    message = refusal(as_folder(tmp_path, tree(faces())), group=pattern)
    assert f"group = {pattern!r} finds no group in (...) in 'a/p0_0.png'" in message


def test_a_group_that_is_no_regular_expression_is_an_error(tmp_path: Path) -> None:
    assert "group = '(' is not a valid regular expression" in refusal(as_folder(tmp_path, tree(faces())), group="(")


def in_folders(people: int = 5, prefix: str = "") -> list[str]:
    return [f"{prefix}{c}/s{p}/{i}.png" for c in "ab" for p in range(people) for i in range(2)]


def test_the_group_is_the_folder_of_the_subject(tmp_path: Path) -> None:
    splits = read(as_folder(tmp_path, tree(in_folders())))
    for samples in splits.values():
        np.testing.assert_array_equal(samples.groups, samples.images[:, 0, 0, 0] % 10 // 2)
        np.testing.assert_array_equal(samples.labels, samples.images[:, 0, 0, 0] // 10)
    assert set(np.asarray(splits["train"].groups)) & set(np.asarray(splits["test"].groups)) == set()


def test_a_single_subject_cannot_be_held_out(tmp_path: Path) -> None:
    names = [f"{c}/s{p}/{i}.png" for c, p in (("a", 1), ("b", 2)) for i in range(4)]
    assert 'or ignore the folders: layout = "class"' in refusal(as_folder(tmp_path, tree(names)))
    assert read(tmp_path, layout="class")["train"].groups is None


def test_how_the_folders_are_read_is_a_note(tmp_path: Path) -> None:
    for folder, names, options, note in (
        ("a", classes(), {}, "class/picture; 2 classes, split at random"),
        ("b", in_folders(), {}, "class/subject/picture; 2 classes, 5 groups, split by group"),
        ("c", faces(), {"group": r"p(\d)_"}, "class/picture; 2 classes, 5 groups, split by group"),
        ("d", classes(prefix="x/y/"), {}, "class/picture in x/y/; 2 classes, split at random"),
        ("e", classes(4, prefix="train/") + classes(2, prefix="val/"), {"test_from": "val"},
         "split/class/picture; 2 classes, split by folder (test: val)"),
        ("f", classes(5, prefix="train/"), {"test_from": "train"},
         "split/class/picture; 2 classes, split by folder, test held out of train at random"),
        ("g", [n for s in ("train", "test") for n in in_folders(2, f"{s}/")], {},
         "split/class/subject/picture; 2 classes, 2 groups, split by folder; 2 groups are in more than one split"),
    ):  # fmt: skip
        assert notes(as_folder(tmp_path / folder, tree(names)), **options) == [f"read as: {note}"]
    assert notes(tmp_path / "a", labels=False) == ["read as: picture; no labels, split at random"]


# Sizes and colours


def test_pictures_of_different_sizes_become_squares_of_the_median_shorter_side(tmp_path: Path) -> None:
    files = tree(classes()) | {"b/03.png": png(13, (12, 10)), "a/01.png": png(1, (6, 9))}
    assert read(as_folder(tmp_path, files))["train"].images.shape == (16, 1, 8, 8)
    assert notes(tmp_path)[1:] == [
        "images of 6x9 to 12x10 are resized to 8x8 (the median of their shorter sides, at most 256; set size for another); "
        "2 that are not square are stretched (square = 'stretch')"
    ]
    assert notes(tmp_path, size=6, square="pad")[1:] == [
        "images of 6x9 to 12x10 are resized to 6x6; 2 that are not square are padded with black (square = 'pad')"
    ]
    assert read(tmp_path, size=6)["train"].images.shape == (16, 1, 6, 6)


def test_the_largest_square_that_is_chosen_has_256_pixels_a_side(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": saved(Image.new("L", (300 + i, 400))) for c in "ab" for i in range(3)}
    assert read(as_folder(tmp_path, files))["train"].images.shape[1:] == (1, 256, 256)


def test_pictures_of_one_square_size_stay_as_they_are(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": saved(Image.new("L", (300, 300), i)) for c in "ab" for i in range(3)}
    assert read(as_folder(tmp_path, files))["train"].images.shape[1:] == (1, 300, 300)
    assert len(notes(tmp_path)) == 1


def test_one_coloured_picture_makes_all_rgb(tmp_path: Path) -> None:
    files = tree(classes()) | {"b/03.png": png(13, mode="RGB")}
    assert read(as_folder(tmp_path, files))["train"].images.shape[1] == 3


def test_grey_pictures_give_one_channel_and_coloured_ones_three(tmp_path: Path) -> None:
    assert read(as_folder(tmp_path / "g", tree(classes())))["train"].images.shape[1] == 1
    assert read(as_folder(tmp_path / "c", tree(classes(), mode="RGB")))["train"].images.shape[1] == 3
    assert read(as_folder(tmp_path / "t", tree(classes(), mode="RGBA")))["train"].images.shape[1] == 3


def test_the_option_channels_says_otherwise(tmp_path: Path) -> None:
    assert read(as_folder(tmp_path / "g", tree(classes())), channels=3)["train"].images.shape[1] == 3
    assert read(as_folder(tmp_path / "c", tree(classes(), mode="RGB")), channels=1)["train"].images.shape[1] == 1


def test_two_channels_are_refused(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"channels = 2: must be 1 or 3"):
        registry.make("dataset", "image-folder", {"channels": 2})


# Bad files


BAD = {
    "text": b"not a picture",
    "nothing": b"",
    "a truncated JPEG": png(1, (64, 64), form="JPEG")[:-400],
    "a truncated PNG": png(1, (64, 64))[:-400],
    "another format": b"\0\0\0\x18ftypheic",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_read_is_skipped_and_counted(tmp_path: Path, kind: str) -> None:
    root = as_folder(tmp_path, tree(classes()) | {"a/05.png": BAD[kind]})
    splits = read(root)
    assert counts(splits) == {"test": [2, 2], "train": [7, 8]}
    assert marks(splits["train"]) | marks(splits["test"]) == set(range(20)) - {5}
    assert re.fullmatch(r"1 of 20 files skipped: 1 cannot be read as an image \(.+\)", notes(root)[1])


def test_strict_makes_an_error_of_a_skipped_file(tmp_path: Path) -> None:
    message = refusal(as_folder(tmp_path, tree(classes()) | {"a/05.png": b"x"}), strict=True)
    assert "1 of 20 files of" in message
    assert "a/05.png: cannot be read as an image (it is none of " in message
    assert message.endswith("repair or remove them, or set strict = false")


def test_more_than_a_twentieth_is_an_error_unless_allowed(tmp_path: Path) -> None:
    root = as_folder(tmp_path, tree(classes()) | {"a/05.png": b"x", "b/05.png": b"x"})
    message = refusal(root)
    assert "2 of 20 files" in message
    assert message.endswith("more than skip_limit = 0.05 allows: " + message.partition("allows: ")[2])
    assert "allow them with skip_limit = 0.11" in message
    assert counts(read(root, skip_limit=0.11)) == {"test": [2, 2], "train": [7, 7]}


def test_pictures_in_no_class_folder_are_skipped(tmp_path: Path) -> None:
    root = as_folder(tmp_path, tree(classes()) | {"cover.png": png()})
    assert notes(root)[1] == "1 of 21 files skipped: 1 is not in a class folder"


@pytest.mark.parametrize("content", [{}, {"c/a.heic": b"\0\0\0\x18ftypheic"}, {"c/a.xyz": b"x"}, {"c/a.png": b"x"}])
def test_a_class_of_which_no_picture_can_be_read_is_an_error(tmp_path: Path, content: dict[str, bytes]) -> None:
    root = as_folder(tmp_path, tree(classes(12)) | content)
    (root / "c").mkdir(exist_ok=True)
    assert f"class folder {root}/c {'holds 1 files (' if content else 'is empty'}" in refusal(root)


@pytest.mark.parametrize("name", ["a/x.jfif", "a/x.JPE", "a/x", "a/x.jpg_large", "a/x.heic"])
def test_a_picture_is_read_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    for made in (
        as_folder(tmp_path / "f", files := tree(classes()) | {name: png(77, form="JPEG")}),
        as_zip(tmp_path / "z.zip", files),
    ):
        assert sum(len(s.images) for s in read(made).values()) == 21


LEFTOVERS = [
    "a/._00.png",
    ".ipynb_checkpoints/a.png",
    "a/.ipynb_checkpoints/a.png",
    "__MACOSX/a/b.png",
    "a/Thumbs.db",
    "a/@eaDir/a.png",
]


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_systems_leave_behind_is_no_data(tmp_path: Path, name: str) -> None:
    files = tree(classes()) | {name: png(77)}
    for made in (as_folder(tmp_path / "f", files), as_zip(tmp_path / "z.zip", files)):
        assert counts(read(made)) == {"test": [2, 2], "train": [8, 8]}
        assert notes(made) == ["read as: class/picture; 2 classes, split at random"]
    assert not [path for path in folder_set(tmp_path / "f").raw_files(Path()) if path == tmp_path / "f" / name]


def test_a_truncated_zip_is_an_error_that_says_get_it_again(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "z.zip", tree(classes()))
    path.write_bytes(path.read_bytes()[:-200])
    assert f"{path} is not a complete zip" in refusal(path)
    assert "download it again" in refusal(path)


def test_a_damaged_picture_in_a_zip_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "z.zip", tree(classes()))
    content = path.read_bytes()
    at = content.index(b"a/05.png") + len("a/05.png")
    path.write_bytes(content[:at] + b"\xff" * 40 + content[at + 40 :])
    assert "1 cannot be read as an image (is damaged (" in notes(path)[1]


def test_an_encrypted_zip_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "z.zip", tree(classes()))
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # local header, central directory
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_a_file_that_is_no_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_text("hello")
    assert "z.zip is not a complete zip" in refusal(tmp_path / "z.zip")


def test_a_path_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert f"there is no folder or zip at {tmp_path / 'nowhere'}" in refusal(tmp_path / "nowhere")


def test_without_a_path_the_raw_folder_is_read_or_the_one_zip_in_it(tmp_path: Path) -> None:
    folder, zipped = as_folder(tmp_path / "f", tree(classes())), as_zip(tmp_path / "z" / "any.zip", tree(classes())).parent
    for raw in (folder, zipped, zipped / "any.zip"):
        assert counts(ImageFolder().prepare(raw)) == {"test": [2, 2], "train": [8, 8]}


def test_without_a_path_two_zips_are_an_error(tmp_path: Path) -> None:
    for name in "ab":
        as_zip(tmp_path / f"{name}.zip", tree(classes()))
    with pytest.raises(DataError, match="holds 2 zips; keep one, or set path to one of them"):
        ImageFolder().prepare(tmp_path)


def test_a_raw_folder_that_is_not_there_is_an_error_that_says_what_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raw files are not in .*nowhere. Put images .* \[dataset.NAME\] with path ="):
        ImageFolder().prepare(tmp_path / "nowhere")


@pytest.mark.parametrize("files", [{}, {"a.png": png()}, {"a/readme.txt": b"x"}])
def test_a_folder_without_pictures_in_class_folders_is_an_error(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "empty-class").mkdir()
    assert "holds no images in class folders (<class>/<image>)" in refusal(as_folder(tmp_path / "f", files))


def test_an_empty_zip_is_an_error(tmp_path: Path) -> None:
    assert "holds no images in class folders" in refusal(as_zip(tmp_path / "z.zip", {}))


# In the prepared cache


def prepared(path: Path, cache: Path) -> Prepared:
    return prepare_dataset(folder_set(path), Path(), cache, notify=lambda _: None)


def test_the_prepared_set_knows_the_classes_it_found(tmp_path: Path) -> None:
    assert prepared(as_folder(tmp_path / "f", tree(classes(names="xyz"))), tmp_path / "cache").classes == ("x", "y", "z")


def test_a_new_picture_in_the_folder_prepares_it_again(tmp_path: Path) -> None:
    path = as_folder(tmp_path / "f", tree(classes()))
    first = prepared(path, tmp_path / "cache")
    as_folder(path, {"a/new.png": png(77)})
    second = prepared(path, tmp_path / "cache")
    total = [sum(p.count(s) for s in p.splits) for p in (first, second)]
    assert total == [20, 21]


def test_folder_and_zip_have_the_same_content_digest(tmp_path: Path) -> None:
    folder, archive = as_folder(tmp_path / "f", tree(classes())), as_zip(tmp_path / "z.zip", tree(classes()))
    assert prepared(folder, tmp_path / "cache").digest == prepared(archive, tmp_path / "cache").digest


def test_label_licence_and_citation_can_be_declared() -> None:
    dataset = ImageFolder(ImageFolder.Options(short_name="MINE", license="CC0", citation="@misc{mine}"))
    assert (dataset.short_name, dataset.license, dataset.citation) == ("MINE", "CC0", "@misc{mine}")


def test_images_know_the_names_of_their_files(tmp_path: Path) -> None:
    as_folder(
        tmp_path / "set", {f"{split}/{label}/{i}.png": png(i) for split in ("train", "test") for label in "ab" for i in range(3)}
    )
    files = read(tmp_path / "set")["test"].attributes["file"]
    assert sorted(files.tolist()) == [f"test/{label}/{i}.png" for label in "ab" for i in range(3)]


def test_names_of_files_are_no_part_of_the_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        as_folder(
            tmp_path / name,
            {f"{split}/{label}/{name}{i}.png": png(i) for split in ("train", "test") for label in "ab" for i in range(3)},
        )
    digests = {prepare_dataset(folder_set(tmp_path / name), Path(), tmp_path / "cache").digest for name in ("one", "two")}
    assert len(digests) == 1
