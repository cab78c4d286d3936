"""SEED-Bench's nine question types of single images, the vocabulary in which the paper diagnoses and
generates.

A benchmark may have other types: everywhere else in the kit a question type is an opaque string.
"""

QUESTION_TYPES = {
    1: "Scene Understanding",
    2: "Instance Identity",
    3: "Instance Attributes",
    4: "Instance Location",
    5: "Instances Counting",
    6: "Spatial Relation",
    7: "Instance Interaction",
    8: "Visual Reasoning",
    9: "Text Understanding",
}

DEFINITIONS = {
    "Scene Understanding": "The question is about the whole picture: what place it shows, or its weather.",
    "Instance Identity": "The question is about what a thing is, or whether a kind of thing is there.",
    "Instance Attributes": "The question is about how one thing looks: its colour, material or shape.",
    "Instance Location": "The question is about which part of the picture one thing is in.",
    "Instances Counting": "The question is about how many things of one kind there are.",
    "Spatial Relation": "The question is about where one thing lies, seen from another thing of the picture.",
    "Instance Interaction": "The question is about what a person or an animal does with another thing.",
    "Visual Reasoning": "The question asks for what follows from the picture together with common sense.",
    "Text Understanding": "The question is about words that are written somewhere in the picture.",
}


def type_id(name: str) -> int:
    """The number (1..9) of a question type, as the published data format writes it; 0 for any other type."""
    return next((number for number, known in QUESTION_TYPES.items() if known == name), 0)
