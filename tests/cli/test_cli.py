"""The command line: every verb, what goes to which stream, and the exit codes."""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_list import all_commands
from fabricated import two_sets
from pictures import as_folder, classes, tree
from tiny_sweeps import SHAPES, TINY

import dabench
from dabench import cli
from dabench.cli import doctor, main
from dabench.cli import sweep as sweep_command
from dabench.errors import StoreError
from dabench.execution.options import ExecutionOptions

pytestmark = pytest.mark.usefixtures("registry_restored")


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command of a tiny sweep, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY.format(adapters='["none", "adabn"]', head="", tables=""), encoding="utf-8")
    return ["sweep", "tiny.toml", "--plugin", str(SHAPES), "--engine", "inline"]


def test_without_a_command_the_usage_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "usage: dabench" in capsys.readouterr().err


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    found = set(re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.M))
    assert found >= {
        "list",
        "show",
        "prepare",
        "sweep",
        "report",
        "compare",
        "baseline",
        "cite",
        "export",
        "human",
        "doctor",
        "audit",
        "new",
        "check",
    }


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"dabench {dabench.__version__}\n"


def test_list_prints_every_kind_with_its_titles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line[0] != " "] == ["datasets", "backbones", "adapters", "sweeps", "baselines"]
    assert re.search(r"^  vgg19 +VGG19 with batch norm", out, flags=re.M)
    assert re.search(r"^    dann +.* \[alignment\]$", out, flags=re.M)


def test_list_of_one_kind_prints_that_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "adapters", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["adapters"]
    assert {row["access"] for row in found["adapters"]} == {"none", "unlabelled", "few-shot", "test"}


def test_list_shows_the_plugins_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "datasets", "--json", "--plugin", str(SHAPES)]) == 0
    rows = {row["name"]: row["origin"] for row in json.loads(capsys.readouterr().out)["datasets"]}
    assert rows["bright"] == f"file {SHAPES}"


def test_show_states_the_parameters_of_vgg19(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "backbone", "vgg19"]) == 0
    assert "parameters: 20,038,983 with 3 channels, 44x44 images and 7 classes" in capsys.readouterr().out


def test_show_prints_options_with_defaults_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "adapter", "maml"]) == 0
    out = capsys.readouterr().out
    assert "  first_order = false  (true or false) " in out
    assert "access: few-shot" in out
    assert "@inproceedings{finn2017model" in out


@pytest.mark.parametrize(("kind", "name"), [("dataset", "uci-digits"), ("backbone", "conv4"), ("adapter", "none")])
def test_show_as_json_holds_all_facts(capsys: pytest.CaptureFixture[str], kind: str, name: str) -> None:
    assert main(["show", kind, name, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == name
    assert {"short_name", "title", "origin", "options", "citation", "about"} <= set(facts)


def test_show_says_where_the_files_of_a_dataset_lie_and_whether_it_is_prepared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown() -> dict[str, str]:
        assert main(["show", "dataset", "image-folder", "--data", str(tmp_path)]) == 0
        return dict(line.partition(": ")[::2] for line in capsys.readouterr().out.splitlines())

    raw = tmp_path / "image-folder"
    before = shown()
    assert (before["raw"], before["prepared"]) == (f"{raw} (no files there)", "no; dabench prepare image-folder")
    files = as_folder(raw, tree(classes()))
    size = sum(path.stat().st_size for path in files.rglob("*.png"))
    assert (shown()["raw"], shown()["prepared"]) == (f"{raw} (20 files of {size:,} bytes)", "no; dabench prepare image-folder")
    assert main(["prepare", "image-folder", "--data", str(tmp_path)]) == 0
    digest = re.search(r"digest (\w+)", capsys.readouterr().out)
    assert digest
    assert shown()["prepared"] == "train 14 / val 2 / test 4 images, 1x8x8"
    assert shown()["digest"] == digest[1]
    (raw / "a" / "00.png").unlink()
    assert shown()["prepared"] == "no; dabench prepare image-folder"


def test_show_of_a_dataset_without_raw_files_says_that_it_needs_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "dataset", "uci-digits"]) == 0
    out = capsys.readouterr().out
    assert "raw: needs no files" in out
    assert "counts: train 1437, test 360" in out
    assert "augment: crop not set, flip false, rotate 0.0" in out


