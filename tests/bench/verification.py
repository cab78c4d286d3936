"""`python -m tests.bench.verification`: how many planted errors the checks catch, and how many good samples
they cost.

Good samples are the rule teacher's on picturebook that the world's exact truth confirms. Each is checked as
it is ("facts": the teacher states what it asks), without its facts ("words") and put in other words
("reworded"), as a language model writes. Real Visual Genome has no planted errors: there people's own
questions and answers show how often the checks are wrong.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataengine_utils import images, prompts, teachers
from dataengine_utils.benchmarks.visual_genome import VisualGenomeQA
from dataengine_utils.facts import View, free
from dataengine_utils.facts.words import head
from dataengine_utils.images import ImageSource
from dataengine_utils.picturebook import truth, world
from dataengine_utils.picturebook.annotations import image_record
from dataengine_utils.question_types import DEFINITIONS, QUESTION_TYPES
from dataengine_utils.records import Draft, Query, Question
from dataengine_utils.stats import wilson
from dataengine_utils.verification import check
from dataengine_utils.verification.form import tokens
from tests.bench.planting import UNCHECKABLE_IN_WORDS, VALUES, WORDS, Good, Planted
from tests.bench.rewording import reworded, without_facts

WAYS: dict[str, Callable[[Draft, random.Random], Draft]] = {
    "facts": lambda draft, rng: draft,
    "words": lambda draft, rng: without_facts(draft),
    "reworded": reworded,
}
# The reasons that answer for a kind of error, for its precision: good samples lost to them are false alarms.
_REASONS = {
    "box leak": ("mentions the annotations",),
    "answer in the question": ("answer in the question",),
    "wrong type": ("another question type",),
    "repeated options": ("options repeat",),
    "another letter": ("choice is not the short answer", "answer names another option"),
}
GOOD = "good samples"
_VALUES = ("answer is not true", "wrong option may be true", "more than one meaning")


@dataclass(frozen=True)
class Row:
    """One kind of error in one way of writing: how many were planted and caught, and good samples lost to its
    reasons.
    """

    kind: str
    way: str
    planted: int
    caught: int
    good: int
    lost: int
    checkable: bool

    @property
    def recall(self) -> float:
        """The share (0..1) of planted errors that were rejected."""
        return self.caught / max(1, self.planted)

    @property
    def precision(self) -> float:
        """The share (0..1) of errors among planted and good samples rejected for this kind's reasons."""
        return self.caught / max(1, self.caught + self.lost)


@dataclass(frozen=True)
class Real:
    """People's questions about real pictures: read as a form, and what the annotations say of their answers.

    `rejected` counts those that fail with three wrong options: answers to questions of the same form about
    other pictures that share no word with the right one.
    """

    questions: int
    read: int
    holds: int
    contradicted: int
    made: int
    rejected: int


def good_samples(n: int) -> Iterator[Good]:
    """`n` samples of the rule teacher, the nine types in turn, that the exact truth confirms."""
    teacher, source, found = teachers.load("rules"), images.load("picturebook"), 0
    types = tuple(QUESTION_TYPES.values())
    template = prompts.make_template(prompts.ROLE, list(prompts.RULES.values()), DEFINITIONS)
    for number, image_id in enumerate(source.ids()):
        query = Query(f"v{number}", types[found % 9], image_id, ())
        reply = next(iter(teacher.replies([teachers.Request(query, source.record(image_id), template)])))
        draft, scene = prompts.parse(reply.text), world.sample_scene(int(image_id))
        if isinstance(draft, Draft) and _is_true(scene, draft):
            yield Good(draft, query.question_type, draft.facts, scene)
            found += 1
        if found == n:
            return


def rows(n: int = 1800, seed: int = 0) -> list[Row]:
    """The table: `n` good samples, and every kind of error planted in all of them that can have it."""
    rng, good = random.Random(f"planted-{seed}"), list(good_samples(n))
    return [row for way in WAYS for row in _rows_of(way, good, rng)]


def _rows_of(way: str, good: Sequence[Good], rng: random.Random) -> Iterator[Row]:
    written = [(sample, sample._replace(draft=WAYS[way](sample.draft, rng))) for sample in good]
    lost = Counter(_reason(Planted(sample.draft, sample.question_type), sample) for _, sample in written)
    for kind in (*VALUES, *WORDS):
        made = [(plant_error(kind, way, before, after, rng), before) for before, after in written]
        planted = [(error, sample) for error, sample in made if error]
        caught = sum(bool(_reason(error, sample)) for error, sample in planted)
        alarms = sum(lost[reason] for reason in _REASONS.get(kind, _VALUES))
        checkable = way == "facts" or kind not in UNCHECKABLE_IN_WORDS
        yield Row(kind, way, len(planted), caught, len(good), alarms, checkable)
    all_lost = len(good) - lost[""]
    yield Row(GOOD, way, len(good), all_lost, len(good), all_lost, False)


