"""What a release needs agrees with the package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_citation_file_has_the_version_and_the_license_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    assert heading is not None
    assert heading[1] == PROJECT["version"]


def test_the_workflow_runs_the_check_and_every_supported_python() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8"))["jobs"]
    assert {"run": ".ci/run"} in jobs["check"]["steps"]
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert jobs["check"]["steps"][1]["with"]["python-version"] == oldest
    assert jobs["tests"]["strategy"]["matrix"]["python"] == ["3.12", "3.13"]


def test_the_container_runs_the_quick_sweep_on_the_oldest_python() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"FROM python:{PROJECT['requires-python'].removeprefix('>=')}-slim" in text
    assert text.rstrip().endswith('CMD ["make", "quick"]')
    for target in re.findall(r"RUN make (\S+)", text):
        assert target.replace(".venv", "$(VENV)") + ":" in (ROOT / "Makefile").read_text(encoding="utf-8")
