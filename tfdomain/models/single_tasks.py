"""The model of each task."""

from tfdomain.models.base import TextModel
from tfdomain.models.classifier import TextClassifier
from tfdomain.models.embedder import TextEmbedder
from tfdomain.models.multilabel import MultiLabelClassifier
from tfdomain.models.regressor import TextRegressor
from tfdomain.models.span_extractor import SpanExtractor
from tfdomain.models.tagger import TokenClassifier

__all__ = ["SINGLE_TASKS"]

SINGLE_TASKS: dict[str, type[TextModel]] = {
    "classification": TextClassifier,
    "embedding": TextEmbedder,
    "multilabel": MultiLabelClassifier,
    "regression": TextRegressor,
    "span": SpanExtractor,
    "tagging": TokenClassifier,
}
"""The model of each task that has one head."""
