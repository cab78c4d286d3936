"""The rule teacher's words: several ways to put every form of question, and one sentence to answer each."""

import random

from ...facts.words import is_plural, plural, with_article
from ...verification import gives_away
from .asks import Ask

QUESTIONS = {
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
}
# Asked only where a sign is what carries the word.
SIGN_QUESTIONS = ("What is on the sign?", "What does the sign say?", "Which word does the sign show?",
                  "What can you read on the sign?")

ANSWERS = {
    "place": "The picture shows {a_answer}.", "sky": "It is {answer} in the picture.",
    "kind_at": "In the {position} is {a_answer}.", "present": "The picture shows {a_answer}.",
    "kind_of_colour": "The {answer} {answer_is} {colour}.", "colour": "The {kind} {is} {answer}.",
    "material": "The {kind} {is} made of {answer}.", "colour_at": "The thing in the {position} is {answer}.",
    "position": "The {kind} {is} in the {answer} of the picture.",
    "count": "There {number_is} {answer} {counted}.",
    "count_people": "There are {answer} people.", "direction": "The {kind} {is} {answer_of} the {from_kind}.",
    "neighbour": "The {answer} {answer_is} {direction_of} the {from_kind}.",
    "action": "The {subject} is {answer} the {object}.",
    "acted_on": "The {subject} is {action} the {answer}.",
    "actor": "The {answer} is {action} the {object}.",
    "need": "In this weather, {a_answer} would be good to have.",
    "outing": "A visitor could {answer} here.", "sound": "One could hear a {answer} here.",
    "use": "One could {answer} here.", "word": 'The word is "{answer}".',
}
_SEEN_FROM = {"left": "left of", "right": "right of", "above": "above", "below": "below"}


def question(ask: Ask, rng: random.Random, on_sign: bool = False) -> str:
    """The ask in words that do not give its answer away."""
    slots = _slots(ask)
    wordings = [w.format(**slots) for w in (QUESTIONS[ask.form] + (SIGN_QUESTIONS if on_sign else ()))]
    fair = [words for words in wordings if not gives_away(words, ask.answer)]
    return rng.choice(fair or wordings)


def sentence(ask: Ask) -> str:
    """The answer as one full sentence."""
    return ANSWERS[ask.form].format(**_slots(ask))


def _slots(ask: Ask) -> dict[str, str]:
    arguments = ask.arguments
    kind = " ".join(filter(None, (arguments.get("colour") if ask.form == "position" else "",
                                  arguments.get("kind"))))
    return {
        **arguments, "kind": kind, "kinds": plural(kind) if kind else "", "answer": ask.answer,
        "is": _is(kind), "does": "do" if _is(kind) == "are" else "does", "answer_is": _is(ask.answer),
        "a_answer": with_article(ask.answer), "number_is": "is" if ask.answer == "one" else "are",
        "counted": kind if ask.answer == "one" else plural(kind) if kind else "",
        "answer_of": _SEEN_FROM.get(ask.answer, ""), "direction_of": _SEEN_FROM.get(arguments.get("direction",
                                                                                                  ""), ""),
    }


def _is(name: str) -> str:
    return "are" if name and is_plural(name) else "is"
