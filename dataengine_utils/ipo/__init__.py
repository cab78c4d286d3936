"""Interactive Prompt Optimization: a person, or a policy, and the teacher improve the generation prompt.

The paper (arXiv 2308.13566, section 3.3) names it and published no procedure, prompt or number; the protocol,
the prompts and the comparison here are ours.
"""

from .changes import Difference, apply_changes, differences
from .history import gather_templates
from .measures import Agreement, Comparison, Cost, Share, Tried
from .opening import open_session
from .opponents import contest
from .policies import Limits, check_policy, run_policy
from .probe import probe_queries, split_queries
from .session import Session
from .showing import FactBox, Shown
from .state import PERSON, REASONS, Proposal, replay

__all__ = [
    "Agreement", "Comparison", "Cost", "Difference", "FactBox", "Limits", "PERSON", "Proposal",
    "REASONS", "Session", "Share", "Shown", "Tried", "apply_changes", "check_policy", "contest",
    "differences", "gather_templates", "open_session", "probe_queries", "replay", "run_policy",
    "split_queries",
]
