"""A sample in words: what the reviewer reads beside the picture."""

from collections.abc import Sequence

from ..ipo import Shown
from ..records import LETTERS
from .pictures import SIDE
from .texts import SOFT, plain, table

_SAID = {"holds": "true", "contradicted": "not true", "undecided": "cannot tell"}
_ROLES = {"asked": "blue: asked about", "answer": "brown, ✓: the answer"}
_ANSWER = "<span style='white-space:nowrap'>◀ answer</span>"


def sample_words(shown: Shown, others: Sequence[str]) -> str:
    """The sample in words: question, options with the checks' verdict on each, answer, verdicts."""
    parts = _question(shown) if shown.draft else _reply(shown)
    checks = "accept it" if shown.accepted else f"reject it: {plain(shown.reason)}"
    parts.append(f"<p style='margin:0 0 4px'>{'✓' if shown.accepted else '✗'} The checks {checks}</p>")
    own = verdict_words(shown.verdict, shown.reasons, shown.text) if shown.verdict else "not looked at"
    parts.append(f"<p style='margin:0 0 4px'><b>You</b>: {own}</p>")
    parts += [f"<p style='margin:0 0 4px'>{line}</p>" for line in others]
    style = f"line-height:1.4; max-height:{SIDE}px; overflow:auto; overflow-wrap:anywhere"
    return f"<div style='{style}'>{''.join(parts)}</div>"


def _question(shown: Shown) -> list[str]:
    draft, verdicts = shown.draft, shown.checks.get("options", {})
    rows = []
    for letter, option in zip(LETTERS, draft.options, strict=False):
        right = letter == draft.choice
        said = verdicts.get(letter, "")
        against = "⚠ " if said == ("contradicted" if right else "holds") else ""
        told = f"{against}{_SAID.get(said, 'not checked')}"
        rows.append([letter, f"<b>{plain(option)}</b> {_ANSWER}" if right else plain(option), told])
    known = draft.choice in LETTERS[: len(draft.options)]
    marked = "" if known else f" (marked as right: {plain(draft.choice)})"
    return [
        f"<p style='font-size:1.15em; margin:0 0 6px'><b>{plain(draft.instruction)}</b></p>",
        table(["", "option", "checks"], rows, short=(0, 2), least=4),
        f"<p style='{SOFT}; margin:6px 0'>Full answer: {plain(draft.answer)}{marked}</p>",
    ]


def _reply(shown: Shown) -> list[str]:
    return [f"<p style='{SOFT}; margin:0 0 6px'>No question could be read from the reply:</p>",
            f"<p style='margin:0 0 8px'>{plain(shown.reply)}</p>"]


def box_words(shown: Shown) -> str:
    """What the boxes on the picture are."""
    roles = {box.role for box in shown.boxes}
    told = [text for role, text in _ROLES.items() if role in roles]
    return f"<span style='{SOFT}'>{'; '.join(told) or 'no box: the facts of this sample have none'}</span>"


def verdict_words(verdict: str, reasons: Sequence[str], text: str) -> str:
    """A reviewer's verdict with its reasons."""
    why = "; ".join(map(plain, (*reasons, *([text] if text else []))))
    return f"{'✓ accepted' if verdict == 'accept' else '✗ rejected'}{f' ({why})' if why else ''}"
