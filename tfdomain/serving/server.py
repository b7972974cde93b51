"""The server: both protocols on their ports, from start to a clean stop."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import uvicorn

from tfdomain.errors import InputError, TfdomainError
from tfdomain.serving.grpc_services import add_services
from tfdomain.serving.monitoring import Metrics
from tfdomain.serving.ports import bind_port, join_address, port_error, reachable_host
from tfdomain.serving.rest import make_app
from tfdomain.serving.service import ModelService
from tfdomain.serving.versions import ModelVersions

__all__ = ["DEFAULT_HOST", "MAX_REQUEST_BYTES", "ModelServer", "running_server", "serve"]

# TensorFlow Serving listens on every address. This is the stand-in on a developer's machine, and
# it has no authentication either, so it is open to that machine alone until somebody says otherwise.
DEFAULT_HOST = "127.0.0.1"
MAX_REQUEST_BYTES = 64 * 2**20
_STOP_SECONDS = 60.0
_KEEP_ALIVE_SECONDS = 300


class ModelServer:
    """Serves the newest SavedModel of a directory over REST and gRPC until it is stopped.

    Args:
        directory: Holds one folder a version, named by whole numbers.
        name: The name that clients call the model by.
        rest_port: Port of the REST server; 0 takes a free one.
        grpc_port: Port of the gRPC server; 0 takes a free one.
        host: The address to listen on; `0.0.0.0` for every one.
        labels: Version labels, such as `{"stable": 3}`; their versions are kept loaded.
        poll_seconds: Seconds between two looks for new versions.
        request_timeout: Seconds that a request may run (over gRPC the client's deadline counts
            where it set one).
        max_request_bytes: The largest request.

    Raises:
        InputError: An option out of its range.

    Example:
        >>> with running_server("exports") as server:
        ...     httpx.get(f"{server.rest_url}/v1/models/default")
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *,
        name: str = "default",
        rest_port: int = 8501,
        grpc_port: int = 8500,
        host: str = DEFAULT_HOST,
        labels: Mapping[str, int] | None = None,
        poll_seconds: float = 1.0,
        request_timeout: float = 30.0,
        max_request_bytes: int = MAX_REQUEST_BYTES,
    ):
        for flag, port in (("--rest-port", rest_port), ("--grpc-port", grpc_port)):
            if not 0 <= port <= 65535:
                raise InputError(f"port {port} is not in 0 to 65535", where=flag, mend="choose one in the range")
        if rest_port == grpc_port and rest_port:
            mend = "give each protocol a port of its own"
            raise InputError(f"port {rest_port} is also --grpc-port", where="--rest-port", mend=mend)
        for option, value in (
            ("poll_seconds", poll_seconds),
            ("request_timeout", request_timeout),
            ("max_request_bytes", max_request_bytes),
        ):
            if value <= 0:
                raise InputError(f"{value} is not greater than 0", where=option, mend="give a positive number")
        if not name:
            raise InputError("the model's name is empty", where="--name", mend="give one, such as default")
        self.name, self.host = name, host
        self.rest_port, self.grpc_port = rest_port, grpc_port
        self.metrics = Metrics()
        self.versions = ModelVersions(
            Path(directory), name=name, labels=labels, poll_seconds=poll_seconds, metrics=self.metrics
        )
        self._timeout, self._max_bytes = request_timeout, max_request_bytes
        self._cleanup = contextlib.ExitStack()

    @property
    def rest_url(self) -> str:
        """The REST server's address, such as `http://127.0.0.1:8501`."""
        return f"http://{join_address(reachable_host(self.host), self.rest_port)}"

    @property
    def grpc_address(self) -> str:
        """The gRPC server's address, such as `127.0.0.1:8500`."""
        return join_address(reachable_host(self.host), self.grpc_port)

    def start(self) -> None:
        """Takes the ports, loads the newest version, and answers from then on.

        Raises:
            InputError: The directory has no version that can be served.
            TfdomainError: A port is in use or not allowed.
        """
        with contextlib.ExitStack() as stack:
            service = ModelService(self.versions, self.metrics)
            num_threads = max(8, 4 * (os.cpu_count() or 1))
            rest_socket = bind_port(self.host, self.rest_port, "--rest-port")
            stack.callback(rest_socket.close)
            self.rest_port = rest_socket.getsockname()[1]
            bind_port(self.host, self.grpc_port, "--grpc-port").close()

            self.versions.start()
            stack.callback(self.versions.stop)
            grpc_server = self._bind_grpc(num_threads)
            add_services(grpc_server, service, self.metrics, self._timeout)
            executor = stack.enter_context(ThreadPoolExecutor(num_threads, "tfdomain-rest"))
            app = make_app(
                service,
                self.metrics,
                executor=executor,
                timeout=self._timeout,
                max_request_bytes=self._max_bytes,
            )
            grpc_server.start()
            stack.callback(lambda: grpc_server.stop(_STOP_SECONDS).wait())
            stack.enter_context(_running_uvicorn(app, rest_socket))
            self._cleanup = stack.pop_all()

    def stop(self) -> None:
        """Takes no new requests, finishes those under way, and frees everything."""
        self._cleanup.close()

    def _bind_grpc(self, num_threads: int) -> grpc.Server:
        # gRPC shares its port with any other process that asks unless told otherwise, and reports a
        # port in use on its own log: so the port is tried with a plain socket first. A gRPC server
        # that was never started keeps its port, so this comes after all that can fail.
        flag = "--grpc-port"
        bind_port(self.host, self.grpc_port, flag).close()
        server = grpc.server(
            ThreadPoolExecutor(num_threads, "tfdomain-grpc"),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._max_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )
        try:
            self.grpc_port = server.add_insecure_port(join_address(self.host, self.grpc_port))
        except RuntimeError as error:
            raise port_error(self.grpc_port, flag, str(error)) from error
        return server


