"""Texts of teachers, annotations and reviewers as HTML that shows just those texts, and their differences.

No text from a teacher or an annotation is ever HTML in a panel: every piece goes through `plain`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from html import escape

SOFT = "color:var(--jp-ui-font-color2, #59636e)"
LONGEST = 20_000  # characters of one text on the screen
_ALIGNED = 3_000  # characters of a text whose words are compared one by one
_UNSEEN = re.compile(r"[^ -~\t\n]")
_JOINERS = "\u200c\u200d"  # part of how words of some scripts are written
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_CELL = "padding:2px 9px 2px 0; vertical-align:top"
_LEFT, _RIGHT = "text-align:left", "text-align:right"
_SHORT = f"{_LEFT}; white-space:nowrap"
_NUMBER = f"{_RIGHT}; white-space:nowrap"
_ADDED = "text-decoration:underline; font-weight:bold; background:#0072B233"
_REMOVED = "text-decoration:line-through; background:#D55E0033"


def plain(text: object) -> str:
    """Any text as HTML that shows just that text: escaped, unseen signs made visible, its direction kept in.

    What is longer than `LONGEST` characters is cut and says how much is left out.
    """
    whole = visible(text)
    left_out = len(whole) - LONGEST
    shown = whole if left_out <= 0 else f"{whole[:LONGEST]}… ({left_out} more characters)"
    return f"<bdi>{escape(shown)}</bdi>"


def visible(text: object) -> str:
    """A text with every control, direction mark or other unseen sign as something to see: [U+202E]."""
    return _UNSEEN.sub(_name, str(text))


def _name(found: "re.Match[str]") -> str:
    sign = found.group()
    if sign < " ":
        return chr(0x2400 + ord(sign))  # Unicode's pictures of control codes
    unseen = unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and sign not in _JOINERS
    return f"[U+{ord(sign):04X}]" if unseen else sign


def one_line(text: object, longest: int) -> str:
    """Any text as one line for places that show no HTML, such as a list's entries or a name on a picture."""
    seen = " ".join(visible(text).split())
    return seen if len(seen) <= longest else f"{seen[: longest - 1].rstrip()}…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (),
          short: Sequence[int] = (), least: float = 7.6) -> str:
    """An HTML table. Cells are HTML already; the columns `numbers` are set to the right, and neither they nor
    those in `short` are broken into lines. The others are at least `least` em wide.
    """
    text = f"{_LEFT}; overflow-wrap:anywhere; min-width:{least}em"
    styles = [_NUMBER if n in numbers else _SHORT if n in short else text for n in range(len(head))]
    heads = [_RIGHT if n in numbers else _LEFT for n in range(len(head))]
    lines = [_row("th", [plain(cell) for cell in head], heads), *(_row("td", row, styles) for row in rows)]
    scrolling = "width:0; min-width:100%; overflow-x:auto"  # as wide as there is room, whatever it contains
    return f"<div style='{scrolling}'><table style='line-height:1.35'>{''.join(lines)}</table></div>"


def _row(tag: str, cells: Sequence[str], styles: Sequence[str]) -> str:
    inner = (f"<{tag} style='{_CELL}; {style}'>{cell}</{tag}>"
             for cell, style in zip(cells, styles, strict=True))
    return f"<tr>{''.join(inner)}</tr>"


def difference(old: str, new: str) -> str:
    """Both texts in one as HTML: words that went are struck out between [− and −], words that came are
    underlined between [+ and +], so that nothing is told by colour alone.
    """
    aligned = len(old) <= _ALIGNED and len(new) <= _ALIGNED
    before, after = (_WORDS.findall(text) if aligned else [text] for text in (old, new))
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(plain("".join(before[a:b])))
            continue
        parts.append(_marked("del", "−", "".join(before[a:b]), _REMOVED))
        parts.append(_marked("ins", "+", "".join(after[c:d]), _ADDED))
    return "".join(parts)


def _marked(tag: str, sign: str, text: str, style: str) -> str:
    return f"<{tag} style='{style}'>[{sign}{plain(text)}{sign}]</{tag}>" if text else ""
