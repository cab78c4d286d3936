"""The wordings of questions, as patterns over plain text: one line a way to ask, forms in order of trust.

In a pattern <x> and <y> name things, CAPITALS are the choices of words below, and (...) is a choice of its
own. A comma may be left out.
"""

import re
from collections.abc import Callable

from ..vocabulary import COLOUR_WORDS
from .phrases import NOUNS_IN_ING

# One spelling for words that have several, before any pattern is tried.
SPELLINGS = tuple((re.compile(pattern), put) for pattern, put in (
    (r"\b(?:image|photo|photograph|pic|scene|snapshot|frame|illustration|drawing)\b", "picture"),
    (r"\bcolor", "colour"),
    (r"\bgrey\b", "gray"),
    (r"\b(what|where|who|how)'s\b", r"\1 is"),
    (r"\b(?:upper|top)[- ](left|right)\b", r"top \1"),
    (r"\b(?:lower|bottom)[- ](left|right)\b", r"bottom \1"),
    (r"\b(left|right)[- ]hand\b", r"\1"),
    (r"\bthis picture\b", "the picture"),
    (r"\b(?:individuals|persons|humans|human beings)\b", "people"),
    (r"\b(?:(?:most )?(?:likely|probably|clearly)|possibly|currently|actually|best|"
     r"most(?= \w+(?:ful|ble|dy)\b)) ", ""),
    (r",? (?:with)?in the picture(?: shown)?\b", ""),
    (r" of the picture,", ","),
))

_HELD = "ridden|held|carried|worn|pushed|kicked|walked|eaten|pulled"
_SLOTS = {
    "IS": "(?:is|are|was|were)",
    "WHICH": "(?:what|which)",
    "OF_THESE": r"(?: (?:of|from|among) (?:these|those|the (?:following|options|choices))(?: \w+)?| ones?)?",
    "KIND_OF": "(?: (?:kind|type|sort) of)?",
    "SEEN": ("(?: (?:located|positioned|placed|situated|found|seen|standing|sitting|lying|shown|visible|"
             "present|depicted|pictured|displayed|featured|observed|spotted|there|here|be))*"),
    "NOW": "(?: (?:directly|immediately|just|mainly|mostly|primarily))?",
    "MADE": "(?:made(?: up)?(?: out)?|constructed|built)",
    "THING": "(?:thing|object|item|one)",
    "YOU_SEE": "(?:(?:do|can|could|would) you (?:see|find|spot)|you see)",
    "LIES": "(?:is|are|was|were|can|could|lies|stands|appears|sits|hangs|occupies)",
    "COUNTED": ("(?: (?:there|you|we|it|the picture|see|spot|count|shown|seen|visible|present|pictured|"
                "depicted|here|be|counted|show|contain|have|in view))*"),
    "PLACE": "(?:place|setting|location|room|environment|area)",
    "PART": "(?:part|area|corner|section|region|side|portion|place|position|location)",
    "POSITION": (r"(?P<position>(?:the )?(?:very )?(?:(?:top|bottom|upper|lower|middle|center|centre|left|"
                 r"right)[ -]?)+(?:(?:part|corner|side|area|section|portion|region|third|edge) ?)*)(?<! )"),
    "DIRECTION": ("(?P<direction>(?:to|on|at)? ?(?:the )?(?:left|right)(?: side)? (?:of|from)|above|over|"
                  "below|under(?:neath)?|beneath)"),
    "COLOUR": f"(?P<colour>{'|'.join(sorted(COLOUR_WORDS, key=len, reverse=True))})",
    "ACT": (f"(?P<act>(?!(?:being|doing|having|going|happening|during|trying|something|nothing|"
            f"{'|'.join(sorted(NOUNS_IN_ING))})\\b)[a-z]{{2,}}ing"
            "(?: (?:on|at|in|with|to|onto|through|from))?)"),
    "DONE": f"(?P<act>{_HELD})",
    "RELATION": ("(?P<relation>on(?: top of)?|in(?:side)?(?: of)?|next to|beside|near|behind|in front of|"
                 "under(?:neath)?|beneath|against|attached to)"),
    "RELATIVE": ("(?:in relation to|relative to|with respect to|compared (?:to|with)|in comparison to|with "
                 "reference to|in reference to|(?:as )?seen from|(?:as )?viewed from|from)"),
    "SAYS": "(?:say|says|read|reads|spell|spells|display|displays|show|shows)",
    "TEXT": "(?:word|words|text|letters|name|message|writing|phrase|lettering|wording)",
    "WRITTEN": ("(?:written|printed|displayed|shown|painted|seen|visible|inscribed|spelled(?: out)?|be read|"
                "be seen)"),
    "READ": "(?: (?:is|can|do|does|you|read|see|appears?))*",
    "SOMEBODY": "(?:a visitor|visitors|people|you|somebody|someone|a person|one|we)",
    "WOULD": "(?:should|would|could|might|may|can|do)",
    "HERE": ("(?: (?:here|there|today|outside|(?:in|at) (?:this|that|such a|these|those) "
             "(?:place|weather|conditions|location|setting)|in a place like this|for a day))*"),
    "SIDE": "(?:left|right)(?: side)?",
    "REST": "(?P<rest> .+)",
}
_SLOTS["WH"] = f"(?:who|(?:what|which){_SLOTS['KIND_OF']}(?: (?P<noun>\\w+))??{_SLOTS['OF_THESE']})"

