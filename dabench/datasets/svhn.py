"""SVHN: 99,289 digits of house numbers, cropped from street images, 32x32 RGB."""

from __future__ import annotations

from dabench import RemoteFile
from dabench.datasets._digit_files import MatDigits


def _remote(name: str, sha256: str, size: int) -> RemoteFile:
    return RemoteFile(name, (f"http://ufldl.stanford.edu/housenumbers/{name}",), sha256, size)


class SVHN(MatDigits):
    """The cropped digits ("format 2"): X of 32x32x3xN bytes and y of N labels, where 10 is the digit 0.

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
    codes = range(1, 11)
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