@contextlib.contextmanager
def running_server(directory: str | os.PathLike, **options) -> Iterator[ModelServer]:
    """A `ModelServer` for the length of a block, on free ports unless told otherwise."""
    server = ModelServer(directory, **({"rest_port": 0, "grpc_port": 0} | options))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def serve(
    directory: str | os.PathLike,
    *,
    name: str = "default",
    rest_port: int = 8501,
    grpc_port: int = 8500,
    host: str = DEFAULT_HOST,
    labels: Mapping[str, int] | None = None,
    poll_seconds: float = 1.0,
    request_timeout: float = 30.0,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    ready: Callable[[ModelServer], None] | None = None,
) -> None:
    """Serves a directory until SIGTERM or SIGINT; must be called on the main thread.

    Prints one line with both addresses once it answers.

    Args:
        directory: Holds one folder a version, named by whole numbers.
        name, rest_port, grpc_port, host, labels: As for `ModelServer`.
        poll_seconds, request_timeout, max_request_bytes: As for `ModelServer`.
        ready: Called with the server once it answers.

    Raises:
        InputError: The directory has no version that can be served, or an option is out of range.
        TfdomainError: A port is in use or not allowed.
    """
    server = ModelServer(
        directory,
        name=name,
        rest_port=rest_port,
        grpc_port=grpc_port,
        host=host,
        labels=labels,
        poll_seconds=poll_seconds,
        request_timeout=request_timeout,
        max_request_bytes=max_request_bytes,
    )
    stop = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        server.start()
        print(
            f"Serving {name} version {server.versions.newest}:"
            f" REST {server.rest_url}/v1/models/{name}, gRPC {server.grpc_address}",
            flush=True,
        )
        if ready is not None:
            ready(server)
        # A signal that another thread takes wakes nobody up: so the main thread looks now and then.
        while not stop.wait(0.5):
            pass
    finally:
        server.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _running_uvicorn(app: object, rest_socket: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        # An idle connection that the server closes may just have been chosen for a new request.
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(_STOP_SECONDS),
    )
    http_server = uvicorn.Server(config)
    thread = threading.Thread(target=http_server.run, args=([rest_socket],), name="tfdomain-http")
    thread.start()
    try:
        while not http_server.started and thread.is_alive():
            thread.join(0.01)
        if not http_server.started:
            raise TfdomainError("the REST server did not start", mend="see the error above")
        yield
    finally:
        http_server.should_exit = True
        thread.join()