def plant_error(kind: str, way: str, before: Good, after: Good, rng: random.Random) -> Planted | None:
    """An error in the values of a sample, then put in the words of the way; or one in those words."""
    if kind in WORDS:
        return WORDS[kind](after, rng)
    made = VALUES[kind](before, rng)
    return Planted(WAYS[way](made.draft, rng), made.question_type) if made else None


def _reason(planted: Planted, sample: Good) -> str:
    return check(planted.draft, image_record(sample.scene.seed), planted.question_type).reason


def real_questions(folder: Path, index: Path, seed: int = 0) -> Real:
    """Visual Genome's own questions and answers in `folder`, held against its annotations.

    What is contradicted here is an error of the checks, of the annotations or of the person who answered.
    """
    source = images.load("visual_genome", path=str(folder), index=str(index))
    questions = [q for q in VisualGenomeQA(path=str(folder), splits="halves").read()]
    read = [(q, reading) for q in questions if (reading := free.read(q.question))]
    verdicts = Counter(free.judge_options(View(source.record(q.image_id)), reading, [q.answer])[0]
                       for q, reading in read)
    made, rejected = _with_options(source, read, random.Random(f"real-{seed}"))
    return Real(len(questions), len(read), verdicts["holds"], verdicts["contradicted"], made, rejected)


def _with_options(source: ImageSource, read: Sequence[tuple[Question, free.Reading]],
                  rng: random.Random) -> tuple[int, int]:
    """How many questions get three wrong options from other pictures' answers, and how many are rejected."""
    made = rejected = 0
    for question, reading in read:
        pool = {q.answer for q, r in read if r.form == reading.form and q.image_id != question.image_id}
        options = _unlike(question.answer, sorted(pool), rng)
        if len(options) == 4:
            draft = Draft(question.question, question.answer, question.answer, options, "A")
            reason = check(draft, source.record(question.image_id), "").reason
            made += 1
            rejected += reason in _VALUES
    return made, rejected


def _unlike(answer: str, pool: list[str], rng: random.Random) -> tuple[str, ...]:
    """The answer and up to three of the pool, no two of which share a word, plurals and small words aside."""
    options, said = [answer], _words(answer)
    rng.shuffle(pool)
    for option in pool:
        if len(options) < 4 and not said & _words(option):
            options.append(option)
            said |= _words(option)
    return tuple(options)


def _words(text: str) -> set[str]:
    return {head(word) for word in tokens(text)} - {"in", "on", "of", "it", "is", "there", "are"}


def _is_true(scene: world.Scene, draft: Draft) -> bool:
    if draft.facts["form"] not in truth.FORMS:
        return False
    return [o for o in draft.options if truth.holds(scene, draft.facts, o)] == [draft.short_answer]


def table(found: Sequence[Row]) -> str:
    """The rows as lines of text, with Wilson's lower bound of the recall at 95 %."""
    heads = f"{'planted error':<26}{'written as':<12}{'planted':>8}{'caught':>8}{'recall':>9}{'at least':>10}"
    lines = [f"{heads}{'good lost':>11}{'precision':>11}"]
    for row in found:
        if row.kind == GOOD:
            lines.append(f"{row.kind:<26}{row.way:<12}{row.planted:>8}{row.lost:>37}  lost in all "
                         f"({row.lost / row.planted:.2%})")
            continue
        note = "" if row.checkable else "  (not decided by incomplete annotations)"
        lines.append(f"{row.kind:<26}{row.way:<12}{row.planted:>8}{row.caught:>8}{row.recall:>9.2%}"
                     f"{wilson(row.caught, row.planted)[0]:>10.2%}{row.lost:>11}{row.precision:>11.2%}{note}")
    return "\n".join(lines)


def main() -> None:
    """Print the table; with --visual-genome also the false alarms on real questions."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.verification", description=__doc__)
    parser.add_argument("--samples", type=int, default=1800, help="good samples of picturebook")
    parser.add_argument("--visual-genome", type=Path, help="a folder with annotations and QA")
    parser.add_argument("--index", type=Path, help="where its index is or goes (a file that can be written)")
    options = parser.parse_args()
    print(table(rows(options.samples)))
    if options.visual_genome:
        index = options.index or options.visual_genome / "visual_genome.index.sqlite"
        print(real_questions(options.visual_genome, index))


if __name__ == "__main__":
    main()
