"""Rewrites that bring questions of one meaning to one wording: (pattern, replacement) pairs, in their order.
"""

import re
from collections.abc import Sequence

Rules = Sequence[tuple[re.Pattern[str], str]]


def _rules(*rules: tuple[str, str]) -> Rules:
    return tuple((re.compile(pattern), put) for pattern, put in rules)


SPELLING = _rules(
    (r"[\"“”*]", ""),
    (r"\b(?:image|photo|photograph|pic|scene|snapshot|frame|illustration)\b", "picture"),
    (r"\bcolor", "colour"), (r"\bgrey\b", "gray"),
    (r"\b(what|where|who|how|which|that)'s\b", r"\1 is"), (r"\b(it|he|she)'s\b", r"\1 is"),
    (r"\b(they|we|you)'re\b", r"\1 are"),
    (r"\b(?:upper|top)[- ](left|right|middle|cent(?:er|re))\b", r"top \1"),
    (r"\b(?:lower|bottom)[- ](left|right|middle|cent(?:er|re))\b", r"bottom \1"),
    (r"\b(left|right)[- ]hand\b", r"\1"),
    (r"\b(?:individuals|persons|humans|human (?:beings|figures))\b", "people"),
    (r"\b(trash|garbage|tin|soda|beer|watering|spray|paint|oil|milk|coke|recycling|waste|rubbish) can\b",
     r"\1 kan"),
    (r"\b(?:please|probably|likely|clearly|possibly|currently|actually|exactly|correctly|accurately|"
     r"immediately|directly|mainly|mostly|primarily|typically|usually|together|altogether|best|most"
     r" (?:likely|"
     r"probably)|most(?= \w+(?:ful|ble|dy|ate)\b)|seemingly|approximately|somewhere|just)\b", ""),
    (r"\b(?:in total|overall|right now)\b", ""),
    (r"\bwhereabouts\b", "where"), (r"\bwhom\b", "who"),
    (r"\b(?:this|these|that|those) picture\b", "the picture"),
    (r"\bwould be(?= an? (?:accurate|correct|right|good) (?:count|number))", "is"),
    (r"\b(?:weather|sky) conditions?\b|\bweather or (?:the )?time of (?:the )?day\b", "weather"),
    (r"\b(weather|sky|it)( like)? (?:outside|outdoors)\b", r"\1\2"),
    (r"\b(?:characteri[sz]e|characteri[sz]es)\b", "describe"),
    (r"\bindividual(?= \w+s\b)", ""), (r"\b(?:hue|shade)\b", "colour"),
)
_PICTURE = (r"the picture(?: (?:shown|above|below|provided|given|presented|itself))*")
IN_PICTURE = _rules(
    (rf",? ?\b(?:with)?(?:in|on|of|from|at|throughout|across|above|inside|to|by) {_PICTURE}\b(?!')(?! (?:on"
     rf"|hanging|hung|held|above|behind|over|being held|(?:that|which) (?:is|hangs) "
     r"(?:on|hanging|above|over))\b)", ""),
    (r",? ?\b(?:at|in) this (?:place|location|setting|spot|area)\b", ""),
    (_PICTURE, "the picture"),
)
_THINGS = "(?:objects?|things?|items?|elements?|entities|entity)"
# "Which of the following colours ..." asks "which colour".
CHOICES = _rules(
    (r"^(?:from|of|among|amongst|out of|between|given|considering) (?:all )?(?:these|those|the|all)"
     r"(?: (?:following|given|listed|available|below|two|four|possible))*(?: (?:options|choices|answers"
     r"|following|"
     r"ones))(?: (?:listed|given|below|above|here))*,? (?=which|what|who)", ""),
    (r"^(?:from|of|among|amongst|out of|between|given|considering) (?:all )?(?:these|those|the|all)"
     r"(?: (?:following|given|listed|available))? (\w+s)(?: (?:listed|shown|given|present|below|above|"
     r"visible|here))*,? ?(?:which|what)(?: one| ones)?\b", r"which \1"),
    (r"^(?:from|of|among|amongst|out of|between) (?:these|those|the following|the (?:list|choices"
     r"|options)),? ",
     ""),
    (r"\b(?:which|what)(?: ones?)? (?:of|from|among|amongst|out of) (?:these|those|the)"
     r"(?: (?:following|listed|given|available|below|two|four|possible))*(?: (?:options|choices|answers))?"
     r"(?: (?:listed|given|below|above)\b)*", "which"),
    (r",? (?:among|from|out of|of) (?:these|those|the (?:following|given)) ?(?:options|choices|answers"
     r"|things)?$",
     ""),
    (r"\b(?:which|what)(?: ones?)? (?:of|from) (?=these|those)", "which "),
    (r"\b(?:kinds?|types?|sorts?) of (?:an? )?", ""),
    (r"\bwhich\b", "what"), (r"\bwhat ones?\b", "what"),
    (rf"\bwhat {_THINGS}(?= |$)", "what"),
    (rf"\bwhat (\w+) {_THINGS}\b", r"what \1 thing"),
    (r"\bthe (\w+) (?:object|item)\b", r"the \1 thing"),
    (r"\bthe (?:object|item|entity)\b|\b(?:whatever|the things?) (?:that|what)\b|\bwhatever\b", "the thing"),
    (r"\b(what) (colour|material|word|animal|vehicle|person|place|location|setting|sound|noise|letter|text|"
     r"action)s\b", r"\1 \2"),
    (r"\bwhat activities\b", "what activity"),
    (r"\bwhat people\b", "who"), (r"\bwhat (?:person|individual)\b", "who"),
)
_ASKING = (r"(?:(?:can|could|would|will) you|are you able to|i wonder if you can|try to|i would like you "
           r"to)")
