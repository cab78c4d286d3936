"""What the model says when it is asked about samples or rules, by the sections of the prompt."""

import json
import re
from collections.abc import Callable
from typing import Any

from dataengine_utils.facts import View, free
from dataengine_utils.ipo.cures import CURES
from dataengine_utils.prompts import RULES
from dataengine_utils.records import ImageRecord

COUNTS = ("count", "count_people")


def scripted(text: str, record_of: Callable[[str], ImageRecord]) -> dict[str, Any] | None:
    """Changes to the rules for `<rejected>` samples, a verdict on a `<sample>`; None for any other prompt.
    `record_of` reads the facts in a prompt.
    """
    if "\n<rejected>\n" in text:
        return {"changes": _changes(_section(text, "reasons"), _section(text, "rules"))}
    if "\n<sample>\n" in text:
        return _verdict(_section(text, "sample")["question"], View(record_of(text)))
    return None


def _changes(reasons: dict[str, int], rules: dict[str, str]) -> list[dict[str, Any]]:
    """The first rule that mends each reason and is not there yet."""
    missing = {reason: [RULES[name] for name in CURES.get(reason, ()) if RULES[name] not in rules.values()]
               for reason in reasons}
    texts = {found[0]: reason for reason, found in missing.items() if found}
    return [{"kind": "add", "rule": None, "text": text, "reason": f"against {reason}"}
            for text, reason in list(texts.items())[:4]]


def _verdict(question: str, view: View) -> dict[str, Any]:
    """A sample is rejected where it asks about a thing whose name fits several."""
    reading = free.read(question)
    things = reading.things.values() if reading and reading.form not in COUNTS else ()
    if any(len(view.called(phrase.name)) > 1 for phrase in things):
        return {"verdict": "reject", "reasons": ["ambiguous referent"], "why": "Which one is meant?"}
    return {"verdict": "accept", "reasons": [], "why": "It is sound."}


def _section(text: str, name: str) -> Any:
    (content,) = re.findall(rf"\n<{name}>\n(.*)\n</{name}>", text)
    return json.loads(content)
