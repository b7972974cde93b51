"""The model that learns, by what it is to guess."""

from pathlib import Path

from tfdomain.config.pretraining import Pretraining
from tfdomain.models.masked_lm import MaskedLM
from tfdomain.models.replaced_tokens import ReplacedTokenDetector

__all__ = ["Learner", "load_model", "with_objective"]

Learner = MaskedLM | ReplacedTokenDetector


def with_objective(model: MaskedLM, pretraining: Pretraining) -> Learner:
    """The model of the pretraining's objective, around the same encoder."""
    if pretraining.objective.kind == "mlm":
        return model
    return ReplacedTokenDetector(model.encoder, model.tokenizer, **_options(pretraining))


def load_model(folder: Path, pretraining: Pretraining) -> Learner:
    """What a model of this pretraining saved.

    Raises:
        InputError: A file is missing or damaged.
    """
    if pretraining.objective.kind == "electra":
        return ReplacedTokenDetector.from_folder(folder, dropout_rate=pretraining.dropout_rate, **_options(pretraining))
    return MaskedLM.from_pretrained(folder, max_length=pretraining.max_length, dropout_rate=pretraining.dropout_rate)


def _options(pretraining: Pretraining) -> dict:
    objective = pretraining.objective
    return {
        "max_length": pretraining.max_length,
        "generator_size": objective.generator_size,
        "detection_weight": objective.detection_weight,
        "seed": pretraining.training.seed,
    }
