"""Which of the keys that were searched matter."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from tfdomain.config.search import Dimension, Search
from tfdomain.metrics.selection import metric_value

__all__ = ["importances"]

FEWEST_TRIALS = 5
NUM_SETTINGS = 512
NUM_VALUES = 16


def importances(search: Search, lines: Sequence[Mapping[str, Any]], epochs: int) -> dict[str, float] | None:
    """The share of each key alone in how the objective varies over the space.

    A random forest learns the objective from the trials that were completed. Its answers vary over the space; the
    share of a key is the variance of their means at each of its values, all other keys being what they may. What only
    keys together explain is nobody's share, and so the shares sum to 1 at most. The epochs of a trial that was stopped
    early are learned from too, and the answers are those for trials that were not.

    Args:
        search: What was searched.
        lines: Its trials.
        epochs: Those of a trial that is not stopped early.

    Returns:
        The share by key, the largest first; None where fewer than five trials were completed.

    Reference:
        Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014.
    """
    completed = [line for line in lines if line["state"] == "completed"]
    if len(completed) < FEWEST_TRIALS:
        return None
    positions = [
        [_position(dimension, line["values"][key]) for key, dimension in search.space.items()]
        + [line["values"].get("training.stop_after", epochs)]
        for line in completed
    ]
    values = [metric_value(line["metrics"], search.objective) for line in completed]
    forest = RandomForestRegressor(n_estimators=100, random_state=0).fit(positions, values)
    random = np.random.default_rng(0)
    grids = [_grid(dimension) for dimension in search.space.values()]
    settings = np.stack([random.choice(grid, NUM_SETTINGS) for grid in [*grids, np.array([float(epochs)])]], axis=1)
    total = float(forest.predict(settings).var())
    shares = {}
    for place, (key, grid) in enumerate(zip(search.space, grids, strict=True)):
        means = []
        for position in grid:
            settings_there = settings.copy()
            settings_there[:, place] = position
            means.append(forest.predict(settings_there).mean())
        shares[key] = float(np.var(means)) / total if total else 0.0
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _position(dimension: Dimension, value: Any) -> float:
    """Where a value is in its dimension: from 0 to 1, or the number of a choice."""
    if dimension.choice is not None:
        return float(dimension.choice.index(value))
    low, high = dimension.extremes
    if dimension.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _grid(dimension: Dimension) -> np.ndarray:
    if dimension.choice is not None:
        return np.arange(len(dimension.choice), dtype=float)
    return (np.arange(NUM_VALUES) + 0.5) / NUM_VALUES
