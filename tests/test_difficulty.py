"""The filter by difficulty: what is kept, the teacher asked in blocks, the same again after a break."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import images, models, prompts, teachers
from dataengine_utils.artifacts import LEDGER_FILE, create_run
from dataengine_utils.difficulty import (
    Band,
    NoSieve,
    Sieve,
    divided,
    fill,
    queries_to_draw,
    sieve_of_run,
    sifted,
)
from dataengine_utils.errors import KitError
from dataengine_utils.execution import execute
from dataengine_utils.generation import generate
from dataengine_utils.loop import NOTEBOOKS
from dataengine_utils.models import Choice
from dataengine_utils.profiles import load_profile, override
from dataengine_utils.prompts import RULES, make_template
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import LETTERS, Generated, Query, TypeWeakness
from dataengine_utils.report import build_report
from dataengine_utils.samples import make_samples, reject_blind
from dataengine_utils.verification import EASY, HARD, REASONS
from tests import toy_run

SOURCE = images.load("picturebook")
BASE = prompts.base_template()
GOOD = make_template(BASE.role, list(RULES.values()), BASE.definitions)
TYPES = tuple(QUESTION_TYPES.values())
RULE_TEACHER = teachers.load("rules")
IMAGES = iter(SOURCE.ids()[5_000:])
ON = override(load_profile("picturebook"), difficulty_asks=4)


def servable(n, types=TYPES):
    """Queries of these types in turn, each about an image that can serve its type."""
    queries = []
    for number in range(n):
        name = types[number % len(types)]
        image = next(one for one in IMAGES if RULE_TEACHER.can_write(SOURCE.record(one), name))
        queries.append(Query(f"q{number}", name, image, ()))
    return queries


QUERIES = servable(90)
RECORDS = generate(QUERIES[:36], SOURCE, RULE_TEACHER, GOOD, write=lambda record: None)


class Student:
    """Gives the right option a score so much higher than each other one's; notes what it was asked."""

    name = "stub"

    def __init__(self, ahead=0.0):
        self.ahead, self.asked = ahead, []

    def choose(self, questions, open_image, *, batch_size, by="text"):
        self.asked += questions
        return [self.choice(question) for question in questions]

    def choice(self, question):
        ahead = self.ahead(question) if callable(self.ahead) else self.ahead
        scores = tuple(ahead * (letter == question.choice) for letter in LETTERS[: len(question.options)])
        return Choice("A", scores)

    def answer(self, questions, open_image, *, batch_size, max_new_tokens=64, seed=None):
        self.asked += questions
        rngs = [random.Random(f"{seed}{question.id}") for question in questions]
        return [rng.choice(question.options) for rng, question in zip(rngs, questions, strict=True)]


def sieve(student, **settings):
    return Sieve(lambda: student, SOURCE, override(ON, **settings))


def told(records):
    return [record.verdicts["difficulty"] for record in records if "difficulty" in record.verdicts]


# What is kept


@pytest.mark.parametrize(("right", "reason"), [(0, HARD), (1, ""), (2, ""), (3, ""), (4, EASY)])
def test_the_band_has_both_its_ends(right, reason):
    record = Band(4, 0.25, 0.75).judge(RECORDS[0], right)
    assert (record.accepted, record.reason) == (not reason, reason) and reason in ("", *REASONS)
    assert record.verdicts["difficulty"] == {"asked": 4, "right": right, "share": right / 4}
    assert {**record.verdicts, **RECORDS[0].verdicts} == record.verdicts, "the checks' verdicts stay"


def test_only_accepted_samples_are_asked_and_all_records_come_back():
    rejected = replace(RECORDS[1], accepted=False, reason="duplicate")
    student = Student()
    judged = sieve(student)([RECORDS[0], rejected, RECORDS[2]])
    assert [record.query_id for record in judged] == [record.query_id for record in RECORDS[:3]]
    assert judged[1] is rejected
    assert {question.id.rpartition("-")[0] for question in student.asked} == {"q0", "q2"}
    assert Sieve(None, SOURCE, ON)([rejected]) == [rejected], "with nothing to ask no student is loaded"


