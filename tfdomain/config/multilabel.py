"""Experiments of `task: multilabel`."""

from typing import Annotated, Literal

from pydantic import Field

from tfdomain.config.label_columns import LabelColumnsData
from tfdomain.config.thresholds import ThresholdExperiment, ThresholdHead

__all__ = ["MultiLabelData", "MultiLabelExperiment", "MultiLabelHead"]


class MultiLabelData(LabelColumnsData):
    """Rows with any number of labels each, also none.

    Attributes:
        label: The column with each row's labels, delimited or as a JSON list; or a list of indicator columns, of 0
            and 1, whose names are the labels.
        delimiter: What stands between two labels of a column.
    """

    label: str | Annotated[list[str], Field(min_length=1)] = "labels"
    delimiter: Annotated[str, Field(min_length=1)] = "|"


class MultiLabelHead(ThresholdHead):
    """The head of a classifier with any number of labels a text."""


class MultiLabelExperiment(ThresholdExperiment):
    """Any number of labels a text, or a pair of texts."""

    task: Literal["multilabel"] = "multilabel"
    data: MultiLabelData
    model: MultiLabelHead = MultiLabelHead()
