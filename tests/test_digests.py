"""Digests of values, files and code."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.code_hash import code_digest
from dabench.digests import digest, file_digest
from dabench.registry import Registry

KEYS = st.text(max_size=5)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)

PLUGIN = '''"""A plugin."""
import dabench

FACTOR = 2

class Mine(dabench.Dataset):
    """What it is."""

    name = "mine"
    classes = ("a",)

    def prepare(self, raw):
        """Read it."""
        return {"value": FACTOR}  # why
'''


@given(st.dictionaries(KEYS, PLAIN, max_size=4))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@given(st.lists(st.integers(), min_size=2, max_size=4, unique=True))
def test_the_order_of_a_list_counts(value: list[int]) -> None:
    assert digest(value) != digest(value[::-1])


def test_a_number_and_its_text_differ() -> None:
    assert digest(1) != digest("1")


def test_a_digest_is_the_same_for_ever() -> None:
    assert digest({"b": [1, "x"], "a": None}) == hashlib.sha256(b'{"a":null,"b":[1,"x"]}').hexdigest()


def test_what_is_no_number_has_no_digest() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))


def test_a_files_digest_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_digest(tmp_path / "f") == hashlib.sha256(b"abc").hexdigest()


def digest_of(text: str) -> str:
    registry = Registry(entry_points=False)
    registry.load_file(Path("mine.py"), text)
    return code_digest(registry.make("dataset", "mine"))


def test_code_that_has_changed_on_the_disk_since_it_was_loaded_leaves_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    registry = Registry(entry_points=False)
    registry.load_file(path)
    path.write_text(PLUGIN.replace("FACTOR = 2", "FACTOR = 3333"))
    assert code_digest(registry.make("dataset", "mine")) == digest_of(PLUGIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # why", ""),
        ("Read it.", "Read everything."),
        ("What it is.", "Something else."),
        ('"""A plugin."""', ""),
        ("FACTOR = 2\n", "FACTOR   =   2\n\n\n"),
    ],
)
def test_comments_docstrings_and_layout_leave_the_code_digest(old: str, new: str) -> None:
    assert old in PLUGIN
    assert digest_of(PLUGIN.replace(old, new)) == digest_of(PLUGIN)


def test_where_a_search_looks_for_a_setting_leaves_the_code_digest() -> None:
    plain = PLUGIN.replace("FACTOR = 2", 'FACTOR = dabench.setting(2, "times", low=0)')
    searched = PLUGIN.replace("FACTOR = 2", 'FACTOR = dabench.setting(2, "times", low=0, search={"int": [1, 4]})')
    assert digest_of(searched) == digest_of(plain)
    assert digest_of(searched.replace("low=0", "low=1")) != digest_of(plain)


@pytest.mark.parametrize(("old", "new"), [("FACTOR = 2", "FACTOR = 3"), ('{"value"', '{"other"'), ('("a",)', '("a", "b")')])
def test_code_that_may_change_a_result_changes_the_code_digest(old: str, new: str) -> None:
    assert old in PLUGIN
    assert digest_of(PLUGIN.replace(old, new)) != digest_of(PLUGIN)


def digest_of_child(text: str) -> str:
    registry = Registry(entry_points=False)
    registry.load_file(Path("mine.py"), text)
    parent = type(registry.make("dataset", "mine"))
    return code_digest(type("Child", (parent,), {"name": "child", "__module__": __name__})())


def test_the_code_a_plugin_builds_on_counts() -> None:
    assert digest_of_child(PLUGIN) == digest_of_child(PLUGIN.replace("  # why", ""))
    assert digest_of_child(PLUGIN) != digest_of_child(PLUGIN.replace("FACTOR = 2", "FACTOR = 3"))


def main_digest(tmp_path: Path, body: str) -> str:
    script = tmp_path / "script.py"
    script.write_text(f"""
import dabench
from dabench.code_hash import code_digest

class Mine(dabench.Dataset):
    name = "mine"
    def prepare(self, raw):
        {body}

def factory():
    class Inner(Mine):
        name = "inner"
        def size(self):
            {body}
    return Inner

print(code_digest(Mine()), code_digest(factory()()))
""")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    return ran.stdout


def test_code_written_in_a_script_or_notebook_counts(tmp_path: Path) -> None:
    one, two = main_digest(tmp_path, "return 1").split(), main_digest(tmp_path, "return 2").split()
    assert one[0] != two[0]
    assert one[1] != two[1]


def test_the_rest_of_a_script_does_not_count(tmp_path: Path) -> None:
    assert main_digest(tmp_path, "return 1") == main_digest(tmp_path, "return 1  # as before")
