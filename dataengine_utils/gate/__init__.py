"""The gate at the end of an iteration: the trained student takes the place of the one before, or does not.

Notebook 06 asks the student that it trained the sealed questions and decides by the same questions' answers
of the student so far (see `decide`). Where it refuses, the profile's fallbacks are tried, at most
`fallback_budget` trainings more; the first that passes is promoted. Where none does, the student is kept: the
next iteration evaluates the adapter, or base, that it evaluated before (see `standing`).

Asking costs nothing more than before: notebook 01 of the next iteration takes these answers over. Choosing by
the sealed questions costs something else: of k attempts the one that is promoted was chosen by the score that
is then reported, which makes that score optimistic by a little. The report says k. What bounds it: the first
attempt that passes is taken, not the best, and each attempt has its share of the level alone.

The level holds for students that are no better on the questions' whole population. A/A runs, trainings that
differ in nothing but the seed, are promoted more often than that, for one seed's student can truly be better
than another's: `python -m dataengine_utils.gate STUDY` counts both in the cells of an ablation study, the
promotions, and those that questions which the gate did not see do not confirm.
"""

from ..standing import known_answers, rounds_to_train_on, standing_adapter
from .attempts import Exam, Trials, Tried, exam_of, try_plans
from .deciding import Mode, Verdict, decide, one_sided, rise_level
from .fallbacks import FALLBACKS, FIRST, Mix, Plan, first_plan
from .telling import changed_text, decided_text, known_text, student_text

__all__ = [
    "Exam",
    "FALLBACKS",
    "FIRST",
    "Mix",
    "Mode",
    "Plan",
    "Trials",
    "Tried",
    "Verdict",
    "changed_text",
    "decide",
    "decided_text",
    "exam_of",
    "first_plan",
    "known_answers",
    "known_text",
    "one_sided",
    "rise_level",
    "rounds_to_train_on",
    "standing_adapter",
    "student_text",
    "try_plans",
]
