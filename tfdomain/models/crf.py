"""A linear-chain conditional random field: the tags of a whole sequence at once, illegal ones never."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfdomain.models.linear_chain import Chain, best_path, log_totals, path_scores, tagging_sums
from tfdomain.models.span_probabilities import span_log_probabilities
from tfdomain.models.tag_moves import legal_moves

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

        That is the share of all legal taggings that hold the span's exact tags and do not go on
        behind it: exact, by the constrained forward algorithm.

        Args:
            emissions: Float `[batch, n, tags]`.
            mask: Bool or int `[batch, n]`, 1 where there is a unit.
            spans: int32 `[spans, 4]`: row, first unit, last unit, entity type (its place in
                `entity_types(tags)`); within the mask, in any order, overlapping or not.

        Returns:
            Float32 `[spans]`, at most 0.
        """
        spans = tf.cast(spans, tf.int32)
        return span_log_probabilities(self.chain(), *_prepared(emissions, mask), spans, self.tags)

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


def _prepared(emissions: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Float32 emissions, 0 beyond the mask, and the mask as bool."""
    mask = tf.cast(mask, tf.bool)
    return tf.where(mask[:, :, tf.newaxis], tf.cast(emissions, tf.float32), 0.0), mask
