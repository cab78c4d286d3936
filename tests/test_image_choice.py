import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine_utils import benchmarks, images
from dataengine_utils.errors import KitError
from dataengine_utils.image_choice import (
    MAX_TRIES,
    CoverImages,
    NearImages,
    RandomImages,
    cluster,
    image_chooser,
)
from dataengine_utils.images.embeddings import Embeddings, embed_source
from dataengine_utils.images.encoders import TorchEncoder
from dataengine_utils.images.similar import nearest
from dataengine_utils.records import BadCase, TypeWeakness
from dataengine_utils.sampling import sample_queries

IMAGES = [str(n) for n in range(600)]
TABLE = [TypeWeakness("Counting", 9, 3, 6, 0, 0.3, 0.1, 0.6, 1.0, 6)]
CASES = [BadCase(f"q{n}", "Counting", f"p{n}", "How many?", ("1", "2"), "1", "B") for n in range(8)]
NEAR = {f"q{n}": IMAGES[n * 50 : n * 50 + 40] for n in range(7)}  # none are near q7


def near(case):
    return NEAR.get(case.question_id, ())


def near_choice(image_ids, used, rng):
    return NearImages(image_ids, used, rng, near=near)


def cover_choice(image_ids, used, rng):
    return CoverImages(image_ids, used, rng, groups=[IMAGES[:300], IMAGES[300:310], IMAGES[310:340]])


CHOICES = {"random": RandomImages, "near": near_choice, "cover": cover_choice}


def draw(choose, seed=0, budget=100, **options):
    options = {"image_ids": IMAGES, "in_context": 2, **options}
    image_ids = options.pop("image_ids")
    return sample_queries(
        TABLE, CASES, image_ids, budget=budget, rng=random.Random(seed), choose=choose, **options
    )


@pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), n_used=st.integers(0, 500), rare=st.booleans())
def test_no_image_serves_twice_and_the_seed_decides(choose, seed, n_used, rare):
    used = set(random.Random(seed).sample(IMAGES, n_used))
    options = {"used": used, "fits": (lambda image, name: int(image) % 7 == 0) if rare else None}
    queries = draw(choose, seed, budget=100, **options)
    taken = [query.image_id for query in queries]
    assert len(set(taken)) == 100 and not used & set(taken) and set(taken) <= set(IMAGES)
    assert queries == draw(choose, seed, budget=100, **options)
    assert [query.id for query in queries] != [query.id for query in draw(choose, seed + 1, **options)]


@pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES)
def test_the_last_images_are_given_and_then_no_more(choose):
    assert {query.image_id for query in draw(choose, budget=600)} == set(IMAGES)
    with pytest.raises(KitError, match="has 599; lower budget or over_generate"):
        draw(choose, budget=600, used={"5"})


def test_random_is_what_it_was_before_there_was_a_choice():
    """Draws of the version that knew no other choice, for the same seed."""
    taken = [query.image_id for query in draw(RandomImages, budget=6)]
    assert taken == ["310", "597", "142", "97", "150", "75"]
    assert draw(RandomImages) == sample_queries(
        TABLE, CASES, IMAGES, budget=100, in_context=2, rng=random.Random(0)
    )


def test_every_second_image_is_near_the_picture_of_a_bad_case_shown():
    queries = draw(near_choice, budget=60)
    for number, query in enumerate(queries):
        nearby = next(filter(None, map(near, query.bad_cases)))
        if number % 2 == 0:
            assert query.image_id in nearby
    others = [query for query in queries[1::2]]
    share = np.mean([any(query.image_id in near(case) for case in query.bad_cases) for query in others])
    assert share < 0.4  # any of 600 images, of which 80 are near one of two cases


def test_where_nothing_is_near_any_image_will_do():
    def only_seven(image, name):
        return image == "7"

    assert len(draw(near_choice, budget=10, in_context=0)) == 10
    assert len(draw(near_choice, budget=10, fits=only_seven)) == 10
    taken = draw(near_choice, budget=590)  # more than are near anything
    assert len({query.image_id for query in taken}) == 590


def test_the_search_for_an_image_that_fits_is_bounded():
    for choose in CHOICES.values():
        asked = []
        draw(choose, budget=10, fits=lambda image, name, asked=asked: asked.append(image))
        assert len(asked) <= 2 * MAX_TRIES * 10


def test_near_takes_what_fits():
    queries = draw(near_choice, budget=20, fits=lambda image, name: int(image) % 5 == 0)
    assert all(int(query.image_id) % 5 == 0 for query in queries)


def test_groups_take_turns():
    queries = draw(cover_choice, budget=30)
    taken = [int(query.image_id) for query in queries]
    assert Counter(0 if n < 300 else 1 if n < 310 else 2 for n in taken) == {0: 10, 1: 10, 2: 10}
    rest = [int(query.image_id) for query in draw(cover_choice, budget=500)]
    assert len([n for n in rest if n >= 340]) >= 160  # the groups hold 340 images, then any are taken


