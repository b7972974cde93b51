"""The outcome of a cross-validation as people read it."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from tfdomain.evaluation.plain_text import left_and_right, plain_text

__all__ = ["cross_validation_text"]


def cross_validation_text(metrics: Mapping[str, Any]) -> str:
    """The mean, deviation and interval of each metric; of those of single classes only the file tells.

    Args:
        metrics: What `cross_validate` gives.

    Returns:
        Lines that end in a newline each, without colours.
    """
    numbers = ("mean", "deviation", "95 % interval", "runs")
    table = left_and_right("metric", *numbers, right=numbers)
    # A name is as long as its path: `macro_f1`, of several tasks `intent.macro_f1`; those of classes go on.
    shortest = min((name.count(".") for name in metrics["metrics"]), default=0)
    for name, one in metrics["metrics"].items():
        if name.count(".") == shortest:
            deviation = "-" if one["deviation"] is None else f"{one['deviation']:.4f}"
            interval = "-" if one["interval"] is None else "{:.4f} to {:.4f}".format(*one["interval"])
            table.add_row(Text(name), f"{one['mean']:.4f}", deviation, interval, str(one["num_runs"]))
    count = len(metrics["seeds"])
    heading = f"{metrics['folds']} folds" + (f", {count} seeds" if count > 1 else "")
    return plain_text(Group(Text(heading), table))
