"""Who improves the template when nobody clicks: `keep`, `rules`, `critic`, or a recorded session (`replay`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import KitError, unknown_name
from ..profiles import Profile
from ..records import Act
from ..registry import resolve
from ..teachers import TEACHERS
from ..teachers.ledger import BudgetReached
from .changes import apply_changes
from .critic import read_verdict, review_prompt
from .measures import Comparison, Cost
from .opponents import check_opponents
from .revision import RulesRevise, Unreadable
from .session import Session

REPLAY = "replay"
_WHO = "policy "  # before a policy's name, in acts and decisions


@dataclass(frozen=True)
class Limits:
    """What a policy may take: rounds, requests to the teacher, US dollars."""

    rounds: int
    requests: int
    usd: float


def run_policy(session: Session, policy: str, limits: Limits) -> None:
    """Have a policy (see `POLICIES`) work on the session, where no person has decided in it.

    A policy begins the session anew where it, or another one, was at it before; where people have reviewed
    samples it goes on from there, and their verdicts count. It ends with the act "stop", which says why.
    """
    name = policy_name(policy)
    acts = [act for act in session.state.acts[1:] if act.kind not in ("test", "failed")]
    if name == REPLAY or _by_person(acts) or (session.stopped and acts[-1].who == _WHO + name):
        return
    with session.acting(_WHO + name):
        if acts and all(act.who.startswith(_WHO) for act in acts):
            begin = session.state.acts[0]
            assert begin.template is not None
            session.begin(begin.template)
        try:
            why = POLICIES[name](session, limits)
        except BudgetReached as error:
            why = f"the teacher's budget is used up: {error}"
        session.stop(why)


def policy_name(policy: str) -> str:
    """The name of a policy as a profile writes it; `KitError` for one that is not known or lacks its file."""
    name, colon, file = policy.partition(":")
    if name not in POLICIES or bool(colon) != (name == REPLAY) or (colon and not file):
        raise unknown_name("prompt policy", policy, [*(name for name in POLICIES if name != REPLAY),
                                                     f"{REPLAY}:FILE"])
    if name == REPLAY and not Path(file).exists():
        raise KitError(f"prompt policy {policy!r}: no file {file!r}; name the session.jsonl of a recorded "
                       "session, or the folder of its run")
    return name


def check_policy(profile: Profile) -> None:
    """Raise `KitError` where a profile's policy or opponents are not known, or cannot work with its teacher.
    """
    if policy_name(profile.prompt_policy) == "critic":
        _need_critic(resolve("teacher", TEACHERS, profile.teacher), profile.teacher)
    check_opponents(profile.prompt_opponents)


def keep(session: Session, limits: Limits) -> str:
    """The incumbent stays; nothing is tried."""
    return "the incumbent is kept"


def rules(session: Session, limits: Limits) -> str:
    """Offline: the checks' verdicts are the review, and every reason has the rules that mend it.

    In each round every rule that the rejected samples speak for is tried alone; those that raise acceptance
    on the probe set are tried together, and the best of all that was tried is promoted.
    """
    revise, last = RulesRevise(), session.round + limits.rounds
    while session.round < last:
        session.propose(revise)
        if not session.proposals:
            return _done(session, "no rule is left for what is still rejected")
        if _left(session, limits) < (len(session.proposals) + 1) * session.n_probe:
            return _done(session, "the requests are used up")
        if not _promote_best(session):
            return _done(session, "no rule raises acceptance")
    return _done(session, f"{limits.rounds} rounds")


def critic(session: Session, limits: Limits) -> str:
    """The teacher is reviewer and reviser: it looks at what the checks accept, proposes changes to the rules,
    and looks at what the candidate makes, without knowing which is which.

    All changes of a proposal are tried together. A round that the limits have no room for is not begun.
    """
    _need_critic(session.teacher, session.teacher.name)
    last = session.round + limits.rounds
    while session.round < last:
        if not _has_room(session, limits, session.n_probe):
            return _done(session, "the requests or dollars are used up")
        _review(session)
        if all(session.state.verdicts(session.incumbent.id).values()):
            return _done(session, "nothing is rejected")
        if not _has_room(session, limits, 1 + 2 * session.n_probe):
            return _done(session, "the requests or dollars are used up")
        if not _try_proposals(session):
            return _done(session, "the teacher proposes nothing new")
    return _done(session, f"{limits.rounds} rounds")


def replayed(session: Session, limits: Limits) -> str:
    """Nothing is left to do: the recorded session is the session (see `opening.open_session`)."""
    return ""


Policy = Callable[[Session, Limits], str]
POLICIES: dict[str, Policy] = {"keep": keep, REPLAY: replayed, "critic": critic, "rules": rules}


def describe(comparison: Comparison) -> str:
    """A comparison in words: both shares, the difference with its interval, and the test."""
    paired = comparison.paired
    return (f"accepted {100 * comparison.candidate:.0f} % instead of {100 * comparison.incumbent:.0f} % of "
            f"{comparison.n} ({100 * paired.difference:+.0f} points, {100 * paired.low:+.0f} to "
            f"{100 * paired.high:+.0f}, p = {paired.p:.2g})")


def _need_critic(teacher: object, name: str) -> None:
    if not hasattr(teacher, "ask_all"):
        raise KitError(f"prompt policy 'critic': the teacher {name!r} cannot be asked for reviews; use one "
                       "with a language model (--set teacher=openai), or --set prompt_policy=rules")


def _by_person(acts: list[Act]) -> bool:
    return any(act.kind in ("promote", "keep", "stop") and not act.who.startswith(_WHO) for act in acts)


def _promote_best(session: Session) -> bool:
    """Try the proposals, one by one and those that help together; promote the best where it raises
    acceptance.
    """
    n = len(session.proposals)
    gains = {(i,): _gain(session, (i,)) for i in range(n)}
    helpful = tuple(i for i in range(n) if gains[i,] > 0) or tuple(range(n))
    gains[helpful] = _gain(session, helpful)
    best = max(gains, key=lambda chosen: (gains[chosen], -len(chosen)))
    if gains[best] <= 0:
        session.keep("no rule raises acceptance")
        return False
    _gain(session, best)
    comparison = session.compare()
    assert comparison is not None
    session.promote(describe(comparison))
    return True


def _gain(session: Session, chosen: tuple[int, ...]) -> float:
    """By how much (share) the proposals chosen raise acceptance; they are taken, and the others dropped."""
    for i in range(len(session.proposals)):
        session.take(i) if i in chosen else session.drop(i)
    session.try_candidate()
    comparison = session.compare()
    assert comparison is not None
    return comparison.paired.difference


def _try_proposals(session: Session) -> bool:
    """One round of the critic; False where the teacher has nothing to propose that was not tried."""
    try:
        session.propose()
    except Unreadable as error:
        session.keep(f"no proposal: {error}")
        return True
    template = apply_changes(session.incumbent, [proposal.change for proposal in session.proposals])
    if template.id in session.state.samples:
        return False
    for i in range(len(session.proposals)):
        session.take(i)
    session.try_candidate()
    _review(session)
    comparison = session.compare()
    assert comparison is not None
    end = session.promote if comparison.raises else session.keep
    end(describe(comparison))
    return True


def _review(session: Session) -> None:
    """The teacher looks at every sample that the checks accept and it has not seen; the others stand
    rejected. What all of it cost stands with the first review.
    """
    samples = [one for one in session.to_review() if one.accepted and one.draft]
    prompts = [review_prompt(one.draft, session.source.record(one.image_id), one.question_type)
               for one in samples if one.draft]
    replies, cost = session.ask_all(prompts)
    for n, (one, reply) in enumerate(zip(samples, replies, strict=True)):
        said = read_verdict(reply)
        session.review(one.template_id, one.query_id, said.verdict, said.reasons, said.why,
                       cost=Cost(0.0 if n else cost.usd, 1, 0.0 if n else cost.seconds))


def _left(session: Session, limits: Limits) -> int:
    return limits.requests - session.cost().requests


def _has_room(session: Session, limits: Limits, requests: int) -> bool:
    return _left(session, limits) >= requests and session.cost().usd < limits.usd


def _done(session: Session, why: str) -> str:
    first, chosen = session.history()[0], session.state.verdicts(session.incumbent.id)
    share = sum(chosen.values()) / len(chosen)
    return f"{why}; accepted {100 * share:.0f} %, {100 * first.accepted.share:.0f} % at the start"
