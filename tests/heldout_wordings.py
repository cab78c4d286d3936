"""How another teacher might ask picturebook's questions: wordings by somebody who did not know the reader.

They were written without a look at the reader of questions (`dataengine_utils/facts`) or the verification.
The reader has been developed on them since (`tests.bench.heldout`): they guard against falling back, and only
new wordings, written as these were, can tell how it does on others.
"""

from collections.abc import Sequence
from typing import Any

WORDINGS: dict[str, tuple[str, ...]] = {
    "place": (
        "The image was most likely captured in what kind of setting?",
        "Which of the following best describes the setting of this scene?",
        "Where does this scene most likely take place?",
        "In what sort of environment was this photo taken?",
        "Judging by the surroundings, where are we?",
        "What serves as the backdrop of this picture?",
        "The scene shown above is set in which kind of location?",
        "Which setting is portrayed in the illustration?",
        "Based on the background, can you tell what place this is?",
        "Which of these locations does the image represent?",
    ),
    "sky": (
        "What are the weather conditions in the image?",
        "How would you describe the sky in this scene?",
        "Which of the following best describes the weather or time of day shown?",
        "What kind of weather is depicted here?",
        "Judging from the sky, what are the conditions like?",
        "Which term best characterises the sky above the scene?",
        "What does the sky look like in this picture?",
        "Taking the sky into account, how would you characterize the weather?",
        "What weather does the picture portray?",
        "Which of these conditions is the scene set in?",
    ),
    "kind_at": (
        "Which object is located in the {position} of the image?",
        "What can you see in the {position} area of this picture?",
        "What occupies the {position} section of the scene?",
        "Looking at the {position} of the image, what do you find there?",
        "Which of the following appears in the {position} portion of the photo?",
        "In the {position} of the frame, there is something. What is it?",
        "What has been placed at the {position} of the image?",
        "Can you identify what is situated in the {position} of the picture?",
        "Which of these items is positioned in the {position} region of the image?",
        "If you direct your attention to the {position} of the picture, which thing is visible?",
    ),
    "present": (
        "Which of the following objects appears in the image?",
        "Which one of these can you spot in the scene?",
        "Of the options listed below, which is visible in this picture?",
        "Among the following, what is present in the photograph?",
        "Which of these is depicted in the illustration?",
        "Which of the following can be found somewhere in the image?",
        "What is one of the things shown in this scene?",
        "Only one of these is part of the picture. Which one is it?",
        "Which item does the scene include?",
        "Can you identify which of these the image contains?",
    ),
    "kind_of_colour": (
        "Out of the objects in this image, which one is {colour}?",
        "Which of the following is coloured {colour}?",
        "What in this scene has a {colour} color?",
        "What {colour} object can be seen in the image?",
        "Which of the listed items appears in {colour}?",
        "Something in the picture is {colour}; what is it?",
        "Can you name the thing in the scene that is {colour}?",
        "The color {colour} belongs to which of these things?",
        "Which of these would you describe as being {colour} in this image?",
        "What has been painted {colour} in the picture?",
    ),
    "colour": (
        "What color is the {kind} in the image?",
        "Which of the following colours best matches the {kind}?",
        "Can you tell what colour the {kind} in this scene is?",
        "Identify the color of the {kind} shown in the picture.",
        "In terms of color, how would you describe the {kind}?",
        "The {kind} visible in the image is of which colour?",
        "Which color has been used for the {kind} in this picture?",
        "What's the colour of the {kind} that can be seen here?",
        "What color does the {kind} appear to be?",
        "Looking at the {kind}, which colour would you say it is?",
    ),
    "material": (
        "What material does the {kind} appear to be made from?",
        "Which of the following materials is the {kind} in the image made out of?",
        "From what material has the {kind} in the picture been built?",
        "What does the {kind} in this scene seem to consist of?",
        "Can you tell what the {kind} in the image is made of?",
        "The {kind} shown here is constructed from which material?",
        "Out of which material was the {kind} crafted?",
        "What kind of material was used to make the {kind} in the picture?",
    ),
    "colour_at": (
        "What color is the object located in the {position} of the image?",
        "Which colour does the item in the {position} of the picture have?",
        "What is the color of whatever appears in the {position} section of the scene?",
        "The object positioned at the {position} of the image is what colour?",
        "Looking at the {position} of the picture, what colour is the object there?",
        "Which of the following colors describes the object found in the {position} area of the image?",
        "Can you name the colour of the thing that occupies the {position} of the frame?",
        "In the {position} part of the image there is an object; which color is it?",
    ),
    "position": (
        "In which area of the image is the {kind} located?",
        "Where in the picture can the {kind} be found?",
        "Whereabouts in the scene is the {kind} situated?",
        "Which section of the image contains the {kind}?",
        "What is the location of the {kind} within the frame?",
        "Where has the {kind} been placed in this image?",
        "Where is the {kind} positioned in the image?",
        "If the picture is divided into a three-by-three grid, which cell holds the {kind}?",
        "Which of the following describes the placement of the {kind} in the picture?",
        "Can you point out where the {kind} appears in the image?",
    ),
    "count": (
        "What would be an accurate count of the {kinds} in this image?",
        "How many {kinds} can you count in this picture?",
        "What is the total number of {kinds} shown in the scene?",
        "Count the {kinds} in the image. How many are there?",
        "In total, how many {kinds} does the scene contain?",
        "How many individual {kinds} appear in the photo?",
        "Looking closely at the picture, how many {kinds} do you see?",
        "Which of the following is the correct number of {kinds} in the image?",
        "Altogether, how many {kinds} have been drawn here?",
        "The picture features how many {kinds}?",
    ),
    "count_people": (
        "How many people are there altogether in this image?",
        "How many persons can you count in this scene?",
        "What is the total number of people shown in the picture?",
        "Including men, women and children, how many people does the image contain?",
        "How many individuals appear in the photo?",
        "How many human figures are depicted here?",
        "In total, how many people do you see in this picture?",
        "Which of the following is the correct number of people in the scene?",
    ),
    "direction": (
        "Relative to the {from_kind}, where is the {kind} located?",
        "How is the {kind} positioned relative to the {from_kind}?",
        "What is the position of the {kind} with respect to the {from_kind}?",
        "Where can the {kind} be found in relation to the {from_kind}?",
        "If you start at the {from_kind}, which way would you go to reach the {kind}?",
        "Which of the following correctly describes where the {kind} lies compared to the {from_kind}?",
        "In the image, the {kind} lies in which direction from the {from_kind}?",
        "Taking the {from_kind} as a reference point, where would you find the {kind}?",
        "What is the spatial relationship of the {kind} to the {from_kind}?",
        "With the {from_kind} as the starting point, in what direction is the {kind} situated?",
    ),
    "neighbour": (
        "Which object is located {towards} the {from_kind} in the image?",
        "What can be seen {towards} the {from_kind} in this scene?",
        "Which of the following is positioned {towards} the {from_kind}?",
        "If you look {towards} the {from_kind}, what will you find?",
        "Looking at the {from_kind} in the picture, what is {beside_it}?",
        "Which of these things has the {from_kind} {opposite} it?",
        "The {from_kind} in the image has something {beside_it}. What is it?",
        "Can you identify the object that appears {towards} the {from_kind}?",
        "What lies {towards} the {from_kind} in the picture?",
        "Of the following, which one would you encounter {towards} the {from_kind}?",
    ),
    "action": (
        "What is the {subject} in the image doing with the {object}?",
        "How is the {subject} interacting with the {object}?",
        "Which of the following best describes what the {subject} is doing to the {object}?",
        "What action is the {subject} performing on the {object}?",
        "What activity involving the {object} is the {subject} engaged in?",
        "In what way does the {subject} engage with the {object} in this scene?",
        "What can the {subject} be seen doing with the {object}?",
        "Which verb describes the interaction between the {subject} and the {object}?",
        "What is being done to the {object} by the {subject}?",
        "What is happening between the {subject} and the {object} in the picture?",
    ),
    "acted_on": (
        "What is the {subject} in this image {doing}?",
        "Which object is being {done} by the {subject}?",
        "Which of the following is the {subject} seen {doing}?",
        "Can you identify what the {subject} is {doing}?",
        "What does the {subject} appear to be {doing} in the picture?",
        "In the scene, what is being {done} by the {subject}?",
        "What object is the {subject} shown {doing}?",
        "The {subject} in the photo can be seen {doing} which of these?",
        "Look at the {subject}. What is it that they are {doing}?",
    ),
    "actor": (
        "Who is the one {doing} the {object} in the picture?",
        "By whom is the {object} being {done}?",
        "Which person in the scene can be seen {doing} the {object}?",
        "The {object} is being {done} by whom?",
        "Who appears to be {doing} the {object}?",
        "Which of the following is {doing} the {object} in this image?",
        "Can you tell who is {doing} the {object}?",
        "In the image, who is shown {doing} the {object}?",
        "Which individual is {doing} the {object} here?",
    ),
    "need": (
        "Given the weather in the image, what item would be most useful to carry?",
        "Based on the conditions shown, which of the following would someone most likely need?",
        "If you were to step into this scene, what should you take with you?",
        "What accessory would be most appropriate for the weather depicted?",
        "Considering the sky, what would you advise a person to pack for this place?",
        "Which of these items would come in handy under such a sky?",
        "What would a person in this scene probably wish they had brought along?",
        "Judging by the weather, which item should people here have with them?",
    ),
    "outing": (
        "Which activity would people most likely do at this location?",
        "What might someone who visits this place plan to do?",
        "Based on the setting, which of the following activities is most suitable here?",
        "If you spent a day in this location, what could you do?",
        "What is a typical pastime in an environment like the one shown?",
        "Which of these activities fits the place in the picture best?",
        "For which of the following would a family most likely come here?",
        "Considering the surroundings, what would be a sensible thing to do in this place?",
    ),
    "sound": (
        "Which of the following sounds might you hear in this scene?",
        "What animal sound would most likely be heard if this picture came to life?",
        "Which noise would an animal in this image make?",
        "If you were standing in this scene, what noise might reach your ears?",
        "Considering the animals present, what sound would you expect to hear?",
        "What sound is likely to be produced by an animal in the picture?",
        "Which of these animal noises goes with the scene?",
        "Imagine the image had audio. Which sound would most probably be part of it?",
    ),
    "use": (
        "What is the {kind} in the image most likely used for?",
        "What purpose does the {kind} in this scene serve?",
        "What would a person typically use the {kind} in the picture for?",
        "For which of the following purposes is the {kind} shown here intended?",
        "What is the main function of the {kind} seen in the image?",
        "Why might someone want the {kind} that is shown in the picture?",
        "Which of these describes what people usually do with a {kind} such as the one shown?",
        "What can the {kind} in this image be employed for?",
    ),
    "word": (
        "What text is displayed on the sign in the image?",
        "Which word appears on the sign in this scene?",
        "What does the text on the sign read?",
        "The sign in the picture displays which of the following words?",
        "What message is printed on the sign?",
        "Can you read the sign? What word is on it?",
        "Which of the following words is visible in the image?",
        "What is the wording on the sign shown in the picture?",
        "According to the sign, which word has been written?",
        "What is spelled out on the sign?",
    ),
}
# Wordings that only suit some of a form's questions.
OF_A_FAMILY = (
    "Which animal is visible in the image?", "What type of {family} can be seen in the scene?",
    "Which kind of {family} is shown in the picture?", "What {family} does the image feature?",
    "Of these {families}, which one appears in the photo?",
)
OF_PEOPLE = (
    "What color is the {kind} in the image wearing?", "In what colour is the {kind} dressed?",
    "Which of the following colors are the {kind}'s clothes?",
    "What colour of clothing does the {kind} wear?",
    "What is the color of the {kind}'s outfit?",
)

