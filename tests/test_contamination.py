import json
import random
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dataengine_utils import benchmarks, images
from dataengine_utils.contamination import REASONS, Guard, Seen, check_training_file
from dataengine_utils.contamination.__main__ import main
from dataengine_utils.contamination.lookup import MAX_DISTANCE, Bands
from dataengine_utils.contamination.names import names_of
from dataengine_utils.contamination.picture_hash import hash_picture
from dataengine_utils.contamination.pictures import Picture, PictureIndex, PictureStore
from dataengine_utils.contamination.wordings import Asked, Wordings, words_of
from dataengine_utils.errors import KitError
from dataengine_utils.records import Draft, Sample
from tests.bench.contamination import (
    COPIES,
    alarms_among_groups,
    clouds,
    index_of,
    leads_to,
    photographs,
    picture_alarms,
)

PICTURES = clouds(24, seed=5)
QUESTION = "Which of the two dogs on the old wooden pier is about to jump?"
OPTIONS = ["the brown one", "the white one", "both", "none"]


def sample(number=1, *, image="new.png", question="What is asleep?", options=("cat", "dog", "cow", "hen")):
    name = image.partition(".")[0]
    lineage = (f"s{number}", f"q{number}", "t")
    return Sample(question, "It is.", options[0], tuple(options), "A", image, 2, "Kind", name, *lineage)


@pytest.fixture
def folder(tmp_path):
    """Eight pictures and a question about each of the first six; the last two are nobody's."""
    for number in range(8):
        PICTURES[number].save(tmp_path / f"{number}.png")
    asked = [QUESTION, *["What color is the car?"] * 4, "What is on the sign at the end of that street?"]
    lines = [{"id": f"q{n}", "image": f"{n}.png", "question": text, "type": "t", "answer": OPTIONS[0],
              "options": OPTIONS if n < 5 else []} for n, text in enumerate(asked)]  # fmt: skip
    (tmp_path / "sealed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def load(folder, **options):
    return benchmarks.load("jsonl", path=str(folder / "sealed.jsonl"), **options)


# What pictures look like


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_of_a_picture_is_found_from_either_side(kind):
    rng = random.Random(1)
    index = index_of(PICTURES)
    copies = [COPIES[kind](picture, rng) for picture in PICTURES]
    found = sum(leads_to(index, copy, number) for number, copy in enumerate(copies))
    back = sum(leads_to(index_of([copy]), picture, 0) for copy, picture in zip(copies, PICTURES, strict=True))
    assert found + back >= 0.9 * 2 * len(PICTURES)


def test_pictures_that_are_no_copies_are_not_taken_for_one():
    assert picture_alarms(clouds(400, seed=6, size=64), clouds(400, seed=7, size=64), "").found == 0
    assert picture_alarms(PICTURES[:12], PICTURES[12:], "").found == 0


def test_real_photographs(shared_data):
    real = photographs(shared_data)
    assert len(real) >= 39
    rng, index = random.Random(2), index_of(real)
    for kind, copy in COPIES.items():
        found = sum(leads_to(index, copy(picture, rng), number) for number, picture in enumerate(real))
        assert found >= 0.94 * len(real), kind
    assert alarms_among_groups([[one] for one in real], "").found == 0


def test_a_blank_picture_has_no_hash():
    assert hash_picture(Image.new("RGB", (64, 64), "white")) is None
    index = index_of([Image.new("RGB", (50, 40), "black"), PICTURES[0]])
    assert index.blank == 1 and leads_to(index, PICTURES[0], 1)


def test_an_index_of_nothing_finds_nothing():
    assert index_of([]).find(hash_picture(PICTURES[0])) is None


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=20), st.integers(0, 99))
def test_the_lookup_finds_what_comparing_all_finds(value, flipped, seed):
    import numpy as np

    other = value
    for bit in flipped:
        other ^= 1 << bit
    noise = np.random.default_rng(seed).integers(0, 2**63, 50, dtype=np.uint64)
    stored = np.concatenate([noise, np.array([value], np.uint64)])
    asked, places = Bands(stored).near(np.array([other], np.uint64), MAX_DISTANCE)
    plain = np.flatnonzero(np.bitwise_count(stored ^ np.uint64(other)) <= MAX_DISTANCE)
    assert set(places.tolist()) == set(plain.tolist()) and set(asked.tolist()) <= {0}


# The store of hashes


