"""What is worth a second look: suspicious labels, classes with few rows, classes that are taken for each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tfdomain.data.labels import label_ids, label_names
from tfdomain.errors import InputError
from tfdomain.preparation.baseline import out_of_fold_probabilities, quality_library

__all__ = ["class_overlap", "rare_classes", "suspicious_labels"]

ROUNDING = 1e-2
"""How far a row of probabilities may be from 1: those of a model in half precision are."""


def suspicious_labels(
    texts: Sequence[str],
    labels: Any,
    probabilities: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows whose label is probably wrong, by confident learning.

    How many labels are wrong is estimated from the rows that are more like another class than that class's own rows
    are on average; of the rows with the least probable labels so many are listed, save those for which no other class
    is more probable. That is cleanlab's `low_self_confidence`: of labels changed on purpose it found as many as
    cleanlab's default, with fewer others among them, and the list is read from its top.

    Args:
        texts: Texts `[n]`.
        labels: A label a text `[n]`.
        probabilities: float `[n, classes]`, from models that did not train on the row; None: those of a baseline
            (`baseline.out_of_fold_probabilities`).
        names: The classes of `probabilities`' columns; None: the labels, sorted as `label_names` does.
        folds: Of the baseline.
        seed: Of the baseline.

    Returns:
        The worst first, with the columns `row` (int64, from 0), `text`, `label`, `suggested` (the most probable
        class) and `quality` (the probability of the label, float32).

    Raises:
        InputError: The arguments do not fit each other, or the extra `quality` is not installed.

    Reference:
        Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70 (2021).
    """
    find_label_issues = quality_library("cleanlab.filter").find_label_issues
    if probabilities is None:
        probabilities, names = out_of_fold_probabilities(texts, labels, folds=folds, seed=seed), None
    ids, values, names = _checked(labels, probabilities, names)
    if len(texts) != len(ids):
        raise InputError(f"{len(ids):,} labels for {len(texts):,} texts", where="labels", mend="give one label a text")
    # One process: cleanlab would fork, and a process that holds TensorFlow must not.
    rows = np.flatnonzero(find_label_issues(ids, values, filter_by="low_self_confidence", n_jobs=1))
    suggested = values[rows].argmax(axis=1)
    quality = values[rows, ids[rows]]
    doubted = values[rows, suggested] > quality
    rows, suggested, quality = rows[doubted], suggested[doubted], quality[doubted]
    order = np.lexsort((rows, quality))
    rows, suggested, quality = rows[order], suggested[order], quality[order]
    return pd.DataFrame(
        {
            "row": rows,
            "text": [texts[row] for row in rows.tolist()],
            "label": [names[index] for index in ids[rows]],
            "suggested": [names[index] for index in suggested],
            "quality": quality.astype(np.float32),
        }
    ).astype({"row": np.int64, "text": "str", "label": "str", "suggested": "str"})


def rare_classes(labels: Any, at_least: int) -> dict[str, int]:
    """The classes with fewer rows than `at_least`, and how many they have; the rarest first.

    Raises:
        InputError: A label is missing.
    """
    names = label_names(labels)
    sizes = np.bincount(label_ids(labels, names), minlength=len(names))
    order = np.argsort(sizes, kind="stable")
    return {names[index]: int(sizes[index]) for index in order if sizes[index] < at_least}


def class_overlap(labels: Any, probabilities: ArrayLike, *, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Pairs of classes that are taken for each other, the most confused first.

    Args:
        labels: Labels `[n]`.
        probabilities: float `[n, classes]`, from models that did not train on the row.
        names: The classes of `probabilities`' columns; None: the labels, sorted as `label_names` does.

    Returns:
        A row a pair with at least one confusion: `first` and `second`; `rows`, how many of their rows are taken for
        the other class; `share`, that of all rows of both; `first_as_second` and `second_as_first`, the share of the
        one class's rows that are taken for the other.

    Raises:
        InputError: The arguments do not fit each other.
    """
    ids, values, names = _checked(labels, probabilities, names)
    num_classes = len(names)
    pairs = ids.astype(np.int64) * num_classes + values.argmax(axis=1)
    confusion = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    both = np.triu(confusion + confusion.T, 1)
    first, second = np.nonzero(both)
    sizes = confusion.sum(axis=1)
    frame = pd.DataFrame(
        {
            "first": [names[index] for index in first],
            "second": [names[index] for index in second],
            "rows": both[first, second],
            "share": both[first, second] / np.maximum(sizes[first] + sizes[second], 1),
            "first_as_second": confusion[first, second] / np.maximum(sizes[first], 1),
            "second_as_first": confusion[second, first] / np.maximum(sizes[second], 1),
        }
    ).astype({"first": "str", "second": "str"})
    return frame.sort_values(["share", "rows"], ascending=False, kind="stable", ignore_index=True)


def _checked(
    labels: Any, probabilities: ArrayLike, names: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ids int32 `[n]`, probabilities float32 `[n, classes]`, and the classes' names."""
    found = label_names(labels)
    known = found if names is None else list(names)
    values = np.asarray(probabilities)
    if values.ndim != 2 or values.dtype.kind != "f":
        problem = f"are {values.dtype} of the shape {list(values.shape)}"
        raise InputError(problem, where="probabilities", mend="give floats, a row a text and a column a class")
    if values.shape[1] != len(known) or len(known) < 2:
        problem = f"have {values.shape[1]} columns for {len(known)} classes"
        raise InputError(problem, where="probabilities", mend="name the class of each column in names")
    if foreign := [name for name in found if name not in set(known)]:
        problem = f"lack the label {foreign[0]!r}" + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else "")
        raise InputError(problem, where="names", mend="name the class of each column of the probabilities")
    ids = label_ids(labels, known)
    if len(values) != len(ids):
        raise InputError(
            f"{len(values):,} rows for {len(ids):,} labels", where="probabilities", mend="give one a label"
        )
    values = values.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore"):
        right = (values >= 0).all(axis=1) & (np.abs(values.sum(axis=1) - 1) <= ROUNDING)
    if not right.all():
        row = int(np.flatnonzero(~right)[0])
        mend = "give probabilities of classes that exclude each other"
        raise InputError("do not add up to 1", where=f"probabilities[{row}]", mend=mend)
    return ids, np.minimum(values, 1), known
