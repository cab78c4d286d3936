"""Free answers about who does what with what."""

from ...picturebook.world import ACTIONS
from ..judges import Verdict, meet
from ..view import Thing, View
from ..vocabulary import MORE_ACTS, NEAR_ACTS
from ..words import may_be_same
from .answers import read_act
from .looks import judge_name
from .phrases import Phrase, read_phrase
from .reading import Reading
from .referents import referents

_KNOWN = frozenset((*ACTIONS, *MORE_ACTS)).union(*NEAR_ACTS)
_PREPOSITIONS = frozenset(("on", "at", "in", "with", "to", "onto", "from", "through", "for", "off"))
_DONE = {"ridden": "riding", "held": "holding", "carried": "carrying", "worn": "wearing", "pushed": "pushing",
         "kicked": "kicking", "walked": "walking", "eaten": "eating", "pulled": "pulling"}

Act = tuple[Thing, str, Thing]


def judge_action(view: View, reading: Reading, option: str) -> Verdict:
    """What one thing does with another: an act is wrong if it is near none of those annotated."""
    x, y = referents(view, reading.things["x"]), referents(view, reading.things["y"])
    found = [act for act in view.acts if act[0] in x.all and act[2] in y.all]
    words, own = read_act(option), _own_object(option, reading.things["y"])
    if not words or not found or not own:
        return "undecided"
    if any(_is_said(act, words) for s, act, o in found if s in x.sure and o in y.sure):
        return "holds"
    said = next((act for act in (" ".join(words[:2]), words[0]) if act in _KNOWN), "")
    if said == words[0] and _PREPOSITIONS.intersection(words[1:2]):
        return "undecided"  # "walking with it" is another act than "walking"
    wrong = said and all(act in _KNOWN and act != said and not _are_near(act, said) for _, act, _ in found)
    return "contradicted" if wrong else "undecided"


def judge_doing(view: View, reading: Reading, option: str) -> Verdict:
    """What somebody does: an act that is annotated holds; any other may be done too."""
    x, words = referents(view, reading.things["x"]), read_act(option)
    phrase = read_phrase(" ".join(_object_words(words)))
    for subject, act, other in view.acts:
        if subject in x.sure and words and _is_said(act, words) and (
                not _object_words(words) or (phrase and other in referents(view, phrase).all)):
            return "holds"
    return "undecided"


def judge_acted_on(view: View, reading: Reading, option: str) -> Verdict:
    """What somebody does the act to: only a thing that touches nobody who does it is wrong."""
    found = _acts(view, reading, "x", 0)
    return _end(view, [(s, o) for s, _, o in found], _sure(view, reading, "x"), option)


def judge_actor(view: View, reading: Reading, option: str) -> Verdict:
    found = _acts(view, reading, "y", 2)
    return _end(view, [(o, s) for s, _, o in found], _sure(view, reading, "y"), option)


def judge_is_acting(view: View, reading: Reading) -> Verdict:
    y = _sure(view, reading, "y")
    acts = [act for act in _acts(view, reading, "x", 0) if act[0] in _sure(view, reading, "x")]
    return "holds" if any(other in y for _, _, other in acts) else "undecided"


def _sure(view: View, reading: Reading, name: str) -> tuple[Thing, ...]:
    return referents(view, reading.things[name]).sure


def _acts(view: View, reading: Reading, name: str, end: int) -> list[Act]:
    """The annotated acts of the verb that is asked about, with what the question names at one end."""
    named, verb = referents(view, reading.things[name]), reading.words["act"]
    words = tuple(_DONE.get(verb, verb).split())
    return [act for act in view.acts if act[end] in named.all and _is_said(act[1], words)]


def _end(view: View, pairs: list[tuple[Thing, Thing]], sure: tuple[Thing, ...], option: str) -> Verdict:
    """Judge what is named as the other end of acts, given the annotated (known end, other end) pairs."""

    def test(thing: Thing) -> Verdict:
        if any(other is thing and known in sure for known, other in pairs):
            return "holds"
        near = any(other is thing or (known is not thing and meet(known, thing)) for known, other in pairs)
        return "undecided" if near or not pairs else "contradicted"

    return judge_name(view, option, test)


def _is_said(act: str, words: tuple[str, ...]) -> bool:
    """Whether the words of an answer tell an act: "sitting on" is told by "sitting", not by "sitting at"."""
    own = tuple(act.split())
    if words[: len(own)] == own:
        return len(own) > 1 or not words[1:2] or words[1] not in _PREPOSITIONS
    return words == own[:1]


def _are_near(one: str, other: str) -> bool:
    return any({one, other} <= group for group in NEAR_ACTS)


def _object_words(words: tuple[str, ...]) -> tuple[str, ...]:
    rest = words[1:]
    while rest and rest[0] in _PREPOSITIONS:
        rest = rest[1:]
    return () if rest in ((), ("it",), ("them",)) else rest


def _own_object(option: str, phrase: Phrase) -> bool:
    """Whether the object that an answer names, if any, may be the one that is asked about."""
    rest = _object_words(read_act(option))
    named = read_phrase(" ".join(rest)) if rest else None
    return not rest or bool(named and may_be_same(named.name, phrase.name))

