import numpy as np
import pytest
import tensorflow as tf

from tfdomain.pipeline.fixed_shapes import FixedShapes, fixed_lengths


class Source:
    num_batches, lengths = 3, "those of the source"

    def __init__(self, shapes):
        self.shapes = shapes

    def epoch(self, epoch, first_batch=0):
        def generate():
            for number, (rows, length) in enumerate(self.shapes[first_batch:]):
                ids = np.full([rows, length], number + 1, "int32")
                yield {"token_ids": ids, "labels": np.full([rows, 2], 7.0, "float32"), "row_ids": np.arange(rows)}

        signature = {
            "token_ids": tf.TensorSpec([None, None], tf.int32),
            "labels": tf.TensorSpec([None, 2], tf.float32),
            "row_ids": tf.TensorSpec([None], tf.int64),
        }
        return tf.data.Dataset.from_generator(generate, output_signature=signature)


@pytest.mark.parametrize("longest", [3, 16, 17, 20, 24, 100, 128, 512])
def test_lengths_are_few_and_pad_little(longest):
    lengths = fixed_lengths(longest)
    assert lengths == sorted(set(lengths)) and lengths[-1] == longest and len(lengths) <= 11
    for length in range(17, longest + 1):
        padded = min(one for one in lengths if one >= length)
        assert (padded - length) / padded < 1 / 3
    assert all(length % 8 == 0 for length in lengths[:-1])


def test_lengths_are_those_that_are_documented():
    assert fixed_lengths(200) == [16, 24, 32, 48, 64, 96, 128, 192, 200]


def test_batches_are_filled_up_and_padded():
    batches = FixedShapes(Source([(4, 17), (1, 3), (4, 40)]), num_rows=4, longest=40)
    assert batches.num_batches == 3 and batches.lengths == "those of the source"
    found = list(batches.epoch(0))
    assert [one["token_ids"].shape.as_list() for one in found] == [[4, 24], [4, 16], [4, 40]]
    first, second, _ = found
    np.testing.assert_array_equal(first["token_ids"], np.pad(np.ones([4, 17]), [[0, 0], [0, 7]]))
    np.testing.assert_array_equal(second["token_ids"], np.pad(np.full([1, 3], 2), [[0, 3], [0, 13]]))
    np.testing.assert_array_equal(second["labels"], [[7, 7], [0, 0], [0, 0], [0, 0]])
    for name in ("row_mask", "sample_weight"):
        np.testing.assert_array_equal(second[name], [1, 0, 0, 0])
        np.testing.assert_array_equal(first[name], np.ones(4))
    assert [one["token_ids"].shape[1] for one in batches.epoch(0, 2)] == [40]


def test_a_table_alone_has_no_tokens():
    (batch,) = FixedShapes(Source([(2, 0)]), num_rows=3, longest=40).epoch(0)
    assert batch["token_ids"].shape == [3, 0]
