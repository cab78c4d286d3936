"""What can be checked about a draft without any API: its form, and its facts against the image's annotations.
"""

import re

from .facts import FORMS, View, is_clear, judge, known_form
from .prompts import PARSE_REASONS
from .records import LETTERS, Draft, ImageRecord

# All reasons for which a reply can be rejected, in the order in which they are looked for.
REASONS = (
    *PARSE_REASONS,
    "not four options",
    "options repeat",
    "choice is not the short answer",
    "mentions the annotations",
    "answer in the question",
    "unknown facts",
    "another question type",
    "more than one meaning",
    "answer is not true",
    "wrong option may be true",
    "duplicate",
)

_SOURCES = re.compile(
    r"\bbounding\b|\bcoordinates?\b|\bannotat\w*|\bdescriptions?\b|\bdescribed\b"
    r"|\b(?:the|these|given) facts\b"
    r"|\bregions? (?:descriptions?|boxes)\b|\baccording to the (?:text|boxes|list|data)\b"
    r"|[\[(]\s*\d*\.?\d+\s*(?:,\s*\d*\.?\d+\s*){3}[\])]",
    re.IGNORECASE,
)


def check(draft: Draft, record: ImageRecord, question_type: str) -> str:
    """The one reason (of `REASONS`) to reject a draft, or "" for a draft that may become a sample.

    The facts are checked where the draft states them: the question must have one meaning in the image, its
    answer must hold by the annotations, and the other options must be contradicted by them; undecided is not
    good enough.
    """
    return _check_form(draft) or (_check_facts(draft, record, question_type) if draft.facts else "")


def _check_form(draft: Draft) -> str:
    if len(draft.options) != 4:
        return "not four options"
    if len({option.casefold() for option in draft.options}) < 4:
        return "options repeat"
    if draft.choice not in LETTERS[:4] or len(draft.choice) != 1:
        return "choice is not the short answer"
    if draft.options[LETTERS.index(draft.choice)].casefold() != draft.short_answer.casefold():
        return "choice is not the short answer"
    if any(_SOURCES.search(text) for text in (draft.instruction, draft.answer)):
        return "mentions the annotations"
    return "answer in the question" if gives_away(draft.instruction, draft.short_answer) else ""


def gives_away(question: str, answer: str) -> bool:
    """Whether the answer stands in the question as whole words."""
    return re.search(rf"(?<!\w){re.escape(answer.casefold())}(?!\w)", question.casefold()) is not None


def _check_facts(draft: Draft, record: ImageRecord, question_type: str) -> str:
    if not known_form(draft.facts):
        return "unknown facts"
    if FORMS[draft.facts["form"]].question_type != question_type:
        return "another question type"
    view = View(record)
    if not is_clear(view, draft.facts):
        return "more than one meaning"
    verdicts = {option: judge(view, draft.facts, option) for option in draft.options}
    if verdicts.pop(draft.options[LETTERS.index(draft.choice)]) != "holds":
        return "answer is not true"
    return "" if set(verdicts.values()) == {"contradicted"} else "wrong option may be true"
