"""Texts longer than the encoder's positions: cut into overlapping windows at word borders, and merged again.

A text is a prefix (`[CLS]`, or `[CLS] question [SEP]`), content and a closing `[SEP]`. Every window of it has the
prefix, a stretch of the content, and the closing token. Where no text is too long nothing is cut, gathered or copied.
"""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.word_borders import WordBorders, word_borders

__all__ = ["WINDOW_POOLINGS", "Windows", "cut_windows", "merge_tokens", "pool_windows"]

WINDOW_POOLINGS = {"mean": tf.math.unsorted_segment_mean, "max": tf.math.unsorted_segment_max}


class Windows(NamedTuple):
    """What the encoder is given instead of whole texts, and the way back. All int32.

    `token_ids`, `segment_ids` and `padding_mask` are `[num_windows, width]`, the windows of a row
    side by side in their order, and `row_of_window` is `[num_windows]`: each row has at least one.
    `window_of_token` and `place_of_token`, `[batch, length]`, say which window supplies each token
    of the whole texts, and where in it the token stands.
    """

    token_ids: tf.Tensor
    segment_ids: tf.Tensor
    padding_mask: tf.Tensor
    row_of_window: tf.Tensor
    window_of_token: tf.Tensor
    place_of_token: tf.Tensor

    def inputs(self) -> dict[str, tf.Tensor]:
        """The token batch that the encoder takes."""
        return {
            "token_ids": self.token_ids,
            "segment_ids": self.segment_ids,
            "padding_mask": self.padding_mask,
        }


class _Texts(NamedTuple):
    """The layout of whole texts, int32 `[batch]` each but the last.

    The content lies at `prefix` to `end`, where the closing token stands; a window has room for
    `capacity` tokens of it and repeats `overlap` tokens of the one before. `length` counts tokens.
    """

    length: tf.Tensor
    prefix: tf.Tensor
    end: tf.Tensor
    capacity: tf.Tensor
    overlap: tf.Tensor
    borders: WordBorders


class _Cuts(NamedTuple):
    """The windows of each row, `[batch, most windows of a row]`.

    Window k of a row has the content from `starts` to before `stops`, where it `exists`.
    """

    starts: tf.Tensor
    stops: tf.Tensor
    exists: tf.Tensor


def cut_windows(
    inputs: Mapping[str, tf.Tensor],
    continues: tf.Tensor,
    *,
    width: int,
    overlap: int | None = None,
    keep_question: bool = False,
    pad_token_id: int = 0,
) -> Windows:
    """Cuts texts that are too long for the encoder.

    A window ends at the last word border that it has room for, and the next one begins at a word
    border `overlap` tokens before that end or earlier, or as near as leaves room for one more word.
    A word that is longer than a window is cut where the window is full; the window that it begins
    in repeats nothing.

    A token is supplied by the window in which it stands furthest from an edge (the first of such
    windows), a word whole by the one that its first token is supplied by. The begin and the end of
    the content are no edges. The prefix comes from the first window, the closing token from the last.

    Args:
        inputs: `token_ids`, `segment_ids` and `padding_mask` int32 `[batch, length]`: whole texts, each
            beginning with `[CLS]` and ending with `[SEP]`, padded behind.
        continues: Bool `[vocabulary]`, whether a token goes on with the word before it (`##`).
        width: Tokens of a window, at least 3: the encoder's positions, or fewer.
        overlap: Tokens of content that a window repeats of the one before; None: a quarter of a window's content.
        keep_question: Whether every window begins with all of segment 0, `[CLS] question [SEP]`, and
            segment 1 alone is cut; the question must leave room for a token.
        pad_token_id: Stands behind windows that are shorter.

    Returns:
        The windows; with `length` at most `width` they are the texts as they are.

    Raises:
        InputError: A width or an overlap that makes no windows.
    """
    if width < 3:
        raise InputError(f"windows of {width} tokens", where="width", mend="give at least 3: [CLS], a token, [SEP]")
    if overlap is not None and not 0 <= overlap < width - 2:
        raise InputError(
            f"an overlap of {overlap} tokens", where="overlap", mend=f"give 0 to {width - 3} for windows of {width}"
        )
    token_ids, segment_ids, padding_mask = (
        tf.cast(inputs[name], tf.int32) for name in ("token_ids", "segment_ids", "padding_mask")
    )

    def cut():
        prefix = (1 - segment_ids) * padding_mask if keep_question else padding_mask[:, :1]
        texts = _texts(token_ids, padding_mask, tf.reduce_sum(prefix, axis=1), continues, width, overlap)
        cuts = _cut(texts)
        row, source, kept = _sources(texts, cuts, width)
        index = tf.stack([tf.broadcast_to(row[:, tf.newaxis], tf.shape(source)), source], axis=2)
        return Windows(
            tf.where(kept, tf.gather_nd(token_ids, index), pad_token_id),
            tf.where(kept, tf.gather_nd(segment_ids, index), 0),
            tf.cast(kept, tf.int32),
            row,
            *_suppliers(texts, cuts, width),
        )

    def leave():
        rows, places = tf.range(tf.shape(token_ids)[0]), tf.range(tf.shape(token_ids)[1])
        row_of_token = tf.broadcast_to(rows[:, tf.newaxis], tf.shape(token_ids))
        place_of_token = tf.broadcast_to(places, tf.shape(token_ids))
        return Windows(token_ids, segment_ids, padding_mask, rows, row_of_token, place_of_token)

    return tf.cond(tf.shape(token_ids)[1] <= width, leave, cut)


