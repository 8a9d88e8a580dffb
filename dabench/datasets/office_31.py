"""Office-31: 4,110 images of office objects from an online shop and two cameras."""

from __future__ import annotations

from dabench.datasets._domains import DomainFolders


class Office31(DomainFolders):
    """Images such as amazon/images/back_pack/frame_0001.jpg; the same for dslr and webcam. The folder images may be missing."""

    name = "office-31/*"
    domains = {"amazon": {"all": 2817}, "dslr": {"all": 498}, "webcam": {"all": 795}}  # noqa: RUF012
    variants = tuple(domains)
    aliases = {"office-31": ("domain_adaptation_images",)}  # noqa: RUF012
    folder = "images"
    raw_folder = "office-31"
    title = f"office objects, 31 classes, RGB; domains {', '.join(domains)}"
    classes = (
        "back_pack", "bike", "bike_helmet", "bookcase", "bottle", "calculator", "desk_chair", "desk_lamp", "desktop_computer",
        "file_cabinet", "headphones", "keyboard", "laptop_computer", "letter_tray", "mobile_phone", "monitor", "mouse", "mug",
        "paper_notebook", "pen", "phone", "printer", "projector", "punchers", "ring_binder", "ruler", "scissors", "speaker",
        "stapler", "tape_dispenser", "trash_can",
    )  # fmt: skip
    license = "not stated by its authors"
    homepage = "https://faculty.cc.gatech.edu/~judy/domainadapt/"
    download_instructions = (
        "Download domain_adaptation_images.tar.gz from https://faculty.cc.gatech.edu/~judy/domainadapt/ and unpack it, so that "
        "amazon/images/back_pack/frame_0001.jpg and the folders dslr and webcam are in the raw folder; or put a zip there."
    )
    citation = """@inproceedings{saenko2010adapting,
  title = {Adapting Visual Category Models to New Domains},
  author = {Saenko, Kate and Kulis, Brian and Fritz, Mario and Darrell, Trevor},
  booktitle = {Computer Vision -- ECCV 2010},
  pages = {213--226},
  year = {2010},
  publisher = {Springer}
}"""
