"""A prompt session: a person, or a policy, and the teacher improve the generation prompt round by round.

Every act is a line of the journal before it changes anything (event sourcing): the state is what the acts
say, so a kernel that dies loses nothing, and two people can work on one journal.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar, cast

from ..errors import KitError
from ..generation import generate
from ..images import ImageSource
from ..records import Act, Decision, Generated, Query, RuleChange, Template, Trial
from ..teachers import Teacher
from .changes import apply_changes, note_of
from .journal import Journal
from .measures import FREE, Agreement, Comparison, Cost, Tried, compare
from .outcome import agreement_of, case_of, cost_of, decision_of, history_of, trials_of
from .revision import Reviser, Unreadable, reviser_of
from .showing import Shown, show
from .spending import Meter
from .state import PERSON, Proposal, State

Done = TypeVar("Done")


def utc() -> str:
    """The time now, as an act has it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Session:
    """The rounds on one probe set, as its journal tells them.

    Opened on a journal whose last session began with this incumbent and these queries, it goes on where that
    one was. Otherwise it begins: the incumbent is tried on the probe queries, and that is the first act.
    `who` is the reviewer's name. `now()` gives the time written into acts. `show` draws a bar while samples
    are made. `tester` is the teacher of the last comparison, where that has a budget of its own. Methods that
    act write to the journal, on the disk, before the state changes; `KitError` where the act is not possible
    now, or the teacher fails (then what that took is in the journal).
    """

    def __init__(
        self,
        journal: Path,
        incumbent: Template,
        probe: Sequence[Query],
        source: ImageSource,
        teacher: Teacher,
        *,
        who: str = PERSON,
        seed: int = 0,
        now: Callable[[], str] = utc,
        show: bool = False,
        tester: Teacher | None = None,
    ):
        if not probe:
            raise KitError("no probe queries; run notebook 03_sampling first, or ask for at least one")
        self.who, self.source, self.teacher, self.tester = who, source, teacher, tester or teacher
        self.probe, self.seed, self.meter = probe, seed, Meter(teacher)
        self.reviser: Reviser = reviser_of(teacher, seed)
        self._journal, self._now, self._bar = Journal(journal), now, show
        self._looks: dict[tuple[str, str], Shown] = {}
        self._state: State | None = None
        self.refresh()
        if self._state is None or not self._is_of(self._state.acts[0], incumbent):
            self.begin(incumbent)

    def begin(self, incumbent: Template) -> None:
        """Begin a new session in the same journal: the incumbent is tried on the probe queries."""
        samples, cost = self._measured(lambda: self._try(incumbent, self.probe))
        self._write("begin", replace(cost, requests=len(samples)), round=1, template_id=incumbent.id,
                    template=incumbent, samples=samples)

    def refresh(self) -> None:
        """Take in what others have written to the journal."""
        with self._journal.locked() as (new, _):
            self._follow(new)

    @contextmanager
    def acting(self, who: str) -> Iterator[None]:
        """Within it, acts are those of `who`, such as a policy."""
        before, self.who = self.who, who
        try:
            yield
        finally:
            self.who = before

    def review(self, template_id: str, query_id: str, verdict: str, reasons: Sequence[str] = (),
               text: str = "", *, cost: Cost = FREE) -> None:
        """Accept or reject a sample: `verdict` "accept" or "reject", `reasons` of `REASONS`, `text` free.

        A second look replaces the first. The review holds for the same sample under any template. `cost` is
        what a reviewer took that is a model; a verdict of "" says that it gave none.
        """
        self._write("review", cost, template_id=template_id, query_id=query_id, verdict=verdict,
                    reasons=tuple(reasons), text=text)

    def undo(self) -> None:
        """Take back this reviewer's last review of the round; what it replaced holds again."""
        self._write("undo")

    def propose(self, revise: Reviser | None = None) -> None:
        """Have the teacher propose changes to the incumbent's rules, from its rejected samples with their
        reasons and the checks' verdicts. They replace `proposals`.

        A teacher that cannot be asked leaves it to the kit's own rules; `revise` leaves it to another. A
        reply without readable changes raises `Unreadable`.
        """
        revise, case, number = revise or self.reviser, case_of(self.state), self.round
        changes, cost = self._measured(lambda: revise(case), revise.requests)
        self._write("propose", cost, round=number, changes=changes)

    def take(self, i: int) -> None:
        """Take the change `proposals[i]`, as it is, into the next candidate."""
        self._write("take", changes=(self._proposed(i),))

    def edit(self, i: int, text: str) -> None:
        """Take the change `proposals[i]` with other words for the new rule."""
        change = self._proposed(i)
        self._write("edit", changes=(change, replace(change, text=" ".join(text.split()))))

    def drop(self, i: int) -> None:
        """Leave the change `proposals[i]` out of the next candidate."""
        self._write("drop", changes=(self._proposed(i),))

    def try_candidate(self) -> None:
        """Try the incumbent with the changes taken on the same probe queries; it becomes `candidate`.

        A template that this session has tried before is not tried again: its samples are there.
        """
        taken = self.state.taken
        if not taken:
            raise KitError("no change is taken in this round; propose, and take a change first")
        template, number = apply_changes(self.incumbent, taken, note_of(taken)), self.round
        queries = () if template.id in self.state.samples else self.probe
        samples, cost = self._measured(lambda: self._try(template, queries), len(queries))
        self._write("try", cost, round=number, template_id=template.id, template=template, samples=samples)

    def promote(self, reason: str = "") -> None:
        """Make the candidate the incumbent; the next round begins."""
        candidate = self.candidate
        self._write("promote", template_id=candidate.id if candidate else "", text=reason)

    def keep(self, reason: str = "") -> None:
        """Keep the incumbent and let the candidate go; the next round begins."""
        self._write("keep", template_id=self.incumbent.id, text=reason)

    def stop(self, reason: str = "") -> None:
        """End the session: the incumbent is its choice. A later act goes on with it all the same."""
        self._write("stop", template_id=self.incumbent.id, text=reason)

    def test(self, name: str, template: Template, queries: Sequence[Query], search: Cost = FREE) -> None:
        """Try a contestant's template on fresh queries and keep the samples under its name; `search` is what
        finding the template took. None of it is the session's cost.
        """
        samples = self._try(template, queries, self.tester)
        self._write("test", search, template_id=template.id, template=template, samples=samples, text=name)

    def ask_all(self, prompts: Sequence[str]) -> tuple[list[str], Cost]:
        """The replies of a teacher that can be asked (it has `ask_all`), and what they took; it is no act."""
        asked = cast(Any, self.teacher)
        return self._measured(lambda: asked.ask_all(prompts), len(prompts))

    @property
    def n_probe(self) -> int:
        """How many queries a template is tried on."""
        return len(self.probe)

    @property
    def state(self) -> State:
        """What the acts so far say."""
        assert self._state is not None
        return self._state

    @property
    def round(self) -> int:
        """The number of the round, from 1."""
        return self.state.round

    @property
    def incumbent(self) -> Template:
        """The template that stands."""
        return self.state.incumbent

    @property
    def candidate(self) -> Template | None:
        """The candidate that was tried last in this round, or None."""
        return self.state.candidate

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """The changes proposed in this round: `change` and `status` ("open", "taken" or "dropped"); an edited
        change is the edited one, and taken.
        """
        return tuple(self.state.proposals)

    @property
    def samples(self) -> tuple[Shown, ...]:
        """The incumbent's samples in the probe's order, then the candidate's."""
        return tuple(self._look(template_id, query_id) for template_id in self._compared()
                     for query_id in self.state.samples[template_id])

    @property
    def reviews(self) -> tuple[Act, ...]:
        """The reviews that hold (not undone, not replaced), in the order in which they were made."""
        return tuple(self.state.reviews())

    @property
    def stopped(self) -> bool:
        """Whether the last act but tests has ended the session."""
        return self.state.stopped is not None

    def to_review(self) -> list[Shown]:
        """What still needs this reviewer's look, in the order to show it: what reviewers disagree about
        first, to be looked at once more by each of them.

        Once there is a candidate, both templates' samples come in a random order drawn from the seed, as "A"
        and "B" (`Shown.label`); a sample that is the same under both comes once.
        """
        disputed, new = [], []
        for one in self._shuffled():
            look = (one.template_id, one.query_id, self.who)
            if one.disputed and not self.state.has_looked_again(*look):
                disputed.append(one)
            elif not self.state.has_reviewed(*look):
                new.append(one)
        return disputed + new

    def agreement(self) -> tuple[Agreement, ...]:
        """Cohen's kappa of every two reviewers over the samples that both have looked at."""
        return agreement_of(self.state)

    def compare(self) -> Comparison | None:
        """Incumbent against candidate on the probe queries; None without a candidate."""
        if self.candidate is None:
            return None
        before, after = (self.state.verdicts(template.id) for template in (self.incumbent, self.candidate))
        return compare(before, after, self.state.types)

    def cost(self) -> Cost:
        """What the session has taken so far; tests on fresh queries are not counted."""
        return cost_of(self.state.acts)

    def history(self) -> tuple[Tried, ...]:
        """The templates tried, in order, each with its acceptance and what became of it."""
        return history_of(self.state)

    def decision(self) -> Decision:
        """The incumbent as the session's choice: by whom, and why."""
        return decision_of(self.state)

    def trials(self) -> list[Trial]:
        """Every template tried on every query, with the reviewers' verdict where they gave one."""
        return trials_of(self.state)

    def _is_of(self, begin: Act, incumbent: Template) -> bool:
        assert begin.template is not None
        return begin.template.id == incumbent.id and [made.query_id for made in begin.samples] == [
            query.id for query in self.probe]

    def _follow(self, acts: Sequence[Act]) -> None:
        for act in acts:
            if act.kind == "begin":
                self._state = State(act)
                self._looks.clear()
            elif self._state is not None:
                self._state.check(act)
                self._state.apply(act)
            elif act.kind != "failed":
                raise KitError(f"{self._journal.path} has an act before any session begins; move it away")

    def _write(self, kind: Any, cost: Cost = FREE, *, round: int | None = None, **fields: Any) -> None:
        """Write one act of this reviewer, and then change the state by it."""
        with self._journal.locked() as (new, write):
            self._follow(new)
            at = round or (self._state.round if self._state else 1)
            act = Act(self._now(), self.who, kind, at, requests=cost.requests, usd=cost.usd,
                      seconds=cost.seconds, **fields)
            if self._state is not None and kind != "begin":
                self._state.check(act)
            write(act)
            self._follow([act])

    def _measured(self, work: Callable[[], Done], requests: int = 0) -> tuple[Done, Cost]:
        """What the teacher's work gives, and what it took; of work that fails, that is an act of its own."""
        start = self.meter.now()
        try:
            done = work()
        except KitError as error:
            cost = self.meter.since(start, requests if isinstance(error, Unreadable) else 0)
            self._write("failed", cost, text=str(error))
            raise
        return done, self.meter.since(start, requests)

    def _try(self, template: Template, queries: Sequence[Query],
             teacher: Teacher | None = None) -> tuple[Generated, ...]:
        return tuple(generate(queries, self.source, teacher or self.teacher, template,
                              write=lambda record: None, show=self._bar))

    def _proposed(self, i: int) -> RuleChange:
        if not 0 <= i < len(self.proposals):
            raise KitError(f"proposal {i}: this round has {len(self.proposals)}, numbered from 0; propose "
                           "first")
        return self.proposals[i].change

    def _compared(self) -> list[str]:
        templates = [self.incumbent, *([self.candidate] if self.candidate else [])]
        return list(dict.fromkeys(template.id for template in templates))

    def _label(self, template_id: str) -> str:
        """"A" or "B" by the toss of the seed's coin; "" while there is nothing to compare."""
        if self.candidate is None:
            return ""
        letters = random.Random(f"{self.seed}-{self.round}-{self.candidate.id}").sample("AB", 2)
        return letters[self._compared().index(template_id)] if template_id in self._compared() else ""

    def _shuffled(self) -> list[Shown]:
        """What is to be compared: each sample once; in random order where two templates are compared."""
        different = {self.state.content(one.template_id, one.query_id): one for one in reversed(self.samples)}
        shown = list(different.values())[::-1]
        if self.candidate is not None:
            random.Random(f"order-{self.seed}-{self.round}-{self.candidate.id}").shuffle(shown)
        return shown

    def _look(self, template_id: str, query_id: str) -> Shown:
        if (template_id, query_id) not in self._looks:
            made = self.state.samples[template_id][query_id]
            self._looks[template_id, query_id] = show(made, self.source.record(made.image_id))
        votes = self.state.votes(template_id, query_id)
        own = votes.get(self.who)
        return replace(
            self._looks[template_id, query_id], template_id=template_id, label=self._label(template_id),
            verdict=own.verdict if own else "", reasons=own.reasons if own else (),
            text=own.text if own else "", disputed=len({act.verdict for act in votes.values()}) > 1)
