"""Choose the classes of a sweep and rename the classes of its datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from dabench.data.cache import Prepared
from dabench.errors import nearest
from dabench.experiment.config import Sweep
from dabench.plugins.options import KeyProblem


def renames(sweep: Sweep, dataset: str, classes: Sequence[str]) -> dict[str, str]:
    """Return class -> its name in the sweep, for the dataset's `classes` that [classes.map] renames."""
    own = sweep.class_map.get(dataset)
    table = {**sweep.class_map, **(own if isinstance(own, Mapping) else {})}
    return {old: new for old in classes if isinstance(new := table.get(old, old), str) and new != old}


def shared_classes(sweep: Sweep, prepared: Mapping[str, Prepared]) -> tuple[str, ...]:
    """Return the classes of the sweep, in the order of the logits.

    Raises:
        KeyProblem: the datasets have different classes and the sweep does not choose, or it names an unknown class.
    """
    _check_renames(sweep, prepared)
    named = {name: _named(sweep, name, p) for name, p in prepared.items() if p.labelled}
    if not named:
        raise KeyProblem("datasets", "no dataset has labels, and a source needs them; name one that has")
    if sweep.classes:
        for name, classes in named.items():
            missing = [c for c in sweep.classes if c not in classes]
            if missing:
                near = nearest(missing[0], classes)
                raise KeyProblem(
                    "classes.keep",
                    f"classes: dataset '{name}' has no {', '.join(missing)}{near}; its classes are {', '.join(classes)}",
                )
        return sweep.classes
    (first, ours), *others = named.items()
    for name, theirs in others:
        if set(theirs) != set(ours):
            shared = [c for c in ours if all(c in classes for classes in named.values())]
            advice = f"keep the shared classes with this line in the sweep file: {keeping(sweep, shared)}"
            raise KeyProblem(
                "datasets",
                f"the datasets have different classes: {first} has {', '.join(ours)}; {name} has {', '.join(theirs)}; "
                + (advice if shared else "they share no class; rename classes that mean the same under [classes.map]"),
            )
    return ours


def keeping(sweep: Sweep, classes: Sequence[str]) -> str:
    """Return the line of a sweep file that keeps only these classes."""
    return f"keep = {json.dumps(classes)} under [classes]" if sweep.class_map else f"classes = {json.dumps(classes)}"


def _named(sweep: Sweep, dataset: str, prepared: Prepared) -> tuple[str, ...]:
    new = renames(sweep, dataset, prepared.classes)
    return tuple(dict.fromkeys(new.get(c, c) for c in prepared.classes))


def _check_renames(sweep: Sweep, prepared: Mapping[str, Prepared]) -> None:
    every = list(dict.fromkeys(c for p in prepared.values() for c in p.classes))
    for key, new in sweep.class_map.items():
        if isinstance(new, Mapping):
            known, who = prepared[key].classes, f"dataset '{key}' has no"
            wrong = [(old, f"classes.map.{key}.{old}") for old in new if old not in known]
        else:
            known, who = tuple(every), "no dataset of the sweep has a"
            wrong = [] if key in every else [(key, f"classes.map.{key}")]
        for old, path in wrong:
            raise KeyProblem(path, f"{path}: {who} class '{old}'{nearest(old, known)}; known: {', '.join(known)}")
