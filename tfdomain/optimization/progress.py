"""How far a training is: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Sequence

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ProgressReport"]


class ProgressReport(keras.callbacks.Callback):
    """Shows epoch, loss, throughput and the time left.

    Args:
        num_epochs: Epochs of the whole training.
        num_batches: Batches of an epoch; None where that is not known beforehand.
        first_batch: Batches of the first epoch that an earlier process already did.
        figures: Which of an epoch's figures are shown.
        seconds_between_lines: How often a plain line appears where there is no terminal.
    """

    def __init__(
        self,
        *,
        num_epochs: int,
        num_batches: int | None,
        first_batch: int = 0,
        figures: Sequence[str] = ("loss",),
        seconds_between_lines: float = 30.0,
    ):
        super().__init__()
        self.num_epochs, self.num_batches, self.first_batch = num_epochs, num_batches, first_batch
        self.figures, self.seconds_between_lines = tuple(figures), seconds_between_lines
        self._console = Console(file=sys.stdout)
        self._progress: Progress | None = None
        self._rate = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's bar."""
        self._epoch, self._line_due = epoch, time.monotonic() + self.seconds_between_lines
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}"),
            )
            self._progress = Progress(*columns, console=self._console)
            self._task = self._progress.add_task(
                f"epoch {epoch + 1}/{self.num_epochs}",
                total=self.num_batches,
                completed=self.first_batch,
                figures="",
            )
            self._progress.start()
        self.first_batch = 0

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar, or prints a line when one is due."""
        logs = logs or {}
        # A moving mean: batches of long texts are slow, and a rate that jumps cannot be read.
        rate = logs.get("examples_per_second", 0.0)
        self._rate = rate if not self._rate else 0.9 * self._rate + 0.1 * rate
        figures = f"loss {logs.get('loss', float('nan')):.4f}  {self._rate:.0f} examples/s"
        if self._progress is not None:
            self._progress.update(self._task, advance=1, figures=figures)
        elif time.monotonic() >= self._line_due:
            self._line_due = time.monotonic() + self.seconds_between_lines
            of = f"/{self.num_batches}" if self.num_batches else ""
            print(f"epoch {self._epoch + 1}/{self.num_epochs}  batch {batch + 1}{of}  {figures}", flush=True)

    def on_epoch_end(self, epoch, logs=None):
        """Ends the bar and prints the epoch's figures."""
        self._stop()
        figures = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items() if isinstance(value, float))
        print(f"epoch {epoch + 1}/{self.num_epochs}  {figures}", flush=True)

    def on_train_end(self, logs=None):
        """Leaves the terminal as it was, whatever ended the training."""
        self._stop()

    def _stop(self):
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