_TELL = (r"(?:tell|identify|name|point out|determine|say|state|specify|make out|describe|recogni[sz]e|"
         r"indicate|select|choose|pick|guess|give|find|work out|figure out)")
INTRODUCED = _rules(
    (r"^(?:so|now|well|okay|ok),? ", ""),
    (rf"^(?:{_ASKING} )?{_TELL}(?: me| us)? (?=(?:in |on |at |by )?(?:what|where|who|how)\b)", ""),
    (rf"^(?:{_ASKING} )?{_TELL}(?: me| us)? the (?=(?:\w+ )?(?:thing|colour|place|setting|weather|word"
     rf"|words|text|"
     r"position|location|placement|number|count|person|people|animal|material|environment|interaction"
     r"|action)\b)",
     "what is the "),
    (r"^do you know (?=what|where|who|how)", ""),
    (r"^(?:can|could) you (?=count)", ""),
    (r"^(?:count|tally)(?: up)? (?:all )?(?:of )?(?:the )?(?!on\b|how\b)", "how many "),
    (r"^how many (?:the )?number of ", "how many "),
    (r"^if you (?:were to )?count(?:ed)? (?:all )?(?:of )?(?:the )?(.+?), how many (?:of them )?(?:would|do"
     r"|will|can) "
     r"you (?:get|have|find|see|count|reach)$", r"how many \1"),
    (r"^what is the (?:person|one)(?= \w+ing\b)", "who is"),
    (r"^what is the place where the picture is set", "what is the place"),
    (r"^count (?=how many)", ""),
    (r"^what is the thing(?= (?:that )?\b)", "what"),
)
REORDERED = _rules(
    (r"\bas (?=(?:seen|viewed) from)", ""),
    (r"\bits (colour|position|location|material)\b", r"the \1 of it"),
    (r"\bcompared (?:to|with) where (the .+?) (?:is|lies|stands)(?: located)?\b", r"compared to \1"),
    (r"^(?:going|moving|walking|travelling|if you (?:go|move|walk|travel)) from (the .+?) to (the .+?),"
     r" (?:in )?what "
     r"(?:direction|way) (?:do|would|will|must|should) (?:you|one|we) (?:go|move|walk|travel|head)$",
     r"where is \2 relative to \1"),
    (r"^(?:in )?what (?:way|direction) (?:would|do|should|must|will|could) (?:you|one|we) (?:have to |need"
     r" to )?(?:go|"
     r"look|move|walk|turn) from (the .+?) to (?:see|reach|find|get to) (the .+)$",
     r"where is \2 relative to \1"),
    (r"^(?:(?:to|at|in) what part(?: of the picture)?|where) (?:should|would|do|must|could) (?:you|one|we)"
     r" (?:have to "
     r"|need to )?look(?: at)? (?:in order )?to (?:find|see) ", "where is "),
    (r"\bin terms of (?:its |their )?colour,? ?(?:how (?:would|do|could|can) you describe) (.+)",
     r"what colour is \1"),
    (r"how (?:would|do|could|can|should|might) (?:you|one|we) describe (the .+?) in terms of (?:its |their )?"
     r"colour", r"what colour is \1"),
    (r"how (?:would|do|could|can|should|might) (?:you|one|we) describe (?:the )?(weather|sky|setting|place)",
     r"what is the \1"),
    (r"how (?:would|do|could|can|should|might|is) (?:you|one|we)? ?(?:describe )?(?:the )?"
     r"(position|location|placement|colour) (?:of|for) (.+?)(?: described)?$", r"what is the \1 of \2"),
    (r"^what (?:\w+ )?(?:describes?|captures|matches|gives|reflects|expresses|tells|indicates|states|fits) "
     r"(what|where|how)\b", r"\1"),
    (r"^what (?:term|word|phrase|option|statement|answer|action|activity|expression|verb|adjective"
     r"|description)? ?"
     r"(?:describes?|captures|summari[sz]es|gives|reflects|expresses|indicates|states|names|fits|matches)"
     r" (?:the )?(weather|sky|setting|place|location|position|placement|colour|number|interaction|action|"
     r"activity|material|mood)\b", r"what is the \1"),
    (r"^what (colour|material) (?:describes?|matches|fits|suits|corresponds to|represents) ", r"what \1 is "),
    (r"^what (?:describes?|matches) the colour of", "what is the colour of"),
    (r"^(?:taking|using|treating|with|considering|having) (the .+?) as (?:the|a|your|our) "
     r"(?:starting|reference|anchor)(?: (?:point|position|object))?,? (.+)", r"\2 relative to \1"),
    (r"^(?:if you )?(?:start|starting|begin|beginning|set out|setting out)(?: out)? (?:at|from) (the .+?),? "
     r"((?:in )?what .+|where .+)", r"\2 relative to \1"),
    (r"\b(?:in )?what (?:way|direction) (?:would|do|should|must|will|could) (?:you|one|we) (?:have to |need"
     r" to )?"
     r"(?:go|move|walk|travel|head|look|turn) (?:to|in order to) (?:reach|get to|find|see|arrive at) ",
     "where is "),
    (r"^if (?:the picture|it) (?:is|was|were) (?:divided|split|cut)[^,]*,? what (?:cell|part|section|square|"
     r"region|tile|ninth)", "what part"),
    (r"\b(?:the )?colour (\w+) belongs to what\b(?: (?:objects?|things?|items?))?", r"what is \1"),
    (r"\bwhat (?:is it|are they)? ?(?:would you )?describe as (?:being )?", "what is "),
    (r"\bwhat would you describe as (?:being )?", "what is "),
    (r"\bwhat is it that\b", "what"),
    (r"^what is (the [^,']+)'s (colour|position|location|placement)\b", r"what is the \2 of \1"),
    (r"^what is (the [^,']+)'s (text|word|message|lettering)\b", r"what \2 is on \1"),
    (r"\bone of the things?\b|\b(?:a )?part of the picture\b|(?<=is )part$", "visible"),
    (r"^(?:in|on) what (?:way|manner|fashion) (?:does|do|is|are) ", "how does "),
    (r"\bto (?:its|their|his|her) (left|right)(?: side)?\b", r"to the \1 of it"),
    (r"\bon (?:its|their|his|her) (left|right)(?: side)?\b", r"to the \1 of it"),
)
