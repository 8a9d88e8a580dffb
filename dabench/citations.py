"""BibTeX of everything that a table rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dabench.spec import Sweep, make_adapter, make_backbone, make_dataset
from dabench.stored import Stored


def toolkit(version: str) -> str:
    """Return the entry for dabench itself."""
    return f"""@software{{dabench,
  title = {{dabench: a domain-adaptation benchmark toolkit}},
  author = {{{{The dabench developers}}}},
  version = {{{version}}}
}}"""


def citations_of_sweep(sweep: Sweep, registry: Any, version: str) -> list[str]:
    """Return the entries for the toolkit, and the datasets, backbone and adapters of a sweep."""
    plugins = [make_dataset(sweep, n, registry) for n in sweep.datasets]
    more = [make_backbone(sweep, registry), *(make_adapter(sweep, n, registry) for n in sweep.adapters)]
    return unique([toolkit(version), *(p.citation for p in plugins), *(p.citation for p in more)])


def citations_of_store(store: Stored, version: str) -> list[str]:
    """Return the entries for the toolkit, and the datasets, backbone and adapters of a finished sweep."""
    record: Mapping[str, Any] = store.read_sweep()
    datasets = [store.dataset(n).facts["citation"] for n in record["sweep"]["datasets"]]
    adapters = [a["citation"] for a in record["adapters"].values()]
    return unique([toolkit(version), *datasets, record["backbone"]["citation"], *adapters])


def unique(entries: Iterable[str]) -> list[str]:
    """Return the entries that are there, each key once."""
    found: dict[str, str] = {}
    for entry in (one for text in entries for one in re.split(r"(?m)^\s*(?=@)", text)):
        for key in re.findall(r"@\w+\s*\{\s*([^,\s]+)\s*,", entry)[:1]:
            found.setdefault(key, entry.strip())
    return list(found.values())
