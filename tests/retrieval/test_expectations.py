"""Usual best scores against all cosines; and, with the packaged encoder, on drawn textures."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from indexed import APPROXIMATE, DIMENSION, EXACT, Collection, unit_rows
from support import encode, noise_image

from veneer.encoders.config import EncoderConfig
from veneer.encoders.encoder import open_encoder
from veneer.errors import VeneerError
from veneer.images import sha_of, to_rgb
from veneer.retrieval.build import plan_update, write_index
from veneer.retrieval.expectations import (
    MOST_LABELS,
    UNSEEN,
    expected_pictures,
    expected_words,
    low_score,
    usual_scores,
)
from veneer.retrieval.index import Index
from veneer.retrieval.options import (
    EvaluationOptions,
    RetrievalOptions,
    SearchOptions,
    TwinOptions,
)
from veneer.retrieval.search import Query, search
from veneer.schema import SPLITS, embedding_schema
from veneer.sources.textures import sample_files

# As thorough as can be, so that what is found through an index of vectors is known.
THOROUGH = EXACT.model_copy(update={"nprobes": 100, "refine_factor": 50})
OPTIONS = RetrievalOptions(
    thumbnail=32,
    approximate=THOROUGH,
    search=SearchOptions(templates=["{}", "a {} one"], image_weight=0.5),
    evaluation=EvaluationOptions(relevance="label", most_queries=100),
    twins=TwinOptions(threshold=None, most_rows=100),
)
PLAIN = OPTIONS.model_copy(update={"search": SearchOptions(templates=["{}"], image_weight=0.5)})
KINDS = ("cobwebbed", "honeycombed", "polka-dotted", "spiralled", "striped", "zigzagged")


class FakeEncoder:
    """Vectors that depend on nothing but the texts, which are counted."""

    name, fingerprint, dimension = "fake", "an encoder", DIMENSION
    text_tower = object()

    def __init__(self):
        self.texts = []

    def embed_texts(self, texts):
        self.texts += texts
        return unit_rows([sha_of(text.encode()) for text in texts])


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Of 30 images, three of them twice or more."""
    collection = Collection(tmp_path_factory.mktemp("collection"), {"banded": 18, "dotted": 12})
    for number, copies in {0: 1, 1: 2, 2: 20}.items():
        data = (collection.images / f"banded/{number:03d}.png").read_bytes()
        for copy in range(copies):
            (collection.images / f"dotted/copy-{number}-{copy}.png").write_bytes(data)
    return collection


@pytest.fixture(scope="module", params=[EXACT, APPROXIMATE], ids=["exact", "approximate"])
def index(request, collection):
    index = collection.build(options=request.param)
    assert index.is_approximate == (request.param is APPROXIMATE) and index.rows == 53
    return index


def best_of_others(shas):
    """The best cosine of each sha to any other one."""
    vectors = unit_rows(shas).astype(np.float64)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return cosines.max(axis=1)


def shas_of(index):
    return sorted(set(index.table(["sha"])["sha"].to_pylist()))


# --- usual scores ------------------------------------------------------------------------------


def test_words_have_the_score_of_the_nearest_image(index):
    queries = FakeEncoder().embed_texts(["moss", "bark", "sand"])
    everything = unit_rows(shas_of(index)).astype(np.float64) @ queries.T
    found = usual_scores(index, queries, OPTIONS.approximate)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, everything.max(axis=0), atol=1e-6)


def test_images_and_their_copies_are_not_their_own_results(index):
    shas = shas_of(index)
    assert len(shas) == 30
    found = usual_scores(index, unit_rows(shas), OPTIONS.approximate, shas)
    np.testing.assert_allclose(found, best_of_others(shas), atol=1e-6)
    assert found.max() < 0.99
    np.testing.assert_allclose(usual_scores(index, unit_rows(shas), OPTIONS.approximate), 1)


def test_without_any_other_image_there_is_no_score(tmp_path):
    index = Collection(tmp_path, {"banded": 1}).build()
    (sha,) = shas_of(index)
    assert np.isnan(usual_scores(index, unit_rows([sha]), OPTIONS.approximate, [sha])).all()
    none = usual_scores(index, np.empty((0, DIMENSION), np.float32), OPTIONS.approximate)
    assert none.shape == (0,) and none.dtype == np.float32


