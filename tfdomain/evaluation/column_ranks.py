"""How much each column of a table tells of the labels by itself, so that a leak is seen."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tfdomain.data.cells import as_cells, as_days, as_numbers
from tfdomain.data.features import FeatureKind, guess_kind
from tfdomain.errors import InputError
from tfdomain.metrics.ranking import ranking_areas
from tfdomain.metrics.regression import regression_metrics

__all__ = ["ColumnRank", "column_ranks"]

NUM_FOLDS = 5
# Rows of the mean over all that each value's own mean is mixed with.
PRIOR_ROWS = 10

Measure = Callable[[np.ndarray, np.ndarray], float]


class ColumnRank(NamedTuple):
    """A column, its kind, its score, and the share of rows without a value."""

    name: str
    kind: FeatureKind
    score: float
    missing_rate: float


def column_ranks(
    columns: Mapping[str, Any],
    labels: Any,
    *,
    kinds: Mapping[str, FeatureKind] | None = None,
    regression: bool = False,
    seed: int = 0,
) -> list[ColumnRank]:
    """Scores each column alone against the labels, the most telling first.

    A number or a date is scored by its value, in whichever direction it goes; the rows without one stand
    below or above all others, whichever tells more: that a cell was filled at all may be the leak. A
    category is scored fold by fold by the mean label of each value in the other folds, smoothed towards
    the mean of all, so that an id tells nothing.

    Args:
        columns: Columns `[n]` by name, as `learn_features` takes them; columns of any use, refused ones too.
        labels: `[n]`: two or more classes, or numbers for a regression.
        kinds: The kind of a column, where it is not told from the values. A numeric or date column may
            hold other values; they count as missing.
        regression: Whether labels are quantities.
        seed: Of the folds.

    Returns:
        For classes the area under the ROC curve, 0.5 to about 1 (of the class that is told best, where there
        are more than two); for a regression the absolute Spearman correlation, 0 to 1.

    Raises:
        InputError: There are no two different labels, or a column has another length.

    Reference: Micci-Barreca 2001, "A Preprocessing Scheme for High-Cardinality Categorical Attributes".
    """
    labels = np.asarray(labels)
    targets = _targets(labels, regression)
    measure = _spearman if regression else _area
    folds = _folds(labels, seed)
    ranks = []
    for name, values in columns.items():
        kind = (kinds or {}).get(name) or guess_kind(values, name)
        if kind == "category":
            cells = np.array(as_cells(values, name).to_pylist(), object)
            missing = cells == ""
        else:
            numbers, _ = (as_numbers if kind == "numeric" else as_days)(values, name)
            missing = np.isnan(numbers)
        if len(missing) != len(labels):
            raise InputError(f"column {name!r} has {len(missing)} rows, the labels {len(labels)}")
        if kind == "category":
            strengths = [_category_strength(cells, target, folds, measure) for target in targets]
        else:
            placed = _with_missing(numbers, missing)
            strengths = [abs(measure(target, scores)) for target in targets for scores in placed]
        score = max(strengths) if regression else 0.5 + max(strengths)
        ranks.append(ColumnRank(name, kind, float(score), float(missing.mean())))
    return sorted(ranks, key=lambda rank: (-rank.score, rank.name))


def _targets(labels: np.ndarray, regression: bool) -> list[np.ndarray]:
    names = np.unique(labels)
    if len(names) < 2:
        raise InputError(f"the labels hold {len(names)} value", mend="give rows of two labels or more")
    if regression:
        return [labels.astype("float64")]
    # Of two classes the one says what the other says.
    return [(labels == name).astype("float64") for name in (names[1:] if len(names) == 2 else names)]


def _folds(labels: np.ndarray, seed: int) -> np.ndarray:
    # Dealt out along the sorted labels, so that each fold has its share of every label.
    order = np.random.default_rng(seed).permutation(len(labels))
    folds = np.empty(len(labels), np.int64)
    folds[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % NUM_FOLDS
    return folds


def _with_missing(values: np.ndarray, missing: np.ndarray) -> list[np.ndarray]:
    known = values[~missing]
    if not len(known):
        return [np.zeros(len(values))]
    values = values.astype("float64")
    ends = (known.min() - 1.0, known.max() + 1.0) if missing.any() else (0.0,)
    return [np.where(missing, end, values) for end in ends]


def _category_strength(cells: np.ndarray, target: np.ndarray, folds: np.ndarray, measure: Measure) -> float:
    values, ids = np.unique(cells.astype(str), return_inverse=True)
    measured = []
    for fold in range(min(NUM_FOLDS, len(target))):
        # Each fold by itself: scores of two folds rest on different rows, and do not compare.
        held, rest = folds == fold, folds != fold
        count = np.bincount(ids[rest], minlength=len(values))
        total = np.bincount(ids[rest], target[rest], minlength=len(values))
        means = (total + PRIOR_ROWS * target[rest].mean()) / (count + PRIOR_ROWS)
        measured.append(measure(target[held], means[ids[held]]))
    return abs(float(np.mean(measured)))


def _area(target: np.ndarray, scores: np.ndarray) -> float:
    """The area under the ROC curve above that of chance, -0.5 to 0.5."""
    area = ranking_areas(target > 0, scores).roc_auc
    return 0.0 if area is None else area - 0.5


def _spearman(target: np.ndarray, scores: np.ndarray) -> float:
    return regression_metrics(target, scores, ["label"])["spearman"] or 0.0
