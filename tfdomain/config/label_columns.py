"""Rows whose labels stand in one column or in several."""

from typing import Annotated

import pydantic
from pydantic import Field

from tfdomain.config.sections import TextData

__all__ = ["LabelColumnsData"]


class LabelColumnsData(TextData):
    """Rows with labels in one column or in several.

    Attributes:
        label: The column, or the columns.
    """

    label: str | Annotated[list[str], Field(min_length=1)] = "label"

    @property
    def label_columns(self) -> list[str]:
        """The columns that hold labels."""
        return [self.label] if isinstance(self.label, str) else list(self.label)

    @pydantic.field_validator("label")
    @classmethod
    def _each_once(cls, label):
        if isinstance(label, list) and len(set(label)) < len(label):
            raise ValueError(f"a column is named twice: {label}")
        return label