def made_up(n, seed=0, n_groups=40):
    """Vectors in groups of very differing size, and the group of each."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_groups, 16))
    weights = 1 / np.arange(1, n_groups + 1) ** 1.5
    groups = rng.choice(n_groups, n, p=weights / weights.sum())
    vectors = centres[groups] + 0.3 * rng.standard_normal((n, 16))
    return Embeddings(tuple(map(str, range(n))), vectors.astype(np.float16), {}), groups


def test_clusters_are_the_groups_that_there_are():
    found, groups = made_up(2000, n_groups=10)
    clusters = cluster(found)
    assert clusters == cluster(found) and len(clusters) <= 100
    assert sorted(image_id for group in clusters for image_id in group) == sorted(found.ids)
    pure = sum(max(Counter(groups[int(i)] for i in group).values()) for group in clusters)
    assert pure / 2000 > 0.95
    assert cluster(found.only(["1", "2"])) == [["1", "2"]]


def distance_to_chosen(found, taken):
    """How far (1 - cosine) the images are from the nearest that was chosen, on average."""
    return 1 - nearest(found.vectors, found.only(taken).vectors, 1).cosines.mean()


@pytest.mark.parametrize("seed", range(3))
def test_cover_covers_better_than_random(seed):
    found, groups = made_up(3000, seed)
    ids, clusters = list(found.ids), cluster(found)

    def choose(image_ids, used, rng):
        return CoverImages(image_ids, used, rng, groups=clusters)

    reached, far = {}, {}
    for name, way in (("random", RandomImages), ("cover", choose)):
        taken = [query.image_id for query in draw(way, seed, budget=80, image_ids=ids)]
        reached[name] = len({groups[int(image_id)] for image_id in taken})
        far[name] = distance_to_chosen(found, taken)
    assert reached["cover"] >= reached["random"] + 8
    assert far["cover"] < far["random"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The embedded world: source, benchmark, some bad cases of it, and a folder for vectors."""
    benchmark = benchmarks.load("picturebook", diagnose=18, sealed=1)
    cases = [BadCase(q.id, "Counting", q.image_id, q.question, q.options, q.answer, "")
             for q in benchmark.questions("diagnose")]  # fmt: skip
    return images.load("picturebook"), benchmark, cases, tmp_path_factory.mktemp("vectors")


def choose_by(name, world, **options):
    source, benchmark, cases, folder = world
    return image_chooser(name, source, benchmark, cases, folder=folder, **options)


def sampled(chooser, world, budget=40):
    source, _, cases, _ = world
    return sample_queries(
        TABLE, cases, source.ids(), budget=budget, in_context=2, rng=random.Random(0), choose=chooser
    )


def test_near_of_the_embedded_world(world):
    chooser = choose_by("near", world, pool=300, neighbours=20)  # by the student's tower, for it is drawn
    assert chooser.note == (
        "every second image is one of the 20 nearest to a bad case's picture, of 300 images."
    )
    source, _, _, folder = world
    encoder = TorchEncoder("picturebook")
    pool = embed_source(source, encoder, folder, n=300)
    for number, query in enumerate(sampled(chooser, world)):
        shown = encoder([images.open_image(f"picturebook:{case.image_id}") for case in query.bad_cases])
        nearby = {pool.ids[row] for row in nearest(shown, pool.vectors, 25).rows.ravel()}
        assert number % 2 or query.image_id in nearby


def test_cover_of_the_embedded_world(world):
    """Its pictures are drawn evenly, which leaves little to gain: more of its 40 places in a weather."""
    source, _, _, folder = world
    chooser = choose_by("cover", world, model="picturebook", pool=400)
    assert chooser.note == "images of 20 clusters in turn, of 400 images."
    pool = embed_source(source, TorchEncoder("picturebook"), folder, n=400)
    assert {query.image_id for query in sampled(chooser, world)} <= set(pool.ids)
    place = {image_id: source.record(image_id).objects[0] for image_id in pool.ids}
    met = {}
    for name, choose in (("cover", chooser), ("random", RandomImages)):
        choices = [choose(list(pool.ids), (), random.Random(seed)) for seed in range(20)]
        taken = [{choice.take(lambda image_id: True, tuple) for _ in range(20)} for choice in choices]
        met[name] = np.mean([len({(place[i].name, place[i].attributes) for i in one}) for one in taken])
    assert met["cover"] > met["random"] + 1


def test_vectors_beside_the_data_are_used(world, tmp_path):
    from PIL import Image

    for n in range(25):
        Image.effect_noise((20, 20), 9 * n).convert("RGB").save(tmp_path / f"{n}.png")
    line = '{{"image_id": "{0}", "image": "{0}.png", "width": 20, "height": 20}}\n'
    (tmp_path / "annotations.jsonl").write_text("".join(line.format(n) for n in range(25)))
    source = images.load("folder", path=str(tmp_path))
    embed_source(source, TorchEncoder("picturebook"))
    elsewhere = tmp_path / "run"
    image_chooser("cover", source, world[1], [], folder=elsewhere, model="picturebook")
    assert not elsewhere.exists()
    chooser = image_chooser("near", source, world[1], [], folder=elsewhere, model="picturebook")
    assert not elsewhere.exists() and len(chooser(source.ids(), (), random.Random(0))) == 25


def mine(source, benchmark, bad_cases, folder, first="0"):
    """A choice of one's own."""
    return lambda image_ids, used, rng: RandomImages([first, *image_ids[:9]], used, rng)


def test_names_and_options(world):
    assert choose_by("random", world).note == "every image is as likely"
    assert len(choose_by(f"{__name__}:mine", world, first="x")(IMAGES, (), random.Random(0))) == 10
    with pytest.raises(KitError, match="unknown image choice 'nearby'; known: cover, near, random"):
        choose_by("nearby", world)
    with pytest.raises(KitError, match="unknown option 'neighbours'"):
        choose_by("cover", world, neighbours=3)
    with pytest.raises(KitError, match="0 neighbours"):
        choose_by("near", world, model="picturebook", pool=20, neighbours=0)
