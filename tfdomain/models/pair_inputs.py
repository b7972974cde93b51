"""What people hand to an embedder that learns: texts that belong together, by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.models.inputs import named_columns

__all__ = ["TRAINING_NAMES", "holds_pairs", "in_memory", "pairs_of"]

TRAINING_NAMES = ("anchor", "positive", "negative")
"""What the texts of a row are called."""


def holds_pairs(x: Any) -> bool:
    """Whether a row has several texts; a data set is taken for one of single texts."""
    is_table = isinstance(x, Mapping) or hasattr(x, "columns")
    return isinstance(x, tuple) or (is_table and TRAINING_NAMES[0] in x)


def pairs_of(x: Any) -> dict[str, Any]:
    """Anchors and positives by name.

    Args:
        x: A tuple of two or three columns of texts, or columns by `TRAINING_NAMES`.

    Raises:
        InputError: `x` holds something else.
    """
    columns = named_columns(x, TRAINING_NAMES)
    if "positive" not in columns:
        raise InputError("texts without another each", where="x", mend="give a tuple of anchors and positives")
    return {name: columns[name] for name in TRAINING_NAMES[:2]}


def in_memory(dataset: tf.data.Dataset) -> tuple[dict[str, Any], np.ndarray | None, np.ndarray | None]:
    """The columns by name, the scores and the weights of a data set, batched or not.

    Raises:
        InputError: It is empty, or its elements are no rows of texts.
    """
    elements = [element if isinstance(element, tuple) else (element,) for element in dataset]
    if not elements:
        raise InputError("the data set is empty", where="x", mend="give it examples")
    arrays = [tf.nest.map_structure(lambda tensor: np.atleast_1d(tensor.numpy()), element) for element in elements]
    parts = [named_columns(part[0], TRAINING_NAMES) for part in arrays]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    scores, weights = (
        np.concatenate([part[place] for part in arrays]) if len(arrays[0]) > place else None for place in (1, 2)
    )
    return columns, scores, weights
