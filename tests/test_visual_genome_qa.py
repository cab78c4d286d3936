"""Visual Genome's questions as a benchmark."""

import json

import pytest

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.errors import KitError

QAS = [
    {"qa_id": 7, "image_id": 1, "question": "What color is the clock?", "answer": "Green.", "a_objects": []},
    {"qa_id": 8, "image_id": 1, "question": "Is it day?", "answer": "Yes."},
]


def write(folder, entries, pictures=True):
    (folder / "question_answers.json").write_text(json.dumps(entries), encoding="utf-8")
    if pictures:
        url = "https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg"
        (folder / "image_data.json").write_text(json.dumps([{"image_id": 1, "url": url}]), encoding="utf-8")
    return benchmarks.load("visual_genome", path=str(folder))


@pytest.mark.parametrize("key", ["id", "image_id"])
def test_questions_have_their_word_and_picture(tmp_path, key):
    first, second = write(tmp_path, [{key: 1, "qas": QAS}]).questions("all")
    assert (first.id, first.question_type, first.image, first.answer) == (
        "7",
        "what",
        "VG_100K_2/1.jpg",
        "Green.",
    )
    assert second.question_type == "other"
    assert write(tmp_path, [{key: 1, "qas": QAS}]).root == tmp_path


def test_answers_are_compared_as_text(tmp_path):
    benchmark = write(tmp_path, [{"id": 1, "qas": QAS}], pictures=False)
    asked = benchmark.questions("all")
    given = [
        predict(asked[0], "green", judge=benchmark.judge),
        predict(asked[1], "No", judge=benchmark.judge),
    ]
    official = benchmark.score(asked, given)["official"]
    assert (
        official["summary"] == {"accuracy": 50.0} and official["question word"]["what"]["accuracy"] == 100.0
    )


@pytest.mark.parametrize(
    "entries", [[{"qas": []}], [{"id": 1}], [{"id": 1, "qas": [{"qa_id": "x"}]}], [3], {}]
)
def test_other_files_are_one_clear_error(tmp_path, entries):
    with pytest.raises(KitError, match=r"question_answers\.json"):
        write(tmp_path, entries).questions("all")


@pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0"])
def test_the_real_questions_of_five_images(shared_data, version):
    path = shared_data / "visual_genome" / version
    asked = benchmarks.load("visual_genome", path=str(path)).questions("all")
    assert len({q.image_id for q in asked}) == 5 and len(asked) == len({q.id for q in asked}) > 100
    assert {"what", "where", "who"} <= {q.question_type for q in asked}
    assert all(q.image.startswith("VG_100K") and q.answer for q in asked)
