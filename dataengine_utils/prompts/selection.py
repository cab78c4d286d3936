"""Which facts of an image go into a prompt: those that serve the question type best, up to a token budget."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..facts import View
from ..records import Box, ImageObject, ImageRecord
from .data import as_data, clip, count_tokens
from .weighing import Weigher

SECTIONS = ("objects", "relations", "descriptions", "texts", "captions")
NOT_LISTED = "not_listed"
SMALLEST = 3  # tokens of the smallest fact
MOST_NAMES = 12  # of things counted as not listed by their own name


class Facts(NamedTuple):
    """What a prompt says of an image, and the numbers of facts by section that it says and leaves out."""

    content: dict[str, Any]
    shown: dict[str, int]
    cut: dict[str, int]


class _Fact(NamedTuple):
    section: str
    place: int  # in the record's order
    value: Any
    worth: float
    name: str = ""  # of an object


def select_facts(record: ImageRecord, question_type: str, max_tokens: int) -> Facts:
    """The facts of most worth that take at most `max_tokens` in all, in the record's order.

    Doubled boxes and repeated or nearly repeated texts go first. However many objects are left out, their
    number stays: listed and not listed together are all things of a name.
    """
    facts = sorted(_facts(record, question_type), key=lambda fact: -fact.worth)
    things = Counter(fact.name for fact in facts if fact.name)
    worthy = [fact for fact in facts if fact.worth]
    content = _content(worthy, things)
    # Apart, a fact takes at most two tokens more than among others: where there is so much room, all fit.
    if count_tokens(as_data(content)) + 2 * len(worthy) + SMALLEST <= max_tokens:
        return Facts(content, *_numbers(record, worthy))
    chosen = _that_fit(worthy, max_tokens)
    content = _content(chosen, things)
    while chosen and count_tokens(as_data(content)) > max_tokens:
        chosen.pop()
        content = _content(chosen, things)
    return Facts(content, *_numbers(record, chosen))


def _that_fit(facts: Iterable[_Fact], max_tokens: int) -> list[_Fact]:
    """One fact after the other, those left out that are too long for what is left."""
    chosen, spent = [], 0
    for fact in facts:
        if max_tokens - spent < SMALLEST:
            break
        tokens = count_tokens(as_data(fact.value)) + 1
        if spent + tokens <= max_tokens:
            chosen.append(fact)
            spent += tokens
    return chosen


def _numbers(record: ImageRecord, chosen: Sequence[_Fact]) -> tuple[dict[str, int], dict[str, int]]:
    had = dict(zip(SECTIONS, map(len, (record.objects, record.relations, record.regions, record.texts,
                                       record.captions)), strict=True))
    listed = Counter(fact.section for fact in chosen)
    shown = {section: listed[section] for section, n in had.items() if n}
    return shown, {section: had[section] - n for section, n in shown.items()}


def _content(chosen: Iterable[_Fact], things: Counter[str]) -> dict[str, Any]:
    in_order = sorted(chosen, key=lambda fact: fact.place)
    content = {key: [fact.value for fact in in_order if fact.section == key] for key in SECTIONS}
    left = things - Counter(fact.name for fact in in_order if fact.name)
    found = {key: values for key, values in content.items() if values}
    return found | ({NOT_LISTED: _most(left)} if left else {})


def _most(left: Counter[str]) -> dict[str, int]:
    """How many things of a name are not listed; the rarest names together as "other"."""
    most = dict(left.most_common(MOST_NAMES))
    others = left.total() - sum(most.values())
    return {clip(name, 40): n for name, n in most.items()} | ({"other": others} if others else {})


def _facts(record: ImageRecord, question_type: str) -> Iterator[_Fact]:
    """Every fact with its worth for the question type; what says nothing new is worth nothing."""
    weigher, objects = Weigher(record, question_type), _without_doubles(record)
    for n, (o, worth) in enumerate(zip(objects, weigher.objects(objects), strict=True)):
        value: dict[str, Any] = {"name": clip(o.name)}
        if o.attributes:
            value["attributes"] = [clip(word) for word in o.attributes]
        yield _Fact("objects", n, value | {"box": _percent(o.box, record)}, worth, o.name)
    said = _relation_texts(record)
    for n, (text, worth) in enumerate(zip(said, weigher.relations(said), strict=True)):
        yield _Fact("relations", n, clip(" ".join(text)), worth)
    phrases = [_one_line(region.phrase) for region in record.regions]
    for n, (text, worth) in enumerate(zip(phrases, weigher.phrases(phrases), strict=True)):
        yield _Fact("descriptions", n, {"text": clip(text), "box": _percent(record.regions[n].box, record)},
                    worth)
    for n, (read, worth) in enumerate(zip(record.texts, weigher.texts(), strict=True)):
        yield _Fact("texts", n, {"text": clip(read.text), "box": _percent(read.box, record)}, worth)
    for n, (caption, worth) in enumerate(zip(record.captions, weigher.captions(), strict=True)):
        yield _Fact("captions", n, clip(caption), worth)


def _without_doubles(record: ImageRecord) -> list[ImageObject]:
    """The objects, doubled boxes of one thing merged into the first of them with the attributes of all."""
    first: dict[int, tuple[str, ...]] = {}
    doubles: set[int] = set()
    for thing in View(record).things:
        same = [o for o in record.objects if o.object_id in thing.ids]
        first[same[0].object_id] = tuple(dict.fromkeys(word for o in same for word in o.attributes))
        doubles.update(o.object_id for o in same[1:])
    return [ImageObject(o.object_id, o.name, o.box, first.get(o.object_id, o.attributes))
            for o in record.objects if o.object_id not in doubles]


def _relation_texts(record: ImageRecord) -> list[tuple[str, str, str]]:
    names = {o.object_id: o.name for o in record.objects}
    return [(names[r.subject], r.predicate, names[r.object]) for r in record.relations
            if r.subject in names and r.object in names]


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _percent(box: Box, record: ImageRecord) -> list[int]:
    """[left, top, right, bottom] in whole per cent of the image's sides: half the tokens of shares."""
    x, y, width, height = box
    edges = (
        x / record.width,
        y / record.height,
        (x + width) / record.width,
        (y + height) / record.height,
    )
    return [round(100 * min(1.0, max(0.0, edge))) for edge in edges]
