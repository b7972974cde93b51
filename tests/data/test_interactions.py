import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdomain.data.interactions import find_interactions, split_in_time
from tfdomain.data.rows import read_rows
from tfdomain.errors import InputError

ITEMS = ["a", "b", "c", "d"]


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_events_come_in_the_order_of_time():
    found = find_interactions(
        ["u2", "u1", "u2", "张"],
        ["d", "a", "b", "c"],
        ["30", "10", "20.5", "10"],
        ["4", "3.5", "5", "4.5"],
        item_ids=ITEMS,
    )
    assert len(found) == 4
    assert found.user_ids == ["u1", "u2", "张"]
    assert found.users.tolist() == [0, 2, 1, 1]
    assert found.items.tolist() == [0, 2, 1, 3]
    assert found.times.tolist() == [10, 10, 20.5, 30]
    assert found.liked.tolist() == [False, True, True, True]
    assert (found.users.dtype, found.items.dtype, found.times.dtype) == (np.int32, np.int32, np.float64)
    assert [(user, rows.tolist()) for user, rows in found.by_user(np.array([3, 0, 2]))] == [(0, [0]), (1, [2, 3])]


def test_the_order_of_the_file_does_not_count():
    random = np.random.default_rng(0)
    users, items, times = random.integers(0, 5, 50), random.choice(ITEMS, 50), random.integers(0, 9, 50)
    first = find_interactions(users, items, times, item_ids=ITEMS)
    order = random.permutation(50)
    second = find_interactions(users[order], items[order], times[order], item_ids=ITEMS)
    for name in ("users", "items", "times", "liked"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize(
    "times",
    [
        ["1970-01-02", "1970-01-02T12:00:00Z", "1970-01-02 21:00:00+08:00"],
        ["86400", "129600.0", " 1.332e5 "],
        [86400, 129600, 133200],
        pd.to_datetime(pd.Series([86400, 129600, 133200]), unit="s"),
        pd.to_datetime(pd.Series([86400, 129600, 133200]), unit="s", utc=True).dt.tz_convert("Asia/Shanghai"),
        pa.array([86400, 129600, 133200], pa.timestamp("s")),
    ],
)
def test_times_in_every_form(times):
    found = find_interactions(["u"] * 3, ["c", "a", "b"], times, item_ids=ITEMS)
    assert found.times.tolist() == [86400, 129600, 133200]
    assert found.items.tolist() == [2, 0, 1]


def test_dates_alone():
    days = pa.array([datetime.date(1970, 1, 2), datetime.date(2000, 1, 1)])
    assert find_interactions(["u"] * 2, ["a", "b"], days, item_ids=ITEMS).times.tolist() == [86400, 946684800]


def test_faulty_rows():
    columns = {
        "users": ["u", "", "u", "u", "u", "u"],
        "items": ["a", "a", "x", "a", "a", "b"],
        "times": ["1", "1", "1", "yesterday", "1", "nan"],
        "ratings": ["5", "5", "5", "5", "", "5"],
    }
    message = refusal(lambda: find_interactions(**columns, item_ids=ITEMS, where=lambda row: f"r.csv: line {row + 2}"))
    assert message == (
        "5 rows have faults: r.csv: line 3: has no user, r.csv: line 4: has the item 'x', which is not in the items "
        "table, r.csv: line 5: has no time (Unix seconds or an ISO 8601 date), r.csv: line 6: has no rating, "
        "r.csv: line 7: has no time (Unix seconds or an ISO 8601 date); mend them"
    )
    found = find_interactions(**columns, item_ids=ITEMS, on_bad="skip")
    assert (len(found), found.num_skipped, found.user_ids) == (1, 5, ["u"])
    one = refusal(lambda: find_interactions(["u"], ["x"], [1], item_ids=ITEMS, skip_mend="do this"))
    assert one == (
        "interactions[0]: has the item 'x', which is not in the items table; "
        "mend the row, or do this to leave such rows out"
    )


def test_columns_that_do_not_fit():
    assert "columns have [1, 2] rows" in refusal(lambda: find_interactions(["u"], ["a", "b"], [1], item_ids=ITEMS))
    assert "item_ids: holds an item twice" in refusal(lambda: find_interactions([], [], [], item_ids=["a", "a"]))
    assert "choose refuse or skip" in refusal(lambda: find_interactions([], [], [], item_ids=[], on_bad="ignore"))


def random_events(seed, num_users=12, num_events=400, num_times=60):
    random = np.random.default_rng(seed)
    return find_interactions(
        random.integers(0, num_users, num_events),
        random.integers(0, 30, num_events),
        random.integers(0, num_times, num_events),
        random.integers(1, 6, num_events),
        item_ids=[str(place) for place in range(30)],
    )


@given(st.integers(0, 50), st.sampled_from([0.2, 0.3, 0.5]), st.integers(1, 8), st.integers(1, 3))
def test_a_split_by_date(seed, share, min_before, min_after):
    events = random_events(seed)
    split = split_in_time(events, share=share, min_before=min_before, min_after=min_after)
    moment = split.moment
    assert split.train.tolist() == np.flatnonzero(events.times < moment).tolist()
    liked = np.flatnonzero(events.liked)
    late = [row for row in liked.tolist() if events.times[row] >= moment]
    early = [row for row in liked.tolist() if events.times[row] < moment]
    assert abs(len(late) / len(liked) - share) < 0.05
    judged = [
        user
        for user in range(len(events.user_ids))
        if sum(events.users[early] == user) >= min_before and sum(events.users[late] == user) >= min_after
    ]
    assert split.users.tolist() == judged
    assert split.test.tolist() == [row for row in late if events.users[row] in judged]


@given(st.integers(0, 50), st.integers(1, 6))
def test_a_split_by_user(seed, min_before):
    events = random_events(seed)
    split = split_in_time(events, by="user", share=0.25, min_before=min_before)
    assert split.moment is None
    assert events.liked[split.test].all()
    assert not set(split.train) & set(split.test)
    for user in range(len(events.user_ids)):
        train, test = (rows[events.users[rows] == user] for rows in (split.train, split.test))
        likes = sum((events.users == user) & events.liked)
        if user not in split.users:
            assert not len(test)
            assert len(train) == sum(events.users == user)
            continue
        # Also what the user rated low after the user's own split is in neither part.
        assert events.times[train].max() < events.times[test].min()
        assert sum(events.liked[train]) >= min_before
        assert 1 <= len(test) <= likes


def test_events_of_one_moment_stay_together():
    events = find_interactions(["u"] * 8, list("abcdabcd"), [1, 2, 3, 4, 4, 4, 4, 5], item_ids=ITEMS)
    split = split_in_time(events, share=0.25, min_before=1)
    assert events.times[split.train].tolist() == [1, 2, 3]
    assert events.times[split.test].tolist() == [4, 4, 4, 4, 5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"share": 0}, "share: the share 0 is out of range; choose one between 0 and 1"),
        ({"share": 1}, "share: the share 1 is out of range"),
        ({"by": "item"}, "by: is 'item'; choose date or user"),
        ({"min_before": 0}, "min_before, min_after: are 0 and 1; choose at least 1"),
        ({"min_before": 400}, "no user has 400 likes before the split and 1 after it; change the share"),
    ],
)
def test_what_cannot_be_split(options, words):
    assert words in refusal(lambda: split_in_time(random_events(0), **options))


