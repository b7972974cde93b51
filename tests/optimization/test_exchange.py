"""The gradients of several replicas added up: two logical devices in one process, and two processes."""

import subprocess
import sys

import numpy as np
import pytest

SECONDS = 420
# Of a table of 4,000 rows each replica touches none, a few or all; the reference is a plain sum in float64.
ON_TWO_REPLICAS = """
import sys
import numpy as np
import tensorflow as tf

if sys.argv[1] == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
else:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
from tfdomain.optimization.accumulation import sum_over_parts
from tfdomain.optimization.exchange import add_over_replicas

ROWS, WIDTH = 4000, 80
sent = []
all_gather = tf.distribute.ReplicaContext.all_gather
def noted(self, value, axis, options=None):
    if value.shape.rank == 2:
        tf.py_function(lambda count: sent.append(int(count)), [tf.shape(value)[0]], [])
    return all_gather(self, value, axis, options)
tf.distribute.ReplicaContext.all_gather = noted

with strategy.scope():
    table, bias = tf.Variable(tf.zeros([ROWS, WIDTH])), tf.Variable(tf.zeros([3]))

def add(ids, factors, num_parts):
    def replica():
        context = tf.distribute.get_replica_context()
        index, count = context.replica_id_in_sync_group, tf.size(ids)
        own = slice(count * index // 2, count * (index + 1) // 2)

        def differentiate(part, seed):
            with tf.GradientTape() as tape:
                rows = tf.gather(tf.convert_to_tensor(table), part["ids"])
                loss = tf.reduce_sum(rows * part["factors"]) + tf.reduce_sum(bias) * tf.reduce_sum(part["factors"])
            return loss, tape.gradient(loss, [table, bias])

        batch = {"ids": ids[own], "factors": factors[own]}
        _, gradients = sum_over_parts(differentiate, batch, tf.constant([0, 1]), num_parts)
        assert isinstance(gradients[0], tf.IndexedSlices)
        return add_over_replicas(gradients)

    return strategy.experimental_local_results(strategy.run(replica))

random = np.random.default_rng(0)
everything = np.concatenate([np.arange(ROWS), np.arange(ROWS)])
for ids, most in ((np.array([7]), 1), (random.integers(0, 50, 300), 50), (everything, 1)):
    factors = random.normal(size=(len(ids), WIDTH)).astype("float32")
    for num_parts in (1, 3):
        del sent[:]
        signature = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, WIDTH])]
        compiled = tf.function(lambda ids, factors: add(ids, factors, num_parts), input_signature=signature)
        found = compiled(tf.constant(ids), tf.constant(factors))
        expected = np.zeros([ROWS, WIDTH])
        np.add.at(expected, ids, factors)
        for one, other in found:
            np.testing.assert_array_equal(one, found[0][0])
            np.testing.assert_allclose(one, expected, atol=1e-5)
            np.testing.assert_allclose(other, factors.sum(dtype="float64"), rtol=1e-4, atol=1e-4)
        assert sent and max(sent) <= most, (sent, most)
spoilt = factors.copy()
spoilt[5, 2] = np.inf
for one, _ in compiled(tf.constant(ids), tf.constant(spoilt)):
    assert np.isinf(one[5, 2]) and np.sum(np.isfinite(one)) == ROWS * WIDTH - 1
np.save(sys.argv[2], found[0][0])
"""


def test_two_devices_of_one_process(tmp_path):
    command = [sys.executable, "-c", ON_TWO_REPLICAS, "mirrored", str(tmp_path / "sum.npy")]
    subprocess.run(command, check=True, timeout=SECONDS)


@pytest.mark.thorough
def test_two_processes(tmp_path, start_pair):
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    ends = start_pair([["-c", ON_TWO_REPLICAS, "multi", str(file)] for file in files], tmp_path).end()
    assert [code for code, _, _ in ends] == [0, 0], ends
    np.testing.assert_array_equal(*(np.load(file) for file in files))
