"""Object sets whose domains are datasets of their own: small ones in their layouts."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from pictures import as_folder, as_zip, png, tree

from dabench.checks.dataset_checks import dataset_rules
from dabench.checks.rules import examine
from dabench.data.prepare import prepare_dataset
from dabench.datasets._domains import DomainFolders
from dabench.datasets._raw_files import plain
from dabench.datasets.domainnet import DomainNet
from dabench.datasets.office_31 import Office31
from dabench.datasets.office_caltech10 import OfficeCaltech10
from dabench.datasets.office_home import OfficeHome
from dabench.datasets.pacs import PACS
from dabench.datasets.visda_2017 import VisDA2017
from dabench.errors import DataError, PluginError
from dabench.plugins.registry import REGISTRY

FAMILIES: tuple[type[DomainFolders], ...] = (Office31, OfficeCaltech10, OfficeHome, PACS)
MEMBERS = [(kind, domain) for kind in (*FAMILIES, VisDA2017) for domain in kind.variants]
FOLDERS = {
    Office31: ("amazon/images", "dslr/images", "webcam/images"),
    OfficeCaltech10: ("amazon", "Caltech", "dslr", "webcam"),
    OfficeHome: ("Art", "Clipart", "Product", "Real World"),
    PACS: ("art_painting", "cartoon", "photo", "sketch"),
}


def domain(kind: type[DomainFolders], variant: str, **options: Any) -> DomainFolders:
    return kind(kind.Options(**{"size": 8, **options}), variant)


def layout(kind: type[DomainFolders], each: int = 5) -> dict[str, bytes]:
    """Return all domains of a set, `each` pictures of a class; the first pixel is the number of the domain."""
    return {
        f"{folder}/{name}/frame_{i:04}.jpg": png(number, mode="RGB")
        for number, folder in enumerate(FOLDERS[kind])
        for name in kind.classes
        for i in range(each)
    }


def refusal(dataset: DomainFolders, raw: Path) -> str:
    with pytest.raises(DataError) as caught:
        dataset.prepare(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "variant"), [*((kind, kind.variants[0]) for kind in (*FAMILIES, VisDA2017)), (VisDA2017, "test")]
)
def test_a_domain_of_each_family_keeps_the_contract(kind: type[DomainFolders], variant: str, tmp_path: Path) -> None:
    found = examine("dataset", variant, dataset_rules(domain(kind, variant), tmp_path))
    assert [f for f in found if f.state == "failed"] == []


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_domain_is_its_own_folder_alone(kind: type[DomainFolders], tmp_path: Path) -> None:
    as_folder(tmp_path, layout(kind))
    for number, variant in enumerate(kind.variants):
        splits = domain(kind, variant).prepare(tmp_path)
        firsts = {int(i) for s in splits.values() for i in np.asarray(s.images)[:, 0, 0, 0]}
        assert firsts == {number}


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_fifth_of_each_class_is_held_out_for_testing(kind: type[DomainFolders], tmp_path: Path) -> None:
    as_folder(tmp_path, layout(kind))
    splits = domain(kind, kind.variants[0]).prepare(tmp_path)
    counts = {s: np.bincount(np.asarray(v.labels)).tolist() for s, v in splits.items()}
    assert counts == {"train": [4] * len(kind.classes), "test": [1] * len(kind.classes)}


def test_the_same_pictures_are_held_out_each_time(tmp_path: Path) -> None:
    files = tree([f"dslr/images/{c}/frame_{i:04}.jpg" for c in Office31.classes for i in range(6)])
    one, other = (domain(Office31, "dslr").prepare(as_folder(tmp_path / name, files))["test"].images for name in "ab")
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("around", ["", "office31/", "a/b/"])
def test_a_zip_of_all_domains_gives_the_same(around: str, tmp_path: Path) -> None:
    folder = domain(Office31, "webcam").prepare(as_folder(tmp_path / "folder", layout(Office31)))
    as_zip(tmp_path / "zip" / "set.zip", {around + name: content for name, content in layout(Office31).items()})
    zipped = domain(Office31, "webcam").prepare(tmp_path / "zip")
    for split in ("train", "test"):
        np.testing.assert_array_equal(zipped[split].images, folder[split].images)
        np.testing.assert_array_equal(zipped[split].labels, folder[split].labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", ["Real World", "Real_World", "RealWorld", "real-world"])
def test_a_domain_and_a_class_are_found_in_any_spelling(folder: str, tmp_path: Path) -> None:
    files = [f"{folder}/{name}/{i}.jpg" for name in ("alarm clock", "AlarmClock", "Alarm_Clock") for i in range(2)]
    splits = domain(OfficeHome, "real-world").prepare(as_folder(tmp_path, tree(files)))
    assert sum(len(s.images) for s in splits.values()) == 6


def test_a_class_named_like_a_domain_is_no_domain(tmp_path: Path) -> None:
    files = tree([f"Art/{name}/{i}.jpg" for name in ("Webcam", "Art") for i in range(2)])
    assert "folder 'Art' must be one of the classes" in refusal(domain(OfficeHome, "art"), as_folder(tmp_path, files))


@pytest.mark.parametrize("kind", FAMILIES)
def test_all_domains_have_the_same_classes_in_the_same_order(kind: type[DomainFolders]) -> None:
    assert {domain(kind, variant).classes for variant in kind.variants} == {kind.classes}


@pytest.mark.parametrize(
    ("kind", "classes", "pictures"),
    [
        (Office31, 31, 4110),
        (OfficeCaltech10, 10, 2533),
        (OfficeHome, 65, 15588),
        (PACS, 7, 9991),
        (VisDA2017, 12, 280157),
        (DomainNet, 345, 586575),
    ],
)
def test_a_set_is_as_large_as_published(kind: type[DomainFolders], classes: int, pictures: int) -> None:
    assert len(kind.classes) == classes
    assert len(set(kind.classes)) == classes
    assert sum(sum(domain(kind, variant).counts.values()) for variant in kind.variants) == pictures


def test_labels_for_tables_are_all_different() -> None:
    members = [*MEMBERS, *((DomainNet, variant) for variant in DomainNet.variants)]
    labels = [domain(kind, variant).short_name for kind, variant in members]
    assert len(set(labels)) == len(labels)
    assert labels[:4] == ["AMAZON", "DSLR", "WEBCAM", "AMAZON10"]


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_title_names_the_domains(kind: type[DomainFolders]) -> None:
    assert all(variant in kind.title for variant in kind.variants)


def test_all_domains_lie_in_one_raw_folder(tmp_path: Path) -> None:
    places = {REGISTRY.make("dataset", name).raw_in(tmp_path) for name in REGISTRY.members("dataset", "office-home/*")}
    assert places == {tmp_path / "office-home"}


def test_pictures_are_224x224_rgb_unless_the_options_say_otherwise(tmp_path: Path) -> None:
    as_folder(tmp_path, layout(Office31))
    assert Office31(variant="dslr").prepare(tmp_path)["test"].images.shape[1:] == (3, 224, 224)
    assert domain(Office31, "dslr", channels=1).prepare(tmp_path)["test"].images.shape[1:] == (1, 8, 8)


def test_an_unknown_domain_is_an_error_when_the_plugin_is_made() -> None:
    with pytest.raises(
        PluginError, match=r"unknown dataset 'office-31/kitchen'; known: office-31/amazon, office-31/dslr, office-31/web"
    ):
        Office31(variant="kitchen")


def test_the_family_itself_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'office-31/\*' is a family of datasets; use one of office-31/amazon, office-31/dslr"):
        Office31().prepare(tmp_path)


def test_a_folder_without_the_domain_is_an_error_that_names_both(tmp_path: Path) -> None:
    files = tree([f"amazon/images/mug/{i}.jpg" for i in range(3)])
    message = refusal(domain(Office31, "webcam"), as_folder(tmp_path, files))
    assert f"dataset 'office-31/webcam': its raw files are not in {tmp_path}. Download domain_adaptation_images.tar.gz" in message


def test_a_folder_that_is_no_class_is_an_error_that_names_it(tmp_path: Path) -> None:
    message = refusal(domain(Office31, "amazon"), as_folder(tmp_path, {"amazon/images/teapot/1.jpg": png()}))
    assert "amazon/images/teapot/1.jpg: folder 'teapot' must be one of the classes back_pack, bike" in message


def test_a_part_of_a_domain_is_refused_with_both_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'office-31/dslr': the splits hold 155 images in all, but the dataset has 498"):
        prepare_dataset(
            domain(Office31, "dslr"), as_folder(tmp_path, layout(Office31)), tmp_path / "cache", notify=lambda _: None
        )


def test_a_picture_of_another_domain_prepares_nothing_anew(tmp_path: Path) -> None:
    as_folder(tmp_path, layout(Office31))
    before = domain(Office31, "amazon").raw_files(tmp_path)
    as_folder(tmp_path, {"webcam/images/mug/more.jpg": png()})
    assert domain(Office31, "amazon").raw_files(tmp_path) == before
    as_folder(tmp_path, {"amazon/images/mug/more.jpg": png()})
    assert len(domain(Office31, "amazon").raw_files(tmp_path)) == len(before) + 1


# The names under which the sets circulate

SAMES = [  # set, domain, a class, and the folders of other copies of its images
    (OfficeCaltech10, "caltech", "laptop_computer", ["caltech10/laptop", "Caltech10/laptop_computer", "caltech/127.laptop-101"]),
    (OfficeCaltech10, "amazon", "laptop_computer", ["Office-Caltech/amazon/laptop", "amazon/laptop computer", "Amazon/Laptop"]),
    (OfficeCaltech10, "webcam", "back_pack", ["webcam/backpack", "webcam/back_pack", "webcam/003.backpack"]),
    (OfficeCaltech10, "caltech", "headphones", ["caltech/head-phones", "caltech10/101.head-phones"]),
    (OfficeCaltech10, "caltech", "mug", ["caltech/coffee-mug", "caltech10/mug"]),
    (OfficeCaltech10, "caltech", "bike", ["caltech/touring-bike", "caltech10/bike"]),
    (Office31, "dslr", "back_pack", ["dslr/images/back_pack", "Original_images/dslr/images/back_pack", "office31/DSLR/backpack"]),
    (Office31, "amazon", "trash_can", ["domain_adaptation_images/amazon/images/trash_can", "amazon/trash can"]),
    (OfficeHome, "real-world", "Alarm_Clock", ["Real World/Alarm_Clock", "Real_World/alarm_clock", "RealWorld/AlarmClock"]),
    (OfficeHome, "real-world", "TV", ["OfficeHomeDataset_10072016/Real World/TV", "real_world/tv", "Real/TV"]),
    (OfficeHome, "art", "Postit_Notes", ["office_home_dg/art/train/Postit_Notes", "Art/Postit-Notes"]),
    (PACS, "art_painting", "dog", ["PACS/art_painting/dog", "kfold/art_painting/dog", "art/dog", "Art Painting/Dog"]),
    (PACS, "sketch", "person", ["pacs/images/sketch/person", "pacs_data/sketch/person"]),
    (VisDA2017, "train", "train", ["train/train", "visda/train/train"]),
    (VisDA2017, "validation", "train", ["validation/train", "clf/validation/train"]),
    (DomainNet, "real", "t-shirt", ["real/t-shirt", "domainnet/real/t-shirt"]),
]


@pytest.mark.parametrize(("kind", "variant", "label", "folders"), SAMES)
def test_each_name_that_circulates_is_known(kind: type[DomainFolders], variant: str, label: str, folders: list[str]) -> None:
    found = [domain(kind, variant).named(PurePosixPath(folder, "1.jpg")) for folder in folders]
    assert [facts and facts.label for facts in found] == [label] * len(folders)


@pytest.mark.parametrize("kind", [*FAMILIES, VisDA2017, DomainNet])
def test_no_alias_names_two_things(kind: type[DomainFolders]) -> None:
    for names in (kind.classes, kind.variants):
        aliases = [plain(alias) for name in names for alias in kind().names_of(name)]
        assert len(set(aliases)) == len(aliases)


@pytest.mark.parametrize("kind", [*FAMILIES, VisDA2017, DomainNet])
def test_every_alias_is_of_a_name_of_the_set(kind: type[DomainFolders]) -> None:
    assert set(kind.aliases) <= {kind.raw_folder, *kind.classes, *kind.variants}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("office-home/art", "OfficeHomeDataset_10072016"),
        ("office-31/dslr", "Office31"),
        ("pacs/photo", "PACS"),
        ("raf-db", "RAF-DB"),
        ("visda-2017/train", "VisDA"),
    ],
)
def test_the_raw_folder_may_have_another_name(name: str, folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    assert REGISTRY.make("dataset", name).raw_in(tmp_path) == tmp_path / folder


def test_of_two_folders_of_a_set_none_is_chosen(tmp_path: Path) -> None:
    for folder in ("PACS", "Pacs"):
        (tmp_path / folder).mkdir()
    assert REGISTRY.make("dataset", "pacs/photo").raw_in(tmp_path) == tmp_path / "pacs"


# Lists of splits


def pacs(tmp_path: Path, lists: Mapping[str, str], folder: str = "splits") -> Path:
    """Two images of each class of two domains, and lists; the images of a list are given by their numbers."""
    files = tree([f"{d}/{c}/{i}.png" for d in ("photo", "sketch") for c in PACS.classes for i in range(4)], mode="RGB")
    for name, numbers in lists.items():
        lines = [f"photo/{c}/{i}.png {label}\n" for label, c in enumerate(PACS.classes, 1) for i in numbers]
        files[str(PurePosixPath(folder, name))] = "".join(lines).encode()
    return as_folder(tmp_path, files)


LISTS = {"photo_train_kfold.txt": "012", "photo_crossval_kfold.txt": "3", "photo_test_kfold.txt": "0123"}


@pytest.mark.parametrize("folder", ["", "splits", "pacs_label"])
def test_the_lists_give_the_splits(folder: str, tmp_path: Path) -> None:
    splits = domain(PACS, "photo").prepare(pacs(tmp_path, LISTS, folder))
    assert {s: np.bincount(np.asarray(v.labels)).tolist() for s, v in splits.items()} == {"train": [3] * 7, "test": [1] * 7}
    assert splits.notes == ()


def test_without_lists_a_note_says_which_rule_is_used(tmp_path: Path) -> None:
    (note,) = domain(PACS, "sketch").prepare(pacs(tmp_path, LISTS)).notes
    assert note.endswith("sketch_crossval_kfold.txt, 20% of each class are held out for testing")


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ({**LISTS, "photo_train_kfold.txt": "0123"}, "must be the path of an image, a blank and a number, and in one split only"),
        ({"photo_train_kfold.txt": "012"}, "has a list of splits, but none of test beside splits/photo_train_kfold.txt"),
        ({**LISTS, "photo_train_kfold.txt": "0128"}, "7 images of the lists of splits do not exist; the first is dog/8.png"),
    ],
)
def test_lists_that_do_not_fit_are_an_error(lists: dict[str, str], reason: str, tmp_path: Path) -> None:
    assert reason in refusal(domain(PACS, "photo"), pacs(tmp_path, lists))


def test_images_that_no_list_names_are_left_out_with_a_note(tmp_path: Path) -> None:
    splits = domain(PACS, "photo").prepare(pacs(tmp_path, {**LISTS, "photo_train_kfold.txt": "01"}))
    assert splits.notes == ("7 of 28 images left out: not in the lists of splits",)


def test_a_list_that_changes_prepares_its_domain_anew(tmp_path: Path) -> None:
    raw = pacs(tmp_path, LISTS)
    assert raw / "splits" / "photo_train_kfold.txt" in domain(PACS, "photo").raw_files(raw)
    assert raw / "splits" / "photo_train_kfold.txt" not in domain(PACS, "sketch").raw_files(raw)


@pytest.fixture
def few_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DomainNet, "classes", DomainNet.classes[:3])


@pytest.mark.usefixtures("few_classes")
def test_domainnet_keeps_the_contract(tmp_path: Path) -> None:
    found = examine("dataset", "sketch", dataset_rules(domain(DomainNet, "sketch"), tmp_path))
    assert [f for f in found if f.state == "failed"] == []


@pytest.mark.usefixtures("few_classes")
def test_domainnet_needs_its_lists(tmp_path: Path) -> None:
    sketch = domain(DomainNet, "sketch")
    sketch.make_synthetic(tmp_path, 5, 0)
    assert {split: len(s.images) for split, s in sketch.prepare(tmp_path).items()} == {"train": 12, "test": 3}
    (tmp_path / "sketch_test.txt").unlink()
    assert "has a list of splits, but none of test beside sketch_train.txt" in refusal(sketch, tmp_path)
    (tmp_path / "sketch_train.txt").unlink()
    assert "does not hold the lists of splits, sketch_train.txt and sketch_test.txt. Download the cleaned" in refusal(
        sketch, tmp_path
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.partition("\n")[2], "1 of 60 images of"),
        (lambda text: text.replace(" 3\n", " 12\n"), "must be like 'trunk00/x.jpg 3', with a class from 0 to 11"),
        (lambda text: "".join(f"{line.split()[0]}\n" for line in text.splitlines()), "must be like 'trunk00/x.jpg 3'"),
    ],
    ids=["an image without a class", "another class", "the published list without classes"],
)
def test_the_test_images_of_visda_need_their_classes(change: Callable[[str], str], reason: str, tmp_path: Path) -> None:
    test = domain(VisDA2017, "test")
    test.make_synthetic(tmp_path, 5, 0)
    path = tmp_path / "test" / "image_list.txt"
    path.write_text(change(path.read_text()))
    assert reason in refusal(test, tmp_path)


# The real one


@pytest.mark.parametrize("variant", PACS.variants)
def test_the_real_pacs_has_the_published_counts(variant: str, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    with tarfile.open(real_data("pacs/PACS-128.tar")) as archive:
        archive.extractall(tmp_path, [m for m in archive if f"/{variant}/" in m.name], filter="data")
    splits = domain(PACS, variant).prepare(tmp_path)
    assert sum(len(s.images) for s in splits.values()) == PACS.domains[variant]["all"]
