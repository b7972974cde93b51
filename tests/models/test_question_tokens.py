import numpy as np
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.models.question_tokens import tokenize_questions

QUESTIONS = ["who paid the loan", "", "is it 银行 😀 or the new school", "car"]
CONTEXTS = ["we paid it", "the bank", "", "银行 was good"]


@pytest.fixture(scope="module")
def tokenizer(small_checkpoint):
    return tfdomain.Tokenizer.from_pretrained(small_checkpoint)


@pytest.mark.parametrize("limit", [1, 3, 30])
def test_each_side_is_tokenized_as_it_is_alone(tokenizer, limit):
    batch = tokenize_questions(tf.constant(QUESTIONS), tf.constant(CONTEXTS), tokenizer, limit)
    for row, (question, context) in enumerate(zip(QUESTIONS, CONTEXTS, strict=True)):
        sides = [tokenizer([text], max_length=None, return_offsets=True) for text in (question, context)]
        ids, offsets = ([side[name].numpy()[0, 1:-1] for side in sides] for name in ("token_ids", "offsets"))
        ids[0], offsets[0] = ids[0][:limit], offsets[0][:limit]
        expected = [tokenizer.cls_id, *ids[0], tokenizer.sep_id, *ids[1], tokenizer.sep_id]
        length = int(tf.reduce_sum(batch["padding_mask"][row]))
        assert batch["token_ids"][row].numpy()[:length].tolist() == expected
        assert batch["segment_ids"][row].numpy()[:length].tolist() == [0] * (len(ids[0]) + 2) + [1] * (len(ids[1]) + 1)
        none = np.zeros([1, 2], "int32")
        np.testing.assert_array_equal(
            batch["offsets"][row, :length], np.concatenate([none, offsets[0], none, offsets[1], none])
        )
        assert not np.any(batch["padding_mask"][row, length:])
        assert np.all(batch["token_ids"][row, length:] == tokenizer.pad_id)
    assert batch["token_ids"].shape[1] == int(tf.reduce_max(tf.reduce_sum(batch["padding_mask"], axis=1)))
