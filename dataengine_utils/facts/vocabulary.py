"""The words that facts are told in: families of names, names of one thing, colours, places, acts, uses.

The embedded world's words come from `picturebook` and stand first; the rest is for real annotations.
"""

from ..picturebook.truth import OUTINGS, SOUNDS
from ..picturebook.world import (
    ANIMALS,
    COLOURS,
    OBJECTS,
    PEOPLE,
    SETTINGS,
    SIGN,
    SKIES,
    VEHICLES,
)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


def _groups(text: str) -> tuple[tuple[str, ...], ...]:
    """One group a line, its names parted by commas."""
    return tuple(_names(line) for line in text.splitlines() if line.strip())


def _titled(text: str) -> list[list[str]]:
    """One [title, names] a line, as "title: name, name"."""
    return [line.strip().split(": ") for line in text.splitlines() if line.strip()]


def _sets(text: str) -> tuple[frozenset[str], ...]:
    return tuple(map(frozenset, _groups(text)))


# Wrong options come from the family of the answer: they are of its kind. The first that has it counts.
FAMILIES: tuple[tuple[str, ...], ...] = (PEOPLE, ANIMALS, VEHICLES, (*OBJECTS, SIGN), *_groups("""
    boy, girl, guy, lady, person, player, rider, driver, worker
    sheep, elephant, giraffe, zebra, bear, duck, goat, pig
    truck, train, motorcycle, airplane, van, tractor, bike, skateboard, helicopter
    shirt, jacket, hat, dress, coat, skirt, scarf, tie, sweater, vest, top
    pants, shorts, shoes, gloves, boots, glasses, sneakers, socks, jeans, sandals
    necklace, ring, watch, bracelet, earring, chain, belt
    backpack, bag, suitcase, purse, basket, bucket
    table, desk, couch, bed, bench, shelf, cabinet, stool, drawer, wardrobe, piano
    pillow, blanket, curtain, carpet, towel, rug
    computer, keyboard, mouse, monitor, telephone, printer, camera, television, radio, lamp, clock, fan, cpu
    plate, fork, knife, spoon, bowl, bottle, pan, kettle, jar
    pizza, apple, banana, sandwich, cake, carrot, donut, egg, bread
    toilet, sink, bathtub, shower, mirror, oven, refrigerator, stove, heater, air conditioner
    window, door, wall, floor, roof, fence, stairs, chimney, gate, balcony
    building, house, bridge, tower, church, barn, castle, tent
    parking meter, traffic light, fire hydrant, mailbox, street light, lamp post, fountain
    road, sidewalk, crosswalk, path, railway, river, stairway
    pen, book, paper, scissors, newspaper, envelope, pencil, calendar
    teddy bear, doll, balloon, frisbee, tennis racket, surfboard, bat
    hair, hand, foot, arm, leg, head, nose, ear, chin, beard
"""))

# Words that may be said of one thing. At most one word of the embedded world in each set: it is exact there.
OVERLAPS = _sets("""
    man, guy, person, player, rider, driver, worker, skier, surfer, gentleman, pedestrian
    woman, lady, girl, person, player, rider, driver, worker, skier, surfer, pedestrian
    child, kid, boy, girl, baby, toddler, person
    boy, guy, person, kid
    dog, puppy, animal
    cat, kitten, animal
    horse, pony, animal
    cow, bull, animal
    bird, duck, pigeon, seagull, animal
    sheep, lamb, animal
    bear, teddy
    car, van, vehicle, truck, suv, taxi, automobile
    bus, vehicle, coach
    bicycle, bike, cycle, motorcycle, motorbike
    boat, ship, canoe
    airplane, plane, jet, aeroplane
    shoe, sneaker, boot, sandal
    pants, jean, trouser
    shirt, top, t-shirt, tee, blouse, sweater
    jacket, coat, vest
    hat, cap, helmet
    couch, sofa, futon, seat
    chair, seat, stool
    table, desk, desktop, tabletop, top
    computer, cpu, tower, laptop, monitor, screen, desktop
    monitor, screen, television, tv
    telephone, phone, cellphone
    bag, case, purse, backpack, suitcase
    shelf, shelve, bookcase, bookshelf
    road, street
    sidewalk, pavement, path
    curtain, drape
    carpet, rug, mat
    cup, mug, glass
    glass, eyeglass, sunglass
    sign, signal, board, billboard
    lamp, light
    post, pole, light
    tree, bush, plant
    flower, plant, blossom
    picture, photo, painting, poster
    cable, cord, wire
    building, house, skyscraper, tower
    outlet, socket, plug
    chain, necklace
    window, glass
    wall, partition
    cabinet, cupboard, drawer
    pillow, cushion
""")

