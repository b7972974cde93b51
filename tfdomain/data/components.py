"""Connected components of rows that are linked pair by pair."""

import numpy as np

__all__ = ["Components"]


class Components:
    """Rows that belong together. Each component is known by its smallest row.

    Args:
        num_rows: How many rows there are; at first each is a component of its own.

    Example:
        >>> components = Components(4)
        >>> components.join(np.array([1, 3]), np.array([3, 2]))
        >>> components.find(np.arange(4))
        array([0, 1, 1, 1])
    """

    def __init__(self, num_rows: int):
        # A row's parent is smaller than the row, but for the first of a component: there are no circles.
        self._parents = np.arange(num_rows)

    def find(self, rows: np.ndarray) -> np.ndarray:
        """The smallest row of each row's component, int64 like `rows`."""
        while True:
            parents = self._parents[rows]
            above = self._parents[parents]
            if np.array_equal(above, parents):
                return parents
            # All rows climb at once, and twice as far each time.
            self._parents[rows] = above

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Links each row of `first` with the one at its place in `second`."""
        while True:
            first, second = self.find(first), self.find(second)
            apart = first != second
            if not apart.any():
                return
            first, second = first[apart], second[apart]
            np.minimum.at(self._parents, np.maximum(first, second), np.minimum(first, second))
