"""Which tokens are hidden, and by what: a function of a seed, inside the graph."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.models.masked_lm import IGNORED

__all__ = ["Masking"]

# The share of the chosen tokens that become [MASK]; half of the others become a random token, half stay.
MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1


class Masking:
    """Chooses tokens to hide, whole words or spans of words at a time.

    Of each row the units (tokens, words or spans) are taken in random order for as long as they fit into
    `mask_rate` of its tokens; the first one is always taken. Of the chosen tokens 80 % become [MASK], 10 % a
    random token, and 10 % stay as they are. A word is a piece and the `##` pieces behind it: a Chinese character
    is one by itself. Spans have 1 to `longest_span` words, the probability of n being proportional to 1/n, and
    end with their document.

    Args:
        tokenizer: Whose special tokens are never hidden and never put in.
        mask_rate: The share of a row's tokens to hide, above 0 and below 1.
        whole_words: Whether all pieces of a word are hidden together.
        longest_span: The most words that are hidden together; 1: single words. Above 1 needs `whole_words`.

    Raises:
        InputError: A value is out of its range, or the vocabulary has no [MASK].

    Reference: Devlin et al. 2019, "BERT", 3.1; the whole words of its later release; Lan et al. 2020, "ALBERT", 4.1,
    for the spans.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, mask_rate: float = 0.15, whole_words: bool = True, longest_span: int = 1
    ):
        if not 0 < mask_rate < 1:
            raise InputError(f"mask_rate is {mask_rate}", mend="choose a share between 0 and 1")
        if longest_span < 1 or (longest_span > 1 and not whole_words):
            mend = "choose 1, or a higher number together with whole_words"
            raise InputError(f"longest_span is {longest_span}", mend=mend)
        self.mask_rate, self.whole_words, self.longest_span = mask_rate, whole_words, longest_span
        self.mask_id = tokenizer.mask_id
        settings = tokenizer.settings
        specials = {*settings.named.values(), *(special.content for special in settings.specials)}
        self._special = np.array([token in specials for token in settings.vocabulary])
        self._ordinary = np.flatnonzero(~self._special).astype(np.int32)
        self._begins = ~tokenizer.continues

    def __call__(self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Hides tokens of a batch.

        Args:
            batch: `token_ids`, `padding_mask` and `document_ids`, int32 `[batch, length]`.
            seed: int32 `[2]`.

        Returns:
            The batch with `token_ids` changed and with `labels`, int32 alike: what was hidden, and -1 elsewhere.
        """
        token_ids = batch["token_ids"]
        chosen = self.choose(batch, seed)
        fate_seed, token_seed = tf.unstack(tf.random.split(seed, 4)[2:])
        fate = tf.random.stateless_uniform(tf.shape(token_ids), fate_seed)
        drawn = tf.random.stateless_uniform(tf.shape(token_ids), token_seed, 0, len(self._ordinary), tf.int32)
        hidden = tf.where(fate < MASKED_SHARE + RANDOM_SHARE, tf.gather(self._ordinary, drawn), token_ids)
        hidden = tf.where(fate < MASKED_SHARE, self.mask_id, hidden)
        return dict(batch) | {
            "token_ids": tf.where(chosen, hidden, token_ids),
            "labels": tf.where(chosen, token_ids, IGNORED),
        }

    def choose(self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """Which tokens are to be guessed, bool `[batch, length]`."""
        token_ids = batch["token_ids"]
        shape, (order_seed, span_seed) = tf.shape(token_ids), tf.unstack(tf.random.split(seed, 4)[:2])
        maskable = (batch["padding_mask"] > 0) & ~tf.gather(self._special, token_ids)
        units = self._units(token_ids, batch["document_ids"], maskable, span_seed)
        # A random place in the order for each unit, the same for all its tokens; what cannot be hidden comes last.
        draws = tf.random.stateless_uniform(shape, order_seed)
        places = tf.where(maskable, tf.gather(draws, units, batch_dims=1), 2.0)
        order = tf.argsort(places, axis=1, stable=True)
        rank = tf.argsort(order, axis=1, stable=True)
        budget = tf.round(self.mask_rate * tf.reduce_sum(tf.cast(maskable, tf.float32), axis=1, keepdims=True))
        # A unit is hidden whole or not at all: its last token decides. The first one is hidden whatever its length.
        last = _largest_of_unit(rank, units, shape)
        is_first = _largest_of_unit(tf.cast(rank == 0, tf.int32), units, shape) > 0
        return maskable & ((tf.cast(last, tf.float32) < budget) | is_first)

    def _units(self, token_ids, document_ids, maskable, seed) -> tf.Tensor:
        """A number from 0 for what is hidden together, int32 `[batch, length]`, ascending along a row."""
        shape = tf.shape(token_ids)
        if not self.whole_words:
            return tf.broadcast_to(tf.range(shape[1])[tf.newaxis], shape)
        # A special token is a unit of its own, so that no word runs across it.
        begins = tf.gather(self._begins, token_ids) | ~maskable
        begins |= tf.concat([tf.ones([shape[0], 1], tf.bool), ~maskable[:, :-1]], axis=1)
        words = tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1
        if self.longest_span == 1:
            return words
        share = 1 / np.arange(1, self.longest_span + 1)
        limits = tf.constant(np.cumsum(share / share.sum())[:-1], tf.float32)
        draws = tf.random.stateless_uniform(shape, seed)
        lengths = 1 + tf.searchsorted(limits, tf.reshape(draws, [-1]), side="right")
        ends = tf.cumsum(tf.reshape(lengths, shape), axis=1)
        spans = tf.searchsorted(ends, words, side="right")
        # A new span where the drawn one ends, and where the words belong together no longer.
        changes = (spans[:, 1:] != spans[:, :-1]) | (document_ids[:, 1:] != document_ids[:, :-1]) | ~maskable[:, 1:]
        changes |= ~maskable[:, :-1]
        first = tf.zeros([shape[0], 1], tf.int32)
        return tf.concat([first, tf.cumsum(tf.cast(changes, tf.int32), axis=1)], axis=1)


def _largest_of_unit(values: tf.Tensor, units: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """For each token the largest of its unit's values, int32 `[batch, length]`."""
    across = tf.reshape(units + tf.range(shape[0])[:, tf.newaxis] * shape[1], [-1])
    largest = tf.math.unsorted_segment_max(tf.reshape(values, [-1]), across, shape[0] * shape[1])
    return tf.reshape(tf.gather(largest, across), shape)
