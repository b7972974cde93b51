"""What the experiments of all tasks share."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from tfdomain.config.board import Board
from tfdomain.config.search import Search
from tfdomain.config.sections import DataFiles, Head, Section, Training

__all__ = ["Experiment", "PooledHead"]


class Experiment(Section):
    """Everything that a run is made of; a task has its own `data` and `model`. See `docs/experiment_file.md`."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    task: str
    encoder: str
    max_length: Annotated[int, Field(ge=3, strict=True)] | None = None
    data: DataFiles
    model: Head
    training: Training = Training()
    board: Board = Board()
    search: Search | None = None

    def columns(self) -> dict:
        """What tells how its files are read, without their names; see `DataFiles.columns`."""
        return self.data.columns()

    @pydantic.field_validator("model", "training", "board", mode="before")
    @classmethod
    def _fill_empty_section(cls, section):
        # `training:` with nothing below it asks for the defaults.
        return {} if section is None else section

    @pydantic.model_validator(mode="after")
    def _best_needs_validation(self):
        if self.training.best is not None and self.data.validation is None:
            raise ValueError("training.best is measured on validation rows: set data.validation")
        return self

    @pydantic.model_validator(mode="after")
    def _search_needs_validation(self):
        if self.search is None:
            return self
        if self.data is not None and self.data.validation is None:
            raise ValueError("search.objective is measured on validation rows: set data.validation")
        if self.search.tuner == "hyperband" and self.training.epochs < 3:
            raise ValueError("search.tuner hyperband stops trials between epochs: set training.epochs to 3 or more")
        return self


class PooledHead(Head):
    """A head on one vector a text.

    Attributes:
        pooling: `cls`: the first token through the checkpoint's dense-tanh pooler where it has
            one; `mean`: the mean of the tokens that are no padding.
        fusion: How a text's vector and a table's become one, where there are features: `gated` sets
            a short, gated summary of the text behind the table's, `concatenation` the whole text's before it.
        windows: How the vectors of the windows that a long text is read in become one; None: there are no windows,
            and `max_length` is at most the encoder's positions.
        window_length: Tokens of a window; None: 128, or the encoder's positions or `max_length` where they are fewer.
        overlap: Tokens that a window repeats of the one before; None: a quarter of a window's content.
    """

    pooling: Literal["cls", "mean"] = "cls"
    fusion: Literal["gated", "concatenation"] = "gated"
    windows: Literal["mean", "max", "attention"] | None = None
    window_length: Annotated[int, Field(ge=3, strict=True)] | None = None
    overlap: Annotated[int, Field(ge=0, strict=True)] | None = None
