"""The gRPC side: PredictionService and ModelService on tensorflow-serving-api's own stubs."""

import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tfdomain.serving.monitoring import Metrics
from tfdomain.serving.service import ModelService
from tfdomain.serving.status import ServingError

__all__ = ["add_services"]

_LOG = logging.getLogger(__name__)
_MAX_MESSAGE = 1024
# gRPC reports a call without a deadline as one with centuries left.
_NO_DEADLINE = 365 * 24 * 3600.0


def add_services(server: grpc.Server, service: ModelService, metrics: Metrics, timeout: float) -> None:
    """Registers both services on a server.

    Args:
        server: The server.
        service: What answers.
        metrics: Where requests are counted.
        timeout: Seconds that a request may run whose client set no deadline.
    """
    calls = _Calls(metrics, timeout)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(service, calls), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Model(service, calls), server)


class _Calls:
    """Runs one call: counts it, gives it its deadline, turns errors into gRPC statuses."""

    def __init__(self, metrics: Metrics, timeout: float):
        self._metrics, self._timeout = metrics, timeout

    def run(self, request: Any, context: grpc.ServicerContext, api: str, answer: Callable[[float], Any]) -> Any:
        started = time.perf_counter()
        name = request.model_spec.name
        remaining = context.time_remaining()
        if remaining is None or remaining > _NO_DEADLINE:
            remaining = self._timeout
        try:
            response = answer(max(remaining, 0.001))
        except Exception as error:
            self._fail(context, name, error)
        self._metrics.requests.add(name, "OK")
        microseconds = (time.perf_counter() - started) * 1e6
        self._metrics.request_latency.add(name, api, "GRPC", observed=microseconds)
        return response

    def answer(self, context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
        """Runs a call that TensorFlow Serving does not count as a request."""
        try:
            return answer()
        except Exception as error:
            self._fail(context, None, error)

    def _fail(self, context: grpc.ServicerContext, name: str | None, error: Exception) -> NoReturn:
        if not isinstance(error, ServingError):
            _LOG.exception("a request failed inside the server")
            error = ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        if name is not None:
            self._metrics.requests.add(name, error.code.name)
        message = error.message
        if len(message) > _MAX_MESSAGE:
            message = message[:_MAX_MESSAGE] + "...TRUNCATED"
        context.abort(error.code, message)
        raise AssertionError("abort always raises")


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, service: ModelService, calls: _Calls):
        self._service, self._calls = service, calls

    def Predict(self, request, context):  # noqa: N802  (the name in the service's definition)
        return self._calls.run(request, context, "Predict", lambda t: self._service.predict(request, t))

    def Classify(self, request, context):  # noqa: N802
        return self._calls.run(request, context, "Classify", lambda t: self._classify(request, t))

    def Regress(self, request, context):  # noqa: N802
        return self._calls.run(request, context, "Regress", lambda t: self._regress(request, t))

    def GetModelMetadata(self, request, context):  # noqa: N802
        return self._calls.answer(context, lambda: self._service.metadata(request))

    def MultiInference(self, request, context):  # noqa: N802
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "MultiInference is not implemented by this server; call Classify and Regress",
        )

    def _classify(self, request: Any, timeout: float) -> classification_pb2.ClassificationResponse:
        model_spec, rows = self._service.classify(request, timeout)
        response = classification_pb2.ClassificationResponse(model_spec=model_spec)
        for row in rows:
            classes = response.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label.decode("utf-8", "replace"), score=score)
        return response

    def _regress(self, request: Any, timeout: float) -> regression_pb2.RegressionResponse:
        model_spec, values = self._service.regress(request, timeout)
        response = regression_pb2.RegressionResponse(model_spec=model_spec)
        for value in values.tolist():
            response.result.regressions.add(value=value)
        return response


class _Model(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, service: ModelService, calls: _Calls):
        self._service, self._calls = service, calls

    def GetModelStatus(self, request, context):  # noqa: N802
        return self._calls.answer(context, lambda: self._service.status(request))

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "HandleReloadConfigRequest is not implemented by this server; "
            "it serves the one directory that it was started with",
        )
