"""What a set of samples gives away without any picture: wordings with one answer, and options that stand out.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..records import LETTERS, Draft, Generated
from ..stats import wilson
from .form import tokens

ALWAYS = 0.9  # the share of one answer in a wording that makes the picture needless
SURELY = 0.6  # what the lower end of that share's interval must be above, so that a few samples do not decide


class BlindWording(NamedTuple):
    """A wording whose answer is known before the picture is seen: of `n` samples `same` have this answer."""

    wording: str
    answer: str
    n: int
    same: int
    query_ids: tuple[str, ...]


class Giveaway(NamedTuple):
    """How often a rule that looks at the options alone is right, with Wilson's 95 % interval (0..1)."""

    rule: str
    n: int
    right: int
    low: float
    high: float


def blind_wordings(generated: Iterable[Generated]) -> list[BlindWording]:
    """The wordings of accepted samples that one answer (nearly) always fits, the most frequent first.

    A wording is the question's words, case, articles and punctuation aside. It needs no picture when its most
    frequent right answer has a share of at least `ALWAYS`, and Wilson's interval of that share at 95 % lies
    above `SURELY`: that takes six samples with one answer, more where some have another. `query_ids` are the
    samples with that answer; those with another are what makes the picture needed.
    """
    by_wording: dict[tuple[str, ...], list[tuple[str, Draft]]] = defaultdict(list)
    for record in generated:
        if record.accepted and record.draft:
            by_wording[tokens(record.draft.instruction)].append((record.query_id, record.draft))
    found = [_blind(samples) for samples in by_wording.values()]
    return sorted((blind for blind in found if blind), key=lambda blind: -blind.n)


def option_giveaways(drafts: Iterable[Draft]) -> list[Giveaway]:
    """How often the right option is the one that stands out: longest, shortest, or first (chance is 1/4).

    Only drafts in which one option stands out count. A report: no sample is rejected for it.
    """
    drafts = list(drafts)
    return [_giveaway(rule, pick, drafts) for rule, pick in _RULES.items()]


def _blind(samples: Sequence[tuple[str, Draft]]) -> BlindWording | None:
    answers = Counter(_answer(draft) for _, draft in samples)
    answer, same = answers.most_common(1)[0]
    if same < ALWAYS * len(samples) or wilson(same, len(samples))[0] <= SURELY:
        return None
    ids = tuple(query_id for query_id, draft in samples if _answer(draft) == answer)
    draft = next(draft for _, draft in samples if _answer(draft) == answer)
    return BlindWording(draft.instruction, draft.short_answer, len(samples), same, ids)


def _answer(draft: Draft) -> tuple[str, ...]:
    return tokens(draft.short_answer)


def _giveaway(rule: str, pick: Callable[[Sequence[str]], int | None], drafts: Sequence[Draft]) -> Giveaway:
    picks = [(pick(draft.options), LETTERS.index(draft.choice)) for draft in drafts]
    decided = [picked == right for picked, right in picks if picked is not None]
    return Giveaway(rule, len(decided), sum(decided), *wilson(sum(decided), len(decided)))


def _only(lengths: Sequence[int], best: int) -> int | None:
    return lengths.index(best) if lengths.count(best) == 1 else None


def _longest(options: Sequence[str]) -> int | None:
    lengths = list(map(len, options))
    return _only(lengths, max(lengths))


def _shortest(options: Sequence[str]) -> int | None:
    lengths = list(map(len, options))
    return _only(lengths, min(lengths))


_RULES: dict[str, Callable[[Sequence[str]], int | None]] = {
    "the longest option": _longest,
    "the shortest option": _shortest,
    "the first option": lambda options: 0,
}
