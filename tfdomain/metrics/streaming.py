"""Keras metrics for `compile(metrics=[...])` that agree with the tables to the last digit.

They sum a confusion matrix over the batches and read the score off it with the tables' own formula:
an average of the batches' scores, which is what a naive metric gives, is not the score of the whole.
The areas under curves need all scores at once and have no exact streaming form; they stand in the
tables only.
"""

from typing import Any

import keras
from keras import ops

from tfdomain.errors import InputError
from tfdomain.metrics.confusion import CONFUSION_SCORES, confusion_scores

__all__ = ["ConfusionScore"]


@keras.saving.register_keras_serializable(package="tfdomain")
class ConfusionScore(keras.metrics.Metric):
    """A score of all examples since the last reset, from their summed confusion matrix.

    The counts are float64: float32 stops counting at 16,777,216. Under a strategy each replica sums
    its own, and reading the result adds them up. An example whose label is negative is left out.

    Args:
        score: One of `tfdomain.metrics.confusion.CONFUSION_SCORES`, such as `"macro_f1"`.
        num_classes: How many classes there are.
        name: The key in Keras' logs; by default the score.
        dtype: The dtype of the result; the counts are float64 whatever it is.

    Raises:
        InputError: The score is unknown or there are fewer than two classes.

    Example:
        >>> macro_f1 = ConfusionScore("macro_f1", num_classes=2)
        >>> macro_f1.update_state([0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
        >>> round(float(macro_f1.result()), 4)
        0.6667
    """

    def __init__(self, score: str, *, num_classes: int, name: str | None = None, dtype: Any = None):
        if score not in CONFUSION_SCORES:
            raise InputError(f"there is no score {score!r}", mend=f"choose one of {', '.join(CONFUSION_SCORES)}")
        if num_classes < 2:
            raise InputError(f"num_classes is {num_classes}, not 2 or more")
        super().__init__(name=name or score, dtype=dtype)
        self.score, self.num_classes = score, num_classes
        self.matrix = self.add_variable(
            (num_classes, num_classes), initializer="zeros", dtype="float64", name="confusion_matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: int `[batch]` or `[batch, 1]`, the true classes.
            y_pred: float `[batch, classes]`, probabilities or logits.
            sample_weight: float `[batch]` or `[batch, 1]`, how much each example counts.
        """
        labels = ops.reshape(ops.cast(y_true, "int64"), (-1,))
        predictions = ops.cast(ops.argmax(y_pred, axis=-1), "int64")
        if sample_weight is None:
            weight = ops.ones(ops.shape(labels), "float64")
        else:
            weight = ops.reshape(ops.cast(sample_weight, "float64"), (-1,))
        weight = ops.where(labels >= 0, weight, ops.zeros_like(weight))
        cells = ops.maximum(labels, 0) * self.num_classes + predictions
        counts = ops.segment_sum(weight, cells, num_segments=self.num_classes**2)
        self.matrix.assign(self.matrix + ops.reshape(counts, (self.num_classes, self.num_classes)))

    def result(self) -> Any:
        """The score of all batches since the last reset: a scalar; 0 before the first batch."""
        return ops.cast(confusion_scores(ops.convert_to_tensor(self.matrix), ops)[self.score], self.dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to build this metric again."""
        return {**super().get_config(), "score": self.score, "num_classes": self.num_classes}
