"""How fast a training was, and how much memory it took."""

import resource
import sys
import time
from typing import Any

import keras

__all__ = ["Throughput"]


class Throughput(keras.callbacks.Callback):
    """Counts examples and tokens over the seconds of a training's updates; the first, with its tracing, is left out.

    Validation between two epochs does not count; what this process did not do, does not either.
    """

    def __init__(self):
        super().__init__()
        self._seconds = self._examples = self._tokens = self._positions = 0.0
        self._from: tuple[float, int] | None = None

    def on_epoch_begin(self, epoch, logs=None):
        """An epoch's first update has no moment to count from."""
        self._from = None

    def on_train_batch_end(self, batch, logs=None):
        """Adds an update."""
        now, seen = time.perf_counter(), self.model.loop_state.examples_seen
        if self._from is not None:
            examples = seen - self._from[1]
            # The logs have rates over one and the same time.
            tokens = examples * logs["tokens_per_second"] / logs["examples_per_second"]
            self._seconds += now - self._from[0]
            self._examples += examples
            self._tokens += tokens
            self._positions += tokens / (1 - logs["padding_share"])
        self._from = now, seen

    def figures(self) -> dict[str, Any]:
        """The rates, the share of padding, the seconds that they cover, and the process' peak memory in bytes."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = self._seconds
        return {
            "examples_per_second": self._examples / seconds if seconds else None,
            "tokens_per_second": self._tokens / seconds if seconds else None,
            "padding_share": 1 - self._tokens / self._positions if seconds else None,
            "seconds": seconds,
            "peak_memory_bytes": peak * (1 if sys.platform == "darwin" else 1024),
        }
