"""Office-Caltech10: the ten classes that Office-31 and Caltech-256 share, 2,533 images."""

from __future__ import annotations

from dabench.datasets._office import DomainFolders


class OfficeCaltech10(DomainFolders):
    """Images such as amazon/back_pack/frame_0001.jpg; the same for caltech, dslr and webcam."""

    name = "office-caltech10/*"
    short_name = "10"  # follows the domain's name, because Office-31 has domains with the same names
    domains = {"amazon": 958, "caltech": 1123, "dslr": 157, "webcam": 295}  # noqa: RUF012
    variants = tuple(domains)
    raw_folder = "office-caltech10"
    title = f"office objects, 10 classes, RGB; domains {', '.join(domains)}"
    classes = (
        "back_pack", "bike", "calculator", "headphones", "keyboard", "laptop_computer", "monitor", "mouse", "mug", "projector",
    )  # fmt: skip
    license = "not stated by its authors"
    homepage = "https://doi.org/10.1109/CVPR.2012.6247911"
    download_instructions = (
        "Download the image folders of Office-Caltech10 and put amazon (amazon/back_pack/frame_0001.jpg ...), "
        "caltech, dslr and webcam, or a zip of them, into the raw folder."
    )
    citation = """@inproceedings{gong2012geodesic,
  title = {Geodesic Flow Kernel for Unsupervised Domain Adaptation},
  author = {Gong, Boqing and Shi, Yuan and Sha, Fei and Grauman, Kristen},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  pages = {2066--2073},
  year = {2012}
}"""

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        self.shares_images_with = () if variant in ("", "caltech") else (f"office-31/{variant}",)  # ten of its classes