def test_an_option_without_a_default_is_shown_as_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "dataset", "image-folder"]) == 0
    assert "  size = not set  (a whole number, at least 4) " in capsys.readouterr().out


def test_prepare_prints_the_counts_of_every_split_and_class(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "bright", "--plugin", str(SHAPES)]) == 0
    out = capsys.readouterr().out
    assert re.match(r"bright: \d+ / \d+ / \d+ images \(train / val / test\), 1x16x16, \d classes\n", out)
    assert re.search(r"^  train \w+ \d+, \w+ \d+", out, flags=re.M)
    assert re.search(r"^  digest [0-9a-f]{64}$", out, flags=re.M)


def test_a_sweep_ends_with_the_matrix_the_gains_and_the_next_command(
    sweep: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(sweep) == 0
    out, err = capsys.readouterr()
    assert "trained on" in out
    assert "Adaptation gains" in out
    assert re.search(r"CONV4-\w+-\w+", out)
    assert "4 completed, 0 already complete, 0 failed." in out
    assert out.splitlines()[-2].startswith("Next: dabench report runs/tiny")
    assert out.splitlines()[-1] == "Report: runs/tiny/report/index.html"
    assert "[4/4]" in err
    assert (tmp_path / "runs" / "tiny" / "report" / "results.json").is_file()


def test_a_finished_sweep_run_again_trains_nothing(sweep: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(sweep)
    before = {f: f.stat().st_mtime_ns for f in sorted((tmp_path / "runs" / "tiny" / "runs").rglob("*"))}
    results = (tmp_path / "runs" / "tiny" / "report" / "results.json").read_bytes()
    capsys.readouterr()
    assert main(sweep) == 0
    out, err = capsys.readouterr()
    assert "0 completed, 4 already complete, 0 failed" in out
    assert err == ""
    assert {f: f.stat().st_mtime_ns for f in sorted((tmp_path / "runs" / "tiny" / "runs").rglob("*"))} == before
    assert (tmp_path / "runs" / "tiny" / "report" / "results.json").read_bytes() == results


def test_a_run_that_is_missing_is_the_only_one_done_again(
    sweep: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(sweep)
    results = (tmp_path / "runs" / "tiny" / "report" / "results.json").read_bytes()
    (gone,) = (tmp_path / "runs" / "tiny" / "runs").glob("adabn_bright_pale_s0-*")
    shutil.rmtree(gone)
    capsys.readouterr()
    assert main(sweep) == 0
    assert "1 completed, 3 already complete" in capsys.readouterr().out
    assert (tmp_path / "runs" / "tiny" / "report" / "results.json").read_bytes() == results


def test_redo_runs_everything_again(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(sweep)
    capsys.readouterr()
    assert main([*sweep, "--redo"]) == 0
    assert "4 completed, 0 already complete" in capsys.readouterr().out


def test_set_overrides_keys_of_the_file(sweep: list[str], tmp_path: Path) -> None:
    assert main([*sweep, "--set", "train.steps=1", "--set", "seeds=[3, 5]", "--set", 'adapters=["none"]', "--out", "other"]) == 0
    record = json.loads((tmp_path / "other" / "sweep.json").read_text())
    assert (record["sweep"]["train"]["steps"], record["seeds"], record["sweep"]["adapters"]) == (1, [3, 5], ["none"])
    assert not (tmp_path / "runs").exists()


def test_more_seeds_and_adapters_go_into_the_same_folder(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*sweep, "--set", 'adapters=["none"]'])
    capsys.readouterr()
    assert main([*sweep, "--set", "seeds=2"]) == 0
    assert "6 completed, 2 already complete" in capsys.readouterr().out


def test_a_plan_prints_a_summary_with_an_estimate_and_leaves_nothing(
    sweep: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sweep, "--plan"]) == 0
    out = capsys.readouterr().out
    assert "_s0" not in out
    lines = out.splitlines()
    at = lines.index("4 runs: 0 complete, 4 to do")
    assert lines[at + 1 : at + 3] == ["  2 trainings: 0 complete", "  2 adaptations by adabn: 0 complete"]
    assert re.match(r"time: about .* on this machine, runs in parallel: 1; .* of core time \(cores per run: 1\)$", lines[at + 3])
    assert any(line.startswith("intervals of 1 seed: ±") for line in lines)
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.toml"]


def test_the_runs_of_a_plan_are_listed_on_demand(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*sweep, "--plan", "--verbose"]) == 0
    assert len(re.findall(r"^  \S+_s0 +to do, about ", capsys.readouterr().out, flags=re.M)) == 4


def test_a_plan_counts_tasks_with_several_sources(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    three = ["--set", 'datasets=["bright", "pale", "dim"]', "--set", "dataset.dim.plugin=bright"]
    assert main([*sweep, *three, "--set", "pairs=all + leave-one-out", "--plan"]) == 0
    assert "9 tasks: 6 with one source, 3 with several" in capsys.readouterr().out.splitlines()


def test_verbose_without_a_plan_is_an_error(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*sweep, "-v"]) == 2
    assert "--verbose: lists the runs of a plan; add --plan" in capsys.readouterr().err


def test_a_plan_says_what_is_complete(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*sweep, "--set", 'adapters=["none"]'])
    capsys.readouterr()
    assert main([*sweep, "--plan", "-v"]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"_s0 +complete$", out, flags=re.M)) == 2
    assert "  2 trainings: 2 complete" in out
    assert "4 runs: 2 complete, 2 to do" in out


