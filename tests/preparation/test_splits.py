import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.preparation.splits import (
    classes_to_training,
    hash_positions,
    split_by_hash,
    split_by_time,
    time_bounds,
)

KEYS = [f"text {number}" for number in range(20_000)]
SHARES = (0.8, 0.15, 0.05)


def test_positions_are_even_and_decisions_apart():
    positions = hash_positions(KEYS, seed=0)
    counts, _ = np.histogram(positions, bins=20, range=(0, 1))
    # 1,000 a bin; the standard deviation is 31.
    assert np.abs(counts - 1000).max() < 150
    for other in (hash_positions(KEYS, seed=1), hash_positions(KEYS, seed=0, salt="fold")):
        assert abs(np.corrcoef(positions, other)[0, 1]) < 0.03


def test_shares_are_kept_in_every_class():
    labels = [str(number % 4) for number in range(len(KEYS))]
    splits = split_by_hash(KEYS, SHARES, seed=3, labels=labels)
    for label in range(4):
        np.testing.assert_allclose(np.bincount(splits[label::4]) / 5000, SHARES, atol=0.02)


def test_more_rows_move_none():
    labels = ["a", "b"] * 10_000
    few, all_rows = (split_by_hash(KEYS[:n], SHARES, seed=0, labels=labels[:n]) for n in (500, 20_000))
    np.testing.assert_array_equal(few, all_rows[:500])
    backwards = split_by_hash(KEYS[::-1], SHARES, seed=0, labels=labels[::-1])
    np.testing.assert_array_equal(backwards[::-1], all_rows)
    assert (split_by_hash(KEYS, SHARES, seed=1) != all_rows).mean() > 0.2


def test_a_share_of_zero_gets_nothing():
    assert set(split_by_hash(KEYS, (0.9, 0.1, 0.0), seed=0)) == {0, 1}
    assert set(split_by_hash(KEYS, (1.0, 0.0, 0.0), seed=0)) == {0}


def test_a_class_without_training_rows_goes_there():
    splits = np.array([0, 1, 2, 1, -1, 2, 0], "int8")
    classes = np.array([0, 0, 1, 1, 1, -1, 2])
    assert classes_to_training(splits, classes).tolist() == [2, 3]
    assert classes_to_training(splits, np.full(7, -1)).tolist() == []


TIMES = ["2024-03-01", "2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]


def test_training_comes_first_and_one_moment_stays_together():
    bounds = time_bounds(TIMES, (0.4, 0.4, 0.2))
    assert split_by_time(TIMES, bounds).tolist() == [1, 0, 0, 1, 2]
    # What comes later is tested on; what cannot be read is told apart.
    assert split_by_time(["2025-01-01", "", None, "soon", "2023-12-31T23:00:00-05:00"], bounds).tolist() == [
        2, -1, -1, -1, 0
    ]  # fmt: skip
    assert split_by_time(TIMES, time_bounds(TIMES, (0.6, 0.4, 0.0))).tolist() == [1, 0, 0, 1, 1]


def test_times_are_numbers_too():
    times = [str(number) for number in range(10)]
    assert split_by_time(times, time_bounds(times, (0.8, 0.1, 0.1))).tolist() == [0] * 8 + [1, 2]


@pytest.mark.parametrize(
    ("times", "message"), [(["x", ""], "no time that can be read"), (["2024-01-01"] * 3, "one moment")]
)
def test_times_that_split_nothing_are_refused(times, message):
    with pytest.raises(InputError, match=message):
        time_bounds(times, SHARES)
