import json
from dataclasses import replace

from dataengine_utils import images, prompts, samples, tables, teachers
from dataengine_utils.artifacts import JUDGE_LEDGER_FILE, LEDGER_FILE, create_run
from dataengine_utils.contamination import Guard, guard_of_run
from dataengine_utils.generation import generate, requests_of
from dataengine_utils.question_types import QUESTION_TYPES
from dataengine_utils.records import LETTERS, BadCase, Draft, Generated, Query, from_json, to_json
from dataengine_utils.verification import BLIND

SOURCE = images.load("picturebook")
TYPES = tuple(QUESTION_TYPES.values())
BAD = BadCase("question-7", "Instance Identity", "1", "Which?", (), "cat", "dog")
QUERIES = [Query(f"q{n}", TYPES[n % 9], image, (BAD,)) for n, image in enumerate(SOURCE.ids()[:40])]


def made(**options):
    return generate(QUERIES, SOURCE, teachers.load("rules"), prompts.base_template(),
                    write=lambda record: None, **options)


def open_question(n, answer="cat", question="Which animal likes to sleep here?"):
    options = ("cat", "dog", "cow", "bird")
    draft = Draft(question, f"The {answer}.", answer, options, "ABCD"[options.index(answer)])
    undecided = {"by": "", "options": dict.fromkeys("ABCD", "undecided")}
    return Generated(f"q{n}", TYPES[1], QUERIES[n].image_id, "t", "x", "", True, "", draft, undecided)


class Judge:
    def __init__(self, verdicts):
        self.verdicts, self.prompts = verdicts, []

    def ask_all(self, prompts):
        self.prompts += prompts
        return [json.dumps({**self.verdicts, "why": "so it is"}) for _ in prompts]


def test_a_second_teacher_decides_what_is_left_open_and_nothing_else():
    drawn = [record for record in made() if record.accepted][:3]
    asked = [open_question(38), open_question(39)]
    judge = Judge({"A": "contradicted", "B": "holds", "C": "contradicted", "D": "contradicted"})
    judged = samples.second_opinions([*drawn, *asked], SOURCE, judge)
    assert judged[:3] == drawn and len(judge.prompts) == 2
    assert [record.reason for record in judged[3:]] == ["answer is not true"] * 2
    assert judged[3].verdicts["second_teacher"]["options"]["B"] == "holds"
    agreeing = Judge({"A": "holds", "B": "contradicted", "C": "contradicted", "D": "contradicted"})
    kept = samples.second_opinions(asked, SOURCE, agreeing)
    assert [record.accepted for record in kept] == [True, True]
    samples.second_opinions(kept, SOURCE, agreeing)
    assert len(agreeing.prompts) == 2, "asked about what it has judged before"


def test_a_wording_with_one_answer_needs_no_picture():
    same = [open_question(n) for n in range(12)]
    other = [open_question(n + 12, answer=name, question="Which animal is on the left?")
             for n, name in enumerate(["cat", "dog", "cow", "bird"] * 3)]
    judged = samples.reject_blind([*same, *other])
    assert {record.reason for record in judged[:12]} == {BLIND}
    assert all(record.accepted for record in judged[12:])


def by_option(one, options=None):
    """The verdicts by the options' texts, of the checks and of the second teacher."""
    options = options or one.draft.options
    said = (one.verdicts, one.verdicts.get("second_teacher", {}))
    return [{options[LETTERS.index(letter)]: verdict for letter, verdict in found.get("options", {}).items()}
            for found in said]


def test_samples_know_where_they_come_from():
    records = [replace(record, request="key", usd=0.25, shown={"shown": {"objects": 3}}) for record in made()]
    kept = samples.make_samples(records, SOURCE, 0, QUERIES)
    assert kept and all(one.bad_cases == ("question-7",) for one in kept)
    assert {(one.request, one.usd) for one in kept} == {("key", 0.25)}
    by_query = {record.query_id: record for record in records}
    assert all(by_option(one, one.options) == by_option(by_query[one.query_id]) for one in kept)
    assert any(one.verdicts != by_query[one.query_id].verdicts for one in kept), "options change places"
    assert not [one for one in kept if one.verdicts["options"][one.choice_answer] == "contradicted"]
    assert [from_json(type(one), to_json(one)) for one in kept] == kept


def test_what_a_benchmark_asks_is_rejected_with_its_reason(tmp_path):
    run = create_run(tmp_path / "run", "picturebook")
    assert not [record for record in made(guard=guard_of_run(run, SOURCE)) if "benchmark" in record.reason]

    class Everything(Guard):
        def hit(self, image_id, image, root, question, options=()):
            return "image of a benchmark" if image_id == QUERIES[3].image_id else ""

    records = made(guard=Everything([]))
    assert records[3].reason == "image of a benchmark" and not records[3].accepted
    assert all("benchmark" not in record.reason for record in records if record.query_id != "q3")


def test_what_an_earlier_round_has_is_a_duplicate():
    earlier = samples.make_samples(made(), SOURCE, 0)
    again = made(earlier=earlier)
    assert {record.reason for record in again if record.query_id in {one.query_id for one in earlier}} == {
        "duplicate"}


def test_teachers_of_a_run_share_its_ledger_and_stay_under_its_budgets(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    seen = []

    class Recorded:
        name = "recorded"

        def __init__(self, ledger="", budget_usd=None, model=""):
            seen.append((ledger, budget_usd, model))

    monkeypatch.setitem(teachers.TEACHERS, "recorded", "test_samples:Recorded")
    monkeypatch.setitem(globals(), "Recorded", Recorded)
    run = create_run(tmp_path / "run", "picturebook", overrides={
        "teacher": "recorded", "teacher_options": {"model": "big"}, "budget_usd": 5, "judge": "recorded",
        "judge_options": {"model": "small"}, "judge_budget_usd": 1})
    teachers.of_run(run, run.profile)
    teachers.judge_of_run(run, run.profile)
    ledgers = [str(run.path / name) for name in (LEDGER_FILE, JUDGE_LEDGER_FILE)]
    assert seen == [(ledgers[0], 5.0, "big"), (ledgers[1], 1.0, "small")]
    rules = create_run(tmp_path / "rules", "picturebook")
    assert teachers.of_run(rules, rules.profile).name == "rules"
    assert teachers.judge_of_run(rules, rules.profile) is None
    requests = requests_of(QUERIES, SOURCE, prompts.base_template())
    assert teachers.estimate(teachers.load("rules"), requests) == 0


def test_tables_of_verdicts_and_of_spend(tmp_path):
    run = create_run(tmp_path / "run", "picturebook")
    shown = tables.verdict_table([*made(), open_question(0)]).data
    assert shown["no option"].sum() == 1 and shown["all options"].sum() > 20
    assert "sends no requests" in tables.spend_table(run, made()).to_html()
