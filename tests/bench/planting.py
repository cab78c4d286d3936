"""Errors of known kinds, planted into samples that are known to be good."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from dataengine_utils.facts import free
from dataengine_utils.facts.words import with_article
from dataengine_utils.picturebook import truth, world
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import LETTERS, Draft


class Good(NamedTuple):
    """A good sample: its draft, its question type, its facts, and the scene that knows the truth."""

    draft: Draft
    question_type: str
    facts: dict[str, str]
    scene: world.Scene


class Planted(NamedTuple):
    """A sample with one error of a kind: the draft, and the type it was asked for."""

    draft: Draft
    question_type: str


Plant = Callable[[Good, random.Random], Planted | None]

POOLS: dict[str, tuple[str, ...]] = {
    "place": world.SETTINGS,
    "sky": world.SKIES,
    "colour": world.COLOURS,
    "colour_at": world.COLOURS,
    "position": world.POSITIONS,
    "count": truth.NUMBERS,
    "count_people": truth.NUMBERS,
    "direction": truth.DIRECTIONS,
    "action": world.ACTIONS,
    "need": tuple(truth.NEEDS.values()),
    "outing": tuple(truth.OUTINGS.values()),
    "sound": tuple(truth.SOUNDS.values()),
    "word": world.WORDS,
}
_LEAKS = (
    lambda d: replace(d, instruction=f"According to the bounding boxes, {d.instruction[0].lower()}"
                                     f"{d.instruction[1:]}"),
    lambda d: replace(d, answer=f"{d.answer[:-1]}, at [0.12, 0.30, 0.55, 0.71]."),
    lambda d: replace(d, answer=f"{d.answer[:-1]}, as the description says."),
    lambda d: replace(d, instruction=f"{d.instruction[:-1]} in the region with coordinates (34, 10)?"),
    lambda d: replace(d, answer=f"Based on the annotations, {d.answer[0].lower()}{d.answer[1:]}"),
    lambda d: replace(d, answer=f"{d.answer[:-1]} as mentioned in the captions."),
    lambda d: _in_options(d, " [12, 30, 55, 71]"),
)
_OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def plant_values(*forms: str) -> Plant:
    """Plant a wrong answer of the question's own kind, for questions of these forms.

    Half of them mark another option as right, as a writer does who mixes things up; in the other half the
    truth is not among the options at all.
    """

    def plant(good: Good, rng: random.Random) -> Planted | None:
        if good.facts["form"] not in forms:
            return None
        return _other_marked(good, rng) if rng.random() < 0.5 else _truth_gone(good, rng)

    return plant


def plant_flip(good: Good, rng: random.Random) -> Planted | None:
    """Turn a relation around: the opposite direction, the thing on the other side, another end of the act."""
    draft, facts, scene = good.draft, good.facts, good.scene
    if facts["form"] == "direction":
        return _marked(good, _OPPOSITE[draft.short_answer])
    if facts["form"] == "neighbour":
        turned, kinds = facts | {"direction": _OPPOSITE[facts["direction"]]}, world.KINDS
        others = [k for k in kinds if truth.holds(scene, turned, k) and not truth.holds(scene, facts, k)]
    elif facts["form"] in ("acted_on", "actor"):
        others = [t.kind for t in scene.things if not truth.holds(scene, facts, t.kind)]
    elif facts["form"] == "action":
        others = [act for act in world.ACTIONS if {act, draft.short_answer} != {"riding", "sitting on"}]
        others = [act for act in others if not truth.holds(scene, facts, act)]
    else:
        return None
    if not others:
        return None
    return _answered(good, rng.choice(sorted(set(others))), rng)


def plant_second(good: Good, rng: random.Random) -> Planted | None:
    """Put another true answer in the place of a wrong option, where the picture has one."""
    draft, facts = good.draft, good.facts
    more = [value for value in POOLS.get(facts["form"], world.KINDS)
            if value not in draft.options and truth.holds(good.scene, facts, value)]
    return _with_option(good, rng.choice(more), rng) if more else None


def plant_leak(good: Good, rng: random.Random) -> Planted:
    return Planted(rng.choice(_LEAKS)(good.draft), good.question_type)


def plant_giveaway(good: Good, rng: random.Random) -> Planted:
    """Say the answer before the question, or in it."""
    said = rng.choice((f"{good.draft.answer} ", f"We see: {good.draft.short_answer}. "))
    return Planted(replace(good.draft, instruction=said + good.draft.instruction), good.question_type)


def plant_type(good: Good, rng: random.Random) -> Planted | None:
    """Answer a query of a type that the question's form cannot have."""
    types, form = tuple(QUESTION_TYPES.values()), good.facts["form"]
    fitting = free.TYPES.get(_FREE.get(form, form), types)
    wrong = [name for name in types if name not in fitting]
    return Planted(good.draft, rng.choice(wrong)) if wrong else None


