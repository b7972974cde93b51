"""The whole server: 32 clients through a change of versions, signals, ports, options."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfdomain.errors import InputError, TfdomainError
from tfdomain.serving.server import ModelServer, running_server, serve


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_32_clients_lose_nothing_while_a_version_is_dropped_in(arithmetic, add_version):
    faults, seen, finished = [], set(), threading.Event()

    def ask_rest(server):
        with httpx.Client(timeout=30) as client:
            while not finished.is_set():
                response = client.post(f"{server.rest_url}/v1/models/m:predict", content=b'{"instances": [1.0]}')
                yield response.json()["predictions"][0] - 0.5, None

    def ask_grpc(server):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "m"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones(1, np.float32)))
        with grpc.insecure_channel(server.grpc_address) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not finished.is_set():
                response = stub.Predict(request, timeout=30)
                yield response.outputs["y"].float_val[0] - 0.5, response.model_spec.version.value

    def run(ask, server):
        try:
            for answered, claimed in ask(server):
                seen.add((ask.__name__, answered))
                if answered not in (1.0, 2.0) or claimed not in (None, answered):
                    faults.append((answered, claimed))
        except Exception as error:
            faults.append(error)

    with running_server(arithmetic, name="m", poll_seconds=0.1) as server:
        threads = [threading.Thread(target=run, args=(ask, server)) for ask in (ask_rest, ask_grpc) * 16]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(seen) == 2)
        add_version(2)
        wait_until(lambda: len(seen) == 4)
        status = httpx.get(f"{server.rest_url}/v1/models/m").json()["model_version_status"]
        finished.set()
        for thread in threads:
            thread.join()
    assert not faults
    assert [(entry["version"], entry["state"]) for entry in status] == [("2", "AVAILABLE"), ("1", "END")]


def test_a_broken_version_shows_in_the_status(arithmetic):
    with running_server(arithmetic, poll_seconds=0.05) as server:
        (arithmetic / "2").mkdir()
        (arithmetic / "2" / "saved_model.pb").write_bytes(b"\xff\xff")
        url = f"{server.rest_url}/v1/models/default"
        wait_until(lambda: len(httpx.get(url).json()["model_version_status"]) == 2)
        wait_until(lambda: httpx.get(f"{url}/versions/2").json()["model_version_status"][0]["state"] == "END")
        (broken,) = httpx.get(f"{url}/versions/2").json()["model_version_status"]
        assert broken["status"]["error_code"] != "OK" and broken["status"]["error_message"]
        assert httpx.post(f"{url}:predict", json={"instances": [1]}).json() == {"predictions": [1.5]}


@pytest.fixture
def subprocess_server(everything):
    """The server in a process of its own, as the command line runs it."""
    script = textwrap.dedent(
        """
        import logging, sys
        from tfdomain.serving.server import serve
        serve(sys.argv[1], name="all", rest_port=0, grpc_port=0)
        print("stopped", flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(everything)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    yield process
    process.kill()
    process.wait()


def test_sigterm_ends_it_after_the_requests_under_way(subprocess_server):
    line = subprocess_server.stdout.readline()
    match = re.fullmatch(
        r"Serving all version 7: REST (http://127\.0\.0\.1:\d+)/v1/models/all, gRPC (127\.0\.0\.1:\d+)\n", line
    )
    assert match, line
    answers = []
    body = json.dumps({"signature_name": "count", "inputs": 150_000})
    url = f"{match[1]}/v1/models/all:predict"

    def ask_rest():
        answers.append(httpx.post(url, content=body, timeout=60).json())

    def ask_grpc():
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "all", "count"
        request.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.int64(150_000)))
        with grpc.insecure_channel(match[2]) as channel:
            response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
        answers.append({"outputs": response.outputs["steps"].int64_val[0]})

    threads = [threading.Thread(target=ask) for ask in (ask_rest, ask_grpc)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert not answers, "the requests must still be under way"
    subprocess_server.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert answers == [{"outputs": 150_000}] * 2
    output, errors = subprocess_server.communicate(timeout=30)
    assert (subprocess_server.returncode, output) == (0, "stopped\n")
    assert "Traceback" not in errors


def test_sigint_ends_it_too_and_gives_the_handlers_back(arithmetic, capsys):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    answers = []

    def ready(server):
        answers.append(httpx.get(f"{server.rest_url}/v1/models/default").status_code)
        threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()

    serve(arithmetic, rest_port=0, grpc_port=0, ready=ready)
    assert answers == [200]
    assert capsys.readouterr().out.startswith("Serving default version 1: REST http://127.0.0.1:")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(("flag", "option"), [("--rest-port", "rest_port"), ("--grpc-port", "grpc_port")])
def test_a_port_in_use_is_one_line(arithmetic, flag, option, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TfdomainError) as caught, running_server(arithmetic, **{option: port}):
            pass
    assert str(caught.value) == (
        f"{flag}: port {port} cannot be used (address already in use); "
        f"stop what uses it, or choose another with {flag} (0 takes a free one)"
    )
    assert caught.value.exit_code == 1
    assert capfd.readouterr().err == ""


def test_two_servers_do_not_share_a_port(arithmetic):
    with running_server(arithmetic) as server:
        for option in ("rest_port", "grpc_port"):
            with (
                pytest.raises(TfdomainError, match="cannot be used"),
                running_server(arithmetic, **{option: getattr(server, option)}),
            ):
                pass


def test_a_failed_start_frees_its_ports(tmp_path, arithmetic):
    with running_server(arithmetic) as server:
        ports = {"rest_port": server.rest_port, "grpc_port": server.grpc_port}
    with pytest.raises(InputError, match="no such directory"):
        serve(tmp_path / "missing", **ports)
    with running_server(arithmetic, **ports) as server:
        assert httpx.get(f"{server.rest_url}/v1/models/default").status_code == 200


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"rest_port": 70000}, "--rest-port: port 70000 is not in 0 to 65535; choose one in the range"),
        ({"rest_port": 8500}, "--rest-port: port 8500 is also --grpc-port; give each protocol a port of its own"),
        ({"poll_seconds": 0}, "poll_seconds: 0 is not greater than 0; give a positive number"),
        ({"request_timeout": -1}, "request_timeout: -1 is not greater than 0; give a positive number"),
        ({"max_request_bytes": 0}, "max_request_bytes: 0 is not greater than 0; give a positive number"),
        ({"name": ""}, "--name: the model's name is empty; give one, such as default"),
    ],
)
def test_options_out_of_range(tmp_path, options, error):
    with pytest.raises(InputError) as caught:
        ModelServer(tmp_path, **options)
    assert str(caught.value) == error


def test_a_host_that_is_not_here(arithmetic):
    with (
        pytest.raises(InputError, match=r"^--host: no-such-host.invalid is no address of this machine"),
        running_server(arithmetic, host="no-such-host.invalid"),
    ):
        pass


def test_it_can_listen_on_every_address(arithmetic):
    with running_server(arithmetic, host="0.0.0.0") as server:
        assert server.rest_url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{server.rest_url}/v1/models/default").status_code == 200
