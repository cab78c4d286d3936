import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine_utils import images, prompts, teachers
from dataengine_utils.artifacts import Iteration
from dataengine_utils.errors import KitError
from dataengine_utils.generation import MAX_FAILED, generate, resume
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import LETTERS, Draft, Generated, Query
from dataengine_utils.samples import make_samples
from dataengine_utils.verification import REASONS

SOURCE = images.load("picturebook")
BASE = prompts.base_template()
TYPES = tuple(QUESTION_TYPES.values())
QUERIES = [Query(f"q{n}", TYPES[n % 9], image_id, ()) for n, image_id in enumerate(SOURCE.ids()[:60])]
GOOD = {
    "question": "Which animal is asleep?",
    "answer": "The cat is asleep.",
    "short_answer": "cat",
    "options": ["cat", "dog", "cow", "bird"],
    "choice": "A",
}


class Scripted:
    """A teacher that says what it is told to, last request first."""

    name = "scripted"

    def __init__(self, say):
        self.say, self.asked = say, []

    def can_write(self, record, question_type):
        return True

    def replies(self, requests):
        for request in reversed(requests):
            self.asked.append(request.query.id)
            yield teachers.Reply(request.query.id, self.say(request))


def run(queries=QUERIES, teacher=None, done=()):
    written = []
    records = generate(
        queries, SOURCE, teacher or teachers.load("rules"), BASE, write=written.append, done=done
    )
    return records, written


def test_every_query_ends_as_accepted_or_with_one_reason():
    records, written = run()
    assert [r.query_id for r in records] == [q.id for q in QUERIES] and records == written
    for r in records:
        assert r.accepted == (r.reason == "") and r.reason in ("", *REASONS) and r.reply
        assert (r.template_id, r.teacher) == (BASE.id, "rules")


def test_an_interrupted_run_goes_on_to_the_same_end():
    whole, _ = run()
    _, first = run(QUERIES[:23])
    resumed, rest = run(done=first)
    assert resumed == whole and first + rest == whole


def test_the_order_of_replies_does_not_matter():
    teacher = Scripted(lambda request: json.dumps(GOOD))
    records, written = run(QUERIES[:5], teacher)
    assert [r.query_id for r in written] == [q.id for q in QUERIES[:5]][::-1]
    assert [r.query_id for r in records] == [q.id for q in QUERIES[:5]]


def test_the_same_sample_twice_is_a_duplicate_also_after_a_break():
    image = QUERIES[0].image_id
    queries = [Query(f"d{n}", "Instance Identity", image, ()) for n in range(3)]
    turned = {
        **GOOD,
        "question": "which animal is ASLEEP?",
        "options": ["dog", "bird", "cat", "cow"],
        "choice": "C",
    }
    teacher = Scripted(lambda request: json.dumps(turned if request.query.id == "d2" else GOOD))
    records, _ = run(queries, teacher)
    assert Counter(r.reason for r in records) == {"": 1, "duplicate": 2}
    _, first = run(queries[:1], teacher)
    resumed, _ = run(queries, teacher, done=first)
    assert [r.reason for r in resumed] == ["", "duplicate", "duplicate"]
    elsewhere, _ = run([queries[0], Query("e", "Instance Identity", QUERIES[1].image_id, ())], teacher)
    assert [r.reason for r in elsewhere] == ["", ""]


def test_a_failed_request_is_kept_with_its_error():
    class Failing(Scripted):
        def replies(self, requests):
            yield from (teachers.Reply(r.query.id, "", "APITimeoutError, 5 times") for r in requests)

    records, _ = run(QUERIES[:1], Failing(None))
    assert (records[0].reason, records[0].reply, records[0].draft) == (
        "no reply",
        "APITimeoutError, 5 times",
        None,
    )


class Down(Scripted):
    """Fails at the requests of the numbers given, in the order of the requests."""

    def replies(self, requests):
        for number, request in enumerate(requests):
            self.asked.append(request.query.id)
            failed = number in self.say
            yield teachers.Reply(
                request.query.id, "" if failed else json.dumps(GOOD), "APITimeoutError" if failed else ""
            )


def test_an_outage_stops_the_run_and_rejects_nothing():
    written, teacher = [], Down(range(3, 60))
    with pytest.raises(KitError, match=f"{MAX_FAILED} times in a row.*APITimeoutError.*resume"):
        generate(QUERIES, SOURCE, teacher, BASE, write=written.append)
    assert [r.query_id for r in written] == [q.id for q in QUERIES[:3]]
    assert len(teacher.asked) == 3 + MAX_FAILED


