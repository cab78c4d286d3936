"""What the annotations say about an answer: one form a kind of question, asked of every option.

A question states its facts as {"form": name, ...arguments}, the same forms and arguments as
`picturebook.truth`, which judges drawn scenes exactly; here the judge sees the annotations alone, and may say
that they do not decide.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..picturebook.truth import DIRECTIONS
from ..picturebook.world import POSITIONS
from . import judges
from .judges import Facts, Verdict
from .view import View


class Form(NamedTuple):
    """`clear` says whether the question has one meaning in this image, `judge` what is known of an option."""

    question_type: str
    arguments: tuple[str, ...]
    clear: Callable[[View, Facts], bool]
    judge: Callable[[View, Facts, str], Verdict]


_SCENE, _WHO, _LOOK = "Scene Understanding", "Instance Identity", "Instance Attributes"
_WHERE, _COUNT, _SPACE = "Instance Location", "Instances Counting", "Spatial Relation"
_ACT, _THINK, _READ = "Instance Interaction", "Visual Reasoning", "Text Understanding"

FORMS: dict[str, Form] = {
    "place": Form(_SCENE, (), judges.clear_place, judges.judge_place),
    "sky": Form(_SCENE, (), judges.clear_sky, judges.judge_sky),
    "kind_at": Form(_WHO, ("position",), judges.clear_part, judges.judge_kind_at),
    "present": Form(_WHO, (), judges.always, judges.judge_present),
    "kind_of_colour": Form(_WHO, ("colour",), judges.clear_colour_of, judges.judge_kind_of_colour),
    "colour": Form(_LOOK, ("kind",), judges.one_thing, judges.judge_colour),
    "material": Form(_LOOK, ("kind",), judges.one_thing, judges.judge_material),
    "colour_at": Form(_LOOK, ("position",), judges.clear_part, judges.judge_colour_at),
    "position": Form(_WHERE, ("kind",), judges.clear_position, judges.judge_position),
    "count": Form(_COUNT, ("kind",), judges.clear_count, judges.judge_count),
    "count_people": Form(_COUNT, (), judges.clear_count_people, judges.judge_count_people),
    "direction": Form(_SPACE, ("kind", "from_kind"), judges.clear_direction, judges.judge_direction),
    "neighbour": Form(_SPACE, ("from_kind", "direction"), judges.one_other, judges.judge_neighbour),
    "action": Form(_ACT, ("subject", "object"), judges.clear_action, judges.judge_action),
    "acted_on": Form(_ACT, ("subject", "action"), judges.clear_acted_on, judges.judge_acted_on),
    "actor": Form(_ACT, ("action", "object"), judges.clear_actor, judges.judge_actor),
    "need": Form(_THINK, (), judges.clear_sky, judges.judge_need),
    "outing": Form(_THINK, (), judges.clear_outing, judges.judge_outing),
    "sound": Form(_THINK, (), judges.always, judges.judge_sound),
    "use": Form(_THINK, (), judges.always, judges.judge_use),
    "word": Form(_READ, (), judges.clear_word, judges.judge_word),
}


def known_form(facts: Facts) -> bool:
    """Whether facts state one of `FORMS` with all its arguments; places and directions must be known."""
    if not all(isinstance(value, str) for value in facts.values()) or facts.get("form") not in FORMS:
        return False
    closed = {"position": POSITIONS, "direction": DIRECTIONS}
    arguments = FORMS[facts["form"]].arguments
    return all(facts.get(name) and facts[name] in closed.get(name, (facts[name],)) for name in arguments)


def is_clear(view: View, facts: Facts) -> bool:
    """Whether a question with these facts has one meaning and one answer in this image."""
    return FORMS[facts["form"]].clear(view, facts)


def judge(view: View, facts: Facts, option: str) -> Verdict:
    """What the annotations say of an option as the answer to the question with these facts."""
    return FORMS[facts["form"]].judge(view, facts, option)
