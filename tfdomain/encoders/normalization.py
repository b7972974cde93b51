"""Raw text to normalized words inside the graph, as the reference's BERT normalizer does it.

Texts are decoded to code points once; from there on everything works on flat int32 vectors, one
element a character, and every character remembers the place in its text that it came from.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfdomain.encoders.flat_rows import repeat_index, row_indices
from tfdomain.encoders.special_tokens import SpecialToken
from tfdomain.encoders.unicode_tables import (
    CODE_SHIFT,
    DROPPED,
    EXPANDED_BIT,
    ISOLATED,
    KIND_MASK,
    NUM_CODE_POINTS,
    ORDER_BREAK_BIT,
    RANK_MASK,
    RANK_SHIFT,
    SPACE,
    compose_table,
)

__all__ = ["Normalizer", "Words"]

shift_left, shift_right = tf.bitwise.left_shift, tf.bitwise.right_shift


class Words(NamedTuple):
    """The words of a batch of texts, flat.

    Attributes:
        characters: int32 `[characters]`, normalized code points of all words in order; a special
            token that was found in the text is one character `0x110000 + its index`.
        starts: int32 `[characters]`, where in its own text the character's origin starts.
        ends: int32 `[characters]`, where in its own text the character's origin ends.
        word_splits: int32 `[words + 1]`, the first character of each word, and the end.
        row_splits: int32 `[batch + 1]`, the first word of each text, and the end.
    """

    characters: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    word_splits: tf.Tensor
    row_splits: tf.Tensor


class Normalizer(tf.Module):
    """Cleans text, isolates ideographs, drops accents, lowers the case, and splits it into words.

    Args:
        clean_text: Drop control and unassigned characters, turn every white space into a space.
        handle_chinese_chars: Make every CJK ideograph a word of its own.
        strip_accents: Decompose (NFD) and drop the non-spacing marks.
        lowercase: Lower the case of each character on its own (no final sigma).

    Reference:
        Devlin et al. 2018, https://arxiv.org/abs/1810.04805 (its `BasicTokenizer`), in the form of
        the `tokenizers` library's `BertNormalizer` and `BertPreTokenizer`.
    """

    def __init__(self, *, clean_text: bool, handle_chinese_chars: bool, strip_accents: bool, lowercase: bool):
        super().__init__()
        table = compose_table(
            clean_text=clean_text,
            handle_chinese_chars=handle_chinese_chars,
            strip_accents=strip_accents,
            lowercase=lowercase,
        )
        self._page_starts = tf.constant(table.page_starts)
        self._pages = tf.constant(table.pages)
        self._expansions = tf.constant(table.expansions.reshape(-1))
        self._widest_expansion = table.expansions.shape[1]
        self._expansion_lengths = tf.constant(table.expansion_lengths)
        self._reorders = strip_accents

    def split_words(self, texts: tf.Tensor, specials: Sequence[SpecialToken] = ()) -> Words:
        """Normalizes texts and splits them into words.

        Args:
            texts: string `[batch]`, UTF-8; a broken byte becomes U+FFFD.
            specials: Tokens to cut out of the raw text whole, before anything else happens to it.
        """
        text_splits, codes = tf.raw_ops.UnicodeDecode(
            input=texts,
            input_encoding="UTF-8",
            errors="replace",
            replacement_char=0xFFFD,
            replace_control_characters=False,
            Tsplits=tf.int32,
        )
        rows = row_indices(text_splits)
        starts = tf.range(tf.size(codes)) - tf.gather(text_splits, rows)
        ends = starts + 1
        if specials:
            codes, starts, ends, swallowed = self._cut_out(specials, codes, starts, ends, rows, text_splits)
        entries = self._look_up(codes)
        if specials:
            entries = tf.where(swallowed, DROPPED, entries)
        sources, values = tf.cond(
            tf.reduce_any(entries & EXPANDED_BIT != 0),
            lambda: self._expand(entries),
            lambda: _drop(entries),
        )
        if self._reorders:
            ranks = shift_right(values, RANK_SHIFT) & RANK_MASK
            sources, values = tf.cond(
                tf.reduce_any(ranks != 0),
                lambda: _reorder(sources, values, ranks, entries, rows),
                lambda: (sources, values),
            )
        return _cut_words(values, tf.gather(rows, sources), sources, starts, ends, tf.size(texts))

    def _look_up(self, codes: tf.Tensor) -> tf.Tensor:
        places = tf.gather(self._page_starts, shift_right(codes, 8)) + (codes & 255)
        return tf.gather(self._pages, places) + shift_left(codes, CODE_SHIFT)

    def _expand(self, entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        expanded = entries & EXPANDED_BIT != 0
        targets = tf.where(expanded, shift_right(entries, CODE_SHIFT), 0)
        kept = tf.cast(entries & KIND_MASK != DROPPED, tf.int32)
        counts = tf.where(expanded, tf.gather(self._expansion_lengths, targets), kept)
        sources = repeat_index(counts)
        within = tf.range(tf.size(sources)) - tf.gather(tf.cumsum(counts, exclusive=True), sources)
        places = tf.gather(targets, sources) * self._widest_expansion + within
        # A character that stays has target row 0 and place 0, which is looked up in vain.
        parts = tf.gather(self._expansions, places)
        return sources, tf.where(tf.gather(expanded, sources), parts, tf.gather(entries, sources))

    def _cut_out(self, specials, codes, starts, ends, rows, text_splits):
        """Replaces each special token in the text by one character past Unicode's end."""
        total = tf.size(codes)
        remaining = tf.gather(text_splits, rows + 1) - tf.range(total)
        lengths, indices = tf.zeros_like(codes), tf.zeros_like(codes)
        # Where one token starts with another, the longest wins: it is looked for last.
        for index, special in sorted(enumerate(specials), key=lambda pair: len(pair[1].content)):
            pattern = [ord(character) for character in special.content]
            padded = tf.pad(codes, [[0, len(pattern)]], constant_values=-1)
            found = remaining >= len(pattern)
            for place, code in enumerate(pattern):
                found &= padded[place : place + total] == code
            lengths = tf.where(found, len(pattern), lengths)
            indices = tf.where(found, index, indices)
        found = lengths > 0
        places = tf.cast(tf.where(found), tf.int32)
        stops = places + tf.gather(lengths, places)
        ones = tf.ones_like(places)[:, 0]
        inside = tf.cumsum(tf.scatter_nd(places + 1, ones, [total + 1]) - tf.scatter_nd(stops, ones, [total + 1]))
        special_starts, special_ends = self._stripped(specials, codes, starts, indices, lengths, rows, text_splits)
        return (
            tf.where(found, NUM_CODE_POINTS + indices, codes),
            tf.where(found, special_starts, starts),
            tf.where(found, special_ends, ends),
            inside[:total] > 0,
        )

    def _stripped(self, specials, codes, starts, indices, lengths, rows, text_splits):
        """Where special tokens start and end, with the white space that belongs to them."""
        stops = starts + lengths
        if not any(special.lstrip or special.rstrip for special in specials):
            return starts, stops
        total = tf.size(codes)
        first, end = tf.gather(text_splits, rows), tf.gather(text_splits, rows + 1)
        solid = self._look_up(codes) & KIND_MASK != SPACE
        here = tf.range(total)
        solid_places = tf.cast(tf.where(solid)[:, 0], tf.int32)
        padded = tf.concat([[-1], solid_places, [total]], 0)
        solid_before = tf.gather(padded, tf.searchsorted(solid_places, here))
        solid_after = tf.gather(padded, tf.searchsorted(solid_places, here + lengths) + 1)
        left = tf.maximum(solid_before + 1, first) - first
        right = tf.minimum(solid_after, end) - first
        lstrip = tf.gather(tf.constant([special.lstrip for special in specials]), indices)
        rstrip = tf.gather(tf.constant([special.rstrip for special in specials]), indices)
        return tf.where(lstrip, left, starts), tf.where(rstrip, right, stops)


