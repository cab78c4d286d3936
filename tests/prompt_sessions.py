"""What the tests of prompt sessions share: queries, sessions, and the world's truth about a sample."""

from dataengine_utils import images, teachers
from dataengine_utils.ipo import Session
from dataengine_utils.picturebook.truth import FORMS, check_question
from dataengine_utils.picturebook.world import sample_scene
from dataengine_utils.prompts import base_template
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import LETTERS, Generated, Query, Question

TYPES = tuple(QUESTION_TYPES.values())
SOURCE, RULES_TEACHER = images.load("picturebook"), teachers.load("rules")
BASE = base_template()


def served(n, start=0):
    """`n` queries, the types in turn, each on the next picture that can serve it."""
    queries, ids = [], iter(SOURCE.ids()[start:])
    while len(queries) < n:
        image_id, question_type = next(ids), TYPES[len(queries) % 9]
        if RULES_TEACHER.can_write(SOURCE.record(image_id), question_type):
            queries.append(Query(f"{start}-{len(queries)}", question_type, image_id, ()))
    return queries


def open_at(folder, probe, teacher=RULES_TEACHER, **options):
    """The session in a folder's journal, its acts all at noon."""
    return Session(folder / "session.jsonl", BASE, probe, SOURCE, teacher, now=lambda: "noon", **options)


def is_true(made: Generated) -> bool:
    """Whether a sample is right in the world it is about: exactly one option holds, and it is the marked one.

    The scene decides, not the annotations, and none of the kit's checks.
    """
    draft = made.draft
    if (
        draft is None
        or draft.facts.get("form") not in FORMS
        or draft.choice not in LETTERS[: len(draft.options)]
    ):
        return False
    answer = draft.options[LETTERS.index(draft.choice)]
    question = Question(
        made.query_id,
        made.image_id,
        "",
        draft.instruction,
        draft.options,
        answer,
        draft.choice,
        made.question_type,
        facts=draft.facts,
    )
    return not check_question(sample_scene(int(made.image_id)), question)
