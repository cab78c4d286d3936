"""picturebook's questions: nine types of four options each, written from a scene's truth in many wordings."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..question_types import QUESTION_TYPES
from ..records import LETTERS, Question
from .seeds import seeds_of
from .truth import DIRECTIONS, NEEDS, NUMBERS, OUTINGS, SOUNDS, direction, holds, matching
from .world import (
    ACTIONS,
    ANIMALS,
    COLOURS,
    INTERACTIONS,
    KINDS,
    OBJECTS,
    PEOPLE,
    POSITIONS,
    SETTINGS,
    SIGN,
    SKIES,
    VEHICLES,
    WORDS,
    Scene,
    Thing,
    sample_scene,
)

WORDINGS = {
    "place": ("What kind of place is this?", "Where was this picture made?", "Which place is shown?",
              "What place do you see in the picture?"),
    "sky": ("What is the weather like?", "How does the sky look?", "Which word describes the sky?",
            "What sky is shown?"),
    "kind_at": ("What is in the {position} of the picture?", "What do you see at the {position}?",
                "Which thing is in the {position} part?", "What is shown at the {position}?"),
    "present": ("Which of these can be seen?", "Which of these is in the picture?",
                "What does the picture show?", "Which of these things is here?"),
    "kind_of_colour": ("Which thing is {colour}?", "What is {colour} in the picture?",
                       "What is the {colour} thing?", "Which of these is {colour}?"),
    "colour": ("What colour is the {kind}?", "Which colour does the {kind} have?",
               "What is the colour of the {kind}?", "The {kind} has which colour?"),
    "colour_at": ("What colour is the thing in the {position}?", "Which colour is shown at the {position}?",
                  "What is the colour of the thing at the {position}?"),
    "position": ("Where is the {kind}?", "In which part of the picture is the {kind}?",
                 "Where do you see the {kind}?", "Which part of the picture shows the {kind}?"),
    "count": ("How many {kinds} are there?", "How many {kinds} can be seen?",
              "What is the number of {kinds}?", "How many {kinds} are in the picture?"),
    "count_people": ("How many people are there?", "How many people can be seen?",
                     "What is the number of people?", "How many people are in the picture?"),
    "direction": ("Where is the {kind}, seen from the {from_kind}?",
                  "From the {from_kind}, where is the {kind}?",
                  "In which direction from the {from_kind} is the {kind}?"),
    "neighbour": ("What is {towards} the {from_kind}?", "Which thing is {towards} the {from_kind}?",
                  "What do you see {towards} the {from_kind}?"),
    "action": ("What is the {subject} doing with the {object}?",
               "What does the {subject} do with the {object}?", "How does the {subject} use the {object}?"),
    "acted_on": ("What is the {subject} {action}?", "Which thing is the {subject} {action}?",
                 "The {subject} is {action} what?"),
    "actor": ("Who is {action} the {object}?", "Who do you see {action} the {object}?",
              "Which one is {action} the {object}?"),
    "need": ("What would be good to have here?", "What should a visitor bring?",
             "What would help a visitor today?", "Which of these would people want today?"),
    "outing": ("What could a visitor do here?", "What do people like to do in such a place?",
               "What would be a good plan for a day here?"),
    "sound": ("Which sound could be heard here?", "What sound would you hear?",
              "Which sound fits the picture?"),
    "word": ("What does the sign say?", "Which word is on the sign?", "What is written on the sign?",
             "What can be read in the picture?", "Which word do you read?"),
}
PLURALS = {"man": "men", "woman": "women", "child": "children", "bus": "buses"}
FAMILIES = (PEOPLE, ANIMALS, VEHICLES, (*OBJECTS, SIGN))


class Ask(NamedTuple):
    """A question before its words: the form, its arguments, the answer, and where wrong options come from.

    `near` are the wrong options that look like the answer (same kind, or in the same picture); `far` fill up.
    """

    form: str
    facts: dict[str, Any]
    answer: str
    near: tuple[str, ...]
    far: tuple[str, ...] = ()


def _family(kind: str) -> tuple[str, ...]:
    return next(family for family in FAMILIES if kind in family)


def _phrase(scene: Scene, thing: Thing) -> dict[str, str] | None:
    """How to name one thing and no other: by kind, else by colour and kind; None if neither is enough."""
    if len(matching(scene, thing.kind)) == 1:
        return {"kind": thing.kind}
    if len(matching(scene, thing.kind, thing.colour)) == 1:
        return {"kind": thing.kind, "colour": thing.colour}
    return None


def _alone(scene: Scene) -> list[Thing]:
    """Things that have their cell to themselves, so that "what is in the top left" has one answer."""
    cells = Counter(thing.cell for thing in scene.things)
    return [thing for thing in scene.things if cells[thing.cell] == 1]


def _ask_place(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    yield Ask("place", {}, scene.setting, SETTINGS)


def _ask_sky(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    yield Ask("sky", {}, scene.sky, SKIES)


def _present_kinds(scene: Scene) -> tuple[str, ...]:
    return tuple(dict.fromkeys(thing.kind for thing in scene.things))


def _ask_kind_at(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing in _alone(scene):
        near = (*_present_kinds(scene), *_family(thing.kind))
        yield Ask("kind_at", {"position": POSITIONS[thing.cell]}, thing.kind, near, KINDS)


def _ask_present(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for kind in _present_kinds(scene):
        yield Ask("present", {}, kind, _family(kind), KINDS)


def _ask_kind_of_colour(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for colour in dict.fromkeys(thing.colour for thing in scene.things):
        kinds = {thing.kind for thing in scene.things if thing.colour == colour}
        if len(kinds) == 1:
            yield Ask("kind_of_colour", {"colour": colour}, kinds.pop(), _present_kinds(scene), KINDS)


def _ask_colour(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing in scene.things:
        if len(matching(scene, thing.kind)) == 1:
            yield Ask("colour", {"kind": thing.kind}, thing.colour,
                      tuple(t.colour for t in scene.things), COLOURS)


def _ask_colour_at(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing in _alone(scene):
        near = tuple(t.colour for t in scene.things)
        yield Ask("colour_at", {"position": POSITIONS[thing.cell]}, thing.colour, near, COLOURS)


def _ask_position(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing in scene.things:
        facts = _phrase(scene, thing)
        if facts:
            occupied = tuple(POSITIONS[t.cell] for t in scene.things)
            yield Ask("position", facts, POSITIONS[thing.cell], occupied, POSITIONS)


def _ask_count(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for kind, n in Counter(thing.kind for thing in scene.things).items():
        if n <= len(NUMBERS) and (n > 1 or rng.random() < 0.04):
            yield Ask("count", {"kind": kind}, NUMBERS[n - 1], NUMBERS[:5])


def _ask_count_people(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    n = sum(thing.kind in PEOPLE for thing in scene.things)
    if n in range(1, len(NUMBERS) + 1) and rng.random() < (0.1, 0.4, 1)[min(n, 3) - 1]:
        yield Ask("count_people", {}, NUMBERS[n - 1], NUMBERS[:5])


def _pairs(scene: Scene) -> Iterator[tuple[Thing, Thing, str]]:
    """Ordered pairs of things, each alone of its kind, with the direction of the first from the second."""
    single = [thing for thing in scene.things if len(matching(scene, thing.kind)) == 1]
    for thing in single:
        for other in single:
            towards = direction(thing, other) if thing is not other else ""
            if towards:
                yield thing, other, towards


def _ask_direction(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing, other, towards in _pairs(scene):
        yield Ask("direction", {"kind": thing.kind, "from_kind": other.kind}, towards, DIRECTIONS)


def _ask_neighbour(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing, other, towards in _pairs(scene):
        facts = {"from_kind": other.kind, "direction": towards}
        kinds = tuple(k for k in _present_kinds(scene) if k != other.kind)
        yield Ask("neighbour", facts, thing.kind, kinds, tuple(k for k in KINDS if k != other.kind))


def _acts(scene: Scene) -> Iterator[tuple[str, str, str]]:
    for i in scene.interactions:
        yield scene.things[i.subject].kind, i.action, scene.things[i.object].kind


def _ask_action(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for subject, action, other in _acts(scene):
        yield Ask("action", {"subject": subject, "object": other}, action, INTERACTIONS[other], ACTIONS)


def _ask_acted_on(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for subject, action, other in _acts(scene):
        near = tuple(kind for kind, actions in INTERACTIONS.items() if action in actions)
        yield Ask("acted_on", {"subject": subject, "action": action}, other, near, tuple(INTERACTIONS))


def _ask_actor(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for subject, action, other in _acts(scene):
        yield Ask("actor", {"action": action, "object": other}, subject, PEOPLE, ANIMALS)


def _ask_need(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    yield Ask("need", {}, NEEDS[scene.sky], tuple(NEEDS.values()))


def _ask_outing(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    yield Ask("outing", {}, OUTINGS[scene.setting], tuple(OUTINGS.values()))


def _ask_sound(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for kind in _present_kinds(scene):
        if kind in SOUNDS:
            yield Ask("sound", {}, SOUNDS[kind], tuple(SOUNDS.values()))


def _ask_word(scene: Scene, rng: random.Random) -> Iterator[Ask]:
    for thing in scene.things:
        if thing.word:
            yield Ask("word", {}, thing.word, WORDS)


ASKS: dict[str, tuple[Callable[[Scene, random.Random], Iterator[Ask]], ...]] = {
    "Scene Understanding": (_ask_place, _ask_sky),
    "Instance Identity": (_ask_kind_at, _ask_present, _ask_kind_of_colour),
    "Instance Attributes": (_ask_colour, _ask_colour_at),
    "Instance Location": (_ask_position,),
    "Instances Counting": (_ask_count, _ask_count_people),
    "Spatial Relation": (_ask_direction, _ask_neighbour),
    "Instance Interaction": (_ask_action, _ask_acted_on, _ask_actor),
    "Visual Reasoning": (_ask_need, _ask_outing, _ask_sound),
    "Text Understanding": (_ask_word,),
}

# The general but skewed mixture that the small student is pre-trained on: shares of the question types. As
# in a real base model, some types are hardly in the data; the loop should find and mend these.
SKEWED_MIXTURE = {
    "Scene Understanding": 0.08, "Instance Identity": 0.2125, "Instance Attributes": 0.15,
    "Instance Location": 0.25, "Instances Counting": 0.18, "Spatial Relation": 0.12,
    "Instance Interaction": 0.0025, "Visual Reasoning": 0.0025, "Text Understanding": 0.0025,
}


def write_question(scene: Scene, question_type: str, rng: random.Random, tries: int = 6) -> Question | None:
    """One sound question of a type about a scene, or None when the scene has nothing to ask of that type."""
    for _ in range(tries):
        asks = list(rng.choice(ASKS[question_type])(scene, rng))
        if asks:
            question = _finish(scene, question_type, rng.choice(asks), rng)
            if question:
                return question
    return None


def _finish(scene: Scene, question_type: str, ask: Ask, rng: random.Random) -> Question | None:
    facts = {"form": ask.form, **ask.facts}
    wrong = _wrong_options(scene, facts, ask, rng)
    true_answer = holds(scene, facts, ask.answer)
    if len(wrong) < 3 or not true_answer:
        return None
    options = [ask.answer, *wrong]
    rng.shuffle(options)
    words = _words(facts, rng)
    return Question(
        id=f"pb-{scene.seed}-{ask.form}-"
           f"{'-'.join(str(v).replace(' ', '_') for v in ask.facts.values()) or 'x'}",
        image_id=str(scene.seed), image=f"picturebook:{scene.seed}", question=words,
        options=tuple(options), answer=ask.answer, choice=LETTERS[options.index(ask.answer)],
        question_type=question_type, facts=facts,
    )


def _wrong_options(scene: Scene, facts: dict[str, Any], ask: Ask, rng: random.Random) -> list[str]:
    """Three wrong options, similar ones first; none of them may hold in the scene."""
    wrong: list[str] = []
    for pool in (ask.near, ask.far):
        candidates = [option for option in dict.fromkeys(pool)
                      if option != ask.answer and option not in wrong]
        rng.shuffle(candidates)
        wrong += [option for option in candidates if not holds(scene, facts, option)]
    return wrong[:3]


def _words(facts: dict[str, Any], rng: random.Random) -> str:
    kind, colour = facts.get("kind", ""), facts.get("colour", "")
    slots = dict(facts)
    if facts["form"] == "position" and colour:
        slots["kind"] = f"{colour} {kind}"
    slots["kinds"] = PLURALS.get(kind, f"{kind}s")
    slots["towards"] = {"left": "left of", "right": "right of"}.get(
        facts.get("direction", ""), facts.get("direction"))
    return rng.choice(WORDINGS[facts["form"]]).format(**slots)


def benchmark_questions(split: str, n: int) -> list[Question]:
    """The first `n` questions of "diagnose" or "sealed", the nine types in turn, at most three an image."""
    questions: list[Question] = []
    types = list(QUESTION_TYPES.values())
    seen: Counter[str] = Counter()
    for seed in seeds_of(split):
        scene, rng = sample_scene(seed), random.Random(f"ask-{seed}")
        for question_type in sorted(types, key=lambda name: (seen[name], types.index(name)))[:3]:
            question = write_question(scene, question_type, rng)
            if question and len(questions) < n:
                seen[question_type] += 1
                questions.append(question)
        if len(questions) >= n:
            return questions
    raise AssertionError("the seed range of a split is never exhausted")


def mixture_questions(
    n: int, seed: int, mixture: dict[str, float] = SKEWED_MIXTURE, per_image: int = 8
) -> list[Question]:
    """`n` questions of the general mixture the student was pre-trained on, on pictures of their own seeds."""
    rng = random.Random(f"mixture-{seed}")
    names, shares = list(mixture), list(mixture.values())
    questions: list[Question] = []
    while len(questions) < n:
        scene = sample_scene(rng.choice(seeds_of("replay")))
        for name in rng.choices(names, shares, k=per_image):
            question = write_question(scene, name, rng)
            if question and len(questions) < n:
                questions.append(question)
    return questions
