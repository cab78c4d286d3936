"""The rule teacher's words: several ways to put every form of question, and one sentence to answer each.

The embedded world is asked about in the way of its own benchmark ("in the top of the picture"), real pictures
as people do ("at the top").
"""

import random
from collections.abc import Mapping

from ...facts.words import is_plural, plural, with_article
from ...verification import gives_away
from .asks import Ask

Wordings = Mapping[str, tuple[str, ...]]

QUESTIONS: Wordings = {
    "place": ("What place is this?", "Which place do you see?", "What kind of place is shown?",
              "What place does the picture show?", "Where was this picture made?"),
    "sky": ("What is the weather in the picture?", "How is the weather?", "What does the sky look like?",
            "Which weather is shown?", "How does the sky look?"),
    "kind_at": ("What can be seen in the {position} of the picture?", "Which thing is at the {position}?",
                "What is in the {position} part of the picture?", "What is shown in the {position}?",
                "What do you see in the {position}?"),
    "present": ("Which of these do you see?", "Which of these does the picture show?",
                "What is in the picture?",
                "Which of these can be seen here?", "Which thing is in this picture?"),
    "kind_of_colour": ("Which thing has the colour {colour}?", "What is {colour} here?",
                       "Which of these things is {colour}?",
                       "What can you see that is {colour}?", "Which thing is {colour}?"),
    "colour": ("Which colour {is} the {kind}?", "What colour {does} the {kind} have?",
               "What is the {kind}'s colour?",
               "In which colour do you see the {kind}?", "What colour {is} the {kind}?"),
    "material": ("What {is} the {kind} made of?", "Of what material {is} the {kind}?",
                 "Which material {is} the {kind} made of?", "What material do you see in the {kind}?"),
    "colour_at": ("Which colour has the thing in the {position}?",
                  "What colour do you see at the {position}?",
                  "In the {position} is a thing of which colour?",
                  "What is the colour of the thing in the {position}?"),
    "position": ("In which part {is} the {kind}?", "Where in the picture {is} the {kind}?",
                 "Where can the {kind} be seen?", "Which part of the picture has the {kind}?",
                 "Where {is} the {kind}?"),
    "count": ("How many {kinds} do you see?", "How many {kinds} does the picture show?",
              "How many {kinds} are here?",
              "What number of {kinds} can be seen?", "How many {kinds} are there?"),
    "count_people": ("How many people do you see?", "How many people does the picture show?",
                     "How many people are here?",
                     "What number of people can be seen?", "How many people are there?"),
    "direction": ("Seen from the {from_kind}, where {is} the {kind}?",
                  "Where {is} the {kind} from the {from_kind}?",
                  "In what direction {is} the {kind}, seen from the {from_kind}?",
                  "In which direction from the {from_kind} do you see the {kind}?",
                  "Where {is} the {kind}, seen from the {from_kind}?"),
    "neighbour": ("What can be seen {direction_of} the {from_kind}?",
                  "Which of these is {direction_of} the {from_kind}?",
                  "Looking {direction_of} the {from_kind}, what do you see?",
                  "What is {direction_of} the {from_kind}?"),
    "action": ("What do you see the {subject} doing with the {object}?",
               "How is the {subject} using the {object}?",
               "The {subject} is doing what with the {object}?",
               "What is the {subject} doing with the {object}?"),
    "acted_on": ("What do you see the {subject} {action}?", "The {subject} is {action} which thing?",
                 "Which of these is the {subject} {action}?", "What is the {subject} {action}?"),
    "actor": ("Who can be seen {action} the {object}?", "Which of these is {action} the {object}?",
              "Which one do you see {action} the {object}?", "Who is {action} the {object}?"),
    "need": ("What would be good to have in this weather?", "What should people bring here?",
             "What would help people here?",
             "Which of these would a visitor want?", "What would be good to have here?"),
    "outing": ("What could people do in this place?", "What do visitors like to do here?",
               "What would be a good plan in such a place?", "What could you do here?"),
    "sound": ("What sound could you hear here?", "Which sound would be heard in this place?",
              "What could be heard in the picture?", "Which of these sounds fits the picture?"),
    "use": ("Which of these could somebody do with a thing in the picture?", "What could people do here?",
            "What could somebody do here with one of the things?"),
    "word": ("Which word is shown?", "What word can be read here?", "What is written in the picture?",
             "Which word do you see?", "What word can you read?"),
}  # fmt: skip
REAL_QUESTIONS: Wordings = {
    **QUESTIONS,
    "place": ("What kind of place is this?", "Which place do you see?", "What kind of place is shown?",
              "What place does the picture show?", "Where was this picture taken?"),
    "sky": ("What does the sky look like?", "How does the sky look?", "What is the sky like?",
            "Which of these words describes the sky?"),
    "kind_at": ("What can be seen {at} of the picture?", "Which thing is {at} of the picture?",
                "What is {at} of the picture?", "What is shown {at} of the picture?",
                "What do you see {at} of the picture?"),
    "kind_of_colour": ("Which of these things is {colour}?", "Which thing in the picture is {colour}?",
                       "What can you see that is {colour}?", "Which thing is {colour}?"),
    "colour": ("Which colour {is} the {kind}?", "What colour {does} the {kind} have?",
               "What is the colour of the {kind}?", "What colour {is} the {kind}?"),
    "material": ("What {is} the {kind} made of?", "Of what material {is} the {kind}?",
                 "Which material {is} the {kind} made of?", "What material is used for the {kind}?"),
    "position": ("In which part of the picture {is} the {kind}?", "Where in the picture {is} the {kind}?",
                 "Where in the picture can the {kind} be seen?",
                 "Which part of the picture shows the {kind}?"),
    "count": ("How many {kinds} do you see?", "How many {kinds} does the picture show?",
              "How many {kinds} are in the picture?",
              "How many {kinds} can be seen?", "How many {kinds} are there?"),
    "count_people": ("How many people do you see?", "How many people does the picture show?",
                     "How many people are in the picture?",
                     "How many people can be seen?", "How many people are there?"),
    "direction": ("Where {is} the {kind} in relation to the {from_kind}?",
                  "In which direction from the {from_kind} {is} the {kind}?",
                  "Where in the picture {is} the {kind}, relative to the {from_kind}?",
                  "Seen from the {from_kind}, where in the picture {is} the {kind}?"),
    "neighbour": ("What can be seen {side_of} the {from_kind}?",
                  "Which of these is {side_of} the {from_kind}?",
                  "Which thing is {side_of} the {from_kind}?", "What is {side_of} the {from_kind}?"),
    "action": ("What {subject_is} the {subject} doing with the {object}?",
               "What do you see the {subject} doing with the {object}?",
               "What can you see the {subject} doing with the {object}?"),
    "acted_on": ("What can you see the {subject} {action}?",
                 "Which of these {subject_is} the {subject} {action}?",
                 "What {subject_is} the {subject} {action}?"),
    "actor": ("Which of these can be seen {action} the {object}?", "Which of these is {action} the {object}?",
              "Which one do you see {action} the {object}?"),
    "need": ("What would be good to have in this weather?", "What would help people in this weather?",
             "What should people bring in this weather?"),
    "outing": ("What could people do in this place?", "What could you do in this place?",
               "What would people do in this place?"),
    "use": ("Which of these could somebody do with a thing in the picture?",
            "What could people do with one of the things here?",
            "What could somebody do with one of the things here?"),
    "word": ("What is written in the picture?", "Which text can be read in the picture?",
             "What can be read in the picture?", "Which text is shown in the picture?"),
}  # fmt: skip
# Asked only where a sign is what carries the word.
SIGN_QUESTIONS = ("What is on the sign?", "What does the sign say?", "Which word does the sign show?",
                  "What can you read on the sign?")