PLURALS = {"man": "men", "woman": "women", "child": "children", "bus": "buses"}
DONE = {"riding": "ridden", "holding": "held", "sitting on": "sat on", "pushing": "pushed",
        "kicking": "kicked", "walking": "walked"}
TOWARDS = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
BESIDE_IT = {"left": "to its left", "right": "to its right", "above": "above it", "below": "below it"}
OPPOSITE = {"left": "to the right of", "right": "to the left of", "above": "below", "below": "above"}


def plural(kind: str) -> str:
    """The plural of one of the world's kinds."""
    return PLURALS.get(kind, f"{kind}s")


def with_article(noun: str) -> str:
    """The noun behind "a" or "an"."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def filled(wording: str, facts: dict[str, Any], family: str = "") -> str:
    """The question of a wording, with the facts' words in the inflection that it asks for."""
    kind, action, towards = facts.get("kind", ""), facts.get("action", ""), facts.get("direction", "")
    slots = {
        **facts, "kinds": plural(kind), "kind": f"{facts['colour']} {kind}" if "colour" in facts else kind,
        "towards": TOWARDS.get(towards), "beside_it": BESIDE_IT.get(towards),
        "opposite": OPPOSITE.get(towards),
        "doing": action, "done": DONE.get(action), "family": family, "families": f"{family}s",
    }
    return wording.format(**slots)


