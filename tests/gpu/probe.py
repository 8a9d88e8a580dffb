"""Measure the training loop on one GPU: gradients, repeatability, waits, step times, captured steps, processes side by side.

    python tests/gpu/probe.py OUT.json [STAGE ...] [--tiny]

Each stage prints its result and writes it into OUT.json as it goes, so that a time limit loses no more than what is running.
A stage that fails is recorded with its error, and the others go on. On a CPU, stages that need CUDA give nothing; --tiny does
all of it in miniature.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dabench.data.augment import Augmenter
from dabench.plugins.contract import Augment, Target, View
from dabench.plugins.registry import REGISTRY
from dabench.training.evaluate import logits
from dabench.training.network import TorchNetwork, build_network
from dabench.training.settings import EvalConfig, TrainConfig
from dabench.training.trainer import RunTrainer

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CUDA = DEVICE.type == "cuda"
FACES = Augment(crop=44, flip=True, rotate=10)
LAST = torch.channels_last

Record = Callable[[str, Any], None]
Stage = Callable[[Record, bool], None]
STAGES: dict[str, Stage] = {}


def stage(function: Stage) -> Stage:
    STAGES[function.__name__] = function
    return function


def wait() -> None:
    if CUDA:
        torch.cuda.synchronize()


def convolutions(*, deterministic: bool = False, tf32: bool = True, benchmark: bool = False) -> None:
    """Set how cuDNN computes convolutions; the defaults are torch's own."""
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = benchmark
    if CUDA:
        torch.backends.cudnn.conv.fp32_precision = "tf32" if tf32 else "ieee"


def network(backbone: str, channels: int, size: int, seed: int = 0) -> TorchNetwork:
    """Return a fresh network on the CPU."""
    torch.manual_seed(seed)
    return build_network(REGISTRY.make("backbone", backbone), channels, size, 7)


def large(tiny: bool) -> str:
    """Return the backbone of the stages about VGG19."""
    return "conv4" if tiny else "vgg19"


