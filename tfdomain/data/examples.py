"""What the examples of every task have in common, whatever the form of their files."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from tfdomain.config import DataFiles
from tfdomain.data.faults import Fault

__all__ = ["Encoded", "Examples", "Grouped", "Reading", "fold_columns"]


@dataclasses.dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        on_bad_row: Refuse files with faulty rows, or skip such rows and count them.
        skip_mend: How the caller's user asks for `skip`, for the message that refuses.
        for_training: Whether the rows are trained on: nothing is learned from an empty text, but whoever
            serves will be sent some.
        cache_dir: The folder of the row cache; None: the user's.
        like: The training examples, whose reading decided what a file leaves open; None for those themselves.
    """

    on_bad_row: Literal["refuse", "skip"] = "refuse"
    skip_mend: str = "set `data.on_bad_row: skip`"
    for_training: bool = False
    cache_dir: Path | None = None
    like: "Examples | None" = None


@dataclasses.dataclass(frozen=True)
class Encoded:
    """The labels of examples in the forms that a model takes.

    Attributes:
        labels: What `TextModel.encode_labels` gives: int32 or float32 `[n, ...]`; None where a task learns from
            texts alone.
        truth: What `TextModel.truth` gives: a sequence `[n]`.
        rows: int64 `[m]`, ascending: the rows that count; None: all. The others have labels that were never
            seen in training, and `skip` was asked for.
    """

    labels: np.ndarray | None
    truth: Any
    rows: np.ndarray | None = None


class Examples(Protocol):
    """What a task's files hold; the rows themselves may stay on the disk."""

    @property
    def inputs(self) -> Any:
        """What a model's `fit` and `predict` take."""

    @property
    def files(self) -> Sequence[Path]:
        """The files, in order."""

    @property
    def file_hashes(self) -> Sequence[str]:
        """The SHA-256 of each file."""

    @property
    def fingerprint(self) -> str:
        """Equal for equal examples."""

    @property
    def skipped(self) -> Sequence[Fault]:
        """The first rows that were left out."""

    @property
    def num_skipped(self) -> int:
        """How many rows were left out."""

    def __len__(self) -> int:
        """The number of examples."""

    def column(self, name: str) -> list[Any]:
        """The value of each example, `[n]`, in one of `fold_columns`; None where it has none."""

    def where(self, row: int) -> str:
        """A row's place, for messages."""

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """What the constructor of the model has to know of the training examples, such as `labels`.

        Args:
            rows: int64 `[m]`, those that are trained on, which scales and vocabularies are learned from; None: all.
                Labels are those of all rows.
        """

    def remarks(self) -> list[str]:
        """What a person should be told about these examples, a line each."""

    def strata(self) -> Any | None:
        """A label a row by which a validation share is stratified; None where there is no such."""

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """The labels for a model whose `settings` hold what `learn` gave for the training examples."""


def fold_columns(data: DataFiles, reading: Reading) -> list[str]:
    """The columns beside its own that a task reads: those that training examples are cut by."""
    # No other file is asked for them.
    return data.fold.columns if reading.for_training and data.fold is not None else []


@runtime_checkable
class Grouped(Protocol):
    """Examples of which some must not be parted: a validation share holds out whole groups."""

    def groups(self) -> Any:
        """The name of each row's group, `[n]`."""
