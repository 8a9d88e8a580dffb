"""Write citations: BibTeX for everything that a sweep, its results or a committed table uses, and a sentence citing it."""

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
from dabench.reporting.escape import escape_latex
from dabench.reporting.tables import counted, folds_text, protocol_text
from dabench.training.selection import LAST

STUDY = "paper"
"""The committed table of the study that dabench generalises; it is always cited."""

_TOLD = ("datasets", "backbone", "adapters", "seeds", "folds")
"""Settings that the sentence names anyway, so that overrides of them need not be listed."""


@dataclass(frozen=True)
class Citations:
    """A sentence, BibTeX entries and a digest.

    Attributes:
        sentence: LaTeX for a paper, with version, the first characters of the digest, and citation keys.
        digest: the full digest.
        entries: BibTeX, each key once.
    """

    sentence: str
    digest: str
    entries: list[str]

    @property
    def text(self) -> str:
        """A .bib file: the sentence as a comment, then the entries."""
        return "\n\n".join([f"% {self.sentence}\n% Digest: {self.digest}", *self.entries]) + "\n"


_Plugins = tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]
"""Datasets, backbone and adapters of a sweep, each name -> BibTeX."""


def cite_sweep(file: SweepFile, registry: Any) -> Citations:
    """Return the citations of a sweep, which need not have been run; the digest is that of the sweep file."""
    sweep = file.sweep
    datasets = {n: make_dataset(sweep, n, registry).citation for n in sweep.datasets}
    backbone = {sweep.backbone: make_backbone(sweep, registry).citation}
    adapters = {n: make_adapter(sweep, n, registry).citation for n in sweep.adapters}
    searched = searched_by(sweep.search if sweep.search.trials else None)
    folds = f"folds {sweep.folds}" if sweep.folds else ""
    protocol = protocol_text(sweep.transductive)
    conditions = [f"sweep {_escaped(sweep.name)}", counted(len(sweep.seed_list), "seed"), protocol, folds, searched]
    return _cited((datasets, backbone, adapters), metadata.version("dabench"), conditions, "sweep digest", sweep.digest)


def cite_results(runs: Predictions) -> Citations:
    """Return the citations of results, with the version of dabench that computed them."""
    record = runs.record
    version = versions_of(environments_of(runs.records.values())).get("dabench", metadata.version("dabench"))
    set_to = [text for text in record.overrides if text.partition("=")[0].strip() not in _TOLD]
    name = " with ".join([record.sweep.name, *([", ".join(set_to)] if set_to else [])])
    # The digest covers the runs, not the selection rule.
    chosen = f"checkpoint by {_escaped(runs.selection)}" if runs.selection != LAST else ""
    folds = folds_text(record.sweep.folds, record.folds)
    searched, protocol = searched_by(record.sweep.search), protocol_text(record.sweep.transductive)
    conditions = [f"sweep {_escaped(name)}", counted(len(record.seeds), "seed"), protocol, folds, searched, chosen]
    return _cited(_rests(runs), version, conditions, "table digest", runs.digest)


def _cited(rests: _Plugins, version: str, conditions: Iterable[str], kind: str, whole: str) -> Citations:
    datasets, backbone, adapters = rests
    end = ", ".join([*filter(None, conditions), f"{kind} {whole[:12]}"])
    sentence = (
        f"We used {_toolkit(version)} on {_listed(datasets)} with the network {_listed(backbone)} and the "
        f"method{'s' if len(adapters) > 1 else ''} {_listed(adapters)}; {end}."
    )
    return Citations(sentence, whole, _entries(version, _texts(rests)))


def cite_baseline(table: Baseline) -> Citations:
    """Return the citations of a committed table, with the version of dabench that measured it, if it was measured."""
    rest = _cite(table["citations"], leave_out=("dabench",))
    if table["kind"] == "published":
        version, whole = metadata.version("dabench"), digest(table)
        sentence = f"We compare with {_escaped(table['source'])}{rest}, as listed by dabench {version}{_cite([toolkit(version)])}"
    else:
        version, whole = versions_of(table["provenance"]["environments"])["dabench"], table["digest"]
        sentence = f"We compare with table {_escaped(table['name'])} of {_toolkit(version)}, which uses{rest}"
    return Citations(f"{sentence}; table digest {whole[:12]}.", whole, _entries(version, table["citations"]))


def citations_of_results(runs: Predictions) -> list[str]:
    """Return the entries for the datasets, backbone and adapters of results."""
    return unique(_texts(_rests(runs)))


def _texts(rests: _Plugins) -> list[str]:
    return [text for plugins in rests for text in plugins.values()]


def _rests(runs: Predictions) -> _Plugins:
    backbone = runs.record.backbone
    datasets, adapters = ({n: facts.citation for n, facts in of.items()} for of in (runs.facts, runs.record.methods))
    return datasets, {backbone.name: backbone.citation}, adapters


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


def _listed(of: Mapping[str, str]) -> str:
    words = [f"{_escaped(name)}{_cite([text])}" for name, text in of.items()]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _escaped(name: str) -> str:
    # BibTeX starts an entry at any "@", also in a comment.
    return escape_latex(name).replace("@", "(at)")


_BEGINNING = re.compile(r"@\w+\s*\{\s*([^,\s{}]+)\s*,")


def unique(texts: Iterable[str]) -> list[str]:
    """Return the BibTeX entries in texts, each key once. Unfinished entries are omitted: they would break those after them."""
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
    """Return the position after the brace that closes the first one from `start`, or None."""
    depth = 0
    for i in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    return None


def keys(texts: Iterable[str]) -> list[str]:
    """Return the keys of the entries in texts, each once."""
    return [re.split(r"[{,]", entry)[1].strip() for entry in unique(texts)]
