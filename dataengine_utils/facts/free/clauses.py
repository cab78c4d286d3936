"""A question of any build as one clause in plain words: spelling, lead-ins, two sentences, word order, verbs
that say nothing.

`plain` gives the question in one spelling, `clause` the words that ask, in which "~" stands for every run of
words such as "is", "can be seen" or "do you find". A sentence whose place in the whole is not understood
leaves the question without a clause.
"""

import re

from .rewrites import CHOICES, IN_PICTURE, INTRODUCED, REORDERED, SPELLING, Rules
from .slots import DIRECTION_TEXT, POSITION_TEXT

_VIEWED = (r"(?:surroundings|background|setting|backdrop|weather|sky|conditions|options|choices|details|"
           r"environment|picture|animals?|things?|objects?|location|place|visible|shown|present|scenery|"
           r"what|you|can|see|is|in|colours?|its|into|account|above|below|following)")
# What is said before a question and changes nothing of it: "judging by the surroundings,".
_LEADS = tuple(map(re.compile, (
    rf"^(?:based on|judging (?:by|from)|going by|considering|given|taking|according to|in view of|with"
    rf" regard to"
    rf"|having looked at|looking(?: \w+ly)? at|by looking at|when looking at|when (?:you )?view(?:ing)?|"
    rf"upon viewing|from|in|after viewing) (?:(?:all )?(?:the|these|this|your) )?{_VIEWED}(?: {_VIEWED})*,"
    rf" (?=\w)",
    r"^including [a-z ,]+, (?=how many people)",
    r"^(?:look|looking|when looking|on looking)(?: \w+ly)?(?: at the picture)?, ",
)))
_LOOK_AT = re.compile(
    r"^(?:when |if you |by |while |have a |take a )?(?:look|looking|glance|glancing|focus|focusing"
    r"|focussing|consider|"
    r"considering|concentrate|direct|directing|turn|turning|examine|examining|observe|observing|take|find"
    r"|see|"
    r"locate|imagine standing)(?: \w+ly)?(?: your (?:attention|eyes|gaze|focus))?(?: a look)?"
    r"(?: (?:at|on|towards?|in|for)(?! the (?:left|right) of))? (?P<z>.+)$")
_LOOK = re.compile(r"(?:have a look|take a look|look|view|study|examine|observe|inspect|see)(?: \w+ly)?"
                   r"(?: at)?(?: the picture)?(?: \w+ly)?")
_CAN_YOU = re.compile(r"^(?:(?:can|do|could) you )?(?:read|see|spot|find) (?P<z>the .+)$"
                      r"|^there is (?P<y>an? .+)$")
_HOW_MANY = re.compile(r"how many(?: of them)?(?: are| is)?(?: there)?")
_SOMETHING = re.compile(r"\b(?:something|someone|somebody|(?:an?|one|some) (?:\w+ )?(?:object|thing|item)|"
                        r"(?:only )?one of (?:these|those|the following)(?: \w+s)?)\b")
_WHAT_IS_IT = re.compile(r"(?:what|who)(?: thing)? (?:is|would|could) (?:it|that|this)(?: be)?")
_POINTS = re.compile(r"\b(?:it|they|he|she|them|him)\b")
_PRONOUN = re.compile(r"\b(?:its|their|his|her|it|they|he|she|them|him|this one|that one)\b")
_AT = re.compile(rf"(?:(?:to|on|at|in) )?(?:{POSITION_TEXT}|(?:{DIRECTION_TEXT}) the .+)")
_FRONTED = re.compile(
    r"^(?P<front>(?:as )?(?:seen |viewed |coming )?(?:relative to|with respect to|in relation to|in"
    r" relation with|"
    r"compared (?:to|with)|with regard to|from|according to|on|in|at|to|within|inside|above|below|under"
    r"|beneath|over|by) .+?), "
    r"(?P<asked>.+)$")

_LIGHT = (
    r"is|are|was|were|be|been|being|am|to be|does|did|could|would|might|may|will|should|"
    r"can(?= (?:you|be|we|one|the|an?|i|it|they|this|somebody|someone|people|see|~)\b)|"
    r"do(?! (?:with|to|here|in|at|on|there|when|during)\b|$)|"
    r"(?:has|have|had)(?= been\b)|(?:has|have|had)(?= .* been\b)|"
    r"you|shown|seen|visible|present|depicted|portrayed|pictured|displayed|featured|observed|spotted|noticed|"
    r"found|located|positioned|situated|placed|drawn|illustrated|represented|discernible|observable|"
    r"included|contained|to be found|to be seen|counted|(?:do |can |could )?we see|"
    r"there|here|described(?: as)?|exists?|appears?(?: to(?= be| have))?|seems?(?: to(?= be| have))?|lies"
    r"|lie|stands|sits|sit|"
    r"occupies|occupy|occupying|fills|holding the place|serves as|serve as|comes? into view|shows up|turns"
    r" up|"
    r"in view|that(?= (?:is|are|appears?|lies|occupies|can)\b)"
)
_BEFORE_RELATION = re.compile(r" ?,(?= (?:relative|in relation|in comparison|(?:as )?(?:seen|viewed)|"
                              r"compared|with respect|"
                              r"with regard|with reference|in reference|from)\b)")
