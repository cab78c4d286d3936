"""What the annotations decide, one question form after the other.

`judge_FORM(view, facts, option)` judges an option; `clear_FORM(view, facts)` says whether the question has
one meaning.
"""

import re
from collections.abc import Collection
from typing import Any, Literal

from ..picturebook.truth import NEEDS, NUMBERS
from .view import Thing, View
from .vocabulary import CALLS, NEAR_ACTS, NEAR_COLOURS, NEAR_MATERIALS, PLANS, USES
from .words import is_plural, may_be_same, plural

Verdict = Literal["holds", "contradicted", "undecided"]
Facts = dict[str, Any]
_MANY = re.compile(r"\b(?:many|several|lots|some|few|group|row|rows|line|pile|bunch)\b")


def _yes(holds: bool) -> Verdict:
    return "holds" if holds else "contradicted"


def _of(value: str, option: str, near: Collection[frozenset[str]] = ()) -> Verdict:
    """Judge an option by the one value that is known; an option close to it is not decided."""
    if option == value:
        return "holds"
    return "undecided" if any({value, option} <= group for group in near) else "contradicted"


def among(values: Collection[str], option: str, near: Collection[frozenset[str]]) -> Verdict:
    """Judge an option by a thing's values of one kind, of which none (unknown) or several (a mixture) decide
    nothing.
    """
    if not values:
        return "undecided"
    verdicts = {_of(value, option, near) for value in values}
    return verdicts.pop() if len(verdicts) == 1 else "undecided"


def _named(view: View, facts: Facts, prefix: str = "") -> Thing | None:
    return view.only(facts[f"{prefix}kind"], facts.get(f"{prefix}colour", ""))


def clear_place(view: View, facts: Facts) -> bool:
    return bool(view.place)


def judge_place(view: View, facts: Facts, option: str) -> Verdict:
    return "undecided" if option != view.place and option in view.places else _of(view.place, option)


def clear_sky(view: View, facts: Facts) -> bool:
    return bool(view.sky)


def judge_sky(view: View, facts: Facts, option: str) -> Verdict:
    return _of(view.sky, option)


def judge_present(view: View, facts: Facts, option: str) -> Verdict:
    if option in view.names:
        return "holds"
    return "undecided" if view.mentioned(option) else "contradicted"


def _in_part(view: View, part: str) -> list[Thing]:
    return [thing for thing in view.things if view.part(thing) == part]


def clear_part(view: View, facts: Facts) -> bool:
    found = _in_part(view, facts["position"])
    return len(found) == 1 and view.part_is_clear(found[0])


def judge_kind_at(view: View, facts: Facts, option: str) -> Verdict:
    part = facts["position"]
    if any(thing.name == option for thing in _in_part(view, part)):
        return "holds"
    touching = any(may_be_same(thing.name, option) and view.reaches(thing, part) for thing in view.things)
    return "undecided" if touching or _unplaced(view, option) else "contradicted"


def _unplaced(view: View, option: str) -> bool:
    """Whether something speaks of a kind of thing that no box shows."""
    return not view.called(option) and view.mentioned(option)


def clear_colour_of(view: View, facts: Facts) -> bool:
    return len({thing.name for thing in view.things if facts["colour"] in thing.colours}) == 1


def judge_kind_of_colour(view: View, facts: Facts, option: str) -> Verdict:
    verdicts = {among(t.colours, facts["colour"], NEAR_COLOURS) for t in view.called(option)}
    if "holds" in verdicts and option in view.names:
        return "holds"
    return "undecided" if verdicts - {"contradicted"} or _unplaced(view, option) else "contradicted"


def one_thing(view: View, facts: Facts) -> bool:
    return _named(view, facts) is not None


def judge_colour(view: View, facts: Facts, option: str) -> Verdict:
    thing = _named(view, facts)
    return among(thing.colours, option, NEAR_COLOURS) if thing else "undecided"


def judge_material(view: View, facts: Facts, option: str) -> Verdict:
    thing = _named(view, facts)
    return among(thing.materials, option, NEAR_MATERIALS) if thing else "undecided"


def judge_colour_at(view: View, facts: Facts, option: str) -> Verdict:
    verdicts = {among(thing.colours, option, NEAR_COLOURS) for thing in _in_part(view, facts["position"])}
    return "holds" if "holds" in verdicts else "undecided" if "undecided" in verdicts else "contradicted"


def clear_position(view: View, facts: Facts) -> bool:
    thing = _named(view, facts)
    return thing is not None and view.part_is_clear(thing)


def judge_position(view: View, facts: Facts, option: str) -> Verdict:
    thing = _named(view, facts)
    return _of(view.part(thing), option) if thing else "undecided"


def clear_count(view: View, facts: Facts) -> bool:
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


def judge_count(view: View, facts: Facts, option: str) -> Verdict:
    return _number(len(view.called(facts["kind"])), option)