# How the options may be dressed, beside the bare word; the same dress for all options of a question.
DRESSES: dict[str, tuple[str, ...]] = {
    "place": ("A {}", "At a {}"), "sky": ("It is {}",), "kind_at": ("{a}", "The {}"), "present": ("{a}",),
    "kind_of_colour": ("The {}", "{a}"), "colour": ("It is {}",), "colour_at": ("It is {}",),
    "position": ("In the {}", "{} of the image"), "count": ("{digit}",), "count_people": ("{digit}",),
    "direction": ("{towards_it}",), "neighbour": ("{a}", "The {}"), "action": ("{} it",),
    "acted_on": ("{a}",),
    "actor": ("The {}", "{a}"), "need": ("{}",), "outing": ("To {}",), "sound": ("A {}",), "word": ('"{}"',),
    "material": ("It is made of {}",), "use": ("For {}",),
}
DIGITS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}


def dressed(dress: str, option: str) -> str:
    """An option as a teacher might write it: with an article, as a figure, with a capital letter."""
    text = dress.replace("{a}", with_article(option)).replace("{digit}", DIGITS.get(option, option))
    text = text.replace("{towards_it}", TOWARDS.get(option, option).removesuffix(" of"))
    text = text.replace("{}", option)
    text = text.replace("A orange", "An orange") if text.startswith("A ") else text
    return text[0].upper() + text[1:]


