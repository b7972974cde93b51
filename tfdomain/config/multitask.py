"""Experiments of `task: multitask`: several tasks, each with data and a head of its own."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field, SerializeAsAny

from tfdomain.config.experiments import Experiment
from tfdomain.config.sections import DataFiles, Head, Section
from tfdomain.config.single_tasks import SINGLE_TASKS

__all__ = ["MultiTaskExperiment", "MultiTaskHead", "OneTask"]

Weight = Annotated[float, Field(gt=0)]


class OneTask(Section):
    """One of several tasks.

    Attributes:
        task: What an experiment of this task alone would have for `task`.
        data: Its `data`, likewise.
        model: Its `model`, likewise; the rate of dropout is the encoder's, and so all tasks' together.
        max_length: Its `max_length`; None: that of all.
    """

    task: Literal[tuple(SINGLE_TASKS)]  # type: ignore[valid-type]
    data: SerializeAsAny[DataFiles]
    model: SerializeAsAny[Head]
    max_length: Annotated[int, Field(ge=3, strict=True)] | None = None

    @pydantic.field_validator("model")
    @classmethod
    def _dropout_is_shared(cls, model):
        if model.dropout_rate is not None:
            raise ValueError("dropout_rate is that of all tasks: set it in the model section beside tasks")
        return model


class MultiTaskHead(Head):
    """How tasks come together.

    Attributes:
        share: How the rows of an update are shared among tasks: `proportional` to their training rows, to the
            `square_root` of these, or `uniform`.
        loss_weights: A factor on the loss of tasks, 1 where none is given; or `uncertainty`: learned.
    """

    share: Literal["proportional", "square_root", "uniform"] = "proportional"
    loss_weights: Literal["uncertainty"] | dict[str, Weight] | None = None


class MultiTaskExperiment(Experiment):
    """Several tasks with one encoder.

    Attributes:
        tasks: Each task, by a name of one's own.
        data: None: each task has its own.
    """

    task: Literal["multitask"] = "multitask"
    tasks: Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], OneTask], Field(min_length=1)]
    data: None = None  # type: ignore[assignment]
    model: MultiTaskHead = MultiTaskHead()

    def columns(self) -> dict:
        """How each task's files are read, by task."""
        return {name: one.data.columns() for name, one in self.tasks.items()}

    def experiments(self) -> dict[str, Experiment]:
        """Each task as an experiment of its own, with the training of all."""
        training = self.training.model_copy(update={"best": None, "patience": None})
        return {
            name: SINGLE_TASKS[one.task](
                name=name,
                task=one.task,
                encoder=self.encoder,
                max_length=self.max_length if one.max_length is None else one.max_length,
                data=one.data,
                model=one.model,
                training=training,
            )
            for name, one in self.tasks.items()
        }

    @pydantic.model_validator(mode="before")
    @classmethod
    def _data_is_each_tasks_own(cls, values):
        if isinstance(values, Mapping) and values.get("data") is not None:
            raise ValueError("data is each task's own here: write it below tasks.<name>.data")
        return values

    @pydantic.model_validator(mode="after")
    def _best_needs_validation(self):
        if self.training.best is None:
            return self
        name = self.training.best.partition(".")[0]
        if name not in self.tasks:
            raise ValueError(f"training.best is {self.training.best!r}: write <task>.<metric>, of {_names(self.tasks)}")
        if self.tasks[name].data.validation is None:
            raise ValueError(f"training.best is measured on validation rows: set tasks.{name}.data.validation")
        return self

    @pydantic.model_validator(mode="after")
    def _search_needs_a_task(self):
        if self.search is None:
            return self
        name = self.search.metric.partition(".")[0]
        if name not in self.tasks:
            told = f"search.objective is {self.search.objective!r}"
            raise ValueError(f"{told}: write validation.<task>.<metric>, of {_names(self.tasks)}")
        if self.tasks[name].data.validation is None:
            raise ValueError(f"search.objective is measured on validation rows: set tasks.{name}.data.validation")
        return self

    @pydantic.model_validator(mode="after")
    def _weights_are_of_tasks(self):
        weights = self.model.loss_weights
        unknown = [name for name in weights if name not in self.tasks] if isinstance(weights, dict) else []
        if unknown:
            raise ValueError(f"model.loss_weights names {unknown[0]!r}, which is none of {_names(self.tasks)}")
        return self


def _names(tasks: Mapping[str, Any]) -> str:
    return ", ".join(tasks)
