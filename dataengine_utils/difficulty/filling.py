"""Asking the teacher in blocks until every question type has its planned number of samples."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..contamination import Guard
from ..generation import ReplyBar, generate, still_valid
from ..images import ImageSource
from ..records import Generated, Query, Sample, Template
from ..samples import reject_blind, second_opinions
from ..teachers import Teacher
from ..verification import Judge
from .sieve import NoSieve, Sieve, Wanted


def fill(
    queries: Sequence[Query],
    source: ImageSource,
    teacher: Teacher,
    template: Template,
    *,
    sieve: Sieve | NoSieve,
    wanted: Wanted,
    write: Callable[[Generated], None],
    judge: Judge | None = None,
    done: Iterable[Generated] = (),
    earlier: Iterable[Sample] = (),
    guard: Guard | None = None,
    show: bool = False,
) -> list[Generated]:
    """Have the teacher answer queries, in blocks, until each type has the samples `wanted` of it.

    A block is, in the queries' order, as many queries of each type as it still lacks samples: no reply is
    paid that cannot be needed. Its replies are checked as by `generate`, judged by a second teacher (`judge`)
    where there is one, and sifted. Types that are full are not asked about any more, and a type whose queries
    are used up stays short. `write` gets every reply as the teacher gave it. `done` are the records of an
    interrupted run: their queries are not asked again; the student is, and replies the same. Returned are the
    records of all queries that were asked, in the queries' order.
    """
    done, earlier = still_valid(done, queries, template), list(earlier)
    judged: dict[str, Generated] = {}
    written = list(done)
    with ReplyBar(len(queries), done, teacher, show) as bar:

        def keep(record: Generated) -> None:
            write(record)
            written.append(record)
            bar.count(record)

        for block in _blocks(queries, wanted, judged):
            replied = {record.query_id for record in still_valid(written, queries, template)}
            known = replied & judged.keys()  # so that a sample which repeats one of them is a duplicate
            asked = [query for query in queries if query.id in known or query.id in block]
            replies = generate(
                asked, source, teacher, template, write=keep, done=list(written), earlier=earlier, guard=guard
            )
            new = [record for record in replies if record.query_id in block]
            new = second_opinions(new, source, judge) if judge else new
            judged.update((record.query_id, record) for record in sieve(new))
    return [judged[query.id] for query in queries if query.id in judged]


def _blocks(queries: Sequence[Query], wanted: Wanted, judged: Mapping[str, Generated]) -> Iterator[set[str]]:
    """The ids of the queries to ask next, until `judged`, which grows meanwhile, has what is wanted.

    A question that the last check of all (`reject_blind`) would take out by now is not counted.
    """
    while True:
        kept = Counter(
            record.question_type for record in reject_blind(list(judged.values())) if record.accepted
        )
        missing = {name: n - kept[name] for name, n in wanted.items()}
        block = set()
        for query in queries:
            if query.id not in judged and missing.get(query.question_type, 0) > 0:
                missing[query.question_type] -= 1
                block.add(query.id)
        if not block:
            return
        yield block
