"""The session's template against its opponents': all tested on the same fresh queries, which none has seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import unknown_name
from ..records import Query, Template
from ..stats import Paired, paired_difference
from .gepa_search import need_gepa, search
from .measures import FREE, Cost, Share, share_of
from .session import Session

SESSION = "this session"

Opponent = Callable[[Session], tuple[Template, Cost]]


@dataclass(frozen=True)
class Contestant:
    """One template of the last comparison: accepted on the fresh queries by the checks, the difference to no
    optimisation on the same queries (None for that itself), and what finding it took.
    """

    name: str
    template_id: str
    accepted: Share
    against_none: Paired | None
    search: Cost


def none(session: Session) -> tuple[Template, Cost]:
    """No optimisation: the template that the session began with."""
    template = session.state.acts[0].template
    assert template is not None
    return template, FREE


def gepa(session: Session) -> tuple[Template, Cost]:
    """GEPA's search from the same template, on the same probe queries, with as many requests at most."""
    return search(session, session.cost().requests)


OPPONENTS: dict[str, Opponent] = {"none": none, "gepa": gepa}
_TITLES = {"none": "no optimisation", "gepa": "GEPA"}


def check_opponents(names: Sequence[str]) -> None:
    """Raise `KitError` for an opponent that is not known, or whose package is not installed."""
    for name in names:
        if name not in OPPONENTS:
            raise unknown_name("opponent", name, list(OPPONENTS))
    if "gepa" in names:
        need_gepa()


def contest(session: Session, queries: Sequence[Query], opponents: Sequence[str]) -> list[Contestant]:
    """Test the session's template and the opponents' on fresh queries; what was tested before is kept.

    No optimisation is always among them, for the others are compared with it. The reviews of people do not
    count here: the checks alone decide, for all alike. Without queries nothing is tested.
    """
    check_opponents(opponents)
    if not queries:
        return []
    for name in dict.fromkeys(("none", *opponents)):
        if not _tested(session, _TITLES[name], queries):
            template, cost = OPPONENTS[name](session)
            session.test(_TITLES[name], template, queries, cost)
    if not _tested(session, SESSION, queries, session.incumbent.id):
        session.test(SESSION, session.incumbent, queries, session.cost())
    return contestants(session)


def contestants(session: Session) -> list[Contestant]:
    """What the tests of a session on fresh queries say."""
    tests = session.state.tests
    accepted = {name: {made.query_id: made.accepted for made in act.samples} for name, act in tests.items()}
    base = accepted.get(_TITLES["none"], {})
    return [
        Contestant(name, act.template_id, share_of(accepted[name].values()), _paired(base, accepted[name]),
                   Cost(act.usd, act.requests, act.seconds))
        for name, act in tests.items()
    ]


def _tested(session: Session, name: str, queries: Sequence[Query], template_id: str = "") -> bool:
    """Whether the test of a contestant, by this template if one is given, on these queries is there."""
    act = session.state.tests.get(name)
    return (act is not None and template_id in ("", act.template_id)
            and [made.query_id for made in act.samples] == [query.id for query in queries])


def _paired(before: Mapping[str, bool], after: Mapping[str, bool]) -> Paired | None:
    if before is after:
        return None
    both = [query for query in before if query in after]
    return paired_difference([before[query] for query in both], [after[query] for query in both])
