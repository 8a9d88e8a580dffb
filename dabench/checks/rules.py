"""A rule, what comes of it, and the rules that every kind of plugin has in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dabench.errors import DabenchError
from dabench.plugins.contract import Plugin
from dabench.plugins.registry import facts_problem

RuleState = Literal["passed", "failed", "skipped"]

_LABEL = re.compile(r"[A-Z0-9][A-Za-z0-9+._/-]*")


class Skipped(Exception):
    """A rule could not be looked at; the text says what is needed for it."""


@dataclass(frozen=True)
class Rule:
    """What must hold, in words, and a function that returns what is wrong and what to do, or an empty text."""

    what: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """What came of one rule for one plugin; `advice` says what is wrong and what to do, or why it was not done."""

    kind: str
    name: str
    rule: str
    state: RuleState
    advice: str = ""


def examine(kind: str, name: str, rules: Sequence[Rule]) -> list[Finding]:
    """Look at each rule; an exception of the plugin is a failure of the rule, with the line it came from."""
    return [Finding(kind, name, rule.what, *_outcome(rule)) for rule in rules]


def _outcome(rule: Rule) -> tuple[RuleState, str]:
    try:
        problem = rule.look()
    except Skipped as e:
        return "skipped", str(e)
    except DabenchError as e:
        return "failed", str(e)
    except Exception as e:
        trace = e.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        where = f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_filename})" if trace else ""
        return "failed", " ".join(f"{type(e).__name__}: {e}{where}".split())
    return ("failed", problem) if problem else ("passed", "")


def common_rules(plugin: Plugin) -> list[Rule]:
    """Return the rules about the facts that all kinds have."""
    return [
        Rule("name and options are well formed", lambda: facts_problem(plugin)),
        Rule("title is one line that says what it is", lambda: _title(plugin)),
        Rule("label is short and fit for tables", lambda: _label(plugin)),
        Rule("citation is BibTeX, or empty", lambda: _citation(plugin)),
        Rule("every option says what it means", lambda: _options(plugin)),
    ]


def _title(plugin: Plugin) -> str:
    if not plugin.title.strip():
        return 'title is empty; write one line, as in title = "web faces, 48x48, seven expressions"'
    return "title has more than one line; keep the first" if "\n" in plugin.title else ""


def _label(plugin: Plugin) -> str:
    if _LABEL.fullmatch(plugin.short_name):
        return ""
    return f"short_name = {plugin.short_name!r}: begin with a capital or digit and use no spaces, as in short_name = 'FER'"


def _citation(plugin: Plugin) -> str:
    text = plugin.citation
    if not text:
        return ""
    if not re.match(r"@\w+\{[^\s,]+,", text):
        return "citation does not begin as BibTeX does: @article{key, ...; leave it empty if there is nothing to cite"
    opened, closed = text.count("{"), text.count("}")
    return "" if opened == closed else f"citation has {opened} '{{' and {closed} '}}'; a brace is missing"


def _options(plugin: Plugin) -> str:
    from dabench.plugins.options import describe

    silent = [row["key"] for row in describe(type(plugin).Options) if not row["doc"]]
    return (
        f"options without a meaning: {', '.join(silent)}; declare each with dabench.setting(default, 'what it means')"
        if silent
        else ""
    )
