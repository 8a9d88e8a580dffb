"""Where the images of a run lie. No number depends on it, and an error of memory says what helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_sweeps import Tiny, identical, stored_logits, tiny

from dabench.data import file_rows
from dabench.data.file_rows import FileRows
from dabench.data.host_images import HostImages
from dabench.data.packed import PackedImages, write_packed
from dabench.errors import PluginError
from dabench.execution import placement
from dabench.execution.attempt import attempt
from dabench.execution.gpu import ImageMemoryError, memory_advice, room_on
from dabench.execution.options import ExecutionOptions
from dabench.execution.placement import ImagePlacement
from dabench.execution.run import execute
from dabench.storage.run_store import RunStore
from dabench.training.resume import RunStopped

CPU, GPU = torch.device("cpu"), torch.device("cuda")
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 1, 10, 10), dtype=np.uint8)
ADAPTERS = ("none", "fine-tune", "dann", "maml", "tent", "em-prior", "adabn")


def file_of(folder: Path, name: str = "x", jpeg: bool = False) -> str:
    path = folder / f"{name}.npy"
    with open(path, "w+b") as file:
        if jpeg:
            write_packed(file, IMAGES, 95)
        else:
            np.save(file, IMAGES)
    return str(path)


# A CPU


def test_small_images_are_mapped_and_not_mentioned(tmp_path: Path) -> None:
    lines: list[str] = []
    found = ImagePlacement(CPU, lines.append).placed("x", file_of(tmp_path))
    assert torch.equal(found, torch.from_numpy(IMAGES))
    assert lines == []


def test_large_images_stay_in_their_file_and_the_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 999)
    lines: list[str] = []
    found = ImagePlacement(CPU, lines.append).placed("x", file_of(tmp_path))
    assert isinstance(found, HostImages)
    assert isinstance(found.stored, FileRows)
    assert lines == ["-- the 10 images of x (0 MB) stay in their file: they are larger than 0 MiB. A thread reads batches"]


def test_small_compressed_images_are_decoded_once(tmp_path: Path) -> None:
    found = ImagePlacement(CPU, print).placed("x", file_of(tmp_path, jpeg=True))
    assert torch.equal(found, torch.from_numpy(np.asarray(file_rows.open_images(tmp_path / "x.npy"))))


def test_large_compressed_images_stay_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 999)
    found = ImagePlacement(CPU, lambda line: None, threads=3).placed("x", file_of(tmp_path, jpeg=True))
    assert isinstance(found, HostImages)
    assert isinstance(found.stored, PackedImages)
    assert found.stored.threads == 3


def test_shots_of_images_in_a_file_are_in_memory_if_they_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 999)
    own = ImagePlacement(CPU, lambda line: None)
    images = own.placed("x", file_of(tmp_path))
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 300)
    few, many = own.selected("x, shots", images, [4, 2, 9]), own.selected("x, shots", images, [4, 2, 9, 5])
    assert torch.equal(few, torch.from_numpy(IMAGES[[4, 2, 9]]))
    assert isinstance(many, HostImages)
    assert torch.equal(many.rows(torch.tensor([3, 0])), torch.from_numpy(IMAGES[[5, 4]]))


# A GPU. None is there: the images stay where they are, and its free memory is made up.


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(placement, "room_on", lambda device: 5000)
    monkeypatch.setattr(placement, "_tensor", lambda images, device: torch.from_numpy(np.array(images)))
    return monkeypatch


def test_images_take_at_most_half_of_the_free_memory_of_a_gpu(tmp_path: Path, gpu: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    own = ImagePlacement(GPU, lines.append)
    found = [own.placed(name, file_of(tmp_path, name)) for name in "abc"]
    assert [isinstance(images, HostImages) for images in found] == [False, False, True]  # 1,000 bytes each
    assert own.held == 2000
    assert lines == [
        "-- the 10 images of c (0 MB) stay in main memory: images take at most 50% of the 0 MB that are free on the GPU. "
        "A thread reads batches"
    ]


def test_images_for_which_memory_runs_out_stay_outside(tmp_path: Path, gpu: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    gpu.setattr(placement, "_tensor", full)
    lines: list[str] = []
    assert isinstance(ImagePlacement(GPU, lines.append).placed("x", file_of(tmp_path)), HostImages)
    assert "memory ran out when they were copied there" in lines[0]


@pytest.mark.parametrize(
    ("free", "kept", "used", "fraction", "room"),
    [(800, 0, 0, 1.0, 800), (500, 300, 100, 1.0, 700), (800, 0, 0, 0.25, 250), (800, 100, 50, 0.25, 200), (0, 0, 0, 1.0, 0)],
)
def test_room_on_a_gpu_is_what_other_processes_and_the_share_leave(
    monkeypatch: pytest.MonkeyPatch, free: int, kept: int, used: int, fraction: float, room: int
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: used)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: kept)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda number: {3: fraction}[number])
    assert room_on(GPU) == room


# Advice


def fails_with(error: Exception, held: int, used: int, monkeypatch: pytest.MonkeyPatch) -> Exception:
    """Return the error of a block in which memory runs out, while images take `held` of `used` bytes."""
    monkeypatch.setattr(placement, "room_on", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: used)
    own = ImagePlacement(GPU, print)
    own.held = held
    with pytest.raises((MemoryError, RuntimeError, ValueError)) as found, own.explained():
        raise error
    return found.value


def test_memory_that_images_take_is_told_with_advice_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fails_with(torch.OutOfMemoryError("CUDA out of memory"), 30_000_000_000, 40_000_000_000, monkeypatch)
    assert isinstance(error, ImageMemoryError)
    assert memory_advice(error) == (
        "ran out of memory: CUDA out of memory; images take 30.0 GB of the GPU, more than network and batches: end other "
        "programs that use it, give each run a whole GPU (--gpus-per-run 1), or set a smaller size"
    )


@pytest.mark.parametrize(
    ("error", "held"),
    [(torch.OutOfMemoryError("CUDA out of memory"), 10), (torch.OutOfMemoryError("x"), 0), (ValueError("x"), 90)],
)
def test_other_errors_stay_as_they_are(monkeypatch: pytest.MonkeyPatch, error: Exception, held: int) -> None:
    assert fails_with(error, held, 100, monkeypatch) is error


def test_memory_that_batches_take_is_told_with_advice_about_them() -> None:
    expected = "ran out of memory (CUDA out of memory); try a smaller train.batch or test.batch"
    assert memory_advice(torch.OutOfMemoryError("CUDA out of memory\nmore")) == expected


def test_a_run_whose_images_do_not_fit_is_not_told_to_make_batches_smaller(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> None:
        raise ImageMemoryError("images take 3 GB")

    monkeypatch.setattr("dabench.execution.run.execute", full)
    planned = sweep[0]
    result = attempt(planned.plan.job(planned.plan.runs[0]), RunStore(tmp_path), planned.registry, ExecutionOptions())
    assert result.what == "retried"
    assert "images take 3 GB" in result.reason
    assert "train.batch" not in result.reason


# Whole runs


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, _cache: Path) -> tuple[Tiny, Path]:
    """A sweep of adapters that read images in different ways, with all images in memory."""
    folder = tmp_path_factory.mktemp("in-memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DABENCH_CACHE", str(_cache))
        planned = tiny(folder, ADAPTERS, head='pairs = ["bright -> pale"]', overrides=["train.steps=8"])
    planned.run(folder / "out")
    return planned, folder / "out"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set is too large for memory."""
    monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 0)


