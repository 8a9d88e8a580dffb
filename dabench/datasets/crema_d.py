"""CREMA-D: videos of 91 actors who say twelve sentences with six expressions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from dabench import FACES
from dabench.data.clips import Clip
from dabench.data.csv_files import read_rows
from dabench.datasets._emotions import BASIC, emotion
from dabench.datasets._from_names import NamedClips

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)", re.IGNORECASE)
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
_PEOPLE = "VideoDemographics.csv"


class CREMAD(NamedClips):
    """Clips such as VideoFlash/1001_DFA_ANG_XX.flv: actor 1001, sentence DFA, anger, no intensity (else LO, MD, HI).

    The class is the emotion that the actor was asked to show, not the one that raters perceived. Attributes: sentence and
    intensity, and from VideoDemographics.csv the age, sex, race and ethnicity of the actor.
    """

    name = "crema-d"
    short_name = "CREMA-D"
    title = "91 actors saying twelve sentences, six expressions, thirty frames of each video"
    classes = tuple(c for c in BASIC if c != "surprise")
    counts = {"clips": 7442}  # noqa: RUF012
    license = "ODbL 1.0; contents DbCL 1.0"
    homepage = "https://github.com/CheyneyComputerScience/CREMA-D"
    download_instructions = (
        "Clone the repository from its page (with git lfs) and put VideoFlash (1001_DFA_ANG_XX.flv ...) and "
        f"{_PEOPLE} into the raw folder."
    )
    augment = FACES
    citation = """@article{cao2014crema,
  title = {{CREMA-D}: Crowd-sourced Emotional Multimodal Actors Dataset},
  author = {Cao, Houwei and Cooper, David G. and Keutmann, Michael K. and Gur, Ruben C. and Nenkova, Ani and Verma, Ragini},
  journal = {IEEE Transactions on Affective Computing},
  volume = {5},
  number = {4},
  pages = {377--390},
  year = {2014}
}"""

    def example(self, label: int, subject: int, take: int) -> str:
        """Return a path such as VideoFlash/1001_DFA_ANG_XX.flv."""
        code = ("ANG", "DIS", "FEA", "HAP", "SAD", "NEU")[label]
        sentence = ("IEO", "DFA", "ITH", "ITS")[take // 4 % 4]
        return f"VideoFlash/{1001 + subject}_{sentence}_{code}_{('XX', 'LO', 'MD', 'HI')[take % 4]}.flv"

    def make_synthetic(self, raw: Path, n: int, seed: int) -> None:
        """Write clips and a table of their actors."""
        super().make_synthetic(raw, n, seed)
        rows = [f"{1001 + i},{20 + 10 * i},{('Female', 'Male')[i % 2]},Unknown,Unknown" for i in range(5)]
        (raw / _PEOPLE).write_text("\n".join(["ActorID,Age,Sex,Race,Ethnicity", *rows, ""]), encoding="utf-8")

    def named(self, path: PurePosixPath) -> Clip:
        """Read 1001_DFA_ANG_XX.flv."""
        match = self.matched(_NAME, path, "1001_DFA_ANG_XX.flv")
        attributes = {"sentence": match[2].upper(), "intensity": _LEVELS.get(match[4].upper(), "")}
        return Clip(str(path), match[1], emotion(match[3]) or "", path.stem.upper(), attributes)

    def declared(self, root: Path) -> tuple[list[Clip], dict[str, str], list[str]]:
        """Return the clips with the attributes of their actors."""
        clips, skipped, notes = super().declared(root)
        table, needed = root / _PEOPLE, ("ActorID", "Age", "Sex", "Race", "Ethnicity")
        if not table.is_file():
            raise self.refusal(f"{table} does not exist")
        rows = read_rows(table, needed, self.who)
        people = {row["ActorID"]: {c.lower(): row[c].lower() for c in needed[1:]} for _, row in rows}
        if unknown := {clip.subject for clip in clips} - set(people):
            raise self.error(f"{table} has no actor {min(unknown)}; download it again")
        return [replace(c, attributes={**c.attributes, **people[c.subject]}) for c in clips], skipped, notes