def test_replies_are_drawn_from_the_softmax_of_the_scores():
    """Three nats ahead of three others is right with 20.09 of 23.09; at none it is chance."""
    for ahead, rate in ((0.0, 0.25), (3.0, 0.870)):
        judged = sieve(Student(ahead), difficulty_asks=400)(RECORDS)
        n = 400 * len(told(judged))
        share = sum(one["right"] for one in told(judged)) / n
        assert n >= 400 * 30 and abs(share - rate) < 4 * (rate * (1 - rate) / n) ** 0.5


def test_letters_are_asked_in_another_order_each_time_and_texts_once():
    asked = {}
    for mode in ("letter", "text"):
        student = Student()
        sieve(student, answer_mode=mode)(RECORDS[:6])
        asked[mode] = student.asked
    assert len(asked["letter"]) == 4 * len(asked["text"]) == 24
    orders = Counter(question.id.split("-")[0] for question in set_of_orders(asked["letter"]))
    assert sum(orders.values()) >= 20, "nearly all orders differ"
    for question in asked["letter"]:
        assert question.options[LETTERS.index(question.choice)] == question.answer


def set_of_orders(questions):
    return {(question.id.split("-")[0], question.options): question for question in questions}.values()


def test_a_student_that_prefers_a_letter_knows_nothing():
    class LikesA(Student):
        def choice(self, question):
            return Choice("A", (30.0, 0.0, 0.0, 0.0))

    judged = sieve(LikesA(), answer_mode="letter", difficulty_asks=100)(RECORDS)
    shares = [one["share"] for one in told(judged)]
    assert abs(sum(shares) / len(shares) - 0.25) < 0.03


def test_free_replies_are_read_and_need_a_seed():
    student = Student()
    judged = sieve(student, answer_mode="generate", difficulty_asks=100)(RECORDS[:9])
    assert abs(sum(one["share"] for one in told(judged)) / 9 - 0.25) < 0.06
    assert len({question.id for question in student.asked}) == 900

    class Greedy(Student):
        def answer(self, questions, open_image, *, batch_size, max_new_tokens=64):
            return [""] * len(questions)

    with pytest.raises(KitError, match=r"'stub' cannot draw replies.*takes no seed.*answer_mode=letter"):
        sieve(Greedy(), answer_mode="generate")(RECORDS[:1])
    assert told(sieve(Greedy())(RECORDS[:1])), "one that ranks needs none"


@pytest.mark.parametrize("mode", ["text", "letter", "generate"])
def test_neither_order_nor_company_changes_a_verdict(mode):
    together = sieve(Student(1.5), answer_mode=mode)(RECORDS)
    apart = sieve(Student(1.5), answer_mode=mode)
    assert [apart([record])[0] for record in RECORDS[::-1]][::-1] == together
    other = sieve(Student(1.5), answer_mode=mode, seed=1)(RECORDS)
    assert other != together


# In blocks until it is full


class Teacher:
    """The rule teacher; notes whom it was asked for, and in how many turns. Fails on the queries named."""

    name = "rules"

    def __init__(self, failing=()):
        self.turns, self.failing = [], failing

    def can_write(self, record, question_type):
        return True

    def replies(self, requests):
        self.turns.append([request.query.id for request in requests])
        for reply in RULE_TEACHER.replies(requests):
            if reply.query_id in self.failing:
                yield teachers.Reply(reply.query_id, "", "APITimeoutError")
            else:
                yield reply

    @property
    def asked(self):
        return [name for turn in self.turns for name in turn]


def run(teacher=None, student=None, wanted=None, *, queries=QUERIES, write=None, done=(), **settings):
    by_type = dict.fromkeys(TYPES, 3) if wanted is None else wanted
    return fill(
        queries,
        SOURCE,
        teacher or Teacher(),
        GOOD,
        sieve=sieve(student or Student(1.1), **settings),
        wanted=by_type,
        write=write or (lambda record: None),
        done=done,
    )


def kept(records):
    return Counter(record.question_type for record in records if record.accepted)


