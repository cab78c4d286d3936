"""What the annotations say about an answer: one form a kind of question, asked of every option.

A question states its facts as {"form": name, ...arguments}, the same forms and arguments as
`picturebook.truth`, which judges drawn scenes exactly; here the judge sees the annotations alone, and may say
that they do not decide.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple

from ..picturebook.truth import DIRECTIONS, NEEDS, NUMBERS
from ..picturebook.world import POSITIONS
from .view import Thing, View
from .vocabulary import CALLS, NEAR_ACTS, NEAR_COLOURS, NEAR_MATERIALS, PLANS, USES
from .words import is_plural, may_be_same, plural

Verdict = Literal["holds", "contradicted", "undecided"]
Facts = dict[str, Any]
_MANY = re.compile(r"\b(?:many|several|lots|some|few|group|row|rows|line|pile|bunch)\b")


class Form(NamedTuple):
    """`clear` says whether the question has one meaning in this image, `judge` what is known of an option."""

    question_type: str
    arguments: tuple[str, ...]
    clear: Callable[[View, Facts], bool]
    judge: Callable[[View, Facts, str], Verdict]


def _yes(holds: bool) -> Verdict:
    return "holds" if holds else "contradicted"


def _of(value: str, option: str, near: Collection[frozenset[str]] = ()) -> Verdict:
    """Judge an option by the one value that is known; an option close to it is not decided."""
    if option == value:
        return "holds"
    return "undecided" if any({value, option} <= group for group in near) else "contradicted"


def _among(values: Collection[str], option: str, near: Collection[frozenset[str]]) -> Verdict:
    """Judge an option by a thing's values of one kind, of which none (unknown) or several (a mixture) decide
    nothing.
    """
    if not values:
        return "undecided"
    verdicts = {_of(value, option, near) for value in values}
    return verdicts.pop() if len(verdicts) == 1 else "undecided"


def _named(view: View, facts: Facts, prefix: str = "") -> Thing | None:
    return view.only(facts[f"{prefix}kind"], facts.get(f"{prefix}colour", ""))


def _judge_place(view: View, facts: Facts, option: str) -> Verdict:
    return "undecided" if option != view.place and option in view.places else _of(view.place, option)


def _judge_present(view: View, facts: Facts, option: str) -> Verdict:
    if option in view.names:
        return "holds"
    return "undecided" if view.mentioned(option) else "contradicted"


def _in_part(view: View, part: str) -> list[Thing]:
    return [thing for thing in view.things if view.part(thing) == part]


def _clear_part(view: View, facts: Facts) -> bool:
    found = _in_part(view, facts["position"])
    return len(found) == 1 and view.part_is_clear(found[0])


def _judge_kind_at(view: View, facts: Facts, option: str) -> Verdict:
    part = facts["position"]
    if any(thing.name == option for thing in _in_part(view, part)):
        return "holds"
    touching = any(may_be_same(thing.name, option) and view.reaches(thing, part) for thing in view.things)
    return "undecided" if touching or _unplaced(view, option) else "contradicted"


def _unplaced(view: View, option: str) -> bool:
    """Whether something speaks of a kind of thing that no box shows."""
    return not view.called(option) and view.mentioned(option)


def _clear_colour_of(view: View, facts: Facts) -> bool:
    return len({thing.name for thing in view.things if facts["colour"] in thing.colours}) == 1


def _judge_kind_of_colour(view: View, facts: Facts, option: str) -> Verdict:
    verdicts = {_among(t.colours, facts["colour"], NEAR_COLOURS) for t in view.called(option)}
    if "holds" in verdicts and option in view.names:
        return "holds"
    return "undecided" if verdicts - {"contradicted"} or _unplaced(view, option) else "contradicted"


def _one_thing(view: View, facts: Facts) -> bool:
    return _named(view, facts) is not None


def _judge_colour(view: View, facts: Facts, option: str) -> Verdict:
    thing = _named(view, facts)
    return _among(thing.colours, option, NEAR_COLOURS) if thing else "undecided"


def _judge_material(view: View, facts: Facts, option: str) -> Verdict:
    thing = _named(view, facts)
    return _among(thing.materials, option, NEAR_MATERIALS) if thing else "undecided"


def _judge_colour_at(view: View, facts: Facts, option: str) -> Verdict:
    verdicts = {_among(thing.colours, option, NEAR_COLOURS) for thing in _in_part(view, facts["position"])}
    return "holds" if "holds" in verdicts else "undecided" if "undecided" in verdicts else "contradicted"


def _clear_position(view: View, facts: Facts) -> bool:
    thing = _named(view, facts)
    return thing is not None and view.part_is_clear(thing)


def _judge_position(view: View, facts: Facts, option: str) -> Verdict:
    thing = _named(view, facts)
    return _of(view.part(thing), option) if thing else "undecided"


def _clear_count(view: View, facts: Facts) -> bool:
    """Whether the boxes are all there is to count: no group in one box, and no phrase that tells another
    number.
    """
    found = view.called(facts["kind"])
    names = plural(facts["kind"])
    if any(is_plural(thing.name) for thing in found) or len({thing.name for thing in found}) != 1:
        return False
    if len(found) > len(NUMBERS):
        return False
    return all(_agrees(phrase, len(found)) for phrase in view.phrases_about(names))


def _agrees(phrase: str, n: int) -> bool:
    if _MANY.search(phrase):
        return False
    told = [NUMBERS.index(word) + 1 for word in re.findall(r"[a-z]+", phrase) if word in NUMBERS]
    return told == [n]


def _judge_count(view: View, facts: Facts, option: str) -> Verdict:
    return _number(len(view.called(facts["kind"])), option)


def _clear_count_people(view: View, facts: Facts) -> bool:
    return 1 <= view.n_people <= len(NUMBERS) and all(
        _agrees(p, view.n_people) for p in view.phrases_about("people")
    )


def _judge_count_people(view: View, facts: Facts, option: str) -> Verdict:
    return _number(view.n_people, option)


def _number(n: int, option: str) -> Verdict:
    return _yes(option in NUMBERS and NUMBERS.index(option) + 1 == n)


def _clear_direction(view: View, facts: Facts) -> bool:
    thing, other = _named(view, facts), _named(view, facts, "from_")
    return thing is not None and other is not None and bool(view.direction(thing, other))


def _judge_direction(view: View, facts: Facts, option: str) -> Verdict:
    thing, other = _named(view, facts), _named(view, facts, "from_")
    if thing is None or other is None:
        return "undecided"
    return _of(view.direction(thing, other) or view.rough_directions(thing, other)[0], option)


def _one_other(view: View, facts: Facts) -> bool:
    return _named(view, facts, "from_") is not None


def _judge_neighbour(view: View, facts: Facts, option: str) -> Verdict:
    other, wanted = _named(view, facts, "from_"), facts["direction"]
    if other is None or _unplaced(view, option):
        return "undecided"
    things = [thing for thing in view.called(option) if thing is not other]
    if any(view.direction(t, other) == wanted for t in things) and option in view.names:
        return "holds"
    unsure = any(not view.direction(t, other) and wanted in view.rough_directions(t, other) for t in things)
    return "undecided" if unsure or (things and option not in view.names) else "contradicted"


def _acting(view: View, subject: str = "", act: str = "", other: str = "") -> list[tuple[Thing, str, Thing]]:
    return [(s, a, o) for s, a, o in view.acts
            if subject in ("", s.name) and act in ("", a) and other in ("", o.name)]


def _clear_action(view: View, facts: Facts) -> bool:
    return len(_acting(view, facts["subject"], "", facts["object"])) == 1


def _judge_action(view: View, facts: Facts, option: str) -> Verdict:
    return _among({a for _, a, _ in _acting(view, facts["subject"], "", facts["object"])}, option, NEAR_ACTS)


def _clear_acted_on(view: View, facts: Facts) -> bool:
    """One subject does it; what it does it to may be several things, of which the options name one."""
    found = _acting(view, facts["subject"], facts["action"])
    return len({s for s, _, _ in found}) == 1 and (len(found) == 1 or view.only(facts["subject"]) is not None)


def _judge_acted_on(view: View, facts: Facts, option: str) -> Verdict:
    found = _acting(view, facts["subject"], facts["action"])
    if any(o.name == option for _, _, o in found):
        return "holds"
    beside = [thing for s, _, _ in found for thing in view.things if _meet(s, thing)]
    unsure = any(may_be_same(thing.name, option) for thing in (*beside, *(o for _, _, o in found)))
    return "undecided" if unsure or not found or _unplaced(view, option) else "contradicted"


def _clear_actor(view: View, facts: Facts) -> bool:
    found = _acting(view, "", facts["action"], facts["object"])
    return len({o for _, _, o in found}) == 1 == len({s for s, _, _ in found})


def _judge_actor(view: View, facts: Facts, option: str) -> Verdict:
    found = _acting(view, "", facts["action"], facts["object"])
    if any(s.name == option for s, _, _ in found):
        return "holds"
    beside = [thing for _, _, o in found for thing in view.things if _meet(o, thing)]
    unsure = any(may_be_same(thing.name, option) for thing in (*beside, *(s for s, _, _ in found)))
    return "undecided" if unsure or not found or _unplaced(view, option) else "contradicted"


def _meet(one: Thing, other: Thing) -> bool:
    """Whether two boxes have any area in common."""
    (x, y, w, h), (x0, y0, w0, h0) = one.box, other.box
    return min(x + w, x0 + w0) > max(x, x0) and min(y + h, y0 + h0) > max(y, y0)


def _judge_need(view: View, facts: Facts, option: str) -> Verdict:
    return _of(NEEDS.get(view.sky, ""), option)


def _judge_outing(view: View, facts: Facts, option: str) -> Verdict:
    possible = {PLANS.get(place) for place in view.places} - {PLANS.get(view.place)}
    return "undecided" if option in possible else _of(PLANS.get(view.place, ""), option)


def _judge_sound(view: View, facts: Facts, option: str) -> Verdict:
    return _by_knowledge(view, CALLS, option)


def _judge_use(view: View, facts: Facts, option: str) -> Verdict:
    return _by_knowledge(view, USES, option)


def _by_knowledge(view: View, table: dict[str, str], option: str) -> Verdict:
    """Whether some thing of the image goes with an option by common sense."""
    owners = [kind for kind, value in table.items() if value == option]
    if any(kind in view.names for kind in owners):
        return "holds"
    return "undecided" if not owners or any(view.mentioned(kind) for kind in owners) else "contradicted"


def _judge_word(view: View, facts: Facts, option: str) -> Verdict:
    if any(option.lower() == text.lower() for text in view.texts):
        return "holds"
    parts = any(option.lower() in t.lower() or t.lower() in option.lower() for t in view.texts)
    return "undecided" if parts or not view.texts else "contradicted"


def _always(view: View, facts: Facts) -> bool:
    return True


_SCENE, _WHO, _LOOK, _WHERE = (
    "Scene Understanding",
    "Instance Identity",
    "Instance Attributes",
    "Instance Location",
)
_COUNT, _SPACE, _ACT = "Instances Counting", "Spatial Relation", "Instance Interaction"
_THINK, _READ = "Visual Reasoning", "Text Understanding"

FORMS: dict[str, Form] = {
    "place": Form(_SCENE, (), lambda v, f: bool(v.place), _judge_place),
    "sky": Form(_SCENE, (), lambda v, f: bool(v.sky), lambda v, f, option: _of(v.sky, option)),
    "kind_at": Form(_WHO, ("position",), _clear_part, _judge_kind_at),
    "present": Form(_WHO, (), _always, _judge_present),
    "kind_of_colour": Form(_WHO, ("colour",), _clear_colour_of, _judge_kind_of_colour),
    "colour": Form(_LOOK, ("kind",), _one_thing, _judge_colour),
    "material": Form(_LOOK, ("kind",), _one_thing, _judge_material),
    "colour_at": Form(_LOOK, ("position",), _clear_part, _judge_colour_at),
    "position": Form(_WHERE, ("kind",), _clear_position, _judge_position),
    "count": Form(_COUNT, ("kind",), _clear_count, _judge_count),
    "count_people": Form(_COUNT, (), _clear_count_people, _judge_count_people),
    "direction": Form(_SPACE, ("kind", "from_kind"), _clear_direction, _judge_direction),
    "neighbour": Form(_SPACE, ("from_kind", "direction"), _one_other, _judge_neighbour),
    "action": Form(_ACT, ("subject", "object"), _clear_action, _judge_action),
    "acted_on": Form(_ACT, ("subject", "action"), _clear_acted_on, _judge_acted_on),
    "actor": Form(_ACT, ("action", "object"), _clear_actor, _judge_actor),
    "need": Form(_THINK, (), lambda v, f: bool(v.sky), _judge_need),
    "outing": Form(_THINK, (), lambda v, f: v.place in PLANS, _judge_outing),
    "sound": Form(_THINK, (), _always, _judge_sound),
    "use": Form(_THINK, (), _always, _judge_use),
    "word": Form(_READ, (), lambda v, f: len(v.texts) == 1, _judge_word),
}


def known_form(facts: Facts) -> bool:
    """Whether facts state one of `FORMS` with all its arguments, as texts, positions and directions as they
    are known.
    """
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
