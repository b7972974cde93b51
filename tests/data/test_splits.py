import numpy as np
import pyarrow as pa
import pytest

from tfdomain.data.splits import group_folds, row_folds, split_groups, split_rows, split_times, time_folds
from tfdomain.errors import InputError

GOLDEN = [2, 7, 9]
GOLDEN_STRATIFIED = [2, 7, 9]
LABELS = np.array(["a"] * 70 + ["b"] * 25 + ["c"] * 4 + ["d"])


def test_classes_keep_their_shares():
    train, held = split_rows(LABELS, share=0.2, num_rows=100, seed=0)
    assert train.dtype == held.dtype == np.int64
    assert sorted([*train, *held]) == list(range(100))
    assert train.tolist() == sorted(train.tolist())
    assert held.tolist() == sorted(held.tolist())
    counts = {label: int((LABELS[held] == label).sum()) for label in "abcd"}
    assert counts == {"a": 14, "b": 5, "c": 1, "d": 0}


def test_the_total_is_right_with_many_small_classes():
    labels = np.repeat(np.arange(77), 13)
    _, held = split_rows(labels, share=0.1, num_rows=1001, seed=1)
    assert len(held) == 100
    assert np.bincount(labels[held]).max() == 2


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_every_class_keeps_a_row_to_train_on(share):
    train, _ = split_rows(LABELS, share=share, num_rows=100)
    assert set(LABELS[train]) == set("abcd")


def test_the_seed_decides_and_the_form_of_the_labels_does_not():
    splits = [split_rows(LABELS, share=0.2, num_rows=100, seed=seed)[1].tolist() for seed in range(5)]
    assert len(set(map(tuple, splits))) == 5
    for same in (
        LABELS.tolist(),
        pa.array(LABELS.tolist()),
        pa.chunked_array([LABELS[:9].tolist(), LABELS[9:].tolist()]),
    ):
        assert split_rows(same, share=0.2, num_rows=100, seed=3)[1].tolist() == splits[3]


def test_the_split_stays_what_it_was_in_earlier_releases():
    assert split_rows(None, share=0.25, num_rows=12, seed=0)[1].tolist() == GOLDEN
    assert split_rows(list("aaabbbbbbccc"), share=0.25, num_rows=12, seed=0)[1].tolist() == GOLDEN_STRATIFIED


@pytest.mark.parametrize(
    ("share", "num_rows", "words"),
    [
        (0.0, 100, "between 0 and 1"),
        (1.0, 100, "between 0 and 1"),
        (-0.1, 100, "between"),
        (0.1, 99, "100 labels for 99"),
    ],
)
def test_what_cannot_be_split(share, num_rows, words):
    with pytest.raises(InputError, match=words):
        split_rows(LABELS, share=share, num_rows=num_rows)


def test_a_share_too_small_for_a_single_row():
    with pytest.raises(InputError, match="holds out no row"):
        split_rows(None, share=0.1, num_rows=3)
    with pytest.raises(InputError, match="holds out no row"):
        split_rows(["a", "b", "c"], share=0.5, num_rows=3)


def test_groups_stay_together():
    groups = [f"群{number}" for number in np.random.default_rng(0).integers(0, 30, 400)]
    train, held = split_groups(groups, share=0.2, seed=3)
    assert sorted([*train, *held]) == list(range(400))
    assert (np.diff(train) > 0).all() and (np.diff(held) > 0).all()
    assert not {groups[row] for row in train} & {groups[row] for row in held}
    # Nearest to 80 of 400: no further off than half of the largest group.
    assert abs(len(held) - 80) <= max(map(groups.count, set(groups))) / 2
    for one, other in zip((train, held), split_groups(groups, share=0.2, seed=3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert held.tolist() != split_groups(groups, share=0.2, seed=4)[1].tolist()


def test_groups_leave_something_on_both_sides():
    groups = ["a"] * 9 + ["b"]
    for share in (0.001, 0.999):
        for seed in range(4):
            assert all(len(part) for part in split_groups(groups, share=share, seed=seed))
    with pytest.raises(InputError) as caught:
        split_groups(["a", "a"], share=0.5)
    assert str(caught.value).startswith("data.validation: a share of 0.5 cannot be held out of 1 group of rows")
    with pytest.raises(InputError, match=r"the share 1\.5 is out of range"):
        split_groups(groups, share=1.5)


def test_folds_hold_each_row_once_and_their_share_of_each_class():
    labels = ["a"] * 53 + ["b"] * 17 + ["c"] * 3
    folds = row_folds(labels, of=5, num_rows=73, seed=1)
    sizes = np.bincount(folds, minlength=5)
    assert sizes.sum() == 73 and sizes.max() - sizes.min() <= 1
    for label in "abc":
        inside = np.bincount(folds[np.array(labels) == label], minlength=5)
        assert inside.max() - inside.min() <= 1
    assert folds.tolist() == row_folds(labels, of=5, num_rows=73, seed=1).tolist()
    assert folds.tolist() != row_folds(labels, of=5, num_rows=73, seed=2).tolist()
    with pytest.raises(InputError, match="5 folds of 4 rows; ask for fewer"):
        row_folds(None, of=5, num_rows=4)


def test_folds_part_no_group_and_are_of_like_size():
    random = np.random.default_rng(0)
    groups = [f"g{number}" for number in range(40) for _ in range(random.integers(1, 9))]
    folds = group_folds(groups, of=4, seed=0)
    assert all(len(set(folds[np.array(groups) == group])) == 1 for group in set(groups))
    sizes = np.bincount(folds)
    assert len(sizes) == 4 and sizes.max() - sizes.min() <= 1
    assert folds.tolist() != group_folds(groups, of=4, seed=1).tolist()
    with pytest.raises(InputError, match="3 folds of 2 groups of rows that stay together"):
        group_folds(["a", "a", "b"], of=3)


def test_folds_in_time_come_after_what_is_trained_on():
    moments = np.random.default_rng(0).permutation(np.repeat(np.arange(50.0), 2))
    folds = time_folds(moments, of=4)
    assert np.bincount(folds + 1).tolist() == [20] * 5
    for fold in range(4):
        assert moments[folds < fold].max() < moments[folds == fold].min()
    with pytest.raises(InputError, match="2 different moments of 10 rows do not make 4 folds in time"):
        time_folds(np.repeat([1.0, 2.0], 5), of=4)


def test_a_share_in_time_is_the_latest():
    moments = np.random.default_rng(0).permutation(np.repeat(np.arange(50.0), 2))
    train, held = split_times(moments, share=0.2)
    assert len(held) == 20 and sorted([*train, *held]) == list(range(100))
    assert moments[train].max() < moments[held].min()
    with pytest.raises(InputError, match="many are of one moment"):
        split_times(np.ones(5), share=0.2)
