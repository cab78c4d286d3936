"""What could be asked about an image: every question form finds its things, answers and kindred wrong
options.

Of real pictures some forms are left out or asked otherwise (`REAL_ASKS`): they show more than is annotated.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...facts import Thing, View
from ...facts.vocabulary import CALLS, FAMILIES, INDOORS, MATERIALS, MORE_ACTS, PLANS, USES
from ...facts.words import may_be_same, with_article
from ...picturebook.truth import DIRECTIONS, NEEDS, NUMBERS
from ...picturebook.world import (
    ACTIONS,
    ANIMALS,
    COLOURS,
    INTERACTIONS,
    KINDS,
    POSITIONS,
    SETTINGS,
    SKIES,
    WORDS,
)
from .names import is_pointed_at, is_readable, texts_like


class Ask(NamedTuple):
    """A question before its words. `near` are wrong options much like the answer, `far` fill up.

    `named_once` says whether the question's things are the only ones of their names, `clear_place` whether
    the boxes leave no doubt about places and directions: what the template's rules of these names ask for.
    One that is not `stated` has a clear meaning only together with its options: its reply states no facts,
    and the verification reads the question.
    """

    form: str
    arguments: dict[str, str]
    answer: str
    near: tuple[str, ...]
    far: tuple[str, ...] = ()
    named_once: bool = True
    clear_place: bool = True
    stated: bool = True

    @property
    def facts(self) -> dict[str, str]:
        return {"form": self.form, **self.arguments}


def _family(name: str) -> tuple[str, ...]:
    """Names of the same kind as `name`; for a name of no family, all of them."""
    return next((family for family in FAMILIES if name in family), ())


def _more(name: str) -> tuple[str, ...]:
    """What fills up when the family is used up: the embedded world's few kinds for its own, else nothing."""
    return KINDS if name in KINDS else ()


def _once(view: View, *names: str) -> bool:
    return all(view.only(name) is not None for name in names)


def _parts(view: View) -> Counter[str]:
    return Counter(view.part(thing) for thing in view.things)


def _place(view: View) -> Iterator[Ask]:
    if view.place:
        places = SETTINGS if view.place in SETTINGS else INDOORS
        yield Ask("place", {}, view.place, places, SETTINGS)


def _sky(view: View) -> Iterator[Ask]:
    if view.sky:
        yield Ask("sky", {}, view.sky, SKIES)


def _pointed(view: View) -> list[Thing]:
    return [thing for thing in view.things if is_pointed_at(thing)]


def _names(view: View) -> tuple[str, ...]:
    return tuple(dict.fromkeys(thing.name for thing in _pointed(view)))


def _kind_at(view: View) -> Iterator[Ask]:
    crowd, names = _parts(view), _names(view)
    for thing in _pointed(view):
        part = view.part(thing)
        yield Ask(
            "kind_at",
            {"position": part},
            thing.name,
            (*names, *_family(thing.name)),
            _more(thing.name),
            named_once=crowd[part] == 1,
            clear_place=view.part_is_clear(thing),
        )


def _present(view: View) -> Iterator[Ask]:
    for name in _names(view):
        if _family(name):
            yield Ask("present", {}, name, _family(name), _more(name))


def _kind_of_colour(view: View) -> Iterator[Ask]:
    kinds = Counter(
        colour for name in view.names for colour in {c for t in view.called(name) for c in t.colours}
    )
    for thing in view.things:
        for colour in thing.colours:
            yield Ask("kind_of_colour", {"colour": colour}, thing.name, view.names, _more(thing.name),
                      named_once=kinds[colour] == 1)


def _colour(view: View) -> Iterator[Ask]:
    near = tuple(colour for thing in view.things for colour in thing.colours)
    for thing in view.things:
        if len(thing.colours) == 1:
            yield Ask(
                "colour",
                {"kind": thing.name},
                thing.colours[0],
                near,
                COLOURS,
                named_once=_once(view, thing.name),
            )


def _material(view: View) -> Iterator[Ask]:
    for thing in view.things:
        if len(thing.materials) == 1 and thing.materials[0] != thing.name:
            yield Ask("material", {"kind": thing.name}, thing.materials[0], MATERIALS,
                      named_once=_once(view, thing.name))


def _colour_at(view: View) -> Iterator[Ask]:
    near, crowd = tuple(colour for thing in view.things for colour in thing.colours), _parts(view)
    for thing in view.things:
        if len(thing.colours) == 1:
            part = view.part(thing)
            yield Ask("colour_at", {"position": part}, thing.colours[0], near, COLOURS,
                      named_once=crowd[part] == 1, clear_place=view.part_is_clear(thing))


def _position(view: View) -> Iterator[Ask]:
    occupied = tuple(_parts(view))
    for thing in _pointed(view):
        arguments, once = {"kind": thing.name}, _once(view, thing.name)
        if not once and len(thing.colours) == 1 and view.only(thing.name, thing.colours[0]):
            arguments, once = {"kind": thing.name, "colour": thing.colours[0]}, True
        yield Ask("position", arguments, view.part(thing), occupied, POSITIONS,
                  named_once=once, clear_place=view.part_is_clear(thing))


def _count(view: View) -> Iterator[Ask]:
    """Only what is there more than once: "one" is seldom worth asking, and luggage has no number."""
    names = [name for name in _names(view) if with_article(name) != name]
    sizes = {name: len(view.called(name)) for name in names}
    for name, n in sizes.items():
        if 2 <= n <= len(NUMBERS):
            alike = {thing.name for thing in view.called(name)}
            yield Ask("count", {"kind": name}, NUMBERS[n - 1], NUMBERS[:5], named_once=len(alike) == 1)


