"""Escape texts for Markdown and LaTeX, so that texts given by users cannot break or inject markup."""

from __future__ import annotations

import re

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def escape_md(text: str) -> str:
    """Return `text` in one line, escaped for Markdown."""
    line = one_line(text)
    return re.sub(r"([\\`*_<\[\]|#&~$])", r"\\\1", line) if _needs(line) else line


def _needs(text: str) -> bool:
    """Whether the text needs escaping; the brackets of intervals alone do not: they make no link and are easier to read."""
    return bool(re.search(r"[\\`*_<|#~$]|\]\(|&\S*;", text))


def one_line(text: str) -> str:
    """Return `text` with spaces for line breaks, because a table row or a heading is one line."""
    return " ".join(text.splitlines())


def escape_latex(text: str) -> str:
    """Return `text` escaped for LaTeX, with "->" as an arrow."""
    escaped = "".join(_LATEX.get(c, c) for c in one_line(text))
    return escaped.replace(r"-\textgreater{}", r"$\rightarrow$")
