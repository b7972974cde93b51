"""Rows of examples that are held out of training: by group, in time, or spread over the classes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfdomain.config import Fold
from tfdomain.data.examples import Examples, Grouped
from tfdomain.data.labels import label_ids, label_names
from tfdomain.data.splits import group_folds, row_folds, split_groups, split_rows, split_times, time_folds
from tfdomain.data.text_rows import TextRows
from tfdomain.data.times import read_times
from tfdomain.errors import InputError

__all__ = ["Cut", "cut_of"]


@dataclass(frozen=True)
class Cut:
    """What decides which rows of some examples are held out together; of the first three one at most is there.

    Attributes:
        groups: Integers `[n]`, equal for rows that stay together.
        moments: Float64 `[n]`, when each row is from.
        classes: Integers `[n]`, the class of each row.
        num_rows: How many rows there are.
    """

    groups: np.ndarray | None
    moments: np.ndarray | None
    classes: np.ndarray | None
    num_rows: int

    def fold(self, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train on and those to test on, int64, each sorted.

        Raises:
            InputError: The rows do not make so many folds.
        """
        if self.moments is not None:
            folds = time_folds(self.moments, of=fold.of)
            return np.flatnonzero(folds < fold.number - 1), np.flatnonzero(folds == fold.number - 1)
        if self.groups is not None:
            folds = group_folds(self.groups, of=fold.of, seed=fold.seed)
        else:
            folds = row_folds(self.classes, of=fold.of, num_rows=self.num_rows, seed=fold.seed)
        return np.flatnonzero(folds != fold.number - 1), np.flatnonzero(folds == fold.number - 1)

    def share(self, rows: np.ndarray | None, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """A share of some rows, for validation.

        Args:
            rows: int64 `[m]`, sorted; None: all.
            share: The part of them to hold out, above 0 and below 1.
            seed: Decides which; in time it decides nothing.

        Returns:
            The rows to train on and those held out, int64, each sorted.

        Raises:
            InputError: One of the two parts would be empty.
        """
        rows = np.arange(self.num_rows) if rows is None else rows
        if self.moments is not None:
            halves = split_times(self.moments[rows], share=share)
        elif self.groups is not None:
            halves = split_groups(self.groups[rows], share=share, seed=seed)
        else:
            classes = None if self.classes is None else self.classes[rows]
            halves = split_rows(classes, share=share, num_rows=len(rows), seed=seed)
        return rows[halves[0]], rows[halves[1]]


def cut_of(examples: Examples, fold: Fold | None = None) -> Cut:
    """What examples are cut by: as the fold says, else by what their task never parts, else by their labels.

    Raises:
        InputError: The fold names a column, and the files have no such, or a row has no group or time in it.
    """
    num_rows = len(examples)
    if fold is not None and fold.time is not None:
        return Cut(None, _moments(examples, fold.time), None, num_rows)
    if fold is not None and fold.group is not None:
        return Cut(_numbered(_groups(examples, fold.group)), None, None, num_rows)
    if isinstance(examples, Grouped):
        return Cut(_numbered(examples.groups()), None, None, num_rows)
    strata = examples.strata()
    return Cut(None, None, None if strata is None else _numbered(strata), num_rows)


def _numbered(names: Any) -> np.ndarray:
    return label_ids(names, label_names(names))


def _groups(examples: Examples, column: str) -> Any:
    groups = _column(examples, column)
    # Rows without a group would be taken for one large group.
    _refuse(examples, [value in (None, "") for value in groups.to_pylist()], f"column {column!r} names no group")
    return groups


def _moments(examples: Examples, column: str) -> np.ndarray:
    moments = read_times(_column(examples, column).to_pylist())
    _refuse(examples, np.isnan(moments), f"column {column!r} holds no date (2024-05-31) or number")
    return moments


def _refuse(examples: Examples, faulty: Any, problem: str) -> None:
    rows = np.flatnonzero(faulty)
    if len(rows):
        count = f"in {len(rows)} {'row' if len(rows) == 1 else 'rows'}, here first"
        mend = "give one to every row, or name another column"
        raise InputError(f"{problem} {count}", where=examples.where(int(rows[0])), mend=mend)


def _column(examples: Examples, name: str) -> Any:
    if not isinstance(examples, TextRows):
        raise InputError("files of this task have no further columns", where="data.fold", mend="name no column")
    return examples.column(name)