def merge_tokens(hidden: tf.Tensor, windows: Windows) -> tf.Tensor:
    """The vectors of whole texts from those of their windows, each token's from the window that supplies it.

    Args:
        hidden: Float `[num_windows, width, size]`, of the encoder or of a head.
        windows: What `cut_windows` gave.

    Returns:
        As `hidden`, `[batch, length, size]`; of no use behind a text's end.
    """
    index = tf.stack([windows.window_of_token, windows.place_of_token], axis=2)
    # Windows of another shape than the texts are there only where something was cut.
    is_whole = tf.reduce_all(tf.shape(hidden)[:2] == tf.shape(windows.window_of_token))
    return tf.cond(is_whole, lambda: hidden, lambda: tf.gather_nd(hidden, index))


def pool_windows(vectors: tf.Tensor, row_of_window: tf.Tensor, batch: tf.Tensor, pooling: str = "mean") -> tf.Tensor:
    """One vector a text from one vector a window.

    Args:
        vectors: Float `[num_windows, size]`.
        row_of_window: int32 `[num_windows]`.
        batch: int32 scalar, the number of texts.
        pooling: `mean` (over the windows, each weighing the same; summed in float32) or `max`.

    Returns:
        As `vectors`, `[batch, size]`.

    Raises:
        InputError: There is no such pooling.
    """
    if pooling not in WINDOW_POOLINGS:
        problem = f"the pooling of windows is {pooling!r}"
        raise InputError(problem, where="pooling", mend=f"choose {' or '.join(WINDOW_POOLINGS)}")
    pooled = WINDOW_POOLINGS[pooling](tf.cast(vectors, tf.float32), row_of_window, batch)
    return tf.cast(pooled, vectors.dtype)


def _texts(token_ids, padding_mask, prefix, continues, width: int, overlap: int | None) -> _Texts:
    length = tf.reduce_sum(padding_mask, axis=1)
    # A row of padding alone counts as a prefix with nothing behind it.
    prefix = tf.maximum(prefix, 1)
    end = tf.maximum(length - 1, prefix)
    capacity = width - 1 - prefix
    tf.debugging.assert_positive(capacity, message="a question leaves no room for its context in a window")
    repeated = capacity // 4 if overlap is None else tf.minimum(overlap, capacity - 1)
    return _Texts(length, prefix, end, capacity, repeated, word_borders(tf.gather(continues, token_ids), prefix, end))


