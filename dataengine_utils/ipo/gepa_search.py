"""GEPA (package `gepa`) as an opponent: its Pareto search over the rules of a template, under equal budget.

Source: Agrawal et al. 2025, arXiv 2507.19457.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..errors import KitError
from ..generation import generate
from ..records import Generated, Query, Template
from .changes import apply_changes, note_of
from .measures import Cost
from .revision import Case, Rejected, Unreadable, reviser_of
from .session import Session
from .spending import Meter

_RULES = "rules"  # GEPA's name for the one text that it evolves
_REPEATS = 10  # of GEPA's own count of calls, in which a repeated one counts too


class _Enough(Exception):
    """The requests are used up."""


def need_gepa() -> Any:
    """The package; `KitError` with the command that installs it where it is missing."""
    try:
        import gepa
    except ImportError as error:
        raise KitError("the opponent 'gepa' needs the package gepa: pip install gepa==0.1.4, or leave it "
                       "out: --set prompt_opponents=none") from error
    return gepa


def search(session: Session, requests: int) -> tuple[Template, Cost]:
    """The best template that GEPA finds with so many requests to the session's tester, and what it took.

    It starts from the session's first template, works on its probe queries, and its reflection is the
    session's reviser, given what the checks rejected in a small batch: what differs is the search. A request
    made before is not made, and not counted, again. Only templates tried on all probe queries can win.
    """
    gepa = need_gepa()
    adapter = _Adapter(session, requests)
    meter = Meter(session.tester)
    start = meter.now()
    with suppress(_Enough):
        gepa.optimize(
            seed_candidate={_RULES: adapter.text_of(adapter.first)}, trainset=list(session.probe),
            valset=list(session.probe), adapter=adapter, max_metric_calls=_REPEATS * max(1, requests),
            stop_callbacks=[lambda state: adapter.left <= 0], logger=_Silent(), seed=session.seed,
        )
    return adapter.best(), meter.since(start, requests - adapter.left)


class _Silent:
    def log(self, message: str) -> None:
        """GEPA's messages are not shown."""


class _Adapter:
    """The session as GEPA sees it: a candidate is the rules, one a line; a score is 1 for an accepted sample.
    """

    def __init__(self, session: Session, requests: int):
        begin = session.state.acts[0]
        assert begin.template is not None
        self.first, self.left, self._session = begin.template, requests, session
        self._templates: dict[str, Template] = {}
        self._made: dict[str, dict[str, Generated]] = {}
        self.text_of(self.first)

    def text_of(self, template: Template) -> str:
        """The template as a candidate's text."""
        text = "\n".join(template.rules)
        self._templates.setdefault(text, template)
        return text

    def best(self) -> Template:
        """The template accepted most often on the whole probe set; of equals the first."""
        n = self._session.n_probe
        whole = [t for t in self._templates.values() if len(self._made.get(t.id, ())) == n]
        return max(whole, key=lambda t: sum(made.accepted for made in self._made[t.id].values()),
                   default=self.first)

    def evaluate(self, batch: Sequence[Query], candidate: Mapping[str, str],
                 capture_traces: bool = False) -> Any:
        """Samples for a batch by a candidate: from the teacher, or those that were made before."""
        from gepa.core.adapter import EvaluationBatch

        template = self._templates[candidate[_RULES]]
        made = self._made.setdefault(template.id, {})
        new = [query for query in batch if query.id not in made]
        self._spend(len(new))
        for record in generate(new, self._session.source, self._session.tester, template,
                               write=lambda record: None):
            made[record.query_id] = record
        found = [made[query.id] for query in batch]
        return EvaluationBatch(found, [float(one.accepted) for one in found],
                               found if capture_traces else None)

    def make_reflective_dataset(self, candidate: Mapping[str, str], eval_batch: Any,
                                components_to_update: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """What the reviser gets to see: the samples of the batch."""
        return {name: [{"sample": made} for made in eval_batch.trajectories] for name in components_to_update}

    def propose_new_texts(self, candidate: Mapping[str, str], reflective_dataset: Mapping[str, Any],
                          components_to_update: Sequence[str]) -> dict[str, str]:
        """The candidate with the changes that the session's reviser proposes for the batch."""
        template = self._templates[candidate[_RULES]]
        samples: list[Generated] = [row["sample"] for row in reflective_dataset[_RULES]]
        rejected = tuple(Rejected(made.question_type, made.draft, (made.reason,))
                         for made in samples if not made.accepted)
        revise = reviser_of(self._session.tester, self._session.seed)
        self._spend(revise.requests)
        try:
            changes = revise(Case(template, rejected, len(samples)))
        except Unreadable:
            changes = ()
        return {_RULES: self.text_of(apply_changes(template, changes, f"GEPA: {note_of(changes)}"))}

    def _spend(self, requests: int) -> None:
        if requests > self.left:
            self.left = 0
            raise _Enough
        self.left -= requests