def test_each_image_needs_its_sha(index):
    with pytest.raises(ValueError, match="shorter"):
        usual_scores(index, unit_rows(["00", "01"]), OPTIONS.approximate, ["00"])


# --- the threshold -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "share", "rank"),
    [
        (1, 0.05, 1),
        (18, 0.05, 1),
        (38, 0.05, 1),
        (39, 0.05, 2),
        (59, 0.05, 3),
        (199, 0.05, 10),
        (9, 0.3, 3),
        (9, 0.0, 1),
        (9, 1.0, 9),
    ],
)
def test_it_is_a_score_of_the_right_rank(count, share, rank):
    scores = np.random.default_rng(count).permutation(count) / 100
    assert low_score(scores, share) == pytest.approx((rank - 1) / 100)


def test_few_queries_of_the_same_kind_are_below():
    """The promise of conformal prediction, held on average over many reference sets."""
    rng = np.random.default_rng(0)
    for count in (39, 100):
        drawn = rng.gumbel(size=(4000, count + 1))
        below = np.mean([row[-1] < low_score(row[:-1]) for row in drawn])
        assert 0.03 < below <= 0.06


@pytest.mark.parametrize("scores", [[], [0.1, np.nan]])
def test_no_scores_no_threshold(scores):
    with pytest.raises(ValueError, match="at least one"):
        low_score(np.array(scores))


# --- both kinds of queries ---------------------------------------------------------------------


def test_pictures_are_compared_with_the_collections_own(index):
    usual = np.sort(best_of_others(shas_of(index)))
    assert expected_pictures(index, OPTIONS, seed=0) == pytest.approx(usual[0], abs=1e-6)
    third = expected_pictures(index, OPTIONS, seed=0, share=0.1)
    assert third == pytest.approx(usual[2], abs=1e-6)


def test_the_sample_depends_on_nothing_but_the_seed(index, collection):
    found = [expected_pictures(index, OPTIONS, seed, sample=4) for seed in range(12)]
    assert found == [expected_pictures(index, OPTIONS, seed, sample=4) for seed in range(12)]
    assert len(set(found)) > 2
    usual = np.float32(best_of_others(shas_of(index)))
    assert all(np.abs(usual - each).min() < 1e-6 for each in found)
    rows = collection.rows()
    other = Collection(collection.folder.parent / "other", {})
    other.images = collection.images
    reversed_ = other.build(rows.take(list(range(len(rows) - 1, -1, -1))))
    again = [expected_pictures(reversed_, OPTIONS, seed, sample=4) for seed in range(12)]
    np.testing.assert_allclose(again, found, atol=1e-6)


def test_images_are_drawn_evenly(index, monkeypatch):
    """Each image, not each copy, is drawn about equally often."""
    drawn = []
    monkeypatch.setattr(
        "veneer.retrieval.expectations.usual_scores",
        lambda index, vectors, options, shas: drawn.extend(shas) or np.zeros(len(shas)),
    )
    for seed in range(300):
        expected_pictures(index, OPTIONS, seed, sample=6)
    counts = [drawn.count(sha) for sha in shas_of(index)]
    assert sum(counts) == 1800
    # The gaps between 30 hashes are uneven; of more images they are less so.
    assert min(counts) > 0 and max(counts) < 180


def test_too_few_images_expect_nothing(tmp_path):
    collection = Collection(tmp_path, {"banded": 2})
    (collection.images / "banded/copy.png").write_bytes(encode(noise_image(0)))
    assert expected_pictures(collection.build(), OPTIONS, seed=0) is None
    (collection.images / "banded/other.png").write_bytes(encode(noise_image(7)))
    assert expected_pictures(collection.build(), OPTIONS, seed=0) is not None


def test_words_are_compared_with_labels_and_with_words_that_nothing_shows(index):
    labels = [" banded", "dotted", "dotted ", "", "it's"]
    everything = unit_rows(shas_of(index)).astype(np.float64)

    def best(words):
        vectors = []
        for word in words:
            both = FakeEncoder().embed_texts([word, f"a {word} one"]).mean(axis=0)
            vectors.append(both / np.linalg.norm(both))
        return np.sort((everything @ np.array(vectors).T).max(axis=0))

    named, unseen = best(["banded", "dotted", "it's"]), best(UNSEEN)
    wanted = min(named[0], unseen[-3])  # 3 is 5 % of 60
    found = expected_words(index, FakeEncoder(), OPTIONS, labels)
    assert found == pytest.approx(wanted, abs=1e-6)
    many = expected_words(index, FakeEncoder(), OPTIONS, labels, share=0.9)
    assert many == pytest.approx(min(named[2], unseen[59 - 54]), abs=1e-6)


