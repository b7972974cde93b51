"""Sums and maxima over all taggings of a sequence, unit by unit: what a CRF is computed with.

The score of a tagging is the emission of every unit's tag, the transition of every two neighbours, the start of the
first tag and the end of the last. All sums run in log space and float32, and are shifted at every unit so that the
ten-thousandth is as exact as the first.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

__all__ = ["Chain", "Sums", "best_path", "log_totals", "path_scores", "tagging_sums"]


class Chain(NamedTuple):
    """The weights: `starts` float32 `[tags]`, `transitions` `[tags, tags]` (from, to), `ends` `[tags]`."""

    starts: tf.Tensor
    transitions: tf.Tensor
    ends: tf.Tensor


class Sums(NamedTuple):
    """Log sums over the taggings of the units before and behind, float32 `[batch, n, tags]`.

    `forward` and `backward` are sums up to a unit (with its own emission) and from it on (without),
    given its tag, each less a number of the unit's own: their softmax is the tag's probability.
    `behind` is the sum over the next unit's tags as it was before that number was taken from it, so
    that the log probability of tag b at unit i + 1 given tag a at unit i is
    `transitions[a, b] + emissions[i + 1, b] + backward[i + 1, b] - behind[i, a]`.
    """

    forward: tf.Tensor
    backward: tf.Tensor
    behind: tf.Tensor


def log_totals(chain: Chain, emissions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The log of the sum of the exponentials of all taggings' scores.

    Args:
        chain: The weights.
        emissions: Float32 `[batch, n, tags]`, finite everywhere.
        mask: Bool `[batch, n]`, the units of each row at its beginning.

    Returns:
        Float32 `[batch]`; nothing of use for a row without units.
    """
    forward, shifts = _forward(chain, emissions, _log_product)  # [n, batch, tags], [n, batch, 1]
    last = _last_units(mask)  # [n, batch, 1]
    final = tf.reduce_sum(tf.where(last, forward, 0.0), axis=0)  # [batch, tags]
    passed = tf.transpose(mask)[:, :, tf.newaxis] & ~last
    shift = tf.reduce_sum(tf.where(passed, shifts, 0.0), axis=[0, 2])  # [batch]
    return tf.reduce_logsumexp(final + chain.ends, axis=1) + shift


