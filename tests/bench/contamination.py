"""`python -m tests.bench.contamination`: how many planted copies the guard finds, and how many innocent
samples it takes for copies.

Pictures are the real photographs beside the checkout, if they are there, and made-up ones with the spectrum
of photographs; questions are those of published benchmarks. Nothing here passes or fails.
"""

import argparse
import gc
import random
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dataengine_utils import benchmarks
from dataengine_utils.contamination import Guard
from dataengine_utils.contamination.guard import Protected
from dataengine_utils.contamination.picture_hash import PARTS, SMALL, PictureHash, hash_picture
from dataengine_utils.contamination.pictures import Picture, PictureIndex, PictureStore
from dataengine_utils.contamination.wordings import LONG, words_of
from dataengine_utils.images import open_image
from dataengine_utils.picturebook.seeds import seeds_of
from dataengine_utils.records import Question

SHARED = Path(__file__).resolve().parents[3] / "shared" / "realdata"
BENCHMARKS = {
    "aokvqa": "aokvqa",
    "okvqa": "okvqa",
    "vizwiz": "vizwiz/val_questions_vqa_format.json",
    "mme": "mme/Your_Results",
    "vsr": "vsr/zeroshot/test.jsonl",
    "scienceqa": "llava_eval/scienceqa/llava_test_CQM-A.json",
}


@dataclass(frozen=True)
class Line:
    """So many of `n` were found; `wanted` says whether they should be."""

    what: str
    n: int
    found: int
    wanted: str

    def __str__(self) -> str:
        return (
            f"{self.what:<66}{self.n:>8,}{self.found:>8,}{self.found / max(self.n, 1):>9.2%}  {self.wanted}"
        )


def resized(image: Image.Image, share: float) -> Image.Image:
    return image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))))


def encoded(image: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return Image.open(file)


def cropped(image: Image.Image, rng: random.Random, wide: float, high: float) -> Image.Image:
    """A part of so much of the width and height, anywhere."""
    width, height = int(image.width * wide), int(image.height * high)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def bordered(image: Image.Image, share: float) -> Image.Image:
    """Without so much of each of its four sides."""
    x, y = int(image.width * share), int(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


COPIES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "the same picture": lambda image, rng: image,
    "half the size": lambda image, rng: resized(image, 0.5),
    "a square of 224 pixels": lambda image, rng: image.resize((224, 224)),
    "JPEG, quality 75": lambda image, rng: encoded(image, 75),
    "JPEG, quality 30": lambda image, rng: encoded(image, 30),
    "cropped by 10 % of width and height, anywhere": lambda image, rng: cropped(image, rng, 0.9, 0.9),
    "cropped by 10 % of the area, anywhere": lambda image, rng: cropped(image, rng, 0.9**0.5, 0.9**0.5),
    "cropped by 10 % of the width": lambda image, rng: cropped(image, rng, 0.9, 1),
    "cropped by 5 % on each side": lambda image, rng: bordered(image, 0.05),
    "cropped by 10 % on each side": lambda image, rng: bordered(image, 0.1),
    "mirrored": lambda image, rng: ImageOps.mirror(image),
    "mirrored, cropped by 10 %, half the size, quality 50": lambda image, rng: encoded(
        resized(ImageOps.mirror(cropped(image, rng, 0.9, 0.9)), 0.5), 50
    ),
}


def photographs(folder: Path = SHARED) -> list[Image.Image]:
    """The real pictures at hand, in the size of COCO's; none where the folder is not there."""
    pictures = [open_image(str(path)) for path in sorted(folder.rglob("*.jpg"))]
    for picture in pictures:
        picture.thumbnail((640, 640))
    return pictures


def clouds(n: int, seed: int, size: int = 192) -> list[Image.Image]:
    """Grey pictures whose spectrum falls as photographs' does, with 1/f; no two are related."""
    rng = np.random.default_rng(seed)
    frequencies = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequencies[0, 0] = np.inf
    pictures = []
    for _ in range(n):
        waves = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) / frequencies)
        low, high = waves.min(), waves.max()
        pictures.append(Image.fromarray(np.uint8(255 * (waves - low) / (high - low))))
    return pictures


