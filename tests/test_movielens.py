"""The two scripts of the MovieLens experiment: what they keep from training, and how they judge rankings."""

import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "experiments"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rankings_are_judged_as_by_counting():
    """Three users, twenty items: each ranking is of what the user has not seen."""
    random = np.random.default_rng(5)
    scores = random.normal(size=(3, 20)).astype("float32")
    seen, liked = [[0, 3, 7], [], [19]], [[1, 2, 4], [5], [0, 8, 9, 10, 11]]
    for row, before in zip(scores, seen, strict=True):
        row[before] += 5  # what somebody has seen is like what they like
    recalls, hits, reciprocals = [], [], []
    for row, before, after in zip(scores.tolist(), seen, liked, strict=True):
        unseen = sorted((item for item in range(20) if item not in before), key=lambda item: -row[item])
        recalls.append(len(set(unseen[:10]) & set(after)) / len(after))
        hits.append(any(item in after for item in unseen[:10]))
        reciprocals.append(1 / (1 + min(unseen.index(item) for item in after)))
    measure = load(FOLDER / "benchmarks/movielens_retrieval.py").measure
    measured = measure(scores.copy(), seen, liked)
    assert measured["recall_at_10"] == pytest.approx(np.mean(recalls))
    assert measured["hit_rate_at_10"] == pytest.approx(np.mean(hits))
    assert measured["mrr"] == pytest.approx(np.mean(reciprocals))
    assert 0 < measured["recall_at_10"] < 1
    assert measure(scores.copy(), [[]] * 3, liked)["mrr"] < measured["mrr"]


def write_ratings(folder):
    """Of 23 likes those from second 100 on are the last fifth; one user is active before and after it."""
    likes = [("ann", item, 1 + item) for item in range(8)] + [("ann", 8, 100), ("ann", 9, 101)]
    likes += [("bob", item, 10 + item) for item in range(10)] + [("new", item, 101 + item) for item in (2, 3, 4)]
    tables = {
        "movies.csv.gz": ["movieId,title,genres", *(f"m{item},Film {item},Drama|War" for item in range(10))],
        "ratings.csv.gz": ["userId,movieId,rating,timestamp", *(f"{u},m{item},5.0,{when}" for u, item, when in likes)],
        "tags.csv": ["userId,movieId,tag,timestamp", "bob,m8,early,5", "bob,m9,late,200"],
    }
    folder.mkdir(parents=True)
    for name, lines in tables.items():
        content = ("\n".join(lines) + "\n").encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.mark.parametrize("by", ["date", "user"])
def test_nothing_of_later_reaches_training(by, tmp_path, monkeypatch):
    write_ratings(tmp_path / "movielens_small")
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["prepare_movielens.py", "--by", by, "--to", str(tmp_path / "texts")])
    load(FOLDER / "prepare_movielens.py").main()
    texts = tmp_path / "texts"
    assert {path.name for path in texts.iterdir()} == {
        *("train.jsonl", "validation.jsonl", "items.jsonl", "users.jsonl", "popularity.json")
    }
    [ann, *others] = read(texts / "users.jsonl")
    assert (ann["id"], ann["liked"]) == ("ann", ["m8", "m9"])
    assert ann["seen"] == [f"m{item}" for item in range(8)]
    assert "Film 7" in ann["text"] and "Film 8" not in ann["text"]
    assert [user["id"] for user in others] == ([] if by == "date" else ["bob"])
    items = {item["id"]: item["text"] for item in read(texts / "items.jsonl")}
    assert len(items) == 10 and "late" not in items["m9"]
    pairs = read(texts / "train.jsonl") + read(texts / "validation.jsonl")
    positives = [pair["positive"] for pair in pairs]
    assert positives and set(positives) <= set(items.values())
    popular = json.loads((texts / "popularity.json").read_text())
    if by == "date":
        assert "early" in items["m8"]
        # What two users liked in time stands before what one did.
        assert set(popular[:8]) == set(ann["seen"])
        assert positives.count(items["m8"]) == positives.count(items["m9"]) == 1
    else:
        # Bob's last two likes are held out too: nobody is left who liked these before.
        assert not {items["m8"], items["m9"]} & set(positives)


@pytest.mark.real
def test_the_split_by_date_of_the_real_ratings(data_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["prepare_movielens.py", "--by", "date", "--to", str(tmp_path / "texts")])
    load(FOLDER / "prepare_movielens.py").main()
    assert "26 users to judge by" in capsys.readouterr().out
