"""Write the table of docs/benchmarks.md from the measurements of `make speed`.

python tests/speed/table.py speed.json docs/benchmarks.md

Rows of cases that were not measured this time are kept if they come from the same class of machine and the same torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def into(page: Path, part: str, made: str) -> None:
    """Write a table between the markers of its part of a page: <!-- PART: begin -->, <!-- PART: end -->."""
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    page.write_text(f"{text.split(begin)[0]}{begin}\n{made}\n{end}{text.split(end)[1]}", encoding="utf-8")


def between(page: Path, part: str) -> list[str]:
    """Return the lines between the markers of a part of a page."""
    text = page.read_text(encoding="utf-8")
    return text.split(f"<!-- {part}: begin -->")[1].split(f"<!-- {part}: end -->")[0].strip().splitlines()


def merged(old: list[str], new: list[str]) -> list[str]:
    """Return a table with the rows of both, by their first column. A new row replaces the old row of the same case."""
    if old[:1] != new[:1]:  # another machine
        return new
    rows = {line.split("|")[1]: line for line in old[4:]} | {line.split("|")[1]: line for line in new[4:]}
    return [*new[:4], *rows.values()]


def table(measured: dict[str, Any]) -> list[str]:
    """Return the measured cases as lines of Markdown, with the class of the machine first."""
    m = measured["machine_info"]
    bf16 = f"computes in bf16 ({', '.join(m['bf16'])})" if m["bf16"] else "does not compute in bf16"
    lines = [
        f"{m['cores']} CPU cores ({m['machine']}), {bf16}; torch {m['torch']}; {m['gpu'] or 'no GPU'}.",
        "",
        "| case | usual way | speed-up [quartiles] | rounds | required | goal | time, usual way | time, dabench | notes |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    cases = [b["extra_info"] for b in measured["benchmarks"]]
    for c in (c for c in cases if "ratio" in c):
        facts = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in c["facts"].items())
        lines.append(
            f"| {c['case']} | {c['way']} | {c['ratio']:.2f} [{c['low']:.2f}, {c['high']:.2f}] | {c['rounds']} | {c['least']:g} | "
            f"{c['aim']:g} | {c['usual']:.3g} s | {c['ours']:.3g} s | {facts} |"
        )
    lines += [
        f"| {c['case']} | - | - | 5 | at most {c['most']:g} s | | - | {c['seconds']:.2f} s | |" for c in cases if "most" in c
    ]
    return lines


def main(source: str, page: str) -> None:
    """Write the table of `source` between the markers of `page`."""
    new = table(json.loads(Path(source).read_text(encoding="utf-8")))
    into(Path(page), "cases", "\n".join(merged(between(Path(page), "cases"), new)))


if __name__ == "__main__":
    main(*sys.argv[1:])
