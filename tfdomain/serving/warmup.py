"""Replays a version's warm-up requests before it is served, so that no client pays for the first run.

Reference: TensorFlow Serving's guide "SavedModel Warmup" and `saved_model_warmup_util.cc`.
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import input_pb2, model_pb2, prediction_log_pb2

from tfdomain.serving.predictor import DEFAULT_SIGNATURE, classify, predict, regress
from tfdomain.serving.saved_model import LoadedModel
from tfdomain.serving.status import ServingError, invalid_argument
from tfdomain.serving.tensor_proto import proto_to_array, serialized_examples

__all__ = ["MAX_WARMUP_REQUESTS", "WARMUP_FILE", "warm_up"]

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_WARMUP_REQUESTS = 1000


def warm_up(model: LoadedModel) -> int:
    """Runs every request of `assets.extra/tf_serving_warmup_requests`, a TFRecord file of `PredictionLog`.

    Returns:
        How many requests were run; 0 without the file.

    Raises:
        ServingError: A record is no `PredictionLog`, its request fails, or there are over 1,000.
        tensorflow.errors.DataLossError: The file is truncated or corrupt.
    """
    path = model.folder / WARMUP_FILE
    if not path.is_file():
        return 0
    num_requests = 0
    for log in _read_logs(path):
        _replay(model, log)
        num_requests += 1
        if num_requests > MAX_WARMUP_REQUESTS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_WARMUP_REQUESTS}) at {path}")
    return num_requests


def _read_logs(path: Path) -> Iterator[prediction_log_pb2.PredictionLog]:
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        try:
            yield prediction_log_pb2.PredictionLog.FromString(record)
        except DecodeError:
            raise invalid_argument(f"Failed to parse warmup record from {path}") from None


def _replay(model: LoadedModel, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        inputs = {name: proto_to_array(proto, name) for name, proto in request.inputs.items()}
        predict(model, _signature(model, request.model_spec), inputs, list(request.output_filter))
    elif kind == "classify_log":
        _replay_examples(model, log.classify_log.request.model_spec, log.classify_log.request.input, "classify")
    elif kind == "regress_log":
        _replay_examples(model, log.regress_log.request.model_spec, log.regress_log.request.input, "regress")
    elif kind == "multi_inference_log":
        request = log.multi_inference_log.request
        for task in request.tasks:
            _replay_examples(model, task.model_spec, request.input, task.method_name.rpartition("/")[2])
    elif kind is not None:
        raise ServingError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _replay_examples(
    model: LoadedModel, model_spec: model_pb2.ModelSpec, request_input: input_pb2.Input, method: str
) -> None:
    run = {"classify": classify, "regress": regress}.get(method)
    if run is None:
        raise ServingError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {method}")
    run(model, _signature(model, model_spec), serialized_examples(request_input))


def _signature(model: LoadedModel, model_spec: model_pb2.ModelSpec):
    name = model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    return model.signatures[name]
