"""Which template is used next: trials scored, and the decision of a policy or a person."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import KitError, unknown_name
from ..records import Decision, Template, Trial

PERSON = "person"  # who chose, in decisions made by hand


def score_trials(trials: Iterable[Trial]) -> dict[str, float]:
    """The share (0..1) of accepted trials per template, in order of first appearance; a person's verdict goes
    first.
    """
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for trial in trials:
        verdicts[trial.template_id].append(trial.verdict == "accept" if trial.verdict else trial.accepted)
    return {template: sum(accepted) / len(accepted) for template, accepted in verdicts.items()}


def choose_template(trials: Sequence[Trial], incumbent_id: str, policy: str) -> Decision:
    """The decision of a policy (see `POLICIES`) where no person chooses. It carries no time: runs can be
    repeated.
    """
    if policy not in POLICIES:
        raise unknown_name("prompt policy", policy, list(POLICIES))
    acceptance = score_trials(trials)
    chosen, reason = POLICIES[policy](acceptance, incumbent_id)
    return Decision(chosen, f"policy {policy}", reason, acceptance, "")


def standing_decision(
    decision: Decision, earlier: Decision | None, templates: Iterable[Template]
) -> Decision:
    """The `earlier` decision where a person made it and its template is still among `templates`, else
    `decision`.
    """
    by_hand = earlier is not None and earlier.chosen_by == PERSON
    return earlier if by_hand and earlier.template_id in {template.id for template in templates} else decision


def _keep(acceptance: Mapping[str, float], incumbent_id: str) -> tuple[str, str]:
    return incumbent_id, "the incumbent is kept"


def _best(acceptance: Mapping[str, float], incumbent_id: str) -> tuple[str, str]:
    if incumbent_id not in acceptance:
        raise KitError(
            f"no trial of the incumbent {incumbent_id!r}; try it beside its candidates (try_templates)"
        )
    best = max(acceptance, key=lambda name: (acceptance[name], name == incumbent_id))
    if best == incumbent_id:
        return best, f"no candidate is accepted more often than the incumbent ({acceptance[best]:.0%})"
    return best, f"accepted {acceptance[best]:.0%} against the incumbent's {acceptance[incumbent_id]:.0%}"


POLICIES: dict[str, Callable[[Mapping[str, float], str], tuple[str, str]]] = {"keep": _keep, "best": _best}


