"""The tables that the notebooks look at: records in, a pandas table ready to show out."""

from .difficulty import difficulty_table
from .gate import attempt_changes_table, attempt_table
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
    spend_table,
    summary_table,
    verdict_table,
)
from .run import (
    plan_table,
    progress_table,
    settings_table,
    turn_table,
)
from .scores import (
    change_table,
    cluster_table,
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
from .sessions import contest_table, history_table, round_table, type_table
from .style import ALL

__all__ = [
    "ALL",
    "acceptance_table",
    "attempt_changes_table",
    "attempt_table",
    "change_table",
    "cluster_table",
    "contest_table",
    "decision_table",
    "difficulty_table",
    "example_counts",
    "example_table",
    "folder_table",
    "history_table",
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
    "round_table",
    "rule_table",
    "score_table",
    "settings_table",
    "spend_table",
    "share_table",
    "strategy_table",
    "summary_table",
    "turn_table",
    "type_table",
    "verdict_table",
    "weakness_table",
]
