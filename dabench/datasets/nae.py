"""NAE, "Non-Actor Emotions": clips of Korean non-actors aged 18 to 84, seven emotions. Private."""

from __future__ import annotations

from dabench import FACES
from dabench.datasets._emotions import BASIC
from dabench.datasets.video_folder import VideoFolder


class NAE(VideoFolder):
    """The study's non-actor videos: 174 subjects, about ten seconds of each emotion at 30 fps, thirty frames of each clip.

    The dataset is not published. This reads your own copy, in the layout of video-folder with the seven emotions as classes.
    """

    name = "nae"
    short_name = "NAE"
    title = "non-actor expressions, thirty frames of each video, 48x48, seven expressions"
    classes = BASIC
    license = "private; not published"
    download_instructions = (
        "The dataset is private. Put your copy into the raw folder as <subject>/<class>[_take].mp4, with the classes "
        f"{', '.join(BASIC)}; participants.csv (subject, age, sex, ...) adds attributes."
    )
    augment = FACES
    citation = """@misc{kim-nonactors,
  title = {Recognizing Emotions from Out-of-domain Facial Expressions Produced by Non-Actors},
  author = {Kim and others},
  howpublished = {Seoul National University}
}"""
