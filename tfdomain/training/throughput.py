"""How fast a training was, and how much memory it took."""

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfdomain.training.peak_memory import peak_memory_bytes

__all__ = ["Throughput", "memory_figures", "speed_text"]


class Throughput(keras.callbacks.Callback):
    """Counts examples and tokens over the seconds of a training's updates.

    The first epoch of this process is left out, where there is another: functions are traced and threads begin in it.
    So is what lies between two epochs, such as validation, with an epoch's first update.
    """

    def __init__(self):
        super().__init__()
        self._num_epochs = 0
        self._seconds = self._examples = self._tokens = self._positions = 0.0
        self._from: tuple[float, int] | None = None

    def on_epoch_begin(self, epoch, logs=None):
        """An epoch's first update has no moment to count from."""
        self._from = None
        self._num_epochs += 1
        if self._num_epochs == 2:
            self._seconds = self._examples = self._tokens = self._positions = 0.0

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
            # A table alone has no tokens.
            self._positions += tokens / (1 - logs["padding_share"]) if tokens else 0
        self._from = now, seen

    def figures(self) -> dict[str, Any]:
        """What `metrics.json` tells of the training.

        Returns:
            `examples_per_second`, `tokens_per_second` and `padding_share` (of the positions computed), each None where
            nothing could be measured; `seconds`, which they cover; `peak_memory_bytes`, of the process.
        """
        seconds = self._seconds
        return {
            "examples_per_second": self._examples / seconds if seconds else None,
            "tokens_per_second": self._tokens / seconds if seconds else None,
            "padding_share": 1 - self._tokens / self._positions if self._positions else None,
            "seconds": seconds,
            "peak_memory_bytes": peak_memory_bytes(),
        }


def memory_figures() -> dict[str, int]:
    """The memory in use now, in bytes: `memory_bytes` of the process, and where there are GPUs `gpu_memory_bytes`."""
    status = Path("/proc/self/statm")
    # Elsewhere the system tells its peak alone.
    used = int(status.read_text().split()[1]) * resource.getpagesize() if status.is_file() else peak_memory_bytes()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if not gpus:
        return {"memory_bytes": used}
    on_gpus = sum(tf.config.experimental.get_memory_info(name.removeprefix("/device:"))["current"] for name in gpus)
    return {"memory_bytes": used, "gpu_memory_bytes": on_gpus}


def speed_text(figures: Mapping[str, Any]) -> str:
    """`Throughput.figures` in a line, as a person reads them."""
    parts = [f"peak memory {figures['peak_memory_bytes'] / 2**30:.1f} GiB"]
    if figures["seconds"]:
        rates = [f"{figures['examples_per_second']:,.1f} examples/s"]
        if figures["padding_share"] is not None:
            rates += [f"{figures['tokens_per_second']:,.0f} tokens/s", f"{figures['padding_share']:.1%} padding"]
        parts = [*rates, *parts]
    return ", ".join(parts)
