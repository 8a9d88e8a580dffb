"""RAVDESS: videos of 24 professional actors who speak and sing two sentences with eight expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from dabench import FACES, setting
from dabench.data.clips import Clip
from dabench.datasets._emotions import BASIC
from dabench.datasets._from_names import NamedClips

_NAME = re.compile(r"0([123])-0([12])-0([1-8])-0([12])-0([12])-0([12])-(\d\d)")
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
_CHANNELS = ("speech", "song")
_MODALITIES = ("full-av", "video-only", "audio-only")


class RAVDESS(NamedClips):
    """Actor_12/01-01-06-01-02-01-12.mp4: full AV, speech, fearful, normal intensity, second sentence, first repetition, actor 12.

    Full AV (01) and video-only (02) files show the same performances, so only one kind is read. Audio-only files (03) have no
    video. There are no songs with disgust or surprise, and none by actor 18. Actors with odd numbers are men. Attributes: sex,
    channel, intensity, statement, repetition.
    """

    name = "ravdess"
    short_name = "RAVDESS"
    title = "24 actors speaking (or singing) two sentences, eight expressions, thirty frames of each video"
    classes: tuple[str, ...] = (*BASIC, "calm")
    license = "CC BY-NC-SA 4.0"
    homepage = "https://zenodo.org/record/1188976"
    download_instructions = (
        "Download Video_Speech_Actor_01.zip to _24.zip from its page (for songs Video_Song_Actor_*.zip) and unpack them into the "
        "raw folder: Actor_01/01-01-01-01-01-01-01.mp4 ..."
    )
    augment = FACES
    left_out = "of another channel or modality (options channel and modality)"
    citation = """@article{livingstone2018ryerson,
  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS}): A dynamic,
  multimodal set of facial and vocal expressions in {North American English}},
  author = {Livingstone, Steven R. and Russo, Frank A.},
  journal = {PLoS ONE},
  volume = {13},
  number = {5},
  pages = {e0196391},
  year = {2018}
}"""

    @dataclass(frozen=True)
    class Options(NamedClips.Options):
        """Options of ravdess."""

        channel: Literal["speech", "song", "both"] = setting("speech", "the performances to read")
        modality: Literal["full-av", "video-only"] = setting("full-av", "the files to read; both show the same performances")

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        channel = self.options.channel
        self.counts = {"clips": {"speech": 24 * 60, "song": 23 * 44, "both": 24 * 60 + 23 * 44}[channel]}
        if channel == "song":
            self.classes = tuple(c for c in self.classes if c not in ("disgust", "surprise"))

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as Actor_01/01-01-03-01-01-01-01.mp4."""
        emotion = _EMOTIONS.index(self.classes[label]) + 1
        modality, channel = _MODALITIES.index(self.options.modality) + 1, 2 if self.options.channel == "song" else 1
        performance = f"0{1 + take // 4 % 2}-0{1 + take // 2 % 2}-0{1 + take % 2}"
        return f"Actor_{subject + 1:02}/0{modality}-0{channel}-0{emotion}-{performance}-{subject + 1:02}.mp4"

    def named(self, path: PurePosixPath) -> Clip | None:
        """Read 01-01-06-01-02-01-12.mp4."""
        match = self.matched(_NAME, path, "01-01-06-01-02-01-12.mp4")
        modality, channel = _MODALITIES[int(match[1]) - 1], _CHANNELS[int(match[2]) - 1]
        if modality != self.options.modality or self.options.channel not in (channel, "both"):
            return None
        attributes = {
            "sex": ("female", "male")[int(match[7]) % 2],
            "channel": channel,
            "intensity": ("normal", "strong")[int(match[4]) - 1],
            "statement": match[5],
            "repetition": match[6],
        }
        return Clip(str(path), match[7], _EMOTIONS[int(match[3]) - 1], path.stem, attributes)
