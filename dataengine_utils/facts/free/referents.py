"""What a phrase means in an image: the things it surely means, and those that it may mean."""

from collections.abc import Callable
from typing import NamedTuple

from ..judges import Verdict
from ..view import Thing, View
from ..vocabulary import NEAR_COLOURS
from ..words import is_kind_of, may_be_same
from .phrases import Phrase, same_name

Test = Callable[[Thing], Verdict]


class Referents(NamedTuple):
    """The things of a name: `sure` where name and colours fit, `maybe` where they could."""

    sure: tuple[Thing, ...]
    maybe: tuple[Thing, ...]

    @property
    def all(self) -> tuple[Thing, ...]:
        return self.sure + self.maybe


def referents(view: View, phrase: Phrase) -> Referents:
    """The things that a phrase means or may mean; none where nothing of its kind is annotated, or where more
    is said of it than the annotations can tell ("the dog next to the tree").
    """
    sure, maybe = [], []
    for thing in view.things:
        named = same_name(phrase.name, thing.name) or is_kind_of(thing.name, phrase.name)
        fits = _fits(thing, phrase)
        if phrase.loose or fits == "contradicted" or not (named or may_be_same(thing.name, phrase.name)):
            continue
        certain = fits == "holds" and named
        (sure if certain else maybe).append(thing)
    if " " in phrase.name and not sure:
        return Referents((), ())  # "wooden chairs" may be others than the annotated chairs
    return Referents(tuple(sure), tuple(maybe))


def over(things: Referents, test: Test) -> Verdict:
    """Whether something is so of what a phrase means: of any that is surely meant; of none that may be."""
    if any(test(thing) == "holds" for thing in things.sure):
        return "holds"
    verdicts = {test(thing) for thing in things.all}
    return "contradicted" if verdicts == {"contradicted"} else "undecided"


def _fits(thing: Thing, phrase: Phrase) -> Verdict:
    """Whether a thing has the colours that a phrase says; a near colour does not rule it out."""
    if set(phrase.colours) <= set(thing.colours):
        return "holds"
    if not thing.colours:
        return "undecided"
    pairs = [{one, other} for one in phrase.colours for other in thing.colours]
    near = any(one in thing.colours for one in phrase.colours) or any(
        pair <= group for pair in pairs for group in NEAR_COLOURS)
    return "undecided" if near else "contradicted"
