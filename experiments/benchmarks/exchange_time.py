"""What it takes two processes of this machine to add up a gradient; JSON.

    python experiments/benchmarks/exchange_time.py [--rounds 20]

Vectors of several sizes go through the all-reduce that an update of `training.strategy: multi_worker` uses. The medians
are fitted to seconds = latency + bytes / bandwidth, by least squares of the relative errors: scaling_model.py has the
model that these two numbers are of.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import numpy as np

SIZES = [1 << power for power in (12, 16, 18, 20, 22, 24, 25, 26)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    arguments = parser.parse_args()
    if "TF_CONFIG" in os.environ:
        seconds = measure(arguments.rounds, arguments.threads)
        if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
            print(json.dumps(seconds))
        return
    medians = json.loads(run_pair(sys.argv))
    latency, per_byte = fit(medians)
    print(
        json.dumps(
            {
                "milliseconds": {str(size): round(1000 * one, 3) for size, one in zip(SIZES, medians, strict=True)},
                "latency_ms": round(1000 * latency, 3),
                "bandwidth_mib_per_second": round(1 / per_byte / 2**20, 1),
            }
        )
    )


def run_pair(command: list[str]) -> str:
    """What the chief of two processes of this script prints."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index in range(2):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(cluster), "TF_CPP_MIN_LOG_LEVEL": "3"}
        processes.append(
            subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True)
        )
    told = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(1)
    return told[0]


def measure(rounds: int, threads: int) -> list[float]:
    """The median seconds of an all-reduce of each size."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    medians = []
    for size in SIZES:
        vector = tf.ones([size // 4])

        @tf.function
        def add_up(vector):
            def in_replica(vector):
                context = tf.distribute.get_replica_context()
                # A gradient is computed where it is sent from, and so is this.
                return tf.reduce_max(context.all_reduce(tf.distribute.ReduceOp.SUM, vector * 0.5))

            return strategy.experimental_local_results(strategy.run(in_replica, args=(vector,)))[0]

        seconds = []
        for _ in range(rounds + 3):
            started = time.perf_counter()
            if float(add_up(vector)) != 1.0:
                raise SystemExit("two halves do not make one")
            seconds.append(time.perf_counter() - started)
        medians.append(statistics.median(seconds[3:]))
    return medians


def fit(medians: list[float]) -> tuple[float, float]:
    """The latency, seconds, and the seconds of a byte."""
    measured = np.array(medians)
    terms = np.stack([np.ones(len(SIZES)), np.array(SIZES, float)], axis=1) / measured[:, None]
    latency, per_byte = np.linalg.lstsq(terms, np.ones(len(SIZES)), rcond=None)[0]
    return float(latency), float(per_byte)


if __name__ == "__main__":
    main()
