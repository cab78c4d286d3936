"""Questions and answers in free words, held against the annotations of an image that need not be complete.

What is annotated decides; what is not annotated may still be there. `read` finds what a question asks,
`judge_options` what is known of each option.
"""

from collections.abc import Callable, Sequence

from ..judges import Verdict
from ..view import View
from . import acts, looks, places
from .answers import read_yes
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
         ("action", "acted_on", "actor", "doing", "is_acting")),
        (("Text Understanding",), ("word",)),
    )
    for form in forms
}


# Nouns after "which" that leave the type of a question as it is; "which year" or "which letters" do not.
_PLAIN_NOUNS = frozenset(("thing", "things", "object", "objects", "item", "items", "animal", "person"))
_SURE = frozenset(("colour", "material", "colour_at", "is_colour", "word"))  # however more is said


def types_of(reading: Reading) -> frozenset[str]:
    """The types (of `question_types.QUESTION_TYPES`) that a question can be; none where its words leave that
    open.
    """
    plain = reading.form in _SURE or (reading.is_plain
                                      and reading.words.get("noun", "thing") in _PLAIN_NOUNS)
    return TYPES.get(reading.form, frozenset()) if plain else frozenset()


def judge_options(view: View, reading: Reading, options: Sequence[str]) -> tuple[Verdict, ...]:
    """What the annotations say of each option as the answer to a question that was read."""
    if reading.form == "position":
        exact = places.names_ninths(options)
        return tuple(places.judge_position(view, reading, option, exact) for option in options)
    if reading.form in ASSERTIONS:
        verdict = ASSERTIONS[reading.form](view, reading)
        return tuple(_yes_or_no(verdict, option) for option in options)
    return tuple(JUDGES[reading.form](view, reading, option) for option in options)


def _yes_or_no(verdict: Verdict, option: str) -> Verdict:
    said = read_yes(option)
    if said is None or verdict == "undecided":
        return "undecided"
    return "holds" if said == (verdict == "holds") else "contradicted"


__all__ = ["TYPES", "Reading", "judge_options", "read", "types_of"]
