import json
import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tfdomain.errors import InputError
from tfdomain.evaluation import index as module
from tfdomain.evaluation.index import ItemIndex

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(500, 12))
QUERIES = RANDOM.normal(size=(20, 12))
IDS = [f"item {place}" for place in range(500)]
TEXTS = [f"文本 {place} 😀\u2028" for place in range(500)]


def clustered(num_items=4000, size=16):
    random = np.random.default_rng(1)
    centres = random.normal(size=(40, size))
    return centres[random.integers(0, 40, num_items)] + 0.4 * random.normal(size=(num_items, size))


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_exact_search_is_that_of_scikit_learn():
    index = ItemIndex.build(VECTORS, IDS, TEXTS)
    assert index.recall is None
    assert len(index) == index.num_items == 500
    places, scores = index.search(QUERIES, 10)
    assert (places.dtype, scores.dtype) == (np.int64, np.float32)
    distances, expected = NearestNeighbors(metric="cosine", algorithm="brute").fit(VECTORS).kneighbors(QUERIES, 10)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_allclose(scores, 1 - distances, atol=1e-6)


def test_lengths_do_not_count_and_an_item_finds_itself():
    lengths = 10.0 ** RANDOM.integers(-18, 18, (500, 1))
    index = ItemIndex.build((VECTORS * lengths).astype("float32"), IDS)
    places, scores = index.search(7 * VECTORS, 1)
    np.testing.assert_array_equal(places[:, 0], np.arange(500))
    np.testing.assert_allclose(scores, 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(index.vectors, axis=1), 1, atol=1e-6)


def test_the_caller_keeps_its_vectors():
    vectors = np.full((2, 3), 2.0, "float32")
    ItemIndex.build(vectors, ["a", "b"]).search(vectors, 1)
    assert (vectors == 2).all()


@pytest.mark.parametrize("texts", [TEXTS, None])
@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_a_saved_index_answers_alike(tmp_path, texts, method):
    if method == "approximate":
        pytest.importorskip("faiss")
    index = ItemIndex.build(VECTORS, IDS, texts, method=method)
    folder = tmp_path / "deep" / "index"
    index.save(folder)
    index.save(folder)
    loaded = ItemIndex.load(folder)
    assert (loaded.ids, loaded.texts, loaded.recall) == (IDS, texts, index.recall)
    for found, expected in zip(loaded.search(QUERIES, 10), index.search(QUERIES, 10), strict=True):
        np.testing.assert_array_equal(found, expected)
    names = {"index.json", "vectors.safetensors", "items.jsonl"} | (
        {"cells.faiss"} if method == "approximate" else set()
    )
    assert {path.name for path in folder.iterdir()} == names


def test_an_approximate_search_reaches_its_recall():
    pytest.importorskip("faiss")
    vectors = clustered()
    ids = [str(place) for place in range(len(vectors))]
    exact = ItemIndex.build(vectors, ids, method="exact")
    queries = clustered()[:300] + 0.1
    expected, expected_scores = exact.search(queries, 10)
    recalls = []
    for wanted in (0.5, 0.95, 1.0):
        index = ItemIndex.build(vectors, ids, method="approximate", recall=wanted, sample_queries=queries)
        places, scores = index.search(queries, 10)
        recalls.append(np.mean([np.isin(found, right).mean() for found, right in zip(places, expected, strict=True)]))
        assert index.recall == pytest.approx(recalls[-1])
        assert recalls[-1] >= wanted
        same = places == expected
        np.testing.assert_array_equal(scores[same], expected_scores[same])
        assert (np.diff(scores, axis=1) <= 0).all()
    assert recalls[0] < 1
    assert recalls == sorted(recalls)