def index_of(pictures: Sequence[Image.Image]) -> PictureIndex:
    """An index of pictures in memory."""
    store = PictureStore(open_image=lambda reference, root: pictures[int(reference)])
    return PictureIndex(store, [Picture(str(number)) for number in range(len(pictures))])


def picture_recall(pictures: Sequence[Image.Image], what: str) -> list[Line]:
    """How many copies of each kind lead to their own picture, and as many the other way about: the benchmark
    has the copy and the sample the whole.
    """
    rng, lines = random.Random(0), []
    index = index_of(pictures)
    for kind, copy in COPIES.items():
        copies = [copy(picture, rng) for picture in pictures]
        to_whole = sum(leads_to(index, one, number) for number, one in enumerate(copies))
        to_copy = sum(
            leads_to(index_of([one]), picture, 0) for one, picture in zip(copies, pictures, strict=True)
        )
        lines.append(Line(f"{what}: {kind}", 2 * len(pictures), to_whole + to_copy, "all"))
    return lines


def leads_to(index: PictureIndex, image: Image.Image, number: int) -> bool:
    """Whether a picture is found as a copy of the index's picture of that number."""
    hashes = hash_picture(image)
    found = index.find(hashes) if hashes else None
    return found is not None and found.reference == str(number)


def picture_alarms(pictures: Sequence[Image.Image], others: Sequence[Image.Image], what: str) -> Line:
    """How many of `others`, none a copy, are taken for one of the pictures."""
    index = index_of(pictures)
    hashes = [hash_picture(image) for image in others]
    return Line(
        what, len(others), sum(one is not None and index.find(one) is not None for one in hashes), "none"
    )


def tiles(pictures: Iterable[Image.Image], smallest: int = 60) -> list[list[Image.Image]]:
    """Hard ones: each photograph in halves, thirds and quarters each way, many of them bare sky or wall."""
    found = []
    for image in pictures:
        pieces = [
            cut(image, across, x, y) for across in (1, 2, 3, 4) for x in range(across) for y in range(across)
        ]
        found.append([piece for piece in pieces if min(piece.size) >= smallest])
    return found


def cut(image: Image.Image, across: int, x: int, y: int) -> Image.Image:
    """One piece of a picture that is cut into `across` by `across`."""
    width, height = image.width // across, image.height // across
    return image.crop((x * width, y * height, (x + 1) * width, (y + 1) * height))


def alarms_among_groups(groups: Sequence[Sequence[Image.Image]], what: str) -> Line:
    """How many pictures are taken for one of another group."""
    pictures = [one for group in groups for one in group]
    group_of = [number for number, group in enumerate(groups) for _ in group]
    store = PictureStore(open_image=lambda reference, root: pictures[int(reference)])
    named, found = [Picture(str(n)) for n in range(len(pictures))], 0
    for number in range(len(groups)):
        others = [one for one, of in zip(named, group_of, strict=True) if of != number]
        index = PictureIndex(store, others)
        hashes = [store.get(one) for one, of in zip(named, group_of, strict=True) if of == number]
        found += sum(one is not None and index.find(one) is not None for one in hashes)
    return Line(what, len(pictures), found, "none")


