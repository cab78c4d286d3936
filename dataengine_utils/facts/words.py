"""How names behave: plurals, articles, and which names may be said of one thing."""

from functools import lru_cache

from .vocabulary import KINDS_OF, OVERLAPS

_PLURALS = {"man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet",
            "tooth": "teeth", "goose": "geese", "mouse": "mice", "ox": "oxen", "shelf": "shelves",
            "knife": "knives", "wife": "wives", "leaf": "leaves", "loaf": "loaves", "calf": "calves",
            "half": "halves", "wolf": "wolves", "scarf": "scarves", "hoof": "hooves", "potato": "potatoes",
            "tomato": "tomatoes", "sheep": "sheep", "deer": "deer", "fish": "fish", "moose": "moose",
            "aircraft": "aircraft"}
_SINGULARS = {plural: singular for singular, plural in _PLURALS.items()}
_ENDS_IN_S = frozenset(("bus", "glass", "grass", "dress", "gas", "cactus", "canvas", "tennis", "mattress",
                        "cross", "lens", "iris", "thermos", "dais", "atlas"))
_PAIRS = frozenset(("pants", "shorts", "glasses", "jeans", "scissors", "trousers", "stairs", "clothes",
                    "sunglasses"))
_LIKE_YOU = ("uni", "use", "usb", "ut", "urin", "uk", "eu", "one")  # begin with a consonant's sound
_LIKE_AN = ("hour", "honest", "heir", "suv", "lcd", "x-ray", "mp3", "hd")  # begin with a vowel's sound


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as one writes a long list of them."""
    return frozenset(text.split())


_MASS = word_set("""
    hair water grass sand snow paper bread dirt food clothing luggage furniture jewelry equipment silverware
    foliage shrubbery gravel mud dust smoke ice rice pasta butter cheese milk coffee tea beer wine meat bacon
    lettuce broccoli corn soup sauce sugar salt cement concrete asphalt pavement traffic trash garbage
    graffiti
""")


@lru_cache(maxsize=4096)
def plural(name: str) -> str:
    """The plural of a name; only its last word changes."""
    *before, last = name.split()
    if is_plural(name) or last in _MASS:
        return name
    if last in _PLURALS:
        end = _PLURALS[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        end = f"{last}es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        end = f"{last[:-1]}ies"
    else:
        end = f"{last}s"
    return " ".join((*before, end))


@lru_cache(maxsize=4096)
def is_plural(name: str) -> bool:
    """Whether a name is in the plural: "shoes", "men", but not "bus"."""
    last = name.split()[-1] if name.split() else ""
    if last in _SINGULARS:
        return _SINGULARS[last] != last
    return last.endswith("s") and not last.endswith(("ss", "us")) and last not in _ENDS_IN_S


@lru_cache(maxsize=4096)
def head(name: str) -> str:
    """The last word of a name in the singular: what kind of thing it is."""
    last = name.split()[-1] if name.split() else ""
    if last in _SINGULARS:
        return _SINGULARS[last]
    if not is_plural(name) or last in _PAIRS:
        return last
    if last.endswith("ies") and len(last) > 4:
        return f"{last[:-3]}y"
    return last[:-2] if last.endswith(("ches", "shes", "xes", "sses", "uses")) else last[:-1]


@lru_cache(maxsize=4096)
def singular(name: str) -> str:
    """The name in the singular; only its last word changes."""
    return " ".join((*name.split()[:-1], head(name)))


@lru_cache(maxsize=4096)
def kin(name: str) -> frozenset[str]:
    """The heads of all names that may be said of the same thing as `name`, its own among them."""
    own = head(name)
    return frozenset((own,)).union(*(group for group in OVERLAPS if own in group))


@lru_cache(maxsize=65536)
def may_be_same(one: str, other: str) -> bool:
    """Whether two names could be said of one thing: "bike" and "bikes", "man" and "guy"; not "cat", "dog"."""
    if head(one) != head(other):
        return head(other) in kin(one)
    before, before_other = one.split()[:-1], other.split()[:-1]
    return not before or not before_other or before == before_other


@lru_cache(maxsize=65536)
def is_kind_of(name: str, kind: str) -> bool:
    """Whether whatever has a name is surely of a kind: "horse" of "animal", "men" of "person"."""
    return " " not in kind and head(name) in KINDS_OF.get(head(kind), ())


@lru_cache(maxsize=4096)
def with_article(name: str) -> str:
    """The name after "a" or "an"; plurals and stuff go without."""
    if is_plural(name) or head(name) in _MASS:
        return name
    first = name.lower()
    vowel = first.startswith(_LIKE_AN) or (first[:1] in "aeiou" and not first.startswith(_LIKE_YOU))
    return f"an {name}" if vowel else f"a {name}"
