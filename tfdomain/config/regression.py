"""Experiments of `task: regression`."""

from typing import Literal

from tfdomain.config.experiments import Experiment, PooledHead
from tfdomain.config.label_columns import LabelColumnsData

__all__ = ["RegressionData", "RegressionExperiment", "RegressorHead"]


class RegressionData(LabelColumnsData):
    """Rows with one or several numbers each.

    Attributes:
        label: The column with the number, or several columns; their names are those of the targets.
    """


class RegressorHead(PooledHead):
    """The head of a regressor."""


class RegressionExperiment(Experiment):
    """Numbers of a text, or of a pair of texts."""

    task: Literal["regression"] = "regression"
    data: RegressionData
    model: RegressorHead = RegressorHead()
