"""Which queries templates are tried on: fixed by the seed, every type among them, weak types more often."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..records import Query, TypeWeakness


class Queries(NamedTuple):
    """The probe set that rounds are decided on, and the fresh queries for the last comparison."""

    probe: list[Query]
    fresh: list[Query]


def probe_queries(queries: Sequence[Query], table: Iterable[TypeWeakness], n: int, seed: int) -> list[Query]:
    """`n` of the queries (all, where there are no more), in their order: one of each type, the other places
    shared out by the types' weights in the table, and drawn within a type by the seed.
    """
    of_type: dict[str, list[Query]] = {}
    for query in queries:
        of_type.setdefault(query.question_type, []).append(query)
    weights = {row.question_type: row.weight for row in table}
    places = _places({name: len(found) for name, found in of_type.items()}, weights, n)
    rng = random.Random(f"probe-{seed}")
    drawn = {query.id for name, found in of_type.items() for query in rng.sample(found, places[name])}
    return [query for query in queries if query.id in drawn]


def split_queries(queries: Sequence[Query], table: Sequence[TypeWeakness], n_probe: int, n_fresh: int,
                  seed: int) -> Queries:
    """The probe set, and of the other queries as many fresh ones, drawn in the same way."""
    probe = probe_queries(queries, table, n_probe, seed)
    used = {query.id for query in probe}
    rest = [query for query in queries if query.id not in used]
    return Queries(probe, probe_queries(rest, table, n_fresh, seed))


def _places(there: Mapping[str, int], weights: Mapping[str, float], n: int) -> dict[str, int]:
    """How many of each type: place after place to the type with the most weight for what it has (Jefferson's
    method of highest averages), a type without any first.
    """
    places = dict.fromkeys(there, 0)
    for _ in range(min(n, sum(there.values()))):
        open_types = [name for name in there if places[name] < there[name]]
        chosen = max(open_types, key=lambda name: (places[name] == 0, _claim(weights, name, places[name])))
        places[chosen] += 1
    return places


def _claim(weights: Mapping[str, float], name: str, places: int) -> float:
    return weights.get(name, 0.0) / (places + 1)
