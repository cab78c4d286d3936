"""VSR: every split's file, the two rules, and the tables by relation and meta category."""

import json

import pytest

from dataengine_utils import benchmarks
from dataengine_utils.benchmarks import hub
from dataengine_utils.benchmarks.vsr import CATEGORIES, read_reply
from dataengine_utils.errors import KitError
from dataengine_utils.records import Prediction

LINES = [
    {
        "image": "000000050403.jpg",
        "image_link": "http://images.cocodataset.org/train2017/000000050403.jpg",
        "caption": "The bear is in front of the person.",
        "label": 1,
        "relation": "in front of",
        "annotator_id": 31,
        "vote_true_validator_id": [2, 6],
        "vote_false_validator_id": [],
    },
    {
        "image": "000000000139.jpg",
        "image_link": "http://images.cocodataset.org/val2017/000000000139.jpg",
        "caption": "The cat is among the books.",
        "label": 0,
        "relation": "among",
        "annotator_id": 1,
        "subj": "cat",
        "obj": "books",
        "vote_true_validator_id": "[]",
        "vote_false_validator_id": "[18, 2]",
    },
    {
        "image": "000000050403.jpg",
        "caption": "The bear is unlike the person.",
        "label": 0,
        "relation": "unlike",
    },
    {"image": "000000000139.jpg", "caption": "The cup is on the book.", "label": 1, "relation": "on"},
]


