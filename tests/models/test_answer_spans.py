import numpy as np
import pytest
import tensorflow as tf

from tfdomain.models.answer_spans import (
    NEVER,
    Words,
    answer_words,
    best_spans,
    best_windows,
    context_words,
    find_in_windows,
)

# [CLS] q ##q [SEP] a ##a b c ##c ##c [SEP], and [CLS] [SEP] [SEP] with padding.
SEGMENTS = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]], "int32")
MASK = np.array([[1] * 11, [1] * 3 + [0] * 8], "int32")
CONTINUED = np.array([[0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0], [0] * 11], bool)
BATCH = {"segment_ids": tf.constant(SEGMENTS), "padding_mask": tf.constant(MASK)}
# The context is "aA b ccC": words at characters 0-2, 3-4, 5-8.
OFFSETS = np.zeros([2, 11, 2], "int32")
OFFSETS[0, 4:10] = [[0, 1], [1, 2], [3, 4], [5, 6], [6, 7], [7, 8]]


def words_of(number, begins, ends):
    return Words(tf.constant(number, tf.int32), tf.constant(np.array(begins, bool)), tf.constant(np.array(ends, bool)))


def test_words_of_a_context():
    words = context_words(BATCH, tf.constant(CONTINUED))
    assert words.number.numpy().tolist() == [[-1] * 4 + [0, 0, 1, 2, 2, 2, -1], [-1] * 11]
    assert np.flatnonzero(words.begins[0]).tolist() == [4, 6, 7]
    assert np.flatnonzero(words.ends[0]).tolist() == [5, 6, 9]
    assert not np.any(words.begins[1]) and not np.any(words.ends[1])


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 2), (0, 0)),
        ((0, 8), (0, 2)),
        ((3, 4), (1, 1)),
        ((6, 7), (2, 2)),  # inside of a word: all of it
        ((1, 6), (0, 2)),  # from inside of a word into another
        ((2, 4), (1, 1)),  # with the blank before
        ((3, 5), (1, 1)),  # with the blank behind
        ((2, 3), (-1, -1)),  # a blank alone
        ((0, 0), (-1, -1)),  # none
        ((8, 20), (-1, -1)),  # behind the end
    ],
)
def test_words_that_an_answer_touches(span, expected):
    words = context_words(BATCH, tf.constant(CONTINUED))
    labels = tf.constant([[[3, 4], span], [span, [0, 0]]])
    found = answer_words(labels, words, tf.constant(OFFSETS)).numpy()
    assert found[0].tolist() == [[1, 1], list(expected)]
    assert found[1].tolist() == [[-1, -1], [-1, -1]]


def test_a_window_is_labelled_by_the_first_answer_that_it_holds_whole():
    # Places 3 to 6 of a window hold words 4 (two pieces), 5 and 6.
    words = words_of(
        [[-1, -1, -1, 4, 4, 5, 6, -1]] * 5,
        [[0, 0, 0, 1, 0, 1, 1, 0]] * 5,
        [[0, 0, 0, 0, 1, 1, 1, 0]] * 5,
    )
    spans = tf.constant(
        [[[4, 4], [5, 6]], [[3, 4], [5, 6]], [[6, 7], [2, 3]], [[-1, -1], [-1, -1]], [[-1, -1], [4, 6]]]
    )
    assert find_in_windows(spans, words).numpy().tolist() == [[3, 4], [5, 6], [0, 0], [0, 0], [3, 6]]


@pytest.mark.parametrize("max_tokens", [1, 3, 50])
def test_best_span_is_that_of_brute_force(max_tokens):
    random = np.random.default_rng(3)
    scores = random.normal(size=(40, 17, 2)).astype("float32")
    begins, ends = random.random((2, 40, 17)) < 0.4
    begins[0], ends[1] = False, False
    spans, totals = best_spans(tf.constant(scores), words_of(np.zeros([40, 17]), begins, ends), max_tokens)
    for window in range(40):
        legal = {
            (first, last): scores[window, first, 0] + scores[window, last, 1]
            for first in np.flatnonzero(begins[window])
            for last in np.flatnonzero(ends[window])
            if first <= last < first + max_tokens
        }
        if not legal:
            assert totals[window] < NEVER / 2
            continue
        best = max(legal, key=legal.get)
        assert tuple(spans[window].numpy()) == best
        assert float(totals[window]) == pytest.approx(legal[best])
    assert float(totals[0]) < NEVER / 2 and float(totals[1]) < NEVER / 2


def test_best_window_of_each_row_is_the_first_of_the_highest():
    margins = tf.constant([1.0, 3.0, 3.0, NEVER, -2.0, -1.0])
    rows = tf.constant([0, 0, 0, 1, 2, 2])
    assert best_windows(margins, rows, 3).numpy().tolist() == [1, 3, 5]
    assert best_windows(margins[:0], rows[:0], 0).shape == [0]
