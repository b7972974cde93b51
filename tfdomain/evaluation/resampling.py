"""A model's metric as a function of the test rows, so that it can be computed on rows drawn anew."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfdomain.errors import InputError
from tfdomain.metrics.confusion import confusion_scores
from tfdomain.metrics.entities import count_entities, entity_scores
from tfdomain.metrics.multilabel import counted_label_scores
from tfdomain.metrics.pairs import PAIR_SCORES, pair_rankings
from tfdomain.metrics.retrieval import retrieval_metrics
from tfdomain.metrics.selection import metric_value
from tfdomain.models.base import TextModel

__all__ = ["Statistic", "statistic_of"]

# Means over the rows, whatever the task: each row has a value of its own, which is the metric of this row alone. The
# last two are means over the questions with an answer, and over those without: which these are, no model decides.
ROW_MEANS = (
    *("exact_match", "answer_f1", "hamming_loss", "log_loss", "mse", "mae", "cost"),
    *("answerable_f1", "no_answer_accuracy"),
)


@dataclass(frozen=True)
class Statistic:
    """A metric of one model on the rows of a test.

    Attributes:
        num_units: How many rows there are to draw from; of a search its queries.
        of_rows: The metric of some of them, int64 `[m]`, a row more than once perhaps; NaN where they leave it
            undefined.
        values: Float `[num_units]`, each row's own value, where the metric is the mean of these; NaN for a row that has
            none, whatever the model. Else None.
    """

    num_units: int
    of_rows: Callable[[np.ndarray], float]
    values: np.ndarray | None = None

    @property
    def value(self) -> float:
        """The metric of all rows."""
        return self.of_rows(np.arange(self.num_units))

    @property
    def right(self) -> np.ndarray | None:
        """Bool, for each row with a value whether the model is right, if the metric is the share of such; else None."""
        values = None if self.values is None else _defined(self.values)
        return None if values is None or not np.isin(values, (0, 1)).all() else values == 1


def statistic_of(model: TextModel, truth: Any, predictions: Any, metric: str) -> Statistic:
    """The metric as a function of the rows: by what can be counted once, or else by the model's own `measure`.

    Args:
        model: Of one task.
        truth: As `model.measure` takes it, `[n]`.
        predictions: Likewise.
        metric: A name as for `metric_value`.

    Raises:
        InputError: The task has no such metric, or all rows leave it undefined.
    """
    measured = model.measure(truth, predictions)
    metric_value(measured, metric)
    count: Any = _COUNTED.get(model.task)
    counted = None if count is None else count(model, truth, predictions, metric)
    if counted is not None:
        return counted
    num_rows = measured["num_examples"]

    def of_rows(rows: np.ndarray) -> float:
        return _value(model.measure(_take(truth, rows), _take(predictions, rows)), metric)

    if metric in ROW_MEANS:
        return _mean_of(_of_each_row(model, truth, predictions, metric))
    return Statistic(num_rows, of_rows)


def _of_each_row(model: TextModel, truth: Any, predictions: Any, metric: str) -> np.ndarray:
    """The metric of each row alone, float64 `[n]`; NaN where the row leaves it undefined."""
    rows = np.arange(len(truth))[:, None]
    return np.array([_value(model.measure(_take(truth, row), _take(predictions, row)), metric) for row in rows])


def _mean_of(values: np.ndarray) -> Statistic:
    def of_rows(rows: np.ndarray) -> float:
        drawn = _defined(values[rows])
        return float(drawn.mean()) if len(drawn) else math.nan

    return Statistic(len(values), of_rows, values)


def _defined(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _counted(num_rows: int, measure: Callable[[np.ndarray], Mapping[str, Any]], metric: str) -> Statistic | None:
    """The metric by what is counted of rows, int64 `[m]`; None where it is none of what `measure` gives."""
    statistic = Statistic(num_rows, lambda rows: _value(measure(rows), metric))
    return None if math.isnan(statistic.value) else statistic


def _classified(model: Any, truth: Any, predictions: np.ndarray, metric: str) -> Statistic | None:
    """By the confusion matrix of the rows."""
    given, labels = model.given(predictions), np.asarray(truth)
    if metric == "accuracy":
        return _mean_of((given == labels).astype("float64"))
    size = len(model.labels)
    cells = labels.astype("int64") * size + given

    def measure(rows: np.ndarray) -> dict[str, Any]:
        return confusion_scores(np.bincount(cells[rows], minlength=size * size).reshape(size, size))

    return _counted(len(cells), measure, metric)


def _labelled(model: Any, truth: Any, predictions: np.ndarray, metric: str) -> Statistic | None:
    """By the confusion matrices of the labels."""
    size = len(model.labels)
    given = predictions >= model.thresholds
    # Which cell of its label's matrix each is counted in, int64 [rows, labels].
    cells = 4 * np.arange(size) + 2 * (np.asarray(truth) > 0) + given

    def measure(rows: np.ndarray) -> dict[str, Any]:
        counts = np.bincount(cells[rows].ravel(), minlength=4 * size)
        return counted_label_scores(counts.reshape(size, 2, 2), model.labels)

    return _counted(len(cells), measure, metric)


def _tagged(model: Any, truth: Any, predictions: Any, metric: str) -> Statistic | None:
    """By the numbers of entities in each text; the accuracy of words by the numbers of words."""
    if metric == "token_accuracy":
        shares = _of_each_row(model, truth, predictions, metric)
        num_words = np.array([len(each.words) for each in truth])
        agreeing = np.where(num_words > 0, shares * num_words, 0)
        return _ratio_of(agreeing, num_words)
    true, found, _ = model.judged_spans(truth, predictions)
    counted = [count_entities(*texts) for texts in zip(true, found, strict=True)]
    names = sorted({label for counters in counted for one in counters for label in one})
    # [texts, 3, labels]: found rightly, there, found.
    counts = np.array([[[one[name] for name in names] for one in counters] for counters in counted], "int64")

    def measure(rows: np.ndarray) -> dict[str, Any]:
        totals = (Counter(dict(zip(names, row, strict=True))) for row in counts[rows].sum(axis=0).tolist())
        # Adding nothing leaves out the labels that none of these texts has.
        return entity_scores(*(total + Counter() for total in totals))

    return _counted(len(counts), measure, metric)


def _ratio_of(parts: np.ndarray, wholes: np.ndarray) -> Statistic:
    def of_rows(rows: np.ndarray) -> float:
        whole = wholes[rows].sum()
        return float(parts[rows].sum() / whole) if whole else math.nan

    return Statistic(len(wholes), of_rows)


def _searched(model: Any, truth: Any, predictions: Any, metric: str) -> Statistic | None:
    """By what each query found: the items to search among stay the same, whichever queries are drawn."""
    if model.needs_labels or metric not in PAIR_SCORES:
        return None
    rankings, relevant = pair_rankings(predictions["anchor"], predictions["positive"], truth)
    found = zip(rankings, relevant, strict=True)
    return _mean_of(np.array([retrieval_metrics(one[None], [items])[metric] for one, items in found]))


_COUNTED: dict[str, Callable[[Any, Any, Any, str], Statistic | None]] = {
    "classification": _classified,
    "multilabel": _labelled,
    "tagging": _tagged,
    "embedding": _searched,
}


def _value(metrics: Mapping[str, Any], metric: str) -> float:
    """The metric; NaN where rows drawn anew lack what all of them together have."""
    try:
        return metric_value(metrics, metric)
    except InputError:
        return math.nan


def _take(values: Any, rows: np.ndarray) -> Any:
    """Some rows of an array, of a list, or of each column of a dictionary."""
    if isinstance(values, Mapping):
        return {name: _take(column, rows) for name, column in values.items()}
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows.tolist()]
