"""What the machine does during some updates, for TensorBoard's PROFILE tab."""

from pathlib import Path

import keras
import tensorflow as tf

from tfdomain.errors import TfdomainError

__all__ = ["Profile"]


class Profile(keras.callbacks.Callback):
    """Records what runs when, on processors and GPUs, from one update to another.

    Args:
        folder: That of the run's logs.
        first: The first update that is recorded, from 1.
        last: The last one.
    """

    def __init__(self, folder: Path, first: int, last: int):
        super().__init__()
        self.folder, self.first, self.last = folder, first, last
        self._records = False
        self._update: tf.profiler.experimental.Trace | None = None

    def on_train_batch_begin(self, batch, logs=None):
        """Begins with the first update of those that are wanted."""
        if not self._records and self.first == self.model.step + 1:
            try:
                tf.profiler.experimental.start(str(self.folder))
            except tf.errors.AlreadyExistsError as error:
                mend = "run the experiments one after the other, or set board.profile to null"
                raise TfdomainError("this process is profiled already", where="board.profile", mend=mend) from error
            self._records = True
        if self._records:
            # The mark of a step (`_r`: its root), by which the profile tells what an update takes.
            self._update = tf.profiler.experimental.Trace("update", step_num=self.model.step + 1, _r=1)
            self._update.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        """Ends with the last one."""
        self._end_update()
        if self.model.step >= self.last:
            self._stop()

    def on_train_end(self, logs=None):
        """Ends where the training does before."""
        self._stop()

    def _end_update(self):
        if self._update is not None:
            self._update.__exit__(None, None, None)
            self._update = None

    def _stop(self):
        self._end_update()
        if self._records:
            self._records = False
            tf.profiler.experimental.stop()
