"""Choosing by a metric: which names there are, what a name's value is, and which value is better.

The best checkpoint, early stopping and a hyperparameter search all ask here.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from tfdomain.errors import InputError
from tfdomain.metrics.confusion import CONFUSION_SCORES

__all__ = ["SUMMARY_METRICS", "is_better", "metric_direction", "metric_value"]

SUMMARY_METRICS = (
    *CONFUSION_SCORES,
    "roc_auc",
    "pr_auc",
    "weighted_roc_auc",
    "weighted_pr_auc",
    "log_loss",
    "loss",
)
"""The names that a run can choose by; `per_class.<label>.<score>` is one too."""

_SMALLER_IS_BETTER = {"log_loss", "loss"}
_PER_CLASS = re.compile(r"per_class\.(?P<label>.+)\.(precision|recall|f1|roc_auc|pr_auc)", re.DOTALL)


def metric_direction(name: str) -> Literal["max", "min"]:
    """Whether a larger (`"max"`) or a smaller (`"min"`) value of a metric is better.

    It needs no values: ask it before a run starts, so that a wrong name does not cost an epoch.

    Raises:
        InputError: There is no such metric; the message lists the choices.

    Example:
        >>> metric_direction("log_loss"), metric_direction("per_class.default.recall")
        ('min', 'max')
    """
    if name not in SUMMARY_METRICS and not _PER_CLASS.fullmatch(name):
        raise _unknown(name, [*SUMMARY_METRICS, "per_class.<label>.f1 (precision, recall, roc_auc, pr_auc)"])
    return "min" if name in _SMALLER_IS_BETTER else "max"


def metric_value(metrics: Mapping[str, Any], name: str) -> float:
    """The number that a flat or dotted name stands for.

    Args:
        metrics: As `classification_metrics` gives them, or with those one level down.
        name: A key such as `macro_f1`, or a path such as `per_class.default.recall` or
            `validation.macro_f1`. A key may itself have dots in it.

    Raises:
        InputError: There is no such number (the message lists the choices), or these examples
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
            f"the metric {name!r} is undefined on these examples (a class is missing from the labels)",
            mend="choose another metric, or give examples of every class",
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


def _unknown(name: str, choices: list[str]) -> InputError:
    # 77 classes have hundreds of paths: one screen of them is enough to see the pattern.
    shown = ", ".join(choices[:30]) + (f" and {len(choices) - 30} more" if len(choices) > 30 else "")
    return InputError(f"there is no metric {name!r}", mend=f"choose one of {shown}")
