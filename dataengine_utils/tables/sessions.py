"""Tables about a prompt session: what the templates tried are worth, round by round, and in the end."""

from collections.abc import Iterable, Sequence
from typing import Any

from pandas.io.formats.style import Styler

from ..ipo import Session, Tried
from ..ipo.changes import note_of
from ..ipo.measures import Share, compare
from ..ipo.opponents import Contestant
from ..question_types import type_id
from ..stats import Paired
from .style import ALL, numbers, words


def type_table(tried: Sequence[Tried]) -> Styler:
    """How often some templates' samples were accepted, in per cent with 95 % intervals, by question type."""
    types = sorted({name for one in tried for name in one.by_type},
                   key=lambda name: (type_id(name) or 99, name))
    rows: dict[str, dict[str, Any]] = {name: {} for name in (*types, ALL)}
    for one in tried:
        rows[ALL][one.template.id] = _share(one.accepted)
        for name in types:
            rows[name][one.template.id] = _share(one.by_type[name]) if name in one.by_type else "–"
    return numbers(rows, "accepted, %")


def round_table(session: Session) -> Styler:
    """Every candidate against the incumbent of its round, on the same probe queries."""
    state, rows = session.state, {}
    promoted = {(act.round, act.template_id) for act in state.rounds if act.kind == "promote"}
    for attempt in state.attempts:
        place = attempt.round, attempt.template_id
        before, after = (state.verdicts(name) for name in (attempt.parent_id, attempt.template_id))
        found = compare(before, after, state.types)
        rows[place] = {
            "round": attempt.round, "what is new": note_of(attempt.changes),
            "before, %": _percent(found.incumbent), "accepted, %": _percent(found.candidate),
            **_change(found.paired), "": "promoted" if place in promoted else "",
        }
    return words(list(rows.values()) or [{"round": "no candidate was tried"}])


def history_table(tried: Iterable[Tried]) -> Styler:
    """The templates as a tree, children marked by how deep they are: acceptance on the probe set and fate."""
    depths: dict[str, int] = {}
    rows = []
    for one in tried:
        template = one.template
        depths[template.id] = depths.get(template.parent, -1) + 1
        rows.append({
            "template": "· " * depths[template.id] + template.id, "what is new": template.note or "–",
            "rules": len(template.rules), "accepted, %": _share(one.accepted), "became": one.fate,
        })
    return words(rows)


def contest_table(contestants: Iterable[Contestant]) -> Styler:
    """Templates on fresh queries, in per cent with 95 % intervals: the difference is that to no optimisation,
    requests, USD and seconds are what finding the template took.
    """
    rows = [
        {
            "template": one.template_id, "by": one.name, "fresh queries": one.accepted.n,
            "accepted, %": _share(one.accepted), **_change(one.against_none),
            "requests to find it": f"{one.search.requests:,}", "USD": f"{one.search.usd:.2f}",
            "s": f"{one.search.seconds:.1f}",
        }
        for one in contestants
    ]
    return words(rows or [{"template": "not compared: there are no fresh queries"}])


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.share:.0f} ({100 * low:.0f} – {100 * high:.0f})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _change(paired: Paired | None) -> dict[str, str]:
    """Difference and test; the difference stays on one line, however narrow the column."""
    if paired is None:
        return {"difference": "–", "p": "–"}
    text = f"{100 * paired.difference:+.1f} ({100 * paired.low:+.1f} – {100 * paired.high:+.1f})"
    return {"difference": text.replace(" ", "\N{NO-BREAK SPACE}"), "p": f"{paired.p:.2g}"}
