"""The processes of one training: what the chief decides is known to all, and what one meets stops all.

Every process runs the same program over the same data, and in the same order they meet in the calls below. The chief
alone writes the run's folder, measures, and chooses; the others follow it.
"""

import contextlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import whole_file
from tfdomain.training.cluster import Cluster
from tfdomain.training.run_folder import differences

__all__ = ["Workers"]

Result = TypeVar("Result")
# What a collective says when a process that has a part in it is gone.
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
# Where its message names that process; elsewhere it names this one, too.
GONE = re.compile(r"(?:remote target|reported from) /job:(chief|worker)(?:/replica:\d+)?/task:(\d+)")
# Bytes are sent as whole numbers, which add up exactly, a portion at a time.
WORD_BYTES, PORTION_WORDS = 4, 1 << 22


class Workers:
    """The processes that train together; a process alone is its own chief, and nothing is sent.

    Args:
        strategy: What shares their updates.
        cluster: Who they are; None: this process alone.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster | None = None):
        self.strategy, self._cluster = strategy, cluster
        self.count = len(cluster.addresses) if cluster else 1
        self.index = cluster.index if cluster else 0
        self._sum = _make_sum(strategy, self.count) if self.count > 1 else None

    @property
    def is_chief(self) -> bool:
        """Whether this process decides and writes."""
        return self.index == 0

    def tell(self, lines: Iterable[str]) -> None:
        """Prints lines, once for all processes."""
        for line in lines if self.is_chief else ():
            print(line, flush=True)

    def from_chief(self, compute: Callable[[], Any]) -> Any:
        """What the chief alone computes, in every process; its error too.

        Args:
            compute: Gives JSON values, and has no part in which the others must take part.

        Raises:
            TfdomainError: What `compute` raises.
        """
        if self.count == 1:
            return compute()
        told, error = {}, None
        if self.is_chief:
            try:
                told = {"value": compute()}
            except TfdomainError as caught:
                error = caught
                told = {"error": [isinstance(caught, InputError), caught.problem, caught.where, caught.mend]}
        told = json.loads(self._broadcast(json.dumps(told).encode()))
        if error is not None:
            raise error
        if "error" in told:
            is_input, problem, where, mend = told["error"]
            raise (InputError if is_input else TfdomainError)(problem, where=where, mend=mend)
        return told["value"]

    def together(self, work: Callable[[], Result]) -> Result:
        """Does one's own work in every process; where one fails all stop, and say why.

        Args:
            work: Has no part in which the others must take part.

        Raises:
            TfdomainError: What `work` raises, here or elsewhere.
        """
        if self.count == 1:
            return work()
        try:
            result = work()
        except TfdomainError as error:
            self._gather(str(error))
            raise
        for index, problem in enumerate(self._gather("")):
            if problem:
                raise InputError(problem, where=self._name(index))
        return result

    def check_same(self, **things: Any) -> None:
        """Refuses to go on where a process has something else than the chief.

        Args:
            **things: JSON values by what they are called.

        Raises:
            InputError: Something differs.
        """
        chiefs = self.from_chief(lambda: things)

        def compare() -> None:
            for name, theirs, own in differences(chiefs, things):
                problem = f"has {name}={own!r}, and the chief {theirs!r}"
                mend = "give each worker the same file, data and checkpoint"
                raise InputError(problem, where=self._name(self.index), mend=mend)

        self.together(compare)

    @contextlib.contextmanager
    def folder(self, path: Path) -> Iterator[Path]:
        """The chief's folder; for another process one that is gone afterwards."""
        if self.is_chief:
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="tfdomain-worker-") as temporary:
            yield Path(temporary)

    def share(self, path: Path) -> None:
        """Gives every process the chief's file or folder, at its own `path`; nothing where the chief has none."""
        if self.count == 1:
            return
        names = self.from_chief(lambda: _names(path))
        for name in names:
            data = self._broadcast((path / name).read_bytes() if self.is_chief else b"")
            if not self.is_chief:
                with whole_file(path / name, "wb") as file:
                    file.write(data)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns the loss of a process within the block into one line.

        Raises:
            TfdomainError: Another process is gone.
        """
        try:
            yield
        except LOST as error:
            if self.count == 1:
                raise
            found = GONE.search(str(error))
            who = f"{found[1]} {found[2]}" if found else "another process"
            problem = f"lost contact with {who}, and a training goes on with all or none"
            raise TfdomainError(
                problem, where=self._name(self.index), mend="see what that one printed, and start all with --resume"
            ) from error

    def _name(self, index: int) -> str:
        assert self._cluster is not None
        return f"worker {index} ({self._cluster.addresses[index]})"

    def _broadcast(self, data: bytes) -> bytes:
        """The chief's bytes."""
        words = _to_words(data) if self.is_chief else np.zeros(0, np.int32)
        num_words, num_filled = self._add(np.array([len(words), -len(data) % WORD_BYTES], np.int32) * self.is_chief)
        portions = []
        for first in range(0, num_words, PORTION_WORDS):
            size = min(PORTION_WORDS, num_words - first)
            own = words[first : first + size] if self.is_chief else np.zeros(size, np.int32)
            portions.append(self._add(own).tobytes())
        return b"".join(portions)[: num_words * WORD_BYTES - num_filled]

    def _gather(self, text: str) -> list[str]:
        """A short text of each process."""
        data = text.encode()
        sizes = np.zeros(self.count, np.int32)
        sizes[self.index] = len(data)
        sizes = self._add(sizes)
        words = np.zeros((self.count, max(1, -(-int(sizes.max()) // WORD_BYTES))), np.int32)
        own = _to_words(data)
        words[self.index, : len(own)] = own
        rows = self._add(words.reshape(-1)).reshape(words.shape)
        return [row.tobytes()[:size].decode() for row, size in zip(rows, sizes, strict=True)]

    def _add(self, words: np.ndarray) -> np.ndarray:
        assert self._sum is not None
        return self._sum(tf.constant(words)).numpy()


def _make_sum(strategy: tf.distribute.Strategy, count: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Adds int32 vectors of all processes."""
    num_own = strategy.num_replicas_in_sync // count

    def add(words: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        # The first replica of a process speaks for it.
        speaks = tf.cast(context.replica_id_in_sync_group % num_own == 0, tf.int32)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, words * speaks)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def total(words: tf.Tensor) -> tf.Tensor:
        return strategy.experimental_local_results(strategy.run(add, args=(words,)))[0]

    return total


def _to_words(data: bytes) -> np.ndarray:
    return np.frombuffer(data + bytes(-len(data) % WORD_BYTES), np.int32)


def _names(path: Path) -> list[str]:
    """The files of a folder by their paths in it; of a file the empty path; of neither nothing."""
    if path.is_file():
        return [""]
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
