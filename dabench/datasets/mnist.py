"""MNIST: 70,000 handwritten digits, 28x28 grey."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dabench import RemoteFile, Samples
from dabench.datasets._digit_files import DigitFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


_NAMES = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))


def _remote(name: str, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(f"{name}.gz", tuple(f"{mirror}{name}.gz" for mirror in _MIRRORS), sha256, size, unpacked=name)


def _dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


class MNIST(DigitFiles):
    """The four idx files, with or without gzip: train-* is the training split, t10k-* the test split.

    The files are read here because torchvision's reader takes 3 seconds to import, needs unpacked files in its own folders, and
    does not report labels that are not digits.
    """

    name = "mnist"
    short_name = "MNIST"
    shares_images_with = ("mnist-t10k", "mnist-m")  # its test file; its digits on backgrounds
    title = "handwritten digits, 28x28 grey"
    license = "CC BY-SA 3.0"
    homepage = "https://doi.org/10.1109/5.726791"
    download_instructions = (
        "Run dabench prepare mnist, which downloads four files (11.6 MB); or put train-images-idx3-ubyte.gz, "
        "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, or the unpacked files, into "
        "the folder named above."
    )
    aliases = {  # noqa: RUF012 -- torchvision's folder; the names with a dot, and folders with the file's name, are Kaggle's
        ".": ("MNIST/raw", "raw"),
        **{name: (_dotted(name), f"{name}/{name}", f"{name}/{_dotted(name)}") for name in _NAMES},
        **{f"{name}.gz": (f"{_dotted(name)}.gz",) for name in _NAMES},
    }
    parts = {"train": "train", "test": "t10k"}  # noqa: RUF012
    counts = {"train": 60000, "test": 10000}  # noqa: RUF012
    files: tuple[RemoteFile, ...] = (
        _remote("train-images-idx3-ubyte", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        _remote("train-labels-idx1-ubyte", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        _remote("t10k-images-idx3-ubyte", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        _remote("t10k-labels-idx1-ubyte", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
    citation = """@article{lecun1998gradient,
  title = {Gradient-Based Learning Applied to Document Recognition},
  author = {LeCun, Yann and Bottou, L{\\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE},
  volume = {86},
  number = {11},
  pages = {2278--2324},
  year = {1998}
}"""

    def part(self, raw: Path, part: str) -> Samples:
        """Return the images and labels of the two files that begin with "train" or "t10k".

        Raises:
            DataError: a file is missing or damaged, is not an idx file of the right kind, or the two files do not match.
        """
        import numpy as np

        images, _ = self._idx(raw, f"{part}-images-idx3-ubyte", 3)
        labels, path = self._idx(raw, f"{part}-labels-idx1-ubyte", 1)
        self.compare(labels, len(images), range(10), path)
        return Samples(images[:, None], labels.astype(np.int64))

    def _idx(self, raw: Path, name: str, dimensions: int) -> tuple[NDArray[np.uint8], Path]:
        """Return an idx file of bytes: four bytes of magic number, one big-endian 32-bit size for each dimension, the values."""
        import numpy as np

        path = self.file(raw, f"{name}.gz", name)
        content = self.content(path)
        magic, wanted, header = int.from_bytes(content[:4], "big"), 0x800 + dimensions, 4 + 4 * dimensions
        if len(content) < header or magic != wanted:
            raise self.refusal(path, f"begins with the magic number {magic}, not {wanted}, so it is another file")
        shape = tuple(np.frombuffer(content, ">u4", dimensions, 4).tolist())
        if len(content) - header != np.prod(shape, dtype=object):
            raise self.refusal(path, f"declares {'x'.join(map(str, shape))} bytes, but has {len(content) - header:,}")
        return np.frombuffer(content, np.uint8, offset=header).reshape(shape), path

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write the four files with gzip, with n images of each digit in both parts."""
        for prefix in self.parts.values():
            self.make_synthetic_split(raw, prefix, n, seed)

    def make_synthetic_split(self, raw: Path, prefix: str, n: int, seed: int) -> None:
        """Write the two files of a part, with n images of each digit, the digits in turn."""
        import gzip

        import numpy as np

        from dabench.data.synthetic import synthetic_image

        rng = np.random.default_rng([seed, len(prefix)])
        labels = np.tile(np.arange(10, dtype=np.uint8), n)
        images = np.stack([synthetic_image(int(label), rng, 28, 28) for label in labels])
        raw.mkdir(parents=True, exist_ok=True)
        for name, values in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            header = np.array([0x800 + values.ndim, *values.shape], ">u4").tobytes()
            (raw / f"{name}.gz").write_bytes(gzip.compress(header + values.tobytes(), mtime=0))
