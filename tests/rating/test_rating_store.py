"""The file of a study: answers are kept once and on the disk, and nothing is lost or overwritten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from served import images, study

from dabench.errors import SpecError, StoreError
from dabench.rating.status import HEAD, status_rows
from dabench.rating.store import FILE, StudyStore, make_study, open_study
from dabench.rating.study import RaterQuestion, StudySettings


def test_an_answer_is_kept_once(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        store.keep(0, 0, 2, 1.5, False)
        store.keep(0, 0, 1, 9.0, True)
        (answer,) = store.answers()
    assert (answer.rater, answer.kind, answer.answer, answer.seconds, answer.interrupted) == (
        "rater-1",
        "practice",
        2,
        1.5,
        False,
    )


def test_an_answer_is_on_the_disk_before_the_next_image_is_shown(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        found = [store._rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]


def test_a_study_goes_on_with_its_answers_links_and_orders(tmp_path: Path) -> None:
    with study(tmp_path / "s", raters=2) as store:
        store.keep(1, 0, 0, 1, False)
        before = store.raters, store.trials(1), store.answers()
    with study(tmp_path / "s", raters=2) as store:
        assert (store.raters, store.trials(1), store.answers()) == before
        assert store.next_trial(1) == 1


def test_more_raters_leave_the_others_as_they_are(tmp_path: Path) -> None:
    with study(tmp_path / "s", raters=2) as store:
        before = store.raters
        store.add_raters(3)
        store.add_raters(1)
        assert [r.name for r in store.raters] == ["rater-1", "rater-2", "rater-3"]
        assert store.raters[:2] == before


def test_links_have_parts_that_cannot_be_guessed(tmp_path: Path) -> None:
    with study(tmp_path / "s", raters=50) as store:
        tokens = {r.token for r in store.raters}
    assert len(tokens) == 50
    assert min(map(len, tokens)) >= 22  # 128 bits in base64


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    with study(tmp_path / "s"):
        assert [oct(p.stat().st_mode & 0o777) for p in (tmp_path / "s").iterdir()] == ["0o600"] * 3


def test_the_file_has_no_label_of_a_test_image(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        assert store._rows("SELECT DISTINCT class FROM images WHERE kind = 'test'") == [(None,)]


def test_other_settings_are_an_error_that_names_them(tmp_path: Path) -> None:
    with study(tmp_path / "s", per_class=4):
        pass
    with pytest.raises(SpecError, match=r"has a study with other settings \(per-class 4\); continue it with dabench human serve"):
        make_study(tmp_path / "s", images(), StudySettings(per_class=5))


def test_other_images_are_an_error(tmp_path: Path) -> None:
    with study(tmp_path / "s"):
        pass
    made = images()
    other = type(made)("other", "f" * 64, made.classes, made.test, made.practice)
    with pytest.raises(SpecError, match=r"has a study of other images \(made-up, digest 01234567\)"):
        make_study(tmp_path / "s", other, StudySettings())


def test_settings_are_read_back(tmp_path: Path) -> None:
    ask = (RaterQuestion("age", "number"), RaterQuestion("sex", "choice", ("a", "b")))
    settings = StudySettings(3, 1, 0.25, 2, 9, "Which?", ("One.", "Two."), ask)
    with closing(make_study(tmp_path / "s", images(), settings)) as store:
        assert store.settings == settings


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="exists and has no study; use another folder with --to"):
        make_study(tmp_path, images(), StudySettings())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_study_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with study(tmp_path) as store:
        assert len(store.raters) == 2


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"study\.sqlite: cannot be used \(file is not a database\)"):
        make_study(tmp_path, images(), StudySettings())
    with pytest.raises(StoreError, match="cannot be used"):
        open_study(tmp_path)


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("CREATE TABLE study (name TEXT)")
    with pytest.raises(StoreError, match="is not a study of this version of dabench"):
        open_study(tmp_path)


def test_a_damaged_study_is_an_error_that_is_explained(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        with closing(sqlite3.connect(tmp_path / "s" / FILE)) as db:
            db.execute("DROP TABLE answers")
        with pytest.raises(
            StoreError, match=r"study\.sqlite: cannot be used \(no such table: answers\); make a copy of the folder"
        ):
            store.answers()


def test_a_folder_without_a_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"has no study \(study\.sqlite\); make one with dabench human serve"):
        open_study(tmp_path)


def test_what_a_rater_says_about_themselves_is_kept_once(tmp_path: Path) -> None:
    with study(tmp_path / "s") as store:
        assert store.about(0) is None
        store.keep_about(0, {"age": "30"})
        store.keep_about(0, {"age": "31"})
        assert store.about(0) == {"age": "30"}


def answer_all(store: StudyStore, rater: int, answer: int) -> None:
    """Answer everything alike, in two seconds each."""
    for number, _ in enumerate(store.trials(rater)):
        store.keep(rater, number, answer, 2.0, False)


def test_status_says_how_far_each_rater_is(tmp_path: Path) -> None:
    with study(tmp_path / "s", repeats=0.25, raters=3) as store:
        answer_all(store, 0, 1)
        store.keep(1, 0, 0, 0.5, True)
        first, second, third = (dict(zip(HEAD, row, strict=True)) for row in status_rows(store))
    assert (first["practice right"], first["images"], first["repeats"]) == ("1 of 3", "12 of 12", "3 of 3")
    assert (first["same answer again"], first["median time"]) == ("3 of 3", "2.0 s")
    assert (second["images"], second["same answer again"], second["median time"]) == ("0 of 12", "-", "-")
    assert third["last answer"] == "-"


def test_a_repeat_with_another_answer_is_counted(tmp_path: Path) -> None:
    with study(tmp_path / "s", repeats=0.25, raters=1) as store:
        for number, kind in enumerate(store.trials(0)):
            store.keep(0, number, int(kind == "repeat"), 2.0, False)
        assert dict(zip(HEAD, status_rows(store)[0], strict=True))["same answer again"] == "0 of 3"
