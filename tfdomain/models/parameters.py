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


def rate_multipliers(model: keras.Model, layer_decay: float, head_rate: float = 1.0) -> dict[str, float]:
    """The factor on the learning rate of variables, by path, where it is not 1.

    Args:
        model: Has an `encoder`.
        layer_decay: The factor on an encoder's layer for each layer between it and the head.
        head_rate: The factor on everything that is no encoder, and so starts from scratch.

    Reference:
        Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", 3.2.
    """
    encoder, top = model.encoder.trainable_variables, model.encoder.num_layers + 1
    rates = (
        {} if layer_decay == 1 else {one.path: layer_decay ** (top - model.encoder.depth_of(one)) for one in encoder}
    )
    if head_rate != 1:
        rates |= dict.fromkeys(
            {one.path for one in model.trainable_variables} - {one.path for one in encoder}, head_rate
        )
    return rates


def default_optimizer(model: keras.Model, options: FitOptions, num_batches: int) -> keras.optimizers.Optimizer:
    """The optimizer that the options describe, for a training of `num_batches` steps an epoch."""
    num_steps = max(1, options.epochs * num_batches)
    kind = {"adamw": AdamW, "sgd": SGD}[options.optimizer]
    return kind(
        WarmupLinearDecay(options.learning_rate, num_steps, int(options.warmup_rate * num_steps)),
        weight_decay=options.weight_decay,
        clip_norm=options.clip_norm,
        rate_multipliers=rate_multipliers(model, options.layer_decay, options.head_rate) | model.own_rates(options),
        scale_losses=model.encoder.compute_dtype == "float16",
    )
