"""The form of an experiment file, for each task that has one head."""

from tfdomain.config.classification import ClassificationExperiment
from tfdomain.config.embedding import EmbeddingExperiment
from tfdomain.config.experiments import Experiment
from tfdomain.config.multilabel import MultiLabelExperiment
from tfdomain.config.regression import RegressionExperiment
from tfdomain.config.span import SpanExperiment
from tfdomain.config.tagging import TaggingExperiment

__all__ = ["SINGLE_TASKS"]

SINGLE_TASKS: dict[str, type[Experiment]] = {
    "classification": ClassificationExperiment,
    "embedding": EmbeddingExperiment,
    "multilabel": MultiLabelExperiment,
    "regression": RegressionExperiment,
    "span": SpanExperiment,
    "tagging": TaggingExperiment,
}
"""The form of an experiment file, by its `task`."""
