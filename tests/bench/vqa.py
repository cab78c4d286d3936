"""`python -m tests.bench.vqa`: scoring as many questions as VQAv2 val has against the official loop, and
listing as many as its test has.

The files are made up in the official layout. Each measurement runs in a process of its own, for its memory.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine_utils.benchmarks.vqa import ARTICLES, CONTRACTIONS, NUMBERS, PUNCTUATION
from dataengine_utils.benchmarks.vqav2 import VQAv2
from dataengine_utils.records import Prediction

VAL, TEST = 214_354, 447_793
MB = 2**20
QUESTIONS, ANNOTATIONS = "v2_OpenEnded_mscoco_{}_questions.json", "v2_mscoco_{}_annotations.json"
RESULTS = "results.json"

STARTS = ("what is the", "what color is the", "is this a", "how many", "are the", "where is the")
NOUNS = ("dog", "man", "train", "street", "pizza", "umbrella", "kite", "bus", "clock", "horse", "sign")
ADJECTIVES = ("red", "Black and white", "tall", "an old", "the left", "2 small", "half-open", "blue/green")
ODD = ("10:30", "1,000", "St. Louis", "can't tell", "dont know", "t-shirt", "none", "Coca-Cola", "U.S.")


@dataclass(frozen=True)
class VqaBench:
    """Processor seconds of scoring `n` questions, ours and the official loop's, and peak memory in MB."""

    n: int
    ours_s: float
    official_s: float
    scoring_mb: float
    listed: int
    listing_s: float
    listing_mb: float

    @property
    def ratio(self) -> float:
        """How much faster ours is."""
        return self.official_s / self.ours_s

    def __str__(self) -> str:
        return (
            f"{self.n:,} VQAv2 questions scored in {self.ours_s:.1f} s, by the official loop in "
            f"{self.official_s:.1f} s: {self.ratio:.1f} times faster (wanted: at least 5), peak with reading "
            f"{self.scoring_mb:.0f} MB (wanted: below 1,000)\n"
            f"{self.listed:,} test questions listed in {self.listing_s:.1f} s, peak {self.listing_mb:.0f} MB "
            "(wanted: below 1,500)"
        )


def bench_vqa(n: int = VAL, n_listed: int = TEST, rounds: int = 2) -> VqaBench:
    """Make the files up and measure, the quickest of some rounds; raises when the two accuracies differ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_val(folder, n, random.Random(0))
        write_questions(folder / QUESTIONS.format("test2015"), "test2015", n_listed, random.Random(1))
        runs = [{work: measured(work, folder) for work in ("score", "official")} for _ in range(rounds)]
        listing = measured("list", folder)
    ours, official = (
        min((run[work] for run in runs), key=lambda one: one["seconds"]) for work in ("score", "official")
    )
    if ours["result"] != official["result"]:
        raise ValueError(f"accuracy {ours['result']} against the official loop's {official['result']}")
    return VqaBench(
        n=n,
        ours_s=ours["seconds"],
        official_s=official["seconds"],
        scoring_mb=ours["peak"] / MB,
        listed=listing["result"],
        listing_s=listing["seconds"],
        listing_mb=listing["peak"] / MB,
    )


def measured(work: str, folder: Path) -> dict[str, Any]:
    """The result, processor seconds and peak memory (bytes) of one of `WORKS` in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.vqa", "--work", work, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def score_val(folder: Path) -> tuple[float, float]:
    """(seconds, accuracy) of our scorer, from judging every reply to all tables."""
    benchmark = VQAv2(str(folder), variant="val2014", rule="vqa")
    questions = benchmark.questions("all")
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    given = [Prediction(str(item["question_id"]), "", item["answer"], "", "unparsed") for item in results]
    start = time.process_time()
    metrics = benchmark.score(questions, given)
    return time.process_time() - start, metrics["official"]["summary"]["accuracy"]


def score_officially(folder: Path) -> tuple[float, float]:
    """(seconds, accuracy) of the literal port."""
    text = (folder / ANNOTATIONS.format("val2014")).read_text(encoding="utf-8")
    annotations = json.loads(text)["annotations"]
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    replies = {item["question_id"]: item["answer"] for item in results}
    start = time.process_time()
    tables = official_loop(annotations, replies)
    return time.process_time() - start, tables["overall"]


def list_test(folder: Path) -> tuple[float, int]:
    """(seconds, questions) of reading the test questions."""
    start = time.process_time()
    n = len(VQAv2(str(folder), variant="test2015", splits="paper").questions("all"))
    return time.process_time() - start, n


WORKS = {"score": score_val, "official": score_officially, "list": list_test}


def official_loop(annotations: list[dict[str, Any]], replies: dict[Any, str]) -> dict[str, Any]:
    """The official evaluation by the letter of its rules: dicts changed in place, a list for each left out.

    Returns {"overall": per cent, "items": {question_id: credit}, "answer_type": ..., "question_type": ...}.
    """
    everything: list[float] = []
    items: dict[Any, float] = {}
    shown: dict[str, dict[Any, float]] = {}
    types: dict[str, dict[str, list[float]]] = {"answer_type": {}, "question_type": {}}
    for annotation in annotations:
        answers = annotation["answers"]
        for answer in answers:
            answer["answer"] = answer["answer"].replace("\n", " ").replace("\t", " ").strip()
        reply = replies[annotation["question_id"]].replace("\n", " ").replace("\t", " ").strip()
        if len({answer["answer"] for answer in answers}) > 1:
            for answer in answers:
                answer["answer"] = official_words(official_punctuation(answer["answer"]))
            reply = official_words(official_punctuation(reply))
        credits = []
        for left_out in answers:
            others = [answer for answer in answers if answer != left_out]
            matching = [answer for answer in others if answer["answer"] == reply]
            credits.append(min(1, float(len(matching)) / 3))
        total = 0.0
        for credit in credits:
            total += credit
        credit = total / len(credits)
        everything.append(credit)
        items[annotation["question_id"]] = credit
        for name, rows in types.items():
            rows.setdefault(annotation.get(name, ""), []).append(credit)
            of_type = shown.setdefault(annotation.get(name, ""), {})
            of_type[annotation["question_id"]] = round(100 * credit, 2)
    means = {name: {label: _percent(row) for label, row in rows.items()} for name, rows in types.items()}
    return {"overall": _percent(everything), "items": items, **means}


