"""Rows held out of training: stratified, seeded, the same on every machine."""

from typing import Any

import numpy as np

from tfdomain.data.labels import label_ids, label_names
from tfdomain.errors import InputError

__all__ = ["group_folds", "row_folds", "split_groups", "split_rows", "split_times", "time_folds"]


def split_groups(groups: Any, *, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Splits row numbers so that all rows of a group stay on one side.

    Whole groups are held out, in a random order, until the number of their rows is nearest to the share.

    Args:
        groups: The name of each row's group (`[num_rows]`, a list, a numpy array or an Arrow column).
        share: The part of the rows to hold out, above 0 and below 1.
        seed: Decides which groups; at least 0.

    Returns:
        The rows to train on and those held out, int64, each sorted.

    Raises:
        InputError: The share is out of range, or there is just one group.
    """
    _check(share, seed)
    of_row = label_ids(groups, label_names(groups))
    sizes = np.bincount(of_row)
    if len(sizes) < 2:
        problem = f"a share of {share} cannot be held out of {len(sizes)} group of rows that stay together"
        raise InputError(problem, where="data.validation", mend="name a file")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(sizes))
    missing = np.abs(np.cumsum(sizes[order])[:-1] - share * len(of_row))
    held = np.isin(of_row, order[: np.argmin(missing) + 1])
    return np.flatnonzero(~held), np.flatnonzero(held)


def split_rows(labels: Any | None, *, share: float, num_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Splits row numbers into those to train on and those held out.

    Every class gives its share, rounded by largest remainders so that the total is the nearest to
    `share * num_rows`; a class always keeps a row in training, so one with a single row stays there.

    Args:
        labels: One label a row (`[num_rows]`, a list, a numpy array or an Arrow column), or None to split
            without regard to classes.
        share: The part to hold out, above 0 and below 1.
        num_rows: The number of rows.
        seed: Decides which rows; at least 0.

    Returns:
        The rows to train on and those held out, int64, each sorted.

    Raises:
        InputError: The share is out of range, or one of the two parts would be empty.
    """
    _check(share, seed)
    classes = np.zeros(num_rows, np.int64) if labels is None else label_ids(labels, label_names(labels))
    if len(classes) != num_rows:
        raise InputError(f"{len(classes)} labels for {num_rows} rows", where="labels", mend="give one label a row")
    random = np.random.Generator(np.random.PCG64(seed))
    # One permutation for all rows, whatever the classes: within a class its order is random as well.
    order = random.permutation(num_rows)
    order = order[np.argsort(classes[order], kind="stable")]
    sizes = np.bincount(classes, minlength=1)
    held_sizes = _held_sizes(sizes, share)
    place_in_class = np.arange(num_rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held = place_in_class < np.repeat(held_sizes, sizes)
    if not held.any():
        problem = f"a share of {share} of {num_rows} rows holds out no row"
        raise InputError(problem, where="data.validation", mend="raise the share, or name a file")
    return np.sort(order[~held]), np.sort(order[held])


def split_times(moments: np.ndarray, *, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Splits row numbers so that what is held out comes after all that is trained on.

    Args:
        moments: Float64 `[num_rows]`, when each row is from; rows of one moment stay together.
        share: The part of the rows to hold out, above 0 and below 1; less where many rows are of one moment.

    Returns:
        The rows to train on and those held out, int64, each sorted.

    Raises:
        InputError: The share is out of range, or one of the two parts would be empty.
    """
    _check(share, 0)
    held = _places_in_time(moments) >= (1 - share) * len(moments)
    if not held.any() or held.all():
        problem = f"a share of {share} of {len(moments)} rows holds out no row, since many are of one moment"
        raise InputError(problem, where="data.validation", mend="change the share, or name a file")
    return np.flatnonzero(~held), np.flatnonzero(held)


def row_folds(labels: Any | None, *, of: int, num_rows: int, seed: int = 0) -> np.ndarray:
    """Deals rows out to folds: the sizes of folds, and of each class in them, differ by one at most.

    Args:
        labels: As for `split_rows`.
        of: How many folds.
        num_rows: The number of rows.
        seed: Decides which rows; at least 0.

    Returns:
        int64 `[num_rows]`, the fold of each row, from 0.

    Raises:
        InputError: There are fewer rows than folds.
    """
    _check_folds(of, num_rows, "rows")
    classes = np.zeros(num_rows, np.int64) if labels is None else label_ids(labels, label_names(labels))
    order = np.random.Generator(np.random.PCG64(seed)).permutation(num_rows)
    order = order[np.argsort(classes[order], kind="stable")]
    folds = np.empty(num_rows, np.int64)
    # The next class goes on where the last one ended.
    folds[order] = np.arange(num_rows) % of
    return folds


def group_folds(groups: Any, *, of: int, seed: int = 0, kinds: np.ndarray | None = None) -> np.ndarray:
    """Deals rows out to folds so that all rows of a group are in one.

    Each group, the largest first and in a random order among equal ones, goes to the fold with the fewest rows; where
    rows are of several kinds, to the one with the fewest of its own kinds.

    Args:
        groups: As for `split_groups`.
        of: How many folds.
        seed: Decides which groups; at least 0.
        kinds: Integers `[num_rows]` from 0, each there: of every kind folds are to have like numbers. None: one kind.

    Returns:
        int64 `[num_rows]`, the fold of each row, from 0.

    Raises:
        InputError: There are fewer groups than folds.
    """
    of_row = label_ids(groups, label_names(groups))
    kinds = np.zeros(len(of_row), np.int64) if kinds is None else kinds
    sizes = np.zeros((of_row.max(initial=-1) + 1, kinds.max(initial=0) + 1), np.int64)
    np.add.at(sizes, (of_row, kinds), 1)
    _check_folds(of, len(sizes), "groups of rows that stay together")
    totals = sizes.sum(axis=0)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(sizes))
    order = order[np.argsort(-(sizes / totals).sum(axis=1)[order], kind="stable")]
    # Whole numbers until they are weighed: folds that are equally full stay so whatever the order they were filled in.
    filled, fold_of_group = np.zeros((of, len(totals)), np.int64), np.empty(len(sizes), np.int64)
    for group, weights in zip(order.tolist(), (sizes / totals**2)[order], strict=True):
        fold_of_group[group] = np.argmin(filled @ weights)
        filled[fold_of_group[group]] += sizes[group]
    return fold_of_group[of_row]


def time_folds(moments: np.ndarray, *, of: int) -> np.ndarray:
    """Deals rows out to folds in their order of time, behind a part of the same size that no fold has.

    A fold is to be tested on by a model that learned from everything before it, so that the earliest rows are
    never tested on.

    Args:
        moments: Float64 `[num_rows]`, when each row is from; rows of one moment are in one fold.
        of: How many folds.

    Returns:
        int64 `[num_rows]`, the fold of each row, from 0; -1 for those before all folds.

    Raises:
        InputError: There are fewer rows than folds, or so many are of one moment that a fold would be empty.
    """
    _check_folds(of, len(moments) - 1, "rows beside the first")
    folds = _places_in_time(moments) * (of + 1) // len(moments) - 1
    if len(np.unique(folds)) <= of:
        problem = f"{len(np.unique(moments))} different moments of {len(moments)} rows do not make {of} folds in time"
        raise InputError(problem, where="data.fold", mend="ask for fewer folds, or name a finer column")
    return folds


def _places_in_time(moments: np.ndarray) -> np.ndarray:
    """How many rows are from before each row, int64 `[num_rows]`: equal for rows of one moment."""
    return np.searchsorted(np.sort(moments), moments, side="left")


def _check_folds(of: int, count: int, what: str) -> None:
    if count < of:
        raise InputError(f"{of} folds of {count} {what}", where="data.fold", mend="ask for fewer folds")


def _held_sizes(sizes: np.ndarray, share: float) -> np.ndarray:
    wanted = sizes * share
    held = np.minimum(np.floor(wanted).astype(np.int64), np.maximum(sizes - 1, 0))
    missing = int(np.floor(sizes.sum() * share + 0.5)) - int(held.sum())
    # Largest remainders first, ties by class number; a class gives at most one row more.
    for index in np.argsort(-(wanted - held), kind="stable"):
        if missing <= 0:
            break
        if held[index] + 1 < sizes[index]:
            held[index] += 1
            missing -= 1
    return held


def _check(share: float, seed: int) -> None:
    if not 0 < share < 1:
        raise InputError(
            f"the share {share} is out of range", where="data.validation", mend="choose one between 0 and 1"
        )
    if seed < 0:
        raise InputError(f"the seed {seed} is negative", where="seed", mend="choose 0 or more")