REAL_SIGN_QUESTIONS = ("What does the sign say?", "What can you read on the sign?",
                       "What is written on the sign?")

ANSWERS = {
    "place": "The picture shows {a_answer}.", "sky": "It is {answer} in the picture.",
    "kind_at": "{At} of the picture {answer_is} {a_answer}.", "present": "The picture shows {a_answer}.",
    "kind_of_colour": "The {answer} {answer_is} {colour}.", "colour": "The {kind} {is} {answer}.",
    "material": "The {kind} {is} made of {answer}.",
    "colour_at": "The thing {at} of the picture is {answer}.",
    "position": "The {kind} {is} {at_answer} of the picture.",
    "count": "There {number_is} {answer} {counted} in the picture.",
    "count_people": "There are {answer} people in the picture.",
    "direction": "The {kind} {is} {answer_of} the {from_kind}.",
    "neighbour": "The {answer} {answer_is} {side_of} the {from_kind}.",
    "action": "The {subject} {subject_is} {answer} the {object}.",
    "acted_on": "The {subject} {subject_is} {action} {a_answer}.",
    "actor": "The {answer} {answer_is} {action} the {object}.",
    "need": "In this weather, {a_answer} would be good to have.",
    "outing": "People could {answer} here.", "sound": "One could hear {a_answer} here.",
    "use": "One could {answer} here.", "word": 'One can read "{answer}" in the picture.',
}  # fmt: skip
_DIRECTION_OF = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
_SIDE_OF = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
_AT = {"top": "at the top", "bottom": "at the bottom", "left": "on the left", "right": "on the right"}


def question(ask: Ask, wordings: Wordings, rng: random.Random, on_sign: tuple[str, ...] = ()) -> str:
    """The ask in words that do not give its answer away; `on_sign` are more wordings for a text on a sign."""
    slots = _slots(ask)
    put = [wording.format(**slots) for wording in (*wordings[ask.form], *on_sign)]
    fair = [words for words in put if not gives_away(words, ask.answer)]
    return rng.choice(fair or put)


def sentence(ask: Ask) -> str:
    """The answer as one full sentence."""
    return ANSWERS[ask.form].format(**_slots(ask))


def _slots(ask: Ask) -> dict[str, str]:
    """All that a wording may name: things with verbs, articles and plurals, places with prepositions."""
    arguments = ask.arguments
    kind = " ".join(filter(None, (arguments.get("colour") if ask.form == "position" else "",
                                  arguments.get("kind"))))  # fmt: skip
    at, direction = _at(arguments.get("position", "")), arguments.get("direction", "")
    return {
        **arguments,
        "kind": kind, "kinds": plural(kind) if kind else "", "is": _is(kind),
        "does": "do" if _is(kind) == "are" else "does",
        "subject_is": _is(arguments.get("subject", "")),
        "answer": ask.answer, "a_answer": with_article(ask.answer), "answer_is": _is(ask.answer),
        "number_is": "is" if ask.answer == "one" else "are",
        "counted": kind if ask.answer == "one" else plural(kind) if kind else "",
        "at": at, "At": at[:1].upper() + at[1:], "at_answer": _at(ask.answer),
        "answer_of": _SIDE_OF.get(ask.answer, ""),
        "direction_of": _DIRECTION_OF.get(direction, ""), "side_of": _SIDE_OF.get(direction, ""),
    }  # fmt: skip


def _at(position: str) -> str:
    return _AT.get(position, f"in the {position}")


def _is(name: str) -> str:
    return "are" if name and is_plural(name) else "is"
