"""Free answers about where things are: in a part of the picture, or seen from one another."""

import re
from collections.abc import Sequence

from ...picturebook.world import POSITIONS
from ..judges import Verdict, among
from ..view import Thing, View
from ..vocabulary import NEAR_COLOURS
from .answers import DIRECTION_WORDS, OPPOSITE, read_colours, read_position, without_fillers, words_of
from .looks import judge_name
from .phrases import Phrase, read_phrase
from .reading import Reading
from .referents import over, referents

# A thing is surely not in a part whose edge is further from its centre than this share of the image's side.
BEYOND = 0.05
# Two things are surely not on or in one another if their boxes are this share of the image's side apart.
GAP = 0.05
_RELATED = re.compile(r"(?:it is |they are |the )?\b(?P<relation>on(?: top of)?|in(?:side)?|against|"
                      r"attached to|next to|beside|near|behind|in front of|under|beneath) (?P<y>.+)")
_SIDE_OF = re.compile(r"(?:it is |they are )?(?:directly |just )?(?:(?:to|on|at) )?(?:the )?"
                      r"(?P<side>left|right|above|below|over|under|underneath|beneath)(?: side)?(?: of)? "
                      r"(?P<y>(?:the|a|an|his|her) .+)")
_TOUCHING = {"on": "on", "on top of": "on", "in": "in", "inside": "in", "inside of": "in", "in of": "in",
             "against": "against", "attached to": "attached to"}


def judge_position(view: View, reading: Reading, option: str, exact: bool) -> Verdict:
    """Where a thing is: in a part of the picture, on a side of another thing, or on, in or near one.

    `exact` answers name ninths of the picture, others a side of it.
    """
    x = referents(view, reading.things["x"])
    if part := read_position(option):
        return over(x, lambda thing: in_part(view, thing, part, exact))
    if beside := _direction_of(option):
        other = referents(view, beside[1])
        return over(x, lambda thing: over(other, lambda o: lies(view, thing, o, beside[0])))
    found = _RELATED.search(option.lower().strip(" ."))
    phrase = read_phrase(found["y"]) if found else None
    if phrase is None:
        return "undecided"
    other = referents(view, phrase)
    return over(x, lambda thing: over(other, lambda o: related(view, thing, found["relation"], o)))


def names_ninths(options: Sequence[str]) -> bool:
    """Whether answers mean ninths of the picture: some name a corner or the middle."""
    return any(" " in part or part == "middle" for part in map(read_position, options))


def in_part(view: View, thing: Thing, part: str, exact: bool) -> Verdict:
    """Whether a thing is in a part of the picture; undecided for what spreads or lies between parts."""
    if view.part(thing) == part and view.part_is_clear(thing):
        return "holds"
    if not view.is_small(thing):
        return "undecided"
    return "contradicted" if _is_beyond(view, thing, part, exact) else "undecided"


def _is_beyond(view: View, thing: Thing, part: str, exact: bool) -> bool:
    """Whether the centre of a thing is surely not in a part: a ninth, or for "left" alone the left half."""
    row, column = divmod(POSITIONS.index(part), 3)
    sides = ((thing.centre[0] / view.record.width, column), (thing.centre[1] / view.record.height, row))
    if exact or (row != 1 and column != 1) or row == column == 1:
        return any(not n / 3 - BEYOND <= share <= (n + 1) / 3 + BEYOND for share, n in sides)
    return any(abs(share - n / 2) > 0.5 + BEYOND for share, n in sides if n != 1)


def judge_kind_at(view: View, reading: Reading, option: str) -> Verdict:
    """What is in a part; "in the left" may be the whole side: only things of the other side are wrong."""
    part = reading.words["position"]
    return judge_name(view, option, lambda thing: _at(view, thing, part))


def _at(view: View, thing: Thing, part: str) -> Verdict:
    verdict = in_part(view, thing, part, exact=False)
    return "undecided" if verdict == "contradicted" and view.reaches(thing, part) else verdict


def judge_colour_at(view: View, reading: Reading, option: str) -> Verdict:
    """The colour of whatever is in a part of the picture: every thing that reaches into it may be meant."""
    part, colours = reading.words["position"], read_colours(option)
    if len(colours) != 1:
        return "undecided"
    side = [ninth for ninth in POSITIONS if set(part.split()) <= set(ninth.split())]
    there = [t for t in view.things if any(view.reaches(t, ninth) for ninth in side)]
    verdicts = {among(thing.colours, colours[0], NEAR_COLOURS) for thing in there}
    if any(_at(view, t, part) == "holds" and t.colours == colours for t in there):
        return "holds"
    return "contradicted" if verdicts == {"contradicted"} else "undecided"


