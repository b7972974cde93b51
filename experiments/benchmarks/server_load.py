"""32 clients on the server for a minute, with two changes of version: does any request suffer?

    python experiments/benchmarks/server_load.py DIR [--seconds 60] [--clients 32]

DIR is a directory of versions, or one SavedModel. It is copied aside, served by a process of its
own on free ports, and asked by half the clients over REST and by half over gRPC. A third and two
thirds into the time the version is copied in again under the next number (written under a temporary
name and renamed); the load goes on until both copies have taken over. Every answer is compared with
what the SavedModel's own signature gives for the same input in this process.

Prints JSON: requests, failed, different, versions (answers by version over gRPC), swap_seconds
(from the rename until the copy is available), p50 and p99 in milliseconds, requests per second.
Exits with 1 if a request failed or an answer differed.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import httpx
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the operations that text models are made of)
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

NAME = "load"
TOLERANCE = 1e-5
TEXTS = [
    "I need the loan to repair my car.",
    "",
    "Paid back every card, now buying a house with my partner.",
    "medical bills and a lost job " * 8,
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--signature", default="serving_default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory, source = copy_model(options.directory, Path(temporary))
        cases = make_cases(source, options.signature)
        process, rest_url, grpc_address = start_server(directory)
        try:
            result = run_load(options, directory, source, cases, rest_url, grpc_address)
        finally:
            process.terminate()
            result_code = process.wait()
    result["server_exit_code"] = result_code
    print(json.dumps(result, indent=2))
    return int(bool(result["failed"] or result["different"] or result_code))


def copy_model(given: Path, temporary: Path) -> tuple[Path, Path]:
    numbers = [int(path.name) for path in given.iterdir() if path.name.isdigit()]
    source = given / str(max(numbers)) if numbers else given
    directory = temporary / "versions"
    directory.mkdir()
    shutil.copytree(source, directory / "1")
    return directory, source


def start_server(directory: Path) -> tuple[subprocess.Popen, str, str]:
    code = "import sys; from tfdomain.serving.server import serve; serve(sys.argv[1], name=sys.argv[2], **ports)"
    code = code.replace("**ports", "rest_port=0, grpc_port=0, poll_seconds=0.5")
    process = subprocess.Popen([sys.executable, "-c", code, str(directory), NAME], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.search(r"REST (http://\S+)/v1/\S+, gRPC (\S+)", line)
    if match is None:
        raise SystemExit(f"the server did not start: {line!r}")
    return process, match[1], match[2]


def make_cases(source: Path, signature: str) -> list[tuple[bytes, predict_pb2.PredictRequest, dict]]:
    """Requests (REST body, gRPC message) with the SavedModel's own answer to each."""
    function = tf.saved_model.load(str(source)).signatures[signature]
    random = np.random.default_rng(0)
    cases = []
    for size in (1, 2, 4):
        for _ in range(4):
            inputs = {
                name: make_input(spec, size, random) for name, spec in function.structured_input_signature[1].items()
            }
            expected = {key: value.numpy() for key, value in function(**inputs).items()}
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = NAME, signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            columns = {name: texts_of(value.numpy()) for name, value in inputs.items()}
            cases.append((json.dumps({"signature_name": signature, "inputs": columns}).encode(), request, expected))
    return cases


def make_input(spec: tf.TensorSpec, size: int, random: np.random.Generator) -> tf.Tensor:
    shape = [size if length is None else length for length in spec.shape]
    if spec.dtype == tf.string:
        return tf.constant(random.choice(TEXTS, shape))
    return tf.cast(tf.constant(random.normal(0, 10, shape)), spec.dtype)


def texts_of(array: np.ndarray) -> list:
    return np.char.decode(array.astype(bytes), "utf-8").tolist() if array.dtype == object else array.tolist()


