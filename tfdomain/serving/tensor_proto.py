"""`TensorProto` messages to arrays and back, and the examples of a Classify or Regress request."""

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import input_pb2

from tfdomain.serving.status import invalid_argument

__all__ = ["array_to_proto", "proto_to_array", "serialized_examples"]

# The typed field of each element type. Clients read `outputs["scores"].float_val`, so the values
# stand there, as TensorFlow Serving writes them, and not in `tensor_content`.
_FIELDS = {
    "float32": "float_val", "float64": "double_val", "int8": "int_val", "int16": "int_val",
    "int32": "int_val", "uint8": "int_val", "uint16": "int_val", "int64": "int64_val",
    "uint32": "uint32_val", "uint64": "uint64_val", "bool": "bool_val", "object": "string_val",
}  # fmt: skip


def array_to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """An array (strings as an object array of bytes) as TensorFlow Serving sends it."""
    field = _FIELDS.get(array.dtype.name)
    if field is None:
        return tf.make_tensor_proto(array)
    dtype = tf.string if field == "string_val" else tf.as_dtype(array.dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(array.reshape(-1).tolist())
    return proto


def proto_to_array(proto: tensor_pb2.TensorProto, name: str) -> np.ndarray:
    """The array of a message; strings become an object array of bytes.

    Raises:
        ServingError: Its values do not fill its shape, or it has no element type.
    """
    try:
        array = tf.make_ndarray(proto)
        return array.astype(object) if proto.dtype == tf.string.as_datatype_enum else array
    except (TypeError, ValueError, IndexError):
        raise invalid_argument(f"tensor parsing error: {name}") from None


def serialized_examples(request_input: input_pb2.Input) -> list[bytes]:
    """The serialized `tf.Example` of every example; a shared context is put before each of them.

    Two messages one after the other parse as their union, which is how the context gets in.

    Raises:
        ServingError: There is no example.
    """
    if request_input.WhichOneof("kind") == "example_list_with_context":
        with_context = request_input.example_list_with_context
        context = with_context.context.SerializeToString()
        examples = [context + example.SerializeToString() for example in with_context.examples]
    else:
        examples = [example.SerializeToString() for example in request_input.example_list.examples]
    if not examples:
        raise invalid_argument("Input is empty.")
    return examples
