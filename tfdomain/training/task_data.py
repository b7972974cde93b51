"""The examples of an experiment with several tasks, side by side."""

import dataclasses
from pathlib import Path
from typing import Any

from tfdomain.config import MultiTaskExperiment
from tfdomain.training.datasets import ExperimentData, Part, read_beside

__all__ = ["TaskParts", "read_task_data"]


@dataclasses.dataclass(frozen=True)
class TaskParts(Part):
    """A part of the examples of several tasks; what it holds is by task."""

    @property
    def own_truth(self) -> dict[str, Any]:
        """The truth of each task's own rows."""
        return {name: part.own_truth for name, part in self.parts().items()}

    @property
    def num_rows(self) -> dict[str, int]:
        """How many rows of each task are the part's own."""
        return {name: part.num_rows for name, part in self.parts().items()}

    def parts(self) -> dict[str, Part]:
        """The part of each task."""
        fields = [field.name for field in dataclasses.fields(Part)]
        return {name: Part(**{field: getattr(self, field)[name] for field in fields}) for name in self.inputs}


def read_task_data(experiment: MultiTaskExperiment, folder: Path, cache_dir: Path | None = None) -> ExperimentData:
    """Reads what each task of an experiment names.

    Args:
        experiment: Names the files and columns of each task.
        folder: Where its relative paths start.
        cache_dir: The folder of the row cache; None: the user's.

    Returns:
        The data of all; `head` has the `tasks` that `MultiTaskModel` takes, and the parts are `TaskParts`, the
        validation and the test part of the tasks that have one.

    Raises:
        InputError: A file, column, row or label of a task is wrong.
    """
    alone = experiment.experiments()
    read_at = read_beside({f"tasks.{name}": one for name, one in alone.items()}, folder, cache_dir)
    read = dict(zip(alone, read_at.values(), strict=True))
    tasks = {
        name: (one.task, {"max_length": one.max_length, **one.model.settings(), **read[name].head})
        for name, one in alone.items()
    }
    train = _beside({name: data.train for name, data in read.items()})
    return ExperimentData(
        head={"tasks": tasks},
        train=train,
        validation=_beside_or_none({name: data.validation for name, data in read.items()}),
        test=_beside_or_none({name: data.test for name, data in read.items()}),
        file_hashes={path: digest for data in read.values() for path, digest in data.file_hashes.items()},
        fingerprint="-".join(data.fingerprint for data in read.values()),
        remarks=[f"{name}: {line}" for name, data in read.items() for line in data.remarks],
    )


def _beside_or_none(parts: dict[str, Part | None]) -> TaskParts | None:
    there = {name: part for name, part in parts.items() if part is not None}
    return _beside(there) if there else None


def _beside(parts: dict[str, Part]) -> TaskParts:
    names = [field.name for field in dataclasses.fields(Part)]
    by_task: dict[str, Any] = {field: {name: getattr(part, field) for name, part in parts.items()} for field in names}
    return TaskParts(**by_task)
