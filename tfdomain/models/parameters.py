"""Which of a model's weights are trained, how fast, and by which optimizer."""

import keras

from tfdomain.config import FitOptions
from tfdomain.optimization.optimizers import SGD, AdamW
from tfdomain.optimization.schedules import WarmupLinearDecay

__all__ = ["default_optimizer", "rate_multipliers", "trained_variables"]


def trained_variables(model: keras.Model) -> list:
    """The trainable variables above the model's frozen layers; the embeddings freeze with the first."""
    frozen = model.options.frozen_layers
    if not frozen:
        return model.trainable_variables
    below = {
        id(variable) for variable in model.encoder.trainable_variables if model.encoder.depth_of(variable) <= frozen
    }
    return [variable for variable in model.trainable_variables if id(variable) not in below]


def rate_multipliers(model: keras.Model, layer_decay: float) -> dict[str, float]:
    """The factor on the learning rate of each encoder variable: smaller, the further from the head.

    Reference:
        Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", 3.2.
    """
    if layer_decay == 1:
        return {}
    top = model.encoder.num_layers + 1
    return {
        variable.path: layer_decay ** (top - model.encoder.depth_of(variable))
        for variable in model.encoder.trainable_variables
    }


def default_optimizer(model: keras.Model, options: FitOptions, num_batches: int) -> keras.optimizers.Optimizer:
    """The optimizer that the options describe, for a training of `num_batches` steps an epoch."""
    num_steps = max(1, options.epochs * num_batches)
    kind = {"adamw": AdamW, "sgd": SGD}[options.optimizer]
    return kind(
        WarmupLinearDecay(options.learning_rate, num_steps, int(options.warmup_rate * num_steps)),
        weight_decay=options.weight_decay,
        clip_norm=options.clip_norm,
        rate_multipliers=rate_multipliers(model, options.layer_decay),
    )
