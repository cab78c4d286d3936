"""From judged replies to samples: what only the whole set shows, and the published format."""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .images import ImageSource
from .question_types import type_id
from .records import LETTERS, Draft, Generated, Query, Sample
from .verification import (
    BLIND,
    Check,
    Judge,
    Opinion,
    blind_wordings,
    judging_prompt,
    read_opinion,
    second_opinion,
)


def second_opinions(generated: Sequence[Generated], source: ImageSource, judge: Judge) -> list[Generated]:
    """The records with a second teacher's verdicts on the accepted ones that the annotations leave undecided.

    What it contradicts is rejected. Records that have its verdict already are not asked about again.
    """
    undecided = [(record, record.draft) for record in generated if record.draft and _is_undecided(record)]
    replies = judge.ask_all([
        judging_prompt(draft, source.record(record.image_id), record.question_type)
        for record, draft in undecided
    ])
    judged = {record.query_id: _judged(record, draft, read_opinion(reply))
              for (record, draft), reply in zip(undecided, replies, strict=True)}
    return [judged.get(record.query_id, record) for record in generated]


def reject_blind(generated: Sequence[Generated]) -> list[Generated]:
    """The records without those whose answer needs no picture: one wording to which one answer always fits.

    See `verification.blind_wordings`; the samples of a wording with another answer stay.
    """
    blind = {name for one in blind_wordings(generated) for name in one.query_ids}
    return [replace(record, accepted=False, reason=BLIND) if record.query_id in blind else record
            for record in generated]


def make_samples(
    generated: Iterable[Generated], source: ImageSource, seed: int, queries: Iterable[Query] = ()
) -> list[Sample]:
    """The accepted records in the published format, their options shuffled with the seed.

    The letters of the right options are balanced over the set: their counts differ by at most one. `queries`
    tell which bad cases the teacher was shown.
    """
    accepted = [(record, record.draft) for record in generated if record.accepted and record.draft]
    rng = random.Random(f"letters-{seed}")
    letters = [LETTERS[n % 4] for n in range(len(accepted))]
    rng.shuffle(letters)
    shown = {query.id: tuple(case.question_id for case in query.bad_cases) for query in queries}
    return [_sample(record, draft, letter, source.record(record.image_id).image, shown, rng)
            for (record, draft), letter in zip(accepted, letters, strict=True)]


def _is_undecided(record: Generated) -> bool:
    return record.accepted and "second_teacher" not in record.verdicts and Check(
        record.reason, record.verdicts).is_undecided


def _judged(record: Generated, draft: Draft, opinion: Opinion) -> Generated:
    checked = second_opinion(Check(record.reason, record.verdicts), draft, opinion)
    return replace(record, accepted=not checked.reason, reason=checked.reason, verdicts=checked.verdicts)


def _sample(record: Generated, draft: Draft, letter: str, image: str, shown: Mapping[str, tuple[str, ...]],
            rng: random.Random) -> Sample:
    right = draft.options[LETTERS.index(draft.choice)]
    options = [option for option in draft.options if option != right]
    rng.shuffle(options)
    options.insert(LETTERS.index(letter), right)
    return Sample(
        draft.instruction, draft.answer, right, tuple(options), letter, image,
        type_id(record.question_type), record.question_type, record.image_id,
        _number(record, draft), record.query_id, record.template_id,
        bad_cases=shown.get(record.query_id, ()),
        verdicts=_relettered(record.verdicts, draft.options, options),
        request=record.request, usd=record.usd, shown=record.shown,
    )


def _relettered(verdicts: Mapping[str, Any], before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """The verdicts on the options under the letters that these have now."""
    was = {LETTERS[n]: LETTERS[before.index(option)] for n, option in enumerate(after)}

    def moved(judged: Mapping[str, Any]) -> dict[str, Any]:
        """`judged` and its verdict on every option."""
        options = judged.get("options", {})
        return {**judged, "options": {new: options[old] for new, old in was.items() if old in options}}

    found = moved(verdicts) if "options" in verdicts else dict(verdicts)
    second = found.get("second_teacher")
    return {**found, "second_teacher": moved(second)} if second else found


def _number(record: Generated, draft: Draft) -> str:
    content = [record.image_id, draft.instruction.casefold(),
               sorted(option.casefold() for option in draft.options)]
    return hashlib.sha256(f"{record.query_id}\n{json.dumps(content)}".encode()).hexdigest()[:16]
