"""Text that anybody wrote, so that Markdown and LaTeX show it as it is: it cannot break a format or add to it."""

from __future__ import annotations

import re

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def escape_md(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    line = one_line(text)
    return re.sub(r"([\\`*_<\[\]|#&~$])", r"\\\1", line) if _needs(line) else line


def _needs(text: str) -> bool:
    """Whether escaping is due: the brackets of our own intervals read well unescaped and make no link by themselves."""
    return bool(re.search(r"[\\`*_<|#~$]|\]\(|&\S*;", text))


def one_line(text: str) -> str:
    """Return `text` with a space for every line break: a table's row and a heading are one line."""
    return " ".join(text.splitlines())


def escape_latex(text: str) -> str:
    """Return `text` so that LaTeX sets it as it is; our own arrow becomes one."""
    escaped = "".join(_LATEX.get(c, c) for c in one_line(text))
    return escaped.replace(r"-\textgreater{}", r"$\rightarrow$")
