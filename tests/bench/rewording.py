"""Questions and answers of the rule teacher put as a language model would put them: other words, no facts."""

import random
from dataclasses import replace

from dataengine_utils.facts.words import is_plural, plural, with_article
from dataengine_utils.picturebook.truth import NUMBERS
from dataengine_utils.records import LETTERS, Draft

QUESTIONS = {
    "place": (
        "What type of location is depicted in the image?", "Where was this photo most likely taken?",
        "What is the setting of the scene?", "In what kind of environment is this scene set?",
        "Which of the following best describes the setting of the picture?",
    ),
    "sky": (
        "What are the weather conditions in the photo?", "How would you describe the weather in the image?",
        "What kind of weather is shown in the picture?", "What's the weather like in this scene?",
    ),
    "kind_at": (
        "What object is located in the {position} of the image?",
        "Which of the following is found in the {position} section of the photo?",
        "What can you see in the {position} area of the picture?",
        "In the {position} of the image, what is visible?",
    ),
    "present": (
        "Which of the following objects is visible in the image?", "Which item appears in the photo?",
        "Which of these can you find in the picture?", "What object is present in the scene?",
    ),
    "kind_of_colour": (
        "Which object in the image is {colour}?", "Which of the following is {colour} in color?",
        "What item in the picture is {colour}?",
    ),
    "colour": (
        "What is the color of the {kind} in the image?", "What color {is} the {kind} shown in the photo?",
        "Which color best describes the {kind}?", "In the picture, what color {is} the {kind}?",
    ),
    "colour_at": (
        "What is the color of the object located in the {position} of the image?",
        "What color is the item in the {position} part of the photo?",
    ),
    "position": (
        "Where in the image {is} the {kind} located?", "In which area of the photo can the {kind} be found?",
        "What is the location of the {kind} in the picture?",
        "Where {is} the {kind} positioned in the scene?",
        "In which section of the image does the {kind} appear?",
    ),
    "count": (
        "How many {kinds} are visible in the image?", "What is the total number of {kinds} in the photo?",
        "How many {kinds} can you count in the picture?", "How many {kinds} appear in this scene?",
        "How many {kinds} are present in the image?",
    ),
    "count_people": (
        "How many people are visible in the image?", "What is the total number of people in the photo?",
        "How many individuals can you see in the picture?", "How many people appear in this scene?",
    ),
    "direction": (
        "Where is the {kind} located in relation to the {from_kind}?",
        "What is the position of the {kind} relative to the {from_kind}?",
        "On which side of the {from_kind} is the {kind}?",
        "How is the {kind} positioned with respect to the {from_kind}?",
        "In the image, where is the {kind} compared to the {from_kind}?",
    ),
    "neighbour": (
        "What object is located {towards} the {from_kind}?",
        "Which of the following is {towards} the {from_kind}?",
        "What is positioned directly {towards} the {from_kind} in the image?",
        "Which item can be seen {towards} the {from_kind}?",
    ),
    "action": (
        "What action is the {subject} performing with the {object}?",
        "How is the {subject} interacting with the {object} in the image?",
        "In the photo, what is the {subject} doing with the {object}?",
    ),
    "acted_on": (
        "What object is the {subject} {action} in the image?", "Which item is the {subject} {action}?",
        "In the picture, what is the {subject} {action}?",
    ),
    "actor": (
        "Who is {action} the {object} in the image?", "Which of the following is {action} the {object}?",
        "In the scene, who is seen {action} the {object}?",
    ),
    "need": (
        "Which item would be most useful to bring in this weather?",
        "What would be helpful to have in these conditions?", "What should a person bring along here?",
    ),
    "outing": (
        "What activity could people enjoy in this place?", "What would be a good plan for a day here?",
        "What could visitors do at this location?",
    ),
    "sound": (
        "Which sound would you most likely hear in this scene?", "What sound could be heard here?",
        "Which of the following sounds fits the scene?",
    ),
    "word": (
        "What word is written on the sign?", "What does the text on the sign say?",
        "Which word can be read on the sign in the image?", "What text is displayed in the picture?",
        "What is written on the sign?",
    ),
}  # fmt: skip

_TOWARDS = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
_CORNER = {"top": "top center", "bottom": "bottom center", "left": "left side", "right": "right side",
           "middle": "center"}


def reworded(draft: Draft, rng: random.Random) -> Draft:
    """The draft in a language model's words and without its facts; the same options are right and wrong."""
    facts = draft.facts
    words = (facts.get("colour") if facts["form"] == "position" else "", facts.get("kind"))
    kind = " ".join(filter(None, words))
    slots = facts | {
        "kind": kind,
        "kinds": plural(kind) if kind else "",
        "is": "are" if kind and is_plural(kind) else "is",
        "towards": _TOWARDS.get(facts.get("direction", ""), ""),
        "position": _corner(facts.get("position", ""), rng),
    }
    question = rng.choice(QUESTIONS[facts["form"]]).format(**slots)
    style = rng.randrange(3)
    options = tuple(_option(option, facts, style) for option in draft.options)
    right = options[LETTERS.index(draft.choice)]
    return Draft(question, f"The answer is: {right}.", right, options, draft.choice)


def without_facts(draft: Draft) -> Draft:
    """The draft as it is, but stating no facts: only its words can be read."""
    return replace(draft, facts={})


def _corner(position: str, rng: random.Random) -> str:
    if " " in position:
        return position.replace(" ", rng.choice((" ", "-")))
    return _CORNER.get(position, position) if rng.random() < 0.5 else position


def _option(option: str, facts: dict[str, str], style: int) -> str:
    """An option in one of three styles: bare, with a capital, or said in full."""
    form = facts["form"]
    if style == 0:
        return option
    if style == 1 or form not in _IN_FULL:
        return option if form == "word" else option[:1].upper() + option[1:]
    return _IN_FULL[form](option, facts)


def _said_of_things(option: str, facts: dict[str, str]) -> str:
    text = with_article(option)
    return text[:1].upper() + text[1:]


_NAMED = ("kind_at", "present", "kind_of_colour", "neighbour", "acted_on", "actor")
_IN_FULL = {
    **dict.fromkeys(_NAMED, _said_of_things),
    "place": lambda option, facts: f"A {option}",
    "count": lambda option, facts: str(NUMBERS.index(option) + 1),
    "count_people": lambda option, facts: str(NUMBERS.index(option) + 1),
    "position": lambda option, facts: f"In the {_CORNER.get(option, option)} of the image",
    "direction": lambda option, facts: f"{_TOWARDS[option].capitalize()} the {facts['from_kind']}",
    "action": lambda option, facts: f"{option.capitalize()} it",
    "colour": lambda option, facts: f"It is {option}",
    "word": lambda option, facts: f'"{option}"',
}
