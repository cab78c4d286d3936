"""The picturebook world: small drawn scenes whose every fact is known, in Visual Genome's schema.

A scene is sampled from a seed alone, so `scene(seed)` is the same picture on every machine. Things stand in
the cells of a 3 x 3 grid (112 x 112 pixels), which makes every place, count and spatial relation decidable
from the truth.
"""

import random
from dataclasses import dataclass, replace

SIZE = 112
CELL = SIZE // 3

SETTINGS = ("beach", "street", "kitchen", "park", "mountain", "desert", "farm", "lake")
SKIES = ("sunny", "cloudy", "rainy", "snowy", "night")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
PEOPLE = ("man", "woman", "child")
ANIMALS = ("cat", "dog", "horse", "bird", "cow")
VEHICLES = ("car", "bus", "bicycle", "boat")
OBJECTS = ("ball", "umbrella", "chair", "tree", "flower", "cup", "kite")
SIGN = "sign"
KINDS = (*PEOPLE, *ANIMALS, *VEHICLES, *OBJECTS, SIGN)
WORDS = (
    "STOP", "OPEN", "SALE", "TAXI", "CAFE", "EXIT", "ZOO", "BUS", "PARK", "SHOP", "FOOD", "BANK",
    "HOT", "ICE", "FISH", "TEA", "MILK", "FREE", "SLOW", "WAY", "PUSH", "GYM", "FARM", "LAKE",
)
ACTIONS = ("riding", "holding", "sitting on", "pushing", "kicking", "walking")

# What a person can do with a thing. Almost every thing allows two acts, so the act cannot be guessed
# from the thing.
INTERACTIONS = {
    "horse": ("riding", "walking"),
    "bicycle": ("riding", "pushing"),
    "ball": ("holding", "kicking"),
    "chair": ("sitting on", "pushing"),
    "dog": ("walking", "holding"),
    "cat": ("holding", "walking"),
    "car": ("pushing", "sitting on"),
    "cup": ("holding", "kicking"),
    "umbrella": ("holding",),
    "kite": ("holding",),
    "flower": ("holding",),
}

# The narrowest and the widest a kind may be drawn, as width over height: a car squeezed to a square reads
# as a bus.
PROPORTIONS = {
    "man": (0.55, 0.82), "woman": (0.55, 0.82), "child": (0.55, 0.82), "cat": (0.75, 1.05),
    "dog": (0.95, 1.3), "horse": (0.95, 1.25), "bird": (0.95, 1.3), "cow": (1.1, 1.45), "car": (1.4, 2.0),
    "bus": (1.15, 1.6), "bicycle": (1.2, 1.6), "boat": (0.85, 1.2), "ball": (1.0, 1.0),
    "umbrella": (0.85, 1.1), "chair": (0.62, 0.85), "tree": (0.7, 1.0), "flower": (0.6, 0.85),
    "cup": (0.95, 1.25), "kite": (0.7, 0.95), "sign": (1.3, 2.2),
}

