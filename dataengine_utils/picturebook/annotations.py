"""A scene's exact facts in Visual Genome's schema: objects, attributes, relationships, regions, text."""

from typing import Any

from ..records import ImageObject, ImageRecord, Region, Relation, TextBox
from .world import SIZE, Scene, sample_scene

WHOLE = (0, 0, SIZE, SIZE)


def image_record(seed: int) -> ImageRecord:
    """All annotations of one seed's picture. Object 0 is the place, with the sky's state as its attribute."""
    scene = sample_scene(seed)
    place = ImageObject(_object_id(scene, 0), scene.setting, WHOLE, (scene.sky,))
    things = tuple(
        ImageObject(_object_id(scene, n), thing.kind, thing.box, (thing.colour, thing.size))
        for n, thing in enumerate(scene.things, start=1)
    )
    relations = tuple(
        Relation(_object_id(scene, i.subject + 1), i.action, _object_id(scene, i.object + 1))
        for i in scene.interactions
    )
    texts = tuple(TextBox(thing.word, thing.box) for thing in scene.things if thing.word)
    return ImageRecord(
        image_id=str(seed), image=f"picturebook:{seed}", width=SIZE, height=SIZE,
        objects=(place, *things), relations=relations, regions=_regions(scene), texts=texts,
    )


def visual_genome(seeds: "list[int] | range") -> dict[str, list[dict[str, Any]]]:
    """The scenes as Visual Genome's own files: file name -> content, ready for `json.dump`."""
    records = [image_record(seed) for seed in seeds]
    return {
        "image_data.json": [_image_entry(record) for record in records],
        "objects.json": [
            _entry(record, "objects", [_object_entry(o) for o in record.objects]) for record in records
        ],
        "attributes.json": [
            _entry(record, "attributes",
                   [_object_entry(o) | {"attributes": list(o.attributes)} for o in record.objects])
            for record in records
        ],
        "relationships.json": [
            _entry(record, "relationships", _relation_entries(record)) for record in records
        ],
        "region_descriptions.json": [_region_entry(record) for record in records],
    }


def _object_id(scene: Scene, n: int) -> int:
    return scene.seed * 100 + n


def _regions(scene: Scene) -> tuple[Region, ...]:
    regions = [Region(f"a {scene.sky} {scene.setting}", WHOLE)]
    for thing in scene.things:
        says = f' that says "{thing.word}"' if thing.word else ""
        regions.append(Region(f"a {thing.size} {thing.colour} {thing.kind}{says}", thing.box))
    for i in scene.interactions:
        subject, partner = scene.things[i.subject], scene.things[i.object]
        phrase = f"{subject.kind} in {subject.colour} {i.action} a {partner.colour} {partner.kind}"
        regions.append(Region(phrase, _union(subject.box, partner.box)))
    return tuple(regions)


def _union(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    left, top = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    return left, top, right - left, bottom - top


def _image_entry(record: ImageRecord) -> dict[str, Any]:
    return {"image_id": int(record.image_id), "width": record.width, "height": record.height,
            "url": record.image, "coco_id": None, "flickr_id": None}


def _entry(record: ImageRecord, key: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    return {"image_id": int(record.image_id), key: values}


def _object_entry(o: ImageObject) -> dict[str, Any]:
    x, y, w, h = o.box
    return {"object_id": o.object_id, "names": [o.name], "synsets": [], "x": x, "y": y, "w": w, "h": h}


def _relation_entries(record: ImageRecord) -> list[dict[str, Any]]:
    by_id = {o.object_id: o for o in record.objects}
    return [
        {"relationship_id": n, "predicate": r.predicate, "synsets": [],
         "subject": _object_entry(by_id[r.subject]), "object": _object_entry(by_id[r.object])}
        for n, r in enumerate(record.relations)
    ]


def _region_entry(record: ImageRecord) -> dict[str, Any]:
    image_id = int(record.image_id)
    regions = [
        {"region_id": n, "image_id": image_id, "phrase": r.phrase,
         "x": r.box[0], "y": r.box[1], "width": r.box[2], "height": r.box[3]}
        for n, r in enumerate(record.regions)
    ]
    return {"id": image_id, "regions": regions}
