"""Validate [search] of a sweep, and complete its space with the default ranges of the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dabench.errors import SpecError, nearest
from dabench.experiment.adapter_names import plugin_of
from dabench.experiment.config import Sweep
from dabench.experiment.resolve import make_adapter
from dabench.experiment.samplers import grid_size
from dabench.experiment.search_space import KINDS, around, read_range
from dabench.plugins.options import KeyProblem, build
from dabench.plugins.registry import Registry
from dabench.training.selection import LAST, VALIDATORS, check_rule

COMMON = "train"
"""The table of the settings that all adapters share."""

_FIXED = ("device", "threads", "checkpoints")
"""Keys of [train] that control how a run is computed and stored, not what is learned."""


def with_space(sweep: Sweep, registry: Registry) -> Sweep:
    """Return the sweep with the complete space of its search, by full keys such as "train.lr".

    If [search.space] names no key of [train], or of an adapter, its settings with a declared default range are searched,
    around the value in the sweep.

    Raises:
        KeyProblem: a key or a range is wrong, or there is no setting to search.
    """
    search = sweep.search
    if not search.trials:
        return sweep
    _check_keys(sweep)
    # Options that the name of an adapter sets are not searched, and neither are its others: only "dann" has keys "dann.OPTION".
    plain = [name for name in sweep.adapters if plugin_of(name) == name]
    owners: dict[str, Any] = {COMMON: sweep.train} | {n: make_adapter(sweep, n, registry).options for n in plain}
    space = dict(_flat(search.space))
    for key, value in space.items():
        _check_range(key, value, owners)
    for name, settings in owners.items():
        if not any(key.startswith(f"{name}.") for key in space):
            space |= _declared(name, settings)
    if not space:
        raise KeyProblem("search", "[search] has no setting to search; name settings under [search.space]")
    # The common settings come first, so that a trial draws the same values of them for every adapter.
    first = {key: value for key, value in space.items() if key.startswith(f"{COMMON}.")}
    found = replace(sweep, search=replace(search, space=first | space))
    _check_grid(found)
    return found


def _check_keys(sweep: Sweep) -> None:
    search = sweep.search
    try:
        if search.select == LAST:
            raise SpecError(f"this rule does not score trials; known: {', '.join(VALIDATORS)}, oracle")
        check_rule(search.select)
    except SpecError as e:
        raise KeyProblem("search.select", f"search.select = {search.select!r}: {e}") from e
    if search.early_stopping and search.select not in VALIDATORS:
        raise KeyProblem("search.early_stopping", "search.early_stopping needs a rule without target labels, not 'oracle'")
    if search.seed in sweep.seed_list:
        raise KeyProblem("search.seed", f"search.seed = {search.seed}: is one of the sweep's seeds; trials must use another seed")


def _flat(space: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in space.items():
        full = f"{path}{key}"
        if isinstance(value, Mapping) and value and not any(k in KINDS for k in value) and "." not in full:
            yield from _flat(value, f"{full}.")
        else:
            yield full, value


def _check_range(key: str, value: Any, owners: Mapping[str, Any]) -> None:
    path = f"search.space.{key}"
    name, _, option = key.rpartition(".")
    if name not in owners:
        near = nearest(name, owners)
        raise KeyProblem(
            path,
            f"{path}: must be {COMMON}.KEY, or ADAPTER.OPTION of one of {', '.join(list(owners)[1:])}{near} "
            "(options of an adapter with '@' in its name are not searched)",
        )
    if name == COMMON and option in _FIXED:
        raise KeyProblem(path, f"{path}: '{option}' cannot be searched; it controls how a run is computed, not what is learned")
    for end in read_range(value, path).ends:
        try:
            build(type(owners[name]), {option: end}, f"search.space.{name}")
        except KeyProblem as e:
            raise KeyProblem(path, str(e)) from e


def _declared(name: str, settings: Any) -> dict[str, Any]:
    found = {}
    for field in dataclasses.fields(settings):
        search = field.metadata.get("search")
        if search is not None:
            space = around(getattr(settings, field.name), search, field.metadata.get("low"), field.metadata.get("high"))
            if space is not None:
                found[f"{name}.{field.name}"] = space
    return found


def _check_grid(sweep: Sweep) -> None:
    sizes = {name: grid_size(sweep.search, name) for name in sweep.adapters}
    name = max(sizes, key=lambda n: sizes[n])
    if sweep.search.method == "grid" and sizes[name] > sweep.search.trials:
        raise KeyProblem(
            "search.trials",
            f"search.trials = {sweep.search.trials}: the grid of '{name}' has {sizes[name]} points; set "
            f"search.trials = {sizes[name]}, or give fewer values",
        )