_WORDINGS = r"""
sky       (what|how) IS (the )?weather( conditions?)?( like)?
sky       WHICHKIND_OF weather( conditions?)?( IS| can| be| shown| it| this| visible| seen| observed| like)*
sky       how (does|is) the sky( look| looking)?( like)?
sky       what (does|is|are) the (sky|weather)( conditions?)?( look| looking)?( like)?
sky       WHICHOF_THESE (\w+ )?describes the (sky|weather)( conditions?)?
sky       how would you describe the (sky|weather)( conditions?)?
sky       what sky IS shown
place     WHICHKIND_OF PLACE( IS| this| it| shown| the picture| depicted| pictured)*
place     WHICHKIND_OF PLACE (does the picture show|YOU_SEE)
place     WHICHOF_THESE PLACE does the picture (show|resemble|depict|look like)
place     where IS (the picture|it|this)( taken| made| shot| captured| set| taking place)?
place     what is the PLACE( of the picture| shown)?
place     WHICHOF_THESE (\w+ )?describes the PLACE( of the picture| shown)?
place     where( do you think)? (does|is) the picture (take|taking) place
place     in WHICHKIND_OF PLACE IS the picture( taken| made| shot| set)?
count     how many <x>( are| is| were| was| can| could| do| does| did| appear)?COUNTED
count     WHICH( is the)?( total)? (number|count) of <x>( (is|are|can|do))?COUNTED
count     count the <x>
count     how many <x> (are|is|were|was|can|have|has|do|does|in|on|at|near|behind|next|with|along|around)REST
word      what (do|does|did) the TEXT (on|in|at) <x> SAYS
word      what (do|does|did) <x> SAYS( on it)?
word      WHICH( is the| are the)? TEXTREAD( WRITTEN)?( in the picture)?
word      WHICH( is the| are the)? TEXTREAD( WRITTEN)? (on|in|at) <x>
word      WHICH TEXT (do|does|can you see) <x> (show|have|display|contain|say|read)( on it)?
word      what (is|can) (written|printed|painted|inscribed|spelled( out)?|be read|you read) (on|in|at) <x>
word      what (is|can) (written|printed|spelled( out)?|be read|you read|inscribed)
word      what (is|can you read|can be read) on (?P<x>the (?:\w+ )?sign)
colour_at WHICH( is the)? colour( IS| has| of)*( the)? THING( that is)?SEEN (in|at|on) POSITION( have)?
colour_at WHICH colour (IS|YOU_SEE|can be seen)SEEN (in|at|on) POSITION
colour_at (in|at|on) POSITION is a THING of WHICH colour
colour    WHICH colours? IS <x>
colour    what (is|are) the( main| primary| dominant| predominant| overall)? colours? (of|on) <x>
colour    WHICH colours? (does|do|did|has|have) <x> (have|appear( to be)?)
colour    WHICH colour (has|have|describes) <x>
colour    <x> (is|are|has|have)( of| in)? WHICH colour
colour    in WHICH colour (IS|YOU_SEE) <x>( shown| painted)?
colour    WHICH colour (IS|can be seen|YOU_SEE) (on|in|for) <x>
colour    what is <x>('s|') colour
colour    WHICH colour <x> (is|are|does|do|did|was|were|can|has|have)REST
material  WHICH material IS <x>( MADE)?( of| from| with)?
material  what IS <x> MADE (of|from|with)
material  (of|from|out of) WHICH material IS <x>( MADE)?
material  WHICH material (YOU_SEE|can be seen|is used) (in|on|for) <x>
material  what is the material of <x>
material  what (kind|type|sort) of material (is|are|makes up) <x>( MADE)?( of| from| with)?
direction ((as )?(seen|viewed)|looking|starting|coming)? ?from <y>, where IS <x>SEEN
direction RELATIVE <y>, where IS <x>SEEN
direction (in )?WHICH direction( from <y>)? (IS|YOU_SEE|lies) <x>SEEN
direction (in )?WHICH direction (IS|YOU_SEE|lies) <x>SEEN, RELATIVE <y>
direction where (IS|YOU_SEE) <x>SEEN, RELATIVE <y>
direction WHICH is the (spatial )?(position|location|placement) of <x>, RELATIVE <y>
direction how IS <x> (positioned|located|placed|situated), RELATIVE <y>
direction (on |to )?WHICH side of <y> (IS|does) <x>SEEN( on)?( appear| stand| lie)?
direction IS <x>SEEN (to|on) the SIDE( of)? or( to| on)?( the)? SIDE of <y>
direction IS <x>SEEN (above or below|below or above|over or under|under or over) <y>
neighbour what is the THING( that is)?SEENNOW DIRECTION <y>
neighbour looking DIRECTION <y>, WH YOU_SEE
neighbour WHNOW( LIES| YOU_SEE)+SEENNOW DIRECTION <y>
colour_of WHSEEN (IS|has|have)( the| a)?( colour)?( of)? COLOUR( in colour| coloured)?
colour_of WHICH is the COLOUR THING
colour_of WH (has|have) (a|an|the) COLOUR colour
colour_of what (can|do) you see that is COLOUR( in colour)?
colour_of WH (appears|looks) COLOUR
kind_at   WHNOW( LIES| YOU_SEE)+SEEN( in| at| on| within)? POSITION
kind_at   what is the THING( that is)?SEEN (in|at|on) POSITION
kind_at   in POSITION, WH( IS| can| YOU_SEE)*SEEN
present   WH( IS| can| does| YOU_SEE| be)*( in)? the picture( show| contain| include| depict| have)?
present   WH( LIES| be| there| YOU_SEE| is there)+SEEN
position  where(abouts)? (YOU_SEE|IS|can|could) <x>SEEN
position  (in|on|at) WHICH PART( of the picture)? (YOU_SEE|IS|can|does) <x>SEEN( appear)?
position  WHICH PART of the picture (shows|has|contains|holds|includes|features) <x>
position  WHICH is the (position|location|placement) of <x>SEEN
position  where( in| on| within) the picture (YOU_SEE|IS|can) <x>SEEN
doing     what (is|are|was|were) <x> doing
doing     what (activity|action) (is|are) <x> (doing|performing|engaged in|involved in)
action    what (is|are|do you see|can you see) <x> doing (with|to) <y>
action    what (does|do) <x> do (with|to) <y>
action    how (does|do|is|are) <x> (us|interact|engag|handl|treat)(e|es|ing)?( with)? <y>
action    <x> (is|are) doing what (with|to) <y>
action    WHICH (action|activity|act) (is|are) <x> (performing|doing|taking)( with| on| to) <y>
acted_on  WH (is|are|was|were|do you see|can you see) <x>( seen| shown)? ACT
acted_on  WHICH( \w+)?? (is|are) being DONE by <x>
acted_on  <x> (is|are) ACT WHICH( \w+)?
actor     WH (is|are|was|were|can be|do you see|can you see)( seen| shown)? ACT <y>
actor     by whom is <y> being DONE
beside    WHNOW( LIES| YOU_SEE)+SEENNOW RELATION <y>
sound     WHICHOF_THESE (sound|noise)s?( \w+)?( \w+)? WOULD (SOMEBODY|be) (hear|heard)HERE
sound     what WOULD (be heard|you hear)HERE
sound     WHICHOF_THESE (sound|noise)s?OF_THESE (fits?|matches|goes with|belongs to) the picture
need      WH WOULD be (good|useful|helpful|handy|best)( to (have|bring|wear|take|carry|use))?( along)?HERE
need      WH WOULD SOMEBODY (bring|want|need|wear|take|carry)( along| with them)*HERE
need      what would help SOMEBODYHERE
need      which of these would SOMEBODY (want|need|bring)HERE
outing    what( activity)? WOULD SOMEBODY( usually)?( like to)? (do|enjoy)HERE
outing    (what|which of these) WOULD SOMEBODY do( here)? with (a|one of the) THINGs?
outing    what (would be|is) a (good|nice|sensible) (plan|activity|idea)HERE
is_there  IS there (a|an|any|some) <x>SEEN
is_colour IS <x> COLOUR( in colour)?
is_beside IS <x>SEEN DIRECTION <y>
is_acting IS <x> ACT <y>
"""


def _compiled(wording: str) -> re.Pattern[str]:
    text = re.sub(r"\((?!\?)", "(?:", wording).replace(",", ",?")
    while (shorter := re.sub(r"[A-Z][A-Z_]*[A-Z]", _slot, text)) != text:
        text = shorter
    return re.compile(re.sub(r"(?<!\?P)<([xy])>", _first_of_its_name(), text))


def _slot(found: "re.Match[str]") -> str:
    """The choice of words for capitals; several may stand side by side ("WHNOW")."""
    text = found.group()
    name = max((name for name in _SLOTS if text.startswith(name)), key=len)
    return _SLOTS[name] + text[len(name):]


def _first_of_its_name() -> Callable[["re.Match[str]"], str]:
    seen: set[str] = set()

    def name(found: "re.Match[str]") -> str:
        again = found.group(1) in seen
        seen.add(found.group(1))
        return f"(?P={found.group(1)})" if again else f"(?P<{found.group(1)}>.+?)"

    return name


PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (form, _compiled(wording)) for form, wording in
    (line.split(maxsplit=1) for line in _WORDINGS.strip().splitlines())
)
