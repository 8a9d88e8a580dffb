"""Object sets whose domains are datasets of their own: small ones in their layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import as_folder, as_zip, png, tree

from dabench.checks.dataset_checks import dataset_rules
from dabench.checks.rules import examine
from dabench.data.prepare import prepare_dataset
from dabench.datasets._office import DomainFolders
from dabench.datasets.office_31 import Office31
from dabench.datasets.office_caltech10 import OfficeCaltech10
from dabench.datasets.office_home import OfficeHome
from dabench.errors import DataError, PluginError
from dabench.plugins.registry import REGISTRY

FAMILIES: tuple[type[DomainFolders], ...] = (Office31, OfficeCaltech10, OfficeHome)
MEMBERS = [(kind, domain) for kind in FAMILIES for domain in kind.variants]
FOLDERS = {
    Office31: ("amazon/images", "dslr/images", "webcam/images"),
    OfficeCaltech10: ("amazon", "Caltech", "dslr", "webcam"),
    OfficeHome: ("Art", "Clipart", "Product", "Real World"),
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


@pytest.mark.parametrize(("kind", "variant"), MEMBERS)
def test_each_domain_keeps_the_contract(kind: type[DomainFolders], variant: str, tmp_path: Path) -> None:
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
    ("kind", "classes", "pictures"), [(Office31, 31, 4110), (OfficeCaltech10, 10, 2533), (OfficeHome, 65, 15588)]
)
def test_a_set_is_as_large_as_published(kind: type[DomainFolders], classes: int, pictures: int) -> None:
    assert len(kind.classes) == classes
    assert sum(domain(kind, variant).counts["all"] for variant in kind.variants) == pictures


def test_labels_for_tables_are_all_different() -> None:
    labels = [domain(kind, variant).short_name for kind, variant in MEMBERS]
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