def plant_repeat(good: Good, rng: random.Random) -> Planted:
    """Write one option twice, with another case, an article, a full stop or digits for a number."""
    draft = good.draft
    right = LETTERS.index(draft.choice)
    source, target = rng.sample(range(4), 2)
    source, target = (target, source) if target == right else (source, target)
    text = draft.options[source]
    again = rng.choice((text.upper(), f"{text}.", with_article(text), text.title(), f" {text} "))
    if text.lower() in truth.NUMBERS:
        again = str(truth.NUMBERS.index(text.lower()) + 1)
    options = [*draft.options]
    options[target] = again
    return Planted(replace(draft, options=tuple(options)), good.question_type)


def plant_letter(good: Good, rng: random.Random) -> Planted:
    """Mark a letter that is not the short answer's."""
    wrong = rng.choice([letter for letter in LETTERS[:4] if letter != good.draft.choice])
    return Planted(replace(good.draft, choice=wrong), good.question_type)


_FREE = {"count_people": "count", "kind_of_colour": "colour_of", "use": "outing"}
_NAMED = ("kind_at", "present", "kind_of_colour", "neighbour", "acted_on", "actor")

# Errors in what is said, planted before the sample is put in other words.
VALUES: dict[str, Plant] = {
    "wrong count": plant_values("count", "count_people"),
    "flipped relation": plant_flip,
    "wrong attribute": plant_values("colour", "colour_at"),
    "wrong location": plant_values("position"),
    "wrong place or weather": plant_values("place", "sky"),
    "other text than read": plant_values("word"),
    "two right options": plant_second,
    "wrong thing": plant_values(*_NAMED),
}
# Errors in how it is said, planted afterwards.
WORDS: dict[str, Plant] = {
    "box leak": plant_leak,
    "answer in the question": plant_giveaway,
    "wrong type": plant_type,
    "repeated options": plant_repeat,
    "another letter": plant_letter,
}
# What annotations that need not be complete cannot show of a question in free words: a thing that is not
# annotated may be there all the same. It is checked where facts are stated.
UNCHECKABLE_IN_WORDS = ("wrong thing",)


def _other_marked(good: Good, rng: random.Random) -> Planted | None:
    others = [o for o in good.draft.options if o != good.draft.short_answer and not _is_said_too(good, o)]
    return _marked(good, rng.choice(others)) if others else None


def _truth_gone(good: Good, rng: random.Random) -> Planted | None:
    draft, facts = good.draft, good.facts
    false = [value for value in POOLS.get(facts["form"], world.KINDS) if value not in draft.options
             and not truth.holds(good.scene, facts, value) and not _is_said_too(good, value)]
    if not false:
        return _other_marked(good, rng)
    return Planted(_replaced(draft, LETTERS.index(draft.choice), rng.choice(false)), good.question_type)


# Weathers that the world keeps apart, and that a picture may well show at once.
_SKIES_AT_ONCE = ({"cloudy", "rainy"}, {"cloudy", "snowy"}, {"night", "cloudy"}, {"night", "rainy"},
                  {"night", "snowy"})


def _is_said_too(good: Good, value: str) -> bool:
    """Whether ordinary words would let a false value pass: "left" of what is in the top left; for what is "at
    the bottom", the colour of a thing in the bottom left; "cloudy" of rain.
    """
    form, answer = good.facts["form"], good.draft.short_answer
    if form == "sky":
        return {value, answer} in _SKIES_AT_ONCE
    if form == "position":
        return set(value.split()) < set(answer.split())
    position = good.facts.get("position", "")
    if form != "colour_at" or " " in position or position == "middle":
        return False
    return any(t.colour == value and position in world.POSITIONS[t.cell].split() for t in good.scene.things)


def _answered(good: Good, value: str, rng: random.Random) -> Planted:
    """The draft with a value as its answer: marked where it is an option, else in the right one's place."""
    if value in good.draft.options:
        return _marked(good, value)
    return Planted(_replaced(good.draft, LETTERS.index(good.draft.choice), value), good.question_type)


def _marked(good: Good, value: str) -> Planted:
    """The draft with another of its options marked, in the sentence too."""
    draft = good.draft
    answer = draft.answer.replace(draft.short_answer, value)
    letter = LETTERS[draft.options.index(value)]
    return Planted(replace(draft, answer=answer, short_answer=value, choice=letter), good.question_type)


def _replaced(draft: Draft, place: int, value: str) -> Draft:
    options = (*draft.options[:place], value, *draft.options[place + 1:])
    answer = draft.answer.replace(draft.short_answer, value)
    return replace(draft, answer=answer, short_answer=value, options=options)


def _with_option(good: Good, value: str, rng: random.Random) -> Planted:
    draft = good.draft
    places: Sequence[int] = [n for n in range(4) if LETTERS[n] != draft.choice]
    place = rng.choice(places)
    options = (*draft.options[:place], value, *draft.options[place + 1:])
    return Planted(replace(draft, options=options), good.question_type)


def _in_options(draft: Draft, text: str) -> Draft:
    options = tuple(option + text for option in draft.options)
    return replace(draft, options=options, short_answer=draft.short_answer + text)
