"""Experiments of `task: span`."""

from typing import Annotated, Literal

from pydantic import Field

from tfdomain.config.experiments import Experiment
from tfdomain.config.sections import DataFiles, Head

__all__ = ["SpanData", "SpanExperiment", "SpanHead"]


class SpanData(DataFiles):
    """Questions with their contexts and answers: SQuAD's JSON, or JSON Lines with one question a line.

    A share for `validation` is cut by context: all questions of a context stay on one side.
    """


class SpanHead(Head):
    """The head that finds the first and the last token of an answer.

    Attributes:
        overlap: Tokens of a long context that a window repeats of the one before; None: a quarter of
            a window's context.
        max_answer_tokens: Tokens of the longest answer that is given.
        answer_threshold: The log-odds of the best answer against none from which on it is given; None:
            it is given always.
    """

    overlap: Annotated[int, Field(ge=0, strict=True)] | None = None
    max_answer_tokens: Annotated[int, Field(ge=1, strict=True)] = 30
    answer_threshold: float | None = 0.0


class SpanExperiment(Experiment):
    """An answer to a question, found in its context."""

    task: Literal["span"] = "span"
    data: SpanData
    model: SpanHead = SpanHead()