def _cut(texts: _Texts) -> _Cuts:
    def stop_of(start):
        full = tf.minimum(start + texts.capacity, texts.end)
        border = texts.borders.last_up_to(full)
        return tf.where(border > start, border, full)

    def start_behind(stop):
        word_end = texts.borders.first_behind(stop)
        nearest = texts.borders.first_behind(word_end - texts.capacity - 1)
        repeating = tf.maximum(texts.borders.last_up_to(stop - texts.overlap), nearest)
        at_word = tf.where(word_end - stop > texts.capacity, stop, repeating)
        in_word = texts.borders.last_up_to(stop) < stop
        start = tf.where(in_word, stop - texts.overlap, at_word)
        return tf.where(stop < texts.end, start, texts.end)

    def add(count, stop, cuts):
        start = start_behind(stop)
        stop = stop_of(start)
        return count + 1, stop, cuts.write(count, tf.stack([start, stop], axis=1))

    stop = stop_of(texts.prefix)
    cuts = tf.TensorArray(tf.int32, size=1, dynamic_size=True, element_shape=[None, 2])
    cuts = cuts.write(0, tf.stack([texts.prefix, stop], axis=1))
    _, _, cuts = tf.while_loop(lambda _, stop, __: tf.reduce_any(stop < texts.end), add, (1, stop, cuts))
    starts, stops = tf.unstack(tf.transpose(cuts.stack(), [2, 1, 0]))  # [batch, windows] each
    is_first = tf.range(tf.shape(starts)[1]) == 0
    return _Cuts(starts, stops, is_first | (starts < texts.end[:, tf.newaxis]))


def _sources(texts: _Texts, cuts: _Cuts, width: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The row of each window, `[num_windows]`, and of each place in it the row's position and whether it is kept."""
    found = tf.where(cuts.exists)
    row = tf.cast(found[:, 0], tf.int32)
    start, stop = (tf.gather_nd(part, found)[:, tf.newaxis] for part in (cuts.starts, cuts.stops))
    prefix, end, length = (tf.gather(part, row)[:, tf.newaxis] for part in (texts.prefix, texts.end, texts.length))
    place = tf.range(width)
    closing = prefix + stop - start
    content = tf.where(place < closing, place - prefix + start, end)
    return row, tf.where(place < prefix, place, content), (place <= closing) & (place < length)


def _suppliers(texts: _Texts, cuts: _Cuts, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Which window supplies each token, and its place there, int32 `[batch, length]` each."""
    shape = tf.shape(texts.borders.counts)
    position = tf.broadcast_to(tf.range(shape[1]), shape)
    # From the middle of an overlap on, the later window is the one whose edge is further.
    middles = (cuts.starts[:, 1:] + cuts.stops[:, :-1] + 1) // 2
    follows = tf.cast(tf.where(cuts.exists[:, 1:]), tf.int32)  # [windows but the rows' first, 2]
    middles = tf.stack([follows[:, 0], tf.gather_nd(middles, follows)], axis=1)
    number = tf.cumsum(tf.scatter_nd(middles, tf.ones_like(middles[:, 0]), shape), axis=1)

    prefix, end, capacity = (part[:, tf.newaxis] for part in (texts.prefix, texts.end, texts.capacity))
    word = texts.borders.last_up_to(position)
    is_whole = texts.borders.first_behind(position) - word <= capacity
    is_content = (position >= prefix) & (position < end)
    number = tf.gather(number, tf.where(is_content & is_whole, word, position), batch_dims=1)

    place = prefix + position - tf.gather(cuts.starts, number, batch_dims=1)
    place = tf.where(position < prefix, position, tf.minimum(place, width - 1))
    counts = tf.reduce_sum(tf.cast(cuts.exists, tf.int32), axis=1)
    return tf.cumsum(counts, exclusive=True)[:, tf.newaxis] + number, place
