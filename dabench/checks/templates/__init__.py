"""Texts of the files that `dabench new` writes. $name and other words are replaced."""

TEST = '''"""$name passes every check of its contract."""

from __future__ import annotations

import dabench
from $module import $cls

dabench.register($cls)  # so that the test also runs where the package is not installed


def test_every_check_passes() -> None:
    assert [finding for finding in dabench.check("$name") if finding.state == "failed"] == []
'''
"""The test of every new plugin."""
