"""The commands predict, export-network and score: use the networks of a results folder, and score a network of one's own."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from dabench.cli.common import DONE, FAILED, CommandAdder, takes_data

if TYPE_CHECKING:
    from dabench.inference.predict import ImagePredictions
    from dabench.inference.score import NetworkScores

_SHOWN = 10
"""Most predictions that are printed; the CSV has all."""


def add(verb: CommandAdder) -> None:
    """Add the commands of this module."""
    sub = verb("predict", _predict, "predict images and clips by the networks of a sweep", plugins=True)
    sub.add_argument("runs", help="output folder of dabench sweep, such as runs/quick")
    sub.add_argument(
        "images", nargs="+", metavar="IMAGE", help="images, clips, folders with everything below them, zips of images"
    )
    _takes_choice(sub, "default: the mean over all seeds")
    sub.add_argument("--frames", type=_count, metavar="N", help="frames taken from each clip; default: as in the target, else 30")
    sub.add_argument("--out", metavar="FILE", default="predictions.csv", help="new CSV; default: predictions.csv")

    sub = verb("export-network", _export, "write a trained network for programs without dabench, with a model card", plugins=True)
    sub.add_argument("runs", help="output folder of dabench sweep")
    _takes_choice(sub, "default: the first seed that is complete")
    sub.add_argument(
        "--format", choices=("safetensors", "pt2", "torchscript", "onnx"), default="safetensors",
        help="safetensors (default): weights and plain torch code; pt2: torch.export; torchscript: its deprecated "
        "predecessor; onnx: needs dabench[onnx]",
    )  # fmt: skip
    sub.add_argument("--out", required=True, metavar="DIR", help="new folder")

    sub = verb("score", _score, "predict the test splits of a sweep by a network of your own", plugins=True)
    sub.add_argument("runs", help="output folder of dabench sweep")
    sub.add_argument(
        "--network", required=True, metavar="FILE",
        help="weights (.safetensors, .pth, .pt), or an .onnx file, which needs dabench[onnx]",
    )  # fmt: skip
    sub.add_argument("--backbone", metavar="NAME", help="backbone of the weights, such as timm/resnet18; not for an ONNX file")
    sub.add_argument(
        "--classes", metavar="A,B,...", default="", help="classes of its outputs in their order; default: those of the sweep"
    )
    sub.add_argument("--name", metavar="ROW", help="its name in tables; default: the name of the file")
    sub.add_argument("--out", metavar="FILE", help="new CSV with the predictions; default: ROW.csv")
    takes_data(sub)


def _takes_choice(sub: argparse.ArgumentParser, seeds: str) -> None:
    """Add the arguments that choose networks of a sweep."""
    sub.add_argument(
        "--adapter", required=True, metavar="NAME", help="adapter of the sweep; none: the network without adaptation"
    )
    sub.add_argument(
        "--to", required=True, metavar="TARGET", help="target; without adaptation, the dataset that the images are like"
    )
    sub.add_argument("--from", dest="source", metavar="SOURCE", help="sources, 'A' or 'A + B'; needed if there is a choice")
    sub.add_argument("--seed", type=int, metavar="N", help=f"seed of the run; {seeds}")
    sub.add_argument("--fold", type=int, metavar="N", help="fold of the run, in a sweep with folds")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return number


def _choice(a: argparse.Namespace) -> dict[str, Any]:
    return {"adapter": a.adapter, "to": a.to, "source": a.source, "seed": a.seed, "fold": a.fold, "plugins": a.plugin}


def _predict(a: argparse.Namespace) -> int:
    from dabench import api

    found = api.predict(a.runs, a.images, **_choice(a), frames=a.frames, out=a.out, quiet=False)
    _print_predictions(found, a.out)
    for name, why in found.bad.items():
        print(f"dabench: {name}: {why}", file=sys.stderr)
    return FAILED if found.bad else DONE


def _print_predictions(found: ImagePredictions, out: str) -> None:
    networks = ", ".join(found.runs) if len(found.runs) == 1 else f"mean of the probabilities of {', '.join(found.runs)}"
    print(f"Network{'s' if len(found.runs) > 1 else ''}: {networks}")
    print(f"Images are {'; '.join(found.preprocessing.steps)}.")
    for line in found.preprocessing.notes:
        print(f"note: {line}")
    shown = list(zip(found.files, found.frames, found.predicted, found.probabilities.max(1), strict=True))
    shown = [row for row in shown if row[1] in (None, "mean")]
    width = max((len(name) for name, *_ in shown[:_SHOWN]), default=0)
    for name, frame, predicted, probability in shown[:_SHOWN]:
        print(f"  {name:<{width}}  {predicted}  {100 * probability:.1f} %{' (mean of its frames)' if frame else ''}")
    if len(shown) > _SHOWN:
        print(f"  ... and {len(shown) - _SHOWN:,} more")
    ignored = f"; {found.ignored:,} in the folders are neither images nor clips" if found.ignored else ""
    unread = f"; {len(found.bad):,} cannot be read" if found.bad else ""
    what = "images and frames" if found.of_clips else "images" if found.images != 1 else "image"
    print(f"Written: {out}, {found.images:,} {what}{unread}{ignored}")


def _export(a: argparse.Namespace) -> int:
    from dabench import api

    found = api.export_network(a.runs, a.out, **_choice(a), format=a.format)
    print(f"{found.folder}: {', '.join(found.files)}")
    print(f"Network: {found.network.run.name}")
    print(f"Read again, its logits differ from those of the stored network by at most {found.difference:.1e}.")
    print(f"Next: read {shlex.quote(str(found.folder / 'README.md'))}, which shows how to use it and states its licenses")
    return DONE


def _score(a: argparse.Namespace) -> int:
    from pathlib import Path

    from dabench import api

    name = a.name or Path(a.network).stem
    out = a.out or f"{name}.csv"
    classes = [part.strip() for part in a.classes.split(",")] if a.classes else []
    found = api.score(
        a.runs, a.network, backbone=a.backbone, classes=classes, name=name, out=out, data=a.data, quiet=False, plugins=a.plugin
    )
    _print_scores(found, bool(classes))
    print(f"Written: {out}, and {Path(out).with_suffix('.toml')} for the conditions of the network; fill in what is known")
    if found.folds:
        print("This sweep has folds, so its reports take no predictions; those of a sweep without folds do.")
        return DONE
    row, runs = shlex.quote(f"{found.name}={out}"), shlex.quote(a.runs)
    print(f"Next: dabench report {runs} --predictions {row}")
    return DONE


def _print_scores(found: NetworkScores, named: bool) -> None:
    print(f"{found.name}: {found.network.fit}")
    if not named:
        print(f"Its outputs are taken as {', '.join(found.classes)}, in this order; --classes states another.")
    width = max(len(of.name) for of in found.datasets)
    for of in found.datasets:
        result = "no labels, so not in the file" if of.accuracy is None else f"accuracy {100 * of.accuracy:.1f} %"
        print(f"  {of.name:<{width}}  {result}, {len(of.probabilities):,} test images")
