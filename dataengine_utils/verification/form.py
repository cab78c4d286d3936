"""The form of a draft: what is wrong with it whatever the picture shows."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from ..facts.free.phrases import NUMBER_WORDS
from ..facts.vocabulary import COLOUR_WORDS, GROUPS, MATERIAL_WORDS, PLACES
from ..facts.words import word_set
from ..records import LETTERS, Draft

FORM_REASONS = (
    "empty text",
    "too long",
    "not English",
    "not four options",
    "options repeat",
    "option about other options",
    "choice is not the short answer",
    "answer names another option",
    "mentions the annotations",
    "answer in the question",
)

LONGEST = {"question": 400, "answer": 600, "option": 150}  # characters; the published data average 68 and 77
SHARE_OF_ENGLISH = 0.1  # of a question's words at least

_TOKEN = re.compile(r"-?\d+(?:[.:,/]\d+)*%?|[^\W_]+(?:'[^\W_]+)*|[$€£#&+]")
_ARTICLES = frozenset(("a", "an", "the"))
_NUMBERS = {word: str(n) for word, n in NUMBER_WORDS.items()}
_ENGLISH = word_set("""
    a an the what which who whose whom where when why how many much is are was were be been being am do does
    did can could would should will may might must has have had there here this that these those it its he
    she they them his her their we you your i my in on at of to for from with by near next above below under
    over behind beside between and or not no if than as most best one two three first any some other all
    picture image photo scene see seen shown look looks like kind type color colour people person name
""")
# Frequent words of other languages that English does not have.
_FOREIGN = word_set("""
    der das und ist wie viele welche farbe wo auf le les la est sont une des dans quelle quel combien el los
    las una es está están qué cuántos cuál dónde en il lo gli che quanti colore dove o os as um uma são qual
    quantos onde cor het een zijn wat welke hoeveel waar nie na jest ile jaki gdzie är och vad hur många
