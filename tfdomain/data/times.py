"""Moments as people write them, as numbers that can be ordered."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["read_times"]


def read_times(times: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Numbers as they are, dates as seconds since 1970 (UTC where they say nothing else); NaN where neither."""
    if isinstance(times, np.ndarray) and times.dtype == np.float64:
        return times
    # Every process that prepares texts imports this module; few of them read times.
    import pandas as pd

    values = pd.Series(list(times), dtype="object")
    numbers = pd.to_numeric(values, errors="coerce").to_numpy("float64", na_value=np.nan, copy=True)
    numbers[~np.isfinite(numbers)] = np.nan
    dated = np.isnan(numbers) & values.notna().to_numpy()
    if dated.any():
        dates = pd.to_datetime(values[dated], errors="coerce", utc=True, format="ISO8601")
        rest = dates.isna()
        if rest.any():
            dates[rest] = pd.to_datetime(values[dated][rest], errors="coerce", utc=True, format="mixed")
        seconds = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
        numbers[dated] = seconds.to_numpy("float64", na_value=np.nan)
    return numbers
