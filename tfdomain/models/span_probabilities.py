"""How sure a chain is that just these units are one entity of just this type: the constrained forward algorithm.

The probability of a span is the share of all taggings that hold its exact tags and do not go on behind it. By the
chain rule it is the probability of the first tag, times that of each next one given the one before, times that of not
going on; every factor comes from the same two passes over the row, however many spans are asked for.

Reference: Culotta and McCallum 2004, "Confidence Estimation for Information Extraction".
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfdomain.encoders.flat_rows import repeat_index
from tfdomain.models.linear_chain import Chain, Sums, tagging_sums
from tfdomain.models.tag_moves import entity_types, split_tags

__all__ = ["span_log_probabilities"]


def span_log_probabilities(
    chain: Chain, emissions: tf.Tensor, mask: tf.Tensor, spans: tf.Tensor, tags: Sequence[str]
) -> tf.Tensor:
    """The log probability of each span.

    Args:
        chain: The weights; those of illegal moves are very low.
        emissions: Float32 `[batch, n, tags]`, finite everywhere.
        mask: Bool `[batch, n]`, the units of each row at its beginning.
        spans: int32 `[spans, 4]`: row, first unit, last unit, entity type (its place in
            `entity_types(tags)`); within the mask, in any order, overlapping or not.
        tags: As `tfdomain.models.tag_moves.tag_names` gives them.

    Returns:
        Float32 `[spans]`, at most 0.
    """
    sums = tagging_sums(chain, emissions, mask)
    held = _log_held(chain, emissions, sums, spans, tags)
    return tf.minimum(held + _log_closed(chain, emissions, sums, mask, spans, tags), 0.0)


def _log_held(chain: Chain, emissions: tf.Tensor, sums: Sums, spans: tf.Tensor, tags: Sequence[str]) -> tf.Tensor:
    """That the units of each span have the span's tags, `[spans]`."""
    first, last = spans[:, 1], spans[:, 2]
    span = repeat_index(last - first + 1)  # which span a unit is of: [units of all spans]
    offset = tf.range(tf.size(span)) - tf.gather(tf.cumsum(last - first + 1, exclusive=True), span)
    row, unit, tag = _tagged_units(tf.gather(spans, span), offset, tags)
    _, previous, previous_tag = _tagged_units(tf.gather(spans, span), tf.maximum(offset - 1, 0), tags)
    alone = _at(tf.nn.log_softmax(sums.forward + sums.backward), row, unit, tag)
    after_previous = (
        _at(chain.transitions, previous_tag, tag)
        + _at(emissions + sums.backward, row, unit, tag)
        - _at(sums.behind, row, previous, previous_tag)
    )
    return tf.math.unsorted_segment_sum(tf.where(offset == 0, alone, after_previous), span, tf.shape(spans)[0])


def _log_closed(
    chain: Chain, emissions: tf.Tensor, sums: Sums, mask: tf.Tensor, spans: tf.Tensor, tags: Sequence[str]
) -> tf.Tensor:
    """That the entity does not go on behind the last unit of each span, given that unit's tag, `[spans]`."""
    row, unit, tag = _tagged_units(spans, spans[:, 2] - spans[:, 1], tags)
    is_followed = _at(tf.pad(mask, [[0, 0], [0, 1]]), row, unit + 1)
    following = _at(emissions + sums.backward, row, tf.minimum(unit + 1, tf.shape(mask)[1] - 1))  # [spans, tags]
    ways = tf.gather(chain.transitions, tag) + following
    prefixes, types = split_tags(tags)
    goes_on = np.isin(prefixes, ["I", "E"]) & (types[:, np.newaxis] == types)  # [tags, tags]
    away = tf.where(tf.gather(goes_on, tag), ways.dtype.min, ways)
    return tf.where(is_followed, tf.reduce_logsumexp(away, axis=1) - _at(sums.behind, row, unit, tag), 0.0)


def _tagged_units(spans: tf.Tensor, offset: tf.Tensor, tags: Sequence[str]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The row, the unit and its tag, `[m]` each, so many units behind the beginning of each span `[m, 4]`."""
    types = entity_types(tags)
    # By whether the unit is the span's first, and its last.
    prefixes = [["I", "E"], ["B", "S"]] if f"S-{types[0]}" in tags else [["I", "I"], ["B", "B"]]
    numbers = [[[tags.index(f"{prefix}-{name}") for prefix in pair] for pair in prefixes] for name in types]
    row, first, last, type_ids = tf.unstack(spans, axis=1)
    is_first, is_last = tf.cast(offset == 0, tf.int32), tf.cast(first + offset == last, tf.int32)
    return row, first + offset, _at(tf.constant(numbers), type_ids, is_first, is_last)


def _at(values: tf.Tensor, *places: tf.Tensor) -> tf.Tensor:
    return tf.gather_nd(values, tf.stack(places, axis=1))
