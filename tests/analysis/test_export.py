"""Packs: what another person needs to check a table, in one zip that is read where it lies."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from fabricated import DatasetContent, edit, two_sets
from packs import contents, zipped

import dabench
from dabench.analysis import export as packs
from dabench.analysis.export import Pack, write_pack
from dabench.analysis.matrix import read_matrix
from dabench.cli import main
from dabench.errors import DataError, StoreError
from dabench.hashing import digest
from dabench.reporting.formats import to_json
from dabench.storage.run_store import RunStore

PEOPLE = {
    "print": DatasetContent("P", groups=[0, 0, 1, 1, 1, 2, 2, 3, 3, 3], attributes={"age": [20] * 5 + [60] * 5}),
    "hand": DatasetContent("H"),
}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return two_sets(datasets=PEOPLE).write(tmp_path / "made")


@pytest.fixture
def pack(store: RunStore, tmp_path: Path) -> Path:
    return write_pack(store, tmp_path / "made.zip")


# The same numbers


@pytest.mark.parametrize("metric", ["accuracy", "balanced-accuracy", "macro-f1", "recall:x"])
def test_counts_alone_give_the_same_cells_and_gains(tmp_path: Path, metric: str) -> None:
    store = two_sets().write(tmp_path / "made")
    counted = Pack(write_pack(store, tmp_path / "counts.zip", counts=True))
    assert to_json(read_matrix(counted, metric)) == to_json(read_matrix(store, metric))


def test_the_results_of_a_really_run_sweep_are_the_same_from_counts(tmp_path: Path) -> None:
    train = {"steps": 3}
    sweep = {"name": "own", "datasets": ["uci-digits"], "adapters": ["none"], "backbone": "conv4", "size": 16, "train": train}
    dabench.sweep(sweep, out=tmp_path / "s", engine="inline")
    counted = dabench.export(tmp_path / "s", tmp_path / "counts.zip", counts=True)
    assert to_json(dabench.report(counted)) == (tmp_path / "s" / "report" / "results.json").read_text(encoding="utf-8")


def test_counts_are_sorted_so_that_no_image_can_be_told(tmp_path: Path) -> None:
    labels = [2, 0, 1, 0, 2, 1, 0, 2, 1, 0]
    made = {"print": DatasetContent("P", labels, attributes={"age": list(range(10))}), "hand": DatasetContent("H")}
    store = two_sets(datasets=made).write(tmp_path / "made")
    counted = Pack(write_pack(store, tmp_path / "counts.zip", counts=True))
    assert not counted.dataset("print").attributes
    images = {}
    for of in (store, counted):
        records = [of.find(run.digest, network=False) for run in store.read_sweep().runs if "print" in run.tests]
        rows = [row for record in records if record for row in record.logits("print").argmax(2)]
        images[of] = list(zip(of.dataset("print").labels.tolist(), *(row.tolist() for row in rows), strict=True))
    assert images[counted] == sorted(images[store])
    assert images[counted] != images[store]


def test_images_of_counts_do_not_pair_and_no_file_is_about_them(tmp_path: Path) -> None:
    store = two_sets().write(tmp_path / "made")
    counted = write_pack(store, tmp_path / "counts.zip", counts=True)
    assert not any(pair.paired for pair in dabench.compare(store.folder, counted).pairs)
    (tmp_path / "a.csv").write_text("image,light\n0,dim\n", encoding="utf-8")
    with pytest.raises(DataError, match="in this pack the single test images of hand cannot be identified"):
        dabench.report(counted, attributes={"hand": tmp_path / "a.csv"})


def test_subjects_stay_together_in_counts_and_are_numbered_anew(tmp_path: Path) -> None:
    made = {"print": DatasetContent("P", groups=[5, 5, 3, 3, 3, 9, 9, 9, 9, 7]), "hand": DatasetContent("H")}
    store = two_sets(datasets=made).write(tmp_path / "made")
    counted = Pack(write_pack(store, tmp_path / "counts.zip", counts=True))
    subjects = {}
    for of in (store, counted):
        records = [of.find(run.digest, network=False) for run in store.read_sweep().runs if "print" in run.tests]
        test = of.dataset("print")
        rows = np.stack([test.labels, *(row for record in records if record for row in record.logits("print").argmax(2))], 1)
        assert test.groups is not None
        subjects[of] = [sorted(rows[test.groups == g].tolist()) for g in np.unique(test.groups)]
    assert subjects[counted] == sorted(subjects[store])
    assert subjects[counted] != subjects[store]
    found = counted.dataset("print").groups
    assert found is not None
    assert np.unique(found).tolist() == [0, 1, 2, 3]
    plain, sorted_ = (read_matrix(of).cells for of in (store, counted))
    assert [c.mean for c in plain] == [c.mean for c in sorted_]


@pytest.mark.parametrize("metric", ["accuracy", "macro-f1", "recall:x"])
def test_the_results_of_a_pack_are_those_of_its_output_folder_byte_for_byte(store: RunStore, pack: Path, metric: str) -> None:
    assert to_json(read_matrix(Pack(pack), metric)) == to_json(read_matrix(store, metric))


def test_the_results_of_a_really_run_sweep_are_the_same_from_its_pack(quick_runs: Path, tmp_path: Path) -> None:
    path = dabench.export(quick_runs, tmp_path / "quick.zip")
    assert to_json(dabench.report(path)) == (quick_runs / "report" / "results.json").read_text(encoding="utf-8")


def test_the_logits_of_every_checkpoint_are_the_same_to_the_bit(quick_runs: Path, tmp_path: Path) -> None:
    found = Pack(write_pack(RunStore(quick_runs), tmp_path / "quick.zip"))
    for run in found.read_sweep().runs:
        ours, theirs = (of.find(run.digest, network=False) for of in (found, RunStore(quick_runs)))
        assert ours is not None
        assert theirs is not None
        for test in run.tests:
            assert ours.logits(test).tobytes() == theirs.logits(test).tobytes()


def test_an_unfinished_sweep_is_packed_with_what_is_missing_and_why(tmp_path: Path) -> None:
    store = two_sets(leave_out=lambda run: run.name == "adabn_print_hand_s1").write(tmp_path / "s")
    store.fail("adabn_print_hand_s1", "the loss became nan\nTraceback: /home/somebody/adapter.py")
    found = Pack(write_pack(store, tmp_path / "s.zip"))
    assert to_json(read_matrix(found)) == to_json(read_matrix(store))
    assert found.failures() == {"adabn_print_hand_s1": "the loss became nan\n"}


def test_a_damaged_run_is_not_packed(store: RunStore, tmp_path: Path) -> None:
    (folder,) = store.runs.glob("adabn_print_hand_s1-*")
    (folder / "logits-hand.npy").write_bytes(b"damaged")
    assert read_matrix(Pack(write_pack(store, tmp_path / "s.zip"))).missing == ["adabn_print_hand_s1"]


# What is in it


def test_a_pack_holds_json_toml_text_and_arrays_alone(pack: Path) -> None:
    assert {name.rpartition(".")[2] for name in contents(pack)} <= {"json", "toml", "npy", "txt"}


def test_a_pack_holds_no_networks_and_no_reports(store: RunStore, tmp_path: Path) -> None:
    (store.report / "results.json").write_text("{}")
    names = contents(write_pack(store, tmp_path / "s.zip"))
    assert not [name for name in names if "safetensors" in name or name.startswith("report/")]


@pytest.mark.parametrize("kind", [{}, {"classes_only": True}, {"counts": True}])
def test_a_pack_holds_no_pictures_and_its_runs_are_whole_without_them(tmp_path: Path, kind: dict[str, bool]) -> None:
    images = np.zeros((2, 3, 1, 4, 4), np.uint8)
    shown, plain = (two_sets(pictures=lambda run, of=of: of).write(tmp_path / str(len(of))) for of in ({"digits": images}, {}))
    packs = [write_pack(store, tmp_path / f"{i}.zip", **kind) for i, store in enumerate((shown, plain))]
    assert contents(packs[0]).keys() == contents(packs[1]).keys()
    assert b"picture" not in b"".join(contents(packs[0]).values())
    assert to_json(read_matrix(Pack(packs[0]))) == to_json(read_matrix(Pack(packs[1])))
    assert read_matrix(Pack(packs[0])).missing == []


def test_a_pack_holds_licences_digests_and_environments(pack: Path) -> None:
    files = contents(pack)
    facts = json.loads(files["datasets/print/facts.json"])
    runs = [json.loads(content) for name, content in files.items() if name.endswith("run.json")]
    assert (facts["license"], len(facts["digest"])) == ("none needed", 64)
    assert {r["environment"]["torch"] for r in runs} == {"2.15.0"}


def test_a_pack_names_its_sweep_and_the_digest_of_its_table(store: RunStore, pack: Path) -> None:
    head = json.loads(contents(pack)["pack.json"])
    assert (head["sweep"], head["digest"]) == ("made", read_matrix(store).digest)


def test_attributes_are_in_it_and_may_be_left_out(store: RunStore, tmp_path: Path) -> None:
    whole = Pack(write_pack(store, tmp_path / "whole.zip"))
    less = Pack(write_pack(store, tmp_path / "less.zip", attributes=False))
    assert whole.dataset("print").attributes["age"].tolist() == [20] * 5 + [60] * 5
    assert less.dataset("print").attributes == {}
    assert not [name for name in contents(tmp_path / "less.zip") if "age" in name]
    assert b"attribute" not in contents(tmp_path / "less.zip")["datasets/print/facts.json"]


def test_names_of_files_are_in_no_pack(tmp_path: Path) -> None:
    named = {"file": [f"anna/{i}.png" for i in range(10)], "age": [20] * 10}
    made = two_sets(datasets={"print": DatasetContent("P", attributes=named), "hand": DatasetContent("H")}).write(tmp_path / "s")
    assert Pack(write_pack(made, tmp_path / "pack.zip")).dataset("print").attributes.keys() == {"age"}
    assert b"anna" not in (tmp_path / "pack.zip").read_bytes()


def test_without_attributes_the_cells_and_gains_are_the_same(store: RunStore, tmp_path: Path) -> None:
    less = read_matrix(Pack(write_pack(store, tmp_path / "less.zip", attributes=False)))
    whole = read_matrix(store)
    assert (less.cells, less.gains, less.digest) == (whole.cells, whole.gains, whole.digest)
    assert whole.subgroups
    assert less.subgroups == []


def test_of_paths_on_the_machine_that_ran_it_the_last_name_alone_is_packed(store: RunStore, tmp_path: Path) -> None:
    record = json.loads((store.folder / "sweep.json").read_text())
    record["sweep"]["dataset"] = {"print": {"path": "/home/somebody/secret/faces"}}
    record["sweep"]["plugins"] = ["/home/somebody/secret/mine.py"]
    record["overrides"] = ["dataset.print.path=/home/somebody/secret/faces", "train.lr=0.1"]
    edit(store.folder / "sweep.json", lambda text: json.dumps(record))
    packed = json.loads(contents(write_pack(store, tmp_path / "s.zip"))["sweep.json"])
    assert "somebody" not in json.dumps(packed)
    assert packed["sweep"]["dataset"]["print"]["path"] == "faces"
    assert packed["overrides"] == ["dataset.print.path=faces", "train.lr=0.1"]


def test_the_same_results_make_the_same_pack(store: RunStore, tmp_path: Path) -> None:
    one, other = (write_pack(store, tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert one == other


def test_a_pack_of_a_pack_is_that_pack(pack: Path, tmp_path: Path) -> None:
    assert write_pack(Pack(pack), tmp_path / "again.zip").read_bytes() == pack.read_bytes()


def test_a_file_that_is_there_is_not_overwritten(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "thesis.zip").write_text("years of work")
    with pytest.raises(StoreError, match=r"thesis\.zip: exists; use another file with --to"):
        write_pack(store, tmp_path / "thesis.zip")
    assert (tmp_path / "thesis.zip").read_text() == "years of work"


def test_a_pack_that_cannot_be_written_leaves_nothing(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be written.*--to"):
        write_pack(store, tmp_path / "nowhere" / "s.zip")


def test_a_pack_that_cannot_be_finished_leaves_nothing(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(archive: zipfile.ZipFile, name: str, content: BinaryIO) -> str:
        if name.endswith("labels.npy"):
            content.close()
            raise OSError(28, "No space left on device")
        return put(archive, name, content)

    put = packs._put
    monkeypatch.setattr(packs, "_put", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_pack(store, tmp_path / "s.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_without_the_sweep_file_the_rest_is_packed(store: RunStore, tmp_path: Path) -> None:
    (store.folder / "sweep.toml").unlink()
    found = Pack(write_pack(store, tmp_path / "s.zip"))
    assert to_json(read_matrix(found)) == to_json(read_matrix(store))


# Damage


def changed(files: dict[str, bytes]) -> None:
    name = next(n for n in files if n.endswith("logits-hand.npy"))
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])


def relabelled(files: dict[str, bytes]) -> None:
    files["datasets/hand/labels.npy"] = files["datasets/print/labels.npy"] + b"\0"


def lacking(files: dict[str, bytes]) -> None:
    del files[next(n for n in files if n.endswith("run.json"))]


def stranger(files: dict[str, bytes]) -> None:
    files["run_me.sh"] = b"echo"


@pytest.mark.parametrize("damage", [changed, relabelled, lacking, stranger])
def test_what_is_not_as_its_list_says_is_one_error(
    pack: Path, tmp_path: Path, damage: Callable[[dict[str, bytes]], None]
) -> None:
    files = contents(pack)
    damage(files)
    with pytest.raises(StoreError, match=r"bad\.zip: the pack is damaged \(.*\); obtain a new copy$"):
        Pack(zipped(tmp_path / "bad.zip", files))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_stands_twice_is_an_error(pack: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack, "a") as archive:
        archive.writestr("sweep.json", b"{}")
    with pytest.raises(StoreError, match="the pack is damaged"):
        Pack(pack)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_pack_is_one_error(pack: Path, part: float) -> None:
    content = pack.read_bytes()
    pack.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(StoreError, match=r"made\.zip"):
        Pack(pack)


def test_flipped_bits_are_noticed_wherever_they_are(pack: Path) -> None:
    content = pack.read_bytes()
    ends = content.index(b"pack.json", len(content) // 2)  # after it: the zip's own list, which holds times and the like
    for at in np.random.default_rng(0).integers(0, ends, 60).tolist():
        flipped = bytearray(content)
        flipped[at] ^= 4
        pack.write_bytes(flipped)
        try:
            found = Pack(pack)
        except StoreError:
            continue
        # Nothing that counts: the zip's list overrules what stands before each file.
        assert to_json(read_matrix(found))


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"null", b'{"format": 1, "files": []}', b"\xff"])
def test_a_list_that_is_none_is_one_error(pack: Path, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(StoreError, match=r"bad\.zip: "):
        Pack(zipped(tmp_path / "bad.zip", contents(pack) | {"pack.json": content}))


def test_another_format_is_refused(pack: Path, tmp_path: Path) -> None:
    files = contents(pack)
    files["pack.json"] = files["pack.json"].replace(b'"format": 1', b'"format": 2')
    with pytest.raises(StoreError, match="is a pack of format 2, but this dabench reads 1"):
        Pack(zipped(tmp_path / "new.zip", files))


def test_a_zip_of_something_else_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a pack of dabench export \(it has no pack\.json\)"):
        Pack(zipped(tmp_path / "other.zip", {"a.txt": b"a"}))


def test_a_file_that_is_no_zip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(StoreError, match=r"a\.zip is not a complete zip"):
        Pack(tmp_path / "a.zip")


# Malice: whoever writes a pack writes its list, too


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "runs/../../outside", "C:/outside"])
def test_a_name_that_leaves_the_pack_is_an_error(pack: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="a path out of its folder; do not trust it"):
        Pack(zipped(tmp_path / "bad.zip", contents(pack) | {name: b"x"}, listed=True))


def test_reading_a_pack_writes_nothing_anywhere_beside_it(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for command in (["report", "made.zip"], ["report", "made.zip", "--format", "md"], ["cite", "made.zip"]):
        assert main(command) == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert "No report is written for a pack; --out DIR writes one." in capsys.readouterr().out


def array(header: str, content: bytes = b"") -> bytes:
    """Return the bytes of an .npy file with this header."""
    line = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + content


@pytest.mark.parametrize(
    "content",
    [
        array("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000, 3), }"),
        array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 10, 3), }", b"\0" * 10),
        array("{'descr': '|O', 'fortran_order': False, 'shape': (2, 10, 3), }", b"cos\nsystem\n(S'echo'\ntR."),
        b"no array",
        b"",
    ],
    ids=["of petabytes", "too short", "of pickles", "none", "empty"],
)
def test_a_file_that_is_no_array_is_one_error(pack: Path, tmp_path: Path, content: bytes) -> None:
    files = contents(pack)
    name = next(n for n in files if n.endswith("logits-hand.npy") and "supervised_print_s0" in n)
    record = name.replace("logits-hand.npy", "run.json")
    facts = json.loads(files[record])
    facts["files"]["logits-hand.npy"] = hashlib.sha256(content).hexdigest()
    facts["check"] = digest({key: value for key, value in facts.items() if key != "check"})
    files[record] = json.dumps(facts).encode()
    bad = zipped(tmp_path / "bad.zip", files | {name: content}, listed=True)
    with pytest.raises(StoreError, match=r"bad\.zip: the pack is damaged \(.*logits-hand\.npy is not an array"):
        read_matrix(Pack(bad))


def test_a_file_that_unpacks_to_more_than_may_be_is_not_read(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "_LARGEST", 1000)
    with pytest.raises(StoreError, match=r"cannot be read.*is too large"):
        Pack(pack)


def test_a_file_of_another_compression_is_not_read(pack: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_LZMA) as archive:
        for name, content in contents(pack).items():
            archive.writestr(name, content)
    with pytest.raises(StoreError, match="is not compressed by deflate"):
        Pack(tmp_path / "bad.zip")


def test_an_array_of_a_pack_cannot_be_changed(pack: Path) -> None:
    labels = Pack(pack).array("datasets/hand/labels.npy")
    with pytest.raises(ValueError, match="read-only"):
        labels[0] = 1


# The command


def test_export_names_the_file_after_the_sweep_and_says_what_is_in_it(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(store.folder)]) == 0
    out = capsys.readouterr().out
    assert re.match(r"made\.zip: [\d,]+ bytes, 12 runs; no images, no networks\n", out)
    assert "  print: 10 test labels; licence: none needed; attributes of test images: age\n" in out
    assert "If attributes can identify people, export with --without-attributes.\n" in out
    assert out.endswith("Next: dabench report made.zip\n")


def test_export_without_attributes_says_nothing_of_them(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(store.folder), "--to", str(tmp_path / "a.zip"), "--without-attributes"]) == 0
    assert "attributes of" not in capsys.readouterr().out


def test_the_report_of_a_pack_is_written_where_it_is_told(store: RunStore, pack: Path, tmp_path: Path) -> None:
    dabench.report(store.folder)
    assert main(["report", str(pack), "--out", str(tmp_path / "out")]) == 0
    texts = [{p.name: p.read_bytes() for p in folder.glob("*.*")} for folder in (tmp_path / "out", store.report)]
    assert texts[0] == texts[1]
    assert "results.json" in texts[0]


def test_the_report_of_an_output_folder_may_be_written_elsewhere(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text("an older report")
    assert main(["report", str(store.folder), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "matrix.md").is_file()
    assert list(store.report.iterdir()) == []


def test_a_folder_with_other_things_in_it_gets_no_report(
    store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "matrix.md").write_text("years of work")
    assert main(["report", str(store.folder), "--out", str(tmp_path / "thesis")]) == 2
    assert "exists and is not a report; use another folder with --out" in capsys.readouterr().err
    assert (tmp_path / "thesis" / "matrix.md").read_text() == "years of work"


def test_a_damaged_pack_is_one_line_and_exit_code_2(pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = contents(pack)
    changed(files)
    assert main(["report", str(zipped(tmp_path / "bad.zip", files))]) == 2
    err = capsys.readouterr().err
    assert err.startswith("dabench: error: ")
    assert err.count("\n") == 1


def test_a_measured_baseline_can_be_made_from_a_pack(pack: Path, tmp_path: Path) -> None:
    assert main(["baseline", "mine", "--from", str(pack), "--to", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "mine.json").read_text())["digest"] == read_matrix(Pack(pack)).digest


def test_a_pack_in_memory_is_written_as_numpy_writes_arrays(pack: Path) -> None:
    name = "datasets/hand/labels.npy"
    assert np.array_equal(np.load(io.BytesIO(contents(pack)[name]), allow_pickle=False), Pack(pack).array(name))
