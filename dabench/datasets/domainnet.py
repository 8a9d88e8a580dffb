"""DomainNet: 586,575 images of 345 classes in six styles, the cleaned version."""

from __future__ import annotations

from pathlib import Path

from dabench.datasets._domains import DomainFolders

_COUNTS = {
    "clipart": (33525, 14604), "infograph": (36023, 15582), "painting": (50416, 21850), "quickdraw": (120750, 51750),
    "real": (120906, 52041), "sketch": (48212, 20916),
}  # fmt: skip


class DomainNet(DomainFolders):
    """Images such as clipart/airplane/clipart_002_000001.jpg, split by clipart_train.txt and clipart_test.txt, and so on.

    The lists of the cleaned version are needed: they give the splits, and images that they do not name are left out. They may
    lie anywhere beside the images. Images have different sizes and shapes and are resized to squares of `size` pixels. At 224
    pixels the six domains take 88 GB; set size = 64 for 7 GB.

    Not tried on the real files, only on made-up ones in the layout that its page and the readers of other projects document.
    """

    name = "domainnet/*"
    short_name = "DN"  # follows the domain's name, because other families have domains with the same names
    domains = {domain: {"train": train, "test": test} for domain, (train, test) in _COUNTS.items()}  # noqa: RUF012
    variants = tuple(domains)
    aliases = {"domainnet": ("visda2019", "multi-source")}  # noqa: RUF012
    lists = {"_train": "train", "_test": "test"}  # noqa: RUF012
    needs_lists = True
    raw_folder = "domainnet"
    title = f"objects in six styles, 345 classes, RGB; domains {', '.join(domains)}"
    classes = (
        "aircraft_carrier", "airplane", "alarm_clock", "ambulance", "angel", "animal_migration",
        "ant", "anvil", "apple", "arm", "asparagus", "axe", "backpack", "banana", "bandage", "barn", "baseball",
        "baseball_bat", "basket", "basketball", "bat", "bathtub", "beach", "bear", "beard", "bed", "bee", "belt", "bench",
        "bicycle", "binoculars", "bird", "birthday_cake", "blackberry", "blueberry", "book", "boomerang", "bottlecap",
        "bowtie", "bracelet", "brain", "bread", "bridge", "broccoli", "broom", "bucket", "bulldozer", "bus", "bush",
        "butterfly", "cactus", "cake", "calculator", "calendar", "camel", "camera", "camouflage", "campfire", "candle",
        "cannon", "canoe", "car", "carrot", "castle", "cat", "ceiling_fan", "cello", "cell_phone", "chair", "chandelier",
        "church", "circle", "clarinet", "clock", "cloud", "coffee_cup", "compass", "computer", "cookie", "cooler", "couch",
        "cow", "crab", "crayon", "crocodile", "crown", "cruise_ship", "cup", "diamond", "dishwasher", "diving_board", "dog",
        "dolphin", "donut", "door", "dragon", "dresser", "drill", "drums", "duck", "dumbbell", "ear", "elbow", "elephant",
        "envelope", "eraser", "eye", "eyeglasses", "face", "fan", "feather", "fence", "finger", "fire_hydrant", "fireplace",
        "firetruck", "fish", "flamingo", "flashlight", "flip_flops", "floor_lamp", "flower", "flying_saucer", "foot", "fork",
        "frog", "frying_pan", "garden", "garden_hose", "giraffe", "goatee", "golf_club", "grapes", "grass", "guitar",
        "hamburger", "hammer", "hand", "harp", "hat", "headphones", "hedgehog", "helicopter", "helmet", "hexagon",
        "hockey_puck", "hockey_stick", "horse", "hospital", "hot_air_balloon", "hot_dog", "hot_tub", "hourglass", "house",
        "house_plant", "hurricane", "ice_cream", "jacket", "jail", "kangaroo", "key", "keyboard", "knee", "knife", "ladder",
        "lantern", "laptop", "leaf", "leg", "light_bulb", "lighter", "lighthouse", "lightning", "line", "lion", "lipstick",
        "lobster", "lollipop", "mailbox", "map", "marker", "matches", "megaphone", "mermaid", "microphone", "microwave",
        "monkey", "moon", "mosquito", "motorbike", "mountain", "mouse", "moustache", "mouth", "mug", "mushroom", "nail",
        "necklace", "nose", "ocean", "octagon", "octopus", "onion", "oven", "owl", "paintbrush", "paint_can", "palm_tree",
        "panda", "pants", "paper_clip", "parachute", "parrot", "passport", "peanut", "pear", "peas", "pencil", "penguin",
        "piano", "pickup_truck", "picture_frame", "pig", "pillow", "pineapple", "pizza", "pliers", "police_car", "pond",
        "pool", "popsicle", "postcard", "potato", "power_outlet", "purse", "rabbit", "raccoon", "radio", "rain", "rainbow",
        "rake", "remote_control", "rhinoceros", "rifle", "river", "roller_coaster", "rollerskates", "sailboat", "sandwich",
        "saw", "saxophone", "school_bus", "scissors", "scorpion", "screwdriver", "sea_turtle", "see_saw", "shark", "sheep",
        "shoe", "shorts", "shovel", "sink", "skateboard", "skull", "skyscraper", "sleeping_bag", "smiley_face", "snail",
        "snake", "snorkel", "snowflake", "snowman", "soccer_ball", "sock", "speedboat", "spider", "spoon", "spreadsheet",
        "square", "squiggle", "squirrel", "stairs", "star", "steak", "stereo", "stethoscope", "stitches", "stop_sign",
        "stove", "strawberry", "streetlight", "string_bean", "submarine", "suitcase", "sun", "swan", "sweater", "swing_set",
        "sword", "syringe", "table", "teapot", "teddy-bear", "telephone", "television", "tennis_racquet", "tent",
        "The_Eiffel_Tower", "The_Great_Wall_of_China", "The_Mona_Lisa", "tiger", "toaster", "toe", "toilet", "tooth",
        "toothbrush", "toothpaste", "tornado", "tractor", "traffic_light", "train", "tree", "triangle", "trombone", "truck",
        "trumpet", "t-shirt", "umbrella", "underwear", "van", "vase", "violin", "washing_machine", "watermelon", "waterslide",
        "whale", "wheel", "windmill", "wine_bottle", "wine_glass", "wristwatch", "yoga", "zebra", "zigzag",
    )  # fmt: skip
    license = "non-commercial research and education, on the terms of its page"
    homepage = "https://ai.bu.edu/M3SDA/"
    download_instructions = (
        "Download the cleaned version of DomainNet from https://ai.bu.edu/M3SDA/ and unpack it, so that the folder of each "
        "domain (clipart/airplane/clipart_002_000001.jpg ...) and its lists (clipart_train.txt, clipart_test.txt) are in the raw "
        "folder."
    )
    citation = """@inproceedings{peng2019moment,
  title = {Moment Matching for Multi-Source Domain Adaptation},
  author = {Peng, Xingchao and Bai, Qinxun and Xia, Xide and Huang, Zijun and Saenko, Kate and Wang, Bo},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  pages = {1406--1415},
  year = {2019}
}"""

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write images, and the lists with one image of each class in five for testing."""
        super().make_synthetic(raw, n, seed)
        folder = raw / self.variant
        for split in ("train", "test"):
            named = [
                path
                for label in folder.iterdir()
                for i, path in enumerate(sorted(label.iterdir()))
                if (split == "test") == (i % 5 == 0)
            ]
            lines = [f"{path.relative_to(raw).as_posix()} {self.classes.index(path.parent.name)}\n" for path in sorted(named)]
            (raw / f"{self.variant}_{split}.txt").write_text("".join(lines), encoding="utf-8")