PERSONS = frozenset((*PEOPLE, *_names("""
    guy, lady, girl, boy, person, kid, baby, toddler, gentleman, player, rider, driver, worker, skier,
    surfer, pedestrian
""")))
ANIMATE = PERSONS | frozenset((*ANIMALS, *_names("""
    sheep, elephant, giraffe, zebra, bear, duck, goat, pig, puppy, kitten, lamb, pony, animal, pigeon,
    seagull
""")))

# What a thing is called by its kind: whatever is a horse is an animal.
KINDS_OF = {kind: frozenset(names) for kind, names in {
    "person": PERSONS, "human": PERSONS, "animal": ANIMATE - PERSONS, "creature": ANIMATE - PERSONS,
    "adult": {"man", "woman", "lady", "gentleman"}, "kid": {"child", "boy", "girl"},
    "child": {"boy", "girl", "kid", "toddler", "baby"},
    "vehicle": {*VEHICLES, "truck", "train", "motorcycle", "airplane", "van", "tractor", "bike",
    "helicopter"},
    "furniture": {"chair", "table", "desk", "couch", "bed", "bench", "shelf", "cabinet", "stool", "wardrobe"},
    "plant": {"tree", "flower", "bush"}, "toy": {"kite", "ball", "doll"}, "pet": {"cat", "dog"},
    "automobile": {"car"}, "bike": {"bicycle"}, "guy": {"man"}, "lady": {"woman"}, "sofa": {"couch"},
    "couch": {"sofa"}, "plane": {"airplane"}, "airplane": {"plane"}, "television": {"tv"},
    "tv": {"television"},
    "phone": {"telephone", "cellphone"}, "telephone": {"phone"}, "cup": {"mug"},
}.items()}
# What carries words, so that "What does it say?" asks for them.
BEARERS = frozenset(_names("""
    sign, signs, billboard, board, poster, banner, label, plate, placard, signboard, plaque, sticker, jersey,
    shirt, newspaper, menu, awning, package, letter, logo, bus, truck, van, book, magazine, bottle, can, cap
"""))
# What shows pictures or the reflection of things: they are not there themselves.
DEPICTS = BEARERS | frozenset(_names("""
    screen, monitor, tv, television, painting, mirror, phone, laptop, computer, t-shirt, flag, mug, card,
    page,
    cover, tablet, canvas, photo, photograph, reflection, drawing, display
"""))

# What people wear: where it is named, a colour said of a person is not that of the clothes.
_DRESS = [family for family in FAMILIES if "shirt" in family or "pants" in family]
CLOTHES = frozenset(name for family in _DRESS for name in family) - {"top"}

# Names of Visual Genome that are no things one could point at, and names that are not counted.
VAGUE = frozenset(_names("""
    color, colour, area, part, side, top, back, front, background, ground, photo, image, shade,
    reflection, shadow, edge, line, lines, scene, view, spot, end, corner, day, design, piece, picture,
    pictures, photos, images, setting, something, object, thing, item, stuff
"""))
STUFF = frozenset(_names("""
    floor, wall, sky, carpet, ceiling, roof, field, sidewalk, crosswalk, street, room, hair, water,
    grass, sand, snow, paper, bread, dirt, food, clothing, wood
"""))

# Nouns that are surely nouns.
COMMON_NOUNS = frozenset(word for name in (
    *(name for family in FAMILIES for name in family), *(name for group in OVERLAPS for name in group),
    *ANIMATE, *CLOTHES, *VAGUE, *STUFF, *BEARERS, *DEPICTS, "case", "stand", "box", "holder", "board",
    "frame", "cover", "handle", "wheel", "tire", "people") for word in name.split()[-1:])

_ALL_COLOURS = (*COLOURS, "brown", "gray", "pink", "silver", "gold", "tan", "beige", "blond", "cream",
                "maroon")
COLOUR_WORDS = {word: word for word in _ALL_COLOURS} | {"grey": "gray", "golden": "gold", "blonde": "blond",
                                                        "cream colour": "cream", "cream colored": "cream"}
# Names of shades that are colours as well, and words that are numbers.
SHADES_OF = {
    "crimson": "red", "scarlet": "red", "ruby": "red", "navy": "blue", "azure": "blue", "sapphire": "blue",
    "emerald": "green", "olive": "green", "violet": "purple", "lavender": "purple", "ivory": "white",
    "snow": "white", "lemon": "yellow", "ebony": "black", "chocolate": "brown", "charcoal": "gray",
    "reddish": "red", "bluish": "blue", "greenish": "green", "yellowish": "yellow", "whitish": "white",
}
GROUPS = {"pair": 2, "couple": 2, "duo": 2, "trio": 3, "quartet": 4, "dozen": 12, "single": 1}
NEAR_COLOURS = _sets("""
    gray, silver
    gray, white, cream, beige
    brown, tan, beige, gold
    brown, orange
    red, maroon, pink
    yellow, gold, blond
    black, gray, brown
    white, silver
    purple, maroon, pink
""")
MATERIALS = ("wood", "metal", "glass", "plastic", "stone", "brick", "leather", "paper")
MATERIAL_WORDS = {word: word for word in MATERIALS} | {
    "wooden": "wood", "woods": "wood", "steel": "metal", "chrome": "metal", "made of bricks": "brick",
    "metallic": "metal", "concrete": "stone",
}
NEAR_MATERIALS = _sets("""
    stone, brick
""")