def view(n: int, channels: int, side: int, *, name: str = "s", seed: int = 0, labels: bool = True, groups: bool = False) -> View:
    """Return made-up images whose brightness tells the class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(7, (n,), generator=generator)
    x = (torch.rand(n, channels, side, side, generator=generator) * 160 + y[:, None, None, None] * 12).to(torch.uint8)
    g = torch.randint(5, (n,), generator=generator).to(DEVICE) if groups else None
    return View(name, tuple("0123456"), x.to(DEVICE), y.to(DEVICE) if labels else None, g)


def trainer(side: int, augment: Augment, **settings: Any) -> RunTrainer:
    config = TrainConfig(**{"device": DEVICE.type, "checkpoints": 1, "schedule": "constant", **settings})
    return RunTrainer(config, Augmenter(augment, side, side, DEVICE), DEVICE, seed=0)


def faces_trainer(batch: int, steps: int, precision: str = "auto", replay: bool = False) -> RunTrainer:
    """Return a trainer with the optimizer of `paper` (batches of 128 and more) or of `paper-modern`."""
    if batch >= 128:
        study = {"lr": 0.01, "clip": "value", "clip_at": 0.1}
        return trainer(48, FACES, batch=batch, steps=steps, precision=precision, replay=replay, **study)
    modern = {"optimizer": "adamw", "lr": 3e-4, "label_smoothing": 0.1}
    return trainer(48, FACES, batch=batch, steps=steps, precision=precision, replay=replay, **modern)


def milliseconds(run: Callable[[int], object], steps: int, rounds: int) -> list[float]:
    """Return the median, and the range, of milliseconds a step over some rounds of `steps` steps; warms up first."""
    run(max(1, steps // 4))
    found = []
    for _ in range(rounds):
        wait()
        start = time.perf_counter()
        run(steps)
        wait()
        found.append(1e3 * (time.perf_counter() - start) / steps)
    return [round(statistics.median(found), 3), round(max(found) - min(found), 3)]


def method(name: str) -> Callable[[int], object]:
    """Return a function that trains conv4 at 32 pixels for some steps by a method, on the device."""
    source, target = (
        view(2000, 3, 32, groups=True),
        Target("t", tuple("0123456"), view(2000, 3, 32, name="t", seed=1, labels=False)),
    )
    adapter, net = REGISTRY.make("adapter", name), network("conv4", 3, 32).to(DEVICE)

    def run(steps: int) -> object:
        own = trainer(32, Augment(rotate=10), batch=128, steps=steps)
        if name in ("none", "maml"):
            return adapter.pretrain(net, [source], own)
        return adapter.adapt(net, [source], target, own)

    return run


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().cpu() for p in net.parameters()])


@stage
def ceilings(record: Record, tiny: bool) -> None:
    """What the card can do: a large product in bf16, a large copy."""
    if not CUDA:
        return
    a, b = (torch.randn(8192, 8192, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    took = milliseconds(lambda steps: [a @ b for _ in range(steps)], 10, 3)[0]
    record("bf16 product, TFLOP/s", round(2 * 8192**3 / took / 1e9))
    x = torch.empty(2**31, dtype=torch.uint8, device=DEVICE)
    y = torch.empty_like(x)
    took = milliseconds(lambda steps: [y.copy_(x) for _ in range(steps)], 5, 3)[0]
    record("copy, TB/s, bytes read and written", round(2 * 2**31 / took / 1e9, 2))


@stage
def gradients(record: Record, tiny: bool) -> None:
    """Relative error of one step's gradients against float64 on the CPU."""
    torch.manual_seed(1)
    x, y = torch.rand(16, 1, 44, 44), torch.randint(7, (16,))

    def of(net: TorchNetwork, images: torch.Tensor, labels: torch.Tensor, low: bool) -> torch.Tensor:
        net.train()
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=low):
            out = net.head(net.encoder(images))
        F.cross_entropy(out if out.dtype == torch.float64 else out.float(), labels).backward()
        return torch.cat([p.grad.double().cpu().flatten() for p in net.parameters() if p.grad is not None])

    for backbone in ("conv4",) if tiny else ("vgg19", "conv4"):
        net = network(backbone, 1, 44)
        net.dropout.p = 0.0
        truth = of(copy.deepcopy(net).double(), x.double(), y, False)
        for mode in ("ieee", "tf32", "bf16"):
            convolutions(tf32=mode == "tf32")
            found = of(copy.deepcopy(net).to(DEVICE), x.to(DEVICE), y.to(DEVICE), mode == "bf16")
            record(f"{backbone} {mode}", float(f"{(found - truth).norm() / truth.norm():.3g}"))


@stage
def agree(record: Record, tiny: bool) -> None:
    """Largest difference of weights between the device and the CPU after 20 steps in fp32, IEEE; and of the CPU with itself."""
    steps = 2 if tiny else 20
    x, y = torch.rand(64, 1, 44, 44), torch.randint(7, (64,))

    def ends(device: torch.device) -> torch.Tensor:
        net = network("conv4", 1, 44).to(device)
        net.dropout.p = 0.0
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(net.train()(x.to(device)), y.to(device)).backward()
            optimizer.step()
        return weights(net)

    convolutions(deterministic=True, tf32=False)
    on_cpu = ends(torch.device("cpu"))
    for name, device in (("device", DEVICE), ("cpu", torch.device("cpu"))):
        record(name, float(f"{(ends(device) - on_cpu).abs().max():.3g}"))


@stage
def memory(record: Record, tiny: bool) -> None:
    """What is said of a run that does not fit into the memory of the card, and whether the next run of the process is done."""
    from dabench.execution.gpu import free_cached, lost, out_of_memory

    if not CUDA:
        return
    try:
        torch.empty(2 * torch.cuda.get_device_properties(0).total_memory, dtype=torch.uint8, device=DEVICE)
    except Exception as e:
        record("told as memory, as lost", [out_of_memory(e), lost(e)])
    free_cached(DEVICE)
    method("none")(5)
    record("the next training", "done")


