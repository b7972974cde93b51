"""Where answers may begin and end, where the labelled ones do, and which one scores best; all in the graph."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

__all__ = ["NEVER", "Words", "answer_words", "best_spans", "best_windows", "context_words", "find_in_windows"]

NEVER = -1e9
"""The score of what cannot be: finite, since minus infinity less itself is no number."""


class Words(NamedTuple):
    """The words of contexts by their tokens, `[batch, length]` or `[num_windows, width]` each.

    `number` int32 counts the words of a context from 0 and is -1 for all other tokens; `begins` and
    `ends` (bool) say whether a word begins or ends with the token.
    """

    number: tf.Tensor
    begins: tf.Tensor
    ends: tf.Tensor


def context_words(batch: Mapping[str, tf.Tensor], is_continued: tf.Tensor) -> Words:
    """The words of each row's context.

    Args:
        batch: `segment_ids` and `padding_mask`, int32 `[batch, length]`; the last token of a row closes it.
        is_continued: Bool `[batch, length]`, whether the token goes on with the word before it.
    """
    mask = batch["padding_mask"]
    is_closing = tf.range(tf.shape(mask)[1]) == tf.reduce_sum(mask, axis=1, keepdims=True) - 1
    is_context = (batch["segment_ids"] * mask > 0) & ~is_closing
    begins = is_context & ~is_continued
    goes_on = tf.pad((is_context & is_continued)[:, 1:], [[0, 0], [0, 1]])
    number = tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1
    return Words(tf.where(is_context, number, -1), begins, is_context & ~goes_on)


def answer_words(labels: tf.Tensor, words: Words, offsets: tf.Tensor) -> tf.Tensor:
    """The first and the last word of each labelled answer: all words that it touches.

    Args:
        labels: int32 `[batch, answers, 2]`, the first character and the one behind the last; an entry whose
            end is 0 is none.
        words: Of the whole contexts.
        offsets: int32 `[batch, length, 2]`, the characters of each token.

    Returns:
        int32 `[batch, answers, 2]`; (-1, -1) where there is no answer, or no word in it.
    """
    start, end = labels[:, :, :1], labels[:, :, 1:]
    first = _count(words.ends[:, tf.newaxis] & (offsets[:, tf.newaxis, :, 1] <= start))
    last = _count(words.begins[:, tf.newaxis] & (offsets[:, tf.newaxis, :, 0] < end)) - 1
    is_answer = (end[:, :, 0] > 0) & (first <= last)
    return tf.where(is_answer[:, :, tf.newaxis], tf.stack([first, last], axis=2), -1)


def find_in_windows(spans: tf.Tensor, words: Words) -> tf.Tensor:
    """Where in each window the first of its answers that it holds whole begins and ends.

    Args:
        spans: int32 `[num_windows, answers, 2]`, first and last word of each answer.
        words: Of the windows.

    Returns:
        int32 `[num_windows, 2]`, places in the window; (0, 0), the place of `[CLS]`, where it holds none.
    """
    number = words.number[:, tf.newaxis]
    begins = words.begins[:, tf.newaxis] & (number == spans[:, :, :1])  # [num_windows, answers, width]
    ends = words.ends[:, tf.newaxis] & (number == spans[:, :, 1:])
    is_whole = tf.reduce_any(begins, axis=2) & tf.reduce_any(ends, axis=2)
    # The first place of a largest value: 0 where there is no answer.
    chosen = tf.argmax(tf.cast(is_whole, tf.int32), axis=1)
    places = tf.stack([tf.argmax(tf.cast(part, tf.int32), axis=2, output_type=tf.int32) for part in (begins, ends)], 2)
    found = tf.gather(places, chosen, batch_dims=1)
    return tf.where(tf.reduce_any(is_whole, axis=1)[:, tf.newaxis], found, 0)


def best_spans(scores: tf.Tensor, words: Words, max_tokens: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The span of whole words with the highest sum of scores in each window, the first of equal ones.

    Args:
        scores: Float32 `[num_windows, width, 2]`, of beginning and of ending with each token.
        words: Of the windows.
        max_tokens: Tokens of the longest span.

    Returns:
        int32 `[num_windows, 2]`, the first and the last place of the span; and float32 `[num_windows]`, its
        sum, below `NEVER / 2` where a window holds no span.
    """
    width = tf.shape(scores)[1]
    begin = tf.where(words.begins, scores[:, :, 0], NEVER)
    end = tf.pad(tf.where(words.ends, scores[:, :, 1], NEVER), [[0, 0], [0, max_tokens - 1]], constant_values=NEVER)
    last = tf.range(width)[:, tf.newaxis] + tf.range(max_tokens)  # [width, max_tokens]
    totals = begin[:, :, tf.newaxis] + tf.gather(end, last, axis=1)
    totals = tf.reshape(totals, [tf.shape(scores)[0], width * max_tokens])
    best = tf.argmax(totals, axis=1, output_type=tf.int32)
    first = best // max_tokens
    return tf.stack([first, first + best % max_tokens], axis=1), tf.reduce_max(totals, axis=1)


def best_windows(margins: tf.Tensor, row_of_window: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
    """The window with the highest margin of each row, the first of equal ones, int32 `[num_rows]`.

    Args:
        margins: Float32 `[num_windows]`.
        row_of_window: int32 `[num_windows]`; every row has one.
        num_rows: int32 scalar.
    """
    highest = tf.gather(tf.math.unsorted_segment_max(margins, row_of_window, num_rows), row_of_window)
    number = tf.range(tf.shape(margins)[0])
    return tf.math.unsorted_segment_min(tf.where(margins >= highest, number, tf.int32.max), row_of_window, num_rows)


def _count(marks: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(marks, tf.int32), axis=2)