def test_each_type_gets_its_planned_number_and_no_reply_more_is_asked_for():
    teacher, written = Teacher(), []
    records = run(teacher, write=written.append)
    assert kept(records) == dict.fromkeys(TYPES, 3)
    assert len(teacher.asked) == len(set(teacher.asked)) == len(written) == len(records) < len(QUERIES)
    assert len(teacher.turns) > 1 and len(teacher.turns[0]) == 27
    order = [query.id for query in QUERIES]
    assert [record.query_id for record in records] == sorted(teacher.asked, key=order.index)
    for name in TYPES:
        of_type = [record for record in records if record.question_type == name]
        first = [query.id for query in QUERIES if query.question_type == name][: len(of_type)]
        assert [record.query_id for record in of_type] == first, "in the queries' order, none left out"
        assert of_type[-1].accepted, "nothing was asked after the type was full"
    assert {record.reason for record in records} <= {"", EASY, HARD, *REASONS}


def test_a_type_whose_queries_are_used_up_stays_short_and_one_with_no_share_is_not_asked():
    records = run(
        student=Student(lambda question: 99 if question.question_type == TYPES[0] else 1.1),
        wanted={TYPES[0]: 4, TYPES[1]: 2},
    )
    assert kept(records) == {TYPES[1]: 2}
    assert Counter(record.reason for record in records if record.question_type == TYPES[0])[EASY] == 10
    assert {record.question_type for record in records} == {TYPES[0], TYPES[1]}
    assert run(wanted={}) == []


def test_a_query_without_a_reply_is_asked_once():
    teacher = Teacher(failing={"q0", "q10"})
    records = run(teacher)
    assert len(teacher.asked) == len(set(teacher.asked))
    assert records[0].reason == "no reply" and kept(records) == dict.fromkeys(TYPES, 3)


class Cut(Exception):
    pass


@given(st.integers(0, 60))
def test_a_break_at_any_reply_changes_nothing_and_pays_nothing_twice(n):
    whole, written = WHOLE, []

    def write(record):
        if len(written) == n:
            raise Cut
        written.append(record)

    first, second = Teacher(), Teacher()
    if n < len(whole):
        with pytest.raises(Cut):
            run(first, write=write)
    rest = []
    assert run(second, write=rest.append, done=written) == whole
    assert not {record.query_id for record in written} & set(second.asked)
    assert len(written) + len(rest) == len(whole)


WHOLE = run()


def test_a_sample_that_repeats_one_of_an_earlier_block_is_a_duplicate():
    """Whatever the filter made of the first: the same again is no second sample."""

    class Repeats(Teacher):
        def replies(self, requests):
            self.turns.append([request.query.id for request in requests])
            (first,) = RULE_TEACHER.replies([replace_query(requests[0])])
            yield from (teachers.Reply(request.query.id, first.text) for request in requests)

    def replace_query(request):
        return replace(request, query=QUERIES[1])

    queries = [Query(f"d{n}", TYPES[1], QUERIES[1].image_id, ()) for n in range(4)]
    teacher = Repeats()
    records = run(teacher, Student(99), {TYPES[1]: 1}, queries=queries)
    assert [len(turn) for turn in teacher.turns] == [1, 1, 1, 1]
    assert [record.reason for record in records] == [EASY, "duplicate", "duplicate", "duplicate"]


def test_without_the_filter_it_is_generate():
    teacher, written = Teacher(), []
    plain = generate(QUERIES, SOURCE, RULE_TEACHER, BASE, write=lambda record: None)
    none = NoSieve()
    wanted = none.wanted([], QUERIES)
    filled = fill(QUERIES, SOURCE, teacher, BASE, sieve=none, wanted=wanted, write=written.append)
    assert filled == written == plain and teacher.turns == [[query.id for query in QUERIES]]


@pytest.mark.parametrize(("answer", "is_asked"), [("contradicted", False), ("holds", True)])
def test_a_second_teacher_comes_before_the_student(answer, is_asked):
    class Vague(Teacher):
        def replies(self, requests):
            yield from (teachers.Reply(request.query.id, VAGUE) for request in requests)

    class Judge:
        def ask_all(self, asked):
            assert len(asked) == 1 and not student.asked
            return [json.dumps({**dict.fromkeys("BCD", "contradicted"), "A": answer, "why": "seen"})]

    student = Student()
    queries = [query for query in QUERIES if query.question_type == TYPES[1]][:1]
    (record,) = fill(
        queries,
        SOURCE,
        Vague(),
        GOOD,
        sieve=sieve(student),
        wanted={TYPES[1]: 1},
        judge=Judge(),
        write=lambda record: None,
    )
    assert "second_teacher" in record.verdicts
    assert bool(student.asked) == is_asked == ("difficulty" in record.verdicts)


