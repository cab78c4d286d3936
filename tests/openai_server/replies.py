"""What the model behind the server says: the kit's rule teacher, writing from the facts in the prompt.

It keeps the rules that the prompt gives it; the model `SLOPPY` has the flaws that these cure. The same
request has the same reply, always.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataengine_utils.prompts import BASE_RULES, ROLE, RULES, make_template
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import ImageObject, ImageRecord, Query, Region, Relation, TextBox
from dataengine_utils.teachers import Request, load
from dataengine_utils.teachers.rules.flaws import SloppyTeacher

from .script import scripted

SLOPPY = "kit-1-sloppy"
SIZE = 1000
"""Pixels of the picture's sides, as the server imagines it; boxes in prompts are per cents of them."""

_TEACHER, _SLOPPY_TEACHER = load("rules"), SloppyTeacher()


def written(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A question about the facts in the request's messages, or a skip where the rules find none."""
    text = text_of(body["messages"][-1:])
    query = Query(key, asked_type(text), "", ())
    told = text_of(body["messages"])
    rules = [rule for rule in RULES.values() if rule in told] or [RULES[name] for name in BASE_RULES]
    template = make_template(ROLE, rules, {})
    teacher = _SLOPPY_TEACHER if body.get("model") == SLOPPY else _TEACHER
    (reply,) = teacher.replies([Request(query, record_of(text), template)])
    return json.loads(reply.text)


def text_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """All text of the messages; pictures are left out."""
    parts = []
    for message in messages:
        content = message.get("content") or ""
        pieces = [{"type": "text", "text": content}] if isinstance(content, str) else content
        parts += [piece["text"] for piece in pieces if piece.get("type") == "text"]
    return "\n".join(parts)


def tokens(text: str) -> int:
    """Tokens of a text by the rule of thumb: four bytes each."""
    return max(1, (len(text.encode()) + 3) // 4)


def asked_type(text: str) -> str:
    """The question type that is named first."""
    places = {name: text.find(name) for name in QUESTION_TYPES.values()}
    named = {name: place for name, place in places.items() if place >= 0}
    return min(named, key=named.__getitem__) if named else QUESTION_TYPES[1]


def record_of(text: str) -> ImageRecord:
    """The annotations that the first JSON objects in the text tell of."""
    facts: dict[str, list[Any]] = {}
    for value in _objects(text):
        for name, items in value.items():
            if isinstance(items, list):
                facts.setdefault(name, items)
    things = [item for item in facts.get("objects", []) if isinstance(item, dict) and "name" in item]
    objects = tuple(ImageObject(number, thing["name"], _box(thing), tuple(thing.get("attributes", ())))
                    for number, thing in enumerate(things))  # fmt: skip
    return ImageRecord(
        "", "", SIZE, SIZE, objects,
        tuple(_relations(facts.get("relations", []), objects)),
        tuple(Region(item["text"], _box(item)) for item in facts.get("descriptions", [])),
        tuple(TextBox(item["text"], _box(item)) for item in facts.get("texts", [])),
        tuple(item for item in facts.get("captions", []) if isinstance(item, str)),
    )  # fmt: skip


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, place = json.JSONDecoder(), text.find("{")
    while place >= 0:
        try:
            value, place = decoder.raw_decode(text, place)
            yield value
        except json.JSONDecodeError:
            place += 1
        place = text.find("{", place)


def _box(item: Mapping[str, Any]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(side * SIZE / 100) for side in item.get("box", (0, 0, 100, 100)))
    return left, top, right - left, bottom - top


def _relations(items: Sequence[Any], objects: Sequence[ImageObject]) -> Iterator[Relation]:
    """Sentences such as "woman walking dog", between things that are named."""
    for item in items:
        starts = [thing for thing in objects if str(item).startswith(f"{thing.name} ")]
        ends = [thing for thing in objects if str(item).endswith(f" {thing.name}")]
        if starts and ends:
            first, last = (max(things, key=lambda thing: len(thing.name)) for things in (starts, ends))
            yield Relation(first.object_id, item[len(first.name) : -len(last.name)].strip(), last.object_id)


def content(body: Mapping[str, Any], key: str, fault: str) -> str:
    """The text of a reply, in the response format that was asked for; without any it stands in a fence."""
    value = _faulty(scripted(text_of(body["messages"]), record_of) or written(body, key), fault)
    asked = body.get("response_format") or {"type": "text"}
    if fault == "wrong_schema":
        return json.dumps({"q": "What is it?", "choices": {"A": 1}, "right": 0})
    if fault == "language":
        value = {**value, "question": "这张图片里有什么动物？", "answer": "图片里有一只猫。"}
    if asked["type"] == "json_schema":
        value = fitted(value, asked["json_schema"]["schema"])
    text = json.dumps({name: item for name, item in value.items() if name != "facts"}, ensure_ascii=False)
    if asked["type"] == "text" or fault == "prose":
        text = f"Here is one:\n```json\n{text}\n```\nI hope that it {{helps}}."
    return text[: len(text) // 2] if fault == "truncated" else text


def _faulty(value: dict[str, Any], fault: str) -> dict[str, Any]:
    if fault == "skip":
        return {"skip": "Skip: the facts are too few."}
    if fault == "three_options" and "options" in value:
        return {**value, "options": value["options"][:3]}
    return value


def fitted(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The value with exactly the properties of the schema, those that it lacks empty."""
    return {
        name: value.get(name, _empty(kind))
        for name, kind in schema["properties"].items()
    }  # fmt: skip


def _empty(kind: Mapping[str, Any]) -> Any:
    """The least that a property's schema allows."""
    options = [kind, *kind.get("anyOf", ())]
    names = [name for option in options for name in _list(option.get("type"))]
    if "null" in names:
        return None
    if "enum" in kind:
        return "" if "" in kind["enum"] else kind["enum"][0]
    return {"string": "", "array": [], "object": {}, "boolean": False}.get(names[0] if names else "", 0)


def _list(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())


def shuffled(items: Sequence[Any], seed: str) -> list[Any]:
    """The items in another order, the same for the same seed."""
    order = list(items)
    random.Random(seed).shuffle(order)
    return order
