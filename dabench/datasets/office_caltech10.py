"""Office-Caltech10: the ten classes that Office-31 and Caltech-256 share, 2,533 images."""

from __future__ import annotations

from dabench.datasets._domains import DomainFolders


class OfficeCaltech10(DomainFolders):
    """Images such as amazon/back_pack/frame_0001.jpg; the same for caltech, dslr and webcam.

    Most copies name the domain caltech10 and the class of laptops laptop; both are read.
    """

    name = "office-caltech10/*"
    short_name = "10"  # follows the domain's name, because Office-31 has domains with the same names
    domains = {"amazon": {"all": 958}, "caltech": {"all": 1123}, "dslr": {"all": 157}, "webcam": {"all": 295}}  # noqa: RUF012
    variants = tuple(domains)
    aliases = {  # noqa: RUF012 -- the names with a number are those of Caltech-256
        "caltech": ("caltech10", "caltech256"),
        "back_pack": ("003.backpack",),
        "bike": ("touring-bike", "224.touring-bike"),
        "calculator": ("027.calculator",),
        "headphones": ("101.head-phones",),
        "keyboard": ("computer-keyboard", "045.computer-keyboard"),
        "laptop_computer": ("laptop", "laptop-101", "127.laptop-101"),
        "monitor": ("computer-monitor", "046.computer-monitor"),
        "mouse": ("computer-mouse", "047.computer-mouse"),
        "mug": ("coffee-mug", "041.coffee-mug"),
        "projector": ("video-projector", "238.video-projector"),
    }
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