VAGUE = json.dumps({
    "question": "What mood is the lamp in?", "answer": "It is calm.", "short_answer": "calm",
    "options": ["calm", "angry", "merry", "bored"], "choice": "A",
})  # fmt: skip


# How many


@given(st.integers(0, 10_000), st.dictionaries(st.text(max_size=3), st.floats(0.001, 10), min_size=1))
def test_a_number_is_divided_whole_and_fairly(n, weights):
    parts = divided(n, weights)
    total = sum(weights.values())
    assert sum(parts.values()) == n and list(parts) == list(weights)
    assert all(abs(parts[name] - n * weight / total) < 1 for name, weight in weights.items())


@given(st.integers(1, 5000), st.floats(1, 20))
def test_the_queries_are_for_the_budget(budget, over):
    profile = override(ON, budget=budget, over_generate=over)
    n = queries_to_draw(profile)
    assert budget * over - 1e-6 <= n < budget * over + 1
    table = [
        TypeWeakness(name, 9, 1, 8, 0, 0.1, 0, 1, weight, 8) for name, weight in (("a", 0.7), ("b", 0.3))
    ]
    assert sum(Sieve(None, SOURCE, profile).wanted(table, [None] * n).values()) == budget
    assert queries_to_draw(override(profile, difficulty_asks=0)) == budget


