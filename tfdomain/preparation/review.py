"""Labels of a prepared data set that somebody should look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from tfdomain.config.preparation import Preparation
from tfdomain.data.paths import find_files
from tfdomain.errors import InputError
from tfdomain.preparation.baseline import out_of_fold_probabilities, quality_library
from tfdomain.preparation.label_quality import class_overlap, suspicious_labels
from tfdomain.preparation.predictions import predicted_probabilities
from tfdomain.preparation.removed import Places, write_list
from tfdomain.preparation.shards import Shard, take_text_steps
from tfdomain.preparation.splits import SPLITS

__all__ = ["check_review", "write_review"]


def check_review(preparation: Preparation) -> None:
    """Whether labels can be checked at all, before hours of reading.

    Raises:
        InputError: The extra `quality` is not installed, or there is no file of predictions where one is named.
    """
    quality_library("cleanlab.filter")
    _predictions_file(preparation)


def write_review(
    shards: Sequence[Shard], splits: np.ndarray, preparation: Preparation, folder: Path
) -> tuple[int, int]:
    """Writes `suspicious_labels.csv`, the worst first, and `class_overlap.csv`.

    Every kept row is judged by models that did not train on it, or by the predictions that are given. The rows of the
    test are listed like all others, and are for people to mend in the source.

    Args:
        shards: All rows.
        splits: int8 `[num_rows]`, places in `SPLITS`; -1: left out.
        preparation: Gives the seed, or names the predictions.
        folder: The prepared folder.

    Returns:
        How many labels look wrong, and how many were judged: those with a prediction, where predictions are given.

    Raises:
        InputError: There are no two classes with two rows each, or the predictions do not fit.
    """
    kept = np.flatnonzero(splits >= 0)
    tables = [
        shard.read("text", "label").filter(pa.array(splits[shard.first_row : shard.first_row + shard.num_rows] >= 0))
        for shard in shards
    ]
    texts, labels = (pa.concat_tables(tables).column(name).to_pylist() for name in ("text", "label"))
    file, names = _predictions_file(preparation), None
    if file is None:
        probabilities = out_of_fold_probabilities(texts, labels, seed=preparation.seed)
    else:
        judged, probabilities, names = predicted_probabilities(
            file, preparation.text, texts, lambda raw: take_text_steps(raw, _text_steps(preparation))[0]
        )
        kept, texts, labels = kept[judged], *([column[row] for row in judged.tolist()] for column in (texts, labels))
    try:
        found = suspicious_labels(texts, labels, probabilities, names=names)
    except InputError as error:
        if file is None:
            raise
        raise InputError(f"{error.where} {error.problem}", where=str(file), mend=error.mend) from None
    places = Places(shards).find(kept[found["row"]])
    rows = (
        (places[int(kept[row])], SPLITS[splits[kept[row]]], label, suggested, f"{quality:.4f}", text)
        for row, text, label, suggested, quality in found.itertuples(index=False)
    )
    count = write_list(
        folder / "suspicious_labels.csv", ("place", "split", "label", "suggested", "quality", "text"), rows
    )
    overlap = class_overlap(labels, probabilities, names=names)
    write_list(folder / "class_overlap.csv", list(overlap.columns), overlap.itertuples(index=False))
    return count, len(kept)


def _predictions_file(preparation: Preparation) -> Path | None:
    if preparation.quality_predictions is None:
        return None
    files = find_files(preparation.quality_predictions, relative_to=Path())
    if len(files) > 1:
        raise InputError(f"names {len(files)} files", where="quality_predictions", mend="name one")
    return files[0]


def _text_steps(preparation: Preparation) -> Preparation:
    """The steps that change texts alone."""
    return preparation.model_copy(update={"steps": preparation.steps.model_copy(update={"language": False})})
