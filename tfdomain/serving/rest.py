"""The REST side: TensorFlow Serving's paths, replies and status codes as an ASGI application.

Reference: TensorFlow Serving's guide "RESTful API", `http_rest_api_handler.cc`,
`http_rest_api_util.cc` and `http_server.cc`.
"""

import asyncio
import logging
import re
import time
import zlib
from concurrent.futures import Executor
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    regression_pb2,
)

from tfdomain.serving.json_example import read_examples
from tfdomain.serving.json_reply import write_classifications, write_error, write_regressions
from tfdomain.serving.json_tensor import read_signature_name
from tfdomain.serving.json_text import parse_object
from tfdomain.serving.monitoring import METRICS_PATH, Metrics
from tfdomain.serving.service import ModelService
from tfdomain.serving.status import ServingError, http_status, invalid_argument

__all__ = ["make_app"]

_LOG = logging.getLogger(__name__)
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST_PATH = re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)", re.IGNORECASE)
_GET_PATH = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<method>metadata))?", re.IGNORECASE)
_NOT_FOUND = "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


def make_app(
    service: ModelService, metrics: Metrics, *, executor: Executor, timeout: float, max_request_bytes: int
) -> Starlette:
    """The REST server as an ASGI application.

    Args:
        service: What answers.
        metrics: Where requests are counted, and what the metrics page shows.
        executor: Where the graphs run, away from the event loop.
        timeout: Seconds that a request may run; then 504.
        max_request_bytes: The largest body, after decompression; then 413.
    """
    endpoint = _Endpoint(service, metrics, executor, timeout, max_request_bytes)
    return Starlette(routes=[Route("/{path:path}", endpoint)])


class _TooLargeError(Exception):
    pass


class _Endpoint:
    """One ASGI endpoint for every path: Starlette's routing would undo the escapes in model names."""

    def __init__(self, service: ModelService, metrics: Metrics, executor: Executor, timeout: float, max_bytes: int):
        self._service, self._metrics, self._executor = service, metrics, executor
        self._timeout, self._max_bytes = timeout, max_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
        if path == METRICS_PATH:
            return Response(self._metrics.page(), media_type="text/plain")
        if not path.lower().startswith("/v1/"):
            return Response(_NOT_FOUND, 404, media_type="text/html")
        try:
            body = await _read_body(request, self._max_bytes)
        except _TooLargeError:
            message = f"The request is larger than this server accepts ({self._max_bytes} bytes)"
            headers = {"Connection": "close"}
            return Response(write_error(message), 413, headers, media_type="application/json")
        if request.method == "OPTIONS":
            return Response(status_code=200 if _has_web_origin(request) else 400)
        loop = asyncio.get_running_loop()
        content, status = await loop.run_in_executor(self._executor, self._answer, request.method, path, body)
        return Response(content, status, media_type="application/json")

    def _answer(self, method: str, path: str, body: bytes | ServingError) -> tuple[bytes, int]:
        started = time.perf_counter()
        call = _Call(method, path)
        try:
            call.parse()
            if isinstance(body, ServingError):
                raise body
            content = self._dispatch(call, body)
        except Exception as error:
            if not isinstance(error, ServingError):
                _LOG.exception("a request failed inside the server")
                error = ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
            self._metrics.requests.add(call.model_spec.name, error.code.name)
            return write_error(error.message), http_status(error.code)
        self._metrics.requests.add(call.model_spec.name, "OK")
        microseconds = (time.perf_counter() - started) * 1e6
        self._metrics.request_latency.add(call.model_spec.name, call.posted_method, "REST", observed=microseconds)
        return content, 200

    def _dispatch(self, call: "_Call", body: bytes) -> bytes:
        if call.method == "predict":
            return self._service.predict_json(call.model_spec, body, self._timeout)
        if call.method == "classify":
            request = _example_request(classification_pb2.ClassificationRequest, call, body)
            return write_classifications(self._service.classify(request, self._timeout)[1])
        if call.method == "regress":
            request = _example_request(regression_pb2.RegressionRequest, call, body)
            return write_regressions(self._service.regress(request, self._timeout)[1])
        if not call.model_spec.name:
            raise invalid_argument("Missing model name in request.")
        if call.method == "metadata":
            return self._metadata(call.model_spec)
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=call.model_spec)
        return _to_json(self._service.status(request), preserving_proto_field_name=False).encode()

    def _metadata(self, model_spec: model_pb2.ModelSpec) -> bytes:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=model_spec, metadata_field=["signature_def"]
        )
        response = self._service.metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return (
            f'{{\n"model_spec":{_to_json(response.model_spec)},\n'
            f'"metadata": {{"signature_def": {_to_json(signatures)}}}\n}}\n'
        ).encode()


class _Call:
    """What a method and a path ask for."""

    def __init__(self, http_method: str, path: str):
        self._http_method, self._path = http_method, path
        self.model_spec = model_pb2.ModelSpec()
        self.method = ""

    @property
    def posted_method(self) -> str:
        return self.method if self._http_method == "POST" else ""

    def parse(self) -> None:
        patterns = {"POST": _POST_PATH, "GET": _GET_PATH}
        pattern = patterns.get(self._http_method)
        match = pattern.fullmatch(self._path) if pattern else None
        malformed = invalid_argument(f"Malformed request: {self._http_method} {self._path}")
        if match is None:
            raise malformed
        self.model_spec.name = unquote(match["name"] or "")
        if match["version"]:
            if int(match["version"]) >= 2**63:
                raise invalid_argument(f"Failed to convert version: {match['version']} to numeric.")
            self.model_spec.version.value = int(match["version"])
        elif match["label"]:
            self.model_spec.version_label = unquote(match["label"])
        # Only the path before the method is read without regard to case.
        self.method = match["method"] or ""
        if self._http_method == "POST" and not self.method.islower():
            raise malformed


def _example_request(kind: Any, call: _Call, body: bytes) -> Any:
    document = parse_object(body)
    request = kind(model_spec=call.model_spec)
    request.model_spec.signature_name = read_signature_name(document)
    request.input.CopyFrom(read_examples(document))
    return request


def _to_json(message: Any, preserving_proto_field_name: bool = True) -> str:
    return json_format.MessageToJson(
        message,
        indent=1,
        preserving_proto_field_name=preserving_proto_field_name,
        always_print_fields_with_no_presence=True,
    )


def _has_web_origin(request: Request) -> bool:
    return re.search("https?://", request.headers.get("origin", "")) is not None


async def _read_body(request: Request, max_bytes: int) -> bytes | ServingError:
    # Reads on past the limit (without keeping anything, and not for ever): a client that is still
    # sending would see a broken connection instead of the 413.
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > 8 * max_bytes + 2**20:
            break
        if size <= max_bytes:
            body += chunk
    if size > max_bytes:
        raise _TooLargeError
    if "gzip" not in request.headers.get("content-encoding", ""):
        return bytes(body)
    decompressor = zlib.decompressobj(wbits=31)
    try:
        plain = decompressor.decompress(bytes(body), max_bytes + 1)
    except zlib.error:
        return invalid_argument("Failed to uncompress the gzipped body")
    if len(plain) > max_bytes:
        raise _TooLargeError
    return plain if decompressor.eof else invalid_argument("Failed to uncompress the gzipped body")
