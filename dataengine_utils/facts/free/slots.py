"""The choices of words that patterns of questions are made of."""

from ..vocabulary import COLOUR_WORDS
from .phrases import NOUNS_IN_ING

_SPOT = r"(?:top|bottom|upper|lower|middle|center|centre|left|right)"
POSITION_TEXT = (rf"(?:the )?(?:very |far |extreme )?{_SPOT}(?:(?:[ -]|-most )?{_SPOT}){{0,2}}(?:most)?"
                 r"(?: (?:part|corner|side|area|section|portion|region|third|edge|half))*")
DIRECTION_TEXT = (r"(?:to|on|at)? ?(?:the )?(?:left|right)(?: side)? (?:of|from)|above|over|below|"
                  r"under(?:neath)?|beneath")
_HELD = "ridden|held|carried|worn|pushed|kicked|walked|eaten|pulled|sat on"
_NO_ACTS = "|".join((*sorted(NOUNS_IN_ING), (
    "looking(?! at)|being|doing|having|going|happening|during|trying|something|nothing|interacting|engaging|"
    "performing|involving|facing|heading|pointing")))
# Nouns after "what" that stand for any thing of a kind, so that the answer is a name.
KINDS_OF_THINGS = (
    "animal|vehicle|person|creature|food|fruit|vegetable|furniture|plant|toy|tool|insect|pet|bird|appliance|"
    "piece of furniture|instrument|utensil|structure|building|garment|clothing|clothes|living being|figure"
    "|being"
)
SLOTS = {
    "IS": "~",
    "WH": rf"(?:who|what)(?: (?P<noun>{KINDS_OF_THINGS}))?s?",
    "A_KIND": rf"what (?P<noun>{KINDS_OF_THINGS})s?",
    "PLACE": "(?:place|setting|location|locale|room|environment|area|landscape|surroundings|backdrop|venue)",
    "PART": ("(?:(?:corner|side|part|area) or )?(?:part|area|corner|section|region|side|portion|place|"
             "position|location|spot|quadrant|third|half|"
             "cell|zone)"),
    "TAKEN": "(?:taken|made|shot|captured|set|happening|photographed|snapped|taking place|take place|taking|"
             "occur|occurring|unfold|be|in|at)",
    "AT": rf"(?:(?:in|at|on|to|within|inside|near|toward|towards) )?(?P<position>{POSITION_TEXT})",
    "DIRECTION": f"(?P<direction>{DIRECTION_TEXT})",
    "OPPOSITE": f"(?P<opposite>{DIRECTION_TEXT})",
    "COLOUR": f"(?P<colour>{'|'.join(sorted(COLOUR_WORDS, key=len, reverse=True))})",
    "ACT": (rf"(?P<act>(?!(?:{_NO_ACTS})\b)[a-z]{{2,}}ing"
            "(?: (?:on|at|in|with|to|onto|through|from))?)"),
    "DONE": f"(?P<act>{_HELD})",
    "RELATION": ("(?P<relation>on top of|on|in front of|inside of|inside|in|next to|beside|near|behind|"
                 "under(?:neath)?|beneath|against|attached to)"),
    "RELATIVE": ("(?:in relation (?:to|with)|relative to|with (?:respect|regard) to|compared (?:to|with)|in "
                 "comparison (?:to|with)|(?:with|in) reference to|"
                 "(?:(?:as )?(?:seen|viewed|coming|looking|starting) |~ )?from)"),
    "TEXT": "(?:word|words|text|texts|letters|message|writing|phrase|lettering|wording|inscription|name)",
    "SAYS": "(?:say|says|read|reads|spell|spells)",
    "HAS_TEXT": ("(?:say|says|read|reads|show|shows|display|displays|have|has|contain|contains|bear|bears|"
                 "carry|carries|spell|spells)"),
    "SHOWS": "(?:show|shows|display|displays|have)",
    "WRITTEN": ("(?:written|printed|painted|inscribed|spelled(?: out)?|spelt(?: out)?|read|"
                "read out|engraved)"),
    "MADE": ("(?:made(?: up)?|constructed|built|crafted|fashioned|manufactured|produced|composed|formed|"
             "consist|consists)"),
    "OF": "(?:out of|of|from|with)",
    "SIDE": "(?:left|right)(?: side)?",
    "POSTURE": "(?P<posture>standing|sitting|lying|resting|parked|hanging|seated|waiting)",
    "INTERACT": ("(?:us(?:e|ing)|interact(?:ing)? with|engag(?:e|ed|ing) with|handl(?:e|ing)|treat(?:ing)?|"
                 "deal(?:ing)? with)"),
    "PERFORMING": ("(?:doing|do|perform|performing|engaged in|involved in|taking|carrying out|engaging in|"
                   "busy with|taking part in)"),
    "HAPPENS": "(?:takes place|taking place|occurs|occurring|happens|happening|going on|goes on)",
    "REST": r"(?P<rest> .+)",
}
