"""Free answers about what things are, how they look, how many there are, and what the whole picture shows."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from ...picturebook.truth import NEEDS
from ..judges import Verdict, among, clear_count, clear_count_people
from ..view import Thing, View, overlap
from ..vocabulary import (
    CALLS,
    NEAR_COLOURS,
    NEAR_MATERIALS,
    NEAR_NEEDS,
    NEAR_PLACES,
    NEAR_PLANS,
    NEAR_SKIES,
    PERSONS,
    PLACE_WORDS,
    PLANS,
    USES,
)
from ..words import head, is_plural, singular
from .answers import (
    read_colours,
    read_count,
    read_material,
    read_place,
    read_sky,
    read_text,
    without_fillers,
    words_of,
)
from .phrases import Phrase, read_phrase, same_name
from .reading import Reading
from .referents import Test, over, referents

WHOLE = 0.8  # a place whose box is this share of the image is the place of the picture
APART = 0.2  # boxes that share at most this much of the smaller are surely two things
ALIKE = 0.8  # texts as similar as this may be one text, misread


def judge_name(view: View, option: str, test: Test) -> Verdict:
    """Whether something is so of what an option names; of what is not annotated, nothing is known."""
    phrase = read_phrase(option)
    return over(referents(view, phrase), test) if phrase else "undecided"


def judge_sky(view: View, reading: Reading, option: str) -> Verdict:
    """Another weather is wrong where the annotated one is sure and the two do not go together."""
    said, known = read_sky(option), view.sky
    if not said or not known:
        return "undecided"
    if known in said or (said & _SAME_SKY.get(known, said - said)):
        return "holds" if all(_go_together(word, known) for word in said) else "undecided"
    wrong = view.sky_attributes == {known} and not any(_go_together(word, known) for word in said)
    return "contradicted" if wrong else "undecided"


_SAME_SKY = {"sunny": frozenset(("clear", "blue")), "cloudy": frozenset(("overcast",))}


def _go_together(word: str, known: str) -> bool:
    return word == known or any({word, known} <= group for group in NEAR_SKIES)


def judge_place(view: View, reading: Reading, option: str) -> Verdict:
    """Another place is wrong where the annotated one fills the picture; "at a lake in the park" names two."""
    said = read_place(option)
    whole = said == " ".join(without_fillers(option)) and _is_whole(view)
    return _told(said, view.place, NEAR_PLACES, sure=whole)


def judge_need(view: View, reading: Reading, option: str) -> Verdict:
    known = _known(option, NEEDS.values())
    return _told(known, NEEDS.get(view.sky, ""), NEAR_NEEDS, sure=view.sky_attributes == {view.sky})


def judge_outing(view: View, reading: Reading, option: str) -> Verdict:
    """What could be done in the place, or with one of its things: the same words ask for both."""
    use = _known(option, USES.values())
    if use:
        return "holds" if any(USES.get(name) == use for name in view.names) else "undecided"
    return _told(_known(option, PLANS.values()), PLANS.get(view.place, ""), NEAR_PLANS, sure=_is_whole(view))


def judge_sound(view: View, reading: Reading, option: str) -> Verdict:
    call = _known(option, CALLS.values())
    return "holds" if call and any(CALLS.get(name) == call for name in view.names) else "undecided"


def judge_present(view: View, reading: Reading, option: str) -> Verdict:
    return judge_name(view, option, lambda thing: "holds")


def judge_is_there(view: View, reading: Reading) -> Verdict:
    return over(referents(view, reading.things["x"]), lambda thing: "holds")


def judge_colour(view: View, reading: Reading, option: str) -> Verdict:
    return _colour_verdict(view, reading.things["x"], read_colours(option))


def judge_is_colour(view: View, reading: Reading) -> Verdict:
    return _colour_verdict(view, reading.things["x"], (reading.words["colour"],))


def _colour_verdict(view: View, phrase: Phrase, colours: tuple[str, ...]) -> Verdict:
    """Whether what a phrase names has the colours and no others; phrases about regions may keep it open."""
    verdict = over(referents(view, phrase), lambda thing: _has_colours(thing, colours))
    told = verdict == "contradicted" and any(_says(view, phrase.name, colour) for colour in colours)
    return "undecided" if told else verdict


def judge_kind_of_colour(view: View, reading: Reading, option: str) -> Verdict:
    colour, phrase = reading.words["colour"], read_phrase(option)
    verdict = judge_name(view, option, lambda thing: _has_colours(thing, (colour,)))
    told = verdict == "contradicted" and phrase and _says(view, phrase.name, colour)
    return "undecided" if told else verdict


def judge_material(view: View, reading: Reading, option: str) -> Verdict:
    material, phrase = read_material(option), reading.things["x"]
    if not material:
        return "undecided"
    verdict = over(referents(view, phrase), lambda thing: among(thing.materials, material, NEAR_MATERIALS))
    return "undecided" if verdict == "contradicted" and _says(view, phrase.name, material) else verdict


def judge_count(view: View, reading: Reading, option: str) -> Verdict:
    """By the boxes where they are all there is to count; else only a number below what they surely show is
    wrong.
    """
    n, phrase = read_count(option), reading.things["x"]
    boxes = _countable(view, phrase)
    if n is None or not boxes or not reading.is_plain:
        return "undecided"
    if _counts_all(view, phrase, len(boxes)):
        return "holds" if n == len(boxes) else "contradicted"
    return "contradicted" if n < _apart(boxes) else "undecided"


def judge_word(view: View, reading: Reading, option: str) -> Verdict:
    """By the texts read in the image, those on the thing that is asked about first; a misreading is close."""
    said, texts = read_text(option), _texts_on(view, reading.things.get("x"))
    if not said or not texts:
        return "undecided"
    read = ["".join(words_of(text)) for text in texts]
    if said in read:
        return "holds"
    close = any(said in text or text in said or SequenceMatcher(None, said, text).ratio() >= ALIKE
                for text in read if text)
    return "undecided" if close or not any(read) else "contradicted"


def _told(said: str, known: str, near: Iterable[frozenset[str]], *, sure: bool) -> Verdict:
    """Judge a value by the one that is known; another one is wrong only where that one is sure and the two
    are not near.
    """
    if not said or not known:
        return "undecided"
    close = any({said, known} <= group for group in near)
    return "holds" if said == known else "contradicted" if sure and not close else "undecided"


def _known(option: str, values: Iterable[str]) -> str:
    """The value that an option is, an article or full stop aside, or ""."""
    said = re.sub(r"^(?:an?|the|some|to) ", "", " ".join(words_of(option)))
    return said if said in values else ""


def _is_whole(view: View) -> bool:
    area = WHOLE * view.record.width * view.record.height
    return any(PLACE_WORDS.get(o.name) == view.place and o.box[2] * o.box[3] >= area
               for o in view.record.objects)


def _has_colours(thing: Thing, colours: tuple[str, ...]) -> Verdict:
    if not colours or not thing.colours:
        return "undecided"
    if set(colours) == set(thing.colours):
        return "holds"
    verdicts = {among(thing.colours, colour, NEAR_COLOURS) for colour in colours}
    return "contradicted" if verdicts == {"contradicted"} else "undecided"


def _says(view: View, name: str, word: str) -> bool:
    """Whether a phrase gives a thing of that kind the word: "red wool hat", "the hat is dark red"."""
    noun = rf"{re.escape(name.split()[-1])}s?"
    said = re.compile(rf"\b{word}\w*(?: \w+)? {noun}\b|\b{noun} (?:is|are|in|was|of|has)(?: \w+)? {word}\b")
    return any(said.search(phrase) for phrase in view.phrases)


def _countable(view: View, phrase: Phrase) -> list[Thing]:
    found = referents(view, phrase)
    if phrase in (Phrase("people"), Phrase("persons"), Phrase("person")):
        return [thing for thing in view.things if head(thing.name) in PERSONS]
    return [thing for thing in found.sure if same_name(phrase.name, thing.name)]


def _counts_all(view: View, phrase: Phrase, n: int) -> bool:
    """Whether the boxes are all things of the name: several, no group in one box, no phrase that tells
    another number.
    """
    if n < 2 or any(is_plural(thing.name) for thing in view.called(phrase.name)):
        return False
    if phrase.name in ("people", "persons", "person"):
        return clear_count_people(view, {}) and view.n_people == n
    found = referents(view, phrase)
    return not found.maybe and len(found.sure) == n and clear_count(view, {"kind": singular(phrase.name)})


def _apart(boxes: list[Thing]) -> int:
    """How many boxes surely show different things: a set of boxes that hardly overlap."""
    chosen: list[Thing] = []
    for thing in sorted(boxes, key=lambda t: t.box[2] * t.box[3]):
        if not is_plural(thing.name) and all(overlap(thing.box, other.box) <= APART for other in chosen):
            chosen.append(thing)
    return len(chosen)


def _texts_on(view: View, phrase: Phrase | None) -> tuple[str, ...]:
    """The texts inside the boxes of what a phrase names; all texts where it names nothing with a box."""
    boxes = [thing.box for thing in referents(view, phrase).all] if phrase and view.record.texts else []
    if not boxes:
        return view.texts
    return tuple(text.text for text in view.record.texts
                 if any(overlap(text.box, box) > 0.5 for box in boxes))
