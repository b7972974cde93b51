"""Where a run computes: on one device, on several of one machine, on several machines, or on a TPU."""

import tensorflow as tf

from tfdomain.config.sections import Strategy
from tfdomain.errors import InputError
from tfdomain.training.cluster import Cluster, cluster_from_environment, wait_for_all
from tfdomain.training.tpu import has_tpu, tpu_strategy
from tfdomain.training.workers import Workers

__all__ = ["start_workers"]

KEY = "training.strategy"


def start_workers(
    strategy: Strategy, *, batch_size: int | None, tpu: str | None = None, takes_tpu: bool = True
) -> Workers:
    """Makes the strategy of a run, and waits for its other processes where it has some.

    Args:
        strategy: What the experiment says; `auto` takes a TPU where one is named or this machine has one, several
            processes where TF_CONFIG names them, several GPUs where there are some, and one device otherwise.
        batch_size: Of a global batch; None where batches are of tokens, and their rows of any number.
        tpu: The TPU's name or address; None: this machine's.
        takes_tpu: Whether `auto` may take this machine's.

    Raises:
        InputError: The machine, TF_CONFIG or the batch size does not fit the strategy, or the TPU cannot be reached.
    """
    cluster = cluster_from_environment()
    if strategy == "auto":
        several = len(tf.config.list_physical_devices("GPU")) > 1
        on_tpu = tpu is not None or (takes_tpu and not cluster and has_tpu())
        strategy = "tpu" if on_tpu else "multi_worker" if cluster else "mirrored" if several else "none"
    if strategy == "multi_worker":
        workers = _multi_worker(cluster)
    elif cluster is not None and len(cluster.addresses) > 1:
        problem = f"is {strategy}, but TF_CONFIG names {len(cluster.addresses)} processes"
        raise InputError(problem, where=KEY, mend="set it to multi_worker, or unset TF_CONFIG")
    else:
        ways = {"tpu": lambda: tpu_strategy(tpu), "mirrored": _mirrored, "none": tf.distribute.get_strategy}
        workers = Workers(ways[strategy]())
    if batch_size is not None:
        _check_batch_size(batch_size, workers.strategy.num_replicas_in_sync)
    return workers


def _multi_worker(cluster: Cluster | None) -> Workers:
    if cluster is None:
        mend = "set it in each process to the addresses of all, see docs/distributed.md"
        raise InputError("is multi_worker, but TF_CONFIG is not set", where=KEY, mend=mend)
    wait_for_all(cluster)
    try:
        return Workers(tf.distribute.MultiWorkerMirroredStrategy(), cluster)
    except RuntimeError as error:
        if "startup" not in str(error):
            raise
        mend = "start the run in a process of its own, before anything else is computed"
        raise InputError("multi_worker comes too late: TensorFlow has computed", where=KEY, mend=mend) from error


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        problem = f"is mirrored, but there is one device ({devices[0].name.removeprefix('/device:')})"
        raise InputError(problem, where=KEY, mend="set it to auto or none")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _check_batch_size(batch_size: int, num_replicas: int) -> None:
    if batch_size % num_replicas:
        near = max(1, round(batch_size / num_replicas)) * num_replicas
        problem = f"{batch_size} rows cannot be shared evenly by {num_replicas} replicas"
        mend = f"choose a multiple of {num_replicas}, such as {near}"
        raise InputError(problem, where="training.batch_size", mend=mend)
