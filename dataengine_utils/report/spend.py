"""The report's part about money: what the teachers have cost, by their ledgers."""

from contextlib import closing
from typing import Any

from ..artifacts import JUDGE_LEDGER_FILE, LEDGER_FILE
from ..difficulty import sifted
from ..lineage import LedgerAnswers
from ..records import Generated
from ..teachers.ledger import Ledger, Totals
from .page import Html, note, table
from .story import Story

LEDGERS = {"teacher": LEDGER_FILE, "second teacher": JUDGE_LEDGER_FILE}


def section(story: Story) -> list[Any]:
    """What every ledger of the run holds, and what the samples of each iteration have cost."""
    totals = {who: _totals(story, file) for who, file in LEDGERS.items() if (story.run.path / file).exists()}
    if not totals:
        teacher = story.run.profile.teacher
        return ["", note(f"Nothing was spent: the teacher {teacher} keeps no ledger in this run.")]
    lead = "By the ledgers, where a request stands before it is sent; prompt trials and retries are in them."
    budget = story.run.profile.budget_usd
    remark = (
        f"The teacher's budget is {budget:,.2f} USD. Lost, a part of the USD: attempts without a reply that "
        "may have been billed, at their worst price."
    )
    return [lead, _ledgers(totals), _iterations(story), note(remark)]


def _totals(story: Story, file: str) -> Totals:
    with closing(Ledger(story.run.path / file, for_reading=True)) as ledger:
        return ledger.totals()


def _ledgers(totals: dict[str, Totals]) -> Html:
    header = ["who", "requests", "answered", "attempts failed", "tokens in", "tokens out", "USD", "lost"]
    rows = [
        [who, f"{one.requests:,}", f"{one.answered:,}", f"{one.failed:,}", f"{one.prompt_tokens:,}",
         f"{one.completion_tokens:,}", f"{one.usd:,.2f}", f"{one.lost_usd:,.2f}"]
        for who, one in totals.items()
    ]  # fmt: skip
    return table("Ledgers of the run", header, rows)


def _iterations(story: Story) -> Html | str:
    answers, rows, filters = LedgerAnswers(story.run), [], story.run.profile.difficulty_asks > 0
    batches: dict[int, list[Generated]] = story.all_with("generated")
    for number, replies in batches.items():
        answers.read([reply.request for reply in replies])
        usd = sum(answers.usd(reply) for reply in replies)
        accepted = sum(reply.accepted for reply in replies)
        each = f"{usd / accepted:,.4f}" if accepted else "–"
        row = [str(number), f"{len(replies):,}", f"{accepted:,}", f"{usd:,.2f}", each]
        rows.append([*row, *([f"{_filtered(replies, answers):,.2f}"] if filters else [])])
    header = ["iteration", "replies", "accepted", "USD", "USD per accepted sample"]
    header += ["USD of too easy or too hard ones"] if filters else []
    return table("Spend on samples", header, rows) if rows else ""


def _filtered(replies: list[Generated], answers: LedgerAnswers) -> float:
    """What the replies have cost (USD) that the filter by difficulty left out."""
    return sum(answers.usd(record) for one in sifted(replies) for record in one.lost)
