"""USPS: 9,298 handwritten digits from envelopes, 16x16 grey."""

from __future__ import annotations

from pathlib import Path

from dabench import RemoteFile, Samples
from dabench.datasets._digit_files import DigitFiles
from dabench.errors import quoted

_ADDRESS = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"


class USPS(DigitFiles):
    """The LIBSVM form: each line has the label 1 to 10 (the digit plus one), then index:value of 256 pixels from -1 to 1.

    Pixels become 0 to 255, rounded down as in torchvision. scikit-learn reads the lines.
    """

    name = "usps"
    short_name = "USPS"
    title = "handwritten digits from envelopes, 16x16 grey"
    license = "not stated by its authors"
    homepage = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps"
    download_instructions = (
        "Run dabench prepare usps, which downloads two files; or put usps.bz2 and usps.t.bz2 from LIBSVM's page of multi-class "
        "datasets into the folder named above."
    )
    aliases = {"usps.bz2": ("usps",), "usps.t.bz2": ("usps.t",)}  # noqa: RUF012 -- unpacked
    parts = {"train": "usps.bz2", "test": "usps.t.bz2"}  # noqa: RUF012
    counts = {"train": 7291, "test": 2007}  # noqa: RUF012
    files = (
        RemoteFile("usps.bz2", (f"{_ADDRESS}usps.bz2",), "3771e9dd6ba685185f89867b6e249233dd74652389f263963b3b741e994b034f"),
        RemoteFile("usps.t.bz2", (f"{_ADDRESS}usps.t.bz2",), "a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e"),
    )
    citation = """@article{hull1994database,
  title = {A Database for Handwritten Text Recognition Research},
  author = {Hull, Jonathan J.},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  volume = {16},
  number = {5},
  pages = {550--554},
  year = {1994}
}"""

    def part(self, raw: Path, part: str) -> Samples:
        """Read one file."""
        import io

        import numpy as np
        from sklearn.datasets import load_svmlight_file

        path = self.file(raw, part)
        content = io.BytesIO(self.content(path))
        try:
            values, labels = load_svmlight_file(content, n_features=256, zero_based=False, dtype=np.float32)
        except ValueError as e:
            raise self.refusal(
                path, f"must have lines 'label index:value ...' with indices 1 to 256 ({quoted(str(e), 80)})"
            ) from e
        pixels = values.toarray()
        if not np.all(np.abs(pixels) <= 1):  # also fails for NaN
            raise self.refusal(path, "contains pixels outside -1 to 1")
        self.compare(labels, len(pixels), range(1, 11), path)
        images = ((pixels + 1) / 2 * 255).astype(np.uint8).reshape(-1, 1, 16, 16)
        return Samples(images, labels.astype(np.int64) - 1)

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write both files, with n images of each digit."""
        import bz2

        import numpy as np

        from dabench.data.synthetic import synthetic_image

        rng = np.random.default_rng(seed)
        raw.mkdir(parents=True, exist_ok=True)
        for name in self.parts.values():
            lines = []
            for digit in list(range(10)) * n:
                pixels = synthetic_image(digit, rng, 16, 16).ravel() / 127.5 - 1
                lines.append(f"{digit + 1} " + " ".join(f"{i}:{value:.3f}" for i, value in enumerate(pixels, 1)))
            (raw / name).write_bytes(bz2.compress("\n".join([*lines, ""]).encode()))
