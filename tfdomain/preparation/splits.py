"""Which rows are trained on: a row's place follows from what it is, and more data does not move it."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfdomain.data.times import read_times
from tfdomain.errors import InputError

__all__ = [
    "SPLITS",
    "classes_to_training",
    "hash_positions",
    "split_by_hash",
    "split_by_time",
    "time_bounds",
]

SPLITS = ("train", "validation", "test")
"""The names of splits by their numbers."""


def hash_positions(keys: Sequence[Any], *, seed: int, salt: str = "") -> np.ndarray:
    """A position in [0, 1) for each key: equal for equal keys, spread evenly over others.

    Args:
        keys: What is to stay together; anything that has a text.
        seed: Another one gives other positions.
        salt: Of what is decided, so that two decisions about one key do not hang together.

    Returns:
        Float64 `[n]`.
    """
    start = hashlib.blake2b(f"{seed}\0{salt}\0".encode(), digest_size=8)
    positions = np.empty(len(keys))
    for place, key in enumerate(keys):
        state = start.copy()
        state.update(str(key).encode("utf-8", "surrogatepass"))
        positions[place] = int.from_bytes(state.digest(), "big") / 2**64
    return positions


def split_by_hash(
    keys: Sequence[Any], shares: Sequence[float], *, seed: int, labels: Sequence[Any] | None = None
) -> np.ndarray:
    """Puts rows into training, validation and test.

    A row's place follows from its key alone, and with labels from its class: rows that come later move none. Shares
    are kept on average, class by class, not to the row.

    Args:
        keys: Of each row: its text, or the group that stays together.
        shares: Of the three splits; they add up to 1.
        seed: Another one splits otherwise.
        labels: Of each row; None where there are none or where groups stay together.

    Returns:
        int8 `[n]`, places in `SPLITS`.
    """
    keyed = keys if labels is None else [f"{label}\0{key}" for label, key in zip(labels, keys, strict=True)]
    bounds = np.cumsum(shares)[:-1]
    # A share of 0 has no position: 1 is never reached.
    return np.searchsorted(bounds, hash_positions(keyed, seed=seed, salt="split"), side="right").astype("int8")


def classes_to_training(splits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The rows of classes that have rows, but none in training: nothing could learn them.

    Args:
        splits: int8 `[n]`, places in `SPLITS`; -1: left out.
        classes: Integers `[n]` from 0; -1: none.

    Returns:
        int64, ascending.
    """
    counted = classes >= 0
    in_training = np.bincount(classes[counted & (splits == 0)], minlength=classes.max(initial=-1) + 1) > 0
    return np.flatnonzero(counted & (splits >= 0) & ~np.append(in_training, True)[classes])


def time_bounds(times: Sequence[Any] | np.ndarray, shares: Sequence[float]) -> list[float]:
    """The moments at which validation and test begin, so that the splits have their shares.

    Args:
        times: As `split_by_time` takes them.
        shares: Of the three splits.

    Returns:
        Two numbers of seconds since 1970, or of whatever the times count in.

    Raises:
        InputError: No time can be read, or all are the same.
    """
    moments = read_times(times)
    moments = np.sort(moments[~np.isnan(moments)])
    if not len(moments) or moments[0] == moments[-1]:
        problem = "holds no time that can be read" if not len(moments) else "holds one moment for all rows"
        raise InputError(problem, where="time", mend="name a column of dates (2024-05-31) or numbers")
    places = np.minimum((np.cumsum(shares)[:-1] * len(moments)).astype(int), len(moments) - 1)
    # A share of 0 begins where there is nothing left.
    return [
        float(moments[place]) if share < 1 - 1e-9 else float(np.nextafter(moments[-1], np.inf))
        for place, share in zip(places, np.cumsum(shares)[:-1], strict=True)
    ]


def split_by_time(times: Sequence[Any] | np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    """Puts rows into training, validation and test by when they are from; all of one moment stay together.

    Args:
        times: Of each row: a date or time as text (ISO 8601 and the like), or a number; or what `read_times` gave.
        bounds: When validation and test begin.

    Returns:
        int8 `[n]`; -1 where a time cannot be read.
    """
    moments = read_times(times)
    splits = np.searchsorted(np.asarray(bounds), moments, side="right").astype("int8")
    splits[np.isnan(moments)] = -1
    return splits