def test_a_sweep_whose_images_stay_in_their_files_has_the_same_results(
    sweep: tuple[Tiny, Path], tmp_path: Path, large: None
) -> None:
    planned, done = sweep
    outcome = planned.run(tmp_path / "out")
    assert (outcome.failed, outcome.completed) == (0, len(planned.plan.runs))
    assert identical(stored_logits(planned, done), stored_logits(planned, tmp_path / "out"))
    log = next((tmp_path / "out" / "logs").glob("dann_*")).read_text()
    assert "images of bright" in log
    assert "stay in their file" in log


def in_two_pieces(planned: Tiny, done: Path, name: str, folder: Path, between: Callable[[], object]) -> tuple[Any, Any]:
    """Do a run up to its first checkpoint, and the rest after `between`; return its record, and that of the run in `done`."""
    run = next(r for r in planned.plan.runs if r.name == name)
    job, store = planned.plan.job(run), RunStore(folder)
    store.runs.mkdir(parents=True)
    for parent in planned.plan.runs:
        if parent.digest == run.parent:
            (store.runs / parent.folder).symlink_to(done / "runs" / parent.folder)
    store.sweep_lock.folder.mkdir()
    store.sweep_lock.stop()
    with pytest.raises(RunStopped):
        execute(job, store, planned.registry, 0.0)
    store.sweep_lock.folder.joinpath("stop").unlink()
    between()
    execute(job, store, planned.registry, 0.0)
    found = store.find(run.digest), RunStore(done).find(run.digest)
    return tuple((r.facts.losses, {t: r.logits(t).tobytes() for t in run.tests}) for r in found if r)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["supervised_bright_s0", "dann_bright_pale_s0", "maml_bright_s0"])
def test_a_run_that_is_stopped_resumes_with_images_in_their_files(
    sweep: tuple[Tiny, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    one, other = in_two_pieces(*sweep, name, tmp_path, lambda: monkeypatch.setattr(file_rows, "LARGEST_MAPPED", 0))
    assert one == other


def test_datasets_stored_as_jpeg_are_swept_and_resumed(tmp_path: Path, large: None) -> None:
    tables = '[dataset.bright]\nstore = "jpeg"\n[dataset.pale]\nstore = "jpeg"\nstore_quality = 60\n'
    planned = tiny(tmp_path, ["none", "dann"], tables=tables, head='pairs = ["bright -> pale"]')
    assert [p.store["quality"] for p in planned.plan.prepared.values()] == [95, 60]
    assert planned.run(tmp_path / "out").failed == 0
    assert planned.run(tmp_path / "out").completed == 0
    one, other = in_two_pieces(planned, tmp_path / "out", "dann_bright_pale_s0", tmp_path / "again", lambda: None)
    assert one == other


def test_an_adapter_that_uses_large_images_as_a_tensor_is_told_what_to_use(tmp_path: Path, large: None) -> None:
    planned = tiny(tmp_path, ["none", "whole"], head='pairs = ["bright -> pale"]', plugins=(_plugin(tmp_path), *_shapes()))
    assert planned.run(tmp_path / "out").failed == 1
    assert "Use view.rows(positions)" in next((tmp_path / "out" / "failed").glob("whole*")).read_text()


def _shapes() -> tuple[Path, ...]:
    from tiny_sweeps import SHAPES

    return (SHAPES,)


def _plugin(folder: Path) -> Path:
    path = folder / "whole.py"
    path.write_text(
        "from dabench import Adapter\n\n\nclass Whole(Adapter):\n"
        '    name, access = "whole", "unlabelled"\n\n'
        "    def adapt(self, net, sources, target, trainer):\n"
        "        target.unlabelled.images.float().mean()\n"
        "        return trainer.supervised(net, sources, steps=2)\n"
    )
    return path


def test_the_error_is_one_of_the_plugin() -> None:
    from dabench.data.host_images import HostImagesError

    assert issubclass(HostImagesError, PluginError)
