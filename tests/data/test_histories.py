import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.data.histories import items_by_user, popularity, positive_pairs, user_texts
from tfdomain.data.interactions import find_interactions, split_in_time
from tfdomain.data.rows import read_rows
from tfdomain.errors import InputError

ITEMS = ["a", "b", "c", "d"]
TEXTS = ["Alien", "霸王别姬", "Casablanca", "Dune 😀"]
EVENTS = find_interactions(
    ["u", "u", "u", "u", "u", "v", "v"],
    ["a", "b", "c", "d", "b", "d", "a"],
    [1, 2, 3, 3, 4, 1, 9],
    [5, 4, 4, 4, 1, 5, 5],
    item_ids=ITEMS,
)
ALL = np.arange(len(EVENTS))


def test_users_are_the_texts_they_liked_the_latest_first():
    assert user_texts(EVENTS, ALL, TEXTS, [0, 1]) == ["Dune 😀; Casablanca; 霸王别姬; Alien", "Alien; Dune 😀"]
    assert user_texts(EVENTS, ALL, TEXTS, [1, 0], num_items=2, separator=" | ") == [
        "Alien | Dune 😀",
        "Dune 😀 | Casablanca",
    ]
    early = np.flatnonzero(EVENTS.times < 2)
    assert user_texts(EVENTS, early, TEXTS, [0, 1]) == ["Alien", "Dune 😀"]
    assert user_texts(EVENTS, early[:0], TEXTS, [0]) == [""]


def test_pairs_lead_from_the_likes_before_to_the_next():
    pairs = positive_pairs(EVENTS, ALL, TEXTS)
    assert list(zip(pairs.anchors, pairs.positives, strict=True)) == [
        ("Alien", "霸王别姬"),
        ("霸王别姬; Alien", "Casablanca"),
        ("霸王别姬; Alien", "Dune 😀"),
        ("Dune 😀", "Alien"),
    ]
    assert pairs.users.tolist() == [0, 0, 0, 1]
    assert pairs.items.tolist() == [1, 2, 3, 0]
    assert pairs.times.tolist() == [2, 3, 3, 9]
    assert positive_pairs(EVENTS, ALL, TEXTS, most_a_user=1).positives == ["Dune 😀", "Alien"]
    assert positive_pairs(EVENTS, ALL, TEXTS, num_items=1).anchors[1] == "霸王别姬"
    assert positive_pairs(EVENTS, ALL[:0], TEXTS).anchors == []


def test_popularity_counts_likes():
    assert popularity(EVENTS, ALL).tolist() == [0, 3, 1, 2]
    assert popularity(EVENTS, np.flatnonzero(EVENTS.times < 2)).tolist() == [0, 3, 1, 2]
    assert popularity(EVENTS, np.flatnonzero(EVENTS.times == 3)).tolist() == [2, 3, 0, 1]
    assert popularity(EVENTS, ALL[:0]).tolist() == [0, 1, 2, 3]


def test_items_of_each_user():
    assert [items.tolist() for items in items_by_user(EVENTS, ALL, [1, 0])] == [[0, 3], [0, 1, 2, 3]]
    assert items_by_user(EVENTS, ALL[:0], [0])[0].tolist() == []


@given(st.integers(0, 1000), st.sampled_from(["date", "user"]))
def test_nothing_after_the_split_reaches_training(seed, by):
    """Every event has an item of its own: what training holds tells which events it has seen."""
    random = np.random.default_rng(seed)
    count = 120
    items = [str(place) for place in range(count)]
    events = find_interactions(
        random.integers(0, 5, count), items, random.integers(0, 40, count), random.integers(3, 6, count), item_ids=items
    )
    split = split_in_time(events, share=0.3, by=by, min_before=2)
    time_of = dict(zip(events.items.tolist(), events.times.tolist(), strict=True))
    user_of = dict(zip(events.items.tolist(), events.users.tolist(), strict=True))
    liked = {item for item, like in zip(events.items.tolist(), events.liked.tolist(), strict=True) if like}
    first_test = {
        user: min(time_of[item] for item in found.tolist())
        for user, found in zip(split.users.tolist(), items_by_user(events, split.test, split.users), strict=True)
    }
    if by == "date":
        first_test = dict.fromkeys(range(5), min(first_test.values()))
    pairs = positive_pairs(events, split.train, items, num_items=count)
    for anchor, positive, user in zip(pairs.anchors, pairs.positives, pairs.users.tolist(), strict=True):
        history = [int(text) for text in anchor.split("; ")]
        before = [item for item in liked if user_of[item] == user and time_of[item] < time_of[int(positive)]]
        assert sorted(history) == sorted(before)
        assert [time_of[item] for item in history] == sorted((time_of[item] for item in history), reverse=True)
        assert user_of[int(positive)] == user
        assert time_of[int(positive)] < first_test.get(user, np.inf)
    for user, text in zip(
        split.users, user_texts(events, split.train, items, split.users, num_items=count), strict=True
    ):
        assert all(time_of[int(item)] < first_test[int(user)] for item in text.split("; "))
    held = set(events.items[split.test].tolist())
    assert not held & set(popularity(events, split.train)[: events.liked[split.train].sum()].tolist())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: user_texts(EVENTS, ALL, TEXTS[:3], [0]), "item_texts: there are 3 for 4 items"),
        (lambda: positive_pairs(EVENTS, ALL, TEXTS, num_items=0), "num_items: is 0; choose at least 1"),
        (lambda: positive_pairs(EVENTS, ALL, TEXTS, most_a_user=0), "most_a_user: is 0; choose at least 1"),
    ],
)
def test_settings_out_of_range(call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.real
def test_popular_films_of_movielens(data_dir, tmp_path):
    folder = data_dir / "movielens_small"
    movies = read_rows([folder / "movies.csv.gz"], texts=["title"], extra=["movieId"], cache_dir=tmp_path)
    ratings = read_rows(
        [folder / "ratings.csv.gz"], texts=["userId"], extra=["movieId", "rating", "timestamp"], cache_dir=tmp_path
    )
    columns = [ratings.table.column(name) for name in ("userId", "movieId", "timestamp", "rating")]
    titles = movies.texts[0].to_pylist()
    events = find_interactions(*columns, item_ids=movies.table.column("movieId").to_pylist())
    split = split_in_time(events, by="user")
    ranked = popularity(events, split.train)
    assert "Shawshank Redemption, The (1994)" in [titles[item] for item in ranked[:5]]
    pairs = positive_pairs(events, split.train, titles, most_a_user=20)
    assert len(pairs.anchors) > 5000
    assert pairs.times.max() <= events.times[split.train].max()
    assert all(user_texts(events, split.train, titles, split.users))
    # The baseline's recall at 10, with what a user has rated left out.
    recalls = []
    for seen, wanted in zip(
        items_by_user(events, split.train, split.users), items_by_user(events, split.test, split.users), strict=True
    ):
        offered = ranked[~np.isin(ranked, seen)][:10]
        recalls.append(np.isin(wanted, offered).mean())
    assert 0.03 < np.mean(recalls) < 0.3
