"""What a session measures: shares of accepted samples, the paired comparison of two templates, agreement."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from ..records import Template
from ..stats import Paired, paired_difference, wilson

Verdicts = Mapping[str, bool]  # whether a template's sample was accepted, by query


@dataclass(frozen=True)
class Share:
    """`accepted` of `n` samples: the share (0..1) with Wilson's 95 % interval."""

    accepted: int
    n: int

    @property
    def share(self) -> float:
        return self.accepted / self.n if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.accepted, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.share:.0f} % ({100 * low:.0f} to {100 * high:.0f}) of {self.n}"


@dataclass(frozen=True)
class Comparison:
    """Two templates on the same `n` queries: shares accepted (0..1), and the paired difference with test.

    `by_type` has the same for each question type; there it is empty.
    """

    n: int
    incumbent: float
    candidate: float
    paired: Paired
    by_type: dict[str, "Comparison"] = field(default_factory=dict)

    @property
    def raises(self) -> bool:
        """Whether the candidate was accepted more often."""
        return self.paired.difference > 0


@dataclass(frozen=True)
class Agreement:
    """How two reviewers agree on the `n` samples that both looked at: `same` of them, and Cohen's kappa.

    `kappa` is None where it is not defined: no sample, or each of them gave but one and the same verdict.
    """

    reviewers: tuple[str, str]
    n: int
    same: int
    kappa: float | None


@dataclass(frozen=True)
class Cost:
    """What something took: USD, requests to the teacher, seconds of waiting for it."""

    usd: float = 0.0
    requests: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.requests:,} requests, {self.usd:,.2f} USD, {self.seconds:,.1f} s"


FREE = Cost()


@dataclass(frozen=True)
class Tried:
    """A template of the history: how often its samples on the probe queries were accepted, and what became
    of it: "start", "promoted", "kept out" (a round ended without it) or "open".
    """

    template: Template
    accepted: Share
    by_type: dict[str, Share]
    fate: str
    round: int


def share_of(verdicts: Iterable[bool]) -> Share:
    """The share of accepted samples."""
    all_verdicts = list(verdicts)
    return Share(sum(all_verdicts), len(all_verdicts))


def shares_by_type(verdicts: Verdicts, types: Mapping[str, str]) -> dict[str, Share]:
    """The share of each question type; `types` are those of the queries."""
    return {name: share_of(verdicts[query] for query in queries)
            for name, queries in _by_type(verdicts, types).items()}


def compare(incumbent: Verdicts, candidate: Verdicts, types: Mapping[str, str]) -> Comparison:
    """Two templates on the queries that both were tried on, in all and by question type."""
    queries = [query for query in incumbent if query in candidate]
    by_type = {name: _compared(of_type, incumbent, candidate)
               for name, of_type in _by_type(queries, types).items()}
    whole = _compared(queries, incumbent, candidate)
    return Comparison(whole.n, whole.incumbent, whole.candidate, whole.paired, by_type)


def agreement(one: str, other: str, verdicts: Sequence[tuple[str, str]]) -> Agreement:
    """Cohen's kappa of two reviewers from their pairs of verdicts.

    Source: Cohen 1960, Educational and Psychological Measurement 20:37.
    """
    n, same = len(verdicts), sum(a == b for a, b in verdicts)
    first, second = Counter(a for a, _ in verdicts), Counter(b for _, b in verdicts)
    by_chance = sum(first[verdict] * second[verdict] for verdict in first)
    kappa = None if by_chance == n * n else (n * same - by_chance) / (n * n - by_chance)
    return Agreement((one, other), n, same, kappa)


def agreements(by_reviewer: Mapping[str, Mapping[tuple[str, str], str]]) -> tuple[Agreement, ...]:
    """The agreement of every two reviewers; each one's verdicts by sample."""
    return tuple(
        agreement(one, other, [(by_reviewer[one][key], by_reviewer[other][key])
                               for key in by_reviewer[one] if key in by_reviewer[other]])
        for one, other in combinations(by_reviewer, 2)
    )


def _by_type(queries: Iterable[str], types: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query in queries:
        found.setdefault(types[query], []).append(query)
    return found


def _compared(queries: Sequence[str], incumbent: Verdicts, candidate: Verdicts) -> Comparison:
    before, after = [incumbent[query] for query in queries], [candidate[query] for query in queries]
    n = len(queries)
    return Comparison(n, sum(before) / max(n, 1), sum(after) / max(n, 1), paired_difference(before, after))
