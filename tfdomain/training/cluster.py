"""The processes that TF_CONFIG names: read, checked, and waited for."""

import dataclasses
import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from tfdomain.errors import InputError, TfdomainError

__all__ = ["Cluster", "cluster_from_environment", "wait_for_all"]

VARIABLE = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
SECONDS_BETWEEN_TRIES, SECONDS_BETWEEN_LINES, SECONDS_OF_A_TRY = 0.5, 60.0, 2.0


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a training.

    Attributes:
        addresses: `host:port` of each, the chief first.
        index: Which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int


def cluster_from_environment(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """What the variable TF_CONFIG says; None where it is not set.

    Raises:
        InputError: It is not JSON, contradicts itself, or names a host that has no address.

    Reference: https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        return None
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON ({error})", where=VARIABLE, mend=f"write it like {EXAMPLE}") from None
    roles, task = _sections(values)
    places = [(role, number) for role in ("chief", "worker") for number in range(len(roles.get(role, [])))]
    if task not in places:
        known = ", ".join(f"{role} {number}" for role, number in places)
        raise _wrong(f"task names {task[0]} {task[1]}, and the cluster has {known}")
    addresses = tuple(address for role in ("chief", "worker") for address in roles.get(role, []))
    if len(set(addresses)) < len(addresses):
        raise _wrong("two processes have one address")
    for address in addresses:
        _check_address(address)
    return Cluster(addresses, places.index(task))


def wait_for_all(cluster: Cluster) -> None:
    """Waits until each process of the cluster answers, and says which does not.

    TensorFlow would wait too, but silently, and deaf to Ctrl-C.

    Raises:
        TfdomainError: The address of this process is taken by another.
    """
    own = cluster.addresses[cluster.index]
    missing = {number: address for number, address in enumerate(cluster.addresses) if number != cluster.index}
    line_due = 0.0
    with closing(_listen(own)):
        while True:
            missing = {number: address for number, address in missing.items() if not _answers(address)}
            if not missing:
                return
            if time.monotonic() >= line_due:
                shown = ", ".join(f"worker {number} ({address})" for number, address in missing.items())
                print(f"worker {cluster.index} waits for {shown}", flush=True)
                line_due = time.monotonic() + SECONDS_BETWEEN_LINES
            time.sleep(SECONDS_BETWEEN_TRIES)


def _sections(values: Any) -> tuple[dict[str, list[str]], tuple[str, int]]:
    """The addresses by role, and this process' role and number."""
    cluster = values.get("cluster") if isinstance(values, dict) else None
    task = values.get("task") if isinstance(values, dict) else None
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _wrong("lacks the cluster or the task")
    others = sorted(role for role in cluster if role not in ("chief", "worker"))
    if others:
        raise _wrong(f"the cluster has the role {others[0]}, and only chief and worker train here")
    for role, addresses in cluster.items():
        if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
            raise _wrong(f"cluster.{role} is no list of addresses")
    if len(cluster.get("chief", [])) > 1:
        raise _wrong("the cluster has more than one chief")
    kind, index = task.get("type"), task.get("index")
    # Some schedulers write numbers as text.
    index = int(index) if isinstance(index, str) and index.isdecimal() else index
    if not isinstance(kind, str) or not isinstance(index, int) or isinstance(index, bool):
        raise _wrong("the task lacks its type or its index")
    return cluster, (kind, index)


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise _wrong(f"{address!r} is no host:port")
    try:
        socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        problem = f"the host {host!r} is not known here ({error.strerror or error})"
        raise InputError(problem, where=VARIABLE, mend="correct the name, or give the host's address") from None


def _wrong(problem: str) -> InputError:
    return InputError(problem, where=VARIABLE, mend=f"write it like {EXAMPLE}")


def _listen(address: str) -> socket.socket:
    """A socket by which the others see that this process is there, until TensorFlow takes its port."""
    port = int(address.rpartition(":")[2])
    try:
        return socket.create_server(("", port), backlog=128)
    except OSError as error:
        problem = f"this process cannot listen at {address} ({(error.strerror or str(error)).lower()})"
        mend = "end the process that does, or choose another port for this worker everywhere"
        raise TfdomainError(problem, where=VARIABLE, mend=mend) from None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_OF_A_TRY)):
            return True
    except OSError:
        return False
