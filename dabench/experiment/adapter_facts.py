"""The facts of an adapter that records, tables and lists need. Light to import."""

from __future__ import annotations

from dataclasses import asdict

from dabench.plugins.contract import Adapter
from dabench.storage.schema import AdapterFacts


def adapter_facts(adapter: Adapter) -> AdapterFacts:
    """Return the facts of an adapter. One that adapts without `adapt`, by `predict` alone, is given no sources."""
    at_test_time = adapter.adapts() and type(adapter).adapt is Adapter.adapt
    return AdapterFacts(
        title=adapter.title,
        citation=adapter.citation,
        access=adapter.access,
        options=asdict(adapter.options),
        adapts=adapter.adapts(),
        own_pretraining=not adapter.shares_pretraining(),
        without_groups=adapter.without_groups,
        uses_sources=adapter.uses_sources and not at_test_time,
    )
