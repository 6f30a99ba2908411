"""What a search finds, and what it says when it cannot."""

import numpy as np
import pytest
from indexed import DIMENSION, EXACT, Collection, unit_rows
from support import encode, noise_image

from veneer.errors import VeneerError
from veneer.heads.classifier import Card, Classifier
from veneer.images import sha_of
from veneer.retrieval.index import Index
from veneer.retrieval.options import (
    EvaluationOptions,
    RetrievalOptions,
    SearchOptions,
    TwinOptions,
)
from veneer.retrieval.search import Query, search

OPTIONS = RetrievalOptions(
    thumbnail=32,
    approximate=EXACT,
    search=SearchOptions(templates=["{}"], image_weight=0.5),
    evaluation=EvaluationOptions(relevance="label", most_queries=100),
    twins=TwinOptions(threshold=None, most_rows=100),
)


class FakeEncoder:
    """Vectors that depend on nothing but the bytes of pixels and texts."""

    name, fingerprint, dimension = "fake", "an encoder", DIMENSION
    text_tower = object()

    def embed_images(self, images):
        return unit_rows([sha_of(encode(image)) for image in images])

    def embed_texts(self, texts):
        return unit_rows([sha_of(text.encode()) for text in texts])


class OneClass:
    """A head that says the same of everything."""

    def __init__(self, label):
        self.classes_ = np.array(["other", label])

    def scores(self, X):
        return np.tile(np.float32([0, 3]), (len(X), 1))


@pytest.fixture(scope="module")
def rows_and_index(tmp_path_factory):
    collection = Collection(
        tmp_path_factory.mktemp("collection"), {"banded": 12, "dotted": 10, "it's": 8}
    )
    copy = (collection.images / "banded/001.png").read_bytes()
    (collection.images / "it's" / "copy.png").write_bytes(copy)
    rows = collection.rows()
    return rows.to_pylist(), collection.build(rows)


def find(index: Index, query: Query, **options):
    return search(index, query, FakeEncoder(), OPTIONS, **options)


def exact(rows, vector):
    """Scores and rows, the best first."""
    scores = unit_rows([row["sha"] for row in rows]).astype(np.float64) @ vector.astype(np.float64)
    order = sorted(range(len(rows)), key=lambda i: (-np.float32(scores[i]), rows[i]["id"]))
    return [(np.float32(scores[i]), rows[i]) for i in order]


def test_words_find_the_nearest_rows(rows_and_index):
    rows, index = rows_and_index
    vector = FakeEncoder().embed_texts(["moss"])[0]
    found = find(index, Query(text=" moss "), k=40, copies=True).results.to_pylist()
    wanted = exact(rows, vector)
    assert [row["id"] for row in found] == [row["id"] for _, row in wanted]
    assert [row["score"] for row in found] == [pytest.approx(float(s)) for s, _ in wanted]
    assert [row["rank"] for row in found] == list(range(1, 32))
    assert found[0]["path"] == wanted[0][1]["image"]["path"]
    assert "thumbnail" not in found[0] and "vector" not in found[0]


def test_byte_identical_images_are_one_result(rows_and_index):
    rows, index = rows_and_index
    shas = find(index, Query(text="moss"), k=40).results["sha"].to_pylist()
    assert len(shas) == len(set(shas)) == 30
    (twice,) = {row["sha"] for row in rows if [r["sha"] for r in rows].count(row["sha"]) > 1}
    found = find(index, Query(row=twice), k=40).results["sha"].to_pylist()
    assert twice not in found and len(found) == 29
    first = min(row["id"] for row in rows if row["sha"] == twice)
    others = find(index, Query(row=first), k=40, copies=True).results
    assert others["sha"].to_pylist()[0] == twice and len(others) == 30
    assert first not in others["id"].to_pylist()