def test_pictures_are_hashed_once_and_kept(tmp_path):
    opened = []

    def open_image(reference, root):
        opened.append(reference)
        return images.open_image(reference, root)

    for number in range(3):
        PICTURES[number].save(tmp_path / f"{number}.png")
    pictures = [Picture(f"{n}.png", tmp_path) for n in range(4)]
    missing = PictureStore(tmp_path / "kept" / "hashes.sqlite", open_image).fill(pictures)
    assert list(missing) == [str(tmp_path / "3.png")] and "no image" in missing[str(tmp_path / "3.png")]
    assert sorted(opened) == [f"{n}.png" for n in range(4)]

    again = PictureStore(tmp_path / "kept" / "hashes.sqlite", open_image)
    assert list(again.fill(pictures)) == list(missing) and len(opened) == 5  # only the missing one
    PICTURES[9].save(tmp_path / "0.png")
    again.fill(pictures[:3])
    assert opened[5:] == ["0.png"]  # changed since
    assert PictureIndex(again, pictures[:3]).find(hash_picture(PICTURES[9])) == pictures[0]


def test_a_break_loses_no_hash(tmp_path):
    store = PictureStore(tmp_path / "h.sqlite", lambda reference, root: PICTURES[int(reference)])

    def stop(reference, root):
        raise KeyboardInterrupt

    store.fill([Picture("1"), Picture("2")])
    with pytest.raises(KeyboardInterrupt):
        PictureStore(tmp_path / "h.sqlite", stop).fill([Picture("1"), Picture("3")])
    assert PictureStore(tmp_path / "h.sqlite", stop).get(Picture("1"))


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "other").write_text("no database, but a text that is long enough to be taken for one" * 20)
    with pytest.raises(KitError, match="cannot keep picture hashes"):
        PictureStore(tmp_path / "other").get(Picture("1"))


def test_a_full_disk_is_said(tmp_path):
    store = PictureStore(tmp_path / "h.sqlite", lambda reference, root: PICTURES[0])
    store.get(Picture("1"))
    store._database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(KitError, match="cannot write picture hashes"):
        store.fill([Picture(str(n)) for n in range(50)])


# Names


@pytest.mark.parametrize(
    ("image_id", "image", "source", "name"),
    [
        ("x", "coco/train2017/000000033471.jpg", "", "coco:33471"),
        ("x", "COCO_val2014_000000310196.jpg", "", "coco:310196"),
        ("310196", "", "okvqa", "coco:310196"),
        ("COCO_val2014_000000310196", "", "pope", "coco:310196"),
        ("2404787", "vg/VG_100K_2/2404787.jpg", "", "vg:2404787"),
        ("2404787", "VG_100K/2404787.jpg", "visual_genome", "vg:2404787"),
        ("2354786", "gqa/images/2354786.jpg", "", "vg:2354786"),
        ("20000001", "picturebook:20000001", "", "picturebook:20000001"),
    ],
)
def test_a_picture_has_the_same_name_wherever_it_comes_from(image_id, image, source, name):
    assert name in names_of(image_id, image, None, source)


@pytest.mark.parametrize(
    ("image_id", "image", "source"),
    [
        ("n161313", "", "gqa"),
        ("1", "1.jpg", ""),
        ("1", "33887522274_eebd074106_k.jpg", ""),
        ("1", "", "folder"),
    ],
)
def test_a_picture_of_no_known_collection_has_no_name(image_id, image, source):
    assert names_of(image_id, image, None, source) == []