class Client(threading.Thread):
    """Asks one request after the other and keeps what came of it."""

    def __init__(self, ask, cases, first: int, finished: threading.Event):
        super().__init__()
        self.ask, self.cases, self.next, self.finished = ask, cases, first, finished
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self.num_different = 0
        self.versions: Counter = Counter()

    def run(self) -> None:
        while not self.finished.is_set():
            body, request, expected = self.cases[self.next % len(self.cases)]
            self.next += 1
            started = time.perf_counter()
            try:
                outputs, version = self.ask(body, request)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                continue
            self.seconds.append(time.perf_counter() - started)
            self.num_different += not equal(outputs, expected)
            if version is not None:
                self.versions[version] += 1


def rest_asker(rest_url: str, output_names: list[str]):
    client = httpx.Client(timeout=60)
    url = f"{rest_url}/v1/models/{NAME}:predict"

    def ask(body, request):
        response = client.post(url, content=body)
        response.raise_for_status()
        outputs = response.json()["outputs"]
        return (outputs if len(output_names) > 1 else {output_names[0]: outputs}), None

    return ask


def grpc_asker(address: str):
    # A channel of its own: gRPC would otherwise share one connection among all clients.
    channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def ask(body, request):
        response = stub.Predict(request, timeout=60)
        outputs = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
        return outputs, response.model_spec.version.value

    return ask


def equal(outputs: dict, expected: dict) -> bool:
    if outputs.keys() != expected.keys():
        return False
    for name, value in expected.items():
        answer = np.asarray(outputs[name])
        if answer.shape != value.shape:
            return False
        if value.dtype == object:
            texts = [text if isinstance(text, bytes) else text.encode() for text in answer.ravel().tolist()]
            if texts != value.ravel().tolist():
                return False
        elif not np.allclose(answer.astype(value.dtype), value, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            return False
    return True


def swap_in(source: Path, directory: Path, number: int, rest_url: str) -> float:
    shutil.copytree(source, directory / f".{number}.part")
    (directory / f".{number}.part").rename(directory / str(number))
    started = time.perf_counter()
    while True:
        time.sleep(0.1)
        response = httpx.get(f"{rest_url}/v1/models/{NAME}/versions/{number}", timeout=60)
        state = response.json()["model_version_status"][0]["state"] if response.status_code == 200 else "START"
        if state == "AVAILABLE":
            return time.perf_counter() - started
        if state == "END":
            raise SystemExit(f"version {number} did not load: {response.text}")


def run_load(options, directory: Path, source: Path, cases, rest_url: str, grpc_address: str) -> dict:
    output_names = list(cases[0][2])
    finished = threading.Event()
    clients = [
        Client(grpc_asker(grpc_address) if n % 2 else rest_asker(rest_url, output_names), cases, n, finished)
        for n in range(options.clients)
    ]
    swap_seconds = []
    started = time.perf_counter()
    for client in clients:
        client.start()
    try:
        for number in (2, 3):
            time.sleep(max(0.0, started + options.seconds * (number - 1) / 3 - time.perf_counter()))
            swap_seconds.append(round(swap_in(source, directory, number, rest_url), 1))
        time.sleep(max(0.0, started + options.seconds - time.perf_counter()))
    finally:
        finished.set()
    for client in clients:
        client.join()
    elapsed = time.perf_counter() - started
    seconds = sorted(second for client in clients for second in client.seconds)
    failures = [failure for client in clients for failure in client.failures]
    percentiles = statistics.quantiles(seconds, n=100)
    return {
        "clients": options.clients,
        "seconds": round(elapsed, 1),
        "requests": len(seconds) + len(failures),
        "failed": len(failures),
        "different": sum(client.num_different for client in clients),
        "versions": dict(sorted(sum((client.versions for client in clients), Counter()).items())),
        "swap_seconds": swap_seconds,
        "p50_ms": round(1000 * percentiles[49], 2),
        "p99_ms": round(1000 * percentiles[98], 2),
        "requests_per_second": round(len(seconds) / elapsed, 1),
        **({"first_failure": failures[0]} if failures else {}),
    }


if __name__ == "__main__":
    sys.exit(main())
