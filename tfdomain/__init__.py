"""TensorFlow-native BERT-family models for domain text, from a file of rows to a served model.

The names below are loaded on first use, so that importing the package does not import TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING

from tfdomain.version import __version__

if TYPE_CHECKING:
    from tfdomain.data.features import FeatureSpec, learn_features
    from tfdomain.encoders.encoder import Encoder
    from tfdomain.encoders.tokenizer import Tokenizer
    from tfdomain.errors import InputError, TfdomainError
    from tfdomain.models.classifier import TextClassifier
    from tfdomain.models.embedder import TextEmbedder
    from tfdomain.models.folder import load
    from tfdomain.models.masked_lm import MaskedLM
    from tfdomain.models.multilabel import MultiLabelClassifier
    from tfdomain.models.multitask import MultiTaskModel
    from tfdomain.models.regressor import TextRegressor
    from tfdomain.models.span_extractor import SpanExtractor
    from tfdomain.models.tagger import TokenClassifier
    from tfdomain.search.tuning import tune
    from tfdomain.training.cross_validation import cross_validate
    from tfdomain.training.run_comparison import compare

__all__ = [
    "Encoder",
    "FeatureSpec",
    "InputError",
    "MaskedLM",
    "MultiLabelClassifier",
    "MultiTaskModel",
    "SpanExtractor",
    "TextClassifier",
    "TextEmbedder",
    "TextRegressor",
    "TfdomainError",
    "TokenClassifier",
    "Tokenizer",
    "__version__",
    "compare",
    "cross_validate",
    "learn_features",
    "load",
    "tune",
]

_HOMES = {
    "Encoder": "tfdomain.encoders.encoder",
    "FeatureSpec": "tfdomain.data.features",
    "InputError": "tfdomain.errors",
    "MaskedLM": "tfdomain.models.masked_lm",
    "MultiLabelClassifier": "tfdomain.models.multilabel",
    "MultiTaskModel": "tfdomain.models.multitask",
    "SpanExtractor": "tfdomain.models.span_extractor",
    "TextClassifier": "tfdomain.models.classifier",
    "TextEmbedder": "tfdomain.models.embedder",
    "TextRegressor": "tfdomain.models.regressor",
    "TfdomainError": "tfdomain.errors",
    "TokenClassifier": "tfdomain.models.tagger",
    "Tokenizer": "tfdomain.encoders.tokenizer",
    "compare": "tfdomain.training.run_comparison",
    "cross_validate": "tfdomain.training.cross_validation",
    "learn_features": "tfdomain.data.features",
    "load": "tfdomain.models.folder",
    "tune": "tfdomain.search.tuning",
}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tfdomain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
