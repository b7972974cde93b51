"""The activations that a BERT config may name, as the reference computes them."""

import math
from collections.abc import Callable

import tensorflow as tf

from tfdomain.encoders.config import HIDDEN_ACTIVATIONS

__all__ = ["ACTIVATIONS"]


def _exact_gelu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.gelu(x, approximate=False)


def _tanh_gelu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.gelu(x, approximate=True)


def _clipped_gelu(x: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(_exact_gelu(x), tf.cast(-10, x.dtype), tf.cast(10, x.dtype))


def _sigmoid_gelu(x: tf.Tensor) -> tf.Tensor:
    return x * tf.sigmoid(1.702 * x)


def _squared_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.square(tf.nn.relu(x))


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, alpha=0.01)


def _mish(x: tf.Tensor) -> tf.Tensor:
    return x * tf.tanh(tf.nn.softplus(x))


def _hard_swish(x: tf.Tensor) -> tf.Tensor:
    return x * tf.nn.relu6(x + 3.0) / 6.0


def _laplace(x: tf.Tensor) -> tf.Tensor:
    mean, deviation = 0.707107, 0.282095
    return 0.5 * (1.0 + tf.math.erf((x - mean) / (deviation * math.sqrt(2.0))))


def _square_root_softplus(x: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.nn.softplus(x))


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = dict.fromkeys(HIDDEN_ACTIVATIONS, _exact_gelu) | {
    "gelu_new": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "gelu_python_tanh": _tanh_gelu,
    "gelu_accurate": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_10": _clipped_gelu,
    "quick_gelu": _sigmoid_gelu,
    "relu": tf.nn.relu,
    "relu2": _squared_relu,
    "relu6": tf.nn.relu6,
    "leaky_relu": _leaky_relu,
    "silu": tf.nn.silu,
    "swish": tf.nn.silu,
    "mish": _mish,
    "hardswish": _hard_swish,
    "laplace": _laplace,
    "sqrtsoftplus": _square_root_softplus,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "linear": tf.identity,
}
