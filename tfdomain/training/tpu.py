"""The TPU that a run computes on: found, reached, and made ready."""

import queue
import re
import threading
from collections.abc import Callable
from typing import Any

import grpc
import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["LOCAL", "has_tpu", "tpu_strategy"]

LOCAL = "local"
SECONDS = 20.0
"""What an address, or the look-up of a name, has to answer within."""
KEY = "training.tpu"
ADDRESS = re.compile(r"grpc://([^/:]+|\[[^]/]+\]):\d{1,5}")


def has_tpu() -> bool:
    """Whether this machine is the host of a TPU."""
    return bool(tf.config.list_physical_devices("TPU"))


def tpu_strategy(address: str | None, *, seconds: float = SECONDS) -> tf.distribute.Strategy:
    """Connects to a TPU, makes it ready, and shares updates among its cores.

    Args:
        address: Its name, `grpc://host:port`, or `local`, where this machine is its host; None: `local`.
        seconds: How long an address, or the look-up of a name, may take to answer.

    Raises:
        InputError: There is no TPU, or it cannot be reached.

    Reference: https://www.tensorflow.org/guide/tpu
    """
    if address in (None, LOCAL):
        if not has_tpu():
            mend = f"give the TPU's address in {KEY}, or set training.strategy to auto"
            raise InputError("is tpu, and this machine has no TPU", where="training.strategy", mend=mend)
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=LOCAL)
    elif "://" in address:
        _check_reachable(address, seconds)
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
    else:
        resolver = _within(lambda: _found_by_name(address), f"looking up the TPU {address!r}", seconds)
        _check_reachable(resolver.master(), seconds)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def _found_by_name(name: str) -> Any:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    resolver.master()
    return resolver


def _check_reachable(address: str, seconds: float) -> None:
    # TensorFlow would wait for ever, and deaf to Ctrl-C.
    if ADDRESS.fullmatch(address) is None:
        raise InputError(f"{address!r} is no address", where=KEY, mend="write it like grpc://10.0.0.2:8470")
    with grpc.insecure_channel(address.removeprefix("grpc://")) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            problem = f"{address} cannot be reached within {seconds:g} seconds"
            raise InputError(problem, where=KEY, mend="correct the address, or start the TPU") from None


def _within(look_up: Callable[[], Any], what: str, seconds: float) -> Any:
    """What a look-up gives in its time; it asks Google's servers by ways of its own, with limits of their own."""
    answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put((look_up(), None))
        except Exception as error:
            answers.put((None, error))

    threading.Thread(target=answer, daemon=True).start()
    mend = "correct the name, or give grpc://host:port"
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise InputError(f"{what} took more than {seconds:g} seconds", where=KEY, mend=mend) from None
    if error is not None:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{what} failed ({reason})", where=KEY, mend=mend) from None
    return found
