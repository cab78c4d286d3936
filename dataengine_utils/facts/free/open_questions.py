"""Questions of common sense about the whole picture: what to bring, to do, or to hear there.

They have no fixed build, so they are known by their words alone: one that tells what is asked, one that says
that it is a matter of what could be, and none that names a thing or asks for anything else.
"""

import re

from ..words import word_set

_ANY = word_set("""
    a an the this that these those it such of in on at to for from with by under and or if so as is are
    was were be been being do does did have has had can could would should might may will must what which
    who one ones kind type sort following option options choices listed below you your we people person
    someone somebody anyone visitor visitors family families they them their his her themselves most more
    likely probably best better well typically usually probable good nice sensible suitable suited suit
    suits appropriate right fit fits fitting match matches matching go goes belong belongs picture image
    scene photo photograph place location setting environment surroundings area spot conditions condition
    situation like one's shown depicted seen visible pictured here there today now day time spent spend
    spending given based judging considering looking taking account into standing stand step stepped
    stepping visit visits visited visiting went going enter entered entering inside outside present some
    something thing things item items object objects think expect see possible want wanted make makes made
    imagine suppose came come comes about us help tell name illustration frame snapshot out able any
""")
_MAY_BE = word_set("""
    would should could might may likely best useful handy can helpful appropriate typical suitable fits
    sensible will do fit fitting suited goes matches sense
""")
# Form -> (the words that tell it, more words that it may have).
_FORMS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "sound": (word_set("sound sounds noise noises hear heard audio"), word_set("""
        animal animals life alive reach ears hearing part produced produce listen listening soundtrack
        recording emit emitted made
    """)),
    "need": (word_set("""
        carry bring brought wear need needed take pack useful helpful handy advise recommend recommended
        equipped essential want good help necessary required accessory accessories clothing gear garment
        protection protect
    """), word_set("""
        weather sky along wish wished article equipment piece outdoors dressed prepared prepare use
        comfortable ready stay
    """)),
    "outing": (word_set("do activity activities pastime plan plans enjoy come leisure recreation outing"),
               word_set("""
        typical popular enjoyable spare recreational fun trip somebody purpose idea way where natural common
        reasonable ordinary sense makes done
    """)),
}
_WEATHER, _HAVING = frozenset(("weather", "sky", "conditions")), frozenset(("have", "item", "items", "use"))
_OF_NOW = re.compile(r"\b(?:is|are|was) (?:the )?(?:\w+ )?(?:people|person|they|he|she|visitors?|family)\b"
                     r"(?! (?:most )?likely)|doing")
_TO_DO = re.compile(r"\bdo\b(?! (?:you|we|people|they|these|those|the|visitors?)\b)")


def read_open(question: str) -> str:
    """The form ("sound", "need", "outing") of a question in plain words, or ""."""
    words = frozenset(re.findall(r"[a-z'-]+", question))
    if not {"what", "which", "how"} & words or _OF_NOW.search(question):
        return ""
    return next((form for form in _FORMS if _fits(form, question, words)), "")


def _fits(form: str, question: str, words: frozenset[str]) -> bool:
    keys, more = _FORMS[form]
    if form == "need" and _WEATHER & words:
        keys = keys | _HAVING
    if form == "outing" and not _TO_DO.search(question):
        keys = keys - {"do"}
    may_be = form == "sound" or bool(_MAY_BE & words)
    return bool(keys & words) and may_be and words <= _ANY | keys | more | {"do"}