""")
_SPELLED = {"upper": "top", "lower": "bottom", "center": "middle", "centre": "middle", "central": "middle",
            "grey": "gray", "wooden": "wood", "metallic": "metal", "lefthand": "left", "righthand": "right",
            "photo": "picture", "image": "picture", "scene": "picture", "photograph": "picture"}
_SAYINGS = tuple(tuple(words.split()) for words in (
    "it's", "they're", "it is", "it was", "they are", "he is", "she is", "there is", "there are", "this is",
    "that is",
    "it says", "it reads", "sign says", "sign reads", "word", "text", "words", "made of", "made from",
    "made out of"))
_PREPOSITIONS = tuple(tuple(words.split()) for words in (
    "made of", "to", "for", "in", "on", "at", "from", "of"))
_ALWAYS = (("to",), ("for",))
_ENDINGS = (("of", "picture"), ("in", "picture"), ("in", "colour"), ("in", "color"), ("it",))
_WHERE = frozenset(("top", "bottom", "left", "right", "middle"))
_PARTS = frozenset(("side", "part", "corner", "area", "section", "region", "portion", "hand"))
_CLOSED = _WHERE | COLOUR_WORDS.keys() | MATERIAL_WORDS.keys() | set(_NUMBERS.values()) | {
    word for place in PLACES for word in place.split()}
_GROUPED = {(word,): (str(n),) for word, n in GROUPS.items()}
_QUOTED = re.compile(r"[\"“][^\"”]*[\"”]")
_KNOWN = "(?:labels?|information|attributes?|captions?|relations?(?:hips?)?|regions?|context|tags?|graph)"
_SOURCES = re.compile(
    r"\bscene[- ]graphs?\b|\b[xywh]\s*[=:]\s*-?\d|\b(?:object|region|instance|image|relation|box)[-"
    r" ]?ids?\b|\bids? #?\d"
    r"|\b(?:its|their|the|his|her|this|whose) box(?:es)? (?:spans?|covers?|starts?|ends?|extends?"
    r"|reach(?:es)?|ranges?)\b"
    rf"|\b(?:provided|given|supplied|accompanying|annotated) (?:\w+ )?"
    rf"(?:{_KNOWN}|data|lists?|box(?:es)?|records?|details)\b"
    rf"|\b{_KNOWN} (?:(?:that )?(?:is|are|was|were) )?(?:provided|given|supplied)\b"
    rf"|\b(?:object|relation(?:ship)?|attribute|region|caption)s?[- ](?:list|graph|table|data|entry|entries"
    rf"|tags?)\b"
    r"|\bbounding\b|\bcoordinates?\b|\bannotat\w*|\bpixels?\b|\bmetadata\b|\bas described\b"
    r"|\b(?:the|this|given|provided|above|image|picture|region|scene|text|its|your) descriptions?\b"
    r"|\bdescriptions? (?:say|state|mention|provided|given|above|list|indicate|describe)\w*"
    r"|\b(?:the|these|given|provided|listed) facts\b|\b(?:region|relation|object) (?:list|boxes|labels?)\b"
    r"|\baccording to the (?:box(?:es)?|list|data|captions?|information|labels?|relations?|objects|"
    r"text(?! (?:on|in|at|of|written|displayed|shown)))\b"
    r"|\b(?:based on|mentioned in|stated in|listed in|given in|described in) (?:the|these) "
    r"(?:texts?|box(?:es)?|list|data|captions?|information|details|labels?|relations?|objects)\b"
    r"|\b[xy]1\b|\b(?:x|y)[- ](?:axis|coordinate)"
    r"|[\[(]\s*-?\d*\.?\d+%?\s*(?:,\s*-?\d*\.?\d+%?\s*){3}[\])]|(?:\b0?\.\d+\s*,\s*){3}0?\.\d+"
    r"|[\[(]\s*0?\.\d+\s*,\s*0?\.\d+\s*[\])]|\bbox(?:es)? \[",
    re.IGNORECASE,
)
_ABOUT_OPTIONS = re.compile(
    r"(?:all|none|both|neither|either|any|some) (?:of )?(?:the )?(?:above|below|these|them|options?|others?)"
    r"|(?:both|either|neither|only)? ?\(?[a-d]\)? (?:and|or|nor|&) \(?[a-d]\)?|all of the above",
    re.IGNORECASE,
)


def check_form(draft: Draft) -> str:
    """The first of `FORM_REASONS` that holds for a draft, or ""."""
    texts = {"question": (draft.instruction,), "answer": (draft.answer,), "option": draft.options}
    if any(not _has_words(text) for group in texts.values() for text in group):
        return "empty text"
    if any(len(text) > LONGEST[name] for name, group in texts.items() for text in group):
        return "too long"
    return _check_language(draft) or _check_options(draft) or _check_words(draft)


def gives_away(question: str, answer: str) -> bool:
    """Whether what an answer says stands in the question as whole words; articles, "it is", case,
    and "two" or
    "2" aside.
    """
    asked = _one_spelling(tokens(question))
    return any(asked[n: n + len(said)] == said for said in {value(answer), _one_spelling(tokens(answer))}
               for n in range(len(asked) - len(said) + 1))


@lru_cache(maxsize=16384)
def tokens(text: str) -> tuple[str, ...]:
    """The words and numbers of a text in lower case, numbers as digits, without articles (unless there is no
    more).
    """
    words = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))
    found = tuple(_NUMBERS.get(word, word) for word in words if word not in _ARTICLES)
    return found or tuple(words) or (text.strip().casefold(),)


@lru_cache(maxsize=16384)
def value(text: str) -> tuple[str, ...]:
    """The words of an answer that say something, in one spelling: "It is in the upper part of the image" is
    "top". A preposition is left out only before a place in the picture, a colour, number,
    material or setting.
    """
    words = _one_spelling(tokens(text))
    for openings in (_SAYINGS, _PREPOSITIONS):
        words = _without_opening(words, openings)
    for end in _ENDINGS:
        acting = end != ("it",) or words[0].endswith("ing")
        if acting and len(words) > len(end) and words[-len(end):] == end:
            words = words[: -len(end)]
    if _WHERE.intersection(words):
        words = tuple(word for word in words if word not in _PARTS) or words
    return _GROUPED.get(words, words)


def _without_opening(words: tuple[str, ...], openings: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    for opening in openings:
        rest = words[len(opening):]
        if rest and words[: len(opening)] == opening and (
                openings is not _PREPOSITIONS or opening in _ALWAYS or rest[0] in _CLOSED):
            words = rest
    return words


def _one_spelling(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_SPELLED.get(word, word) for word in words)


def is_english(text: str) -> bool:
    """Whether a sentence is in English, by its letters and its most frequent words."""
    if not _is_latin(text):
        return False
    words = re.findall(r"[^\W\d_]+", text.casefold())
    english = sum(word in _ENGLISH for word in words)
    return english >= max(1, SHARE_OF_ENGLISH * len(words)) and english > sum(w in _FOREIGN for w in words)


def _is_latin(text: str) -> bool:
    letters = [sign for sign in text if sign.isalpha()]
    return sum(not sign.isascii() for sign in letters) <= 0.2 * len(letters)


def _has_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _check_language(draft: Draft) -> str:
    """The question must be English, the answer in its letters; what stands in quotes may be read in the
    picture.
    """
    asked, answered = (_QUOTED.sub(" ", text) for text in (draft.instruction, draft.answer))
    return "" if is_english(asked) and _is_latin(answered) else "not English"


def _check_options(draft: Draft) -> str:
    if len(draft.options) != 4:
        return "not four options"
    if len(set(map(value, draft.options))) < 4:
        return "options repeat"
    if any(_ABOUT_OPTIONS.fullmatch(option.strip(" .")) for option in draft.options):
        return "option about other options"
    if draft.choice not in tuple(LETTERS[:4]):
        return "choice is not the short answer"
    right = draft.options[LETTERS.index(draft.choice)]
    return "" if value(right) == value(draft.short_answer) else "choice is not the short answer"


def _check_words(draft: Draft) -> str:
    right = draft.options[LETTERS.index(draft.choice)]
    if _names_another(draft, right):
        return "answer names another option"
    if any(_SOURCES.search(text) for text in (draft.instruction, draft.answer, *draft.options)):
        return "mentions the annotations"
    if not gives_away(draft.instruction, draft.short_answer):
        return ""
    said = sum(gives_away(draft.instruction, option) for option in draft.options)
    return "" if said > 1 and "or" in tokens(draft.instruction) else "answer in the question"


def _names_another(draft: Draft, right: str) -> bool:
    """Whether the answer's sentence has the words of a wrong option, which the question has not, and not the
    right one's.
    """
    if gives_away(draft.answer, right):
        return False
    return any(gives_away(draft.answer, option) and not gives_away(draft.instruction, option)
               for option in draft.options if option != right and not gives_away(right, option))