def _count_people(view: View) -> Iterator[Ask]:
    if 2 <= view.n_people <= len(NUMBERS):
        yield Ask("count_people", {}, NUMBERS[view.n_people - 1], NUMBERS[:5])


def _pairs(view: View) -> Iterator[tuple[Thing, Thing, str, bool]]:
    """Ordered pairs of things with the direction of the first, seen from the second, and whether it is clear.
    """
    pointed = _pointed(view)
    for thing in pointed:
        for other in pointed:
            if not may_be_same(thing.name, other.name):
                clear = view.direction(thing, other)
                yield thing, other, clear or view.rough_directions(thing, other)[0], bool(clear)


def _direction(view: View) -> Iterator[Ask]:
    single = {name for name in view.names if _once(view, name)}
    for thing, other, towards, clear in _pairs(view):
        yield Ask("direction", {"kind": thing.name, "from_kind": other.name}, towards, DIRECTIONS,
                  named_once={thing.name, other.name} <= single, clear_place=clear)


def _neighbour(view: View) -> Iterator[Ask]:
    single, pointed = {name for name in view.names if _once(view, name)}, _names(view)
    for thing, other, towards, clear in _pairs(view):
        arguments = {"from_kind": other.name, "direction": towards}
        names = tuple(name for name in pointed if name != other.name)
        far = tuple(name for name in _more(thing.name) if name != other.name)
        yield Ask(
            "neighbour", arguments, thing.name, names, far, named_once=other.name in single, clear_place=clear
        )


def _acts(view: View) -> list[tuple[Thing, str, Thing]]:
    return [act for act in view.acts if is_pointed_at(act[0]) and is_pointed_at(act[2])]


def _action(view: View) -> Iterator[Ask]:
    """What somebody wears is asked for, not that it is worn."""
    pairs = Counter((s.name, o.name) for s, _, o in view.acts)
    for subject, act, other in _acts(view):
        if act == "wearing":
            continue
        near = INTERACTIONS.get(other.name, ())
        far = ACTIONS if act in ACTIONS else (*MORE_ACTS, *ACTIONS)
        yield Ask("action", {"subject": subject.name, "object": other.name}, act, near, far,
                  named_once=pairs[subject.name, other.name] == 1)


def _acted_on(view: View) -> Iterator[Ask]:
    doers = Counter((name, act) for name, act in {(s, a) for s, a, _ in view.acts})
    names = Counter((s.name, act) for s, act in doers)
    for subject, act, other in _acts(view):
        drawn = other.name in INTERACTIONS and act in ACTIONS
        near = tuple(kind for kind, acts in INTERACTIONS.items() if act in acts) if drawn else ()
        far = tuple(INTERACTIONS) if drawn else _family(other.name)
        yield Ask("acted_on", {"subject": subject.name, "action": act}, other.name, near, far,
                  named_once=names[subject.name, act] == 1)


def _actor(view: View) -> Iterator[Ask]:
    for subject, act, other in _acts(view):
        doers = {s for s, a, o in view.acts if a == act and o.name == other.name}
        yield Ask("actor", {"action": act, "object": other.name}, subject.name, _family(subject.name),
                  ANIMALS if act in ACTIONS else (), named_once=len(doers) == 1)


def _need(view: View) -> Iterator[Ask]:
    if view.sky:
        yield Ask("need", {}, NEEDS[view.sky], tuple(NEEDS.values()))


def _outing(view: View) -> Iterator[Ask]:
    if view.place in PLANS:
        places = SETTINGS if view.place in SETTINGS else INDOORS
        near = tuple(PLANS[place] for place in places if place in PLANS)
        yield Ask("outing", {}, PLANS[view.place], near, tuple(PLANS[place] for place in SETTINGS))


def _sound(view: View) -> Iterator[Ask]:
    near = tuple(CALLS[kind] for kind in ANIMALS)
    for name in view.names:
        if name in CALLS:
            yield Ask("sound", {}, CALLS[name], near)


def _use(view: View) -> Iterator[Ask]:
    for name in view.names:
        if name in USES:
            yield Ask("use", {}, USES[name], tuple(USES.values()))


def _need_of_weather(view: View) -> Iterator[Ask]:
    """Clouds alone make nobody put on a sweater."""
    if view.sky != "cloudy":
        yield from _need(view)


def _word(view: View) -> Iterator[Ask]:
    for text in view.texts:
        spell = str.upper if text.isupper() else str.title if text[:1].isupper() else str.lower
        yield Ask("word", {}, text, tuple(map(spell, WORDS)), named_once=len(view.texts) == 1)


def _text(view: View) -> Iterator[Ask]:
    """Of several texts one is asked for: the options tell which is meant."""
    for text in filter(is_readable, view.texts):
        yield Ask("word", {}, text, texts_like(text), stated=len(view.texts) == 1)


# The forms whose options are names of things.
NAMING = frozenset(("kind_at", "present", "kind_of_colour", "neighbour", "acted_on", "actor"))

ASKS: dict[str, tuple[Callable[[View], Iterator[Ask]], ...]] = {
    "Scene Understanding": (_place, _sky),
    "Instance Identity": (_kind_at, _present, _kind_of_colour),
    "Instance Attributes": (_colour, _material, _colour_at),
    "Instance Location": (_position,),
    "Instances Counting": (_count, _count_people),
    "Spatial Relation": (_direction, _neighbour),
    "Instance Interaction": (_action, _acted_on, _actor),
    "Visual Reasoning": (_need, _outing, _sound, _use),
    "Text Understanding": (_word,),
}
REAL_ASKS: dict[str, tuple[Callable[[View], Iterator[Ask]], ...]] = {
    **ASKS,
    "Instance Attributes": (_colour, _material),
    "Visual Reasoning": (_need_of_weather, _outing, _sound, _use),
    "Text Understanding": (_text,),
}
