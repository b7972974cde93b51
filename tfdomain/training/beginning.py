"""What a run has before its first update: its data, its model, its batches."""

from pathlib import Path

from tfdomain.config import Experiment, MultiTaskExperiment
from tfdomain.data.cache import cache_dir
from tfdomain.models.base import TextModel
from tfdomain.models.compilation import check_compiles, resolved
from tfdomain.models.folder import TASKS
from tfdomain.optimization.loop import EpochSource
from tfdomain.training.datasets import ExperimentData, read_experiment_data
from tfdomain.training.precision import computed_in
from tfdomain.training.task_data import read_task_data

__all__ = ["begin_training", "make_model", "read_data"]


def read_data(experiment: Experiment, folder: Path) -> ExperimentData:
    """The rows of an experiment, whose relative paths start in a folder."""
    if isinstance(experiment, MultiTaskExperiment):
        return read_task_data(experiment, folder)
    return read_experiment_data(experiment, folder)


def make_model(experiment: Experiment, data: ExperimentData, checkpoint: Path) -> TextModel:
    """The model that an experiment trains, as the checkpoint has it."""
    return TASKS[experiment.task].from_pretrained(
        str(checkpoint),
        dropout_rate=experiment.model.dropout_rate,
        max_length=experiment.max_length,
        seed=experiment.training.seed,
        **experiment.model.settings(),
        **data.head,
    )


def begin_training(
    experiment: Experiment, data: ExperimentData, checkpoint: Path, *, jit: bool | None = None
) -> tuple[TextModel, EpochSource]:
    """The model, ready for its first update, and the batches of each epoch.

    Args:
        experiment: What is trained.
        data: Its rows.
        checkpoint: What the model begins with.
        jit: Whether the run's updates were compiled before; None: it begins.

    Raises:
        InputError: The updates are to be compiled, and cannot be.
    """
    options = resolved(experiment.training, before=jit)
    with computed_in(options.precision):
        model = make_model(experiment, data, checkpoint)
    batches = model.training_batches(
        data.train.inputs,
        data.train.labels,
        options=options,
        rows=data.train.rows,
        lengths_cache=cache_dir(),
    )
    model.prepare_training(options, batches.num_batches)
    check_compiles(model, batches)
    return model, batches
