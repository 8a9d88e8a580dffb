"""MNIST-M: MNIST's digits blended with patches of colour photographs, 32x32 RGB."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from dabench import Samples
from dabench.datasets._digit_files import DigitFiles
from dabench.datasets._raw_files import numbered_lines
from dabench.errors import quoted

_LINE = re.compile(r"([^\s/\\]+\.png)\s+([0-9])")


class MNISTM(DigitFiles):
    """Images such as mnist_m_train/00000000.png with the line "00000000.png 5" in mnist_m_train_labels.txt; same for test."""

    name = "mnist-m"
    short_name = "MNISTM"
    title = "handwritten digits on photographs, 32x32 RGB"
    license = "not stated by its authors; made of MNIST (CC BY-SA 3.0) and BSDS500 (non-commercial research)"
    homepage = "http://yaroslav.ganin.net"
    download_instructions = (
        "Download mnist_m.tar.gz from http://yaroslav.ganin.net and unpack it, so that the folders mnist_m_train and "
        "mnist_m_test and the files mnist_m_train_labels.txt and mnist_m_test_labels.txt are in the raw folder, or in its "
        "folder mnist_m."
    )
    aliases = {".": ("mnist_m",)}  # noqa: RUF012 -- of the archive
    parts = {"train": "mnist_m_train", "test": "mnist_m_test"}  # noqa: RUF012
    counts = {"train": 59001, "test": 9001}  # noqa: RUF012
    citation = """@article{ganin2016domain,
  title = {Domain-Adversarial Training of Neural Networks},
  author = {Ganin, Yaroslav and Ustinova, Evgeniya and Ajakan, Hana and Germain, Pascal and Larochelle, Hugo and others},
  journal = {Journal of Machine Learning Research},
  volume = {17},
  number = {59},
  pages = {1--35},
  year = {2016}
}"""

    def part(self, raw: Path, part: str) -> Samples:
        """Read one part: its folder of images and its labels."""
        import numpy as np

        from dabench.data.images import lazy_pictures

        path = self.file(raw, f"{part}_labels.txt")
        folder, rows = path.parent / part, []
        for number, line in numbered_lines(self.content(path)):
            match = _LINE.fullmatch(line)
            if not match:
                raise self.refusal(path, f"line {number} is {quoted(line)}; must be like '00000000.png 5'")
            rows.append((match[1], int(match[2])))
        names, there = [name for name, _ in rows], sorted(p.name for p in folder.glob("*.png"))
        if sorted(names) != there:
            odd = sorted(set(names) ^ set(there)) or names
            numbers = f"{len(names):,} labels, {len(there):,} images; the first difference is {odd[0]}"
            raise self.refusal(path, f"and the folder {part} do not match: {numbers}")
        found = [(PurePosixPath(name), (folder / name).read_bytes) for name in names]
        images = lazy_pictures(found, folder, self.who, 3, 32)
        return Samples(images, np.array([label for _, label in rows], np.int64))

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write both folders, with n images of each digit."""
        import numpy as np

        from dabench.data.synthetic import synthetic_image, write_picture

        rng = np.random.default_rng(seed)
        for part in self.parts.values():
            rows = [(f"{i:08}.png", i % 10) for i in range(10 * n)]
            for name, digit in rows:
                write_picture(raw / part / name, synthetic_image(digit, rng, 32, 32, 3))
            (raw / f"{part}_labels.txt").write_text("".join(f"{name} {digit}\n" for name, digit in rows), encoding="utf-8")
