"""Experiments of `task: classification`."""

from typing import Literal

from tfdomain.config.experiments import Experiment, PooledHead
from tfdomain.config.sections import TextData

__all__ = ["ClassificationData", "ClassificationExperiment", "ClassifierHead"]


class ClassificationData(TextData):
    """Rows with one label each.

    Attributes:
        label: The column with the label.
    """

    label: str = "label"


class ClassifierHead(PooledHead):
    """The head of a classifier."""


class ClassificationExperiment(Experiment):
    """One label a text, or a pair of texts."""

    task: Literal["classification"] = "classification"
    data: ClassificationData
    model: ClassifierHead = ClassifierHead()
