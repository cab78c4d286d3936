"""Any file that somebody trains on, as the items a check needs: picture, question, options."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import KitError
from ..inputs import read_list, read_objects
from ..models.families import FAMILIES
from ..records import LETTERS
from .published import FIELDS, sample_of
from .rows import IMAGE

EXPECTED = (
    f"a JSON list or JSONL of samples (the kit's, or {', '.join(FIELDS)}), of LLaVA's or ShareGPT's "
    "conversations, or of messages, or of prompt and completion"
)

_OPTION = re.compile(rf"^\(?([{LETTERS}])[.):]\s+(.+)$")
_TURN = {"from": "value", "role": "content"}
_ASKING = ("human", "user")


@dataclass(frozen=True)
class TrainingItem:
    """One question of a training file; `id` is its entry's, or its place in the file.

    A picture that no question of its entry is told with (a second one, or one without words) is an item too,
    with an empty `instruction`.
    """

    id: str
    image_id: str
    image: str
    instruction: str
    options: tuple[str, ...]


def read_items(path: Path) -> Iterator[TrainingItem]:
    """All questions and pictures of a training file; an entry in no known form raises `KitError` with its
    place.
    """
    for where, entry in _entries(path):
        yield from _items(entry, where)


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".jsonl":
        yield from read_objects(path, EXPECTED)
    else:
        yield from ((f"{path}[{number}]", entry) for number, entry in enumerate(read_list(path, EXPECTED)))


def _items(entry: Any, where: str) -> Iterator[TrainingItem]:
    if isinstance(entry, dict) and "instruction" in entry:
        sample = sample_of(entry, where)
        yield TrainingItem(sample.id, sample.image_id, sample.image, sample.instruction, sample.options)
        return
    turns = next(
        (
            entry[key]
            for key in ("conversations", "messages", "prompt")
            if isinstance(entry, dict) and isinstance(entry.get(key), list)
        ),
        None,
    )
    if turns is None:
        raise KitError(f"{where}: {json.dumps(entry)[:80]} is in no known form; expected {EXPECTED}")
    image, *others = _images(entry, where) or [""]
    name = str(entry.get("id") or where)
    asked = [text for turn in turns if (text := _asked(turn, where))]
    for text in asked or [""]:
        question, options = parse_question(text)
        yield TrainingItem(name, PurePosixPath(image).stem, image, question, options)
    for other in others:
        yield TrainingItem(name, PurePosixPath(other).stem, other, "", ())


def _images(entry: dict[str, Any], where: str) -> list[str]:
    """The paths of an entry's pictures, in their order; "" for one that is not told by a path."""
    found = entry.get("image") or entry.get("images") or []
    paths = [(one.get("path") or "") if isinstance(one, dict) else one
             for one in (found if isinstance(found, list) else [found])]  # fmt: skip
    for path in paths:
        if not isinstance(path, str):
            raise KitError(f"{where}: the picture is {path!r:.60}; expected a path")
    return paths


def _asked(turn: Any, where: str) -> str:
    """What the user says in a turn, "" for the others' turns."""
    who = next((key for key in _TURN if isinstance(turn, dict) and key in turn), None)
    if who is None:
        raise KitError(f"{where}: the turn {turn!r:.60} has no from or role; expected {EXPECTED}")
    if turn[who] not in _ASKING:
        return ""
    text = turn.get(_TURN[who]) or ""
    if isinstance(text, list):  # TRL's parts: {"type": "text", "text": ...}
        text = " ".join(str(part.get("text") or "") for part in text if isinstance(part, dict))
    if not isinstance(text, str):
        raise KitError(f"{where}: the user's turn says {text!r:.60}; expected a text, or a list of parts")
    return text


def parse_question(text: str) -> tuple[str, tuple[str, ...]]:
    """Question and options of a prompt, without the picture's sign and the words that ask for a form."""
    text = text.replace(IMAGE, "").strip()
    for start in _STARTS:
        text = text.removeprefix(start)
    for end in _ENDS:
        text = text.removesuffix(end)
    lines = text.strip().split("\n")
    first = next((n for n, line in enumerate(lines) if n and _OPTION.match(line)), len(lines))
    options = [match[2].strip() for line in lines[first:] if (match := _OPTION.match(line))]
    return "\n".join(lines[:first]).strip(), tuple(options)


def _frames() -> tuple[list[str], list[str]]:
    """What the families' wordings put before and after a question, the longest first."""
    wordings = {wording for family in FAMILIES.values() for wording in family.wordings.values()}
    starts = {wording.replace("{hint}", "").partition("{question")[0] for wording in wordings}
    ends = {wording.rpartition("}")[2] for wording in wordings}
    return tuple(
        sorted((part for part in parts if part.strip()), key=len, reverse=True) for parts in (starts, ends)
    )


_STARTS, _ENDS = _frames()
