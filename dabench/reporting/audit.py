"""Write an audit as tables, as a CSV of all findings, and as a contact sheet of examples."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from dabench.data.audit import NOT_LOOKED_FOR, Audit, FindingKind, ImageFinding, write_leaks
from dabench.reporting.contact_sheet import Tile, contact_sheet
from dabench.reporting.tables import EMPTY, Table

COLUMNS = ("finding", "group", "dataset", "split", "position", "class", "subject", "across_splits", "across_datasets",
           "conflicting_labels", "pixels", "attributes", "error")  # fmt: skip

_ACROSS = 12

_KINDS: tuple[FindingKind, ...] = ("identical", "near-identical", "mirrored", "constant")


def audit_tables(audit: Audit) -> list[Table]:
    """Return the tables of findings, class balance of each dataset, and unreadable images."""
    looked_at = [_findings(audit), *_balance(audit)] if audit.pictures.sets else []
    return [*looked_at, *([_unreadable(audit)] if audit.unreadable else [])]


def _unreadable(audit: Audit, shown: int = 20) -> Table:
    names = ", ".join(dict.fromkeys(u.dataset for u in audit.unreadable))
    rows = [(u.why,) for u in audit.unreadable[:shown]]
    more = len(audit.unreadable) - len(rows)
    rows += [(f"and {more:,} more, all in findings.csv",)] if more else []
    title = f"Pictures that cannot be read: {len(audit.unreadable):,}; {names} was not checked further"
    return Table(title, ("error",), tuple(rows))


def _findings(audit: Audit) -> Table:
    limits = f"hash within {audit.radius} of 64 bits and correlation >= {audit.correlation:g}"
    near = f"near-identical images, linked by pairs ({limits})"
    titles: dict[FindingKind, str] = {
        "identical": "identical images",
        "near-identical": near,
        "mirrored": "mirrored copies (the same limits)",
    }
    rows = []
    for kind, title in titles.items():
        groups = audit.of(kind)
        if kind != "identical" and audit.radius is None:
            rows.append((f"{kind} {'copies' if kind == 'mirrored' else 'images'} (not searched)", EMPTY, EMPTY))
            continue
        rows.append(_row(title, groups))
        rows.append(_row("  across splits", [g for g in groups if g.across_splits]))
        if len(audit.pictures.sets) > 1:
            rows.append(_row("  across datasets", [g for g in groups if g.across_datasets]))
        rows.append(_row("  with conflicting labels", [g for g in groups if g.conflicting]))
    rows.append(("constant images", EMPTY, f"{len(audit.of('constant')):,}"))
    for o in audit.overlaps:
        title = f"subjects both in {o.splits[0]} and {o.splits[1]} of {o.dataset}"
        rows.append((title, f"{len(o.subjects):,}", f"{o.pictures:,}"))
    if not audit.overlaps:
        without = [n for n, p in audit.pictures.sets.items() if not any(map(p.has_groups, p.splits))]
        known = f" ({', '.join(without)}: subjects not known)" if without else ""
        rows.append((f"subjects in two splits{known}", EMPTY if len(without) == len(audit.pictures.sets) else "0", EMPTY))
    rows.append((f"not looked for: {NOT_LOOKED_FOR}", EMPTY, EMPTY))
    total = len(audit.pictures.image_positions)
    heading = f"Audit of {', '.join(audit.pictures.sets)}: {total:,} images"
    return Table(heading, ("finding", "groups", "images"), tuple(rows))


def _row(title: str, groups: Sequence[ImageFinding]) -> tuple[str, str, str]:
    return title, f"{len(groups):,}", f"{sum(len(g.members) for g in groups):,}"


def _balance(audit: Audit) -> Iterator[Table]:
    for name, prepared in audit.pictures.sets.items():
        if not prepared.labelled:
            continue
        rows = []
        for split, facts in prepared.splits.items():
            counts = [facts["classes"][c] for c in prepared.classes]
            ratio = f"{max(counts) / min(counts):.1f}" if min(counts) else "a class is empty"
            rows.append((split, *(f"{n:,}" for n in counts), f"{sum(counts):,}", ratio))
        yield Table(f"Class balance of {name}", ("split", *prepared.classes, "all", "largest : smallest"), tuple(rows))


def write_audit(audit: Audit, folder: Path) -> list[Path]:
    """Write findings.csv, examples.png if there are findings, and test-DATASET.csv if test images occur in training."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "findings.csv"]
    with open(files[0], "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(COLUMNS)
        writer.writerows(finding_rows(audit))
    sheet = examples_sheet(audit)
    path = folder / "examples.png"
    if sheet:
        sheet.save(path)
        files.append(path)
    else:
        path.unlink(missing_ok=True)  # an earlier audit had findings
    return files + write_leaks(audit, folder)


def finding_rows(audit: Audit) -> Iterator[list[str]]:
    """Yield one row for each image of each finding; shared subjects and unreadable files have one row each."""
    rest = {(d, s): audit.pictures.sets[d].samples(s) for d, s, _ in audit.pictures.splits_of}
    for kind in _KINDS:
        for number, group in enumerate(audit.of(kind), 1):
            flags = ["yes" if f else "no" for f in (group.across_splits, group.across_datasets, group.conflicting)]
            for m in group.members.tolist():
                dataset, split, at = audit.pictures.place(m)
                samples = rest[dataset, split]
                subject = "" if samples.groups is None else str(samples.groups[at])
                about = "; ".join(f"{name}={values[at]}" for name, values in samples.attributes.items())
                pixels = audit.pictures.prints.pixels[m].decode()
                label = str(audit.pictures.labels[m])
                yield [kind, str(number), dataset, split, str(at), label, subject, *flags, pixels, about, ""]
    for o in audit.overlaps:
        for subject in map(str, o.subjects):
            splits = " and ".join(o.splits)
            yield ["subject in two splits", subject, o.dataset, splits, "", "", subject, "yes", "no", *[""] * 4]
    for u in audit.unreadable:
        yield ["unreadable", "", u.dataset, u.split, "", u.label, *[""] * 6, u.why]


def examples_sheet(audit: Audit, groups: int = 12, pictures: int = 8) -> Image.Image | None:
    """Return a sheet with up to `groups` examples of each finding, with up to `pictures` images each; None without findings."""
    lines: list[str | list[Tile | None]] = []
    for title, found in _examples(audit):
        if found:
            few = [_varied(audit, group)[:pictures] for group in found[:groups]]
            lines += [f"{title}: {len(few)} of {len(found):,}", *(_tiles(audit, line) for line in _packed(few))]
    return contact_sheet(lines) if lines else None


def _tiles(audit: Audit, groups: Sequence[list[int]]) -> list[Tile | None]:
    return [tile for group in groups for tile in (*((audit.pictures.image(m), _caption(audit, m)) for m in group), None)]


def _packed(groups: Sequence[list[int]]) -> list[list[list[int]]]:
    """Return the groups in lines of up to `_ACROSS` images."""
    lines: list[list[list[int]]] = [[]]
    for group in groups:
        if lines[-1] and sum(map(len, lines[-1])) + len(group) > _ACROSS:
            lines.append([])
        lines[-1].append(group)
    return lines


def _examples(audit: Audit) -> Iterator[tuple[str, list[ImageFinding]]]:
    """Yield titles with findings; each finding is listed under its most serious problem."""
    for kind in _KINDS[:3]:
        found = audit.of(kind)
        yield f"{kind}, conflicting labels", [g for g in found if g.conflicting]
        yield f"{kind}, across datasets", [g for g in found if g.across_datasets and not g.conflicting]
        alike = [g for g in found if not g.conflicting and not g.across_datasets]
        yield f"{kind}, across splits", [g for g in alike if g.across_splits]
        yield f"{kind}, in one split", [g for g in alike if not g.across_splits]
    yield "constant", audit.of("constant")


def _varied(audit: Audit, group: ImageFinding) -> list[int]:
    """Return the members, one of each split and class first, so that the first few show the problem."""
    members = group.members.tolist()
    first = {(audit.pictures.place(m)[:2], str(audit.pictures.labels[m])): m for m in reversed(members)}
    return sorted(members, key=lambda m: (m not in first.values(), m))


def _caption(audit: Audit, picture: int) -> str:
    dataset, split, _ = audit.pictures.place(picture)
    where = f"{dataset} {split}" if len(audit.pictures.sets) > 1 else split
    return f"{where} {audit.pictures.labels[picture]}"
