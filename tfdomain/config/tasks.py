"""The form of an experiment file, for each task."""

from tfdomain.config.experiments import Experiment
from tfdomain.config.multitask import MultiTaskExperiment
from tfdomain.config.single_tasks import SINGLE_TASKS

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: dict[str, type[Experiment]] = {**SINGLE_TASKS, "multitask": MultiTaskExperiment}
"""The form of an experiment file, by its `task`."""
