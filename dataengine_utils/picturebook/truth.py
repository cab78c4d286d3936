"""What is true in a scene: one predicate a question form, asked of every option, so ambiguity cannot hide.

`holds(scene, facts, option)` decides one option. A question is sound when exactly one of its options holds
and it is the one marked as right (`check_question`). The writers of questions do not use this module; it
judges them.
"""

from collections.abc import Callable
from typing import Any

from ..records import Question
from .world import PEOPLE, POSITIONS, SIGN, Scene, Thing

NUMBERS = ("one", "two", "three", "four", "five", "six")
NEEDS = {"sunny": "sunglasses", "cloudy": "sweater", "rainy": "raincoat", "snowy": "gloves", "night": "torch"}
OUTINGS = {
    "beach": "build sandcastles", "street": "go shopping", "kitchen": "cook dinner", "park": "have a picnic",
    "mountain": "climb rocks", "desert": "ride camels", "farm": "milk cows", "lake": "go fishing",
}
SOUNDS = {"cat": "meow", "dog": "bark", "horse": "neigh", "bird": "tweet", "cow": "moo"}
DIRECTIONS = ("left", "right", "above", "below")


def matching(scene: Scene, kind: str, colour: str = "") -> list[Thing]:
    """The things of a kind (and colour, if given)."""
    return [thing for thing in scene.things if thing.kind == kind and colour in ("", thing.colour)]


def direction(thing: Thing, seen_from: Thing) -> str:
    """Where `thing` lies, seen from another: a direction only if one axis clearly dominates, else ""."""
    (x, y), (x0, y0) = thing.centre, seen_from.centre
    dx, dy = x - x0, y - y0
    if abs(dx) >= max(2 * abs(dy), 20):
        return "left" if dx < 0 else "right"
    if abs(dy) >= max(2 * abs(dx), 20):
        return "above" if dy < 0 else "below"
    return ""


def _only(scene: Scene, facts: dict[str, Any], prefix: str = "") -> Thing | None:
    found = matching(scene, facts[prefix + "kind"], facts.get(prefix + "colour", ""))
    return found[0] if len(found) == 1 else None


def _place(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return option == scene.setting


def _sky(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return option == scene.sky


def _kind_at(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return any(thing.kind == option and POSITIONS[thing.cell] == facts["position"] for thing in scene.things)


def _present(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return bool(matching(scene, option))


def _kind_of_colour(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return bool(matching(scene, option, facts["colour"]))


def _colour(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    thing = _only(scene, facts)
    return thing is not None and thing.colour == option


def _colour_at(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return any(thing.colour == option and POSITIONS[thing.cell] == facts["position"]
               for thing in scene.things)


def _position(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    thing = _only(scene, facts)
    return thing is not None and POSITIONS[thing.cell] == option


def _count(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return option in NUMBERS and len(matching(scene, facts["kind"])) == NUMBERS.index(option) + 1


def _count_people(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return (option in NUMBERS
            and sum(thing.kind in PEOPLE for thing in scene.things) == NUMBERS.index(option) + 1)


def _direction(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    thing, other = _only(scene, facts), _only(scene, facts, "from_")
    return thing is not None and other is not None and direction(thing, other) == option


def _neighbour(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    other = _only(scene, facts, "from_")
    return other is not None and any(direction(thing, other) == facts["direction"]
                                     for thing in matching(scene, option))


def _acts(scene: Scene) -> list[tuple[str, str, str]]:
    return [(scene.things[i.subject].kind, i.action, scene.things[i.object].kind) for i in scene.interactions]


def _action(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return (facts["subject"], option, facts["object"]) in _acts(scene)


def _acted_on(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return (facts["subject"], facts["action"], option) in _acts(scene)


def _actor(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return (option, facts["action"], facts["object"]) in _acts(scene)


def _need(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return NEEDS[scene.sky] == option


def _outing(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return OUTINGS[scene.setting] == option


def _sound(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return any(SOUNDS.get(thing.kind) == option for thing in scene.things)


def _word(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    return any(thing.kind == SIGN and thing.word == option for thing in scene.things)


FORMS: dict[str, Callable[[Scene, dict[str, Any], str], bool]] = {
    "place": _place, "sky": _sky,
    "kind_at": _kind_at, "present": _present, "kind_of_colour": _kind_of_colour,
    "colour": _colour, "colour_at": _colour_at,
    "position": _position,
    "count": _count, "count_people": _count_people,
    "direction": _direction, "neighbour": _neighbour,
    "action": _action, "acted_on": _acted_on, "actor": _actor,
    "need": _need, "outing": _outing, "sound": _sound,
    "word": _word,
}


def holds(scene: Scene, facts: dict[str, Any], option: str) -> bool:
    """Whether `option` is a true answer to the question that `facts` states ("form" and its arguments)."""
    return FORMS[facts["form"]](scene, facts, option)


def check_question(scene: Scene, question: Question) -> str:
    """"" for a sound question, else what is wrong: exactly one option may hold, and it must be the answer."""
    true = [option for option in question.options if holds(scene, question.facts, option)]
    if len(set(question.options)) != len(question.options):
        return f"options repeat: {question.options}"
    if true != [question.answer]:
        return f"true options {true}, marked {question.answer!r}"
    return ""
