"""Experiments of `task: classification`."""

from typing import Literal

from tfdomain.config.sections import TextData
from tfdomain.config.thresholds import ThresholdExperiment, ThresholdHead

__all__ = ["ClassificationData", "ClassificationExperiment", "ClassifierHead"]


class ClassificationData(TextData):
    """Rows with one label each.

    Attributes:
        label: The column with the label.
    """

    label: str = "label"


class ClassifierHead(ThresholdHead):
    """The head of a classifier; of two labels one is given from a threshold on.

    Attributes:
        positive: The label that the threshold is of; None: the second of the two.
    """

    positive: str | None = None


class ClassificationExperiment(ThresholdExperiment):
    """One label a text, or a pair of texts."""

    task: Literal["classification"] = "classification"
    data: ClassificationData
    model: ClassifierHead = ClassifierHead()
