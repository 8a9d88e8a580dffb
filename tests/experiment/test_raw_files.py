"""What a sweep says if raw files are missing: every dataset that lacks them, and how to get each."""

from __future__ import annotations

from pathlib import Path

import pytest

from dabench.backbones.conv4 import Conv4
from dabench.cli import main
from dabench.errors import MissingFilesError
from dabench.plugins.registry import REGISTRY

OFFICE = 'datasets = ["office-31/*"]'


def sweep(folder: Path, datasets: str = OFFICE, more: str = "") -> str:
    """Write a sweep and return its path."""
    path = folder / "s.toml"
    path.write_text(f'name = "s"\n{datasets}\nadapters = ["none"]\nbackbone = "conv4"\n{more}')
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the error of a sweep that cannot be planned."""
    assert main(["sweep", *arguments, "--plan"]) == 2
    out, error = capsys.readouterr()
    assert "Traceback" not in out + error
    return error


def amazon(data: Path) -> None:
    """Write made-up images of one domain of three."""
    REGISTRY.make("dataset", "office-31/amazon").make_synthetic(data / "office-31", 5, 0)


def test_all_missing_datasets_are_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, sweep(tmp_path, 'datasets = ["usps", "office-home/art", "uci-digits"]'))
    assert text.startswith(f"dabench: error: 2 of 3 datasets have no raw files. Raw folders are below {tmp_path / 'raw'}, which")
    assert [line for line in text.splitlines() if line in ("usps", "office-home/art", "uci-digits")] == [
        "usps",
        "office-home/art",
    ]


def test_a_block_has_folder_instructions_license_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = REGISTRY.make("dataset", "office-31/amazon")
    text = " ".join(told(capsys, sweep(tmp_path)).split())  # lines are wrapped
    assert f"its raw files are not in {tmp_path / 'raw' / 'office-31'}" in text
    assert dataset.download_instructions in text
    assert f"License: {dataset.license}" in text
    assert f"Page: {dataset.homepage}" in text


def test_domains_in_one_folder_share_a_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, sweep(tmp_path))
    assert "\noffice-31/amazon, office-31/dslr, office-31/webcam\n" in text
    assert text.count("Download domain_adaptation_images.tar.gz") == 1


def test_nothing_is_prepared_if_a_folder_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    amazon(tmp_path / "raw")
    error = told(capsys, sweep(tmp_path, 'datasets = ["office-31/amazon", "usps"]'))
    assert "1 of 2 datasets have no raw files" in error
    assert "preparing" not in error


def test_domains_that_lack_in_a_folder_that_exists_are_all_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    amazon(tmp_path / "raw")
    text = told(capsys, sweep(tmp_path))
    assert "2 of 3 datasets have no raw files" in text
    assert "\noffice-31/dslr, office-31/webcam\n" in text


def test_data_that_is_one_level_too_deep_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    amazon(tmp_path)
    text = " ".join(told(capsys, sweep(tmp_path), "--data", str(tmp_path / "office-31")).split())
    assert f"--data is the folder above office-31: give --data {tmp_path}" in text


def test_files_that_are_there_and_broken_are_an_error_of_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw" / "office-31").mkdir(parents=True)
    (tmp_path / "raw" / "office-31" / "all.zip").write_bytes(b"no zip")
    text = told(capsys, sweep(tmp_path, 'datasets = ["office-31/amazon"]'))
    assert "is not a complete zip" in text.splitlines()[-1]


def test_a_plan_without_raw_files_makes_no_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conv4, "build", lambda *_: pytest.fail("a network was made"))
    told(capsys, sweep(tmp_path, more="pretrained = true"))


def test_each_line_is_escaped_by_itself() -> None:
    assert str(MissingFilesError("a\x1b", "b")) == "a\\x1b\nb"


def test_a_folder_that_the_user_declares_keeps_its_own_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    text = told(capsys, sweep(tmp_path, 'datasets = ["mine"]', '[dataset.mine]\npath = "mine"\n'))
    assert "have no raw files" not in text
    assert len(text.splitlines()) == 1 + text.startswith("preparing")
