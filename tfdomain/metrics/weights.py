"""How much each example counts, and means that leave out what is undefined."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tfdomain.errors import InputError

__all__ = ["checked_weight", "mean_of_defined"]


def checked_weight(sample_weight: ArrayLike | None, num_rows: int) -> np.ndarray:
    """The weights as float64 `[num_rows]`; ones where there are none.

    Raises:
        InputError: There is not one finite number of at least 0 for each row.

    Example:
        >>> checked_weight(None, 2).tolist()
        [1.0, 1.0]
    """
    if sample_weight is None:
        return np.ones(num_rows)
    weight = np.asarray(sample_weight, "float64")
    if weight.shape != (num_rows,) or not np.all((weight >= 0) & np.isfinite(weight)):
        raise InputError("sample_weight must hold one finite number of at least 0 for each row")
    return weight


def mean_of_defined(
    values: Iterable[float | None], weights: Sequence[float] | np.ndarray | None = None
) -> float | None:
    """The mean of the values that are not None; None where all are, or where none has a weight.

    Example:
        >>> mean_of_defined([0.5, None, 1.0]), mean_of_defined([None])
        (0.75, None)
    """
    values = list(values)
    weights = np.ones(len(values)) if weights is None else weights
    defined = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    if not sum(weight for _, weight in defined):
        return None
    return float(np.average([value for value, _ in defined], weights=[weight for _, weight in defined]))
