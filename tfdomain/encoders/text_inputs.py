"""Lists, arrays and tensors of strings become one string tensor, or an error that names the row."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["Texts", "as_batches", "encode_text"]

Texts: TypeAlias = Sequence[str] | np.ndarray | tf.Tensor  # type: ignore[valid-type]


def as_batches(texts: Texts, pairs: Texts | None) -> list[tf.Tensor]:
    """Gives one or two string tensors of the same shape `[batch]`.

    Args:
        texts: string `[batch]`: any sequence of strings, a numpy array of them, or a tensor.
        pairs: The same, or None.

    Raises:
        InputError: An entry is not a string that can be written as UTF-8, or the batches differ in size.
    """
    batches = [_as_tensor(texts, "texts")]
    if pairs is not None:
        batches.append(_as_tensor(pairs, "pairs"))
        batches[0] = _check_sizes(*batches)
    return batches


def _as_tensor(texts: Any, name: str) -> tf.Tensor:
    if isinstance(texts, str | bytes):
        raise InputError("is a single string", where=name, mend="put it into a list")
    tensor = texts if tf.is_tensor(texts) else _convert(texts, name)
    if not isinstance(tensor, tf.Tensor) or tensor.dtype != tf.string or tensor.shape.rank not in (None, 1):
        raise InputError(
            f"is {type(tensor).__name__} of {tensor.dtype.name} with shape {tensor.shape}",
            where=name,
            mend="give strings of shape [batch], e.g. a list",
        )
    return tensor


def _convert(texts: Any, name: str) -> tf.Tensor:
    values = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
    try:
        return tf.constant(values, tf.string, shape=None if values else [0])
    except (TypeError, ValueError):
        for row, value in enumerate(values):
            if not isinstance(value, bytes):
                encode_text(value, f"{name}[{row}]")
        raise InputError("is not a flat list of strings", where=name, mend="give strings of shape [batch]") from None


def encode_text(value: Any, where: str) -> bytes:
    """A text as UTF-8.

    Args:
        value: A string.
        where: What an error calls it.

    Raises:
        InputError: It is something else, or holds half a surrogate pair.
    """
    if not isinstance(value, str):
        raise InputError(f"is {value!r}, which is not a string", where=where, mend="give a string, e.g. ''")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"holds half a surrogate pair at character {error.start}",
            where=where,
            mend="read the file again with errors='replace'",
        ) from None


def _check_sizes(texts: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    if not texts.shape.is_compatible_with(pairs.shape):
        raise InputError(
            f"{texts.shape[0]} texts stand against {pairs.shape[0]} pairs",
            where="pairs",
            mend="give every text its second text",
        )
    if texts.shape.is_fully_defined() and pairs.shape.is_fully_defined():
        return texts
    message = "pairs: not as many as texts; give every text its second text"
    with tf.control_dependencies([tf.debugging.assert_equal(tf.size(texts), tf.size(pairs), message)]):
        return tf.identity(texts)