@stage
def waits(record: Record, tiny: bool) -> None:
    """Where the host waits for the device in 20 steps of each method."""
    for name in ("none", "dann", "coral", "maml") if CUDA else ():
        run = method(name)
        run(2)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(20)
        torch.cuda.set_sync_debug_mode("default")
        places = [
            f"{Path(w.filename).parent.name}/{Path(w.filename).name}:{w.lineno}" for w in caught if "synchron" in str(w.message)
        ]
        record(name, dict(Counter(places)))


@stage
def repeats(record: Record, tiny: bool) -> None:
    """Whether a training repeats itself to the bit, with cuDNN as it is and deterministic, and what that costs."""
    images, steps = view(2000, 1, 48), 2 if tiny else 60
    for batch, precision in [(8, "auto")] if tiny else [(64, "auto"), (128, "auto"), (64, "fp32")]:
        for deterministic in (False, True):
            convolutions(deterministic=deterministic, tf32=False)
            ends, seconds = [], []
            for _ in range(2):
                net, own = network(large(tiny), 1, 44), faces_trainer(batch, steps, precision)
                start = time.perf_counter()
                own.supervised(net, [images])
                wait()
                seconds.append(round(time.perf_counter() - start, 2))
                ends.append(weights(net))
            record(f"vgg19 b{batch} {precision}, deterministic={deterministic}", [bool(torch.equal(*ends)), *seconds])
    for name in ("dann", "coral", "maml"):
        for deterministic in (False, True):
            convolutions(deterministic=deterministic, tf32=False)
            ends = []
            for _ in range(2):
                torch.manual_seed(0)
                ends.append(weights(method(name)(2 if tiny else 40)))  # type: ignore[arg-type]
            record(f"{name}, deterministic={deterministic}", bool(torch.equal(*ends)))


@stage
def vgg19_steps(record: Record, tiny: bool) -> None:
    """Milliseconds of a VGG19 step at 44x44: median and range."""
    images = view(4000, 1, 48)
    ways: dict[str, tuple[dict[str, bool], bool]] = {
        "as it is": ({}, False),
        "channels-last weights": ({}, True),
        "channels-last, deterministic": ({"deterministic": True}, True),
        "channels-last, cudnn.benchmark": ({"benchmark": True}, True),
    }
    for batch in (8,) if tiny else (128, 64, 512):
        for name, (how, last) in ways.items():
            convolutions(**how)
            net = network(large(tiny), 1, 44).to(DEVICE, memory_format=LAST if last else torch.preserve_format)
            own, steps = faces_trainer(batch, 1), 2 if tiny else 40
            record(f"b{batch} {name}", milliseconds(lambda n: own.supervised(net, [images], steps=n), steps, 1 if tiny else 3))  # noqa: B023


@stage
def vgg19_parts(record: Record, tiny: bool) -> None:
    """Milliseconds of the parts of a VGG19 step, on the device and on the host; launches; the convolutions alone."""
    batch = 8 if tiny else 128
    own, images = faces_trainer(batch, 1), view(4000, 1, 48)
    net = network(large(tiny), 1, 44).to(DEVICE, memory_format=LAST)
    net.train()
    stream, optimizer = own.stream([images]), own.optimizer(net, lr=0.01)
    names = ("input", "forward", "backward", "optimizer")
    host: dict[str, list[float]] = {name: [] for name in names}
    device: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(2 if tiny else 40):
        events, times = [], []

        def mark() -> None:
            if CUDA:
                events.append(torch.cuda.Event(enable_timing=True))  # noqa: B023
                events[-1].record()  # noqa: B023
            times.append(time.perf_counter())  # noqa: B023

        mark()
        got = next(stream)
        mark()
        with own.autocast():
            loss = own.cross_entropy(net(got.images), got.require_labels())
        mark()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        mark()
        optimizer.step()  # clips first
        mark()
        wait()
        for i, name in enumerate(names):
            host[name].append(1e3 * (times[i + 1] - times[i]))
            if CUDA:
                device[name].append(events[i].elapsed_time(events[i + 1]))
    for name in names:
        record(name, {"host": round(statistics.median(host[name]), 3)}
               | ({"device": round(statistics.median(device[name]), 3)} if CUDA else {}))  # fmt: skip
    if not CUDA:
        return
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
        own.supervised(net, [images], steps=3)
        wait()
    kernels = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    record("launches a step", round(len(kernels) / 3))
    record("device busy, ms a step", round(sum(e.device_time for e in kernels) / 3e3, 3))
    by_name: Counter[str] = Counter()
    for e in kernels:
        by_name[e.name[:60]] += e.device_time / 3e3
    record("kernels by time", {name: round(ms, 3) for name, ms in by_name.most_common(12)})
    record("convolutions alone, forward and backward, ms by replay", _convolutions_alone(net, next(stream).images, own))


