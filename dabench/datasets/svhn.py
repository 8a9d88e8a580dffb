"""SVHN: 99,289 digits of house numbers, cropped from street images, 32x32 RGB."""

from __future__ import annotations

from pathlib import Path

from dabench import RemoteFile, Samples
from dabench.datasets._digit_files import DigitFiles


def _remote(name: str, sha256: str, size: int) -> RemoteFile:
    return RemoteFile(name, (f"http://ufldl.stanford.edu/housenumbers/{name}",), sha256, size)


class SVHN(DigitFiles):
    """The cropped digits ("format 2"): X of 32x32x3xN bytes and y of N labels, where 10 is the digit 0. scipy reads them.

    The extra images of the dataset are not used.
    """

    name = "svhn"
    short_name = "SVHN"
    title = "digits of house numbers, 32x32 RGB"
    license = "non-commercial use only"
    homepage = "http://ufldl.stanford.edu/housenumbers/"
    download_instructions = (
        "Run dabench prepare svhn, which downloads two files (246 MB); or put train_32x32.mat and test_32x32.mat from "
        "http://ufldl.stanford.edu/housenumbers into the folder named above."
    )
    parts = {"train": "train_32x32.mat", "test": "test_32x32.mat"}  # noqa: RUF012
    counts = {"train": 73257, "test": 26032}  # noqa: RUF012
    files = (
        _remote("train_32x32.mat", "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8", 182040794),
        _remote("test_32x32.mat", "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b", 64275384),
    )
    citation = """@inproceedings{netzer2011reading,
  title = {Reading Digits in Natural Images with Unsupervised Feature Learning},
  author = {Netzer, Yuval and Wang, Tao and Coates, Adam and Bissacco, Alessandro and Wu, Bo and Ng, Andrew Y.},
  booktitle = {NIPS Workshop on Deep Learning and Unsupervised Feature Learning},
  year = {2011}
}"""

    def part(self, raw: Path, part: str) -> Samples:
        """Read one file."""
        import numpy as np
        from scipy.io import loadmat

        path = self.file(raw, part)
        try:
            found = loadmat(path, variable_names=["X", "y"])
        except Exception as e:  # scipy may raise any exception for damaged bytes
            raise self.refusal(path, f"cannot be read as a .mat file ({type(e).__name__}: {e}); download it again") from e
        images, labels = found.get("X"), found.get("y")
        if images is None or images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3) or labels is None:
            raise self.refusal(path, "does not contain X (32x32x3xN bytes) and y, so it is another file")
        labels = np.asarray(labels, np.int64).ravel()
        self.compare(labels, images.shape[3], range(1, 11), path)
        return Samples(images.transpose(3, 2, 0, 1), labels % 10)

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write both files, with n images of each digit."""
        import numpy as np
        from scipy.io import savemat

        from dabench.data.synthetic import synthetic_image

        rng = np.random.default_rng(seed)
        raw.mkdir(parents=True, exist_ok=True)
        labels = np.tile(np.arange(1, 11, dtype=np.uint8), n)
        for name in self.parts.values():
            images = np.stack([synthetic_image(int(label) % 10, rng, 32, 32, 3) for label in labels], axis=3)
            savemat(raw / name, {"X": images, "y": labels[:, None]}, do_compression=True)
