import json
import socket
import threading
import time

import pytest

from tfdomain.errors import InputError, TfdomainError
from tfdomain.training import cluster
from tfdomain.training.cluster import Cluster, cluster_from_environment, wait_for_all

TWO = {"worker": ["127.0.0.1:2222", "localhost:2223"]}


def read(processes, kind="worker", index=0):
    return cluster_from_environment(
        {"TF_CONFIG": json.dumps({"cluster": processes, "task": {"type": kind, "index": index}})}
    )


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": ""}, {"TF_CONFIG": " "}])
def test_no_variable_no_cluster(environment):
    assert cluster_from_environment(environment) is None


def test_the_chief_comes_first():
    with_chief = {"chief": ["127.0.0.1:2221"], **TWO}
    assert read(TWO, index=1) == Cluster(("127.0.0.1:2222", "localhost:2223"), 1)
    assert read(TWO, index="1").index == 1
    assert read(with_chief, "chief") == Cluster(("127.0.0.1:2221", "127.0.0.1:2222", "localhost:2223"), 0)
    assert read(with_chief, "worker", 1).index == 2


@pytest.mark.parametrize(
    ("processes", "kind", "index", "told"),
    [
        (TWO, "worker", 2, "task names worker 2, and the cluster has worker 0, worker 1"),
        (TWO, "worker", None, "the task lacks its type or its index"),
        (TWO, "worker", True, "the task lacks its type or its index"),
        (TWO, "chief", 0, "task names chief 0"),
        ({**TWO, "ps": ["127.0.0.1:1"]}, "worker", 0, "the cluster has the role ps"),
        ({"worker": ["127.0.0.1:2222"] * 2}, "worker", 0, "two processes have one address"),
        ({"worker": "127.0.0.1:2222"}, "worker", 0, "cluster.worker is no list of addresses"),
        ({"worker": [2222]}, "worker", 0, "cluster.worker is no list of addresses"),
        ({"worker": ["127.0.0.1"]}, "worker", 0, "'127.0.0.1' is no host:port"),
        ({"worker": ["127.0.0.1:99999"]}, "worker", 0, "'127.0.0.1:99999' is no host:port"),
        ({"worker": ["no-such-host.invalid:2222"]}, "worker", 0, "the host 'no-such-host.invalid' is not known here"),
        ([], "worker", 0, "lacks the cluster or the task"),
    ],
)
def test_what_contradicts_is_refused(processes, kind, index, told):
    with pytest.raises(InputError) as caught:
        read(processes, kind, index)
    assert str(caught.value).startswith(f"TF_CONFIG: {told}")


@pytest.mark.parametrize(
    ("text", "told"), [('{"cluster"', "is not JSON"), ("[]", "lacks the cluster"), ("3", "lacks the cluster")]
)
def test_what_is_no_description_is_refused(text, told):
    with pytest.raises(InputError, match=f"^TF_CONFIG: {told}.*; write it like"):
        cluster_from_environment({"TF_CONFIG": text})


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_lone_worker_waits_and_says_for_whom(capsys, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_BETWEEN_TRIES", 0.01)
    addresses = (free_address(), free_address())
    waiting = threading.Thread(target=wait_for_all, args=[Cluster(addresses, 1)], daemon=True)
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    with socket.create_server(("127.0.0.1", int(addresses[0].split(":")[1]))):
        waiting.join(30)
        assert not waiting.is_alive()
    assert capsys.readouterr().out == f"worker 1 waits for worker 0 ({addresses[0]})\n"


def test_two_meet_whoever_comes_first():
    addresses, met, done = (free_address(), free_address()), [], threading.Event()

    def take_part(index):
        wait_for_all(Cluster(addresses, index))
        # As TensorFlow does, on the port that is free again.
        with socket.create_server(("", int(addresses[index].split(":")[1]))):
            met.append(index)
            done.wait(60)

    threads = [threading.Thread(target=take_part, args=[index]) for index in (0, 1)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    deadline = time.monotonic() + 30
    while len(met) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    done.set()
    assert sorted(met) == [0, 1]


def test_an_address_that_is_taken_is_refused():
    with socket.create_server(("", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(TfdomainError, match=rf"^TF_CONFIG: this process cannot listen at {address} \(address"):
            wait_for_all(Cluster((address, "127.0.0.1:1"), 0))
