"""From a tag a unit to entities: where each begins and ends, of what type it is, and how sure that is."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfdomain.models.tag_moves import split_tags
from tfdomain.models.units import Units

__all__ = ["Entities", "entity_table", "find_spans", "mean_confidences", "pad_spans"]


class Entities(NamedTuple):
    """The entities of each row, in their order; 0 beyond the row's `count`.

    `first` and `last` unit and `type` are int32 `[batch, max_entities]`, `confidence` is float32
    alike, `count` int32 `[batch]`. `max_entities` is the most that a row has, and at least 1.
    """

    first: tf.Tensor
    last: tf.Tensor
    type: tf.Tensor
    confidence: tf.Tensor
    count: tf.Tensor


def find_spans(tag_ids: tf.Tensor, mask: tf.Tensor, tags: Sequence[str]) -> tf.Tensor:
    """The entities of each row, also of taggings that no scheme allows.

    Every unit that is not `O` belongs to an entity. A new one begins at `B-` and `S-`, at a change
    of type, behind `O`, `E-` and `S-`, and at the row's beginning, whatever the prefix is.

    Args:
        tag_ids: int32 `[batch, n]`, places in `tags`; anything beyond the mask.
        mask: Bool or int `[batch, n]`, 1 where there is a unit.
        tags: As `tfdomain.models.tag_moves.tag_names` gives them.

    Returns:
        int32 `[spans, 4]`: row, first unit, last unit, entity type (its place in `entity_types(tags)`),
        ordered by row and place: what `LinearChainCRF.span_log_probabilities` takes.

    Raises:
        InputError: The tags are not those of a scheme.

    Reference: Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared Task", whose
    conlleval reads chunks so.
    """
    prefixes, types = split_tags(tags)
    # An `O` before and behind every row: [batch, n + 2].
    padded = tf.pad(tf.where(tf.cast(mask, tf.bool), tag_ids, 0), [[0, 0], [1, 1]])
    type_ids = tf.gather(types, padded)
    opens = tf.gather(np.isin(prefixes, ["B", "S"]), padded)
    closes = tf.gather(np.isin(prefixes, ["E", "S"]), padded)
    # Between unit k - 1 and unit k: [batch, n + 1].
    before, behind = type_ids[:, :-1], type_ids[:, 1:]
    begins = (behind >= 0) & (opens[:, 1:] | closes[:, :-1] | (behind != before))
    ends = (before >= 0) & (begins | (behind < 0))
    # Entities do not overlap: the k-th beginning and the k-th end are those of one entity.
    first, end = tf.where(begins), tf.where(ends)
    columns = [first, end[:, 1:] - 1, tf.cast(tf.gather_nd(behind, first), tf.int64)[:, tf.newaxis]]
    return tf.cast(tf.concat(columns, axis=1), tf.int32)


def mean_confidences(probabilities: tf.Tensor, tag_ids: tf.Tensor, spans: tf.Tensor) -> tf.Tensor:
    """How sure a softmax is of entities: the mean over an entity's units of their tags' probabilities.

    Args:
        probabilities: Float `[batch, n, tags]`.
        tag_ids: int32 `[batch, n]`, the tags that the spans were found in.
        spans: int32 `[spans, 4]`, as `find_spans` gives them.

    Returns:
        Float32 `[spans]`.
    """
    chosen = tf.gather(probabilities, tag_ids, batch_dims=2)  # [batch, n]
    # In float64 the difference of two sums is exact enough, however long the row.
    sums = tf.cumsum(tf.pad(tf.cast(chosen, tf.float64), [[0, 0], [1, 0]]), axis=1)  # [batch, n + 1]
    row, first, last, _ = tf.unstack(spans, axis=1)
    total = tf.gather_nd(sums, tf.stack([row, last + 1], axis=1)) - tf.gather_nd(sums, tf.stack([row, first], axis=1))
    return tf.cast(total / tf.cast(last - first + 1, tf.float64), tf.float32)


def pad_spans(spans: tf.Tensor, confidences: tf.Tensor, batch: tf.Tensor) -> Entities:
    """The spans of a batch as a table with a line for each row.

    Args:
        spans: int32 `[spans, 4]`, ordered by row, as `find_spans` gives them.
        confidences: Float32 `[spans]`.
        batch: int32 scalar, the number of rows.
    """
    row = spans[:, 0]
    count = tf.math.unsorted_segment_sum(tf.ones_like(row), row, batch)
    place = tf.range(tf.size(row)) - tf.gather(tf.cumsum(count, exclusive=True), row)
    target = tf.stack([row, place], axis=1)
    shape = tf.stack([batch, tf.maximum(tf.reduce_max(count), 1)])
    first, last, types = (tf.scatter_nd(target, spans[:, column], shape) for column in (1, 2, 3))
    return Entities(first, last, types, tf.scatter_nd(target, confidences, shape), count)


def entity_table(entities: Entities, units: Units, texts: tf.Tensor) -> dict[str, tf.Tensor]:
    """Entities with their places in the texts.

    Args:
        entities: As `pad_spans` gives them.
        units: What was tagged.
        texts: string `[batch]`.

    Returns:
        What `TokenClassifier.decode` promises.
    """
    exists = tf.sequence_mask(entities.count, tf.shape(entities.first)[1])
    start = tf.where(exists, tf.gather(units.starts, entities.first, batch_dims=1), 0)
    end = tf.where(exists, tf.gather(units.ends, entities.last, batch_dims=1), 0)
    shown = tf.where(exists, texts[:, tf.newaxis], "")
    return {
        "entity": tf.strings.substr(shown, start, end - start, unit="UTF8_CHAR"),
        "label": entities.type,
        "start": start,
        "end": end,
        "confidence": entities.confidence,
        "count": entities.count,
    }
