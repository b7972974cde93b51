import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.optimization.shares import distribute_rows, share_of_rows

SCRIPT = """
import sys
import numpy as np
import tensorflow as tf
from tfdomain.optimization.shares import distribute_rows

num_replicas = int(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_replicas)
sizes = [5, 4, 2, 1]

def batches():
    for number, size in enumerate(sizes):
        yield {"token_ids": np.full((size, number + 1), number, "int32"), "one": {"row": np.arange(size) + 10 * number}}

spec = {"token_ids": tf.TensorSpec([None, None], tf.int32), "one": {"row": tf.TensorSpec([None], tf.int64)}}
with tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(num_replicas)]).scope():
    strategy = tf.distribute.get_strategy()
    shares = distribute_rows(tf.data.Dataset.from_generator(batches, output_signature=spec))
    seen = []
    for number, batch in enumerate(shares):
        parts = strategy.experimental_local_results(batch["one"]["row"])
        rows = np.concatenate([part.numpy() for part in parts])
        np.testing.assert_array_equal(rows, np.arange(sizes[number]) + 10 * number)
        assert max(len(part) for part in parts) - min(len(part) for part in parts) <= 1
        for ids, part in zip(strategy.experimental_local_results(batch["token_ids"]), parts):
            assert ids.shape == (len(part), number + 1)
        seen.append(number)
assert seen == [0, 1, 2, 3]
"""


@pytest.mark.parametrize("num_replicas", [2, 3])
def test_replicas_have_each_row_once(num_replicas):
    subprocess.run([sys.executable, "-c", SCRIPT, str(num_replicas)], check=True, timeout=300)


@pytest.mark.parametrize(("rows", "num_shares"), [(7, 2), (3, 3), (1, 4), (0, 2), (12, 5)])
def test_shares_hold_each_row_once(rows, num_shares):
    tensors = {"x": tf.range(rows), "more": {"y": tf.reshape(tf.range(rows * 2), [rows, 2])}}
    shares = [share_of_rows(tensors, number, num_shares) for number in range(num_shares)]
    np.testing.assert_array_equal(tf.concat([share["x"] for share in shares], 0), np.arange(rows))
    np.testing.assert_array_equal(tf.concat([share["more"]["y"] for share in shares], 0), tensors["more"]["y"])
    sizes = [len(share["x"]) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_one_replica_takes_the_batches_as_they_are():
    dataset = tf.data.Dataset.range(3)
    assert distribute_rows(dataset) is dataset
