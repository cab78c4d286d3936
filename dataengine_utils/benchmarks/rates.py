"""Shares of right answers, in per cent, computed as the official scripts of multiple choice do."""

from collections.abc import Mapping, Sequence


def percent(right: Sequence[bool]) -> float | None:
    """The share of right answers, None of none; divided first, so that it rounds to what they print."""
    return sum(right) / len(right) * 100 if right else None


def rate_rows(groups: Mapping[str, Sequence[bool]]) -> dict[str, dict[str, float | None]]:
    """A table of `accuracy` (per cent) and `n`, one row a group."""
    return {name: {"accuracy": percent(right), "n": len(right)} for name, right in groups.items()}