def test_more_candidates_are_fetched_where_copies_fill_the_first(tmp_path):
    collection = Collection(tmp_path, {"banded": 3})
    copy = (collection.images / "banded/000.png").read_bytes()
    for number in range(60):
        (collection.images / "banded" / f"copy-{number}.png").write_bytes(copy)
    index = collection.build()
    assert index.rows == 63
    found = find(index, Query(row=sha_of(copy)), k=2).results
    assert len(found) == 2
    text = find(index, Query(text="moss"), k=3).results
    assert len(set(text["sha"].to_pylist())) == 3


def test_an_image_is_searched_by_its_bytes(rows_and_index):
    _, index = rows_and_index
    data = encode(noise_image(5))  # banded/005.png, which is encoded in just this way
    found = find(index, Query(image=data), k=1).results.to_pylist()
    assert found[0]["path"] == "banded/005.png"
    assert found[0]["score"] == pytest.approx(1.0)


@pytest.mark.parametrize(("weight", "named"), [(1.0, "image"), (0.0, "text")])
def test_words_and_image_are_weighed(rows_and_index, weight, named):
    _, index = rows_and_index
    data = encode(noise_image(77))
    weighted = OPTIONS.search.model_copy(update={"image_weight": weight})
    both = search(
        index,
        Query(text="moss", image=data),
        FakeEncoder(),
        OPTIONS.model_copy(update={"search": weighted}),
    )
    alone = find(index, Query(image=data) if named == "image" else Query(text="moss"))
    assert both.results.equals(alone.results)


def test_templates_are_a_mean(rows_and_index):
    rows, index = rows_and_index
    ensemble = SearchOptions(templates=["{}", "a {} {}"], image_weight=0.5)
    options = OPTIONS.model_copy(update={"search": ensemble})
    found = search(index, Query(text="mo{ss"), FakeEncoder(), options, k=3).results
    mean = FakeEncoder().embed_texts(["mo{ss", "a mo{ss mo{ss"]).mean(axis=0)
    wanted = exact(rows, mean / np.linalg.norm(mean))
    assert found["score"][0].as_py() == pytest.approx(float(wanted[0][0]), abs=1e-6)


def test_filters_are_applied_before_the_search(rows_and_index):
    _, index = rows_and_index
    found = find(index, Query(text="moss"), k=40, copies=True, where="label = 'it''s'")
    assert found.searched == len(found.results) == 9
    assert set(found.results["label"].to_pylist()) == {"it's"}
    none = find(index, Query(text="moss"), where="label = 'x'' OR 1=1 --'")
    assert (none.searched, len(none.results)) == (0, 0)


@pytest.mark.parametrize(
    "words",
    ["'; DROP TABLE index; --", '" OR ""="', "label = 'banded'", "{}", "%_\\", "\x00", "木"],
)
def test_words_are_words_whatever_is_in_them(rows_and_index, words):
    _, index = rows_and_index
    assert len(find(index, Query(text=words), k=5).results) == 5
    assert index.count() == 31


def test_a_least_score_ends_the_results(rows_and_index):
    _, index = rows_and_index
    scores = find(index, Query(text="moss"), k=40).results["score"].to_pylist()
    some = find(index, Query(text="moss"), k=40, min_score=scores[4]).results
    assert some["score"].to_pylist() == scores[:5]
    none = find(index, Query(text="moss"), min_score=0.9999)
    assert len(none.results) == 0 and none.searched == 31


def test_near_copies_of_better_results_are_dropped(rows_and_index):
    rows, index = rows_and_index
    found = find(index, Query(text="moss"), k=40, diversify=0.3).results
    vectors = unit_rows(found["sha"].to_pylist())
    cosines = vectors @ vectors.T - np.eye(len(vectors))
    assert cosines.max() < 0.3
    assert 1 < len(found) < 30
    everything = find(index, Query(text="moss"), k=40).results["id"].to_pylist()
    assert found["id"][0].as_py() == everything[0]
    kept = set(found["id"].to_pylist())
    for place, id_ in enumerate(everything):  # whatever is dropped has a better one near it
        if id_ not in kept:
            better = [other for other in everything[:place] if other in kept]
            by_id = {row["id"]: row["sha"] for row in rows}
            near = unit_rows([by_id[b] for b in better]) @ unit_rows([by_id[id_]])[0]
            assert near.max() >= 0.3 - 1e-6


