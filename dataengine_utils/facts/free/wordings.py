"""The wordings of questions, as patterns over clauses (`clauses.clause`): one line a way to ask, forms in
order of trust.

A line is a row of tokens: "_" a verb that says nothing, which may be missing; <x>, <y> names of things;
CAPITALS the choices of `slots`; a|b a choice; a question mark behind a token that may be missing.
"""

import re

from .slots import SLOTS

_WORDINGS = r"""
sky       what _ the? weather|sky|conditions|condition _ like? _
sky       what _ the? weather|sky look like
sky       what weather|sky|condition|conditions _ it? like? _ the_picture? _ in?
sky       how _ the? weather|sky _ look? like?
sky       what weather|condition|conditions _ the_picture set in
sky       in|under what weather|conditions _ the_picture _ TAKEN?
sky       how _ the weather|sky _
place     what PLACE _ this|it|the_picture? _ TAKEN? TAKEN?
place     what PLACE _ this _
place     where _ the_picture|this|it _ TAKEN TAKEN?
place     what PLACE _ the_picture _ of
place     what PLACE _ the things|objects _ in
place     what picture _ this
place     in|at what PLACE _ we
place     _ what PLACE
place     where _ the_picture|this|we _
place     what _ the? PLACE _ the_picture?
place     in|at what PLACE _ the_picture|this _ TAKEN?
place     the_picture _ TAKEN? in|at what PLACE _
place     _ TAKEN? in|at what PLACE
count     how many <x> _
count     _ how many <x> _
count     what _ the|a|an? correct|accurate|right|exact|total? total? number|count|amount of <x> _
count     how large|high|big _ the? number|count of <x> _
count     what total? number|count of <x> _
count     how many <x> _ drawn|have
count     how many <x> _ on|in|at|near|behind|next|with|along|around|under|have|has|wearing|holding REST
word      what _ the? TEXT on|in|at <x> _ SAYS
word      what _ the? TEXT _ WRITTEN? on|in|at <x> _ WRITTEN?
word      what _ the? TEXT _ SAYS? WRITTEN?
word      what TEXT _ WRITTEN? _ on|in|at <x> _ WRITTEN?
word      what TEXT _ <x> _ HAS_TEXT on_it?
word      what TEXT _ you? read _
word      what TEXT|writing _ WRITTEN? _ on|in|at <x>
word      <x> _ HAS_TEXT what TEXT
says      what _ <x> SAYS on_it?
says      what _ it SAYS on|in <x>
says      <x> SAYS what
word      what _ WRITTEN _ on|in|at <x>
word      what _ WRITTEN
open_word what _ on <x>
open_word what _ <x> SHOWS
material  what material _ <x> _ MADE? OF?
material  what material _ <x> MADE up? OF
material  what _ <x> _ MADE OF
material  what _ <x> _ to? MADE of
material  OF what material _ <x> _ MADE?
material  <x> _ MADE OF what material
material  <x> _ OF what material
material  what material _ used|utilised|utilized for|in|to|for making|make|create|construct|build? <x>
material  what material _ in|on|for <x>
material  what _ the? main|primary? material of|used_for <x>
material  what material makes_up <x>
colour_at what colour _ the|a? thing _ AT _ have|has?
colour_at what colour has|have the|a? thing _ AT
colour_at what _ the? colour of the? thing|what _ AT
colour_at what colour _ AT
colour_at AT _ a|the? thing _ of? what colour
colour_at the thing _ AT _ of|in|has? what colour
colour_at what colour _ the? thing _ have|has? AT
colour    what colour|colours _ <x> _ have|has|in?
colour    what _ the? main|primary|dominant|predominant|overall? colour|colours of|on <x> _
colour    in|of? what colour _ <x> _ painted|coloured?
colour    what colour has|have <x>
colour    <x> _ has|have|of|in? what colour
colour    what colour _ used|chosen|employed for|in <x>
colour    what colour _ on|in|for <x>
colour_of what _ a|the? COLOUR thing _
colour_of what COLOUR thing _
colour_of WH _ painted|coloured|drawn? in? COLOUR in_colour|coloured? _
colour_of WH _ has|have|with a|an|the? COLOUR colour|color
colour_of WH _ has|have the? colour COLOUR
colour_of WH looks|has COLOUR
colour_of WH _ the? colour COLOUR
direction where _ <x> _ RELATIVE <y>
direction in|to? what direction _ <x> _ RELATIVE <y>
direction in|to? what direction RELATIVE <y> _ <x> _
direction in|to? what direction _ RELATIVE <y> _ <x> _
direction in|to? what direction of <y> _ <x> _
direction <x> _ in|to? what direction _ RELATIVE <y>
direction <x> _ where RELATIVE <y>
direction how _ <x> _ oriented|arranged? RELATIVE <y>
direction what _ the? spatial|relative? position|location|placement of <x> _ RELATIVE|to <y>
direction what _ the? spatial relationship|relation|position|positioning of|between <x> RELATIVE|to|and <y>
direction on|to? what side of <y> _ <x> _ on?
direction on|to? what side _ <x> _ RELATIVE <y>
direction <x> _ on|to what side of <y>
direction _ <x> _ to|on the? SIDE of? or to|on? the? SIDE of <y>
direction _ <x> _ above|over or below|under <y>
direction _ <x> _ below|under or above|over <y>
neighbour what _ the? thing? _ DIRECTION <y> _
neighbour WH _ POSTURE? DIRECTION <y> _
neighbour DIRECTION <y> _ WH _
neighbour WH _ has|have <y> _ OPPOSITE it|them
neighbour <y> _ has|have what DIRECTION it _
kind_at   WH _ POSTURE? AT _
kind_at   ~ what AT
kind_at   what _ AT contain|hold|show|have|feature|display
kind_at   what _ the thing _ AT
kind_at   AT _ WH _
kind_at   AT _ occupied|filled|taken_up by what
position  where _ <x> _ POSTURE? _
position  in|on|at? what PART _ <x> _ POSTURE? _
position  what PART _ contains|holds|shows|has|includes|features|houses|hosts <x> _
position  what PART _ <x> _ in
position  what _ the? position|location|placement of <x> _
position  <x> _ where
position  <x> _ in|on|at what PART
doing     what _ <x> _ doing _
doing     what activity|action|act _ <x> _ PERFORMING _
action    what _ <x> _ doing|do with|to <y>
action    what action|activity|act connects|links <x> and|with <y>
action    what action|activity|act _ <x> _ PERFORMING with|on|to|upon <y>
action    what action|activity|act involving <y> _ <x> _ PERFORMING
action    how _ <x> _ INTERACT <y>
action    <x> _ doing what with|to <y>
action    what _ the? interaction|action|activity HAPPENS? between <x> and <y>
action    what _ HAPPENS between <x> and <y>
action    what _ the? interaction of <x> with <y>
action    what interaction|action|activity _ HAPPENS between <x> and <y>
action    how _ <y> _ used|handled|treated by <x>
action    what _ done|happening with|to <y> by <x>
acted_on  WH _ <x> _ ACT _
acted_on  WH _ <x> _ to|the_one? ACT _
acted_on  WH _ DONE by <x> _
acted_on  <x> _ ACT WH _
actor     WH _ the_one|the_person? ACT <y> _
actor     by who _ <y> _ DONE
actor     <y> _ DONE by who
actor     who ACT <y> _
beside    WH _ POSTURE? RELATION <y> _
present   what|who _ the thing? _
present   what _
present   ~ what
present   A_KIND _
is_there  _ a|an|any|some <x> _
is_colour _ <x> COLOUR in_colour?
is_beside _ <x> _ DIRECTION <y>
is_acting _ <x> ACT <y>
"""


def _compiled(line: str) -> re.Pattern[str]:
    return re.compile("".join(map(_token, line.split())))


def _token(token: str) -> str:
    """The pattern of one token with the blank before it."""
    if token == "_":
        return "(?: ~)?"
    optional, token = token.endswith("?"), token.removesuffix("?")
    if token in ("<x>", "<y>"):
        return f" (?P<{token[1]}>[^~]+?)"
    words = "|".join(SLOTS.get(word, word.replace("_", " ")) for word in token.split("|"))
    text = words if token == "REST" else f" (?:{words})"
    return f"(?:{text})?" if optional else text


# The clause is matched with a blank before it.
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (form, _compiled(wording)) for form, wording in
    (line.split(maxsplit=1) for line in _WORDINGS.strip().splitlines())
)
