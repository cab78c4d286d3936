"""`python -m tests.bench.heldout`: the checks on words of somebody who did not know the reader.

Good samples are picturebook's own questions, which the world's exact truth confirms, half of them the rule
teacher's (which keeps to what is clear) and half the world's writer's; each is put in a wording of
`heldout_wordings` with its options in one of several dresses, as a draft that states no facts. A sample keeps
its words when an error is planted, so that errors can be told apart by whether the good sample was read: the
marked option was decided, not left "undecided". Errors are planted only in good samples that are accepted,
so that a false alarm does not count as a catch.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dataengine_utils.facts import free
from dataengine_utils.picturebook import questions, truth, world
from dataengine_utils.picturebook.annotations import image_record
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import LETTERS, Draft, ImageRecord
from dataengine_utils.stats import wilson
from dataengine_utils.verification import check
from tests import heldout_wordings, heldout_wordings_2
from tests.bench import planting
from tests.bench.planting import Good, Planted
from tests.bench.verification import good_samples

WORDINGS = {1: heldout_wordings, 2: heldout_wordings_2}
heldout = WORDINGS[1]  # the set in use, see `use`
GOOD = "good samples"
# The reader's names of forms where they are not the world's.
READ_AS = {"count_people": "count", "kind_of_colour": "colour_of"}


class Words(NamedTuple):
    """The words that a sample keeps, whatever is planted in it."""

    question: str
    sentence: str
    dress: str


class Case(NamedTuple):
    """A good sample in held-out words: as the world has it, its words, the draft, and what the check said."""

    good: Good
    words: Words
    draft: Draft
    source: str
    reason: str
    read_as: str
    decided: bool


class Miss(NamedTuple):
    """A good sample that was rejected, or an error that was let pass although its question was read."""

    kind: str
    form: str
    read_as: str
    draft: Draft
    question_type: str
    reason: str
    seed: int


@dataclass(frozen=True)
class Row:
    """How many of a kind (or of the good samples of a form) there are, how many were rejected, and the same
    among those whose question was read and decided; of how many the question had any reading, or one as
    another form than its own.
    """

    kind: str
    n: int
    rejected: int
    read: int
    rejected_read: int
    any_reading: int
    other_form: int


Plant = Callable[[Case, random.Random], Planted | None]


def rows(n: int = 1800, seed: int = 0) -> list[Row]:
    """The table: the good samples in all and by form, and every kind of planted error."""
    return _tables(n, seed)[0]


def _tables(n: int, seed: int) -> tuple[list[Row], list[Case], list[Miss]]:
    rng = random.Random(f"heldout-{seed}")
    found = list(cases(n, rng))
    made = [_row(GOOD, [(case, case.reason) for case in found])]
    made += [_row(f"  {form}", [(case, case.reason) for case in found if case.good.facts["form"] == form])
             for form in truth.FORMS]
    misses = [_miss(GOOD, case, case.draft, case.good.question_type, case.reason)
              for case in found if case.reason]
    for kind, plant in PLANTS.items():
        errors = [(case, error) for case in found if not case.reason and (error := plant(case, rng))]
        told = [(case, error, _checked(error.draft, case, error.question_type)) for case, error in errors]
        made.append(_row(kind, [(case, reason) for case, _, reason in told]))
        misses += [_miss(kind, case, error.draft, error.question_type, "")
                   for case, error, reason in told if case.decided and not reason]
    return made, found, misses


def _row(kind: str, told: Sequence[tuple[Case, str]]) -> Row:
    decided = [reason for case, reason in told if case.decided]
    rejected, rejected_read = sum(bool(reason) for _, reason in told), sum(map(bool, decided))
    return Row(kind, len(told), rejected, len(decided), rejected_read,
               sum(bool(case.read_as) for case, _ in told), sum(_is_misread(case) for case, _ in told))


def _is_misread(case: Case) -> bool:
    form = case.good.facts["form"]
    return case.read_as not in ("", READ_AS.get(form, form))


def _miss(kind: str, case: Case, draft: Draft, question_type: str, reason: str) -> Miss:
    good = case.good
    return Miss(kind, good.facts["form"], case.read_as, draft, question_type, reason, good.scene.seed)


def cases(n: int, rng: random.Random) -> Iterator[Case]:
    """`n` good samples in held-out words, by the rule teacher and by the world's writer in turn."""
    sources = {"rules": good_samples((n + 1) // 2), "world": _of_the_world(n // 2, rng)}
    for source, samples in sources.items():
        for good in samples:
            words = _words_for(good, rng)
            draft = written(good.draft, good.facts, words)
            reason, read_as, decided = _check_draft(draft, image_record(good.scene.seed), good.question_type)
            yield Case(good, words, draft, source, reason, read_as, decided)


def _of_the_world(n: int, rng: random.Random) -> Iterator[Good]:
    """`n` sound questions of the world's own writer, type by type and within a type form by form."""
    types, made, seed = tuple(QUESTION_TYPES.values()), 0, 700_000
    while made < n:
        scene, seed, wanted = world.sample_scene(seed), seed + 1, types[made % 9]
        asked = questions.write_question(scene, wanted, rng)
        if asked and not truth.check_question(scene, asked):
            draft = Draft(asked.question, asked.answer, asked.answer, asked.options, asked.choice)
            yield Good(draft, wanted, asked.facts, scene)
            made += 1


def _words_for(good: Good, rng: random.Random) -> Words:
    form = good.facts["form"]
    pool, family = list(heldout.WORDINGS[form]), ""
    for name, kinds in (("animal", world.ANIMALS), ("vehicle", world.VEHICLES)):
        if form == "present" and set(good.draft.options) <= set(kinds):
            family = name
            pool = [w for w in heldout.OF_A_FAMILY if name == "animal" or "animal" not in w]
    if form == "colour" and good.facts["kind"] in world.PEOPLE:
        pool += heldout.OF_PEOPLE * 2
    question = heldout.filled(rng.choice(pool), good.facts, family)
    dress = rng.choice(("{}", "", *heldout.DRESSES[form]))
    return Words(question, rng.choice(heldout.SENTENCES[form]), dress)


def written(draft: Draft, facts: dict[str, str], words: Words) -> Draft:
    """A draft of bare values in the words given, without its facts."""
    options = tuple(heldout.dressed(words.dress, o) if words.dress else o for o in draft.options)
    answer = heldout.sentence(words.sentence, facts, draft.short_answer)
    return Draft(words.question, answer, options[LETTERS.index(draft.choice)], options, draft.choice)


def _checked(draft: Draft, case: Case, question_type: str) -> str:
    return check(draft, image_record(case.good.scene.seed), question_type).reason


def _check_draft(draft: Draft, record: ImageRecord, question_type: str) -> tuple[str, str, bool]:
    """The check's reason, the form that the question is read as, and whether the marked option is decided."""
    found, reading = check(draft, record, question_type), free.read(draft.instruction)
    marked = found.verdicts.get("options", {}).get(draft.choice, "undecided")
    return found.reason, reading.form if reading else "", marked != "undecided"


def _in_values(plant: planting.Plant) -> Plant:
    def made(case: Case, rng: random.Random) -> Planted | None:
        error = plant(case.good, rng)
        return error and Planted(written(error.draft, case.good.facts, case.words), error.question_type)

    return made


def _giveaway(case: Case, rng: random.Random) -> Planted:
    """The answer said before the question, behind it, or in its midst."""
    draft, value, question = case.draft, case.good.draft.short_answer, case.draft.instruction
    said = f"{draft.answer[:-1]}"
    ways = [f"{draft.answer} {question}", f"{question} (Hint: {value})",
            f"In this picture, {said[0].lower()}{said[1:]}. {question}"]
    if case.good.facts["form"] in ("colour", "position") and (kind := case.good.facts["kind"]):
        ways.append(question.replace(kind, f"{value} {kind}", 1))
    if case.good.facts["form"].startswith("count"):
        ways.append(f"There {'is' if value == 'one' else 'are'} {value} of them. {question}")
    return Planted(replace(draft, instruction=rng.choice(ways)), case.good.question_type)


LEAKS_ASKED = (
    "Based on the provided object list, {q}", "Given the box (12, 30, 55, 71), {q}",
    "From the object annotations, {q}", "According to the scene graph, {q}",
    "Considering the given bounding boxes, {q}", "As per the provided labels, {q}",
)
LEAKS_ANSWERED = (
    "{a}, as its box spans from x=12 to x=55.", "{a}, since the region description mentions it.",
    "{a}, according to the captions provided.", "{a}, which has the coordinates [12, 30, 55, 71].",
    "{a}, because the relation list contains this.", "{a}, as stated in the given information.",
    "{a} (object ID 1203).", "{a}, as the attributes given for it show.",
)


def _leak(case: Case, rng: random.Random) -> Planted:
    draft, way = case.draft, rng.choice((*LEAKS_ASKED, *LEAKS_ANSWERED))
    if way in LEAKS_ASKED:
        asked = way.format(q=draft.instruction[0].lower() + draft.instruction[1:])
        return Planted(replace(draft, instruction=asked), case.good.question_type)
    return Planted(replace(draft, answer=way.format(a=draft.answer.rstrip("."))), case.good.question_type)


def _repeat(case: Case, rng: random.Random) -> Planted:
    """One value twice, the second time in another dress."""
    draft, bare, form = case.draft, case.good.draft.options, case.good.facts["form"]
    right = LETTERS.index(draft.choice)
    target = rng.choice([n for n in range(4) if n != right])
    source = rng.choice([n for n in range(4) if n != target])
    ways = {heldout.dressed(dress, bare[source]) for dress in heldout.DRESSES[form]}
    ways |= {bare[source].upper(), bare[source].replace(" ", "-"), bare[source].replace("top", "upper"),
             bare[source].replace("bottom", "lower"), f'"{bare[source]}"', bare[source].capitalize() + "."}
    ways -= {draft.options[source]}
    options = [*draft.options]
    options[target] = rng.choice(sorted(ways))
    return Planted(replace(draft, options=tuple(options)), case.good.question_type)


def _wrong_type(case: Case, rng: random.Random) -> Planted | None:
    made = planting.plant_type(case.good, rng)
    return made and Planted(case.draft, made.question_type)


def _other_letter(case: Case, rng: random.Random) -> Planted:
    return planting.plant_letter(case.good._replace(draft=case.draft), rng)


PLANTS: dict[str, Plant] = {
    "wrong count": _in_values(planting.plant_values("count", "count_people")),
    "flipped relation": _in_values(planting.plant_flip),
    "wrong attribute": _in_values(planting.plant_values("colour", "colour_at")),
    "wrong location": _in_values(planting.plant_values("position")),
    "wrong place or weather": _in_values(planting.plant_values("place", "sky")),
    "wrong sign text": _in_values(planting.plant_values("word")),
    "two right options": _in_values(planting.plant_second),
    "wrong thing (undecidable)": _in_values(planting.VALUES["wrong thing"]),
    "answer in the question": _giveaway,
    "box leak": _leak,
    "repeated options": _repeat,
    "wrong type": _wrong_type,
    "another letter": _other_letter,
}


# Forms that the world has no truth for: a material given to a thing, and what common sense knows of its use.
MATERIALS = {"wood": "wooden", "metal": "metal", "plastic": "plastic", "glass": "glass", "leather": "leather",
             "stone": "stone"}
MADE = {"chair": ("wood", "metal", "plastic"), "boat": ("wood", "metal", "plastic"), "cup": ("glass", "metal",
        "plastic"), "ball": ("leather", "plastic"), "sign": ("wood", "metal"), "bicycle": ("metal",)}
USES = {"umbrella": "keeping dry", "chair": "sitting down", "cup": "drinking", "bus": "carrying passengers",
        "kite": "flying in the wind", "ball": "playing games", "bicycle": "cycling", "boat": "sailing"}


def extra_rows(n: int = 150, seed: int = 0) -> list[Row]:
    """Good samples and wrong answers of the forms "material" and "use"."""
    rng, found = random.Random(f"heldout-extra-{seed}"), []
    for number in range(100_000):
        if len(found) == 2 * n:
            break
        scene, form = world.sample_scene(800_000 + number), ("material", "use")[len(found) % 2]
        table = MADE if form == "material" else USES
        kinds = [t.kind for t in scene.things if t.kind in table and len(truth.matching(scene, t.kind)) == 1]
        if kinds:
            found.append(_extra(scene, form, rng.choice(kinds), rng))
    made = []
    for form in ("material", "use"):
        told = [(_check_draft(good, record, kind), _check_draft(bad, record, kind)[0])
                for name, good, bad, record, kind in found if name == form]
        for name, reasons in ((f"{GOOD}: {form}", [g[0] for g, _ in told]),
                              (f"wrong {form}", [b for _, b in told])):
            decided = [reason for (good, _), reason in zip(told, reasons, strict=True) if good[2]]
            made.append(Row(name, len(told), sum(map(bool, reasons)), len(decided), sum(map(bool, decided)),
                            sum(bool(g[1]) for g, _ in told), sum(g[1] not in ("", form) for g, _ in told)))
    return made


def _extra(scene: world.Scene, form: str, kind: str, rng: random.Random
           ) -> tuple[str, Draft, Draft, ImageRecord, str]:
    record, facts = image_record(scene.seed), {"form": form, "kind": kind}
    if form == "material":
        right = rng.choice(MADE[kind])
        record = replace(record, objects=tuple(
            replace(o, attributes=(*o.attributes, MATERIALS[right])) if o.name == kind else o
            for o in record.objects))
        others, wanted = [m for m in MATERIALS if m != right], "Instance Attributes"
    else:
        right, wanted = USES[kind], "Visual Reasoning"
        others = [use for use in USES.values() if use != right]
    options = [right, *rng.sample(others, 3)]
    rng.shuffle(options)
    words = Words(heldout.filled(rng.choice(heldout.WORDINGS[form]), facts), heldout.SENTENCES[form][0],
                  rng.choice(("{}", "", *heldout.DRESSES[form])))
    good = Draft("", "", right, tuple(options), LETTERS[options.index(right)])
    wrong = rng.choice([o for o in options if o != right])
    bad = replace(good, short_answer=wrong, choice=LETTERS[options.index(wrong)])
    return form, written(good, facts, words), written(bad, facts, words), record, wanted


def table(found: Sequence[Row]) -> str:
    """The rows as lines of text, with Wilson's interval of the share rejected at 95 %."""
    lines = [f"{'':<28}{'n':>6}{'reading':>9}{'decided':>9}{'misread':>9}{'rejected':>10}{'95 %':>18}"
             f"{'of the decided':>16}"]
    for row in found:
        low, high = wilson(row.rejected, row.n)[:2] if row.n else (0.0, 1.0)
        n = max(1, row.n)
        of_read = f"{row.rejected_read / row.read:.1%}" if row.read else "-"
        lines.append(f"{row.kind:<28}{row.n:>6}{row.any_reading / n:>9.1%}{row.read / n:>9.1%}"
                     f"{row.other_form / n:>9.1%}{row.rejected / n:>10.1%}{f'{low:.1%} - {high:.1%}':>18}"
                     f"{of_read:>16}")
    return "\n".join(lines)


def use(number: int) -> None:
    """Take that set of wordings from here on."""
    global heldout
    heldout = WORDINGS[number]


def main() -> None:
    """Print the table; with --misses also what was misread, and the wordings that were not read."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.heldout", description=__doc__)
    parser.add_argument("--samples", type=int, default=1800, help="good samples of picturebook")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wordings", type=int, choices=WORDINGS, default=1, help="which held-out set")
    parser.add_argument("--misses", action="store_true", help="list the misses too")
    options = parser.parse_args()
    use(options.wordings)
    made, found, misses = _tables(options.samples, options.seed)
    print(table([*made, *extra_rows(seed=options.seed)]))
    if options.misses:
        for miss in misses:
            print(f"{miss.kind} | {miss.form} read as {miss.read_as or '-'} | {miss.seed} | "
                  f"{miss.question_type} | {miss.reason or 'let pass'} | {miss.draft.instruction} | "
                  f"{miss.draft.options} {miss.draft.choice} | {miss.draft.answer}")
        unread = Counter((case.good.facts["form"], case.read_as, case.words.question) for case in found
                         if not case.decided)
        for (form, read_as, question), times in sorted(unread.items()):
            print(f"unread | {form} | read as {read_as or '-'} | {times} x | {question}")


if __name__ == "__main__":
    main()
