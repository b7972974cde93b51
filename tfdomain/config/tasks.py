"""The form of an experiment file, for each task."""

from tfdomain.config.classification import ClassificationExperiment
from tfdomain.config.experiments import Experiment
from tfdomain.config.regression import RegressionExperiment

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: dict[str, type[Experiment]] = {
    "classification": ClassificationExperiment,
    "regression": RegressionExperiment,
}
"""The form of an experiment file, by its `task`."""
