"""Changes to a template's rules: what a change may say, and the template that changes make."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from ..errors import KitError
from ..prompts import as_data, make_template
from ..prompts.templates import texts_of
from ..records import RuleChange, Template

LONGEST_RULE = 400  # characters


class Difference(NamedTuple):
    """One line of the difference between two templates: "+", "-" or " ", the part it is in, its text."""

    sign: str
    part: str
    text: str


def clean_rule(text: str) -> str:
    """A rule's text on one line; `KitError` for one that is empty, too long or could end a section."""
    rule = " ".join(text.split())
    if not rule or len(rule) > LONGEST_RULE:
        raise KitError(f"a rule of {len(rule)} characters: expected 1 to {LONGEST_RULE}")
    if "\\u" in as_data(rule.replace("\\", "")):
        raise KitError(f"the rule {rule!r} has signs that could be taken for the end of a section of the "
                       "prompt (angle or square brackets, backticks, bars, unseen signs); write it without")
    return rule


def apply_changes(template: Template, changes: Iterable[RuleChange], note: str = "") -> Template:
    """The template's child with these changes to its rules; rules it has already are not added twice.

    `KitError` for a change to a rule that it does not have, or that another change has taken.
    """
    rules = list(template.rules)
    for change in changes:
        text = clean_rule(change.text) if change.kind != "remove" else ""
        if change.kind != "add":
            _take_out(rules, change)
        if text and text not in rules:
            rules.insert(_place(template, rules, change), text)
    return make_template(template.role, rules, template.definitions, template.id, note, **texts_of(template))


def note_of(changes: Sequence[RuleChange]) -> str:
    """The changes in a few words, for a template's note."""
    signs = {"add": "+", "remove": "-", "replace": "~"}
    return " ".join(f"{signs[change.kind]} {change.text or change.rule}" for change in changes)


def differences(one: Template, other: Template) -> list[Difference]:
    """What changes from one template to another: rules in their order, then every other text that differs."""
    found = [Difference(sign, "rule", text) for sign, text in _lines(one.rules, other.rules)]
    for name in sorted({*one.definitions, *other.definitions}):
        found += _changed(f"definition of {name}", one.definitions.get(name, ""),
                          other.definitions.get(name, ""))
    before, after = ({"role": side.role, **texts_of(side)} for side in (one, other))
    return found + [line for name in before for line in _changed(name, before[name], after[name])]


def _take_out(rules: list[str], change: RuleChange) -> None:
    if change.rule not in rules:
        raise KitError(f"no rule {change.rule!r} to {change.kind}; the template's rules: "
                       + "; ".join(map(repr, rules)))
    rules.remove(change.rule)


def _place(template: Template, rules: Sequence[str], change: RuleChange) -> int:
    """Where a new rule goes: to the end, or where the one stood that it replaces."""
    if change.kind == "add":
        return len(rules)
    before = template.rules[: template.rules.index(change.rule)]
    return sum(rule in before for rule in rules)


def _changed(part: str, before: str, after: str) -> list[Difference]:
    if before == after:
        return []
    return [Difference(sign, part, text) for sign, text in (("-", before), ("+", after)) if text]


def _lines(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for what, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if what == "equal":
            found += [(" ", rule) for rule in one[a:b]]
        else:
            found += [("-", rule) for rule in one[a:b]] + [("+", rule) for rule in other[c:d]]
    return found
