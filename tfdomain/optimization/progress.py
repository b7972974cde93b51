"""How far a training is: a bar on a terminal, plain lines elsewhere."""

import datetime
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ProgressReport", "with_bar"]


class ProgressReport(keras.callbacks.Callback):
    """Shows epoch, loss, throughput and the time left.

    Whoever runs the training calls `close` when it has ended, by an error too.

    Args:
        num_epochs: Epochs of the whole training.
        num_batches: Batches of an epoch; None where that is not known beforehand.
        first_batch: Batches of the first epoch that an earlier process already did.
        figures: Which of an epoch's figures are shown; None: all that are plain numbers.
        seconds_between_lines: How often a plain line appears where there is no terminal.
        console: Where to; None: the standard output.
    """

    def __init__(
        self,
        *,
        num_epochs: int,
        num_batches: int | None,
        first_batch: int = 0,
        figures: Sequence[str] | None = None,
        seconds_between_lines: float = 30.0,
        console: Console | None = None,
    ):
        super().__init__()
        self.num_epochs, self.num_batches, self.first_batch = num_epochs, num_batches, first_batch
        self.figures, self.seconds_between_lines = figures, seconds_between_lines
        self._console = console or Console(file=sys.stdout)
        self._progress: Progress | None = None
        self._rate = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's bar."""
        self._epoch, self._first_batch = epoch, self.first_batch
        self._started = time.monotonic()
        self._line_due = self._started + self.seconds_between_lines
        if self._console.is_terminal:
            self._progress = _bar(self._console)
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
            self._print(f"batch {batch + 1}{of}  {figures}{self._time_left(batch + 1)}")

    def on_epoch_end(self, epoch, logs=None):
        """Ends the bar and prints the epoch's figures."""
        self.close()
        logs = logs or {}
        shown = [name for name in (logs if self.figures is None else self.figures) if isinstance(logs.get(name), float)]
        self._print("  ".join(f"{name} {logs[name]:.4f}" for name in shown))

    def on_train_end(self, logs=None):
        """Ends the bar."""
        self.close()

    def close(self) -> None:
        """Leaves the terminal as it was; may be called at any time, and again."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _time_left(self, batches: int) -> str:
        if not self.num_batches:
            return ""
        seconds = (time.monotonic() - self._started) / (batches - self._first_batch)
        left = (self.num_epochs - self._epoch) * self.num_batches - batches
        return f"  {datetime.timedelta(seconds=round(seconds * left))} left"

    def _print(self, text: str) -> None:
        # Not by rich, which would wrap and colour a line that somebody may want to grep.
        print(f"epoch {self._epoch + 1}/{self.num_epochs}  {text}", file=self._console.file, flush=True)


def with_bar(
    batches: Iterable, *, num_batches: int | None, title: str, console: Console | None = None
) -> Iterator[Any]:
    """Gives the batches on, with a bar on a terminal that goes away at the end.

    Args:
        batches: Anything to go through once.
        num_batches: Their number; None where that is not known beforehand.
        title: What is being done.
        console: Where to; None: the standard output.
    """
    console = console or Console(file=sys.stdout)
    if not console.is_terminal:
        yield from batches
        return
    with _bar(console, transient=True) as progress:
        task = progress.add_task(title, total=num_batches, figures="")
        for batch in batches:
            yield batch
            progress.advance(task)


def _bar(console: Console, transient: bool = False) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    return Progress(*columns, console=console, transient=transient)