# The full-sentence answers, in the same free manner.
SENTENCES: dict[str, Sequence[str]] = {
    "place": ("The scene is set at a {answer}.", "The image shows a {answer}."),
    "sky": ("The sky in the image is {answer}.", "The conditions can be described as {answer}."),
    "kind_at": ("There is {an_answer} in that part of the image.",
                "{An_answer} can be seen in the {position} of the image."),
    "present": ("{An_answer} is visible in the image.", "The image contains {an_answer}."),
    "kind_of_colour": ("The {answer} is {colour}.", "The {colour} object in the scene is the {answer}."),
    "colour": ("The {kind} in the image is {answer}.", "The colour of the {kind} is {answer}."),
    "colour_at": ("The object there is {answer}.", "It is {answer}."),
    "position": ("The {kind} is located in the {answer} of the image.",
                 "The {kind} can be found in the {answer}."),
    "count": ("The image shows {answer} in total.", "The number is {answer}."),
    "count_people": ("The image shows {answer} in total.", "The number is {answer}."),
    "direction": ("The {kind} is {towards_answer} the {from_kind}.",),
    "neighbour": ("The {answer} is {towards} the {from_kind}.", "{An_answer} can be seen there."),
    "action": ("The {subject} is {answer} the {object}.",),
    "acted_on": ("The {subject} is {action} the {answer}.", "It is the {answer}."),
    "actor": ("The {answer} is {action} the {object}.", "It is the {answer}."),
    "need": ("Given the conditions, the right thing to have is: {answer}.",),
    "outing": ("At such a place, people could {answer}.",),
    "sound": ("One would probably hear a {answer}.",),
    "word": ('The sign reads "{answer}".', "The word is {answer}."),
    "material": ("The {kind} is made of {answer}.",), "use": ("The {kind} is used for {answer}.",),
}


def sentence(wording: str, facts: dict[str, Any], answer: str) -> str:
    """The full-sentence answer of a question."""
    article = with_article(answer)
    slots = {
        **facts, "answer": answer, "an_answer": article, "An_answer": article[0].upper() + article[1:],
        "towards": TOWARDS.get(facts.get("direction", "")), "towards_answer": TOWARDS.get(answer),
    }
    return wording.format(**slots)
