"""TensorBoard event files that stay true when a run is killed and resumed."""

import itertools
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from tfdomain.errors import TfdomainError

__all__ = ["EventWriter", "values_of"]

_PREFIX = "events.out.tfevents."
_counter = itertools.count()


class EventWriter:
    """Writes one session's records, each on its way to the disk before the call returns.

    An event file is a TFRecord file of `Event` protos. Each session has a file of its
    own, which opens with a `SessionLog` START: TensorBoard then forgets what a killed session wrote
    after the checkpoint. What stands in the folder already at the resumed step, at step 0, or at
    the step of a record that waits, is not written twice.

    Records that come before `begin` wait for it, so that START stands first.

    Args:
        folder: Where the event files are; created with the first record.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self._file: tf.io.TFRecordWriter | None = None
        self._waiting: list[Event] = []
        self._known: set[tuple[str, int]] = set()

    def begin(self, step: int | None) -> None:
        """Opens the session's file.

        Args:
            step: Steps done so far; more than 0 where a run resumes. None where nothing is trained
                and records are only added to those that are there.

        Raises:
            TfdomainError: The folder cannot be written.
        """
        if self._file is not None:
            return
        earlier = sorted(self.folder.glob(_PREFIX + "*"))
        self._file = self._open()
        self._put(Event(file_version="brain.Event:2"))
        self._known = set(_tags_at({0, step or 0, *(event.step for event in self._waiting)}, earlier))
        if step is not None:
            # The first session has a START too: one of TensorBoard's two readers takes only a second for a restart.
            self._put(Event(step=step + 1, session_log=SessionLog(status=SessionLog.START)))
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._write(event)

    def write(self, step: int, values: Iterable[Summary.Value]) -> None:
        """Writes values of one step as one record.

        Raises:
            TfdomainError: The disk is full or the file cannot be written.
        """
        self._write(Event(step=step, summary=Summary(value=values)))

    def write_graph(self, graph: tf.compat.v1.GraphDef) -> None:
        """Writes the run's graph.

        Raises:
            TfdomainError: The disk is full or the file cannot be written.
        """
        self._write(Event(graph_def=graph.SerializeToString()))

    def close(self) -> None:
        """Writes what waits and closes the file; a second call does nothing."""
        if self._waiting:
            self.begin(None)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: Event) -> None:
        if self._file is None:
            self._waiting.append(event)
            return
        if event.HasField("summary"):
            new = [value for value in event.summary.value if (value.tag, event.step) not in self._known]
            if not new:
                return
            event = Event(step=event.step, summary=Summary(value=new))
        self._put(event)

    def _open(self) -> tf.io.TFRecordWriter:
        # Readers take the files in the order of their names: a later session must sort later.
        name = f"{_PREFIX}{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}.{next(_counter)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return tf.io.TFRecordWriter(str(self.folder / name))
        except (OSError, tf.errors.OpError) as error:
            raise self._failure(error) from error

    def _put(self, event: Event) -> None:
        event.wall_time = time.time()
        assert self._file is not None
        try:
            self._file.write(event.SerializeToString())
            # Handed to the system at once: SIGKILL may come next, and the checkpoint before it counts.
            self._file.flush()
        except tf.errors.OpError as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> TfdomainError:
        problem = f"TensorBoard's log cannot be written ({getattr(error, 'message', error)})"
        return TfdomainError(problem, where=str(self.folder), mend="free some space, or choose a folder you may write")


def values_of(summary: Any) -> list[Summary.Value]:
    """The values of a summary that a plugin built, in TensorBoard's own class: some build TensorFlow's instead."""
    return list(Summary.FromString(summary.SerializeToString()).value)


def _tags_at(steps: set[int], files: Iterable[Path]) -> Iterator[tuple[str, int]]:
    for file in files:
        records = iter(tf.data.TFRecordDataset(str(file)))
        while True:
            try:
                event = Event.FromString(next(records).numpy())
            except (StopIteration, tf.errors.DataLossError):
                break  # the end, or the half record of a killed session
            if event.step in steps:
                yield from ((value.tag, event.step) for value in event.summary.value)
