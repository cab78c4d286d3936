"""The report's part about the filter by difficulty: how the student did, what was left out, at what cost."""

from collections import Counter
from math import comb
from typing import Any

from ..difficulty import Band, Sifted, sifted
from ..lineage import LedgerAnswers
from ..records import Generated
from .data import percent
from .page import Html, absent, note, table
from .story import Story


def section(story: Story) -> list[Any]:
    """What the filter did by type, by iteration, and how the tries are spread."""
    profile = story.run.profile
    if not profile.difficulty_asks:
        return ["", note("Off in this run (difficulty_asks is 0): every accepted sample is trained on.")]
    batches: dict[int, list[Generated]] = story.all_with("generated")
    if not batches:
        return ["", absent("What the student made of the samples", "05_generate")]
    band = Band(profile.difficulty_asks, profile.difficulty_low, profile.difficulty_high)
    everything = [record for records in batches.values() for record in records]
    by_type = sifted(everything)
    lead = (
        f"The student was asked each of {sum(one.asked for one in by_type):,} samples {band.asks} times "
        f"before it was trained on them; kept are those that it got right in {percent(band.low)} to "
        f"{percent(band.high)} % of the tries."
    )
    answers = LedgerAnswers(story.run)
    answers.read([record.request for record in everything])
    types = [[one.question_type, *_cells(one, answers)] for one in by_type]
    rounds = [
        [str(number), *_cells(one, answers)] for number, records in batches.items() if (one := _all(records))
    ]
    header = ["asked", "tries right, %", "too easy", "too hard", "in the band", "in the band, %",
              "USD left out"]  # fmt: skip
    return [
        lead,
        table("Difficulty by question type, all iterations", ["question type", *header], types),
        table("Difficulty by iteration", ["iteration", *header], rounds),
        _spread(batches, band),
        note(_sureness(band)),
    ]


def _all(records: list[Generated]) -> Sifted | None:
    """All types of an iteration as one; None where the student was asked nothing."""
    found = sifted(records)
    if not found:
        return None
    counts = {name: sum(getattr(one, name) for one in found)
              for name in ("asked", "easy", "hard", "right", "tries")}  # fmt: skip
    return Sifted("all", **counts, lost=tuple(record for one in found for record in one.lost))


def _cells(one: Sifted, answers: LedgerAnswers) -> list[str]:
    usd = sum(answers.usd(record) for record in one.lost)
    return [f"{one.asked:,}", percent(one.share), f"{one.easy:,}", f"{one.hard:,}", f"{one.kept:,}",
            percent(one.kept / one.asked), f"{usd:,.2f}"]  # fmt: skip


def _spread(batches: dict[int, list[Generated]], band: Band) -> Html:
    """How many samples were right so often, one column a count."""
    rows = []
    for number, records in batches.items():
        told = [record.verdicts["difficulty"] for record in records if "difficulty" in record.verdicts]
        counts = Counter(one["right"] for one in told)
        rows.append([str(number), *[f"{counts[right]:,}" for right in range(band.asks + 1)]])
    header = ["iteration", *[f"{right} of {band.asks}" for right in range(band.asks + 1)]]
    return table("Samples by the number of right tries", header, rows, is_dense=band.asks > 6)


def _sureness(band: Band) -> str:
    """How far so few tries can be trusted."""
    lost, guesses, slips = 1 - _chance_kept(band, 0.5), 1 - _chance_kept(band, 0.25), _chance_kept(band, 0.95)
    return (
        f"Few tries measure roughly: of samples that the student gets right every second time, "
        f"{percent(lost)} % are left out by chance, of those where it guesses among four options "
        f"{percent(guesses)} %, and of those that it gets right 19 times of 20, {percent(slips)} % are kept. "
        "More tries (difficulty_asks) tell better, at the student's time."
    )


def _chance_kept(band: Band, rate: float) -> float:
    """The chance that a sample is kept which the student gets right at that rate (0..1)."""
    n = band.asks
    return sum(
        comb(n, right) * rate**right * (1 - rate) ** (n - right)
        for right in range(n + 1)
        if band.low <= right / n <= band.high
    )
