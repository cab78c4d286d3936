"""`python -m tests.vg_scale FOLDER --scale 1`: made-up annotations in Visual Genome's official files, at any
scale.

Layout, spelling (v1.4) and sizes are those of the real files: at scale 1 there are 108,077 images, 5.4
million regions, 3.8 million objects with 2.8 million attributes, and 2.3 million relations. Words are drawn
by Zipf's law. The files are streamed out: memory holds one image. The same seed gives the same files.
"""

import argparse
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

IMAGES = 108_077
A_IMAGE = {"objects": 3_802_374 / IMAGES, "relationships": 2_316_063 / IMAGES, "regions": 5_408_689 / IMAGES}
ATTRIBUTES = 2_800_000 / 3_802_374  # of an object, on average
IN_COCO = 51_208 / IMAGES
FILES = {
    "image_data.json": "image",
    "objects.json": "objects",
    "attributes.json": "attributes",
    "relationships.json": "relationships",
    "region_descriptions.json": "regions",
}
SYLLABLES = ("ba", "ko", "ri", "ten", "lu", "mas", "do", "wi", "fer", "sha", "no", "pel", "gu", "tri", "ven")
Entry = dict[str, Any]


class Words:
    """A vocabulary of made-up words, the n-th drawn in proportion to 1 / n."""

    def __init__(self, n_words: int, rng: random.Random):
        self._rng = rng
        self._words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(n_words)]
        self._weights = list(itertools.accumulate(1 / place for place in range(1, n_words + 1)))

    def draw(self, n: int) -> list[str]:
        return self._rng.choices(self._words, cum_weights=self._weights, k=n)


class Scenes:
    """Images with their annotations, one after another."""

    def __init__(self, seed: int):
        self._rng = random.Random(seed)
        self._nouns, self._adjectives, self._predicates, self._phrase_words = (
            Words(n, self._rng) for n in (20_000, 5_000, 2_000, 15_000)
        )
        self._ids = itertools.count(1)

    def entry(self, number: int) -> dict[str, Entry]:
        """The entries of one image, by the key that its file uses."""
        rng = self._rng
        image_id = number + 1 if number < 4_200 else 2_315_000 + number
        width, height = rng.choice(((800, 600), (500, 375), (375, 500), (500, 333), (1024, 768)))
        objects = [self._object(name, width, height) for name in self._nouns.draw(self._count("objects"))]
        regions = [self._region(image_id, width, height) for _ in range(self._count("regions"))]
        relations = [self._relation(*rng.choices(objects, k=2)) for _ in range(self._count("relationships"))]
        found = {
            "objects": objects,
            "attributes": [self._attributed(one) for one in objects],
            "relationships": relations,
        }
        folder = rng.choice(("VG_100K", "VG_100K_2"))
        return {
            "image": {
                "width": width,
                "url": f"https://cs.stanford.edu/people/rak248/{folder}/{image_id}.jpg",
                "height": height,
                "image_id": image_id,
                "coco_id": number + 7 if rng.random() < IN_COCO else None,
                "flickr_id": rng.randrange(10**10),
            },
            "regions": {"regions": regions, "id": image_id},
            **{key: {"image_id": image_id, key: items} for key, items in found.items()},
        }

    def _count(self, key: str) -> int:
        return 1 + int(2 * self._rng.random() * (A_IMAGE[key] - 1) + 0.5)

    def _box(self, width: int, height: int) -> tuple[int, int, int, int]:
        draw = self._rng.random
        x, y = int(draw() * width), int(draw() * height)
        return x, y, 1 + int(draw() * (width - x)), 1 + int(draw() * (height - y))

    def _object(self, name: str, width: int, height: int) -> Entry:
        x, y, w, h = self._box(width, height)
        synsets = [f"{name}.n.01"]
        return {"synsets": synsets, "h": h, "object_id": next(self._ids), "merged_object_ids": [],
                "names": [name], "w": w, "y": y, "x": x}  # fmt: skip

    def _attributed(self, one: Entry) -> Entry:
        n = int(2 * self._rng.random() * ATTRIBUTES + 0.5)
        entry = {key: value for key, value in one.items() if key != "merged_object_ids"}
        return {**entry, "attributes": self._adjectives.draw(n)} if n else entry

    def _relation(self, subject: Entry, other: Entry) -> Entry:
        predicate = self._predicates.draw(1)[0]
        return {"predicate": predicate, "object": other, "relationship_id": next(self._ids),
                "synsets": [f"{predicate}.r.01"], "subject": subject}  # fmt: skip

    def _region(self, image_id: int, width: int, height: int) -> Entry:
        x, y, w, h = self._box(width, height)
        phrase = " ".join(self._phrase_words.draw(3 + int(self._rng.random() * 5)))
        return {"region_id": next(self._ids), "width": w, "height": h, "image_id": image_id,
                "phrase": phrase, "y": y, "x": x}  # fmt: skip


def entries(n_images: int, seed: int = 0) -> Iterator[dict[str, Entry]]:
    """The entries of `n_images` images."""
    scenes = Scenes(seed)
    return (scenes.entry(number) for number in range(n_images))


def write(folder: Path, n_images: int, seed: int = 0) -> int:
    """Write the five official files and return their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        opened = {key: stack.enter_context((folder / name).open("w", encoding="utf-8"))
                  for name, key in FILES.items()}  # fmt: skip
        for number, parts in enumerate(entries(n_images, seed)):
            for key, file in opened.items():
                file.write((", " if number else "[") + json.dumps(parts[key]))
        for file in opened.values():
            file.write("]")
    return sum((folder / name).stat().st_size for name in FILES)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.vg_scale", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="1: as large as Visual Genome")
    given = parser.parse_args(arguments)
    print(f"{write(given.folder, max(1, round(IMAGES * given.scale))) / 1e6:,.0f} MB in {given.folder}")


if __name__ == "__main__":
    main()
