"""A row of a table as one vector."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.data.features import FeatureSpec
from tfdomain.models.feature_reader import FIRST_ID, MISSING_ID, UNKNOWN_ID, FeatureReader

__all__ = ["FeatureEncoder"]

ONE_HOT_VALUES = 10
WIDEST_EMBEDDING = 32
EMBEDDING_DEVIATION = 0.05


@keras.saving.register_keras_serializable("tfdomain")
class FeatureEncoder(keras.layers.Layer):
    """Turns raw columns, as they stand in a file, into one vector a row.

    Numbers and dates are imputed, flagged and standardised by the `reader`; a category of up to ten
    values becomes one-hot, others a learned embedding. What the training rows never showed, a missing
    or unknown value, becomes zeros: no weight could have learned what to make of it. It computes in
    float32 whatever the policy, since float16 holds no income.

    Args:
        specs: What `tfdomain.data.features.learn_features` learned.
        seed: Of the embeddings' first values.

    Attributes:
        reader: The `FeatureReader`, which an exported module has to track.
        width: The length of the vector.

    Example:
        >>> specs = learn_features({"amount": [10, 30, 20], "use": ["car", "car", "house"]})
        >>> FeatureEncoder(specs)({"amount": tf.constant([20.0]), "use": tf.constant(["car"])}).numpy()
        array([[0., 0., 0., 1.]], dtype=float32)

    Reference: Guo and Berkhahn 2016, "Entity Embeddings of Categorical Variables"; the embeddings' lengths
    follow the rule of fast.ai, 1.6 · values^0.56.
    """

    def __init__(self, specs: Sequence[FeatureSpec], *, seed: int = 0, **kwargs: Any):
        super().__init__(**(kwargs | {"dtype": "float32"}))
        self.specs, self.seed = tuple(specs), seed
        self.reader = FeatureReader(self.specs)
        self._categories = [spec for spec in self.specs if spec.kind == "category"]
        self._seen = [_seen(spec) for spec in self._categories]
        self._embeddings = [self._add_embedding(number, spec) for number, spec in enumerate(self._categories)]
        self.width = self.reader.num_features + sum(
            len(seen) if table is None else table.shape[1]
            for seen, table in zip(self._seen, self._embeddings, strict=True)
        )
        self.built = True

    def call(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Encodes raw columns.

        Args:
            columns: By the names of the specs: float32 `[batch]` for numbers, with NaN for missing ones;
                strings `[batch]` for categories and dates.

        Returns:
            Float32 `[batch, width]`.
        """
        return self.encode(self.reader(columns))

    def encode(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Encodes what the reader gave: `features` and `category_ids`, to float32 `[batch, width]`."""
        parts = [tf.cast(inputs["features"], tf.float32)]
        for number, (seen, table) in enumerate(zip(self._seen, self._embeddings, strict=True)):
            ids = inputs["category_ids"][:, number]
            rows = tf.one_hot(ids, len(seen)) if table is None else tf.gather(tf.convert_to_tensor(table), ids)
            parts.append(rows * (tf.constant(seen) if table is None else tf.gather(seen, ids)[:, tf.newaxis]))
        return tf.concat(parts, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """`(batch, width)`."""
        return (None, self.width)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` rebuilds the layer from: JSON values."""
        return super().get_config() | {"specs": [spec.to_json() for spec in self.specs], "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FeatureEncoder":
        """The layer that `get_config` described, with new weights."""
        return cls(**(config | {"specs": [FeatureSpec.from_json(spec) for spec in config["specs"]]}))

    def _add_embedding(self, number: int, spec: FeatureSpec) -> keras.Variable | None:
        values = len(spec.vocabulary)
        if values <= ONE_HOT_VALUES:
            return None
        return self.add_weight(
            shape=(FIRST_ID + values, min(WIDEST_EMBEDDING, round(1.6 * values**0.56))),
            initializer=keras.initializers.RandomNormal(stddev=EMBEDDING_DEVIATION, seed=self.seed + number),
            name=f"embedding_{number}",
        )


def _seen(spec: FeatureSpec) -> np.ndarray:
    """1 for each id that training rows held, float32 `[2 + values]`."""
    seen = np.ones(FIRST_ID + len(spec.vocabulary), "float32")
    seen[UNKNOWN_ID], seen[MISSING_ID] = spec.has_unknown, spec.has_missing
    return seen