def judge_direction(view: View, reading: Reading, option: str) -> Verdict:
    said = _directions(option, reading.things["y"])
    x, y = referents(view, reading.things["x"]), referents(view, reading.things["y"])
    if not said:
        return "undecided"
    return over(x, lambda thing: over(y, lambda other: _lies_all(view, thing, other, said)))


def judge_neighbour(view: View, reading: Reading, option: str) -> Verdict:
    y, wanted = referents(view, reading.things["y"]), reading.words["direction"]
    return judge_name(view, option, lambda thing: over(y, lambda other: lies(view, thing, other, wanted)))


def judge_is_beside(view: View, reading: Reading) -> Verdict:
    x, y = referents(view, reading.things["x"]), referents(view, reading.things["y"])
    return over(x, lambda thing: over(y, lambda other: lies(view, thing, other, reading.words["direction"])))


def lies(view: View, thing: Thing, other: Thing, wanted: str) -> Verdict:
    """Whether a thing lies in a direction from another: surely if that axis clearly dominates, surely not if
    it lies to the other side.
    """
    if thing is other:
        return "contradicted"
    clear, (first, second) = view.direction(thing, other), view.rough_directions(thing, other)
    if clear == wanted:
        return "holds"
    opposite = OPPOSITE[wanted]
    if clear:
        return "contradicted" if wanted not in (first, second) else "undecided"
    return "contradicted" if opposite in (first, second) and _is_past(thing, other, opposite) else "undecided"


def _lies_all(view: View, thing: Thing, other: Thing, said: Sequence[str]) -> Verdict:
    """Whether a thing lies in all the directions said: "above and to the left" needs both offsets."""
    if len(said) == 1:
        return lies(view, thing, other, said[0])
    verdicts = {lies(view, thing, other, one) for one in said}
    if "contradicted" in verdicts:
        return "contradicted"
    past = all(_is_past(thing, other, one) for one in said)
    return "holds" if past and set(said) == set(view.rough_directions(thing, other)) else "undecided"


def _is_past(thing: Thing, other: Thing, direction: str) -> bool:
    """Whether the whole box of a thing lies beyond the other's in a direction."""
    axis = 0 if direction in ("left", "right") else 1
    start, end = thing.box[axis], thing.box[axis] + thing.box[axis + 2]
    other_start, other_end = other.box[axis], other.box[axis] + other.box[axis + 2]
    return end <= other_start if direction in ("left", "above") else start >= other_end


def _directions(option: str, seen_from: Phrase) -> tuple[str, ...]:
    """The directions an answer tells, if it is from the thing that is asked about."""
    words = [word for word in without_fillers(option) if word not in ("top", "side")]
    said = tuple(dict.fromkeys(DIRECTION_WORDS[word] for word in words if word in DIRECTION_WORDS))
    others = [word for word in words if word not in DIRECTION_WORDS]
    from_words = set(words_of(seen_from.name))
    return said if len(said) in (1, 2) and set(others) <= from_words | set(seen_from.colours) else ()


def _direction_of(option: str) -> tuple[str, Phrase] | None:
    """The direction and the thing of an answer such as "to the left of the car"."""
    found = _SIDE_OF.fullmatch(option.lower().strip(" ."))
    phrase = read_phrase(found["y"]) if found else None
    return (DIRECTION_WORDS[found["side"]], phrase) if found and phrase else None


def judge_beside(view: View, reading: Reading, option: str) -> Verdict:
    y, relation = referents(view, reading.things["y"]), reading.words["relation"]
    return judge_name(view, option, lambda thing: over(y, lambda o: related(view, thing, relation, o)))


def related(view: View, thing: Thing, relation: str, other: Thing) -> Verdict:
    """Whether the annotations say it of two things; "on" and "in" are wrong of boxes that lie apart."""
    said = {r.predicate for r in view.record.relations if r.subject in thing.ids and r.object in other.ids}
    if {_TOUCHING.get(predicate, predicate) for predicate in said} & {_TOUCHING.get(relation, relation)}:
        return "holds"
    far = relation in _TOUCHING and thing is not other and _are_apart(view, thing, other)
    return "contradicted" if far else "undecided"


def _are_apart(view: View, thing: Thing, other: Thing) -> bool:
    least = GAP * max(view.record.width, view.record.height)
    (x, y, w, h), (x0, y0, w0, h0) = thing.box, other.box
    return max(x0 - x - w, x - x0 - w0) > least or max(y0 - y - h, y - y0 - h0) > least