def clear_count_people(view: View, facts: Facts) -> bool:
    return 1 <= view.n_people <= len(NUMBERS) and all(
        _agrees(p, view.n_people) for p in view.phrases_about("people")
    )


def judge_count_people(view: View, facts: Facts, option: str) -> Verdict:
    return _number(view.n_people, option)


def _number(n: int, option: str) -> Verdict:
    return _yes(option in NUMBERS and NUMBERS.index(option) + 1 == n)


def clear_direction(view: View, facts: Facts) -> bool:
    thing, other = _named(view, facts), _named(view, facts, "from_")
    return thing is not None and other is not None and bool(view.direction(thing, other))


def judge_direction(view: View, facts: Facts, option: str) -> Verdict:
    thing, other = _named(view, facts), _named(view, facts, "from_")
    if thing is None or other is None:
        return "undecided"
    return _of(view.direction(thing, other) or view.rough_directions(thing, other)[0], option)


def one_other(view: View, facts: Facts) -> bool:
    return _named(view, facts, "from_") is not None


def judge_neighbour(view: View, facts: Facts, option: str) -> Verdict:
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


def clear_action(view: View, facts: Facts) -> bool:
    return len(_acting(view, facts["subject"], "", facts["object"])) == 1


def judge_action(view: View, facts: Facts, option: str) -> Verdict:
    return among({a for _, a, _ in _acting(view, facts["subject"], "", facts["object"])}, option, NEAR_ACTS)


def clear_acted_on(view: View, facts: Facts) -> bool:
    """One subject does it; what it does it to may be several things, of which the options name one."""
    found = _acting(view, facts["subject"], facts["action"])
    return len({s for s, _, _ in found}) == 1 and (len(found) == 1 or view.only(facts["subject"]) is not None)


def judge_acted_on(view: View, facts: Facts, option: str) -> Verdict:
    found = _acting(view, facts["subject"], facts["action"])
    return _end_of_act(view, [o for _, _, o in found], [s for s, _, _ in found], option)


def clear_actor(view: View, facts: Facts) -> bool:
    found = _acting(view, "", facts["action"], facts["object"])
    return len({o for _, _, o in found}) == 1 == len({s for s, _, _ in found})


def judge_actor(view: View, facts: Facts, option: str) -> Verdict:
    found = _acting(view, "", facts["action"], facts["object"])
    return _end_of_act(view, [s for s, _, _ in found], [o for _, _, o in found], option)


def _end_of_act(view: View, ends: list[Thing], others: list[Thing], option: str) -> Verdict:
    """Judge an option by the things at one end of the acts; what touches the other end may be one unsaid."""
    if any(thing.name == option for thing in ends):
        return "holds"
    beside = [thing for other in others for thing in view.things if meet(other, thing)]
    unsure = any(may_be_same(thing.name, option) for thing in (*beside, *ends))
    return "undecided" if unsure or not ends or _unplaced(view, option) else "contradicted"


def meet(one: Thing, other: Thing) -> bool:
    """Whether two boxes have any area in common."""
    (x, y, w, h), (x0, y0, w0, h0) = one.box, other.box
    return min(x + w, x0 + w0) > max(x, x0) and min(y + h, y0 + h0) > max(y, y0)


def judge_need(view: View, facts: Facts, option: str) -> Verdict:
    return _of(NEEDS.get(view.sky, ""), option)


def clear_outing(view: View, facts: Facts) -> bool:
    return view.place in PLANS


def judge_outing(view: View, facts: Facts, option: str) -> Verdict:
    possible = {PLANS.get(place) for place in view.places} - {PLANS.get(view.place)}
    return "undecided" if option in possible else _of(PLANS.get(view.place, ""), option)


def judge_sound(view: View, facts: Facts, option: str) -> Verdict:
    return _by_knowledge(view, CALLS, option)


def judge_use(view: View, facts: Facts, option: str) -> Verdict:
    return _by_knowledge(view, USES, option)


def _by_knowledge(view: View, table: dict[str, str], option: str) -> Verdict:
    """Whether some thing of the image goes with an option by common sense."""
    owners = [kind for kind, value in table.items() if value == option]
    if any(kind in view.names for kind in owners):
        return "holds"
    return "undecided" if not owners or any(view.mentioned(kind) for kind in owners) else "contradicted"


def clear_word(view: View, facts: Facts) -> bool:
    return len(view.texts) == 1


def judge_word(view: View, facts: Facts, option: str) -> Verdict:
    if any(option.lower() == text.lower() for text in view.texts):
        return "holds"
    parts = any(option.lower() in t.lower() or t.lower() in option.lower() for t in view.texts)
    return "undecided" if parts or not view.texts else "contradicted"


def always(view: View, facts: Facts) -> bool:
    return True