def test_an_approximate_search_asked_for_more_than_its_cells_hold_is_exact():
    pytest.importorskip("faiss")
    exact = ItemIndex.build(VECTORS, IDS, method="exact").search(QUERIES, 450)
    index = ItemIndex.build(VECTORS, IDS, method="approximate", recall=0.1)
    for found, expected in zip(index.search(QUERIES, 450), exact, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_two_builds_are_one():
    pytest.importorskip("faiss")
    first, second = (ItemIndex.build(clustered(), [str(n) for n in range(4000)], method="approximate") for _ in "ab")
    assert first.recall == second.recall
    found, expected = (index.search(clustered()[:50] + 0.1, 10) for index in (first, second))
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_auto_is_approximate_for_many_items_only(monkeypatch):
    pytest.importorskip("faiss")
    assert module.EXACT_ITEMS == 1_000_000
    monkeypatch.setattr(module, "EXACT_ITEMS", 499)
    assert ItemIndex.build(VECTORS, IDS).recall >= 0.95
    assert ItemIndex.build(VECTORS[:499], IDS[:499]).recall is None


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert ItemIndex.build(VECTORS, IDS).recall is None
    message = refusal(lambda: ItemIndex.build(VECTORS, IDS, method="approximate"))
    assert message.startswith("an approximate index needs faiss; install it (pip install 'tfdomain[retrieval]')")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vectors": VECTORS[0]}, "vectors: is float64 of the shape [12]; give numbers, a row for each vector"),
        ({"vectors": np.array([["a"]])}, "vectors: is <U1 of the shape [1, 1]"),
        ({"vectors": np.zeros((0, 3))}, "vectors: is float64 of the shape [0, 3]"),
        ({"ids": IDS[:3]}, "ids: there are 3 for 500 vectors"),
        ({"texts": TEXTS[:3]}, "texts: there are 3 for 500 vectors"),
        ({"ids": [*IDS[:499], "item 7"]}, "ids[499]: is 'item 7', as ids[7] is; give every item an id of its own"),
        ({"ids": [*IDS[:499], 7]}, "ids[499]: is 7, not a string"),
        ({"method": "fast"}, "method: is 'fast'; choose auto, exact, approximate"),
        ({"recall": 0}, "recall: is 0; choose a share above 0"),
    ],
)
def test_what_cannot_be_indexed(change, words):
    arguments = {"vectors": VECTORS, "ids": IDS} | change
    assert words in refusal(lambda: ItemIndex.build(**arguments))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_vectors_that_are_no_numbers(value):
    broken = VECTORS.copy()
    broken[3, 4] = broken[9, 0] = value
    assert refusal(lambda: ItemIndex.build(broken, IDS)).startswith(
        "vectors[3]: holds NaN or infinity, and 1 more; leave"
    )
    index = ItemIndex.build(VECTORS, IDS)
    assert refusal(lambda: index.search(broken, 1)).startswith("queries[3]: holds NaN or infinity")
    broken[3] = 0
    assert refusal(lambda: index.search(broken, 1)).startswith("queries[3]: is zero")


def test_queries_that_do_not_fit():
    index = ItemIndex.build(VECTORS, IDS)
    assert "queries: has vectors of 3 numbers, the index of 12" in refusal(lambda: index.search(np.ones((1, 3)), 1))
    assert "queries: is float64 of the shape [12]" in refusal(lambda: index.search(QUERIES[0], 1))
    for k in (0, -1, 501):
        assert f"k: is {k}; choose 1 to 500, the number of items" in refusal(lambda k=k: index.search(QUERIES, k))
    assert index.search(QUERIES[:0], 3)[0].shape == (0, 3)


def test_a_damaged_folder(tmp_path):
    folder = tmp_path / "index"
    assert "is no index" in refusal(lambda: ItemIndex.load(folder))
    ItemIndex.build(VECTORS, IDS).save(folder)
    for name in ("vectors.safetensors", "items.jsonl"):
        content = (folder / name).read_bytes()
        for damaged in (content[:-1], content[:-3] + b"x" + content[-2:]):
            (folder / name).write_bytes(damaged)
            assert f"{name}: is missing or damaged; build the index again" in refusal(lambda: ItemIndex.load(folder))
        (folder / name).unlink()
        assert f"{name}: is missing or damaged" in refusal(lambda: ItemIndex.load(folder))
        (folder / name).write_bytes(content)
    settings = json.loads((folder / "index.json").read_text())
    for changed, words in (
        (settings | {"format_version": 2}, "has the format 2, not 1"),
        ([], "has the format None, not 1"),
        (settings | {"sha256": {}}, "index.json: is damaged"),
    ):
        (folder / "index.json").write_text(json.dumps(changed))
        assert words in refusal(lambda: ItemIndex.load(folder))
    (folder / "index.json").write_text("{")
    assert "is not JSON" in refusal(lambda: ItemIndex.load(folder))


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert "exists and holds something else" in refusal(lambda: ItemIndex.build(VECTORS, IDS).save(tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"