def _drop(entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    sources = tf.cast(tf.where(entries & KIND_MASK != DROPPED)[:, 0], tf.int32)
    return sources, tf.gather(entries, sources)


def _reorder(sources, values, ranks, entries, rows):
    """Puts runs of combining marks into canonical order (Unicode Standard Annex 15)."""
    dropped_breaks = tf.cumsum(entries & ORDER_BREAK_BIT) // ORDER_BREAK_BIT
    runs = tf.cumsum(tf.cast(ranks == 0, tf.int32)) + tf.gather(dropped_breaks + rows, sources)
    keys = tf.cast(runs, tf.int64) * (RANK_MASK + 1) + tf.cast(ranks, tf.int64)
    order = tf.argsort(keys, stable=True)
    return tf.gather(sources, order), tf.gather(values, order)


def _cut_words(values, rows, sources, starts, ends, num_texts) -> Words:
    kinds = values & KIND_MASK
    kinds_before = tf.concat([[SPACE], kinds[:-1]], 0)
    rows_before = tf.concat([[-1], rows[:-1]], 0)
    opens = (kinds_before != 0) | (kinds == ISOLATED) | (rows_before != rows)
    solid = tf.where(kinds != SPACE)[:, 0]
    word_starts = tf.where(tf.gather(opens, solid))[:, 0]
    solid_sources = tf.gather(sources, solid)
    word_rows = tf.gather(tf.gather(rows, solid), word_starts)
    return Words(
        characters=shift_right(tf.gather(values, solid), CODE_SHIFT),
        starts=tf.gather(starts, solid_sources),
        ends=tf.gather(ends, solid_sources),
        word_splits=tf.concat([tf.cast(word_starts, tf.int32), tf.shape(solid)], 0),
        row_splits=tf.searchsorted(word_rows, tf.range(num_texts + 1)),
    )
