"""Rules, their findings, and the rules that apply to every kind of plugin."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dabench.errors import DabenchError
from dabench.plugins.contract import Plugin
from dabench.plugins.registry import facts_problem

RuleState = Literal["passed", "failed", "skipped", "warning"]

_LABEL = re.compile(r"[A-Z0-9][A-Za-z0-9+._/-]*")


class Skipped(Exception):
    """A rule could not be checked; the text says what is needed."""


class Doubtful(Exception):
    """A plugin may be wrong in a way that some plugins are on purpose; the text says what to look at."""


@dataclass(frozen=True)
class Rule:
    """A requirement in words, and a function that returns what is wrong and what to do, or an empty text."""

    what: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """The result of one rule for one plugin; `advice` says what is wrong and what to do, or why it was skipped."""

    kind: str
    name: str
    rule: str
    state: RuleState
    advice: str = ""


def examine(kind: str, name: str, rules: Sequence[Rule]) -> list[Finding]:
    """Check each rule. An exception of the plugin is a failure of the rule and is reported with its line."""
    return [Finding(kind, name, rule.what, *_outcome(rule)) for rule in rules]


def _outcome(rule: Rule) -> tuple[RuleState, str]:
    try:
        problem = rule.look()
    except Skipped as e:
        return "skipped", str(e)
    except Doubtful as e:
        return "warning", str(e)
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
    """Return the rules that apply to every kind of plugin."""
    return [
        Rule("the name and the options are valid", lambda: facts_problem(plugin)),
        Rule("the title is one line", lambda: _title(plugin)),
        Rule("the short name is suitable for tables", lambda: _label(plugin)),
        Rule("the citation is BibTeX or empty", lambda: _citation(plugin)),
        Rule("every option has a description", lambda: _options(plugin)),
    ]


def _title(plugin: Plugin) -> str:
    if not plugin.title.strip():
        return 'title is empty; write one line, as in title = "web faces, 48x48, seven expressions"'
    return "title has more than one line; keep the first" if "\n" in plugin.title else ""


def _label(plugin: Plugin) -> str:
    if _LABEL.fullmatch(plugin.short_name):
        return ""
    allowed = "begin with a capital or digit, then use only letters, digits and + . _ / -, as in short_name = 'FER'"
    return f"short_name = {plugin.short_name!r}: {allowed}"


def _citation(plugin: Plugin) -> str:
    text = plugin.citation
    if not text:
        return ""
    if not re.match(r"@\w+\{[^\s,]+,", text):
        return "citation must begin like BibTeX, with @article{key, ...; leave it empty if there is nothing to cite"
    opened, closed = text.count("{"), text.count("}")
    return "" if opened == closed else f"citation has {opened} '{{' and {closed} '}}'; a brace is missing"


def _options(plugin: Plugin) -> str:
    from dabench.plugins.options import describe

    silent = [row["key"] for row in describe(type(plugin).Options) if not row["doc"]]
    return (
        f"options without a description: {', '.join(silent)}; declare each with dabench.setting(default, 'what it does')"
        if silent
        else ""
    )