def test_fewer_failures_than_an_outage_are_outcomes_in_their_order():
    failed = {*range(MAX_FAILED - 1), *range(MAX_FAILED, 2 * MAX_FAILED - 1), 59}
    records, written = run(teacher=Down(failed))
    assert records == written
    assert {n for n, r in enumerate(records) if r.reason == "no reply"} == failed


def test_only_records_that_still_hold_are_done():
    older = prompts.candidate_templates(BASE)[0]
    done, _ = run(QUERIES[:4], Down({1}))
    stale = generate(QUERIES[2:3], SOURCE, Down(()), older, write=lambda record: None)
    teacher = Down(())
    records, written = run(QUERIES[1:4], teacher, done=[*done[:2], *stale, done[3]])
    assert teacher.asked == [r.query_id for r in written] == [q.id for q in QUERIES[1:3]]
    assert [(r.query_id, r.template_id) for r in records] == [(q.id, BASE.id) for q in QUERIES[1:4]]


def test_stale_lines_leave_the_part(tmp_path):
    iteration = Iteration(0, tmp_path)
    done, _ = run(QUERIES[:4], Down({1}))
    assert resume(iteration, QUERIES, BASE) == [] and not iteration.part_of("generated").exists()
    with pytest.raises(RuntimeError), iteration.append("generated") as write:
        for record in done:
            write(record)
        raise RuntimeError("cut off")
    kept = resume(iteration, QUERIES[1:4], BASE)
    assert kept == iteration.load_part("generated") == done[2:]
    with iteration.append("generated") as write:
        records = generate(QUERIES[1:4], SOURCE, Down(()), BASE, write=write, done=kept)
    assert sorted(iteration.load("generated"), key=lambda r: r.query_id) == records


def test_a_reply_that_nobody_asked_for_is_refused():
    class Confused(Scripted):
        def replies(self, requests):
            yield teachers.Reply("other", "")

    with pytest.raises(KitError, match="'scripted' answered 'other'"):
        run(QUERIES[:1], Confused(None))


def test_a_teacher_that_stops_early_is_named_and_what_it_wrote_is_kept():
    class Lazy(Scripted):
        def replies(self, requests):
            yield teachers.Reply(requests[0].query.id, json.dumps(GOOD))

    written = []
    with pytest.raises(KitError, match="left 2 queries"):
        generate(QUERIES[:3], SOURCE, Lazy(None), BASE, write=written.append)
    assert [r.query_id for r in written] == [QUERIES[0].id]


def test_samples_have_the_published_form():
    records, _ = run()
    samples = make_samples(records, SOURCE, seed=0)
    accepted = {r.query_id: r for r in records if r.accepted}
    assert [s.query_id for s in samples] == list(accepted) and len({s.id for s in samples}) == len(samples)
    for s in samples:
        draft = accepted[s.query_id].draft
        assert (
            sorted(s.options) == sorted(draft.options)
            and s.options[LETTERS.index(s.choice_answer)] == s.short_answer
        )
        assert QUESTION_TYPES[s.qtype] == s.question_type and s.image == f"picturebook:{s.image_id}"
        assert (s.instruction, s.answer, s.template_id) == (draft.instruction, draft.answer, BASE.id)
    assert samples == make_samples(records, SOURCE, seed=0) != make_samples(records, SOURCE, seed=1)


@given(st.integers(0, 40), st.integers(0, 99))
def test_letters_are_balanced_whatever_the_teacher_prefers(n, seed):
    draft = Draft("Which?", "It is a.", "a", ("a", "b", "c", "d"), "A")
    image = QUERIES[0].image_id
    records = [
        Generated(f"q{i}", "Instance Identity", image, "t", "x", "", True, "", draft) for i in range(n)
    ]
    letters = Counter({letter: 0 for letter in "ABCD"})
    letters.update(s.choice_answer for s in make_samples(records, SOURCE, seed))
    assert max(letters.values()) - min(letters.values()) <= 1


def test_a_bar_is_one_line_that_changes_in_place(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("dataengine_utils.live.in_notebook", lambda: True)
    generate(QUERIES, SOURCE, teachers.load("rules"), BASE, write=lambda record: None, show=True)
    assert "60/60" in shown[-1] and "accepted=" in shown[-1]
    assert not any("\r" in line or "\n" in line or "\x1b" in line for line in shown)
