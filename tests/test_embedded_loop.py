"""The real notebooks on the real small student: one small loop run once, and looked at many times."""

import json
from pathlib import Path

import pytest
import yaml

from dataengine_utils import images, models
from dataengine_utils.artifacts import open_run
from dataengine_utils.benchmarks.scoring import score
from dataengine_utils.evaluation import evaluate
from dataengine_utils.execution import execute
from dataengine_utils.loop import NOTEBOOKS, main, run_loop
from dataengine_utils.picturebook.questions import benchmark_questions
from dataengine_utils.stages import STAGES

SMALL = {
    "benchmark_options": {"diagnose": 180, "sealed": 270}, "budget": 200, "probe_queries": 18, "epochs": 1.0,
    "replay_samples": 400, "gate": "off",  # what was trained is looked at, better or not
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_loop(tmp_path_factory.mktemp("loop") / "run", "picturebook", overrides=SMALL, iterations=1)


def test_every_page_ran_and_says_nothing_on_stderr(run):
    pages = sorted(run.path.glob("iter_*/notebooks/*.ipynb"))
    assert len(pages) == len(STAGES) + 1
    for page in pages:
        for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                assert output.get("name") != "stderr", (page.name, output)
                assert output["output_type"] != "error", page.name
                shown = output.get("data", {})
                is_figure = "".join(shown.get("text/plain", "")).startswith("<Figure")
                assert "image/png" in shown or not is_figure, f"{page.name} shows a figure as text"


def test_what_is_made_fits_together(run):
    first = run.iteration(0)
    queries, generated, samples = (first.load(name) for name in ("queries", "generated", "samples"))
    assert len(queries) == len(generated) == SMALL["budget"]
    assert len({query.image_id for query in queries}) == len(queries)
    accepted = {reply.query_id for reply in generated if reply.accepted}
    assert {sample.query_id for sample in samples} == accepted
    assert all(reply.accepted or reply.reason for reply in generated)
    letters = [sum(sample.choice_answer == letter for sample in samples) for letter in "ABCD"]
    assert max(letters) - min(letters) <= 1
    served = {sample.question_type for sample in samples}
    assert {"Spatial Relation", "Visual Reasoning", "Text Understanding"} <= served, "the weak types"


def test_the_policy_has_improved_the_prompt_and_says_so(run):
    first = run.iteration(0)
    decision, templates, session = (first.load(name) for name in ("decision", "templates", "session"))
    assert decision.chosen_by == "policy rules" and first.load("template").id == decision.template_id
    assert decision.acceptance[decision.template_id] > decision.acceptance[templates[0].id]
    assert session[0].kind == "begin" and [act.text for act in session if act.kind == "test"] == [
        "no optimisation", "this session"]
    assert {trial.template_id for trial in first.load("trials")} == {template.id for template in templates}


def test_weak_types_are_asked_for_more(run):
    table = {row.question_type: row for row in run.iteration(0).load("weakness")}
    assert table["Text Understanding"].weight > 3 * table["Scene Understanding"].weight
    drawn = [query.question_type for query in run.iteration(0).load("queries")]
    assert drawn.count("Text Understanding") > drawn.count("Scene Understanding")


def test_the_adapter_reloads_to_the_same_answers(run):
    """The closing evaluation was made in another process; asked again here, the replies are the same."""
    closing = run.iteration(1).load("predictions_sealed")
    student = models.load("picturebook", adapter=run.iteration(0).path_of("adapter"), quantise="nf4")
    again = evaluate(student, benchmark_questions("sealed", SMALL["benchmark_options"]["sealed"]),
                     images.open_image, mode="text", batch_size=64)
    assert [p.reply for p in again] == [p.reply for p in closing]


def test_the_same_seed_gives_the_same_files(run, tmp_path):
    """A second run of the first stages and of training writes the same bytes."""
    again = run_loop(tmp_path / "again", "picturebook", overrides=SMALL, iterations=1)
    for name in ("metrics", "weakness", "queries", "template", "generated", "samples", "train_log", "gate"):
        one, other = run.iteration(0).path_of(name), again.iteration(0).path_of(name)
        assert one.read_bytes() == other.read_bytes(), name
    assert (again.iteration(1).path_of("metrics").read_bytes()
            == run.iteration(1).path_of("metrics").read_bytes())


def test_a_page_alone_says_what_to_run_first(tmp_path):
    parameters = {"RUN_DIR": str(tmp_path / "new"), "ITERATION": 0, "PROFILE": "picturebook"}
    with pytest.raises(ValueError, match="run notebook 02_weakness first"):
        execute(NOTEBOOKS / "03_sampling.ipynb", tmp_path / "03.ipynb", parameters)
    assert (tmp_path / "03.ipynb").exists()


def test_status_of_a_finished_run(run, capsys):
    assert main(["status", str(run.path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count(" done") == len(STAGES) + 1 and "after 1" in shown


def test_the_base_is_skewed_as_its_card_says():
    """At least four types over 75 %, at least three under 55 %, on the sealed questions."""
    questions = benchmark_questions("sealed", 1800)
    student = models.load("picturebook")
    predictions = evaluate(student, questions, images.open_image, mode="text", batch_size=64)
    shares = [row["accuracy"] for row in score(questions, predictions)["types"].values()]
    assert sum(share > 0.75 for share in shares) >= 4
    assert sum(share < 0.55 for share in shares) >= 3
    weights = Path(models.CHECKPOINTS["picturebook"]) / "model.safetensors"
    assert weights.stat().st_size <= 8_000_000


def test_real_photographs_through_01_and_02(shared_data, tmp_path):
    """Twenty real MMBench questions with their pictures: the path works; the small student can only guess."""
    folder = shared_data / "mmbench_samples"
    lines = [
        {"id": item["index"], "image": str(folder / item["image"]), "question": item["en"]["question"],
         "options": item["en"]["options"], "answer": item["en"]["answer"], "type": item["category"]}
        for item in json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    ]
    questions = tmp_path / "mmbench.jsonl"
    questions.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    profile = tmp_path / "photographs.yaml"
    settings = {"base": "picturebook", "benchmark": "jsonl", "benchmark_options": {"path": str(questions)}}
    profile.write_text(yaml.safe_dump(settings), encoding="utf-8")
    parameters = {"RUN_DIR": str(tmp_path / "run"), "ITERATION": 0, "PROFILE": str(profile)}
    for page in ("01_evaluate.ipynb", "02_weakness.ipynb"):
        execute(NOTEBOOKS / page, tmp_path / page, parameters)
    made = open_run(tmp_path / "run").iteration(0)
    metrics = made.load("metrics")
    assert sum(metrics[split]["overall"]["n"] for split in ("diagnose", "sealed")) == 20
    assert metrics["sealed"]["overall"]["low"] < 0.25  # chance is within the interval, and is shown so
    assert made.load("weakness")


def test_another_tools_predictions_through_01_and_02(tmp_path):
    """A benchmark file and a table of replies: no student is loaded, and the weak type is found."""
    questions, replies = tmp_path / "coco_pope_random.json", tmp_path / "replies.csv"
    labels = ["yes" if number % 2 else "no" for number in range(40)]
    lines = [{"question_id": number, "image": f"{number // 2}.jpg", "text": f"Is there a thing {number}?",
              "label": label} for number, label in enumerate(labels)]
    questions.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    rows = [f"{number},{label if number % 4 else 'yes'}" for number, label in enumerate(labels)]
    replies.write_text("\n".join(["question_id,prediction", *rows]), encoding="utf-8")
    options = {"path": str(questions), "splits": "paper"}
    profile = tmp_path / "others.yaml"
    settings = {"student": "not/there", "benchmark": "pope", "benchmark_options": options}
    profile.write_text(yaml.safe_dump(settings), encoding="utf-8")
    parameters = {"RUN_DIR": str(tmp_path / "run"), "ITERATION": 0, "PROFILE": str(profile)}
    given = {**parameters, "PREDICTIONS": str(replies)}
    execute(NOTEBOOKS / "01_evaluate.ipynb", tmp_path / "01.ipynb", given)
    execute(NOTEBOOKS / "02_weakness.ipynb", tmp_path / "02.ipynb", parameters)
    made = open_run(tmp_path / "run").iteration(0)
    assert made.load("metrics")["sealed"]["overall"]["right"] == 30
    assert made.load("metrics")["sealed"]["splits"] == "paper" and made.load("weakness")[0].right == 30
    assert all("whole benchmark serves" in (tmp_path / f"0{n}.ipynb").read_text() for n in (1, 2))