def load(folder, lines=LINES, **options):
    (folder / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return benchmarks.load("vsr", path=str(folder), **options)


def score(benchmark, replies):
    questions = benchmark.questions("all")
    given = [
        Prediction(q.id, q.question_type, reply, "", "wrong")
        for q, reply in zip(questions, replies, strict=False)
    ]
    return benchmark.score(questions, given)


def test_lines_are_read_with_votes_in_either_form(tmp_path):
    first, second, third, _ = load(tmp_path).questions("all")
    assert first.id == "000000050403: The bear is in front of the person." and first.form == "true_false"
    assert (first.question, first.answer) == ("The bear is in front of the person.", "true")
    assert (first.image_id, first.image, first.options) == ("000000050403", "000000050403.jpg", ())
    assert (second.answer, second.question_type, second.gold["meta_category"]) == (
        "false",
        "among",
        "Unallocated",
    )
    assert third.image_id == first.image_id and third.gold["meta_category"] == ""


def test_other_tools_may_call_a_question_by_its_line(tmp_path):
    benchmark = load(tmp_path)
    assert [benchmark.aliases(q)[1] for q in benchmark.questions("all")] == ["0", "1", "2", "3"]


def test_pictures_may_lie_in_cocos_folders(tmp_path):
    (tmp_path / "coco" / "val2017").mkdir(parents=True)
    questions = load(tmp_path, images=str(tmp_path / "coco")).questions("all")
    assert [q.image for q in questions[:3]] == [
        "train2017/000000050403.jpg",
        "val2017/000000000139.jpg",
        "000000050403.jpg",
    ]


def test_a_line_that_is_there_twice_keeps_both_apart(tmp_path):
    questions = load(tmp_path, [LINES[0], LINES[0]]).questions("all")
    assert questions[1].id == f"{questions[0].id}#2" and questions[1].gold["line"] == 1


@pytest.mark.parametrize(
    ("reply", "minigpt4", "binary"),
    [
        ("true", "true", "true"),
        ("TRUE", "true", "true"),
        ("True.", "", "true"),
        (" true", "", "true"),
        ("Yes", "", "true"),
        ("no", "", "false"),
        ("1", "", "true"),
        ("0", "", "false"),
        ("False", "false", "false"),
        ("", "", ""),
        ("it is true", "", ""),
        ("true false", "", ""),
    ],
)
def test_rules(reply, minigpt4, binary):
    assert (read_reply(reply, "minigpt4"), read_reply(reply, "binary")) == (minigpt4, binary)


def test_scores(tmp_path):
    metrics = score(load(tmp_path), ["True", "true", "False.", "false"])
    assert metrics["official"]["summary"] == {"accuracy": 25.0, "correct": 1, "total": 4}
    assert metrics["rule"] == "minigpt4" and metrics["overall"]["unparsed"] == 1
    assert metrics["official"]["relation"]["in front of"] == {"accuracy": 100.0, "n": 1}
    assert list(metrics["official"]["meta_category"]) == ["Projective", "Unallocated", "Topological"]
    binary = score(load(tmp_path, rule="binary"), ["1", "0", "0", "0"])
    assert binary["official"]["summary"]["accuracy"] == 75.0 and set(binary["types"]) == {
        "in front of",
        "among",
        "unlike",
        "on",
    }


def test_missing_predictions_are_unparsed(tmp_path):
    metrics = score(load(tmp_path), ["True"])
    assert metrics["missing"] == 3 and metrics["official"]["summary"]["accuracy"] == 25.0


def test_the_hub_copy_is_read_alike(tmp_path, monkeypatch):
    def rows(name, config, split):
        assert (name, config, split) == ("cambridgeltl/vsr_zeroshot", None, "test")
        return iter(LINES)

    monkeypatch.setattr(hub, "rows", rows, raising=False)
    assert benchmarks.load("vsr", path="hub:").questions("all") == load(tmp_path).questions("all")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"image": "a.jpg"', ":1: not JSON"),
        (b"", "no questions in it"),
        (b"\xff", "not UTF-8"),
        (b'{"image": "a.jpg", "caption": "x", "relation": "on"}', r":1: .*missing fields \['label'\]"),
        (
            b'{"image": "a.jpg", "caption": "x", "relation": "on", "label": 2}',
            ":1: label is 2; expected 0 or 1",
        ),
        (
            b'{"image": "a.jpg", "caption": "x", "relation": "on", "label": "1"}',
            "label: expected int, got '1'",
        ),
    ],
)
def test_bad_files_are_told_clearly(tmp_path, content, told):
    (tmp_path / "test.jsonl").write_bytes(content)
    with pytest.raises(KitError, match=told) as error:
        benchmarks.load("vsr", path=str(tmp_path)).questions("all")
    assert "test.jsonl" in str(error.value) or str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("split", "n", "n_true"),
    [
        ("zeroshot/train", 3489, 1799),
        ("zeroshot/dev", 340, 167),
        ("zeroshot/test", 1222, 629),
        ("random/train", 7680, 3876),
        ("random/dev", 1097, 564),
        ("random/test", 2195, 1181),
    ],
)
def test_real_splits_are_read(shared_data, split, n, n_true):
    benchmark = benchmarks.load("vsr", path=str(shared_data / "vsr" / f"{split}.jsonl"))
    questions = benchmark.questions("all")
    assert len({q.id for q in questions}) == n and sum(q.answer == "true" for q in questions) == n_true
    diagnose, sealed = benchmark.questions("diagnose"), benchmark.questions("sealed")
    assert abs(len(diagnose) - len(sealed)) <= 10
    assert not {q.image_id for q in diagnose} & {q.image_id for q in sealed}


def test_the_real_folder_gives_the_zero_shot_test_split(shared_data):
    questions = benchmarks.load("vsr", path=str(shared_data / "vsr")).questions("all")
    assert len(questions) == 1222 and len({q.image_id for q in questions}) == 715


def test_the_categories_are_the_official_ones(shared_data):
    lines = (shared_data / "vsr" / "rel_meta_category_dict.txt").read_text(encoding="utf-8").splitlines()
    listed = {
        name: {relation.strip() for relation in relations.split(",")}
        for name, _, relations in (line.partition(": ") for line in lines if line.strip())
    }
    assert {name: set(relations.split(", ")) for name, relations in CATEGORIES.items()} == listed
