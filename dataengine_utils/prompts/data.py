"""How texts that others wrote go into a prompt: as JSON that can end no section, cut to a length, counted."""

import json
import re
import unicodedata
from functools import lru_cache
from typing import Any

LONGEST = 300  # characters of one text of an annotation, a bad case or a reply

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
# JSON without a suspect sign in any string: nothing is to be escaped, which one look tells.
_HARMLESS = re.compile(r'[^"]*(?:"(?:[ !#-;=?-Z^_a-{}~]|\\[ -~])*"[^"]*)*')
_PIECE = re.compile(r"[A-Za-z]+|[0-9]{1,3}|\s+|[!-/:-@\[-`{-~]+|.", re.DOTALL)
# Signs that close sections, fences and the turns of chat templates, and brackets that look like them.
_MARKS = frozenset("<>[]`|" "‹›«»〈〉《》⟨⟩⟪⟫⧼⧽❬❭❮❯❰❱˂˃ᐸᐳ≺≻")
_SUSPECT = re.compile(r"[^ -~]|[<>\[\]`|]")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))  # controls, directions, surrogates, line ends


def as_data(value: Any) -> str:
    """A value as one line of JSON in which no text can end the section of a prompt that it stands in.

    Inside its strings, angle and square brackets with all that look like them, backticks, bars, control and
    unseen characters are written as \\uXXXX: reading the JSON gives the same value again, but there is no
    tag, fence, chat-template token (such as <|im_end|> or [INST]) or line break in it.
    """
    text = _ENCODER.encode(value)
    return text if _HARMLESS.fullmatch(text) else _STRING.sub(_escape_literal, text)


def clip(text: str, longest: int = LONGEST) -> str:
    """A text of at most `longest` characters; one that was cut ends with an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def count_tokens(text: str) -> int:
    """About how many tokens a chat model makes of a text: an estimate that needs no tokenizer.

    ASCII words count one token for every six letters begun, runs of signs one for every two, numbers one for
    three digits, a single space none, and any other character half its bytes in UTF-8. Facts counted so come
    to 1.1 to 1.3 times what OpenAI's cl100k_base and o200k_base make of them (`tests/test_prompts.py` keeps
    their counts), English prose to 1.2 times, other alphabets to more.
    """
    return sum(map(_cost, _PIECE.findall(text)))


@lru_cache(maxsize=65536)
def _cost(piece: str) -> int:
    if piece == " ":
        return 0
    if piece.isascii():
        return -(-len(piece) // (6 if piece.isalnum() else 2))
    return -(-len(piece.encode("utf-8", "surrogatepass")) // 2)


def _escape_literal(found: "re.Match[str]") -> str:
    return _SUSPECT.sub(lambda sign: _escape(sign.group()), found.group())


@lru_cache(maxsize=4096)
def _escape(sign: str) -> str:
    alike = sign in _MARKS or any(part in _MARKS for part in unicodedata.normalize("NFKC", sign))
    if not alike and unicodedata.category(sign) not in _UNSEEN:
        return sign
    return json.dumps(sign)[1:-1] if not sign.isascii() else f"\\u{ord(sign):04x}"
