"""One failure of one request, and what each protocol calls it.

TensorFlow Serving answers every failure with one of the canonical codes; gRPC sends the code as it
is, REST turns it into an HTTP status by the table below.
"""

import grpc
import tensorflow as tf

__all__ = ["ServingError", "error_of_exception", "http_status", "invalid_argument"]

# Reference: ToHTTPStatusCode in TensorFlow Serving's model_servers/http_server.cc.
_HTTP = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """A request that is answered with an error.

    Args:
        code: The canonical code.
        message: The text that the client gets, without the code.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid_argument(message: str) -> ServingError:
    """The commonest error: what the client sent does not fit (HTTP 400)."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def http_status(code: grpc.StatusCode) -> int:
    """The HTTP status that TensorFlow Serving gives a canonical code; 500 where it has none."""
    return _HTTP.get(code, 500)


def error_of_exception(error: Exception) -> ServingError:
    """Turns whatever running or loading a graph raised into a `ServingError`.

    `Session.run` wraps the runtime's message in a Python stack trace of the graph's construction;
    a client of TensorFlow Serving sees the bare message, which is the wrapped error's context.
    """
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        inner = error.__context__
        message = inner.message if isinstance(inner, tf.errors.OpError) else error.message
        return ServingError(_CODES.get(error.error_code, grpc.StatusCode.UNKNOWN), str(message))
    return ServingError(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
