"""What to do next: rules that read the run's numbers, the most urgent first."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean
from typing import Any

from ..stats import detectable_change
from ..verification import EASY, HARD
from ..weakness import Change
from .data import interval, percent, points
from .page import Html, element, join
from .story import Story

MOST = 8
"""So many pieces of advice at most."""
WORTH_SEEING = 0.05
"""A change that the questions of a type should be able to show (share)."""
LOW_ACCEPTANCE = 0.75
MANY_UNPARSED = 0.02
_STILL_FALLING = 0.9  # the loss of the last fifth against that of the fifth before
_MOST_QUESTIONS = 10**6
_ENOUGH_REPLIES = 20
_MOST_OF_A_KIND = 2


@dataclass(frozen=True)
class Advice:
    """What the numbers say, the numbers themselves, and what to do about it."""

    title: str
    grounds: str
    act: str


def advise(story: Story) -> list[Advice]:
    """All advice for a run, the most urgent first."""
    return [one for rule in RULES for one in rule(story)]


def section(story: Story) -> list[Any]:
    """The advice as a list."""
    found = advise(story)[:MOST]
    lead = "From the numbers of this run, the most urgent first; the parts below have them in full."
    return [lead, element("ol", join(_item(one) for one in found), class_="advice")]


def _item(one: Advice) -> Html:
    parts = [element("strong", one.title), element("span", one.grounds), element("span", one.act)]
    return element("li", join(parts))


def _unfinished(story: Story) -> Iterator[Advice]:
    """A run that stopped before its first evaluation, or after a training."""
    trained = [it.number for it in story.iterations if it.has("adapter") or it.has("train_log")]
    resume = f"python -m dataengine_utils.loop resume {_folder(story)}"
    if not story.tables:
        yield Advice("Measure the base student first", "The run has no evaluation yet.", resume)
    elif trained and trained[-1] + 1 >= len(story.tables):
        grounds = f"Iteration {trained[-1]} has trained; the last evaluation was before it."
        yield Advice("The last round is not measured yet", grounds, resume)
    elif len(story.tables) == 1:
        yield Advice("No round is finished yet", "Only the base student is measured.", resume)


def _folder(story: Story) -> str:
    """The run's folder as one would type it: not where it lies on this machine, which is no part of a run."""
    return f"outputs/{story.run.path.name}"


def _fell(story: Story) -> Iterator[Advice]:
    """Types that are lower than at the base, by more than chance."""
    for name, one in _of_types(story.changed):
        if one.verdict == "lower":
            yield Advice(
                f"{name} fell",
                f"{_change(one)} points since iteration 0 on {one.n:,} questions: more than chance.",
                "Try more replay (replay_samples), a lower learning_rate, or a round without the type that "
                "gained most; the part on bad cases shows what is lost.",
            )


def _kept(story: Story) -> Iterator[Advice]:
    """The gate kept the student in the last iterations."""
    decisions = {it.number: it.load("gate") for it in story.iterations if it.has("gate")}
    turns = list(takewhile(lambda number: not decisions[number].promoted, sorted(decisions, reverse=True)))
    if not turns:
        return
    attempts = [one for number in turns for one in decisions[number].attempts]
    [(reason, n)] = Counter(one.reason.partition(" (p")[0] for one in attempts).most_common(1)
    times = {1: "once", 2: "twice in a row"}.get(len(turns), f"{len(turns)} times in a row")
    yield Advice(
        f"The gate kept the student {times}",
        f"Iteration {', '.join(map(str, sorted(turns)))}: of {len(attempts)} trainings none passed; {reason} "
        f"({n} of {len(attempts)}).",
        _instead(story, reason, {one.name for one in decisions[turns[0]].attempts}),
    )


def _instead(story: Story, reason: str, tried: Collection[str]) -> str:
    """What to do where the gate kept the student, for the most frequent reason, after some attempts."""
    if "no more than chance" in reason:
        return "Make more samples (budget), or ask more sealed questions: a small rise needs many to show."
    untried = [name for name in story.run.profile.fallbacks if name not in tried]
    if untried:
        return f"Let it try more: a new run with a larger fallback_budget; not tried: {', '.join(untried)}."
    return "Change what is trained: a lower learning_rate, more replay_samples, fewer epochs, other data."


def _no_gain(story: Story) -> Iterator[Advice]:
    """The types that were given most, and more than an equal share, and do not show a gain."""
    found = [one for one in story.gains if one.question_type != "all"]
    total = sum(one.samples for one in found)
    idle = [one for one in found if one.samples * len(found) > total and one.change.verdict != "higher"]
    for one in sorted(idle, key=lambda one: -one.samples)[:_MOST_OF_A_KIND]:
        if one.change.paired.high >= WORTH_SEEING:
            result = "whether it gained is not certain"
            act = "A gain may hide in the interval: ask more questions before taking the data away."
        else:
            result = "it shows no gain"
            act = (
                "Compare its samples with its bad cases: do they ask the same thing? The strategy gain would "
                "give it less (strategy=gain)."
            )
        yield Advice(
            f"{one.question_type} got {percent(one.samples / total)} % of the samples; {result}",
            f"{one.samples:,} samples; change {_change(one.change)} points on {one.change.n:,} questions.",
            act,
        )


