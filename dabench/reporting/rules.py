"""What each selection rule would have chosen, as tables."""

from __future__ import annotations

from dabench.analysis.checkpoints import RuleOutcome
from dabench.analysis.matrix import Matrix
from dabench.reporting.tables import Table, number
from dabench.training.selection import ORACLE, RULES, VALIDATORS

NOTES = (
    "Mean accuracy on the targets' test splits over all pairs and seeds; in brackets the points to the oracle, which chooses by "
    "these test labels: its number is a bound and no result.",
    "Spearman's correlation of a rule's score with that accuracy: over the checkpoints of a run / over all checkpoints and seeds "
    "of a pair of datasets; mean over runs / pairs.",
)
"""What a reader of the tables must know, one text a table."""


def rule_name(rule: str) -> str:
    """Return a rule's name for a reader; the oracle says what it looked at."""
    return f"{ORACLE} (target labels)" if rule == ORACLE else rule


def rules_tables(matrix: Matrix) -> list[Table]:
    """Return accuracy and rank correlation by rule and adapter; none where the runs stored no scores."""
    found = {(c.rule, c.adapter): c for c in matrix.rules}
    adapters = tuple(dict.fromkeys(c.adapter for c in matrix.rules))
    if not adapters:
        return []
    chosen = [(rule_name(r), *(_accuracy(found[r, a]) for a in adapters)) for r in RULES]
    ranked = [(rule_name(r), *(_correlation(found[r, a]) for a in adapters)) for r in VALIDATORS]
    return [
        Table("What each rule would have chosen: accuracy (to the oracle)", ("rule", *adapters), tuple(chosen)),
        Table("Rank correlation of each rule's score with accuracy: in a run / over a pair", ("rule", *adapters), tuple(ranked)),
    ]


def _accuracy(of: RuleOutcome) -> str:
    return f"{of.accuracy:.1f}" if of.rule == ORACLE else f"{of.accuracy:.1f} ({-of.below_oracle:z.1f})"  # z: no -0.0


def _correlation(of: RuleOutcome) -> str:
    return " / ".join(number(value, "+.2f") for value in (of.within, of.across))
