"""Which rules of `prompts.RULES` mend what a sample is rejected for: the checks' reasons, then people's."""

from ..verification import BLIND, SECOND, UNTRUE

CURES: dict[str, tuple[str, ...]] = {
    "not four options": ("four_options",),
    "options repeat": ("four_options",),
    "option about other options": ("same_kind",),
    "choice is not the short answer": ("check_letter",),
    "answer names another option": ("check_letter", "check_answer"),
    "mentions the annotations": ("no_sources",),
    "answer in the question": ("no_giveaway",),
    "another question type": ("skip",),
    "more than one meaning": ("named_once", "clear_places"),
    UNTRUE: ("check_answer", "clear_places", "named_once"),
    SECOND: ("false_options", "clear_places"),
    "duplicate": ("vary",),
    BLIND: ("no_giveaway", "same_kind"),
    "wrong answer": ("check_answer", "check_letter"),
    "two right options": ("false_options",),
    "ambiguous referent": ("named_once", "clear_places"),
    "answerable without the image": ("no_giveaway", "same_kind"),
    "wrong type": ("skip",),
    "leaks annotation": ("no_sources",),
    "unclear language": ("sentence", "vary"),
}
