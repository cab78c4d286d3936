"""From queries to samples: ask the teacher, read, check and keep every reply, and publish the accepted ones.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence

from .errors import KitError
from .images import ImageSource
from .prompts import parse
from .question_types import type_id
from .records import LETTERS, Draft, Generated, Query, Sample, Template, Trial
from .teachers import Reply, Request, Teacher
from .verification import check


def generate(queries: Sequence[Query], source: ImageSource, teacher: Teacher, template: Template, *,
             write: Callable[[Generated], None], done: Iterable[Generated] = ()) -> list[Generated]:
    """Have the teacher answer every query; each reply ends as accepted or with the one reason why not.

    `write` gets every record as it comes. `done` are the records of an interrupted run: their queries are not
    asked again, and a sample like one of theirs is a duplicate. Returned are all records, in the order of the
    queries.
    """
    records = {record.query_id: record for record in done}
    kept = {_content(r.image_id, r.draft) for r in records.values() if r.accepted and r.draft}
    requests = [Request(q, source.record(q.image_id), template) for q in queries if q.id not in records]
    for request, reply in _ask(requests, teacher):
        record = _judge(request, reply, teacher.name)
        if record.draft and record.accepted:
            content = _content(record.image_id, record.draft)
            if content in kept:
                record = _reject(record, "duplicate")
            kept.add(content)
        records[record.query_id] = record
        write(record)
    return [records[query.id] for query in queries if query.id in records]


def try_templates(templates: Sequence[Template], queries: Sequence[Query], source: ImageSource,
                  teacher: Teacher) -> list[Trial]:
    """Every template on every query, template by template: the same queries, so that only the templates
    differ.
    """
    trials = []
    for template in templates:
        for record in generate(queries, source, teacher, template, write=lambda record: None):
            trials.append(
                Trial(
                    template.id,
                    record.query_id,
                    record.question_type,
                    record.accepted,
                    record.reason,
                    record.draft,
                )
            )
    return trials


def make_samples(generated: Iterable[Generated], source: ImageSource, seed: int) -> list[Sample]:
    """The accepted records in the published format, their options shuffled with the seed.

    The letters of the right options are balanced over the set: their counts differ by at most one.
    """
    accepted = [(record, record.draft) for record in generated if record.accepted and record.draft]
    rng = random.Random(f"letters-{seed}")
    letters = [LETTERS[n % 4] for n in range(len(accepted))]
    rng.shuffle(letters)
    return [_sample(record, draft, letter, source.record(record.image_id).image, rng)
            for (record, draft), letter in zip(accepted, letters, strict=True)]


def _ask(requests: Sequence[Request], teacher: Teacher) -> Iterator[tuple[Request, Reply]]:
    waiting = {request.query.id: request for request in requests}
    for reply in teacher.replies(requests):
        if reply.query_id not in waiting:
            raise KitError(f"teacher {teacher.name!r} answered {reply.query_id!r}, which is no open query; "
                           "each query gets one reply")
        yield waiting.pop(reply.query_id), reply
    if waiting:
        raise KitError(f"teacher {teacher.name!r} left {len(waiting)} queries without a reply, such as "
                       f"{next(iter(waiting))!r}; run notebook 05_generate again to ask them")


def _judge(request: Request, reply: Reply, teacher: str) -> Generated:
    query, found = request.query, parse(reply.text)
    draft = found if isinstance(found, Draft) else None
    reason = check(draft, request.record, query.question_type) if draft else str(found)
    return Generated(query.id, query.question_type, query.image_id, request.template.id, teacher,
                     reply.text or reply.error, not reason, reason, draft)


def _reject(record: Generated, reason: str) -> Generated:
    return Generated(
        record.query_id,
        record.question_type,
        record.image_id,
        record.template_id,
        record.teacher,
        record.reply,
        False,
        reason,
        record.draft,
    )


def _content(image_id: str, draft: Draft) -> str:
    """What makes two samples the same: image, question and options, whatever their order and case."""
    return json.dumps(
        [image_id, draft.instruction.casefold(), sorted(option.casefold() for option in draft.options)]
    )


def _sample(record: Generated, draft: Draft, letter: str, image: str, rng: random.Random) -> Sample:
    right = draft.options[LETTERS.index(draft.choice)]
    options = [option for option in draft.options if option != right]
    rng.shuffle(options)
    options.insert(LETTERS.index(letter), right)
    number = hashlib.sha256(f"{record.query_id}\n{_content(record.image_id, draft)}".encode()).hexdigest()[
        :16
    ]
    return Sample(
        draft.instruction,
        draft.answer,
        right,
        tuple(options),
        letter,
        image,
        type_id(record.question_type),
        record.question_type,
        record.image_id,
        number,
        record.query_id,
        record.template_id,
    )
