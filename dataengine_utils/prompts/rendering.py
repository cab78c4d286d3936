"""A template rendered for one query: the chat messages, and how many facts they hold and leave out."""

from typing import Any, NamedTuple

from ..records import BadCase, ImageRecord, Query, Template
from .data import as_data, clip
from .selection import select_facts
from .templates import texts_of


class Prompt(NamedTuple):
    """Chat messages, and the numbers of facts shown and cut by section ("objects", "relations",
    "descriptions", "texts", "captions").
    """

    messages: list[dict[str, str]]
    shown: dict[str, int]
    cut: dict[str, int]


def render(template: Template, query: Query, record: ImageRecord, *, max_fact_tokens: int = 1500) -> Prompt:
    """Chat messages for one query: rules and definition, the facts, then examples the student got wrong.

    The facts take at most `max_fact_tokens` (by `data.count_tokens`), those that serve the question type best
    first. Texts of annotations and bad cases stand in JSON (`data.as_data`): they cannot end their section.
    """
    texts, facts = texts_of(template), select_facts(record, query.question_type, max_fact_tokens)
    rules = "\n".join(f"{number}. {rule}" for number, rule in enumerate(template.rules, start=1))
    definition = template.definitions.get(query.question_type, "")
    parts = [
        f"Question type: {as_data(clip(query.question_type))[1:-1]}. {definition}".strip(),
        f"<facts>\n{as_data(facts.content)}\n</facts>",
    ]
    if query.bad_cases:
        examples = "\n".join(as_data(_example(case)) for case in query.bad_cases)
        parts.append(f"{texts['examples']}\n<examples>\n{examples}\n</examples>")
    parts.append(texts["task"])
    system = f"{template.role}\n\nRules:\n{rules}\n\n{texts['data']}\n\n{texts['output']}"
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "\n\n".join(parts)},
    ]
    return Prompt(messages, facts.shown, facts.cut)


def _example(case: BadCase) -> dict[str, Any]:
    return {
        "question": clip(case.question),
        "options": [clip(option) for option in case.options],
        "answer": clip(case.answer),
        "reply": clip(case.reply),
    }
