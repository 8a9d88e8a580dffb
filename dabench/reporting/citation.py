"""What to cite: BibTeX of everything that a sweep, its results or a committed table rests on, and a sentence that cites it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from dabench.analysis.baselines import Baseline, read_baseline
from dabench.analysis.environments import environments_of, versions_of
from dabench.analysis.predictions import Predictions
from dabench.analysis.trials import searched_by
from dabench.experiment.resolve import make_adapter, make_backbone, make_dataset
from dabench.experiment.sweep_file import SweepFile
from dabench.hashing import digest
from dabench.training.selection import LAST

STUDY = "paper"
"""The committed table of the study that dabench generalises, which is cited with it."""

_TOLD = ("datasets", "backbone", "adapters", "seeds")
"""Settings that a sentence tells by itself, whether the sweep's file has them or --set."""


@dataclass(frozen=True)
class Citations:
    """What to cite.

    Attributes:
        sentence: for a paper, in LaTeX, with version, digest and the keys of the entries.
        digest: the whole of what the sentence says the beginning of.
        entries: BibTeX, each key once.
    """

    sentence: str
    digest: str
    entries: list[str]

    @property
    def text(self) -> str:
        """A .bib file: the sentence as a comment, then the entries."""
        return "\n\n".join([f"% {self.sentence}\n% Digest: {self.digest}", *self.entries]) + "\n"


@dataclass(frozen=True)
class _CitedPlugins:
    """What a sweep rests on, by name, with the BibTeX of each."""

    datasets: Mapping[str, str]
    backbone: tuple[str, str]
    adapters: Mapping[str, str]

    @property
    def texts(self) -> list[str]:
        return [*self.datasets.values(), self.backbone[1], *self.adapters.values()]

    def sentence(self, version: str, end: str) -> str:
        name, text = self.backbone
        return (
            f"We used {_toolkit(version)} on {_listed(self.datasets)} with the network {_named(name, text)} and the "
            f"method{'s' if len(self.adapters) > 1 else ''} {_listed(self.adapters)}; {end}."
        )


def cite_sweep(file: SweepFile, registry: Any) -> Citations:
    """Return what to cite of a sweep that need not have been run; the digest is of the sweep file."""
    sweep = file.sweep
    datasets = {n: make_dataset(sweep, n, registry).citation for n in sweep.datasets}
    backbone = (sweep.backbone, make_backbone(sweep, registry).citation)
    rests = _CitedPlugins(datasets, backbone, {n: make_adapter(sweep, n, registry).citation for n in sweep.adapters})
    searched = searched_by(sweep.search if sweep.search.trials else None)
    end = f"sweep {_escaped(sweep.name)}, {_seeds(sweep.seed_list)}, {searched and f'{searched}, '}"
    end += f"sweep digest {sweep.digest[:12]}"
    return Citations(
        rests.sentence(metadata.version("dabench"), end), sweep.digest, _entries(metadata.version("dabench"), rests.texts)
    )


def cite_results(runs: Predictions) -> Citations:
    """Return what to cite of results, with the version of dabench that they were measured with."""
    record, rests = runs.record, _rests(runs)
    version = versions_of(environments_of(runs.records.values())).get("dabench", metadata.version("dabench"))
    searched = searched_by(record.sweep.search)
    set_to = [text for text in record.overrides if text.partition("=")[0].strip() not in _TOLD]
    name = " with ".join([record.sweep.name, *([", ".join(set_to)] if set_to else [])])
    end = f"sweep {_escaped(name)}, {_seeds(record.seeds)}, {searched and f'{searched}, '}"
    if runs.selection != LAST:  # the digest is of the runs, whichever of their checkpoints count
        end += f"checkpoint by {_escaped(runs.selection)}, "
    end += f"table digest {runs.digest[:12]}"
    return Citations(rests.sentence(version, end), runs.digest, _entries(version, rests.texts))


def cite_baseline(table: Baseline) -> Citations:
    """Return what to cite of a committed table, with the version of dabench that measured it, if it was measured."""
    rest = _cite(table["citations"], leave_out=("dabench",))
    if table["kind"] == "published":
        version, whole = metadata.version("dabench"), digest(table)
        sentence = f"We compare with {_escaped(table['source'])}{rest}, as listed by dabench {version}{_cite([toolkit(version)])}"
    else:
        version, whole = versions_of(table["provenance"]["environments"])["dabench"], table["digest"]
        sentence = f"We compare with table {_escaped(table['name'])} of {_toolkit(version)}, which rests on{rest}"
    return Citations(f"{sentence}; table digest {whole[:12]}.", whole, _entries(version, table["citations"]))


def citations_of_results(runs: Predictions) -> list[str]:
    """Return the entries for the datasets, backbone and adapters of results."""
    return unique(_rests(runs).texts)


def _rests(runs: Predictions) -> _CitedPlugins:
    backbone, adapters = runs.record.backbone, runs.record.methods
    datasets = {n: facts.citation for n, facts in runs.facts.items()}
    return _CitedPlugins(datasets, (backbone.name, backbone.citation), {n: facts.citation for n, facts in adapters.items()})


def toolkit(version: str) -> str:
    """Return the entry for dabench itself."""
    return f"""@software{{dabench,
  title = {{dabench: a domain-adaptation benchmark toolkit}},
  author = {{{{The dabench developers}}}},
  version = {{{version}}}
}}"""


def _entries(version: str, texts: Iterable[str]) -> list[str]:
    return unique([toolkit(version), *read_baseline(STUDY)["citations"], *texts])


def _cite(texts: Iterable[str], leave_out: Sequence[str] = ()) -> str:
    found = [k for k in keys(texts) if k not in leave_out]
    return rf" \cite{{{','.join(found)}}}" if found else ""


def _toolkit(version: str) -> str:
    return f"dabench {version}{_cite([toolkit(version), *read_baseline(STUDY)['citations']])}"


def _named(name: str, text: str) -> str:
    return f"{_escaped(name)}{_cite([text])}"


def _listed(of: Mapping[str, str]) -> str:
    words = [_named(name, text) for name, text in of.items()]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _seeds(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"


def _escaped(name: str) -> str:
    from dabench.reporting.escape import escape_latex

    # BibTeX reads an entry from any "@" on, in a comment as well.
    return escape_latex(name).replace("@", "(at)")


_BEGINNING = re.compile(r"@\w+\s*\{\s*([^,\s{}]+)\s*,")


def unique(texts: Iterable[str]) -> list[str]:
    """Return the BibTeX entries in texts, each key once. What is no whole entry is left out: it would spoil those after it."""
    found: dict[str, str] = {}
    for text in texts:
        at = 0
        while match := _BEGINNING.search(text, at):
            end = _closing(text, match.start())
            if end is None:
                break
            found.setdefault(match[1], text[match.start() : end])
            at = end
    return list(found.values())


def _closing(text: str, start: int) -> int | None:
    """Return where the first brace after `start` is closed, or None."""
    depth = 0
    for i in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    return None


def keys(texts: Iterable[str]) -> list[str]:
    """Return the keys of the entries in texts, each once."""
    return [re.split(r"[{,]", entry)[1].strip() for entry in unique(texts)]
