"""Choose the classes of a sweep and rename the classes of its datasets.

Names are compared without case and in Unicode NFC. A class is written as in [classes] keep, else as in the first dataset.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from dabench.data.cache import Prepared
from dabench.data.folder_names import same_name
from dabench.errors import nearest
from dabench.experiment.config import Sweep
from dabench.plugins.options import KeyProblem


def renames(sweep: Sweep, dataset: str, classes: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return class -> its name in the sweep, for the dataset's `classes` that have another name there.

    Args:
        names: the classes of the sweep.
    """
    own = sweep.class_map.get(dataset)
    table = {**sweep.class_map, **(own if isinstance(own, Mapping) else {})}
    mapped = {old: new if isinstance(new := table.get(old, old), str) else old for old in classes}
    written = {old: _as_written(new, names, set(mapped.values())) for old, new in mapped.items()}
    return {old: new for old, new in written.items() if new != old}


def _as_written(name: str, names: Sequence[str], own: Collection[str]) -> str:
    """Return the one of `names` that is equal without case, unless the dataset has two such classes, such as "a" and "A"."""
    alike = [known for known in names if same_name(known) == same_name(name)]
    mine = [other for other in own if same_name(other) == same_name(name)]
    return alike[0] if len(alike) == len(mine) == 1 else name


def shared_classes(sweep: Sweep, prepared: Mapping[str, Prepared]) -> tuple[str, ...]:
    """Return the classes of the sweep, in the order of the logits.

    Raises:
        KeyProblem: the datasets have different classes and the sweep does not choose, or it names an unknown class.
    """
    _check_renames(sweep, prepared)
    labelled = {name: p for name, p in prepared.items() if p.labelled}
    if not labelled:
        raise KeyProblem("datasets", "no dataset has labels, and a source needs them; name one that has")
    first = next(iter(labelled))
    names = sweep.classes or _named(sweep, first, labelled[first], ())
    named = {name: _named(sweep, name, p, names) for name, p in labelled.items()}
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
    ours = named[first]
    for name, theirs in named.items():
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


def _named(sweep: Sweep, dataset: str, prepared: Prepared, names: Sequence[str]) -> tuple[str, ...]:
    new = renames(sweep, dataset, prepared.classes, names)
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
