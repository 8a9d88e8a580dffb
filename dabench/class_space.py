"""The classes of a sweep: which are kept of each dataset, and under which names."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dabench.data.cache import Prepared
from dabench.errors import SpecError, nearest
from dabench.spec import Sweep


def renames(sweep: Sweep, dataset: str) -> dict[str, str]:
    """Return class -> its name in the sweep, for the classes of one dataset that [classes.map] renames."""
    common = {old: new for old, new in sweep.class_map.items() if isinstance(new, str)}
    own = sweep.class_map.get(dataset, {})
    return common | dict(own if isinstance(own, Mapping) else {})


def shared_classes(sweep: Sweep, prepared: Mapping[str, Prepared]) -> tuple[str, ...]:
    """Return the classes of the sweep, in the order of the logits.

    Raises:
        SpecError: the datasets have different ones and the sweep does not say which to keep, or it names one that is not there.
    """
    _check_renames(sweep, prepared)
    named = {name: _named(sweep, name, p) for name, p in prepared.items()}
    if sweep.classes:
        for name, classes in named.items():
            missing = [c for c in sweep.classes if c not in classes]
            if missing:
                raise SpecError(f"classes: dataset '{name}' has no {', '.join(missing)}; its classes are {', '.join(classes)}")
        return sweep.classes
    (first, ours), *others = named.items()
    for name, theirs in others:
        if set(theirs) != set(ours):
            shared = [c for c in ours if all(c in classes for classes in named.values())]
            line = f"keep = {json.dumps(shared)} under [classes]" if sweep.class_map else f"classes = {json.dumps(shared)}"
            advice = f"add the shared ones to the sweep file: {line}" if shared else "they share none; see [classes.map]"
            raise SpecError(
                f"datasets with different classes: {first} has {', '.join(ours)}; {name} has {', '.join(theirs)}; {advice}"
            )
    return ours


def _named(sweep: Sweep, dataset: str, prepared: Prepared) -> tuple[str, ...]:
    new = renames(sweep, dataset)
    return tuple(dict.fromkeys(new.get(c, c) for c in prepared.classes))


def _check_renames(sweep: Sweep, prepared: Mapping[str, Prepared]) -> None:
    every = list(dict.fromkeys(c for p in prepared.values() for c in p.classes))
    for key, new in sweep.class_map.items():
        if isinstance(new, Mapping):
            known = prepared[key].classes
            wrong = [old for old in new if old not in known]
            where = f"classes.map.{key}: dataset '{key}'"
        else:
            known, wrong, where = tuple(every), [] if key in every else [key], "classes.map: no dataset of the sweep"
        if wrong:
            raise SpecError(f"{where} has a class '{wrong[0]}'{nearest(wrong[0], known)}; there is: {', '.join(known)}")
