"""What a teacher's reply must look like, and the reading of those that do and of those that nearly do."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..records import LETTERS, Draft

PARSE_REASONS = ("no reply", "skipped", "not readable", "incomplete")
LONGEST_REPLY = 50_000  # characters that are looked through for a JSON object


def _or_null(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}], "description": description}


_TEXT: dict[str, Any] = {"type": "string"}

# The JSON schema of a reply for servers with structured output, in OpenAI's strict form: every property is
# required, nothing else is allowed, and what may be missing is null. A skip is a reason and nulls.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "skip": _or_null(_TEXT, "why no question of this type can be written; null when one is written"),
        "question": _or_null(_TEXT, "the question"),
        "answer": _or_null(_TEXT, "the answer as one full sentence"),
        "short_answer": _or_null(_TEXT, "the right option, in the same words"),
        "options": _or_null({"type": "array", "items": _TEXT}, "four different options, one of them right"),
        "choice": _or_null({"type": "string", "enum": ["A", "B", "C", "D"]}, "the right option's letter"),
    },
    "required": ["skip", "question", "answer", "short_answer", "options", "choice"],
    "additionalProperties": False,
}

_NO_SKIP = frozenset(("", "no", "none", "null", "false", "n/a"))
_CHOICE = re.compile(r"\W*([A-Ja-j])(?:\W*$|[).:]\s)")
_LETTERED = re.compile(r"\(?([A-Ja-j])[).:]\s*(?=\S)")


def parse(text: str) -> Draft | str:
    """The draft in a teacher's reply, or the reason (one of `PARSE_REASONS`) why there is none.

    Text around the JSON object, as in a fenced block, is passed over. Options may be a list, a mapping from
    letters, or lettered texts ("A. cat"); numbers among them are read as text.
    """
    if not text.strip():
        return "no reply"
    values = list(_objects(text[:LONGEST_REPLY]))
    value = next((v for v in values if "question" in v or "skip" in v), values[0] if values else None)
    if value is None:
        return "skipped" if re.match(r"[^\w{]*skip(?:ped)?\b", text, re.IGNORECASE) else "not readable"
    draft, skip = _draft(value), value.get("skip")
    if "skip" in value and (not draft or (skip and str(skip).strip().casefold() not in _NO_SKIP)):
        return "skipped" if skip or not value.get("question") else "incomplete"
    return draft or "incomplete"


def first_object(text: str) -> dict[str, Any] | None:
    """The first whole JSON object in a text, such as a reply with a fenced block."""
    return next(_objects(text), None)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            end = start + 1
        else:
            yield value
        start = text.find("{", end)


def _draft(value: Mapping[str, Any]) -> Draft | None:
    texts = [_text(value.get(key)) for key in ("question", "answer", "short_answer", "choice")]
    options, lettered = _options(value.get("options"))
    if not all(texts) or not options:
        return None
    question, answer, short_answer, choice = texts
    facts = value.get("facts")
    return Draft(question, answer, _LETTERED.sub("", short_answer, count=1) if lettered else short_answer,
                 options, _letter(choice, options), facts if isinstance(facts, dict) else {})


def _options(value: Any) -> tuple[tuple[str, ...], bool]:
    """The options as texts without letters before them, and whether there were any; none where one is no
    text.
    """
    if isinstance(value, dict):
        value = list(value.values())
    options = [_text(option) for option in value] if isinstance(value, list) else []
    if not all(options):
        return (), False
    found = [_LETTERED.match(option) for option in options]
    lettered = [match and match.group(1).upper() for match in found] == list(LETTERS[: len(options)])
    return tuple(_LETTERED.sub("", option, count=1) if lettered else option for option in options), lettered


def _letter(choice: str, options: Sequence[str]) -> str:
    """The letter that a choice is, begins with ("A. cat"), or names by its option."""
    if found := _CHOICE.match(choice):
        return found.group(1).upper()
    same = [n for n, option in enumerate(options) if option.casefold() == choice.casefold()]
    return LETTERS[same[0]] if same else choice.upper()


def _text(value: Any) -> str:
    """A text or number as stripped text; "" for everything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()
