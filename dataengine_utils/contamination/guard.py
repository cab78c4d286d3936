"""What of the benchmarks is kept out of the training data, and how a sample is looked up."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..benchmarks import Benchmark
from ..benchmarks.official import OfficialBenchmark
from ..errors import KitError
from ..images import SCHEMES
from ..records import Question
from .names import DRAWN, CocoId, coco_names, names_of
from .pictures import Picture, PictureIndex, PictureStore
from .wordings import Asked, Wordings, digest

REASONS = (
    "image of a benchmark",
    "image of a benchmark by its COCO id",
    "question of a benchmark",
    "looks like an image of a benchmark",
)
_BY_NAME, _BY_COCO, _BY_WORDING, _BY_LOOKS = REASONS


@dataclass(frozen=True)
class Hit:
    """Why a sample may not be used: a reason of `REASONS`, and what of which benchmark it meets."""

    reason: str
    met: str


@dataclass(frozen=True)
class Protected:
    """A benchmark's question with the names of its picture and of the same picture in COCO."""

    benchmark: str
    root: Path | None
    question: Question
    names: tuple[str, ...]
    twins: tuple[str, ...]

    @property
    def label(self) -> str:
        """The benchmark and the picture, or the question where there is none, for people to read."""
        question = self.question
        return f"{self.benchmark} {question.image_id or question.image or question.group or question.id}"

    @property
    def picture(self) -> str:
        """One name for the picture, whichever benchmark asks about it."""
        return next(iter((*self.twins, *self.names)), self.label)


class Guard:
    """The pictures and questions that no sample may meet; `Guard.of` makes one from benchmarks.

    `source` is the image source's name, `coco_id` its map from Visual Genome's image ids to COCO's. Pictures
    are hashed once, into the file `cache` or in memory; with `look` False none is opened. `missing` are those
    of the benchmarks that cannot be read (where -> why), `unread` counts the samples' own: names and
    wordings decide alone there, as they do for drawn pictures.
    """

    def __init__(
        self,
        protected: Iterable[Protected],
        *,
        source: str = "",
        coco_id: CocoId | None = None,
        cache: Path | None = None,
        look: bool = True,
    ):
        protected = list(protected)
        self._source, self._coco_id = source, coco_id
        self._names = _labels((name, one) for one in protected for name in one.names)
        self._twins = _labels((name, one) for one in protected for name in one.twins)
        self._wordings = Wordings(_asked(protected))
        self._looks = _Looks(protected if look else [], PictureStore(cache))
        self.n_questions, self.n_pictures = len(protected), len({one.picture for one in protected})
        self.unread = 0

    @classmethod
    def of(
        cls,
        benchmarks: Iterable[Benchmark] = (),
        *,
        sealed: Benchmark | None = None,
        source: str = "",
        coco_id: CocoId | None = None,
        cache: Path | None = None,
        look: bool = True,
    ) -> "Guard":
        """Guard the sealed questions of the run's own benchmark, `sealed`, and all those of `benchmarks`."""
        asked = [(benchmark, "all") for benchmark in benchmarks]
        asked += [(sealed, "sealed")] if sealed else []
        protected = (_protect(b, q, coco_id) for b, split in asked for q in b.questions(split))
        return cls(protected, source=source, coco_id=coco_id, cache=cache, look=look)

    @property
    def missing(self) -> Mapping[str, str]:
        """The benchmarks' pictures that cannot be read: where -> why."""
        return self._looks.missing

    def __str__(self) -> str:
        said = [f"{self.n_questions:,} questions about {self.n_pictures:,} pictures are guarded"]
        if self.missing:
            first = next(iter(self.missing.values()))
            said.append(
                f"{len(self.missing):,} of the pictures cannot be read and are known by name only ({first})"
            )
        if self._looks.blank:
            said.append(f"{self._looks.blank:,} are blank and known by name only")
        if self.unread:
            said.append(f"{self.unread:,} samples' pictures cannot be read and were judged by name only")
        return "; ".join(said)

    def hit(
        self, image_id: str, image: str, root: Path | None, question: str, options: Sequence[str] = ()
    ) -> str:
        """One of `REASONS`, or "" for a sample that meets no benchmark.

        `image` is a reference for `images.open_image`; a path counts from `root`.
        """
        found = self.find(image_id, image, root, question, options)
        return found.reason if found else ""

    def find(
        self, image_id: str, image: str, root: Path | None, question: str, options: Sequence[str] = ()
    ) -> Hit | None:
        """As `hit`, with what was met; the cheapest way to know comes first."""
        names = names_of(image_id, image, root, self._source)
        twins = coco_names(names, self._coco_id)
        ways = (
            (_BY_NAME, self._names, names),
            (_BY_COCO, self._names, twins),
            (_BY_COCO, self._twins, names),
            (_BY_COCO, self._twins, twins),
        )
        for reason, known, own in ways:
            met = next((known[name] for name in own if name in known), "")
            if met:
                return Hit(reason, met)
        wording = self._wordings.find(question, options)
        if wording:
            return Hit(_BY_WORDING, wording)
        looks = self._like(image, root)
        return Hit(_BY_LOOKS, looks) if looks else None

    def _like(self, image: str, root: Path | None) -> str:
        if not self._looks.index.pictures or not _is_open(image, root):
            return ""
        try:
            return self._looks.like(Picture(image, root))
        except KitError:
            self.unread += 1
            return ""


class _Looks:
    """The benchmarks' pictures, hashed, and what to call them."""

    def __init__(self, protected: Sequence[Protected], store: PictureStore):
        self._store = store
        shown = {
            Picture(one.question.image, one.root): one.label
            for one in reversed(protected)
            if _is_open(one.question.image, one.root)
        }
        self.missing = store.fill(list(shown))
        readable = [picture for picture in shown if picture.key not in self.missing]
        self.index = PictureIndex(store, readable)
        self._labels = {picture: shown[picture] for picture in readable}

    @property
    def blank(self) -> int:
        return self.index.blank

    def like(self, picture: Picture) -> str:
        """The label of the benchmark's picture that this one is a copy of, "" for none."""
        hashes = self._store.get(picture)
        found = self.index.find(hashes) if hashes else None
        return self._labels[found] if found else ""


def _protect(benchmark: Benchmark, question: Question, coco_id: CocoId | None) -> Protected:
    collection = benchmark.name if isinstance(benchmark, OfficialBenchmark) else ""
    names = names_of(question.image_id, question.image, benchmark.root, collection)
    return Protected(
        benchmark.name, benchmark.root, question, tuple(names), tuple(coco_names(names, coco_id))
    )


def _labels(named: Iterable[tuple[str, Protected]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, one in named:
        found.setdefault(name, one.label)
    return found


def _asked(protected: Iterable[Protected]) -> Iterator[Asked]:
    """The questions whose words say something: one that states its facts was filled into a template."""
    for one in protected:
        if not one.question.facts:
            label = f"{one.benchmark} {one.question.id}"
            yield Asked(label, digest(one.picture), one.question.question, one.question.options)


def _is_open(image: str, root: Path | None) -> bool:
    """Whether there is a picture to look at, and one that is not known by its seed."""
    known = root is not None or os.path.isabs(image) or image.partition(":")[0] in SCHEMES
    return bool(image) and known and not image.startswith(DRAWN)