def official_punctuation(text: str) -> str:
    """Each sign becomes a space or nothing; whether digits stand around a comma is looked up for each."""
    out = text
    for sign in PUNCTUATION:
        if (sign + " " in text or " " + sign in text) or re.search("([0-9])(,)([0-9])", text) is not None:
            out = out.replace(sign, "")
        else:
            out = out.replace(sign, " ")
    return re.sub(r"(?!<=[0-9])(\.)(?![0-9])", "", out, count=32)


def official_words(text: str) -> str:
    """Articles dropped, numbers as digits, apostrophes put back."""
    words = []
    for word in text.lower().split():
        word = NUMBERS.get(word, word)
        if word not in ARTICLES:
            words.append(word)
    for place, word in enumerate(words):
        if word in CONTRACTIONS:
            words[place] = CONTRACTIONS[word]
    return " ".join(words)


def _percent(credits: list[float]) -> float:
    total = 0.0
    for credit in credits:
        total += credit
    return 100 * total / len(credits)


def write_val(folder: Path, n: int, rng: random.Random) -> None:
    """A question file, its annotations and a model's results, five questions a picture."""
    write_questions(folder / QUESTIONS.format("val2014"), "val2014", n, rng)
    results = []
    with (folder / ANNOTATIONS.format("val2014")).open("w", encoding="utf-8") as file:
        file.write('{"data_subtype": "val2014", "annotations": [')
        for number, (id, image_id) in enumerate(ids(n)):
            annotation, reply = made_up(id, image_id, rng)
            file.write((", " if number else "") + json.dumps(annotation))
            results.append({"question_id": id, "answer": reply})
        file.write("]}")
    (folder / RESULTS).write_text(json.dumps(results), encoding="utf-8")


def write_questions(path: Path, subtype: str, n: int, rng: random.Random) -> None:
    """A question file in the official layout."""
    questions = [
        {
            "image_id": image_id,
            "question": f"{rng.choice(STARTS)} {rng.choice(NOUNS)} near the {rng.choice(NOUNS)}?",
            "question_id": id,
        }
        for id, image_id in ids(n)
    ]
    document = {"task_type": "Open-Ended", "data_subtype": subtype, "questions": questions}
    path.write_text(json.dumps(document), encoding="utf-8")


def ids(n: int) -> Iterator[tuple[int, int]]:
    """(question id, image id): as in VQAv2, a question's id is its picture's with three more digits."""
    return ((1000 * (number // 5 + 1) + number % 5, number // 5 + 1) for number in range(n))


def made_up(id: int, image_id: int, rng: random.Random) -> tuple[dict[str, Any], str]:
    """An annotation and a reply. As in VQAv2, 38 % are yes or no and 12 % numbers, a third is unanimous."""
    kind = rng.choices(("yes/no", "number", "other"), (38, 12, 50))[0]
    liked = answer_of(kind, rng)
    agreement = rng.choice((0.4, 0.6, 0.8, 0.9, 1.0))
    texts = [liked if rng.random() < agreement else answer_of(kind, rng) for _ in range(10)]
    annotation = {
        "question_type": rng.choice(STARTS),
        "multiple_choice_answer": liked,
        "answers": [
            {"answer": text, "answer_confidence": rng.choice(("yes", "maybe")), "answer_id": number + 1}
            for number, text in enumerate(texts)
        ],
        "image_id": image_id,
        "answer_type": kind,
        "question_id": id,
    }
    return annotation, liked if rng.random() < 0.7 else answer_of(kind, rng).capitalize() + "."


def answer_of(kind: str, rng: random.Random) -> str:
    """What one person answers: mostly short and common, sometimes with odd signs or rare words."""
    if kind == "yes/no":
        return rng.choices(("yes", "no", "Yes", "maybe, yes"), (55, 40, 3, 2))[0]
    if kind == "number":
        common = str(rng.randrange(12))
        return rng.choices((common, "two", "many", f"{rng.randrange(9)},000"), (90, 4, 4, 2))[0]
    noun, adjective = rng.choice(NOUNS), rng.choice(ADJECTIVES)
    both, rare = f"{adjective} {noun}", f"{adjective} {noun} {rng.randrange(50_000)}"
    return rng.choices((noun, adjective, both, rng.choice(ODD), rare), (45, 20, 12, 5, 18))[0]


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found:
            return int(found[1]) * 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Measure and print, or do one piece of work and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.vqa", description=__doc__)
    parser.add_argument("--work", choices=WORKS, help="only this, over the files of --folder")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--questions", type=int, default=VAL)
    parser.add_argument("--listed", type=int, default=TEST)
    options = parser.parse_args()
    if not options.work:
        print(bench_vqa(options.questions, options.listed))
        return
    seconds, result = WORKS[options.work](options.folder)
    print(json.dumps({"seconds": seconds, "result": result, "peak": peak_bytes()}))


if __name__ == "__main__":
    main()
