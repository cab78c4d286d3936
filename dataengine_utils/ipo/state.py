"""What the acts of a session say: the state after them, and which act is possible next."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..errors import KitError, unknown_name
from ..records import Act, Generated, RuleChange, Template, to_json
from .changes import apply_changes, clean_rule
from .journal import last_session

PERSON = "person"  # a reviewer who gave no name

# Why a sample is rejected, in the order of the panel's keys 1 to 8.
REASONS = (
    "wrong answer",
    "two right options",
    "ambiguous referent",
    "answerable without the image",
    "wrong type",
    "leaks annotation",
    "unclear language",
    "other",
)
VERDICTS = ("accept", "reject")


@dataclass(frozen=True)
class Proposal:
    """A change that the teacher proposed, and what the person made of it."""

    change: RuleChange
    status: Literal["open", "taken", "dropped"] = "open"


class Attempt(NamedTuple):
    """A candidate that was tried: in which round, against which incumbent, with which changes."""

    template_id: str
    parent_id: str
    round: int
    changes: tuple[RuleChange, ...]


class State:
    """A session after its acts so far: `apply` takes the next one, which `check` has found possible.

    `samples` are by template and query; `rounds` are the acts that ended one (promote, keep).
    """

    def __init__(self, begin: Act):
        if begin.kind != "begin" or begin.template is None:
            raise KitError(f"a session starts with the act 'begin' and its template, not with {begin.kind!r}")
        self.round, self.incumbent = 1, begin.template
        self.candidate: Template | None = None
        self.templates: dict[str, Template] = {}
        self.samples: dict[str, dict[str, Generated]] = {}
        self.proposals: list[Proposal] = []
        self.attempts: list[Attempt] = []
        self.tests: dict[str, Act] = {}
        self.rounds: list[Act] = []
        self.acts: list[Act] = [begin]
        self.stopped: Act | None = None
        self._reviews: dict[tuple[str, str], dict[str, list[Act]]] = {}  # by content, then reviewer
        self._contents: dict[tuple[str, str], tuple[str, str]] = {}
        self._undoable: dict[str, list[tuple[str, str]]] = {}
        self._add(begin.template, begin.samples)

    @property
    def types(self) -> dict[str, str]:
        """The probe queries' question types."""
        return {made.query_id: made.question_type for made in self.acts[0].samples}

    @property
    def taken(self) -> tuple[RuleChange, ...]:
        """The changes taken in this round."""
        return tuple(proposal.change for proposal in self.proposals if proposal.status == "taken")

    def check(self, act: Act) -> None:
        """Raise `KitError` where the act is not possible now; nothing changes."""
        if act.kind not in _CHECKS:
            raise unknown_name("act", act.kind, list(_CHECKS))
        if act.round != self.round:
            raise KitError(f"the act {act.kind!r} is of round {act.round}, the session is in round "
                           f"{self.round}: somebody else ended the round; look again")
        _CHECKS[act.kind](self, act)

    def apply(self, act: Act) -> None:
        """Change the state by an act that `check` has let pass."""
        _APPLIES[act.kind](self, act)
        self.acts.append(act)
        if act.kind not in ("stop", "test", "failed"):
            self.stopped = None

    def votes(self, template_id: str, query_id: str) -> dict[str, Act]:
        """The last review of each reviewer who looked at this sample, under whatever template."""
        given = self._reviews.get(self.content(template_id, query_id), {})
        return {who: acts[-1] for who, acts in given.items() if acts and acts[-1].verdict}

    def has_reviewed(self, template_id: str, query_id: str, who: str) -> bool:
        """Whether a reviewer has looked at a sample."""
        return bool(self._reviews.get(self.content(template_id, query_id), {}).get(who))

    def has_looked_again(self, template_id: str, query_id: str, who: str) -> bool:
        """Whether a reviewer has judged a sample once more since reviewers disagreed about it; giving a
        rejection other reasons is no second look.
        """
        given = self._reviews.get(self.content(template_id, query_id), {})
        hold = {id(act) for acts in given.values() for act in acts}
        last: dict[str, Act] = {}
        for act in (act for act in self.acts if id(act) in hold):
            before = last.get(act.who)
            disputed = len({one.verdict for one in last.values() if one.verdict}) > 1
            same_look = before and before.verdict == act.verdict and before.reasons != act.reasons
            if act.who == who and disputed and not same_look:
                return True
            last[act.who] = act
        return False

    def reviews(self) -> list[Act]:
        """The reviews that hold, in the order in which they were made."""
        last = {id(acts[-1]) for given in self._reviews.values() for acts in given.values()
                if acts and acts[-1].verdict}
        return [act for act in self.acts if id(act) in last]

    def accepted(self, template_id: str, query_id: str) -> bool:
        """Whether a sample counts as accepted: by most reviewers (a tie is a rejection), else by the checks.
        """
        votes = [act.verdict for act in self.votes(template_id, query_id).values()]
        if votes:
            return votes.count("accept") > votes.count("reject")
        return self.samples[template_id][query_id].accepted

    def verdicts(self, template_id: str) -> dict[str, bool]:
        """Which of a template's samples are accepted, by query."""
        return {query_id: self.accepted(template_id, query_id) for query_id in self.samples[template_id]}

    def content(self, template_id: str, query_id: str) -> tuple[str, str]:
        """What tells samples apart: the query, and the draft (or the reply where it has none)."""
        if (template_id, query_id) not in self._contents:
            raise KitError(f"no sample of query {query_id!r} by template {template_id!r} in this session; "
                           f"templates tried: {', '.join(self.samples)}")
        return self._contents[template_id, query_id]

    def _add(self, template: Template, samples: Iterable[Generated]) -> None:
        self.templates.setdefault(template.id, template)
        of_template = self.samples.setdefault(template.id, {})
        for made in samples:
            of_template[made.query_id] = made
            said = json.dumps(to_json(made.draft), sort_keys=True) if made.draft else made.reply
            self._contents[template.id, made.query_id] = made.query_id, said

    def _place(self, change: RuleChange) -> int:
        found = [n for n, proposal in enumerate(self.proposals) if proposal.change == change]
        if not found:
            raise KitError(f"no proposal {change.text or change.rule!r} in this round; propose first")
        return found[0]

    # what is possible

    def _check_review(self, act: Act) -> None:
        self.content(act.template_id, act.query_id)
        if act.verdict not in (*VERDICTS, ""):
            raise unknown_name("verdict", act.verdict, list(VERDICTS))
        for reason in act.reasons:
            if reason not in REASONS:
                raise unknown_name("reason", reason, list(REASONS))

    def _check_undo(self, act: Act) -> None:
        if not self._undoable.get(act.who):
            raise KitError(f"{act.who!r} has no review in this round to take back")

    def _check_change(self, act: Act) -> None:
        self._place(act.changes[0])
        if act.kind == "edit":
            if act.changes[1].kind == "remove":
                raise KitError("a rule that is removed has no words to edit; take the change or drop it")
            clean_rule(act.changes[1].text)

    def _check_try(self, act: Act) -> None:
        taken = self.taken
        if not taken:
            raise KitError("no change is taken in this round; take one of the proposals first")
        if act.template is None or act.template.id != apply_changes(self.incumbent, taken).id:
            raise KitError(f"the template tried ({act.template and act.template.id}) is not the incumbent "
                           "with the changes taken; try again")

    def _check_promote(self, act: Act) -> None:
        if self.candidate is None:
            raise KitError("no candidate to promote in this round; take a change and try it first")

    def _free(self, act: Act) -> None:
        """Always possible, or without effect."""

    # what it changes

    def _review(self, act: Act) -> None:
        key = self.content(act.template_id, act.query_id)
        self._reviews.setdefault(key, {}).setdefault(act.who, []).append(act)
        self._undoable.setdefault(act.who, []).append(key)

    def _undo(self, act: Act) -> None:
        self._reviews[self._undoable[act.who].pop()][act.who].pop()

    def _propose(self, act: Act) -> None:
        self.proposals = [Proposal(change) for change in act.changes]

    def _settle(self, act: Act) -> None:
        status: Literal["taken", "dropped"] = "dropped" if act.kind == "drop" else "taken"
        self.proposals[self._place(act.changes[0])] = Proposal(act.changes[-1], status)

    def _try(self, act: Act) -> None:
        assert act.template is not None
        self.candidate = act.template
        self.attempts.append(Attempt(act.template.id, self.incumbent.id, self.round, self.taken))
        self._add(act.template, act.samples)

    def _end_round(self, act: Act) -> None:
        if act.kind == "promote" and self.candidate is not None:
            self.incumbent = self.candidate
        self.round, self.candidate, self.proposals = self.round + 1, None, []
        self._undoable.clear()
        self.rounds.append(act)

    def _stop(self, act: Act) -> None:
        self.stopped = act

    def _test(self, act: Act) -> None:
        self.tests[act.text] = act


_Check = Callable[[State, Act], None]
_CHECKS: Mapping[str, _Check] = {
    "review": State._check_review, "undo": State._check_undo, "propose": State._free,
    "take": State._check_change, "edit": State._check_change, "drop": State._check_change,
    "try": State._check_try, "promote": State._check_promote, "keep": State._free, "stop": State._free,
    "test": State._free, "failed": State._free,
}
_APPLIES: Mapping[str, _Check] = {
    "review": State._review, "undo": State._undo, "propose": State._propose,
    "take": State._settle, "edit": State._settle, "drop": State._settle,
    "try": State._try, "promote": State._end_round, "keep": State._end_round, "stop": State._stop,
    "test": State._test, "failed": State._free,
}


def replay(acts: list[Act]) -> State:
    """The state after the acts of a journal's last session; `KitError` where one of them was not possible."""
    session = last_session(acts)
    if not session:
        raise KitError("no session begins in this journal; open one (ipo.Session)")
    state = State(session[0])
    for act in session[1:]:
        state.check(act)
        state.apply(act)
    return state