_MORE_LIGHT = (r"see|spot|find|count|observe|notice|identify|encounter|say|think|discover|expect to see|"
               r"make out|contain|appearing|lying")
_LIGHT_RUN = re.compile(rf"\b(?:{_LIGHT})\b(?: (?:{_LIGHT}|{_MORE_LIGHT})\b)*")
_PICTURE_SHOWS = re.compile(
    r"(?:~ )?the picture (?:~ )?(?:shows?|contains?|includes?|depicts?|features?|has|have|represents?|"
    r"portrays?|resembles?|presents?|displays?|hold)(?: ~)?")


def plain(question: str) -> str:
    """A question in lower case and one spelling, its sentences parted by "." and without "in the picture"."""
    text = re.sub(r"\s+", " ", question.lower().replace("’", "'"))
    text = re.sub(r"[?!;:.]+(?=\s|$)", ".", text)
    for rules in (SPELLING, IN_PICTURE):
        text = _put(text, rules)
    return text.strip(" .,")


def clause(text: str) -> str:
    """The clause that asks in a plain text, "~" for verbs that say nothing; "" where it is not understood."""
    sentences = [_put(part, INTRODUCED[:1]) for part in text.split(".") if part.strip(" ,")]
    sentences = [part for part in sentences if not _LOOK.fullmatch(part)] if len(sentences) > 1 else sentences
    if len(sentences) == 2:
        asked = _normal(_joined(_normal(sentences[0], leads=False), _normal(sentences[1])), leads=False)
    else:
        asked = _normal(sentences[0]) if len(sentences) == 1 else ""
    return _light(_fronted(asked))


def _put(text: str, rules: Rules) -> str:
    for pattern, put in rules:
        text = pattern.sub(put, text)
    return re.sub(r" +", " ", text).replace(" ,", ",").strip(" ,")


def _normal(text: str, *, leads: bool = True) -> str:
    """A sentence without lead-ins and introductions, "which of these" and the like said as "what"."""
    before = ""
    while text != before:
        before = text
        for rules in (CHOICES, INTRODUCED, REORDERED):
            text = _put(text, rules)
        if leads:
            text = _without_leads(text)
    return text


def _without_leads(text: str) -> str:
    for lead in _LEADS:
        shorter = lead.sub("", text).strip(" ,")
        if shorter:
            text = shorter
    first, comma, rest = text.partition(", ")
    looked = _LOOK_AT.match(first) if comma and "," not in rest else None
    return _about(looked["z"], _normal(rest, leads=False)) if looked else text


def _joined(first: str, asked: str) -> str:
    """Two sentences as one: "Look at the dog. What colour is it?", "There is something at the top. What ...".
    """
    if first.startswith("how many ") and _HOW_MANY.fullmatch(asked):
        return first
    first = re.sub(r"^there is (?=something|someone|somebody)", "", first)
    if _WHAT_IS_IT.fullmatch(asked) and (found := _SOMETHING.search(first)):
        return _normal(re.sub(r"^only ", "", f"{first[:found.start()]}what{first[found.end():]}"))
    thing = re.fullmatch(r"(?P<at>.+?),? there (?:is|are) (?:an? (?:object|thing|item)|something)", first)
    if thing and _POINTS.search(asked):
        return _POINTS.sub(f"the thing {thing['at']}", asked, count=1)
    looked = _LOOK_AT.match(first) or _CAN_YOU.match(first)
    named = looked and next((text for text in looked.groups() if text), "")
    return _about(named, asked) if named else ""


def _about(named: str, asked: str) -> str:
    """A question about what was named before it: a place goes behind it, a thing instead of its pronoun."""
    if named in ("the picture", "picture"):
        return asked
    if _AT.fullmatch(named):
        at = named if re.match(r"to|on|at|in|above|below|under|over|beneath", named) else f"to {named}"
        return "" if _PRONOUN.search(asked) else f"{re.sub(r' there$', '', asked)} {at}"
    pronouns = _PRONOUN.findall(asked)
    if len(pronouns) != 1 or not _POINTS.fullmatch(pronouns[0]) or re.search(r"[,.]| and ", named):
        return ""
    named = re.sub(r"^an? ", "the ", named)
    return _POINTS.sub(lambda found: named, asked, count=1)


def _fronted(text: str) -> str:
    """The clause with what stands before its comma moved to its end."""
    found = _FRONTED.match(text)
    if not found or "," in found["asked"] or not re.search(r"\b(?:what|where|who|how)\b", found["asked"]):
        return text
    front = re.sub(r"^according to", "on", found["front"])
    return f"{re.sub(r' there$', '', found['asked'])} {front}"


def _light(text: str) -> str:
    text = _LIGHT_RUN.sub("~", _BEFORE_RELATION.sub(" ", text))
    text = _PICTURE_SHOWS.sub("~", text).replace(", ~", " ~")
    while (shorter := re.sub(r"~(?: ,)?(?: ~)+", "~", text)) != text:
        text = shorter
    return re.sub(r"^(the [^~]+) ~ what$", r"what ~ \1", text.strip(" ,"))

