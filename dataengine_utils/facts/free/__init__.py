"""Questions and answers in free words, held against the annotations of an image that need not be complete.

What is annotated decides; what is not annotated may still be there. `read` finds what a question asks,
`judge_options` what is known of each option.
"""

import re
from collections.abc import Callable, Sequence

from ..judges import Verdict
from ..view import View
from ..words import head, is_kind_of
from . import acts, looks, places
from .answers import read_yes
from .phrases import read_phrase
from .reading import Reading, read

Judge = Callable[[View, Reading, str], Verdict]

JUDGES: dict[str, Judge] = {
    "sky": looks.judge_sky, "place": looks.judge_place, "need": looks.judge_need,
    "outing": looks.judge_outing, "sound": looks.judge_sound,
    "present": looks.judge_present, "kind_at": places.judge_kind_at, "colour_of": looks.judge_kind_of_colour,
    "colour": looks.judge_colour, "material": looks.judge_material, "colour_at": places.judge_colour_at,
    "count": looks.judge_count, "word": looks.judge_word,
    "direction": places.judge_direction, "neighbour": places.judge_neighbour, "beside": places.judge_beside,
    "action": acts.judge_action, "acted_on": acts.judge_acted_on, "actor": acts.judge_actor,
    "doing": acts.judge_doing,
}  # fmt: skip

# Questions that are answered by yes or no: the judge says whether what they ask is so.
ASSERTIONS: dict[str, Callable[[View, Reading], Verdict]] = {
    "is_there": looks.judge_is_there, "is_colour": looks.judge_is_colour,
    "is_beside": places.judge_is_beside, "is_acting": acts.judge_is_acting,
}

# The types (of `question_types.QUESTION_TYPES`) that a question of a form can be; others fit any type.
TYPES: dict[str, frozenset[str]] = {
    form: frozenset(types)
    for types, forms in (
        (("Scene Understanding", "Visual Reasoning"), ("sky", "place")),
        (("Visual Reasoning", "Scene Understanding"), ("need", "outing", "sound")),
        (("Instance Identity", "Scene Understanding", "Visual Reasoning"), ("present",)),
        (("Instance Identity", "Instance Location"), ("kind_at",)),
        (("Instance Identity", "Instance Attributes"), ("colour_of",)),
        (("Instance Attributes",), ("colour", "material", "colour_at", "is_colour")),
        (("Instance Location", "Spatial Relation"), ("position",)),
        (("Instances Counting",), ("count",)),
        (("Spatial Relation",), ("direction", "is_beside")),
        (("Spatial Relation", "Instance Identity", "Instance Location"), ("neighbour", "beside")),
        (("Instance Interaction", "Instance Identity", "Visual Reasoning"),
         ("action", "acted_on", "actor", "is_acting")),
        (("Instance Interaction", "Instance Identity", "Visual Reasoning", "Scene Understanding"),
         ("doing",)),
        (("Text Understanding",), ("word",)),
    )
    for form in forms
}
_SURE = frozenset(("colour", "material", "colour_at", "is_colour", "word"))  # however more is said
# What belongs to the whole scene: its colour, or where it is, is a matter of the scene too.
_OF_THE_SCENE = frozenset(("sky", "people", "person", "water", "ground", "grass", "snow", "cloud", "field"))


_NAMED = frozenset(("present", "kind_at", "colour_of", "neighbour", "beside", "acted_on", "actor"))


def types_of(reading: Reading, options: Sequence[str] = ()) -> frozenset[str]:
    """The types (of `question_types.QUESTION_TYPES`) that a question can be; none where its words leave that
    open. Where things are asked for, options that are more than names ("a red car") leave it open too.
    """
    if reading.form == "open_word":
        return TYPES["word"] if options and _are_written(options) else frozenset()
    if not (reading.form in _SURE or reading.is_plain) or reading.form not in TYPES:
        return frozenset()
    if reading.form in _NAMED and not all(map(_is_name, options)):
        return frozenset()
    more = set()
    asked = reading.things.get("x")
    if asked and reading.form in ("colour", "position") and head(asked.name) in _OF_THE_SCENE:
        more.add("Scene Understanding")
    if reading.words.get("act", "").split()[:1] == ["wearing"]:
        more.add("Instance Attributes")
    if "posture" in reading.words:
        more.add("Instance Interaction")
    return TYPES[reading.form] | more


def _is_name(option: str) -> bool:
    phrase = read_phrase(option)
    return bool(phrase and not phrase.colours and not phrase.loose)


def implies(reading: Reading, right: str, other: str) -> bool:
    """Whether another option is right wherever an option is: "an animal" if "a horse" is."""
    one, two = read_phrase(right), read_phrase(other)
    if reading.form not in _NAMED or not one or not two or two.colours or two.loose:
        return False
    return is_kind_of(one.name, two.name)


def judge_options(view: View, reading: Reading, options: Sequence[str]) -> tuple[Verdict, ...]:
    """What the annotations say of each option as the answer to a question that was read."""
    if reading.form == "position":
        exact = places.names_ninths(options)
        return tuple(places.judge_position(view, reading, option, exact) for option in options)
    if reading.form == "open_word":
        return _judge_open(view, reading, options)
    if reading.form in ASSERTIONS:
        verdict = ASSERTIONS[reading.form](view, reading)
        return tuple(_yes_or_no(verdict, option) for option in options)
    return tuple(JUDGES[reading.form](view, reading, option) for option in options)


def _judge_open(view: View, reading: Reading, options: Sequence[str]) -> tuple[Verdict, ...]:
    """"What is on the sign?" asks for words where all options look written,
    else for whatever may be there."""
    if _are_written(options):
        return tuple(looks.judge_word(view, reading, option) for option in options)
    return ("undecided",) * len(options)


def _are_written(options: Sequence[str]) -> bool:
    return all(_WRITTEN.fullmatch(option.strip(" .")) for option in options)


_WRITTEN = re.compile(r"[\"“'‘].+[\"”'’]|[^a-z]*[A-Z][^a-z]*|[\d.,:/ -]+")


def _yes_or_no(verdict: Verdict, option: str) -> Verdict:
    said = read_yes(option)
    if said is None or verdict == "undecided":
        return "undecided"
    return "holds" if said == (verdict == "holds") else "contradicted"


__all__ = ["TYPES", "Reading", "implies", "judge_options", "read", "types_of"]
