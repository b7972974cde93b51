"""What the server does for one model, whichever protocol asked: the middle between the two.

Every answer comes from one version, held for the whole request: the one whose signature shaped the
inputs also runs them, and its number stands in the reply.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    input_pb2,
    model_pb2,
    predict_pb2,
)

from tfdomain.serving.json_reply import write_predictions
from tfdomain.serving.json_tensor import read_inputs, read_signature_name
from tfdomain.serving.json_text import parse_object
from tfdomain.serving.model_version import ServedVersion
from tfdomain.serving.monitoring import Metrics
from tfdomain.serving.predictor import DEFAULT_SIGNATURE, Classifications, classify, predict, regress
from tfdomain.serving.status import ServingError, invalid_argument
from tfdomain.serving.tensor_proto import array_to_proto, proto_to_array, serialized_examples
from tfdomain.serving.versions import ModelVersions

__all__ = ["ModelService"]


class ModelService:
    """Answers requests on the versions of one model.

    Args:
        versions: The versions, already started.
        metrics: Where the graph's run times are counted.
    """

    def __init__(self, versions: ModelVersions, metrics: Metrics):
        self._versions, self._metrics = versions, metrics

    def predict(self, request: predict_pb2.PredictRequest, timeout: float | None) -> predict_pb2.PredictResponse:
        """Answers PredictionService.Predict."""
        with self._acquire(request) as version:
            signature = _predict_signature(version, request.model_spec.signature_name)
            inputs = {name: proto_to_array(proto, name) for name, proto in request.inputs.items()}
            with self._timed(request.model_spec.name, "Predict"):
                outputs = predict(version.model, signature, inputs, list(request.output_filter), timeout)
            response = predict_pb2.PredictResponse(model_spec=_answered_by(version, request.model_spec))
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(array_to_proto(array))
        return response

    def predict_json(self, model_spec: model_pb2.ModelSpec, body: bytes, timeout: float | None) -> bytes:
        """Answers `POST ...:predict`."""
        document = parse_object(body)
        signature_name = read_signature_name(document)
        with self._versions.acquire(model_spec) as version:
            signature = version.model.signatures.get(signature_name or DEFAULT_SIGNATURE)
            if signature is None:
                name = signature_name or DEFAULT_SIGNATURE
                raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
            if not signature.inputs:
                name = signature_name or "DEFAULT"
                raise invalid_argument(f"Failed to get input map for signature: {name}")
            dtypes = {name: info.dtype for name, info in signature.inputs.items()}
            inputs, by_row = read_inputs(document, dtypes)
            with self._timed(model_spec.name, "Predict"):
                outputs = predict(version.model, signature, inputs, timeout=timeout)
        return write_predictions(outputs, by_row)

    def classify(self, request: Any, timeout: float | None) -> tuple[model_pb2.ModelSpec, Classifications]:
        """Answers a `ClassificationRequest`: who answered, and labels with scores for every example."""
        return self._run_examples(request, timeout, "Classify", classify)

    def regress(self, request: Any, timeout: float | None) -> tuple[model_pb2.ModelSpec, np.ndarray]:
        """Answers a `RegressionRequest`: who answered, and one value for every example."""
        return self._run_examples(request, timeout, "Regress", regress)

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Answers PredictionService.GetModelMetadata; `signature_def` is the one field there is."""
        _check_model_spec(request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != "signature_def":
                raise invalid_argument(f"Metadata field {name} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self._versions.acquire(request.model_spec) as version:
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = version.number
            for name, signature in version.model.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Answers ModelService.GetModelStatus."""
        _check_model_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self._versions.statuses(request.model_spec):
            entry = response.model_version_status.add(version=version.number, state=int(version.state))
            entry.status.error_code = 0
            if version.error is not None:
                entry.status.error_code = version.error.code.value[0]
                entry.status.error_message = version.error.message
        return response

    def _run_examples(self, request: Any, timeout: float | None, api: str, run: Any) -> tuple[Any, Any]:
        with self._acquire(request) as version:
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            signature = version.model.signatures.get(name)
            if signature is None:
                raise invalid_argument(f"No signature was found with the name: {name}")
            request_input: input_pb2.Input = request.input
            examples = serialized_examples(request_input)
            with self._timed(request.model_spec.name, api):
                result = run(version.model, signature, examples, timeout)
            return _answered_by(version, request.model_spec), result

    @contextlib.contextmanager
    def _acquire(self, request: Any) -> Iterator[ServedVersion]:
        _check_model_spec(request)
        with self._versions.acquire(request.model_spec) as version:
            yield version

    @contextlib.contextmanager
    def _timed(self, name: str, api: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        microseconds = (time.perf_counter() - started) * 1e6
        self._metrics.runtime_latency.add(name, api, "TF1", observed=microseconds)


def _check_model_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


def _predict_signature(version: ServedVersion, name: str) -> meta_graph_pb2.SignatureDef:
    name = name or DEFAULT_SIGNATURE
    if name not in version.model.signatures:
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    return version.model.signatures[name]


def _answered_by(version: ServedVersion, asked: model_pb2.ModelSpec) -> model_pb2.ModelSpec:
    answer = model_pb2.ModelSpec(name=asked.name, signature_name=asked.signature_name or DEFAULT_SIGNATURE)
    answer.version.value = version.number
    return answer
