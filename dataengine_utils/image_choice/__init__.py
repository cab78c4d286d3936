"""Which image a query gets, none twice: any, one near a bad case's picture, or all kinds in turn."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records import BadCase
from ..registry import build
from .choices import MAX_TRIES, CoverImages, ImageChoice, NearImages, RandomImages

if TYPE_CHECKING:
    from ..benchmarks import Benchmark
    from ..images import ImageSource
    from ..images.embeddings import Embeddings

IMAGE_CHOICES = {
    "random": "dataengine_utils.image_choice:any_images",
    "near": "dataengine_utils.image_choice:near_images",
    "cover": "dataengine_utils.image_choice:all_kinds_of_images",
}
"""Name -> what makes the chooser; your own is "package.module:function" (see `any_images`)."""

NEIGHBOURS = 1000  # of a bad case's picture, as in the paper's v1
MOST_CLUSTERS, IN_CLUSTER = 256, 20  # clusters, and the images that one has on average at least
_FITTED = 20_000  # images that clusters are found on


@dataclass(frozen=True)
class Chooser:
    """Makes the choice for some image ids, those already used, and a random generator. `note` says how."""

    note: str
    make: Callable[[Sequence[str], Collection[str], random.Random], ImageChoice]

    def __call__(self, image_ids: Sequence[str], used: Collection[str], rng: random.Random) -> ImageChoice:
        return self.make(image_ids, used, rng)


def image_chooser(
    name: str,
    source: "ImageSource",
    benchmark: "Benchmark",
    bad_cases: Sequence[BadCase],
    *,
    folder: Path,
    **options: Any,
) -> Chooser:
    """The chooser of that name (see `IMAGE_CHOICES`) for the images of a source.

    "near" and "cover" need vectors of the pictures (`images.embeddings`): those that the command `embed` has
    left beside the source's data, else they are computed into `folder`. Their options are `model` (that gives
    the vectors; see `model_for`), `pool` (how many of the source's images are looked at; see `pool_of`) and
    for "near" `neighbours`. An unknown name or option raises `KitError`.
    """
    places = {"source": source, "benchmark": benchmark, "bad_cases": bad_cases, "folder": folder}
    chooser: Chooser = build("image choice", IMAGE_CHOICES, name, {**places, **options})
    return chooser


def any_images(
    source: "ImageSource", benchmark: "Benchmark", bad_cases: Sequence[BadCase], folder: Path
) -> Chooser:
    """Every unused image is as likely."""
    return Chooser("every image is as likely", RandomImages)


def near_images(
    source: "ImageSource",
    benchmark: "Benchmark",
    bad_cases: Sequence[BadCase],
    folder: Path,
    model: str = "",
    pool: int | None = None,
    neighbours: int = NEIGHBOURS,
) -> Chooser:
    """Every second query takes one of the images nearest to the picture of one of its bad cases (paper, v1).
    """
    from ..images.embeddings import embed
    from ..images.similar import nearest

    encoder, found = _embedded(source, folder, model, pool)
    picture_of = {question.id: question.image for question in benchmark.questions("diagnose")}
    shown = dict.fromkeys(filter(None, (picture_of.get(case.question_id) for case in bad_cases)))
    anchors = embed(
        list(shown), str, encoder, folder, name=f"benchmark {benchmark.name}", root=benchmark.root
    )
    rows = dict(zip(anchors.ids, nearest(anchors.vectors, found.vectors, neighbours).rows, strict=True))

    def near(case: BadCase) -> list[str]:
        return [found.ids[row] for row in rows.get(picture_of.get(case.question_id, ""), ())]

    n_near = min(neighbours, len(found.ids))
    note = f"every second image is one of the {n_near:,} nearest to a bad case's picture, of {_of(found)}"
    return Chooser(" ".join(filter(None, (note, anchors.note()))), partial(NearImages, near=near))


def all_kinds_of_images(
    source: "ImageSource",
    benchmark: "Benchmark",
    bad_cases: Sequence[BadCase],
    folder: Path,
    model: str = "",
    pool: int | None = None,
) -> Chooser:
    """The images are clustered by their vectors, and the clusters give one each in turn."""
    _, found = _embedded(source, folder, model, pool)
    clusters = cluster(found)
    note = f"images of {len(clusters):,} clusters in turn, of {_of(found)}"
    return Chooser(note, partial(CoverImages, groups=clusters))


def cluster(found: "Embeddings", n: int | None = None) -> list[list[str]]:
    """The ids in `n` groups of alike pictures (k-means on their directions), by default of 20 or more each.

    Always the same for the same vectors; groups that stay empty are left out.
    """
    import numpy as np
    from sklearn.cluster import KMeans

    from ..images.similar import nearest, unit

    n = n or max(1, min(MOST_CLUSTERS, len(found.ids) // IN_CLUSTER))
    places = np.random.default_rng(0).permutation(len(found.ids))[:_FITTED]
    directions = unit(found.vectors[np.sort(places)]).astype(np.float64)  # the order of sums changes nothing
    centres = KMeans(n, n_init=1, max_iter=50, random_state=0).fit(directions).cluster_centers_
    groups: list[list[str]] = [[] for _ in range(n)]
    for image_id, row in zip(found.ids, nearest(found.vectors, centres, 1).rows[:, 0], strict=True):
        groups[row].append(image_id)
    return [group for group in groups if group]


def _embedded(source: "ImageSource", folder: Path, model: str, pool: int | None) -> tuple[Any, "Embeddings"]:
    """The encoder and the vectors of a source's images: those beside its data if there are any."""
    from ..images.embeddings import embed_source, model_for, store_beside
    from ..images.encoders import TorchEncoder

    encoder = TorchEncoder(model or model_for(source))
    return encoder, embed_source(source, encoder, store_beside(source, encoder) or folder, n=pool)


def _of(found: "Embeddings") -> str:
    return " ".join(filter(None, (f"{len(found.ids):,} images.", found.note())))


__all__ = [
    "IMAGE_CHOICES", "MAX_TRIES", "Chooser", "CoverImages", "ImageChoice", "NearImages", "RandomImages",
    "cluster", "image_chooser",
]
