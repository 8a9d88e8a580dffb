"""Office-Home: 15,588 images of office and home objects in four styles, from art to photographs."""

from __future__ import annotations

from dabench.datasets._domains import DomainFolders


class OfficeHome(DomainFolders):
    """Images such as Art/Alarm_Clock/00001.jpg; the same for Clipart, Product and "Real World"."""

    name = "office-home/*"
    domains = {"art": {"all": 2427}, "clipart": {"all": 4365}, "product": {"all": 4439}, "real-world": {"all": 4357}}  # noqa: RUF012
    variants = tuple(domains)
    aliases = {"office-home": ("OfficeHomeDataset_10072016",), "real-world": ("Real",)}  # noqa: RUF012
    raw_folder = "office-home"
    title = f"office and home objects, 65 classes, RGB; domains {', '.join(domains)}"
    classes = (
        "Alarm_Clock", "Backpack", "Batteries", "Bed", "Bike", "Bottle", "Bucket", "Calculator", "Calendar", "Candles", "Chair",
        "Clipboards", "Computer", "Couch", "Curtains", "Desk_Lamp", "Drill", "Eraser", "Exit_Sign", "Fan", "File_Cabinet",
        "Flipflops", "Flowers", "Folder", "Fork", "Glasses", "Hammer", "Helmet", "Kettle", "Keyboard", "Knives", "Lamp_Shade",
        "Laptop", "Marker", "Monitor", "Mop", "Mouse", "Mug", "Notebook", "Oven", "Pan", "Paper_Clip", "Pen", "Pencil",
        "Postit_Notes", "Printer", "Push_Pin", "Radio", "Refrigerator", "Ruler", "Scissors", "Screwdriver", "Shelf", "Sink",
        "Sneakers", "Soda", "Speaker", "Spoon", "TV", "Table", "Telephone", "ToothBrush", "Toys", "Trash_Can", "Webcam",
    )  # fmt: skip
    license = "non-commercial research and education; the images belong to their owners"
    homepage = "https://www.hemanthdv.org/officeHomeDataset.html"
    download_instructions = (
        "Download the dataset from https://www.hemanthdv.org/officeHomeDataset.html and put its folders Art, Clipart, Product "
        "and 'Real World' (Art/Alarm_Clock/00001.jpg ...), or a zip of them, into the raw folder."
    )
    citation = """@inproceedings{venkateswara2017deep,
  title = {Deep Hashing Network for Unsupervised Domain Adaptation},
  author = {Venkateswara, Hemanth and Eusebio, Jose and Chakraborty, Shayok and Panchanathan, Sethuraman},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  pages = {5018--5027},
  year = {2017}
}"""
