"""What a run computes in."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

__all__ = ["computed_in", "precision_remarks"]


@contextlib.contextmanager
def computed_in(precision: str) -> Iterator[None]:
    """Models that are made inside compute in a precision.

    Args:
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`: products of matrices in 16 bits, weights, norms,
            softmax and losses in 32.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def precision_remarks(precision: str) -> list[str]:
    """What a person should know who trains in a precision on the devices at hand."""
    if precision == "mixed_float16" and not tf.config.list_logical_devices("GPU"):
        return ["training.precision: mixed_float16 is made for GPUs; a CPU computes it slowly, and float32 faster"]
    return []
