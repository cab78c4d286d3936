"""From queries to judged replies: ask the teacher, read, check and keep every reply.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from tqdm import tqdm

from . import files
from .artifacts import Iteration
from .contamination import Guard, Seen
from .errors import KitError
from .images import ImageSource
from .live import LiveLine
from .prompts import parse
from .records import Draft, Generated, Query, Sample, Template
from .teachers import Reply, Request, Teacher
from .verification import check

MAX_FAILED = 20
"""So many replies with an error, one after the other, are an outage of the teacher and no outcome."""


def generate(queries: Sequence[Query], source: ImageSource, teacher: Teacher, template: Template, *,
             write: Callable[[Generated], None], done: Iterable[Generated] = (),
             earlier: Iterable[Sample] = (), guard: Guard | None = None, show: bool = False
             ) -> list[Generated]:
    """Have the teacher answer every query; each reply ends as accepted or with the one reason why not.

    The steps: read the reply, check its form, check it against the annotations, drop what repeats a sample of
    this or an `earlier` round, drop what meets a guarded benchmark. `write` gets every record as it comes.
    `done` are the records of an interrupted run: where they still hold (see `still_valid`) their queries are
    not asked again. `show` draws one bar with the replies a second, the share accepted and the spend.
    Returned are all records, in the order of the queries. After `MAX_FAILED` replies with an error in a row a
    `KitError` is raised, and none of those is written.
    """
    records = {record.query_id: record for record in still_valid(done, queries, template)}
    judge = _Judge(teacher.name, Seen(earlier), guard, records.values())
    requests = requests_of([query for query in queries if query.id not in records], source, template)
    bar = ReplyBar(len(queries), list(records.values()), teacher, show)
    with bar, closing(_without_outage(_ask(requests, teacher), teacher.name)) as replies:
        for request, reply in replies:
            record = judge(request, reply)
            records[record.query_id] = record
            write(record)
            bar.count(record)
    return [records[query.id] for query in queries if query.id in records]


def requests_of(queries: Iterable[Query], source: ImageSource, template: Template) -> list[Request]:
    """The queries with all that a teacher needs to answer them by a template."""
    return [Request(query, source.record(query.image_id), template, source.root) for query in queries]


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


class _Judge:
    """Turns replies into records, one after the other: what repeats a kept sample is a duplicate."""

    def __init__(self, teacher: str, seen: Seen, guard: Guard | None, done: Iterable[Generated]):
        self._teacher, self._seen, self._guard = teacher, seen, guard
        for record in done:
            if record.accepted and record.draft:
                seen.add(record.image_id, record.draft)

    def __call__(self, request: Request, reply: Reply) -> Generated:
        query, found = request.query, parse(reply.text)
        draft = found if isinstance(found, Draft) else None
        reason, verdicts = check(draft, request.record, query.question_type) if draft else (str(found), {})
        if draft and not reason:
            reason = self._not_new(request, draft)
        return Generated(
            query.id, query.question_type, query.image_id, request.template.id, self._teacher,
            reply.text or reply.error, not reason, reason, draft,
            verdicts=verdicts, request=reply.request, usd=reply.usd, shown=reply.shown,
        )

    def _not_new(self, request: Request, draft: Draft) -> str:
        image_id = request.query.image_id
        met = self._guard and self._guard.hit(image_id, request.record.image, request.root,
                                              draft.instruction, draft.options)
        return met or ("" if self._seen.add(image_id, draft) else "duplicate")


class ReplyBar:
    """One bar over all queries: how fast replies come, how many are accepted, and what they cost."""

    def __init__(self, n: int, done: Sequence[Generated], teacher: Teacher, show: bool):
        self._n, self._n_accepted = len(done), sum(record.accepted for record in done)
        self._progress: Callable[[], Any] | None = getattr(teacher, "progress", None)
        self._bar = tqdm(total=n, initial=len(done), unit="query", disable=not show, file=LiveLine(),
                         ncols=110, mininterval=0.5)

    def __enter__(self) -> "ReplyBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._tell()
        self._bar.close()

    def count(self, record: Generated) -> None:
        """One reply more."""
        self._n, self._n_accepted = self._n + 1, self._n_accepted + record.accepted
        if self._bar.update():  # true when the bar was drawn anew
            self._tell()

    def _tell(self) -> None:
        told = {"accepted": f"{self._n_accepted / self._n:.0%}"} if self._n else {}
        if self._progress:
            spent = self._progress().totals
            told["USD"] = f"{spent.usd:.2f}"
        self._bar.set_postfix(told, refresh=False)


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