def _convolutions_alone(net: TorchNetwork, images: torch.Tensor, own: RunTrainer) -> float:
    seen: list[tuple[nn.Conv2d, torch.Tensor]] = []
    hooks = [m.register_forward_hook(lambda m, given, _: seen.append((m, given[0].detach())))
             for m in net.modules() if isinstance(m, nn.Conv2d)]  # fmt: skip
    with torch.no_grad(), own.autocast():
        net(images)
    for hook in hooks:
        hook.remove()
    work = []
    for i, (m, x) in enumerate(seen):
        weight = m.weight.detach().bfloat16().contiguous(memory_format=LAST).requires_grad_()
        into = x.bfloat16().contiguous(memory_format=LAST).requires_grad_(i > 0)
        out = F.conv2d(into, weight, None, m.stride, m.padding)  # type: ignore[arg-type]
        work.append((m, weight, into, torch.randn_like(out)))

    def once() -> None:
        for m, weight, into, gradient in work:
            out = F.conv2d(into, weight, None, m.stride, m.padding)  # type: ignore[arg-type]
            torch.autograd.grad(out, [weight, into] if into.requires_grad else [weight], gradient)

    graph = captured(once)
    return milliseconds(lambda steps: [graph.replay() for _ in range(steps)], 50, 3)[0]


def captured(function: Callable[[], object]) -> torch.cuda.CUDAGraph:
    """Return a CUDA graph of a function, after three calls of it on a side stream."""
    side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(graph):
        function()
    return graph


@stage
def method_steps(record: Record, tiny: bool) -> None:
    """Milliseconds of a step of each method with conv4 at 32 pixels: median and range."""
    for name in ("none", "dann", "coral", "maml"):
        for deterministic in (False,) if tiny else (False, True):
            convolutions(deterministic=deterministic)
            steps = 2 if tiny else 15 if name == "maml" else 60
            record(f"{name}, deterministic={deterministic}", milliseconds(method(name), steps, 1 if tiny else 3))


@stage
def ten_crops(record: Record, tiny: bool) -> None:
    """Seconds of a test of 3,589 images by ten crops of VGG19."""
    images = np.random.default_rng(0).integers(0, 256, (4 if tiny else 3589, 1, 48, 48), dtype=np.uint8)
    augmenter = Augmenter(FACES, 48, 48, DEVICE)
    for name, layout in (("as it is", torch.preserve_format), ("channels-last weights", LAST)):
        net = network(large(tiny), 1, 44).to(DEVICE, memory_format=layout)

        def test(times: int) -> None:
            for _ in range(times):
                logits(net, images, augmenter, EvalConfig(crops=10), "auto")  # noqa: B023

        record(name, round(milliseconds(test, 1 if tiny else 2, 1)[0] / 1e3, 3))


@stage
def processes(record: Record, tiny: bool) -> None:
    """Steps a second of all processes together, where 1, 2, 4 and 8 train conv4 at 32 pixels side by side."""
    steps = 3 if tiny else 1500
    for n in (1, 2) if tiny else (1, 2, 4, 8):
        command = [sys.executable, __file__, "--worker", str(steps)]
        workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(n)]
        assert all(w.stdout and w.stdout.readline() == "ready\n" for w in workers)
        memory = ""
        if CUDA:
            ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader"]
            memory = subprocess.run(ask, capture_output=True, text=True).stdout.strip()
        for w in workers:
            assert w.stdin
            w.stdin.write("go\n")
            w.stdin.flush()
        rates = [float(w.stdout.readline()) for w in workers if w.stdout]
        for w in workers:
            w.wait()
        record(f"{n} processes", {"steps a second": round(sum(rates), 1), "memory of the card": memory})