def test_paths_to_one_file_are_one_name(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert names_of("", "a/../1.png", tmp_path) == names_of("", "1.png", tmp_path / "link")


# Wordings


def asked(question, picture=1, options=()):
    return Asked(f"{question[:8]} {picture}", picture, question, tuple(options))


def test_the_same_question_is_found_in_any_order_and_case():
    known = Wordings([asked("What is asleep?", 1, ["a cat", "A dog."])])
    assert known.find("what is ASLEEP", ["A Dog", "a cat!"])
    assert not known.find("what is asleep", ["a dog", "a cow"])
    assert not known.find("what is asleep", [])  # short, and no options say that it is this one
    assert not known.find("what is awake", ["a dog", "a cat"])


def test_what_is_asked_of_many_pictures_is_nobodys():
    text, options = QUESTION, ["yes", "no"]
    assert Wordings([asked(text, 1, options), asked(text, 1, options)]).find(text, options)
    assert not Wordings([asked(text, 1, options), asked(text, 2, options)]).find(text, options)


def test_a_long_question_is_found_with_words_before_or_after_it():
    known = Wordings([asked(QUESTION)])
    assert known.find(QUESTION.lower()) and known.find(f"Look at the photo. {QUESTION} Answer in a word.")
    assert not known.find("Which of the two cats on the old red sofa is about to sleep?")


def test_no_questions_and_questions_without_words():
    assert Wordings([]).find(QUESTION, OPTIONS) == ""
    assert Wordings([asked("?", 1, ["a", "b"])]).find("!", ["a", "b"])
    assert Wordings([asked("", 1)]).find("") == ""


@given(st.text(max_size=60))
def test_words_do_not_depend_on_case_and_punctuation(text):
    assert words_of(text) == words_of(f" {text}?! ") == words_of(" ".join(words_of(text)))


# The guard


def test_each_way_to_meet_a_benchmark_has_its_reason(folder):
    guard = Guard.of([load(folder)])
    assert guard.hit("0", "0.png", folder, "?") == REASONS[0]
    assert guard.hit("a", "7.png", folder, QUESTION.upper(), OPTIONS[::-1]) == REASONS[2]
    PICTURES[0].crop((9, 9, 180, 180)).save(folder / "cut.jpg")
    assert guard.hit("cut", "cut.jpg", folder, "Is it?") == REASONS[3]
    assert guard.hit("7", "7.png", folder, "What color is the car?", OPTIONS) == ""
    found = guard.find("cut", "cut.jpg", folder, "Is it?")
    assert "0.png" in found.met and str(guard) == "6 questions about 6 pictures are guarded"


def test_visual_genome_pictures_are_known_by_their_coco_id(tmp_path):
    entry = {"question_id": 7, "image_id": 310196, "question": "What is it?", "answers": [], "confidence": 1}
    file = tmp_path / "OpenEnded_mscoco_val2014_questions.json"
    file.write_text(json.dumps({"questions": [entry]}))
    okvqa = benchmarks.load("okvqa", path=str(file))
    known = {"2404787": 310196, "1": None, "2": ""}

    def coco_id(image_id):
        if image_id not in known:
            raise KitError(f"no image {image_id!r}")
        return known[image_id]

    guard = Guard.of([okvqa], source="visual_genome", coco_id=coco_id, look=False)
    assert guard.hit("2404787", "VG_100K_2/2404787.jpg", tmp_path, "?") == REASONS[1]
    assert [guard.hit(name, f"VG_100K/{name}.jpg", tmp_path, "?") for name in ("1", "2", "3")] == [""] * 3
    assert Guard.of([okvqa], source="visual_genome", look=False).hit("2404787", "", None, "?") == ""
    assert guard.hit("310196", "coco/val2014/COCO_val2014_000000310196.jpg", None, "?") == REASONS[0]


def test_only_the_sealed_half_of_the_runs_own_benchmark_is_guarded(folder):
    own = load(folder)
    guard = Guard.of(sealed=own, look=False)
    sealed = {q.image for q in own.questions("sealed")}
    hit = {q.image for q in own.questions("all") if guard.hit(q.image_id, q.image, folder, "?")}
    assert hit == sealed and 0 < len(sealed) < 6


def test_missing_and_blank_pictures_are_counted_and_known_by_name(folder):
    (folder / "0.png").unlink()
    (folder / "1.png").write_text("no picture")
    Image.new("RGB", (40, 40), "white").save(folder / "2.png")
    guard = Guard.of([load(folder)], cache=folder / "hashes.sqlite")
    assert len(guard.missing) == 2 and guard.hit("0", "0.png", folder, "?") == REASONS[0]
    assert "2 of the pictures cannot be read" in str(guard) and "1 are blank" in str(guard)
    assert guard.hit("gone", "gone.png", folder, "?") == "" and guard.unread == 1
    assert "1 samples' pictures cannot be read" in str(guard)


def test_picturebook_is_told_by_seeds_alone_and_no_picture_is_drawn(monkeypatch):
    benchmark = benchmarks.load("picturebook", diagnose=18, sealed=45)
    monkeypatch.setitem(images.SCHEMES, "picturebook", "nowhere:nothing")
    guard = Guard.of(sealed=benchmark, source="picturebook")
    for q in benchmark.questions("sealed"):
        assert guard.hit(q.image_id, q.image, None, "Another question?") == REASONS[0]
        assert guard.hit("20000001", "picturebook:20000001", None, q.question, q.options) == ""
    assert not guard.missing


def test_the_loops_own_samples_meet_no_sealed_picture():
    guard = Guard.of(sealed=benchmarks.load("picturebook"), source="picturebook")
    seeds = images.load("picturebook").ids()
    assert not any(guard.hit(seed, f"picturebook:{seed}", None, "?") for seed in seeds[:2000])


def test_a_training_file_with_a_hit_is_a_hard_stop(folder):
    guard = Guard.of([load(folder)])
    check_training_file([sample(), sample(2, image="7.png")], guard, folder)
    with pytest.raises(
        KitError, match=r"1 training samples .* 's3': image of a benchmark .*--samples s3 --apply"
    ):
        check_training_file([sample(), sample(3, image="4.png")], guard, folder)


# The command


def test_the_command_checks_any_training_file(folder, capsys):
    turns = [{"from": "human", "value": f"<image>\n{QUESTION}\nA. both\nB. the white one"},
             {"from": "gpt", "value": "A"}]  # fmt: skip
    entries = [{"id": "new", "image": "7.png", "conversations": turns},
               {"id": "old", "image": "3.png", "conversations": turns}]  # fmt: skip
    (folder / "llava.json").write_text(json.dumps(entries))
    command = [str(folder / "llava.json"), "--benchmark", "jsonl", "--path", str(folder / "sealed.jsonl")]
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert "2 questions and pictures checked; 2, in 2 entries, meet a benchmark" in printed
    assert "old: image of a benchmark (sealed 3.png)" in printed and "new: question of a benchmark" in printed
    assert (folder / "picture_hashes.sqlite").exists()

    entries[0]["conversations"][0]["value"] = "<image>\nIs it warm?"
    (folder / "llava.json").write_text(json.dumps(entries[:1]))
    assert main(command) == 0 and "1 questions and pictures checked; 0, in 0" in capsys.readouterr().out
    assert main([*command, "--benchmark", "jsonl"]) == 1 and "each needs its own" in capsys.readouterr().err
    assert main([str(folder / "none.json"), *command[1:]]) == 1 and "no file" in capsys.readouterr().err


def test_the_command_looks_at_every_picture_of_an_entry(folder, capsys):
    """Also at one that comes second, or about which nothing is asked in words."""
    def turns(said):
        return [{"role": "user", "content": said}, {"role": "assistant", "content": "A cat."}]

    entries = [{"id": "second", "images": ["7.png", "3.png"], "messages": turns("<image><image>Which?")},
               {"id": "parts", "images": [{"path": "3.png"}], "prompt": turns([{"type": "image"}])},
               {"id": "silent", "image": "3.png", "messages": turns("")},
               {"id": "clean", "images": ["7.png"], "messages": turns("")},
               {"id": "text", "messages": turns("Is it warm?")}]  # fmt: skip
    (folder / "swift.json").write_text(json.dumps(entries))
    command = [str(folder / "swift.json"), "--benchmark", "jsonl", "--path", str(folder / "sealed.jsonl")]
    assert main(command) == 1
    printed = capsys.readouterr().out
    assert "6 questions and pictures checked; 3, in 3 entries, meet a benchmark" in printed
    for name in ("second", "parts", "silent"):
        assert f"{name}: image of a benchmark (sealed 3.png): ''" in printed


# Samples that repeat each other


def draft(question, options=("red", "blue", "green", "white"), choice="A"):
    return Draft(question, "It is red.", options["ABCD".index(choice)], tuple(options), choice)


def test_a_question_in_other_clothes_is_a_repeat():
    seen = Seen()
    assert seen.add("1", draft("What color is the car?"))
    assert not seen.add("1", draft("WHAT COLOUR IS THE CAR"))
    assert not seen.add(
        "1", draft("Which colour is the car in this picture?", ("blue", "white", "red", "green"), "C")
    )
    assert not seen.add("1", draft("What color is the car?", ("red", "pink", "black", "grey")))  # same answer
    assert seen.add("2", draft("What color is the car?"))  # another picture


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What color is the car?", "What color is the bus?"),
        ("What is on the table?", "What is under the table?"),
        ("Is the red cup left of the blue box?", "Is the blue cup left of the red box?"),
        ("How many dogs are there?", "How many cats are there?"),
    ],
)
def test_a_question_about_something_else_is_new(one, other):
    seen = Seen()
    assert seen.add("1", draft(one)) and seen.add("1", draft(other))


def test_the_same_words_with_other_answers_are_another_question():
    seen = Seen()
    assert seen.add("1", draft("Which of these is here?", ("cat", "dog", "cow", "hen")))
    assert seen.add("1", draft("Which of these is here?", ("bus", "car", "van", "boat")))


@given(
    st.lists(st.tuples(st.sampled_from("123"), st.text(max_size=12), st.permutations("wxyz")), max_size=12)
)
def test_what_was_seen_stays_seen_in_any_order_of_options(given_):
    seen = Seen()
    for image_id, question, options in given_:
        seen.add(image_id, draft(question, options))
        assert not seen.add(image_id, draft(question.upper().lower(), options[::-1], "D"))
    told = [sample(n, image=f"{i}.png", question=q, options=o) for n, (i, q, o) in enumerate(given_)]
    assert all(Seen(told).knows(one) for one in told)


def test_a_store_can_be_read_beside_the_run(folder):
    Guard.of([load(folder)], cache=folder / "hashes.sqlite")
    with sqlite3.connect(folder / "hashes.sqlite") as database:
        assert database.execute("SELECT count(*) FROM pictures").fetchone() == (6,)
