"""Choosing by a metric: which names there are, what a name's value is, and which value is better.

The best checkpoint, early stopping and a hyperparameter search all ask here.
"""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from tfdomain.errors import InputError
from tfdomain.metrics.answers import ANSWER_SCORES
from tfdomain.metrics.confusion import CONFUSION_SCORES
from tfdomain.metrics.multilabel import MULTILABEL_SCORES
from tfdomain.metrics.regression import REGRESSION_SCORES
from tfdomain.metrics.retrieval import RETRIEVAL_SCORES, RETRIEVAL_SCORES_AT_K

__all__ = ["SUMMARY_METRICS", "is_better", "metric_direction", "metric_numbers", "metric_of_task", "metric_value"]

SUMMARY_METRICS = tuple(
    dict.fromkeys(  # several families have a log_loss
        (
            *CONFUSION_SCORES,
            *("roc_auc", "pr_auc", "weighted_roc_auc", "weighted_pr_auc", "log_loss", "loss"),
            "cost",
            *MULTILABEL_SCORES,
            *REGRESSION_SCORES,
            *("entity_precision", "entity_recall", "entity_f1", "macro_entity_f1", "token_accuracy"),
            *ANSWER_SCORES,
            *RETRIEVAL_SCORES,
        )
    )
)
"""The names that a run can choose by, of every task; `recall_at_10` and `per_label.fever.f1` are two more kinds."""

_SMALLER_IS_BETTER = {"loss", "log_loss", "hamming_loss", "mse", "rmse", "mae", "cost"}
_AT_K = re.compile(rf"({'|'.join(RETRIEVAL_SCORES_AT_K)})_at_[1-9]\d*")
_CLASS_SCORES = ("precision", "recall", "f1", "roc_auc", "pr_auc")
_SECTIONS = {
    "per_class": _CLASS_SCORES,
    "per_label": _CLASS_SCORES,
    "per_target": REGRESSION_SCORES,
    "per_entity": ("precision", "recall", "f1"),
}
_CHOICES = (
    # What is shown where no name is near: the usual choice of each task, ten or so in all.
    *("accuracy", "macro_f1", "roc_auc", "log_loss", "mean_average_precision", "spearman", "rmse", "entity_f1"),
    *("answer_f1", "mrr", "ndcg_at_<k>", "per_class.<class>.f1"),
    *SUMMARY_METRICS,
    *(f"{score}_at_<k>" for score in RETRIEVAL_SCORES_AT_K),
    *(f"{section}.<{section[4:]}>.{score}" for section, scores in _SECTIONS.items() for score in scores),
)
_NUM_SHOWN = 12


def metric_direction(name: str) -> Literal["max", "min"]:
    """Whether a larger (`"max"`) or a smaller (`"min"`) value of a metric is better.

    It needs no values: ask it before a run starts, so that a wrong name does not cost an epoch. A metric of one of
    several tasks has the task before it.

    Raises:
        InputError: There is no such metric; the message names the nearest.

    Example:
        >>> metric_direction("per_target.price.mae"), metric_direction("recall_at_10")
        ('min', 'max')
    """
    if not _is_known(name) and not _is_known(name.partition(".")[2]):
        raise _unknown(name, _CHOICES)
    return "min" if name.rpartition(".")[2] in _SMALLER_IS_BETTER else "max"


def metric_of_task(name: str) -> tuple[str | None, str]:
    """The task that a metric's name begins with, None where it begins with none, and the metric itself.

    Example:
        >>> metric_of_task("intent.per_class.card.f1"), metric_of_task("per_class.card.f1")
        (('intent', 'per_class.card.f1'), (None, 'per_class.card.f1'))
    """
    task, _, metric = name.partition(".")
    return (task, metric) if _is_known(metric) and not _is_known(name) else (None, name)


def metric_value(metrics: Mapping[str, Any], name: str) -> float:
    """The number that a flat or dotted name stands for.

    Args:
        metrics: A table of metrics such as `classification_metrics` gives, or tables one level down.
        name: A key such as `macro_f1`, or a path such as `per_class.default.recall` or
            `validation.macro_f1`. A key may itself have dots in it.

    Raises:
        InputError: There is no such number (the message names the nearest), or these examples
            leave it undefined.

    Example:
        >>> metric_value({"per_class": {"No. 1": {"f1": 0.5}}}, "per_class.No. 1.f1")
        0.5
    """
    found = list(_follow(metrics, name))
    if not found:
        raise _unknown(name, list(_paths(metrics)))
    if found[0] is None:
        raise InputError(
            f"the metric {name!r} is undefined on these examples",
            mend="choose another metric, or give examples of every class and label, targets that differ, "
            "and queries with something to find",
        )
    return float(found[0])


def is_better(name: str, new: float, old: float | None) -> bool:
    """Whether `new` is a strict improvement on `old` for the metric `name`.

    Args:
        name: The metric, as for `metric_direction`.
        new: Its new value; NaN is never better.
        old: The best value so far; None or NaN where there is none yet.

    Raises:
        InputError: There is no such metric.
    """
    direction = metric_direction(name)
    if math.isnan(new):
        return False
    if old is None or math.isnan(old):
        return True
    return new < old if direction == "min" else new > old


def metric_numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Each metric's dotted name with its value, None where it is undefined; counts are no metrics."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from metric_numbers(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, float):
            yield prefix + name, value


def _is_known(name: str) -> bool:
    section, _, path = name.partition(".")
    label, _, score = path.rpartition(".")
    return bool(name in SUMMARY_METRICS or _AT_K.fullmatch(name) or (label and score in _SECTIONS.get(section, ())))


def _follow(metrics: Any, name: str):
    if not isinstance(metrics, Mapping):
        return
    value = metrics.get(name)
    if name in metrics and (value is None or _is_number(value)):
        yield value
    for key in metrics:
        if name.startswith(f"{key}."):
            yield from _follow(metrics[key], name[len(key) + 1 :])


def _paths(metrics: Mapping[str, Any], prefix: str = ""):
    for key, value in metrics.items():
        if _is_number(value) or value is None:
            yield prefix + key
        elif isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unknown(name: str, choices: Iterable[str]) -> InputError:
    choices = list(dict.fromkeys(choices))
    containing = [choice for choice in choices if name and name.lower() in choice.lower()]
    near = dict.fromkeys([*difflib.get_close_matches(name, choices, n=6), *containing])
    shown = (list(near) or choices)[:_NUM_SHOWN]
    rest = len(choices) - len(shown)
    listed = ", ".join(shown) + (f", or of {rest} more" if rest else "")
    return InputError(f"there is no metric {name!r}", mend=f"choose one of {listed}")
