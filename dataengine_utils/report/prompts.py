"""The report's part about the generation prompt: every version tried, who chose, and what has changed."""

from collections import Counter
from typing import Any

from ..ipo.changes import differences
from ..records import Act, Decision, Template, Trial
from ..stats import wilson
from .data import percent
from .page import Html, absent, element, join, note, table
from .story import Story

_SIGNS = {"+": "added", "-": "removed"}


def section(story: Story) -> list[Any]:
    """Choices by iteration, the versions tried, what the reviewers did, and the rules in use now."""
    decided: dict[int, Decision] = {it.number: it.load("decision") for it in story.iterations
                                    if it.has("decision")}
    if not decided:
        return ["", absent("The choice of a template", "04_prompt_optimization")]
    lead = "Versions of the generation prompt are tried on a few queries, and one is chosen."
    header = ["iteration", "template", "chosen by", "reason"]
    rows = [[str(number), element("code", d.template_id), d.chosen_by, d.reason or "–"]
            for number, d in decided.items()]
    chosen = table("Template chosen", header, rows, n_text=len(header))
    return [lead, chosen, _tried(story, decided), *_sessions(story), *_rules(story)]


def _tried(story: Story, decided: dict[int, Decision]) -> Html:
    """Every template of every iteration with the share of its samples that were accepted."""
    known = _templates(story)
    rows = []
    for number, trials in story.all_with("trials").items():
        by_template: dict[str, list[Trial]] = {}
        for trial in trials:
            by_template.setdefault(trial.template_id, []).append(trial)
        for name, given in by_template.items():
            is_chosen = number in decided and decided[number].template_id == name
            rows.append([str(number), element("code", name), *_origin(known.get(name)),
                         "chosen" if is_chosen else "", *_share(given)])
    header = ["iteration", "template", "made from", "what is new", "result", "tried on", "accepted, %",
              "95 % interval"]
    return table("Templates tried", header, rows, n_text=5) if rows else Html("")


def _templates(story: Story) -> dict[str, Template]:
    found = [it.load("template") for it in story.iterations if it.has("template")]
    found += [template for given in story.all_with("templates").values() for template in given]
    return {template.id: template for template in found}


def _origin(template: Template | None) -> list[Any]:
    if template is None:
        return ["", ""]
    return [element("code", template.parent) if template.parent else "–", template.note or "–"]


def _share(trials: list[Trial]) -> list[str]:
    """How many queries, and the share accepted: by a person where one looked, else by the checks."""
    return _accepted([one.verdict == "accept" if one.verdict else one.accepted for one in trials])


def _accepted(verdicts: list[bool]) -> list[str]:
    """How many, the share accepted in per cent, and its interval."""
    low, high = wilson(sum(verdicts), len(verdicts))
    share = percent(sum(verdicts) / len(verdicts))
    return [f"{len(verdicts):,}", share, f"{percent(low)} to {percent(high)}"]


def _sessions(story: Story) -> list[Html]:
    """What reviewers and policies did in each iteration, and what it took."""
    sessions: dict[int, list[Act]] = {n: acts for n, acts in story.all_with("session").items() if acts}
    if not sessions:
        return []
    header = ["iteration", "who", "reviews", "rejected for", "rounds", "requests", "USD", "seconds"]
    rows = [_session_row(number, acts) for number, acts in sessions.items()]
    return [table("Prompt sessions", header, rows, n_text=2), *_tests(sessions)]


def _tests(sessions: dict[int, list[Act]]) -> list[Html]:
    """The templates that were compared on fresh queries in the end."""
    tests = [(str(number), act) for number, acts in sessions.items() for act in acts if act.kind == "test"]
    rows = [
        [number, act.text, element("code", act.template_id), *_accepted([s.accepted for s in act.samples])]
        for number, act in tests if act.samples
    ]  # fmt: skip
    header = ["iteration", "contestant", "template", "fresh queries", "accepted, %", "95 % interval"]
    return [table("Compared on fresh queries", header, rows, n_text=3)] if rows else []


def _session_row(number: int, acts: list[Act]) -> list[Any]:
    reviews = [act for act in acts if act.kind == "review"]
    reasons = Counter(reason for act in reviews for reason in act.reasons)
    counted = [act for act in acts if act.kind != "test"]
    return [
        str(number), ", ".join(dict.fromkeys(act.who for act in acts)), f"{len(reviews):,}",
        ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(3)) or "–",
        f"{max(act.round for act in acts):,}", f"{sum(act.requests for act in counted):,}",
        f"{sum(act.usd for act in counted):,.2f}", f"{sum(act.seconds for act in counted):,.0f}",
    ]  # fmt: skip


def _rules(story: Story) -> list[Html]:
    """The rules of the latest template, and what has changed since the first."""
    used = [(it.number, it.load("template")) for it in story.iterations if it.has("template")]
    if not used:
        return []
    (_, first), (number, last) = used[0], used[-1]
    rules = [element("h3", f"The rules of {last.id}, used in iteration {number}"),
             element("ol", join(element("li", rule) for rule in last.rules))]
    lines = [element("li", f"{_SIGNS[line.sign]}, {line.part}: {line.text}")
             for line in differences(first, last) if line.sign in _SIGNS]
    if first.id == last.id:
        return [*rules, note(f"All iterations so far used {first.id}.")] if len(used) > 1 else rules
    return [*rules, element("h3", f"Changed since {first.id}"), element("ul", join(lines))]
