"""A chief and workers on several machines, by gRPC; messages are JSON.

KerasTuner's own service waits for ever for a worker that is gone; its variables name the places here too.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

import grpc

from tfdomain.errors import InputError, TfdomainError
from tfdomain.search.chief import Chief, Outcome, Task

__all__ = ["Place", "RemoteChief", "place_from", "serving"]

SERVICE = "tfdomain.Search"
NAMES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
# How long a chief may be away, to be started again say, before its workers give up.
PATIENCE_SECONDS = 300.0
MAX_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class Place:
    """Who this process is in a search over several machines.

    Attributes:
        name: Its own; the chief's has `chief` in it.
        address: Where the chief is, `host:port`.
    """

    name: str
    address: str

    @property
    def is_chief(self) -> bool:
        """Whether it hands out trials."""
        return "chief" in self.name


def place_from(environment: Mapping[str, str]) -> Place | None:
    """The place that KerasTuner's three variables name; None where there are none.

    Raises:
        InputError: One of them is missing or makes no sense.
    """
    given = [name for name in NAMES if environment.get(name)]
    if not given:
        return None
    missing = [name for name in NAMES if name not in given]
    if missing:
        raise InputError("is not set, and others of KerasTuner's are", where=missing[0], mend="set all three or none")
    name, host, port = (environment[one] for one in NAMES)
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InputError(f"{port!r} is no port", where=NAMES[2], mend="give a number from 1 to 65535")
    return Place(name, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


@contextmanager
def serving(chief: Chief, address: str) -> Iterator[None]:
    """Lets workers reach a chief while the block runs.

    Raises:
        TfdomainError: The port cannot be had.
    """

    def take(asked: dict[str, Any]) -> Any:
        answer = chief.take(asked["worker"])
        return dataclasses.asdict(answer) if isinstance(answer, Task) else answer

    def beat(told: dict[str, Any]) -> bool:
        return chief.beat(Task(**told["task"]), told["progress"])

    def end(told: dict[str, Any]) -> None:
        chief.end(Task(**told["task"]), Outcome(**told["outcome"]))

    # Two servers on one port would each have some of the workers.
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_BYTES)]
    server = grpc.server(ThreadPoolExecutor(8), options=options)
    handlers = {"Take": _handler(take), "Beat": _handler(beat), "End": _handler(end)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError:
        bound = 0
    if not bound:
        mend = f"stop what uses it, or choose another address by {NAMES[1]} and {NAMES[2]}"
        raise TfdomainError(f"{address} cannot be listened on", where=NAMES[2], mend=mend)
    server.start()
    try:
        yield
    finally:
        server.stop(grace=1).wait()


class RemoteChief:
    """The chief as its workers see it, wherever it is.

    Args:
        address: `host:port`.
        patience_seconds: How long to wait for an answer.
    """

    def __init__(self, address: str, *, patience_seconds: float = PATIENCE_SECONDS):
        self._address, self._patience = address, patience_seconds
        channel = grpc.insecure_channel(address, options=[("grpc.max_send_message_length", MAX_BYTES)])
        self._calls = {
            name: channel.unary_unary(
                f"/{SERVICE}/{name}", request_serializer=_encode, response_deserializer=json.loads
            )
            for name in ("Take", "Beat", "End")
        }

    def take(self, worker: str) -> Task | Literal["wait", "done"]:
        """The next trial."""
        answer = self._call("Take", worker=worker)
        return Task(**answer) if isinstance(answer, dict) else answer

    def beat(self, task: Task, progress: dict[str, Any]) -> bool:
        """Tells that a trial is under way."""
        return self._call("Beat", task=dataclasses.asdict(task), progress=progress)

    def end(self, task: Task, outcome: Outcome) -> None:
        """Tells how a trial ended."""
        self._call("End", task=dataclasses.asdict(task), outcome=dataclasses.asdict(outcome))

    def _call(self, name: str, **message: Any) -> Any:
        try:
            return self._calls[name](message, timeout=self._patience, wait_for_ready=True)["answer"]
        except grpc.RpcError as error:
            problem = f"the chief does not answer ({error.code().name.lower()})"  # type: ignore[attr-defined]
            mend = "start it with the same command, or check the address"
            raise TfdomainError(problem, where=self._address, mend=mend) from error


def _handler(function: Any) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(
        lambda message, _: {"answer": function(message)}, request_deserializer=json.loads, response_serializer=_encode
    )


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()
