"""Put what a bare GPU machine needs to measure dabench into .gpu/: wheels that are missing there, and FER2013.

    python tests/gpu/pack.py FER2013               # the folder with the class folders train/ and test/, or with a zip of them
    python tests/gpu/pack.py FER2013 MUXSPACE      # also .gpu-faces/, for a second call on the same machine: muxspace

The machine needs python3 with torch, torchvision, timm, numpy, pandas, scipy, scikit-learn, matplotlib, jinja2, pillow, pyarrow,
rich and safetensors. The checkout goes there, too, with .gpu/ in it (46 MB); then, in its root: bash tests/gpu/measure.sh.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEELS = ("pytorch-adapt==0.0.83", "pytorch-metric-learning==1.6.3", "torchmetrics==0.9.3", "setuptools==81.0.0")
"""What dabench imports beyond the list above, without what these need in turn."""


def main(raw: Path, second: Path | None = None, parcel: Path = Path(".gpu")) -> None:
    """Fill `parcel`, and with `second` the folder .gpu-faces; the images are packed once and kept."""
    parcel.mkdir(exist_ok=True)
    for old in parcel.glob("*.whl"):
        old.unlink()
    shutil.rmtree("build", ignore_errors=True)  # modules of an earlier build would get into the wheel
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(parcel), "."], check=True)
    subprocess.run([*pip, "download", "--no-deps", "--only-binary=:all:", "--dest", str(parcel), *WHEELS], check=True)
    packed = [(raw, parcel / "fer2013.tar.xz")]
    packed += [(second, parcel.with_name(f"{parcel.name}-faces") / "muxspace.tar.xz")] if second else []
    for images, to in packed:
        if not to.is_file():
            to.parent.mkdir(exist_ok=True)
            pack_images(images, to)
        print(f"{to.parent}: {sum(f.stat().st_size for f in to.parent.iterdir()) / 1e6:.0f} MB")


def pack_images(raw: Path, to: Path) -> None:
    """Write the images of a folder, or of the zip in it, into one solid archive: a small image is mostly header."""
    with tempfile.TemporaryDirectory() as scratch:
        for archive in raw.glob("*.zip"):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(scratch)
            raw = Path(scratch)
        hidden = to.with_name(f".{to.name}")
        with tarfile.open(hidden, "w:xz", preset=6) as solid:
            for file in sorted(p for p in raw.rglob("*") if p.is_file()):
                solid.add(file, arcname=str(file.relative_to(raw)))
        hidden.rename(to)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
