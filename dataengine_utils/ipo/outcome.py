"""What comes of a session: its history of templates, its cost, its decision, and where a revision starts."""

from collections.abc import Iterable, Iterator

from ..records import Act, Decision, Generated, RuleChange, Template, Trial
from .measures import Agreement, Cost, Tried, agreements, share_of, shares_by_type
from .revision import Case, Rejected
from .state import State


def agreement_of(state: State) -> tuple[Agreement, ...]:
    """Cohen's kappa of every two reviewers over the samples that both have looked at."""
    by_reviewer: dict[str, dict[tuple[str, str], str]] = {}
    for act in state.reviews():
        by_reviewer.setdefault(act.who, {})[state.content(act.template_id, act.query_id)] = act.verdict
    return agreements(by_reviewer)


def cost_of(acts: Iterable[Act]) -> Cost:
    """What acts took together; tests on fresh queries are not counted."""
    counted = [act for act in acts if act.kind != "test"]
    return Cost(sum(act.usd for act in counted), sum(act.requests for act in counted),
                sum(act.seconds for act in counted))


def history_of(state: State) -> tuple[Tried, ...]:
    """The templates tried, in order, each with its acceptance and what became of it."""
    return tuple(_tried(state, template) for template in state.templates.values())


def decision_of(state: State) -> Decision:
    """The incumbent as the session's choice: by whom, and why."""
    ended = [*state.rounds, *([state.stopped] if state.stopped else [])]
    shares = {template_id: share_of(state.verdicts(template_id).values()).share
              for template_id in state.samples}
    if not ended:
        return Decision(state.incumbent.id, "nobody", "no round has ended", shares, "")
    why = [act.text for act in ended if act.text]
    return Decision(state.incumbent.id, ended[-1].who, why[-1] if why else "", shares, ended[-1].time)


def trials_of(state: State) -> list[Trial]:
    """Every template tried on every query, with the reviewers' verdict where they gave one."""
    return [_trial(state, made) for samples in state.samples.values() for made in samples.values()]


def case_of(state: State) -> Case:
    """What a revision starts from: the incumbent, its rejected samples, and what did not help before."""
    samples = state.samples[state.incumbent.id]
    rejected = [_rejected(state, made) for query_id, made in samples.items()
                if not state.accepted(made.template_id, query_id)]
    return Case(state.incumbent, tuple(rejected), len(samples), tuple(_failed(state)))


def _failed(state: State) -> Iterator[RuleChange]:
    """The changes to this incumbent that were tried in earlier rounds and not promoted."""
    for attempt in state.attempts:
        if attempt.parent_id == state.incumbent.id and attempt.round < state.round:
            yield from attempt.changes


def _rejected(state: State, made: Generated) -> Rejected:
    votes = [act for act in state.votes(made.template_id, made.query_id).values() if act.verdict == "reject"]
    reasons = tuple(dict.fromkeys(reason for act in votes for reason in act.reasons))
    checks = (made.reason,) if made.reason else ()
    return Rejected(made.question_type, made.draft, reasons or checks,
                    "; ".join(act.text for act in votes if act.text))


def _tried(state: State, template: Template) -> Tried:
    verdicts = state.verdicts(template.id)
    number, fate = _fate(state, template.id)
    return Tried(template, share_of(verdicts.values()), shares_by_type(verdicts, state.types), fate, number)


def _fate(state: State, template_id: str) -> tuple[int, str]:
    """The round in which a template was first tried, and what became of it."""
    if state.acts[0].template_id == template_id:
        return 1, "start"
    rounds = [attempt.round for attempt in state.attempts if attempt.template_id == template_id]
    if any(act.kind == "promote" and act.template_id == template_id for act in state.rounds):
        return rounds[0], "promoted"
    return rounds[0], "open" if rounds[-1] == state.round else "kept out"


def _trial(state: State, made: Generated) -> Trial:
    votes = state.votes(made.template_id, made.query_id).values()
    if not votes:
        return Trial(made.template_id, made.query_id, made.question_type, made.accepted, made.reason,
                     made.draft)
    accepted = state.accepted(made.template_id, made.query_id)
    why = "; ".join(part for act in votes for part in (*act.reasons, act.text) if part)
    return Trial(made.template_id, made.query_id, made.question_type, made.accepted, made.reason, made.draft,
                 "accept" if accepted else "reject", why)
