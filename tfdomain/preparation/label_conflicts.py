"""Texts that occur with more than one label."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

__all__ = ["LabelConflict", "conflicting_labels"]


class LabelConflict(NamedTuple):
    """A text that has several labels.

    Attributes:
        rows: The rows that have this text and a label, rising.
        labels: Their labels, at the same places.
    """

    rows: list[int]
    labels: list[Any]


def conflicting_labels(
    originals: np.ndarray, labels: Sequence[Any] | pa.Array | pa.ChunkedArray
) -> list[LabelConflict]:
    """Lists the texts whose rows disagree about the label; rows without a label (None) have no say.

    Args:
        originals: int64 `[num_rows]`, the first row with the same text (`Duplicates.originals`); clusters, for texts
            that are nearly the same.
        labels: The label of each row; lists of labels are equal if they are equal in their order.

    Returns:
        In the order of their first rows.
    """
    copies = np.bincount(originals, minlength=len(originals))
    rows = np.flatnonzero(copies[originals] > 1)
    rows = rows[np.argsort(originals[rows], kind="stable")]
    if isinstance(labels, pa.Array | pa.ChunkedArray):
        found = labels.take(pa.array(rows)).to_pylist()
    else:
        found = [labels[row] for row in rows.tolist()]
    conflicts = []
    start = 0
    for stop in np.cumsum(copies[copies > 1]).tolist():
        labelled = [place for place in range(start, stop) if found[place] is not None]
        if any(found[place] != found[labelled[0]] for place in labelled[1:]):
            conflicts.append(LabelConflict(rows[labelled].tolist(), [found[place] for place in labelled]))
        start = stop
    return conflicts
