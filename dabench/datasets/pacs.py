"""PACS: 9,991 images of seven classes in four styles, from photographs to sketches."""

from __future__ import annotations

from dabench.datasets._domains import DomainFolders


class PACS(DomainFolders):
    """Images such as art_painting/dog/pic_001.jpg; the same for cartoon, photo and sketch. The published images are 227x227.

    The published lists divide each domain in train (90 %) and crossval (10 %), in art_painting_train_kfold.txt and
    art_painting_crossval_kfold.txt. Where both lists lie anywhere beside the images, crossval is the test split. The third list,
    test, names all images of both and is not read. Without lists, the part `test` of each class is held out. A note says which
    rule was used. Most published results test on all images of a domain, so they cannot be compared with either; with
    `protocol = "transductive"` in a sweep file, all images are tested.

    Tried on the images of the dataset scaled to 128 pixels, without lists; the lists, on made-up files.
    """

    name = "pacs/*"
    domains = {  # noqa: RUF012
        "art_painting": {"all": 2048}, "cartoon": {"all": 2344}, "photo": {"all": 1670}, "sketch": {"all": 3929},
    }  # fmt: skip
    variants = tuple(domains)
    aliases = {"pacs": ("pacs_data", "kfold"), "art_painting": ("art",)}  # noqa: RUF012
    lists = {"_train_kfold": "train", "_crossval_kfold": "test"}  # noqa: RUF012
    raw_folder = "pacs"
    title = f"objects and animals in four styles, 7 classes, RGB; domains {', '.join(domains)}"
    classes = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    license = "not stated by its authors"
    homepage = "https://doi.org/10.1109/ICCV.2017.591"
    download_instructions = (
        "Download the images of PACS (PACS.zip, or the folder kfold) and unpack them, so that art_painting/dog/pic_001.jpg and "
        "the folders cartoon, photo and sketch are in the raw folder; or put one zip there. The lists of splits "
        "(art_painting_train_kfold.txt ...) may lie beside."
    )
    citation = """@inproceedings{li2017deeper,
  title = {Deeper, Broader and Artier Domain Generalization},
  author = {Li, Da and Yang, Yongxin and Song, Yi-Zhe and Hospedales, Timothy M.},
  booktitle = {IEEE International Conference on Computer Vision},
  pages = {5543--5551},
  year = {2017},
  doi = {10.1109/ICCV.2017.591}
}"""