def test_without_labels_or_words_nothing_is_expected(index, tmp_path):
    encoder = FakeEncoder()
    assert expected_words(index, encoder, OPTIONS, ["a", "b", " a", ""]) is None
    assert expected_words(index, encoder, OPTIONS, []) is None
    assert encoder.texts == []
    encoder.text_tower = None
    assert expected_words(index, encoder, OPTIONS, ["a", "b", "c"]) is None
    collection = Collection(tmp_path, {"banded": 1})
    empty = collection.build(collection.rows().slice(0, 0))
    assert expected_words(empty, FakeEncoder(), OPTIONS, ["a", "b", "c"]) is None


def test_of_many_labels_some_are_searched_for(index):
    encoder = FakeEncoder()
    labels = [f"kind {number:04d}" for number in range(1000)]
    assert expected_words(index, encoder, OPTIONS, labels) is not None
    asked = [text for text in encoder.texts if text.startswith("kind")]
    assert len(set(asked)) == MOST_LABELS and {labels[0], labels[-1]} <= set(asked)


def test_another_encoder_is_refused(index, monkeypatch):
    monkeypatch.setattr(FakeEncoder, "fingerprint", "another")
    with pytest.raises(VeneerError, match="another"):
        expected_words(index, FakeEncoder(), OPTIONS, ["a", "b", "c"])


def test_words_that_no_image_shows_are_all_different():
    assert len(set(UNSEEN)) == len(UNSEEN) == 59


# --- on textures -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini(compiled):
    encoders = {"mini": EncoderConfig(family="open_clip", pretrained="packaged")}
    return open_encoder("mini", encoders, runtime="openvino-fp32", cache=compiled)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, mini):
    """An index of drawn textures, with real vectors."""
    collection = Collection(tmp_path_factory.mktemp("textures"), {})
    files = sample_files(kinds=KINDS, images_per_kind=6, seed=0, duplicates=0, damaged=0)
    for path, content in files:
        (collection.images / path).parent.mkdir(parents=True, exist_ok=True)
        (collection.images / path).write_bytes(content)
    rows = collection.rows()
    images = [to_rgb(each["bytes"]) for each in rows["image"].to_pylist()]
    column = pa.FixedSizeListArray.from_arrays(mini.embed_images(images).ravel(), mini.dimension)
    embedded = pa.table([rows["sha"], column], schema=embedding_schema(896, mini.fingerprint))
    splits = pa.table([rows["id"], ["train"] * len(rows)], schema=SPLITS)
    update = plan_update(ds.dataset(rows), splits, ds.dataset(embedded), None, 32, EXACT)
    write_index(collection.folder, update)
    return Index(collection.folder)


def best_score(index, encoder, query):
    (score,) = search(index, query, encoder, PLAIN, k=1).results["score"].to_pylist()
    return score


def test_what_is_there_is_told_from_what_is_not(drawn, mini):
    low = expected_words(drawn, mini, PLAIN, KINDS)
    there = ["red stripes", "a spider web", "honeycomb", "blue polka dots", "a spiral", "a zigzag"]
    for words in there:
        assert best_score(drawn, mini, Query(text=words)) > low, words
    elsewhere = ["quarterly tax report", "president", "asdfgh qwerty", "a photo of a car", "a dog"]
    below = [best_score(drawn, mini, Query(text=words)) < low for words in elsewhere]
    assert sum(below) >= 4, (low, below)


def test_pictures_of_the_kind_are_told_from_others(drawn, mini):
    low = expected_pictures(drawn, PLAIN, seed=0)
    new = sample_files(kinds=KINDS, images_per_kind=3, seed=9, duplicates=0, damaged=0)
    fits = [best_score(drawn, mini, Query(image=content)) >= low for _, content in new]
    assert np.mean(fits) > 0.8
    for seed in range(3):
        noise = Query(image=encode(noise_image(seed, (224, 224))))
        assert best_score(drawn, mini, noise) < low