BREAKING = """
from dabench import Adapter

class Breaking(Adapter):
    name = "breaking"
    def adapt(self, net, sources, target, trainer):
        {}
"""


def breaking(folder: Path, action: str) -> list[str]:
    (folder / "breaking.py").write_text(BREAKING.format(action))
    return ["--plugin", "breaking.py", "--set", 'adapters=["none", "breaking"]']


def test_a_failed_run_is_exit_code_1_with_its_reason_and_the_rest_is_kept(
    sweep: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sweep, *breaking(tmp_path, "raise RuntimeError('no luck')")]) == 1
    out, err = capsys.readouterr()
    assert "4 completed, 0 already complete, 2 failed" in out
    assert "Unfinished: 2 of 6 runs are missing" in out
    assert "failed breaking_bright_pale_s0: RuntimeError: no luck" in out
    assert "Run the failed runs again with: dabench sweep tiny.toml" in out
    assert "Traceback" not in out + err
    assert "Traceback" in (tmp_path / "runs" / "tiny" / "failed" / "breaking_bright_pale_s0.txt").read_text()
    results = json.loads((tmp_path / "runs" / "tiny" / "report" / "results.json").read_text())
    assert len(results["cells"]) == 4


def test_a_stopped_sweep_is_exit_code_1_and_says_how_to_go_on(
    sweep: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*sweep, *breaking(tmp_path, "raise KeyboardInterrupt"), "--out", "my runs"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("dabench: stopped; complete runs are kept. Continue with: dabench sweep tiny.toml --plugin ")
    assert "--plugin breaking.py" in line
    assert "--out 'my runs' --engine inline" in line
    assert len(list((tmp_path / "my runs" / "runs").iterdir())) == 4


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The output folder of a fabricated sweep."""
    return two_sets(seeds=1).write(tmp_path / "made").folder


def test_report_prints_the_matrix_and_writes_the_files(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs)]) == 0
    out = capsys.readouterr().out
    assert "NET-P-H" in out
    assert out.endswith(f"Report: {runs}/report/index.html\n")
    assert (runs / "report" / "matrix.tex").is_file()


def test_report_as_json_prints_results_and_nothing_else(quick_runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(quick_runs), "--format", "json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == json.loads((quick_runs / "report" / "results.json").read_text())
    assert err == ""


@pytest.mark.parametrize("form", ["md", "csv", "tex"])
def test_report_in_a_format_prints_that_alone_and_writes_nothing(
    runs: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert main(["report", str(runs), "--format", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith({"md": "# Made up", "csv": "setting,method,", "tex": "% needs the packages booktabs"}[form])
    assert list((runs / "report").iterdir()) == []


def test_report_of_another_metric_comes_from_the_same_predictions(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", str(runs), "--format", "csv", "--metric", "recall:x"])
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (row["method"], row["metric"], row["H -> P"]) == ("trained on the target", "recall:x", "75.0")


def test_report_prints_standard_deviations_and_every_cross_matrix_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = two_sets().write(tmp_path / "made").folder
    assert main(["report", str(runs), "--spread", "std", "--all"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"adabn .*70\.0= ± 14\.1", out)
    assert "adabn: " in out
    assert "Recall of each class in %, P -> H" in out
    assert (runs / "report" / "std" / "methods.md").is_file()


def test_a_table_in_a_pipe_is_not_cut_to_80_columns(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", str(runs)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if re.match(r"fine-tune +NET-P-H", line)]
    assert len(line) > 80
    assert re.search(r"\+50\.0 \(.*\) +1 of 1 +83 % \(.*\) +-40\.0 +5 per class +\(a\)$", line.rstrip())


def test_compare_lays_measured_beside_published(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs), "paper"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"VGG-FER-NAE +FER +- +29\.05 +- +only in B", out)
    assert re.search(r"none +NET-P-P +P +90\.0 \(.*\) +- +- +only in A", out)
    assert "B: Source: Kim et al." in out


def test_baseline_without_a_name_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline"]) == 0
    assert "paper  Expressions of actors against non-actors" in capsys.readouterr().out


def test_the_list_states_command_extent_and_digest_of_measured_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline"]) == 0
    quick = dabench.baseline("quick")
    extent = rf"3 seeds, {quick['provenance']['runs']} runs in \d+:\d\d min, digest {quick['digest'][:12]}"
    assert re.search(rf"^quick  .*\(measured\)\n    dabench sweep quick\n    {extent}$", capsys.readouterr().out, flags=re.M)


def test_baseline_prints_the_published_numbers_and_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "paper"]) == 0
    out = capsys.readouterr().out
    for name, number in (("VGG-FER-FER", 70.57), ("VGG-FER-NAE", 29.05), ("VGG-NAE-NAE", 46.86), ("VGG-NAE-FER", 25.30)):
        assert re.search(rf"{name} .* {number:.2f} +published", out)
    assert re.search(r"Human-None-NAE .* 39\.60 +published", out)


def test_baseline_as_json_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == dabench.baseline("paper")


def test_baseline_from_a_finished_sweep_writes_its_files(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "mine", "--from", str(runs), "--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / f"mine.{kind}") for kind in ("json", "md", "zip")]
    assert main(["compare", str(runs), str(tmp_path / "mine.json")]) == 0
    assert "the same" in capsys.readouterr().out


def test_cite_prints_bibtex_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite", "paper"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("% We compare with Kim et al., ")
    assert "\n@software{dabench,\n" in out
    assert err == ""


def test_cite_prints_the_sentence_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite", "quick", "--sentence"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"We used dabench {dabench.__version__} ")
    assert out.count("\n") == 1


def test_doctor_names_what_is_missing_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", {"numpy": "numpy", "not-there": "not_there_at_all"})
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^ok +numpy +\d", out, flags=re.M)
    assert re.search(r"^MISSING not-there +cannot be imported .*; pip install not-there$", out, flags=re.M)


def test_doctor_is_content_where_all_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", {"numpy": "numpy", "torch": "torch"})
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "MISSING" not in out
    assert f"{tmp_path / 'raw'} (DABENCH_DATA), does not exist yet" in out
    assert re.search(r"^ok +device +.*precision 'auto' is (bf16|fp32)$", out, flags=re.M)


def test_debug_shows_where_an_error_came_from() -> None:
    for place in (["--debug", "report", "nowhere"], ["report", "nowhere", "--debug"]):
        with pytest.raises(StoreError):
            main(place)


def test_an_unforeseen_error_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(what: str, plugins: list[str]) -> str:
        raise ZeroDivisionError("by\ndesign")

    monkeypatch.setattr("dabench.api.cite", broken)
    assert main(["cite", "quick"]) == 1
    err = capsys.readouterr().err
    assert err == "dabench: unexpected error: ZeroDivisionError: by design (run again with --debug for the traceback)\n"
    with pytest.raises(ZeroDivisionError):
        main(["cite", "quick", "--debug"])


def command(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dabench", *words], capture_output=True, text=True, check=False, cwd=cwd)


def test_debug_prints_a_traceback_and_without_it_there_is_none(tmp_path: Path) -> None:
    plain, debug = command("report", "nowhere", cwd=tmp_path), command("report", "nowhere", "--debug", cwd=tmp_path)
    assert plain.returncode == 2
    assert plain.stderr.startswith("dabench: error: nowhere: is not a results folder")
    assert plain.stderr.count("\n") == 1
    assert "Traceback" in debug.stderr
    assert debug.stderr.splitlines()[-1].startswith("dabench.errors.StoreError: nowhere: is not a results folder")


def test_a_reader_that_goes_away_is_no_error(runs: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m dabench report '{runs}' --format json | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "0"
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


LOADED = """
import sys
from dabench.cli import main
from dabench.execution.options import ExecutionOptions
from dabench.errors import StoreError
code = main(sys.argv[1:])
print("loaded:", *sorted({"torch", "ray"} & set(sys.modules)))
sys.exit(code)
"""


def loaded(*words: str) -> list[str]:
    """Return which of torch and ray a command imports."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_list_loads_neither_torch_nor_ray() -> None:
    assert loaded("list", "--json") == []


def test_a_finished_sweep_run_again_loads_neither_torch_nor_ray(quick_runs: Path) -> None:
    again = (
        "--out",
        str(quick_runs),
        "--set",
        "train.steps=3",
        "--set",
        "seeds=1",
        "--set",
        "fine-tune.passes=1",
        "--engine",
        "ray",
    )
    assert loaded("sweep", "quick", *again) == []


def test_show_of_a_dataset_loads_neither_torch_nor_ray() -> None:
    assert loaded("show", "dataset", "uci-digits") == []


def test_show_of_a_backbone_loads_torch() -> None:
    # What the tests above look for can be found.
    assert loaded("show", "backbone", "conv4") == ["torch"]


def test_every_verb_of_the_parser_has_help() -> None:
    actions = [a for a in cli.make_parser()._actions if hasattr(a, "_choices_actions")]
    assert all(choice.help for choice in actions[0]._choices_actions)  # type: ignore[attr-defined]


def test_each_execution_option_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    said = capsys.readouterr().out
    assert [name for option in fields(ExecutionOptions) if (name := f"--{option.name.replace('_', '-')}") not in said] == []


def test_the_command_that_goes_on_keeps_the_execution_options_but_does_not_redo(
    sweep: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dabench.api.run_sweep", stops)
    main([*sweep, "--redo", "--time-limit", "2m", "--max-parallel", "3"])
    said = capsys.readouterr().err
    assert "--engine inline --time-limit 120 --max-parallel 3" in said
    assert "--redo" not in said


def test_the_next_command_quotes_a_folder_with_blanks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = SimpleNamespace(folder=tmp_path / "ünï cödé dir")
    counts = {"completed": 1, "already_complete": 0, "failed": 0, "trials_failed": 0, "searched": False}
    sweep_command._print_end(SimpleNamespace(store=store, **counts), argparse.Namespace(tensorboard=False))
    assert f"Next: dabench report '{store.folder}' --metric" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_completes_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [words[0] for words in all_commands() if words[0] not in script] == []
