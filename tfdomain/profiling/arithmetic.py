"""How much a training computes, and how much the machine could."""

import time

import tensorflow as tf

from tfdomain.encoders.config import EncoderConfig

__all__ = ["matrix_product_peak", "training_operations"]

SIDE, REPEATS = 1536, 4


def training_operations(config: EncoderConfig, rows: int, length: int) -> float:
    """The floating-point operations of one update's matrix products: forward once, backward twice as many.

    Embeddings, norms, activations and the head are left out; so is what `recompute` does again.

    Args:
        config: The encoder's sizes.
        rows: Of the batch.
        length: Positions of a row, with padding.

    Reference: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", table 1.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    dense = 2 * (4 * hidden * hidden + 2 * hidden * inner)
    attention = 4 * length * hidden
    return 3.0 * rows * length * config.num_hidden_layers * (dense + attention)


def matrix_product_peak(seconds: float = 1.5) -> float:
    """The most float32 operations a second that products of large matrices reach here.

    Args:
        seconds: How long it is tried.
    """

    @tf.function
    def multiply(matrix):
        for _ in range(REPEATS):
            matrix = tf.matmul(matrix, matrix, transpose_b=True) * (1.0 / SIDE)
        return tf.reduce_sum(matrix)

    matrix = tf.random.stateless_uniform([SIDE, SIDE], seed=[0, 0])
    float(multiply(matrix))
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        float(multiply(matrix))
        best = min(best, time.perf_counter() - started)
    return REPEATS * 2.0 * SIDE**3 / best
