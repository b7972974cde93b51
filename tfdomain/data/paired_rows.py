"""Rows of texts that belong together, perhaps with a score: the examples of embedders."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfdomain.data.examples import Encoded, Reading
from tfdomain.data.targets import target_values
from tfdomain.data.text_rows import TextRows
from tfdomain.data.values import as_text_array

__all__ = ["PairedRows", "pair_ids"]


class PairedRows(TextRows):
    """Rows with an anchor and a positive, and perhaps a negative, or with two texts and a score."""

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """The column of scores, where there is one; what is no number in it is told by `encode`."""
        return {} if data.label is None else {"extra": [data.label]}

    def learn(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Nothing: no weight of an embedder is fresh."""
        return {}

    def encode(self, head: Mapping[str, Any], reading: Reading) -> Encoded:
        """The scores as they stand, float32 `[n]`; without a column of scores what `pair_ids` gives.

        Raises:
            InputError: A score is missing or no finite number, and such rows are not to be skipped or no row
                is left.
        """
        name = self.data.label
        if name is None:
            return Encoded(None, pair_ids(*self.rows.texts[:2]))
        column = self.rows.table.column(name)
        options: dict[str, Any] = {"where": self.rows.where, "skip_mend": reading.skip_mend}
        scores = target_values([column], [name], on_bad=reading.on_bad_row, **options)
        if not scores.sound.any():
            # Not one row is left: what is wrong with them is told after all.
            target_values([column], [name], **options)
        values = scores.values[:, 0]
        return Encoded(values, values, None if scores.sound.all() else np.flatnonzero(scores.sound))


def pair_ids(anchors: Any, positives: Any) -> np.ndarray:
    """Which texts of pairs are equal.

    Args:
        anchors: Strings `[n]`: a list, a numpy array, a pandas Series, an Arrow column.
        positives: The same.

    Returns:
        int64 `[n, 2]`, a number for each distinct anchor and for each distinct positive.

    Example:
        >>> pair_ids(["a", "b", "a"], ["x", "x", "y"]).tolist()
        [[0, 0], [1, 0], [0, 1]]
    """
    columns = {"anchor": anchors, "positive": positives}
    return np.stack([_numbered(as_text_array(column, name)) for name, column in columns.items()], axis=1)


def _numbered(column: Any) -> np.ndarray:
    # As one chunk: each chunk would have a dictionary of its own.
    chunk = column.combine_chunks() if column.num_chunks else column.cast(column.type)
    return chunk.dictionary_encode().indices.to_numpy().astype(np.int64) if len(column) else np.zeros(0, np.int64)