@pytest.mark.parametrize(("settings", "message"), [
    ({"difficulty_asks": -1}, "difficulty_asks: expected at least 0"),
    ({"difficulty_asks": 1.5}, "difficulty_asks: expected int"),
    ({"over_generate": 0.9}, "over_generate: expected at least 1"),
    ({"difficulty_low": -0.1}, "difficulty_low: expected at least 0 and at most 1"),
    ({"difficulty_high": 1.1}, "difficulty_high: expected at least 0 and at most 1"),
    ({"difficulty_low": 0.8}, "difficulty_low: expected at most difficulty_high, 0.75, got 0.8"),
    ({"difficulty_asks": 1}, "with 1 tries no share right lies from difficulty_low 0.25 to difficulty_high"),
    ({"difficulty_asks": 3, "difficulty_low": 0.4, "difficulty_high": 0.6}, "with 3 tries no share"),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(KitError, match=message.replace(".", r"\.")):
        load_profile("picturebook", settings)


def test_a_band_may_be_one_share_or_everything():
    load_profile("picturebook", {"difficulty_asks": 1, "difficulty_low": 0, "difficulty_high": 0.5})
    load_profile("picturebook", {"difficulty_asks": 2, "difficulty_low": 0.5, "difficulty_high": 0.5})


# What it did


def test_the_effect_is_counted_from_the_records():
    found = {one.question_type: one for one in sifted(WHOLE)}
    for name, one in found.items():
        given = [
            record for record in WHOLE if record.question_type == name and "difficulty" in record.verdicts
        ]
        assert one.asked == len(given) == one.kept + one.easy + one.hard and one.tries == 4 * len(given)
        assert one.share == sum(record.verdicts["difficulty"]["right"] for record in given) / one.tries
        assert {record.reason for record in one.lost} <= {EASY, HARD} and len(one.lost) == one.easy + one.hard
    assert sifted(RECORDS) == []


def test_samples_carry_the_verdict():
    samples = make_samples(reject_blind(WHOLE), SOURCE, 0)
    assert samples and all(0.25 <= sample.verdicts["difficulty"]["share"] <= 0.75 for sample in samples)


def test_a_run_without_the_filter_asks_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "load", lambda *args, **options: pytest.fail("no student is needed"))
    run = create_run(tmp_path / "run", "picturebook")
    off = sieve_of_run(run, run.profile, 3, SOURCE)
    assert isinstance(off, NoSieve) and "not asked" in str(off)
    assert isinstance(sieve_of_run(run, ON, 0, SOURCE), Sieve)
    with pytest.raises(KitError, match="06_train"):
        sieve_of_run(run, ON, 1, SOURCE)


@pytest.fixture(scope="module")
def filtered(tmp_path_factory):
    """Notebooks 03 and 05 with the filter on and the real small student, behind a made-up evaluation."""
    settings = {**toy_run.SIZES, "budget": 60, "difficulty_asks": 4, "over_generate": 2}
    run = create_run(tmp_path_factory.mktemp("filter") / "run", "picturebook", overrides=settings)
    iteration = run.iteration(0)
    benchmark = toy_run.benchmarks.load("picturebook", **run.profile.benchmark_options)
    toy_run.evaluate(iteration, benchmark, 0.0)
    toy_run.analyse(iteration, benchmark, SOURCE)
    iteration.save("template", GOOD)
    for name in ("03_sampling", "05_generate"):
        execute(
            NOTEBOOKS / f"{name}.ipynb",
            run.path / f"{name}.ipynb",
            {"RUN_DIR": str(run.path), "ITERATION": 0, "PROFILE": "picturebook"},
        )
    return run


def test_the_notebooks_draw_more_and_keep_the_plan(filtered):
    iteration = filtered.iteration(0)
    queries, generated, samples = (iteration.load(name) for name in ("queries", "generated", "samples"))
    assert len(queries) == 120
    weights = {row.question_type: row.weight for row in iteration.load("weakness")}
    made = Counter(sample.question_type for sample in samples)
    assert all(made[name] <= n for name, n in divided(60, weights).items())
    full = [name for name, n in divided(60, weights).items() if made[name] == n]
    drawn, asked = (Counter(one.question_type for one in many) for many in (queries, generated))
    assert full and any(asked[name] < drawn[name] for name in full)
    assert all(asked[name] == drawn[name] for name in weights if name not in full), "asked to the last query"
    assert {EASY, HARD} <= {record.reason for record in generated}
    assert all(0.25 <= sample.verdicts["difficulty"]["share"] <= 0.75 for sample in samples)


def test_the_page_and_the_report_say_what_was_left_out(filtered):
    page = (filtered.path / "05_generate.ipynb").read_text(encoding="utf-8")
    n = sum(one.asked for one in sifted(filtered.iteration(0).load("generated")))
    assert f"{n:,} samples asked 4 times" in page and "USD left out" in page
    assert '"stderr"' not in page
    report = build_report(filtered).read_text(encoding="utf-8")
    assert f"asked each of {n:,} samples 4 times" in report and "Difficulty by question type" in report
    assert "12.5 % are left out by chance" in report


def test_the_real_student_gives_the_same_verdicts_again(filtered):
    generated = filtered.iteration(0).load("generated")
    before = [
        replace(record, accepted=True, reason="", verdicts={})
        for record in generated
        if "difficulty" in record.verdicts
    ]
    again = sieve_of_run(filtered, filtered.profile, 0, SOURCE)(before[::2])
    assert (
        told(again)
        == [record.verdicts["difficulty"] for record in generated if "difficulty" in record.verdicts][::2]
    )


def test_what_was_filtered_away_and_paid_stands_in_the_spend(tmp_path):
    run = toy_run.make_run(tmp_path / "paid", is_paid=True, gains=(0.0, 0.3))
    filtered = create_run(
        tmp_path / "on", "picturebook", overrides={**toy_run.SIZES, **toy_run.PAID, "difficulty_asks": 4}
    )
    (filtered.path / LEDGER_FILE).write_bytes((run.path / LEDGER_FILE).read_bytes())
    band, records = Band(4, 0.25, 0.75), run.iteration(0).load("generated")
    judged = [band.judge(record, n % 5) if record.accepted else record for n, record in enumerate(records)]
    filtered.iteration(0).save("generated", judged)
    lost = sum(record.reason in (EASY, HARD) for record in judged)
    text = build_report(filtered).read_text(encoding="utf-8")
    assert "USD of too easy or too hard ones" in text and f">{lost * toy_run.PRICE_USD:,.2f}<" in text
    assert "USD of too easy" not in build_report(run).read_text(encoding="utf-8")


def test_a_record_without_a_draft_is_not_asked_about():
    odd = Generated("q", TYPES[0], QUERIES[0].image_id, "t", "x", "", True, "", None)
    assert sieve(Student())([odd]) == [odd]