def work(steps: int) -> None:
    """Train as one of several processes: say that all is warm, wait for a line, and print the steps a second."""
    run = method("none")
    run(max(2, steps // 50))
    wait()
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    run(steps)
    wait()
    print(steps / (time.perf_counter() - start), flush=True)


@stage
def replay(record: Record, tiny: bool) -> None:
    """A captured step ([train] replay) against the same step done as usual: time, and whether losses and weights are equal."""

    def own(name: str, steps: int, replayed: bool) -> RunTrainer:
        if name.startswith("vgg19"):
            return faces_trainer(int(name.rpartition("b")[2]), steps, replay=replayed)
        return trainer(32, Augment(rotate=10), batch=128, steps=steps, replay=replayed)

    convolutions(deterministic=True)
    few, many = (2, 6) if tiny else (50, 250)
    for name in ("vgg19 b64", "vgg19 b128", "dann", "coral"):
        seconds: dict[bool, dict[int, float]] = {False: {}, True: {}}
        ends = {}
        _trained(name, own(name, few, False), few, tiny)  # to be warm
        for replayed in (False, True):
            for steps in (few, many):
                run, start = own(name, steps, replayed), time.perf_counter()
                net = _trained(name, run, steps, tiny)
                wait()
                seconds[replayed][steps] = time.perf_counter() - start
                ends[replayed] = run.trace.losses, weights(net)
        ms = {r: round(1e3 * (of[many] - of[few]) / (many - few), 3) for r, of in seconds.items()}  # without what a start takes
        record(name, {
            "as usual, ms": ms[False], "replayed, ms": ms[True], "ratio": round(ms[False] / ms[True], 2),
            "losses equal": ends[False][0] == ends[True][0], "weights equal": bool(torch.equal(ends[False][1], ends[True][1])),
        })  # fmt: skip


def _trained(name: str, own: RunTrainer, steps: int, tiny: bool) -> TorchNetwork:
    torch.manual_seed(0)
    if name.startswith("vgg19"):
        net = network(large(tiny), 1, 44).to(DEVICE, memory_format=LAST)
        return own.supervised(net, [view(400 if tiny else 4000, 1, 48)], steps=steps)  # type: ignore[return-value]
    net, target = network("conv4", 3, 32).to(DEVICE), view(2000, 3, 32, name="t", seed=1, labels=False)
    return REGISTRY.make("adapter", name).adapt(net, [view(2000, 3, 32)], Target("t", target.classes, target), own)  # type: ignore[no-any-return]


def main(arguments: list[str]) -> None:
    """Do the stages that are named, or all."""
    if arguments[0] == "--worker":
        return work(int(arguments[1]))
    tiny = "--tiny" in arguments
    out, *names = [a for a in arguments if a != "--tiny"]
    card = torch.cuda.get_device_name(0) if CUDA else "none"
    found: dict[str, Any] = json.loads(Path(out).read_text()) if Path(out).is_file() else {}
    if found.get("card") != card:
        found = {"card": card, "torch": torch.__version__}
    begin = time.time()
    for name in [n for n in names or STAGES if "seconds" not in found.get(n, {})]:  # what is done is not done again
        results, started = found.setdefault(name, {}), time.time()
        results.clear()
        print(f"[{time.time() - begin:5.1f}] {name}: {STAGES[name].__doc__}", flush=True)

        def record(what: str, value: Any) -> None:
            results[what] = value  # noqa: B023
            print(f"    {what}: {json.dumps(value)}", flush=True)
            Path(out).write_text(json.dumps(found, indent=1) + "\n")

        try:
            STAGES[name](record, tiny)
        except Exception:  # whatever it is, it is recorded, and the other stages still run
            record("error", traceback.format_exc()[-1500:])
        convolutions()
        if CUDA:
            torch.cuda.empty_cache()
        record("seconds", round(time.time() - started, 1))
    return None


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main(sys.argv[1:])
