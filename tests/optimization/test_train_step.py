import numpy as np
import pytest
import tensorflow as tf

from tfdomain.optimization.train_step import fold_seed, make_train_function


class Recorder:
    """A trainable that notes what it is given and counts its traces."""

    seed = 11

    def __init__(self):
        self.weight = tf.Variable(0.0)
        self.num_traces = 0

    def loss_denominator(self, batch):
        return tf.cast(tf.shape(batch["token_ids"])[0], tf.float32)

    def train_replica(self, batch, *, denominator, seed):
        self.num_traces += 1
        self.weight.assign_add(1.0)
        return tf.reduce_sum(tf.cast(batch["labels"], tf.float32)) / denominator + 0.0 * tf.cast(seed[1], tf.float32)


def batch_of(rows, length):
    ids = np.full([rows, length], 5, "int32")
    mask = np.ones_like(ids)
    mask[0, length // 2 :] = 0
    return {"token_ids": ids, "padding_mask": mask, "labels": np.arange(rows, dtype="int32")}


SPEC = {
    "token_ids": tf.TensorSpec([None, None], tf.int32),
    "padding_mask": tf.TensorSpec([None, None], tf.int32),
    "labels": tf.TensorSpec([None], tf.int32),
}


def test_one_trace_for_batches_of_all_lengths():
    model = Recorder()
    train = make_train_function(model, SPEC)
    for step, (rows, length) in enumerate([(2, 8), (5, 3), (1, 64), (7, 31)]):
        train(batch_of(rows, length), tf.constant(step, tf.int64))
    assert model.num_traces == 1
    assert train.experimental_get_tracing_count() == 1
    assert float(model.weight) == 4


def test_totals_are_those_of_the_batch():
    totals = make_train_function(Recorder(), SPEC)(batch_of(4, 10), tf.constant(0, tf.int64))
    assert {name: float(value) for name, value in totals.items()} == {
        "loss": 1.5,
        "num_examples": 4,
        "num_tokens": 35,
        "num_positions": 40,
    }
    assert all(value.dtype == tf.float32 for value in totals.values())


@pytest.mark.parametrize("num_replicas", [1, 3])
def test_no_two_steps_or_replicas_share_a_seed(num_replicas):
    seeds = {
        tuple(fold_seed(5, tf.constant(step, tf.int64), replica, num_replicas).numpy())
        for step in range(20)
        for replica in range(num_replicas)
    }
    assert len(seeds) == 20 * num_replicas
    again = fold_seed(5, tf.constant(7, tf.int64), num_replicas - 1, num_replicas).numpy()
    assert tuple(again) in seeds
    assert tuple(fold_seed(6, tf.constant(7, tf.int64), 0, num_replicas).numpy()) not in seeds
