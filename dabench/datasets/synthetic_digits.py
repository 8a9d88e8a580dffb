"""Synthetic Digits: 488,953 digits drawn in fonts on varied grounds, 32x32 RGB."""

from __future__ import annotations

from dabench.datasets._digit_files import MatDigits


class SyntheticDigits(MatDigits):
    """Two files like those of SVHN: X of 32x32x3xN bytes and y of N labels, 0 to 9.

    Not tried on the real files, only on made-up ones in the layout that the readers of other projects document.
    """

    name = "synthetic-digits"
    short_name = "SYNTH"
    title = "digits drawn in fonts on varied grounds, 32x32 RGB"
    license = "not stated by its authors"
    homepage = "http://yaroslav.ganin.net"
    download_instructions = (
        "Download SynthDigits.zip from http://yaroslav.ganin.net and unpack it, so that synth_train_32x32.mat and "
        "synth_test_32x32.mat are in the raw folder, or in its folder SynthDigits."
    )
    aliases = {".": ("SynthDigits",), "synthetic-digits": ("SynthDigits", "SynDigits", "synth")}  # noqa: RUF012
    parts = {"train": "synth_train_32x32.mat", "test": "synth_test_32x32.mat"}  # noqa: RUF012
    counts = {"train": 479400, "test": 9553}  # noqa: RUF012
    citation = """@inproceedings{ganin2015unsupervised,
  title = {Unsupervised Domain Adaptation by Backpropagation},
  author = {Ganin, Yaroslav and Lempitsky, Victor},
  booktitle = {International Conference on Machine Learning},
  pages = {1180--1189},
  year = {2015}
}"""
