"""Predict, Classify and Regress on one loaded model, with TensorFlow Serving's checks.

Reference: `servables/tensorflow/predict_util.cc`, `classifier.cc`, `regressor.cc`, `util.cc`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.core.framework import types_pb2

from tfdomain.serving.saved_model import LoadedModel
from tfdomain.serving.status import invalid_argument
from tfdomain.serving.tensor_proto import proto_to_array

__all__ = ["DEFAULT_SIGNATURE", "Classifications", "classify", "predict", "regress"]

DEFAULT_SIGNATURE = "serving_default"
Classifications = list[list[tuple[bytes, float]]]


def predict(
    model: LoadedModel,
    signature: Any,
    inputs: Mapping[str, np.ndarray],
    output_filter: Sequence[str] = (),
    timeout: float | None = None,
) -> dict[str, np.ndarray]:
    """Runs a signature on named arrays.

    Args:
        model: The model.
        signature: Its `SignatureDef`.
        inputs: Input name to array (strings as object arrays of bytes). An input may be left out
            only if the signature has a default for it.
        output_filter: The outputs wanted; empty for all.
        timeout: Seconds until the run is given up.

    Returns:
        Output name to array, in the filter's order or sorted.

    Raises:
        ServingError: The names do not fit the signature, or the graph refuses the values.
    """
    feeds = _named_inputs(signature, inputs)
    seen: list[str] = []
    for name in output_filter:
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(sorted(signature.outputs))}}}."
            )
        if name in seen:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
        seen.append(name)
    names = seen or sorted(signature.outputs)
    values = model.run(feeds, [signature.outputs[name].name for name in names], timeout)
    return dict(zip(names, values, strict=True))


def classify(
    model: LoadedModel, signature: Any, examples: Sequence[bytes], timeout: float | None = None
) -> Classifications:
    """Runs a classification signature: serialized examples to labels and scores.

    A signature with scores alone gives empty labels, one with classes alone gives scores of 0.

    Raises:
        ServingError: The signature does not meet the Classify contract, or its outputs do not.
    """
    _check_one_input(signature)
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid_argument(f"No classification inputs found in SignatureDef: {signature}")
    wanted = [name for name in ("classes", "scores") if name in signature.outputs]
    if not wanted:
        raise invalid_argument(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {signature}"
        )
    outputs = _run_examples(model, signature, examples, wanted, timeout)
    for name, kind in (("classes", types_pb2.DT_STRING), ("scores", types_pb2.DT_FLOAT)):
        if name in outputs:
            _check_classes(outputs[name], name, kind, len(examples))
    classes, scores = outputs.get("classes"), outputs.get("scores")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    shape = next(iter(outputs.values())).shape
    labels = np.full(shape, b"", object) if classes is None else classes
    numbers = np.zeros(shape, np.float32) if scores is None else scores
    return [list(zip(*rows, strict=True)) for rows in zip(list(labels), numbers.astype(float), strict=True)]


def regress(model: LoadedModel, signature: Any, examples: Sequence[bytes], timeout: float | None = None) -> np.ndarray:
    """Runs a regression signature: serialized examples to one float32 each, shape `[examples]`.

    Raises:
        ServingError: The signature does not meet the Regress contract, or its output does not.
    """
    _check_one_input(signature)
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    for name, fields in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if name not in fields:
            raise invalid_argument(f"No regression {name} found in SignatureDef: {signature}")
    array = _run_examples(model, signature, examples, ["outputs"], timeout)["outputs"]
    if array.ndim != 1 and not (array.ndim == 2 and array.shape[1] == 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + _shape_text(array)
        )
    if len(array) != len(examples):
        raise invalid_argument(f"Input batch size did not match output batch size: {len(examples)} vs. {len(array)}")
    if array.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {_type_text(array)}")
    return array.reshape(-1)


def _named_inputs(signature: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    wanted, defaults = set(signature.inputs), signature.defaults
    if len(inputs) > len(wanted) or (len(inputs) < len(wanted) and not defaults):
        given = set(inputs)
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(wanted)} "
            f"len({{{_join(given)}}}) != len({{{_join(wanted)}}}). Sent extra: "
            f"{{{_join(given - wanted)}}}. Missing but required: {{{_join(wanted - given)}}}."
        )
    feeds = {}
    for name, info in sorted(signature.inputs.items()):
        if name in inputs:
            feeds[info.name] = inputs[name]
        elif name in defaults:
            feeds[info.name] = proto_to_array(defaults[name], name)
        else:
            raise invalid_argument(
                f"Signature input alias: {name}(feed name: {info.name}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {{{_join(inputs)}}}, or default "
                f"input alias set: {_join(defaults)}"
            )
    used = wanted & set(inputs)
    if len(used) != len(inputs):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_join(used)}, request input: {_join(inputs)}"
        )
    return feeds


def _run_examples(
    model: LoadedModel, signature: Any, examples: Sequence[bytes], names: list[str], timeout: float | None
) -> dict[str, np.ndarray]:
    batch = np.empty(len(examples), object)
    batch[:] = list(examples)
    fetches = [signature.outputs[name].name for name in names]
    values = model.run({signature.inputs["inputs"].name: batch}, fetches, timeout)
    return dict(zip(names, values, strict=True))


def _check_one_input(signature: Any) -> None:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")


def _check_classes(array: np.ndarray, name: str, dtype: int, num_examples: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape_text(array)}")
    if _type_text(array) != types_pb2.DataType.Name(dtype):
        raise invalid_argument(f"Expected {name} Tensor of {types_pb2.DataType.Name(dtype)}. Got: {_type_text(array)}")
    if len(array) != num_examples:
        raise invalid_argument(f"Expected {name} output batch size of {num_examples}. Got: {len(array)}")


def _type_text(array: np.ndarray) -> str:
    names = {"object": "STRING", "float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
    return f"DT_{names.get(array.dtype.name, array.dtype.name.upper())}"


def _shape_text(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _join(names: Any) -> str:
    return ",".join(sorted(names))
