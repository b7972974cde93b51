"""Experiments of `task: regression`."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from tfdomain.config.experiments import Experiment, PooledHead
from tfdomain.config.sections import TextData

__all__ = ["RegressionData", "RegressionExperiment", "RegressorHead"]


class RegressionData(TextData):
    """Rows with one or several numbers each.

    Attributes:
        label: The column with the number, or several columns; their names are those of the targets.
    """

    label: str | Annotated[list[str], Field(min_length=1)] = "label"

    @property
    def target_columns(self) -> list[str]:
        """The columns that hold targets."""
        return [self.label] if isinstance(self.label, str) else list(self.label)

    @pydantic.field_validator("label")
    @classmethod
    def _each_once(cls, label):
        if isinstance(label, list) and len(set(label)) < len(label):
            raise ValueError(f"a column is named twice: {label}")
        return label


class RegressorHead(PooledHead):
    """The head of a regressor."""


class RegressionExperiment(Experiment):
    """Numbers of a text, or of a pair of texts."""

    task: Literal["regression"] = "regression"
    data: RegressionData
    model: RegressorHead = RegressorHead()
