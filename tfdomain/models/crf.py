"""A linear-chain conditional random field: the tags of a whole sequence at once, illegal ones never."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.encoders.flat_rows import repeat_index
from tfdomain.models.linear_chain import Chain, best_path, log_totals, path_scores, tagging_sums
from tfdomain.models.tag_moves import entity_types, legal_moves, split_tags

__all__ = ["LinearChainCRF"]

# Finite, since minus infinities have no gradient; several of them still add up to a float32.
_ILLEGAL = -1e30


@keras.saving.register_keras_serializable("tfdomain")
class LinearChainCRF(keras.layers.Layer):
    """Losses, decoding and probabilities of taggings, from the emissions of a head.

    Units are whatever is tagged: words, tokens, characters. A row's units stand at its beginning;
    a row may have none. The weights `transitions` `[tags, tags]` (from, to), `starts` `[tags]` and
    `ends` `[tags]` begin at zero. Illegal moves have none: no training and no weights let them in.

    It is a holder of weights and methods, and is not called itself.

    Args:
        tags: As `tfdomain.models.tag_moves.tag_names` gives them; `O` is tag 0.
        **kwargs: `name` and `trainable` as for every Keras layer; it is float32 under any policy.

    Raises:
        InputError: The tags are not those of a scheme.

    Example:
        >>> crf = LinearChainCRF(tag_names(["Disease"]))
        >>> emissions = tf.constant([[[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]])
        >>> crf.decode(emissions, tf.ones([1, 2], tf.int32)).numpy()  # I-Disease cannot begin
        array([[1, 2]], dtype=int32)

    Reference: Lafferty et al. 2001, "Conditional Random Fields: Probabilistic Models for Segmenting and
    Labeling Sequence Data".
    """

    def __init__(self, tags: Sequence[str], **kwargs: Any):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.tags = [str(tag) for tag in tags]
        # Constants of the graph: what no weight may say.
        self._may_start, self._may_move, self._may_end = legal_moves(self.tags)
        self._goes_on, self._tag_of_place = _moves_inside(self.tags), _tags_of_places(self.tags)
        count = len(self.tags)
        # Without autocast: inside a model of half precision they stay what they are.
        shared = {"initializer": "zeros", "dtype": "float32", "autocast": False}
        self.transitions = self.add_weight(shape=(count, count), name="transitions", **shared)
        self.starts = self.add_weight(shape=(count,), name="starts", **shared)
        self.ends = self.add_weight(shape=(count,), name="ends", **shared)
        self.built = True

    def losses(self, emissions: tf.Tensor, tags: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """The negative log-likelihood of each row's gold tags.

        Args:
            emissions: Float `[batch, n, tags]`.
            tags: int32 `[batch, n]`, legal taggings (an illegal one costs about 1e30); anything beyond the mask.
            mask: Bool or int `[batch, n]`, 1 where there is a unit.

        Returns:
            Float32 `[batch]`; 0 for a row without units.
        """
        emissions, mask = _prepared(emissions, mask)
        chain = self.chain()
        losses = log_totals(chain, emissions, mask) - path_scores(chain, emissions, tags, mask)
        return tf.where(tf.reduce_any(mask, axis=1), losses, 0.0)

    def decode(self, emissions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """The likeliest legal tagging of each row.

        Args:
            emissions: Float `[batch, n, tags]`.
            mask: Bool or int `[batch, n]`, 1 where there is a unit.

        Returns:
            Tags int32 `[batch, n]`; 0, which is `O`, beyond the mask.
        """
        return best_path(self.chain(), *_prepared(emissions, mask))

    def marginals(self, emissions: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """The probability of each tag at each unit, over all legal taggings of the row.

        Args:
            emissions: Float `[batch, n, tags]`.
            mask: Bool or int `[batch, n]`, 1 where there is a unit.

        Returns:
            Float32 `[batch, n, tags]`; 0 beyond the mask.
        """
        emissions, mask = _prepared(emissions, mask)
        sums = tagging_sums(self.chain(), emissions, mask)
        return tf.where(mask[:, :, tf.newaxis], tf.nn.softmax(sums.forward + sums.backward), 0.0)

    def span_log_probabilities(self, emissions: tf.Tensor, mask: tf.Tensor, spans: tf.Tensor) -> tf.Tensor:
        """How sure it is that just these units are one entity of just this type.

        That is the share of all taggings that hold the span's exact tags and do not go on behind
        it, as the constrained forward algorithm sums it. By the chain rule it is the probability of
        the first tag, of each next one given the one before, and of not going on.

        Args:
            emissions: Float `[batch, n, tags]`.
            mask: Bool or int `[batch, n]`, 1 where there is a unit.
            spans: int32 `[spans, 4]`: row, first unit, last unit, entity type (its place in
                `entity_types(tags)`); within the mask, in any order, overlapping or not.

        Returns:
            Float32 `[spans]`, at most 0.

        Reference: Culotta and McCallum 2004, "Confidence Estimation for Information Extraction".
        """
        emissions, mask = _prepared(emissions, mask)
        chain = self.chain()
        sums = tagging_sums(chain, emissions, mask)
        opening = tf.nn.log_softmax(sums.forward + sums.backward)  # [batch, n, tags]
        reached = emissions + sums.backward  # [batch, n, tags]

        spans = tf.cast(spans, tf.int32)
        first, last = spans[:, 1], spans[:, 2]
        span = repeat_index(last - first + 1)  # the span of each unit of each span, [units]
        offset = tf.range(tf.size(span)) - tf.gather(tf.cumsum(last - first + 1, exclusive=True), span)
        row, unit, tag = self._place(spans, span, offset)
        _, previous, previous_tag = self._place(spans, span, tf.maximum(offset - 1, 0))
        given = (
            tf.gather_nd(chain.transitions, tf.stack([previous_tag, tag], axis=1))
            + tf.gather_nd(reached, tf.stack([row, unit, tag], axis=1))
            - tf.gather_nd(sums.behind, tf.stack([row, previous, previous_tag], axis=1))
        )
        alone = tf.gather_nd(opening, tf.stack([row, unit, tag], axis=1))
        inside = tf.math.unsorted_segment_sum(tf.where(offset == 0, alone, given), span, tf.shape(spans)[0])

        row, unit, tag = self._place(spans, tf.range(tf.shape(spans)[0]), last - first)
        is_followed = tf.gather_nd(tf.pad(mask, [[0, 0], [0, 1]]), tf.stack([row, unit + 1], axis=1))
        next_unit = tf.minimum(unit + 1, tf.shape(mask)[1] - 1)
        ways = tf.gather(chain.transitions, tag) + tf.gather_nd(reached, tf.stack([row, next_unit], axis=1))
        away = tf.reduce_logsumexp(tf.where(tf.gather(self._goes_on, tag), _ILLEGAL, ways), axis=1)
        closing = away - tf.gather_nd(sums.behind, tf.stack([row, unit, tag], axis=1))
        return tf.minimum(inside + tf.where(is_followed, closing, 0.0), 0.0)

    def _place(self, spans: tf.Tensor, span: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The row, the unit and the tag, int32 `[m]` each, so many units behind the beginning of a span."""
        row, first, last, types = tf.unstack(tf.gather(spans, span), axis=1)
        is_first, is_last = tf.cast(offset == 0, tf.int32), tf.cast(first + offset == last, tf.int32)
        return row, first + offset, tf.gather_nd(self._tag_of_place, tf.stack([types, is_first, is_last], axis=1))

    def chain(self) -> Chain:
        """The weights with everything illegal masked."""
        return Chain(
            tf.where(self._may_start, tf.convert_to_tensor(self.starts), _ILLEGAL),
            tf.where(self._may_move, tf.convert_to_tensor(self.transitions), _ILLEGAL),
            tf.where(self._may_end, tf.convert_to_tensor(self.ends), _ILLEGAL),
        )

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from."""
        return super().get_config() | {"tags": self.tags}


def _moves_inside(tags: Sequence[str]) -> np.ndarray:
    """Where a move leads from a tag of an entity to the same entity's next, bool `[tags, tags]`."""
    prefixes, types = split_tags(tags)
    return np.isin(prefixes, ["I", "E"]) & (types[:, np.newaxis] == types)


def _tags_of_places(tags: Sequence[str]) -> np.ndarray:
    """The tag of a unit of an entity, int32 `[types, 2, 2]`: by type, whether it is the first, the last."""
    places = ["IE", "BS"] if "S-" + entity_types(tags)[0] in tags else ["II", "BB"]
    return np.array(
        [[[tags.index(f"{prefix}-{name}") for prefix in row] for row in places] for name in entity_types(tags)], "int32"
    )


def _prepared(emissions: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Float32 emissions, 0 beyond the mask, and the mask as bool."""
    mask = tf.cast(mask, tf.bool)
    return tf.where(mask[:, :, tf.newaxis], tf.cast(emissions, tf.float32), 0.0), mask