def _acceptance(story: Story) -> Iterator[Advice]:
    """Types of which many replies of the latest batch were rejected, and why."""
    last = story.last_with("generated")
    if last is None:
        return
    by_type: dict[str, list[Any]] = {}
    for reply in last.load("generated"):
        if reply.reason not in (EASY, HARD):  # no prompt changes what the student knows
            by_type.setdefault(reply.question_type, []).append(reply)
    low = {name: given for name, given in by_type.items() if len(given) >= _ENOUGH_REPLIES
           and sum(reply.accepted for reply in given) < LOW_ACCEPTANCE * len(given)}
    worst = sorted(low.items(), key=lambda item: fmean(reply.accepted for reply in item[1]))
    for name, given in worst[:_MOST_OF_A_KIND]:
        rejected = Counter(reply.reason for reply in given if not reply.accepted)
        [(reason, n)] = rejected.most_common(1)
        share = percent(fmean(reply.accepted for reply in given))
        yield Advice(
            f"Only {share} % of the replies for {name} are accepted, mostly because: {reason}",
            f"Iteration {last.number}: {len(given):,} replies, {n:,} of {rejected.total():,} rejects for it.",
            "Look at them in notebook 04_prompt_optimization, and try a rule against it.",
        )


def _unparsed(story: Story) -> Iterator[Advice]:
    """Replies of the student that could not be read."""
    scores = story.tables[-1][story.split]["overall"] if story.tables else {"n": 0}
    if scores["n"] and scores["unparsed"] > MANY_UNPARSED * scores["n"]:
        yield Advice(
            f"{scores['unparsed']:,} of {scores['n']:,} replies cannot be read as an answer",
            f"That is {percent(scores['unparsed'] / scores['n'])} %, and they count as not right.",
            "Look at them in notebook 01_evaluate; answer_mode=letter or text ranks the options instead.",
        )


def _inside(story: Story) -> Iterator[Advice]:
    """The weakest cluster that is clearly below its own type."""
    last = story.last_with("clusters")
    if last is None or not last.has("weakness"):
        return
    of_type = {row.question_type: row.accuracy for row in last.load("weakness")}
    below = [one for one in last.load("clusters") if one.high < of_type.get(one.question_type, 0)]
    for one in below[:1]:
        yield Advice(
            f"Inside {one.question_type}, the weak part is: {one.name}",
            f"{one.right:,} of {one.n:,} right, {percent(of_type[one.question_type])} % in the whole type.",
            "Ask for it by name: a definition of the type or a rule in the template (notebook 04).",
        )


def _too_wide(story: Story) -> Iterator[Advice]:
    """Types whose change is not known, for want of questions that could show one that matters."""
    needed = {}
    for name, row in story.tables[-1][story.split]["types"].items() if story.tables else ():
        if story.changed and story.changed[name].verdict:
            continue
        by_chance = 2 * row["accuracy"] * (1 - row["accuracy"])
        flipped = story.changed[name].flipped if story.changed else by_chance
        if row["n"] and detectable_change(row["n"], flipped) > WORTH_SEEING:
            needed[name] = (row["n"], questions_needed(WORTH_SEEING, flipped))
    if not needed:
        return
    worst = sorted(needed.items(), key=lambda item: -item[1][1] / item[1][0])[:3]
    each = "; ".join(f"{name} has {n:,} and needs {wanted:,}" for name, (n, wanted) in worst)
    yield Advice(
        f"A change of {100 * WORTH_SEEING:.0f} points could go unseen in {len(needed)} types",
        f"To show it with 80 % power at the 5 % level, of {story.split} questions {each}.",
        "Ask more questions of these types, and read their changes as unknown rather than as none.",
    )


def questions_needed(change: float, flipped: float) -> int:
    """How many questions show a change of a share (0..1) when so large a share of answers flips.

    By `stats.detectable_change`; a change cannot be larger than the share that flips, so that is at least it.
    """
    share = min(1.0, max(flipped, change))
    return 1 + bisect_left(
        range(1, _MOST_QUESTIONS), True, key=lambda n: detectable_change(n, share) <= change
    )


def _loss(story: Story) -> Iterator[Advice]:
    """A loss that still falls where the training ends."""
    last = story.last_with("train_log")
    losses = [row["loss"] for row in last.load("train_log") if "loss" in row] if last else []
    fifth = len(losses) // 5
    if not last or fifth < 10:
        return
    before, after = fmean(losses[-2 * fifth : -fifth]), fmean(losses[-fifth:])
    if after < _STILL_FALLING * before:
        yield Advice(
            "The training ends before it is done",
            f"Iteration {last.number}: the loss is {after:.3f} in the last fifth of the steps, {before:.3f} "
            "in the fifth before.",
            "Try more epochs, or a higher learning_rate.",
        )


def _another_round(story: Story) -> Iterator[Advice]:
    """Whether another round is worth it, by what the last one did."""
    if not story.steps or "all" not in story.steps[-1] or len(story.tables) - 1 in story.kept:
        return
    last, number = story.steps[-1]["all"], len(story.tables) - 1
    go_on = f"python -m dataengine_utils.loop resume {_folder(story)} --iterations {number + 1}"
    brought = f"The last one brought {_change(last)} points on {last.n:,} questions"
    if last.verdict == "higher":
        yield Advice("Another round is likely to help", f"{brought}: more than chance.", go_on)
    else:
        yield Advice(
            "The last round brought nothing that shows",
            f"{brought}: no more than chance could.",
            "Change something first: the strategy, the prompt, or the number of samples.",
        )


def _change(one: Change) -> str:
    return f"{points(one.paired.difference)} ({interval(one.paired)})"


def _of_types(changed: dict[str, Change]) -> list[tuple[str, Change]]:
    """The types, the largest fall first."""
    types = [(name, one) for name, one in changed.items() if name != "all"]
    return sorted(types, key=lambda item: item[1].paired.difference)


RULES: tuple[Callable[[Story], Iterator[Advice]], ...] = (
    _unfinished,
    _fell,
    _kept,
    _no_gain,
    _acceptance,
    _unparsed,
    _inside,
    _loss,
    _too_wide,
    _another_round,
)