def test_no_likes_at_all():
    events = find_interactions(["u", "v"], ["a", "b"], [1, 2], [1, 2], item_ids=ITEMS)
    assert "no user has" in refusal(lambda: split_in_time(events))


@pytest.mark.real
def test_movielens(data_dir, tmp_path):
    folder = data_dir / "movielens_small"
    movies = read_rows([folder / "movies.csv.gz"], texts=["title"], extra=["movieId", "genres"], cache_dir=tmp_path)
    ratings = read_rows(
        [folder / "ratings.csv.gz"], texts=["userId"], extra=["movieId", "rating", "timestamp"], cache_dir=tmp_path
    )
    columns = [ratings.table.column(name) for name in ("userId", "movieId", "timestamp", "rating")]
    item_ids = movies.table.column("movieId").to_pylist()
    events = find_interactions(*columns, item_ids=item_ids, where=ratings.where)
    assert (len(events), len(events.user_ids), len(events.item_ids)) == (100836, 610, 9742)
    frame = pd.read_csv(folder / "ratings.csv.gz")
    assert events.liked.sum() == (frame.rating >= 4).sum() == 48580
    split = split_in_time(events)
    assert (len(split.users), len(split.test)) == (26, 780)
    assert events.times[split.train].max() < events.times[split.test].min()
    assert 1.4e9 < split.moment == events.times[split.test].min()
    by_user = split_in_time(events, by="user")
    assert len(by_user.users) > 500
