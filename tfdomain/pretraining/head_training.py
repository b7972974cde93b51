"""The head of a checkpoint that has none learns first, alone, so that it does not teach the encoder its noise."""

import dataclasses

import tensorflow as tf

from tfdomain.config.pretraining import PretrainingOptions
from tfdomain.config.sections import FitOptions
from tfdomain.models.masked_lm import MaskedLM
from tfdomain.pretraining.batches import PackedBatches

__all__ = ["train_head"]

LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class _FirstBatches:
    """The first batches of each epoch of a source."""

    source: PackedBatches
    num_batches: int

    def epoch(self, epoch: int, first_batch: int = 0) -> tf.data.Dataset:
        return self.source.epoch(epoch, first_batch).take(self.num_batches - first_batch)


def train_head(model: MaskedLM, source: PackedBatches, options: PretrainingOptions, *, verbose: str | int) -> None:
    """Trains the head for `options.head_steps` updates, with the encoder and its table of words as they are.

    Args:
        model: Its head is changed.
        source: The training rows; as many epochs are begun as the updates take.
        options: Of the whole training; the learning rate is another, since this begins from scratch.
        verbose: 0 shows no progress.
    """
    if not options.head_steps:
        return
    epochs = -(-options.head_steps // source.num_batches)
    first = _FirstBatches(source, -(-options.head_steps // epochs))
    fixed = FitOptions(
        epochs=epochs,
        batch_size=options.batch_size,
        accumulate=options.accumulate,
        learning_rate=LEARNING_RATE,
        frozen_layers=model.encoder.num_layers,
        seed=options.seed,
    )
    print(f"the checkpoint has no head: it is trained alone, {epochs * first.num_batches} updates", flush=True)
    model.prepare_training(fixed, first.num_batches)
    model.fit_batches(first, verbose=verbose)