def picture_lines(n_clouds: int) -> list[Line]:
    """The table's part about pictures."""
    real, made = photographs(), clouds(200, seed=0)
    drawn = [open_image(f"picturebook:{seed}") for seed in seeds_of("sealed")[:300]]
    others = [open_image(f"picturebook:{seed}") for seed in seeds_of("generation")[:300]]
    lines = [
        *(picture_recall(real, "photographs") if real else []),
        *picture_recall(made[:100], "made-up pictures"),
    ]
    if real:
        lines += [
            alarms_among_groups([[one] for one in real], "photographs taken for another one"),
            alarms_among_groups(tiles(real), "pieces of photographs taken for one of another photograph"),
        ]
    lines.append(
        picture_alarms(
            clouds(4 * n_clouds, seed=1, size=64),
            clouds(n_clouds, seed=2, size=64),
            f"made-up pictures taken for one of {4 * n_clouds:,} others",
        )
    )
    lines.append(
        picture_alarms(drawn, others, "picturebook's drawn pictures, if they were looked at (300 others)")
    )
    return lines


def loud(text: str) -> str:
    """A question in capitals, without punctuation."""
    return " ".join(words_of(text)).upper() + " !!"


def question_lines(questions: Sequence[Question], name: str) -> list[Line]:
    """Copies of a benchmark's questions on other pictures: what the wording alone shows."""
    guard = guard_of(questions, name)
    long = [q for q in questions if len(words_of(q.question)) >= LONG]
    ways: dict[str, tuple[Sequence[Question], Callable[[Question], tuple[str, tuple[str, ...]]]]] = {
        "same question": (questions, lambda q: (q.question, q.options)),
        "options reordered, case and punctuation changed": (questions, reworded),
        f"of {LONG} words and more, without options": (long, lambda q: (q.question, ())),
        f"of {LONG} words and more, words added": (long, lambda q: (f"In this photo, {q.question}", ())),
    }
    return [
        Line(
            f"{name}: {what}",
            len(asked),
            sum(bool(wording_hit(guard, *copy(q))) for q in asked),
            f"{of_one_picture(asked, with_options=copy(asked[0])[1] != ()):,} are asked of one picture",
        )
        for what, (asked, copy) in ways.items()
    ]


def reworded(question: Question) -> tuple[str, tuple[str, ...]]:
    """Question and options in capitals, without punctuation, the options from the last to the first."""
    return loud(question.question), tuple(loud(option) for option in question.options[::-1])


def of_one_picture(questions: Sequence[Question], *, with_options: bool) -> int:
    """How many questions are asked in these words (and with these options) of no other picture."""
    asked: dict[object, set[str]] = {}
    keys = [(words_of(q.question), frozenset(q.options) if with_options else None) for q in questions]
    for key, question in zip(keys, questions, strict=True):
        asked.setdefault(key, set()).add(question.image_id)
    return sum(len(asked[key]) == 1 for key in keys)


def guard_of(questions: Sequence[Question], name: str) -> Guard:
    """A guard that knows the questions and opens no picture."""
    return Guard((Protected(name, None, q, (f"{name}:{q.image_id}",), ()) for q in questions), look=False)


def wording_hit(guard: Guard, question: str, options: tuple[str, ...] = ()) -> str:
    """The reason for which a question on a picture of its own is rejected."""
    return guard.hit("", "", None, question, options)


def question_alarms(all_questions: dict[str, list[Question]]) -> list[Line]:
    """Questions of one benchmark that are taken for copies of those of others, written without knowing it."""
    lines = []
    for name, questions in all_questions.items():
        rest = [q for other, some in all_questions.items() if other != name for q in some]
        guard = guard_of(rest, "others")
        found = sum(bool(wording_hit(guard, q.question, q.options)) for q in questions)
        lines.append(Line(f"{name}: taken for a question of the others", len(questions), found, "none"))
    return lines


def picturebook_lines() -> list[Line]:
    """Template-made questions: the picture's id finds every copy, and no wording rejects a new picture."""
    benchmark = benchmarks.load("picturebook")
    guard = Guard.of(sealed=benchmark, source="picturebook")
    sealed = benchmark.questions("sealed")
    copies = sum(bool(guard.hit(q.image_id, q.image, None, "?")) for q in sealed)
    new = [str(seed) for seed in seeds_of("generation")[: len(sealed)]]
    asked = zip(new, sealed, strict=True)
    alarms = sum(bool(guard.hit(n, f"picturebook:{n}", None, q.question, q.options)) for n, q in asked)
    return [
        Line("picturebook: sealed picture, another question", len(sealed), copies, "all"),
        Line("picturebook: new picture, a sealed question's words", len(sealed), alarms, "none"),
    ]