def path_scores(chain: Chain, emissions: tf.Tensor, tags: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The score of one tagging a row.

    Args:
        chain: The weights.
        emissions: Float32 `[batch, n, tags]`.
        tags: int32 `[batch, n]`; anything beyond the mask.
        mask: Bool `[batch, n]`.

    Returns:
        Float32 `[batch]`.
    """
    tags = tf.where(mask, tags, 0)
    last = tf.transpose(_last_units(mask)[:, :, 0])  # [batch, n]
    own = tf.gather(emissions, tags, batch_dims=2)  # [batch, n]
    own += tf.where(last, tf.gather(chain.ends, tags), 0.0)
    moves = tf.gather_nd(chain.transitions, tf.stack([tags[:, :-1], tags[:, 1:]], axis=2))  # [batch, n - 1]
    first = tf.where(mask[:, :1], tf.gather(chain.starts, tags[:, :1]), 0.0)  # [batch, 1]
    parts = (tf.where(mask, own, 0.0), tf.where(mask[:, 1:], moves, 0.0), first)
    return tf.add_n([tf.reduce_sum(part, axis=1) for part in parts])


def best_path(chain: Chain, emissions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The tagging of the highest score, by Viterbi's algorithm.

    Args:
        chain: The weights.
        emissions: Float32 `[batch, n, tags]`, finite everywhere.
        mask: Bool `[batch, n]`.

    Returns:
        Tags int32 `[batch, n]`; 0 beyond the mask.
    """
    best, _ = _forward(chain, emissions, _log_maximum)  # [n, batch, tags]
    into = tf.transpose(chain.transitions)

    # No back pointers: the way back asks each unit anew, for the one tag that follows it.
    def best_before(following, unit):
        scores, last = unit  # [batch, tags], [batch, 1]
        onward = tf.where(last, chain.ends, tf.gather(into, following))
        return tf.argmax(scores + onward, axis=1, output_type=tf.int32)

    beyond = tf.zeros(tf.shape(mask)[:1], tf.int32)
    path = tf.scan(best_before, (best, _last_units(mask)), initializer=beyond, reverse=True)
    return tf.where(mask, tf.transpose(path), 0)


def tagging_sums(chain: Chain, emissions: tf.Tensor, mask: tf.Tensor) -> Sums:
    """The sums from both ends, which every probability of a tag or of a span is made of.

    Args:
        chain: The weights.
        emissions: Float32 `[batch, n, tags]`, finite everywhere.
        mask: Bool `[batch, n]`.
    """
    forward, _ = _forward(chain, emissions, _log_product)
    backward, behind = _backward(chain, emissions, mask)
    return Sums(*(tf.transpose(part, [1, 0, 2]) for part in (forward, backward, behind)))


def _forward(chain: Chain, emissions: tf.Tensor, advance: Callable) -> tuple[tf.Tensor, tf.Tensor]:
    """All that leads to each tag of each unit, `[n, batch, tags]`, less the shifts so far, `[n, batch, 1]`.

    The shift of a unit is what is taken off behind it.
    """
    units = tf.transpose(emissions, [1, 0, 2])
    start = tf.broadcast_to(chain.starts, tf.shape(units)[1:])

    def step(state, emission):
        after = advance(state[0] + emission, chain.transitions)
        # A constant to the gradient: what is taken off here is added again.
        shift = tf.stop_gradient(tf.reduce_max(after, axis=1, keepdims=True))
        return after - shift, shift

    arriving, shifts = tf.scan(step, units, initializer=(start, start[:, :1]))
    return tf.concat([start[tf.newaxis], arriving], 0)[:-1] + units, shifts


def _backward(chain: Chain, emissions: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """All that follows each tag of each unit, `[n, batch, tags]`: shifted, and before its shift."""
    units = tf.transpose(emissions, [1, 0, 2])
    into = tf.transpose(chain.transitions)
    following = tf.concat([units[1:], units[:1]], 0)  # what stands behind the last unit is not looked at
    end = tf.broadcast_to(chain.ends, tf.shape(units)[1:])

    def step(state, unit):
        emission, last = unit  # [batch, tags], [batch, 1]
        behind = tf.where(last, end, _log_product(state[0] + emission, into))
        return behind - tf.reduce_max(behind, axis=1, keepdims=True), behind

    return tf.scan(step, (following, _last_units(mask)), initializer=(end, end), reverse=True)


def _last_units(mask: tf.Tensor) -> tf.Tensor:
    """Where each row's last unit is, bool `[n, batch, 1]`."""
    followed = tf.concat([mask[:, 1:], tf.zeros_like(mask[:, :1])], axis=1)
    return tf.transpose(mask & ~followed)[:, :, tf.newaxis]


def _log_maximum(scores: tf.Tensor, transitions: tf.Tensor) -> tf.Tensor:
    """The best way into each tag: `[batch, tags]` and `[tags, tags]` give `[batch, tags]`."""
    return tf.reduce_max(scores[:, :, tf.newaxis] + transitions, axis=1)


@tf.custom_gradient
def _log_product(scores: tf.Tensor, transitions: tf.Tensor) -> Any:
    """All ways into each tag: the logarithm of a matrix product of exponentials, `[batch, tags]`."""
    product = tf.reduce_logsumexp(scores[:, :, tf.newaxis] + transitions, axis=1)

    # Computed again instead of kept: a long text would keep [batch, tags, tags] for every unit.
    def gradient(upstream):
        share = tf.exp(scores[:, :, tf.newaxis] + transitions - product[:, tf.newaxis])
        flow = share * upstream[:, tf.newaxis]
        return tf.reduce_sum(flow, axis=2), tf.reduce_sum(flow, axis=0)

    return product, gradient
