"""From queries to samples: ask the teacher, read, check and keep every reply, and publish the accepted ones.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

from . import files
from .artifacts import Iteration
from .errors import KitError
from .images import ImageSource
from .prompts import parse
from .question_types import type_id
from .records import LETTERS, Draft, Generated, Query, Sample, Template, Trial
from .teachers import Reply, Request, Teacher
from .verification import check

MAX_FAILED = 20
"""So many replies with an error, one after the other, are an outage of the teacher and no outcome."""


def generate(queries: Sequence[Query], source: ImageSource, teacher: Teacher, template: Template, *,
             write: Callable[[Generated], None], done: Iterable[Generated] = ()) -> list[Generated]:
    """Have the teacher answer every query; each reply ends as accepted or with the one reason why not.

    `write` gets every record as it comes. `done` are the records of an interrupted run: where they still hold
    (see `still_valid`) their queries are not asked again, and a sample like one of theirs is a duplicate.
    Returned are all records, in the order of the queries. After `MAX_FAILED` replies with an error in a row a
    `KitError` is raised, and none of those is written.
    """
    records = {record.query_id: record for record in still_valid(done, queries, template)}
    kept = {_content(r.image_id, r.draft) for r in records.values() if r.accepted and r.draft}
    requests = [Request(q, source.record(q.image_id), template) for q in queries if q.id not in records]
    with closing(_without_outage(_ask(requests, teacher), teacher.name)) as replies:
        for request, reply in replies:
            record = _judge(request, reply, teacher.name)
            if record.draft and record.accepted:
                content = _content(record.image_id, record.draft)
                if content in kept:
                    record = _reject(record, "duplicate")
                kept.add(content)
            records[record.query_id] = record
            write(record)
    return [records[query.id] for query in queries if query.id in records]


def still_valid(done: Iterable[Generated], queries: Sequence[Query], template: Template) -> list[Generated]:
    """Those records that answer one of these queries by this template; no reply at all is no answer."""
    asked = {query.id for query in queries}
    return [record for record in done if record.query_id in asked and record.template_id == template.id
            and record.reason != "no reply"]


def resume(iteration: Iteration, queries: Sequence[Query], template: Template) -> list[Generated]:
    """The records of an interrupted run that still hold; all others leave the part that is appended to."""
    written = iteration.load_part("generated")
    done = still_valid(written, queries, template)
    if done != written:
        files.write_whole(iteration.part_of("generated"), files.lines_text(done, Generated))
    return done


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


def _without_outage(replies: Iterable[tuple[Request, Reply]],
                    teacher: str) -> Iterator[tuple[Request, Reply]]:
    """The replies in their order; those with an error wait until one without shows that it is no outage."""
    failed: list[tuple[Request, Reply]] = []
    for request, reply in replies:
        failed.append((request, reply))
        if not reply.error:
            yield from failed
            failed.clear()
        elif len(failed) == MAX_FAILED:
            raise KitError(f"teacher {teacher!r} failed {MAX_FAILED} times in a row, the last time with: "
                           f"{reply.error}; replies that 05_generate has are kept. Once the teacher answers: "
                           "run the notebook again, or python -m dataengine_utils.loop resume FOLDER")
    yield from failed


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