def test_a_search_can_be_confined_to_the_class_that_a_head_predicts(rows_and_index):
    _, index = rows_and_index
    classifier = Classifier(OneClass("it's"), Card("svc", "an encoder"))
    for query in (Query(text="moss"), Query(image=encode(noise_image(3)))):
        found = find(index, query, k=40, classifier=classifier, where="width > 10")
        assert found.label == "it's" and found.confidence == pytest.approx(0.9526, abs=1e-3)
        assert set(found.results["label"].to_pylist()) == {"it's"}
        assert found.searched == 9
    other = Classifier(OneClass("it's"), Card("svc", "another"))
    with pytest.raises(VeneerError, match="fitted to vectors of the encoder"):
        find(index, Query(text="moss"), classifier=other)


def test_an_approximate_index_finds_all_that_pass_a_filter(tmp_path):
    collection = Collection(tmp_path, {"banded": 40, "dotted": 30, "rare": 3})
    options = EXACT.model_copy(
        update={"from_rows": 20, "partition_rows": 3, "nprobes": 1, "refine_factor": 2}
    )
    rows = collection.rows()
    index = collection.build(rows, options=options)
    assert index.is_approximate
    query = FakeEncoder().embed_texts(["moss"])[0]
    for row in rows.to_pylist():
        found = index.nearest(query, 5, options, f"id = '{row['id']}'")
        assert found.rows["id"].to_pylist() == [row["id"]]
    assert len(index.nearest(query, 5, options, "label = 'rare'").scores) == 3
    everything = index.nearest(query, 100, options)
    wanted = exact(rows.to_pylist(), query)
    assert everything.rows["id"].to_pylist() == [row["id"] for _, row in wanted]


def test_thumbnails_come_when_they_are_asked_for(rows_and_index):
    _, index = rows_and_index
    found = find(index, Query(text="moss"), k=3, thumbnails=True).results
    assert all(data[:4] == b"RIFF" for data in found["thumbnail"].to_pylist())


@pytest.mark.parametrize(
    ("query", "options", "told"),
    [
        (Query(), {}, "say what for"),
        (Query(text="  "), {}, "words are empty"),
        (Query(text="a"), {"k": 0}, "at least one"),
        (Query(image=b"no image"), {}, "cannot be read .*not_an_image"),
        (Query(image=b""), {}, "empty"),
        (Query(row="deadbeef"), {}, "'deadbeef': no image of the index"),
        (Query(row="x' OR '1'='1"), {}, "no image of the index"),
        (Query(row="a", image=b"a"), {}, "both given"),
        (Query(text="a"), {"where": "colour = 'red'"}, "colour"),
        (Query(text="a"), {"where": "label ="}, "label ="),
    ],
)
def test_errors_are_sentences(rows_and_index, query, options, told):
    with pytest.raises(VeneerError, match=told) as error:
        find(rows_and_index[1], query, **options)
    assert str(error.value).startswith("Searching")


def test_another_encoder_is_refused(rows_and_index, monkeypatch):
    monkeypatch.setattr(FakeEncoder, "fingerprint", "another")
    with pytest.raises(VeneerError, match=r"\[an encoder\].*\[another\]"):
        find(rows_and_index[1], Query(text="a"))
    monkeypatch.setattr(FakeEncoder, "fingerprint", "an encoder")
    monkeypatch.setattr(FakeEncoder, "text_tower", None)
    with pytest.raises(VeneerError, match="no text tower"):
        find(rows_and_index[1], Query(text="a"))
