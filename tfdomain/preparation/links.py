"""Rows that share a key are compared, and linked where their texts are alike."""

from collections.abc import Callable, Sequence

import numpy as np

from tfdomain.data.components import Components
from tfdomain.preparation.shared_keys import KeyGroups
from tfdomain.preparation.shingles import jaccard

__all__ = ["Comparisons", "Links"]

# With how many rows behind it in its group a row is compared.
NUM_BEHIND = 15
# The letters of the texts that are compared at once: some 20 bytes of memory each.
BATCH_LETTERS = 1 << 24
# The rows whose candidates are in memory at once.
SLICE_ROWS = 500_000


class Links:
    """The clusters of each rank, as they grow.

    Args:
        ranks: int8 `[num_rows]`, how protected each row is.
        num_ranks: How many ranks there are, from 0, at which links count. A link counts at the lower rank of its two
            rows and below; one above all these is of no interest.
    """

    def __init__(self, ranks: np.ndarray, num_ranks: int):
        self._ranks = ranks
        self._components = [Components(len(ranks)) for _ in range(num_ranks)]

    def are_apart(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether a link of these rows is news to the clusters that it counts for."""
        ranks, apart = self._pair_ranks(first, second), np.zeros(len(first), bool)
        for rank, components in enumerate(self._components):
            # What is linked at its own rank is linked at those below.
            at = ranks == rank
            apart[at] = components.find(first[at]) != components.find(second[at])
        return apart

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Links each row of `first` with the one at its place in `second`."""
        ranks = self._pair_ranks(first, second)
        for rank, components in enumerate(self._components):
            components.join(first[ranks >= rank], second[ranks >= rank])

    def clusters(self) -> np.ndarray:
        """int64 `[num_ranks, num_rows]`: the first row of each row's cluster, rank by rank."""
        rows = np.arange(len(self._ranks))
        return np.stack([components.find(rows) for components in self._components])

    def _pair_ranks(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.minimum(self._ranks[first], self._ranks[second])


class Comparisons:
    """Pairs of rows that wait to be compared and linked: few at a time, reading texts would take longest."""

    def __init__(self, links: Links, read_texts: Callable[[np.ndarray], Sequence[str]], threshold: float):
        self._links, self._read_texts, self._threshold = links, read_texts, threshold
        self._waiting: list[np.ndarray] = []
        self._num_letters = 0

    def add(self, found: KeyGroups) -> None:
        """Takes in the pairs of rows with an equal key."""
        # The nearest first: what they link is not compared again.
        for distance in range(1, NUM_BEHIND + 1):
            for start in range(0, len(found.rows), SLICE_ROWS):
                places = slice(start, start + SLICE_ROWS)
                groups, behind = found.groups[places], found.groups[distance:][places]
                first = start + np.flatnonzero(groups[: len(behind)] == behind)
                self._add_pairs(found, first, first + distance)

    def _add_pairs(self, found: KeyGroups, first: np.ndarray, second: np.ndarray) -> None:
        apart = self._links.are_apart(found.rows[first], found.rows[second])
        pairs = np.stack([first[apart], second[apart]])
        num_letters = found.letters[pairs].sum(axis=0)
        self._waiting.append(np.vstack([np.sort(found.rows[pairs], axis=0), num_letters]))
        self._num_letters += int(num_letters.sum())
        if self._num_letters >= BATCH_LETTERS:
            self.finish()

    def finish(self) -> None:
        """Compares the pairs that are left."""
        # In this order rows that are read together are near each other.
        pairs = np.concatenate([np.empty((3, 0), np.int64), *self._waiting], axis=1)
        self._waiting, self._num_letters = [], 0
        pairs = pairs[:, np.lexsort((pairs[1], pairs[0]))]
        pairs = pairs[:, np.diff(pairs[:2], axis=1, prepend=-1).any(axis=0)]
        cuts = np.flatnonzero(np.diff(np.cumsum(pairs[2]) // BATCH_LETTERS)) + 1
        for first, second, _ in np.split(pairs, cuts, axis=1):
            # Earlier batches may have linked some of them.
            apart = self._links.are_apart(first, second)
            if apart.any():
                first, second = first[apart], second[apart]
                rows, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
                is_alike = jaccard(self._read_texts(rows), *numbers.reshape(2, -1)) >= self._threshold
                self._links.join(first[is_alike], second[is_alike])
