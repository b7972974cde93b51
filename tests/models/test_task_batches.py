"""Updates with rows of several tasks: their shares, their order, and where they go on."""

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.models.task_batches import TaskBatches, rows_of_update

SIZES = {"large": (10, 4), "small": (3, 2)}


class Rows:
    """Numbered rows in batches, in another order in each epoch."""

    def __init__(self, num_rows, batch_size):
        self.num_rows, self.batch_size = num_rows, batch_size
        self.num_batches = -(-num_rows // batch_size)

    def epoch(self, epoch, first_batch=0):
        rows = np.random.default_rng(epoch).permutation(self.num_rows)
        return tf.data.Dataset.from_tensor_slices({"row_ids": rows}).batch(self.batch_size).skip(first_batch)


@pytest.fixture
def batches():
    return TaskBatches({name: Rows(*size) for name, size in SIZES.items()}, num_batches=4)


def rows_of(dataset):
    return [{name: part["row_ids"].tolist() for name, part in batch.items()} for batch in dataset.as_numpy_iterator()]


@pytest.mark.parametrize(
    ("num_rows", "batch_size", "share", "expected"),
    [
        ({"a": 900, "b": 100}, 20, "proportional", {"a": 18, "b": 2}),
        ({"a": 900, "b": 100}, 20, "square_root", {"a": 15, "b": 5}),
        ({"a": 900, "b": 100}, 20, "uniform", {"a": 10, "b": 10}),
        ({"a": 5, "b": 4, "c": 3}, 32, "uniform", {"a": 11, "b": 11, "c": 10}),
        ({"a": 100_000, "b": 1}, 8, "proportional", {"a": 7, "b": 1}),
        ({"a": 5, "b": 5, "c": 5}, 2, "uniform", {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_shares(num_rows, batch_size, share, expected):
    assert rows_of_update(num_rows, batch_size, share) == expected


def test_every_update_has_rows_of_every_task(batches):
    updates = [update for epoch in range(3) for update in rows_of(batches.epoch(epoch))]
    assert len(updates) == 12
    for name, (num_rows, batch_size) in SIZES.items():
        taken = [row for update in updates for row in update[name]]
        # A task goes through all of its rows before any of them comes again.
        for start in range(0, len(taken) - num_rows + 1, num_rows):
            assert sorted(taken[start : start + num_rows]) == list(range(num_rows))
        assert all(1 <= len(update[name]) <= batch_size for update in updates)


def test_own_epochs_differ_in_order(batches):
    large = [row for update in rows_of(batches.epoch(0)) + rows_of(batches.epoch(1)) for row in update["large"]]
    assert large[:10] != large[10:20]


@pytest.mark.parametrize(("epoch", "first_batch"), [(0, 3), (1, 0), (2, 1), (1, 4)])
def test_an_epoch_goes_on_where_it_stopped(batches, epoch, first_batch):
    assert rows_of(batches.epoch(epoch, first_batch)) == rows_of(batches.epoch(epoch))[first_batch:]
    assert int(batches.epoch(epoch, first_batch).cardinality()) == 4 - first_batch
