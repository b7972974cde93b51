"""Labels of a prepared data set that somebody should look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.preparation.baseline import out_of_fold_probabilities, quality_library
from tfdomain.preparation.label_quality import class_overlap, suspicious_labels
from tfdomain.preparation.removed import Places, write_list
from tfdomain.preparation.shards import Shard
from tfdomain.preparation.splits import SPLITS

__all__ = ["check_review", "write_review"]


def check_review() -> None:
    """Whether labels can be checked at all, before hours of reading.

    Raises:
        InputError: The extra `quality` is not installed.
    """
    quality_library("cleanlab.filter")


def write_review(shards: Sequence[Shard], splits: np.ndarray, preparation: Preparation, folder: Path) -> int:
    """Writes `suspicious_labels.csv`, the worst first, and `class_overlap.csv`.

    Every kept row is judged by models that did not train on it. The rows of the test are listed like all others,
    and are for people to mend in the source.

    Args:
        shards: All rows.
        splits: int8 `[num_rows]`, places in `SPLITS`; -1: left out.
        preparation: Gives the seed.
        folder: The prepared folder.

    Returns:
        How many labels look wrong.

    Raises:
        InputError: There are no two classes with two rows each.
    """
    kept = np.flatnonzero(splits >= 0)
    tables = [
        shard.read("text", "label").filter(pa.array(splits[shard.first_row : shard.first_row + shard.num_rows] >= 0))
        for shard in shards
    ]
    texts, labels = (pa.concat_tables(tables).column(name).to_pylist() for name in ("text", "label"))
    probabilities = out_of_fold_probabilities(texts, labels, seed=preparation.seed)
    found = suspicious_labels(texts, labels, probabilities)
    places = Places(shards).find(kept[found["row"]])
    rows = (
        (places[int(kept[row])], SPLITS[splits[kept[row]]], label, suggested, f"{quality:.4f}", text)
        for row, text, label, suggested, quality in found.itertuples(index=False)
    )
    count = write_list(
        folder / "suspicious_labels.csv", ("place", "split", "label", "suggested", "quality", "text"), rows
    )
    overlap = class_overlap(labels, probabilities)
    write_list(folder / "class_overlap.csv", list(overlap.columns), overlap.itertuples(index=False))
    return count
