"""What can be checked about a draft without any API: its form, and its answer against the annotations."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..facts import FORMS, Verdict, View, free, is_clear, judge, known_form
from ..prompts import PARSE_REASONS
from ..question_types import QUESTION_TYPES
from ..records import LETTERS, Draft, ImageRecord
from .blind import BlindWording, Giveaway, blind_wordings, option_giveaways
from .form import FORM_REASONS, check_form, gives_away
from .second_teacher import Judge, Opinion, judging_prompt, read_opinion

UNTRUE, SECOND = "answer is not true", "wrong option may be true"
BLIND = "answerable without the picture"
EASY, HARD = "too easy for the student", "too hard for the student"  # where difficulty filters

# All reasons for which a reply can be rejected, in the order in which they are looked for.
REASONS = (
    *PARSE_REASONS,
    *FORM_REASONS,
    "unknown facts",
    "another question type",
    "more than one meaning",
    UNTRUE,
    SECOND,
    "duplicate",
    EASY,
    HARD,
    BLIND,
)


class Check(NamedTuple):
    """The one reason (of `REASONS`) to reject a draft, "" for one that may become a sample, and its verdicts.

    `verdicts` is empty where the form was at fault, else: "by" ("facts" as stated, "wording" as read, or ""
    where nothing could be read), "form" of the question, "things" that it asks about, "options" with the
    verdict on each letter ("holds", "contradicted", "undecided"), and "second_teacher" where one was asked.
    """

    reason: str
    verdicts: dict[str, Any]

    @property
    def is_undecided(self) -> bool:
        """Whether nothing speaks against the draft and not everything for it."""
        wanted = {"holds", "contradicted"}
        return not self.reason and not set(self.verdicts.get("options", {"": ""}).values()) <= wanted


def check(draft: Draft, record: ImageRecord, question_type: str) -> Check:
    """Check a draft's form, and its options against the annotations of its image.

    Where the draft states its facts, undecided is not good enough: the question must have one meaning in the
    image, its answer must hold and the other options must be contradicted. Where it states none, as a
    language model does, the question is read (`facts.free`): a contradicted answer or a wrong option that
    holds is a reason to reject it, and what the annotations do not decide is kept with its verdicts.
    """
    reason = check_form(draft)
    if reason:
        return Check(reason, {})
    return _check_stated(draft, record, question_type) if draft.facts else _check_read(draft, record,
                                                                                      question_type)


def second_opinion(check: Check, draft: Draft, given: Opinion) -> Check:
    """The check with the verdicts of a second teacher on what the annotations left undecided.

    Its verdicts fill in for the undecided ones and never replace others. An unreadable reply changes nothing
    but is recorded. Its prompt is `judging_prompt`, its reply is read by `read_opinion`.
    """
    own = check.verdicts.get("options", {})
    options = {letter: verdict if verdict != "undecided" else given.options.get(letter, "undecided")
               for letter, verdict in {**dict.fromkeys(LETTERS[:4], "undecided"), **own}.items()}
    verdicts = check.verdicts | {"second_teacher": {"options": given.options, "why": given.why}}
    return Check(check.reason or _reason([options[letter] for letter in LETTERS[:4]], draft.choice), verdicts)


def _check_stated(draft: Draft, record: ImageRecord, question_type: str) -> Check:
    if not known_form(draft.facts):
        return Check("unknown facts", {})
    if FORMS[draft.facts["form"]].question_type != question_type:
        return Check("another question type", {})
    view = View(record)
    found = [judge(view, draft.facts, option) for option in draft.options]
    things = {key: value for key, value in draft.facts.items() if key != "form"}
    verdicts = _verdicts("facts", draft.facts["form"], things, found)
    if not is_clear(view, draft.facts):
        return Check("more than one meaning", verdicts)
    right = found.pop(LETTERS.index(draft.choice))
    if right != "holds":
        return Check(UNTRUE, verdicts)
    return Check("" if set(found) == {"contradicted"} else SECOND, verdicts)


def _check_read(draft: Draft, record: ImageRecord, question_type: str) -> Check:
    reading = free.read(draft.instruction)
    if reading is None:
        return Check("", _verdicts("", "", {}, ["undecided"] * 4))
    types = free.types_of(reading, draft.options)
    if types and question_type in QUESTION_TYPES.values() and question_type not in types:
        return Check("another question type", {})
    found = free.judge_options(View(record), reading, draft.options)
    things = reading.words | {key: phrase.name for key, phrase in reading.things.items()}
    reason = _reason(found, draft.choice) or (SECOND if _has_implied(reading, draft) else "")
    return Check(reason, _verdicts("wording", reading.form, things, found))


def _has_implied(reading: free.Reading, draft: Draft) -> bool:
    """Whether a wrong option is right if the marked one is."""
    right = draft.options[LETTERS.index(draft.choice)]
    return any(free.implies(reading, right, option) for option in draft.options if option != right)


def _reason(found: Sequence[Verdict], choice: str) -> str:
    right = LETTERS.index(choice)
    if found[right] == "contradicted":
        return UNTRUE
    return SECOND if "holds" in (*found[:right], *found[right + 1:]) else ""


def _verdicts(by: str, form: str, things: dict[str, Any], found: Sequence[Verdict]) -> dict[str, Any]:
    return {"by": by, "form": form, "things": things,
            "options": dict(zip(LETTERS, found, strict=False))}


__all__ = [
    "BLIND", "BlindWording", "Check", "EASY", "Giveaway", "HARD", "Judge", "Opinion", "REASONS",
    "blind_wordings", "check", "gives_away", "judging_prompt", "option_giveaways", "read_opinion",
    "second_opinion",
]