POSITIONS = (
    "top left", "top", "top right",
    "left", "middle", "right",
    "bottom left", "bottom", "bottom right",
)


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    `box` is (x, y, width, height) in pixels of the 112-pixel canvas; `cell` is 0..8, row by row. `pose` is
    the act of a person who interacts with another thing, else "". `word` is the text on a sign, else "".
    """

    kind: str
    colour: str
    size: str
    box: tuple[int, int, int, int]
    cell: int
    pose: str = ""
    word: str = ""
    flip: bool = False

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


@dataclass(frozen=True)
class Interaction:
    """`things[subject]` does `action` to `things[object]`."""

    subject: int
    action: str
    object: int


@dataclass(frozen=True)
class Scene:
    """A whole picture before it is drawn. Things are listed back to front, in painting order."""

    seed: int
    setting: str
    sky: str
    things: tuple[Thing, ...]
    interactions: tuple[Interaction, ...]


def sample_scene(seed: int) -> Scene:
    """Sample the scene of one seed: its setting, sky, and things in at most eight of the nine grid cells."""
    rng = random.Random(f"picturebook-{seed}")
    setting, sky = rng.choice(SETTINGS), rng.choice(SKIES)
    free = list(range(9))
    rng.shuffle(free)
    placed: list[tuple[Thing, ...]] = []
    for _ in range(rng.choices((0, 1, 2), weights=(3, 5, 2))[0]):
        placed.append(_pair(rng, free))
    if rng.random() < 0.6:
        placed.append((_single(rng, free, SIGN, rng.choice(WORDS)),))
    for kind in _lone_kinds(rng):
        if len(free) > 1:
            placed.append((_single(rng, free, kind),))
    placed.sort(key=lambda group: group[0].cell // 3)
    return _assemble(seed, setting, sky, placed)


def _lone_kinds(rng: random.Random) -> list[str]:
    """Kinds that stand alone: one of them may come in twos, threes or fours, to give something to count."""
    kinds = [kind for kind in KINDS if kind != SIGN]
    lone = rng.sample(kinds, rng.choice((1, 2, 2, 3)))
    return lone + [lone[0]] * rng.choices((0, 1, 2, 3), weights=(5, 3, 3, 2))[0]


def _assemble(seed: int, setting: str, sky: str, placed: list[tuple[Thing, ...]]) -> Scene:
    things: list[Thing] = []
    interactions: list[Interaction] = []
    for group in placed:
        first = len(things)
        things.extend(group)
        for offset, thing in enumerate(group):
            if thing.pose:
                interactions.append(Interaction(first + offset, thing.pose, first + (1 - offset)))
    return Scene(seed, setting, sky, tuple(_fitted(thing) for thing in things), tuple(interactions))


def _fitted(thing: Thing) -> Thing:
    """In its kind's proportions, on the floor of its box; a person who acts keeps to the partner's side."""
    x, y, width, height = thing.box
    narrowest, widest = PROPORTIONS[thing.kind]
    if width > height * widest:
        spare = width - round(height * widest)
        side = 0.5 if not thing.pose else 0 if thing.flip else 1
        return replace(thing, box=(x + round(spare * side), y, width - spare, height))
    if width < height * narrowest:
        fitting = round(width / narrowest)
        return replace(thing, box=(x, y + height - fitting, width, fitting))
    return thing


def _single(rng: random.Random, free: list[int], kind: str, word: str = "") -> Thing:
    cell, size = free.pop(), rng.choice(("small", "big"))
    if word:
        box = _box_in(rng, cell, 36, 22)
    else:
        side = 25 if size == "small" else 34
        box = _box_in(rng, cell, side - 10 if kind in PEOPLE else side, side)
    return Thing(kind, rng.choice(COLOURS), "big" if word else size, box, cell, word=word,
                 flip=rng.random() < 0.5)


def _box_in(rng: random.Random, cell: int, width: int, height: int) -> tuple[int, int, int, int]:
    left, top = cell % 3 * CELL, cell // 3 * CELL
    return (left + rng.randint(0, CELL - width), top + rng.randint(0, CELL - height), width, height)


def _pair(rng: random.Random, free: list[int]) -> tuple[Thing, Thing]:
    """A person and what is acted on, in painting order, in one cell (or two, when a free one adjoins)."""
    action = rng.choice(ACTIONS)
    partner = rng.choice([kind for kind, actions in INTERACTIONS.items() if action in actions])
    flip = rng.random() < 0.5
    cell = free.pop()
    person = Thing(rng.choice(PEOPLE), rng.choice(COLOURS), "big", (0, 0, 0, 0), cell, pose=action, flip=flip)
    other = Thing(partner, rng.choice(COLOURS), "big", (0, 0, 0, 0), cell, flip=flip)
    if action in ("riding", "sitting on"):
        return _stacked(person, other)
    beside = cell + (-1 if flip else 1)
    if action != "holding" and beside in free and beside // 3 == cell // 3:
        free.remove(beside)
        return _side_by_side(rng, person, replace(other, cell=beside))
    return _hand_in_hand(person, other)


def _stacked(person: Thing, other: Thing) -> tuple[Thing, Thing]:
    """The person on top of the mount or seat, in one cell; the mount is painted first."""
    left, top = person.cell % 3 * CELL, person.cell // 3 * CELL
    person = replace(person, box=(left + 10, top + 1, 17, 25))
    return replace(other, box=(left + 1, top + 11, 34, 25)), person


def _side_by_side(rng: random.Random, person: Thing, other: Thing) -> tuple[Thing, Thing]:
    """Two adjoining cells; the person turns to the other thing, which stands close to the shared border."""
    left, top = min(person.cell, other.cell) % 3 * CELL, person.cell // 3 * CELL
    side = rng.choice((25, 30))
    near, far = (left + CELL - 20, left + CELL + 3), (left + CELL + 1, left + CELL - 3 - side)
    person_x, other_x = (far[0], far[1]) if person.flip else near
    person = replace(person, box=(person_x, top + 3, 20, 33))
    return person, replace(other, box=(other_x, top + 36 - side, side, side))


def _hand_in_hand(person: Thing, other: Thing) -> tuple[Thing, Thing]:
    """Person and thing share one cell side by side."""
    left, top = person.cell % 3 * CELL, person.cell // 3 * CELL
    height = {"holding": 8}.get(person.pose, 17)
    person_x, other_x = (left + 19, left + 1) if person.flip else (left + 1, left + 18)
    person = replace(person, box=(person_x, top + 3, 17, 33))
    return person, replace(other, box=(other_x, top + height, 18, 18))
