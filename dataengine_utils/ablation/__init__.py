"""The matched-budget study: strategies and seeds, the same samples and steps for all, sealed questions.

    python -m dataengine_utils.loop ablation --profile picturebook --strategies uniform,paper,gain --seeds 8

A cell is one strategy with one seed: a run of its own, whose rounds differ from another cell's in nothing but
how the budget was shared between the question types. The profile's gate has no part in it: every round's
student goes on to the next, so that all cells take as many steps.
"""

from .design import BASELINE, Cell, Study, make_study
from .differences import Comparison
from .results import Results, compare
from .running import run_study
from .writing import results_text, write_results

__all__ = [
    "BASELINE",
    "Cell",
    "Comparison",
    "Results",
    "Study",
    "compare",
    "make_study",
    "results_text",
    "run_study",
    "write_results",
]
