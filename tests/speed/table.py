"""Makes the table of docs/speed.md from what `make speed` measured.

python tests/speed/table.py speed.json docs/speed.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def into(page: Path, part: str, made: str) -> None:
    """Put a table between the marks of its part in a page: <!-- PART: begin -->, <!-- PART: end -->."""
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    page.write_text(f"{text.split(begin)[0]}{begin}\n{made}\n{end}{text.split(end)[1]}", encoding="utf-8")


def table(measured: dict[str, Any]) -> str:
    """Return the measured cases as Markdown, with the class of the machine."""
    m = measured["machine_info"]
    bf16 = f"computes in bf16 ({', '.join(m['bf16'])})" if m["bf16"] else "does not compute in bf16"
    lines = [
        f"{m['cores']} CPU cores ({m['machine']}), {bf16}; torch {m['torch']}; {m['gpu'] or 'no GPU'}.",
        "",
        "| case | usual way | ratio [quartiles] | rounds | at least | aim | usual | dabench | beside it |",
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
    return "\n".join(lines)


def main(source: str, page: str) -> None:
    """Put the table of `source` between the marks of `page`."""
    into(Path(page), "cases", table(json.loads(Path(source).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
