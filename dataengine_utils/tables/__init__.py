"""The tables that the notebooks look at: records in, a pandas table ready to show out."""

from .made import (
    acceptance_table,
    decision_table,
    example_counts,
    example_table,
    folder_table,
    letter_table,
    reason_table,
    reject_table,
    rule_table,
    summary_table,
    template_table,
)
from .run import (
    plan_table,
    progress_table,
    settings_table,
    turn_table,
)
from .scores import (
    official_table,
    pool_table,
    query_table,
    question_counts,
    reply_counts,
    score_table,
    share_table,
    strategy_table,
    weakness_table,
)
from .style import ALL

__all__ = [
    "ALL",
    "acceptance_table",
    "decision_table",
    "example_counts",
    "example_table",
    "folder_table",
    "letter_table",
    "official_table",
    "plan_table",
    "pool_table",
    "progress_table",
    "query_table",
    "question_counts",
    "reason_table",
    "reject_table",
    "reply_counts",
    "rule_table",
    "score_table",
    "settings_table",
    "share_table",
    "strategy_table",
    "summary_table",
    "template_table",
    "turn_table",
    "weakness_table",
]