PLACES = (*SETTINGS, "office", "bathroom", "bedroom", "living room", "restaurant", "church", "classroom")
PLACE_WORDS = {word: word for word in PLACES} | {"road": "street", "sand": "beach", "hill": "mountain"}
# What tells a place by several of its things where none is named. No word of the embedded world is here.
PLACE_SIGNS = {place: _names(signs) for place, signs in _titled("""
    street: sidewalk, road, street, crosswalk, traffic light, parking meter, lamp post, truck, van
    office: desk, keyboard, monitor, computer, printer, cpu, cubicles, filing cabinet, computer monitor
    bathroom: toilet, sink, shower, bathtub, towel, toilet paper
    bedroom: bed, pillow, blanket, nightstand, headboard
    living room: couch, sofa, carpet, curtains, television, lamp, rug, pillow, coffee table
    kitchen: stove, oven, refrigerator, microwave, sink, counter, pan, kettle
    restaurant: menu, waiter, plate, wine glass, napkin
    beach: sand, ocean, sea, surfboard, waves, wave
    park: grass, bench, playground, lawn
    farm: barn, hay, tractor, sheep
    mountain: hill, peak, cliff, ski, skis
    lake: water, dock, pier
    desert: sand, cactus, dune
""")}
# Places that a picture may show at once, or be taken for one another.
NEAR_PLACES = _sets("""
    kitchen, restaurant
    office, classroom
    living room, bedroom
    church, classroom
""")
INDOORS = ("office", "bathroom", "bedroom", "living room", "restaurant", "kitchen", "classroom")
SKY_WORDS = {word: word for word in SKIES} | {"clear": "sunny", "blue": "sunny", "overcast": "cloudy"}
# Words for the weather that may be said together: what is not here rules the other out.
NEAR_SKIES = _sets("""
    clear, blue, sunny
    clear, night
    night, cloudy, overcast
    night, rainy
    night, snowy
    cloudy, overcast, rainy
    cloudy, overcast, snowy
""")
# What is as good to have in a weather as the one thing that the embedded world knows.
NEAR_NEEDS = _sets("""
    sweater, raincoat
    sweater, gloves
    sweater, torch
    sunglasses, gloves
    raincoat, gloves
    torch, gloves
    torch, raincoat
""")
NEAR_PLANS = _sets("""
    build sandcastles, go fishing
    have a picnic, go fishing, build sandcastles, climb rocks, milk cows
    ride camels, climb rocks, build sandcastles
    have a picnic, go shopping, eat a meal
    cook dinner, eat a meal
    go fishing, climb rocks
    rest on a sofa, go to sleep
    rest on a sofa, work at a desk, eat a meal, cook dinner
""")

PLANS = OUTINGS | {
    "office": "work at a desk", "bathroom": "take a shower", "bedroom": "go to sleep",
    "living room": "rest on a sofa",
    "restaurant": "eat a meal",
}
CALLS = SOUNDS | {"sheep": "baa", "duck": "quack", "pig": "oink", "puppy": "bark", "kitten": "meow"}
USES = {
    "clock": "find out the time", "bench": "sit down for a rest", "couch": "rest in comfort", "bed": "sleep",
    "computer": "write a letter", "telephone": "call a friend", "printer": "print a page",
    "piano": "play music",
    "oven": "bake bread", "knife": "cut some bread", "book": "read a story", "sink": "wash the hands",
    "refrigerator": "keep food cold", "heater": "warm the room", "parking meter": "pay for parking",
    "backpack": "carry things on the back", "camera": "take a photo", "pen": "write a note",
    "crosswalk": "cross the road", "tennis racket": "play tennis",
}

# Acts: the spelling of the annotations -> the form used after "is". Verbs ending in -ing stand for
# themselves.
ACT_WORDS = {
    "wears": "wearing", "wear": "wearing", "holds": "holding", "hold": "holding", "carries": "carrying",
    "rides": "riding", "sits on": "sitting on", "eats": "eating", "pushes": "pushing", "kicks": "kicking",
    "walks": "walking", "pulls": "pulling", "throws": "throwing", "swings": "swinging", "plays": "playing",
    "looks at": "looking at", "watches": "watching", "stands on": "standing on",
}
MORE_ACTS = ("wearing", "carrying", "eating", "pulling", "throwing", "washing", "painting", "looking at")
NEAR_ACTS = _sets("""
    riding, sitting on, driving
    holding, carrying, using, touching, eating, throwing, swinging
    looking at, watching, using, working on, reading
    walking, leading, pulling
    wearing, carrying
    sitting on, standing on, sitting at, lying on
    touching, washing, pushing
""")
