import random

import numpy as np
import tensorflow as tf

from tfdomain.data.entity_spans import cuts_character
from tfdomain.models.character_ends import extend_to_characters


def test_ends_go_behind_the_marks_that_follow():
    texts = ["cafe\u0301 x", "❤\ufe0f\u200d", "plain", "", "👍\U0001f3fd!", "e\u0301\u0302", "葛\U000e0100"]
    offsets = [[[0, 4], [6, 7]], [[0, 1], [0, 0]], [[0, 3], [3, 5]], [[0, 0]] * 2, [[0, 1], [2, 3]], [[0, 1], [0, 2]]]
    offsets += [[[0, 1], [0, 0]]]
    expected = [[[0, 5], [6, 7]], [[0, 3], [0, 0]], [[0, 3], [3, 5]], [[0, 0]] * 2, [[0, 2], [2, 3]], [[0, 3], [0, 3]]]
    expected += [[[0, 2], [0, 0]]]
    assert extend_to_characters(tf.constant(texts), tf.constant(offsets)).numpy().tolist() == expected
    plain = extend_to_characters(tf.constant(texts[2:4]), tf.constant(offsets[2:4]))
    assert plain.numpy().tolist() == offsets[2:4]


def test_no_end_cuts_a_character_before_a_mark():
    rng = random.Random(0)
    characters = ["a", "中", "é", "\u0301", "\u0302", "\ufe0f", "\u200d", "😀", "\U0001f3fb", "ﾞ", "अ", "ि"]
    texts = ["".join(rng.choices(characters, k=rng.randrange(1, 12))) for _ in range(300)]
    offsets = np.zeros([300, 4, 2], np.int32)
    for row, text in enumerate(texts):
        offsets[row, :, 1] = sorted(rng.choices(range(1, len(text) + 1), k=4))
    extended = extend_to_characters(tf.constant(texts), tf.constant(offsets)).numpy()
    assert (extended[:, :, 1] > offsets[:, :, 1]).any()
    for text, before, after in zip(texts, offsets, extended, strict=True):
        for end, moved in zip(before[:, 1], after[:, 1], strict=True):
            assert not cuts_character(text, int(moved)) or text[moved - 1] == "\u200d"
            assert all(cuts_character(text, place) for place in range(end, moved))
