"""How weights and gradients are distributed, after each epoch."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdomain.models.encoder_model import EncoderModel
from tfdomain.models.parameters import trained_variables
from tfdomain.optimization.loop import EpochSource
from tfdomain.training.board import TensorBoardLogger

__all__ = ["Histograms"]

NUM_BUCKETS = 30


class Histograms(keras.callbacks.Callback):
    """Logs every trained weight, and its gradient of the first batch of the epoch that ended.

    The gradients are those of the loss as it is at the epoch's end, before clipping. They are computed again for this:
    an update keeps none. Where several replicas train, weights alone are logged.

    Args:
        board: Where to.
        source: The batches that are trained on.
        num_rows: Rows of the batch that are read; an update that is summed up from several parts may have more.
    """

    def __init__(self, board: TensorBoardLogger, source: EpochSource, num_rows: int):
        super().__init__()
        self._board, self._source, self._num_rows = board, source, num_rows

    def on_epoch_end(self, epoch, logs=None):
        """Logs the epoch's."""
        variables = trained_variables(self.model)
        values = {f"weights/{_name(variable)}": np.asarray(variable) for variable in variables}
        # A loss may ask the other replicas for their part, and only the chief is here.
        is_alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
        for variable, gradient in zip(
            variables, self._gradients(epoch, variables) if is_alone else (), strict=is_alone
        ):
            if gradient is not None:
                values[f"gradients/{_name(variable)}"] = gradient
        finite = {tag: array[np.isfinite(array)] for tag, array in values.items()}
        histograms = {tag: np.histogram(array, NUM_BUCKETS) for tag, array in finite.items() if array.size}
        self._board.log_histograms(histograms, self.model.step)

    def _gradients(self, epoch: int, variables: list[keras.Variable]) -> list[np.ndarray | None]:
        model: EncoderModel = self.model
        (batch,) = self._source.epoch(epoch).take(1)
        batch = tf.nest.map_structure(lambda tensor: tensor[: self._num_rows], batch)
        with tf.GradientTape() as tape:
            seed = tf.constant([model.seed, model.step], tf.int32)
            loss = model.replica_loss(batch, denominator=model.loss_denominator(batch), seed=seed)
        return [_array(gradient) for gradient in tape.gradient(loss, [variable.value for variable in variables])]


def _array(gradient: Any) -> np.ndarray | None:
    # Of a table only the rows that were looked up have a gradient.
    return None if gradient is None else np.asarray(getattr(gradient, "values", gradient), "float32")


def _name(variable: keras.Variable) -> str:
    """The variable's path in its model, whose own name has a number of the process."""
    return variable.path.partition("/")[2] or variable.path