def lines(n_clouds: int = 5000) -> list[Line]:
    """The whole table."""
    found = [*picture_lines(n_clouds), *picturebook_lines()]
    if SHARED.is_dir():
        asked = {
            name: benchmarks.load(name, path=str(SHARED / path)).questions("all")
            for name, path in BENCHMARKS.items()
        }
        found += [line for name, some in asked.items() for line in question_lines(some, name)]
        found += question_alarms(asked)
    return found


def scale(n_pictures: int, n_questions: int) -> str:
    """Seconds and memory for so many pictures and questions: hashes and words are drawn at random."""
    pictures = f"{n_pictures:,} pictures, hashes at hand: {picture_scale(n_pictures)}"
    return f"{pictures}\n{n_questions:,} questions: {question_scale(n_questions, n_pictures)}"


def picture_scale(n: int) -> str:
    """What an index of so many pictures costs."""
    store = RandomStore(np.random.default_rng(0))
    pictures = [Picture(str(number)) for number in range(n)]
    before, start = memory(), time.process_time()
    index = PictureIndex(store, pictures)
    built, held = time.process_time() - start, memory() - before
    asked = [store.get(pictures[0]) for _ in range(200)]
    start = time.process_time()
    for hashes in asked:
        index.find(hashes)
    return cost(built, held, (time.process_time() - start) / len(asked))


def question_scale(n: int, n_pictures: int) -> str:
    """What a guard of so many questions of eight words costs."""
    words = random.Random(0)
    vocabulary = [f"word{number}" for number in range(20_000)]
    said = [" ".join(words.choices(vocabulary, k=8)) for _ in range(n)]
    questions = [
        Question(str(i), str(i % n_pictures), "", text, (), "", "", "") for i, text in enumerate(said)
    ]
    before, start = memory(), time.process_time()
    guard = guard_of(questions, "made")
    built, held = time.process_time() - start, memory() - before
    start = time.process_time()
    for text in said[:1000]:
        wording_hit(guard, text)
    return cost(built, held, (time.process_time() - start) / 1000)


def cost(built: float, held: float, looked: float) -> str:
    return f"{built:.1f} s, {held:,.0f} MB, {1e3 * looked:.2f} ms a look-up"


class RandomStore:
    """Stands in for a store of picture hashes."""

    def __init__(self, rng: np.random.Generator):
        self._rng = rng

    def get(self, picture: Picture) -> PictureHash:
        bits = self._rng.integers(0, 2**63, (len(PARTS), 5), dtype=np.uint64)
        return PictureHash(bits[:, 0], bits[:, 1:], np.zeros((SMALL, SMALL), np.uint8))


def memory() -> float:
    """What this process holds now, in MB (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def hashing_time(pictures: Sequence[Image.Image]) -> float:
    """Processor seconds to hash a picture that is open."""
    start = time.process_time()
    for picture in pictures:
        hash_picture(picture)
    return (time.process_time() - start) / len(pictures)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.contamination", description=__doc__)
    parser.add_argument("--pictures", type=int, default=120_000)
    parser.add_argument("--questions", type=int, default=500_000)
    options = parser.parse_args()
    print(f"{'planted':<66}{'n':>8}{'found':>8}{'share':>9}  wanted")
    for line in lines():
        print(line)
    print(f"\n{scale(options.pictures, options.questions)}")
    ours = 1e3 * hashing_time(clouds(50, seed=3, size=512))
    print(f"hashing: {ours:.1f} ms for a picture of 512 x 512 that is open")


if __name__ == "__main__":
    main()
