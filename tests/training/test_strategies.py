import json
import socket
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from tfdomain.errors import InputError
from tfdomain.training.strategies import start_workers
from tfdomain.training.tpu import tpu_strategy

TWO = {"cluster": {"worker": ["127.0.0.1:2222", "127.0.0.1:2223"]}, "task": {"type": "worker", "index": 0}}
ON_TWO_DEVICES = """
import tensorflow as tf
from tfdomain.errors import InputError
from tfdomain.training.strategies import start_workers

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
workers = start_workers("mirrored", batch_size=4)
assert workers.strategy.num_replicas_in_sync == 2 and workers.is_chief and workers.count == 1
assert start_workers("auto", batch_size=4).strategy.num_replicas_in_sync == 1
for size, near in ((1, 2), (7, 8)):
    try:
        start_workers("mirrored", batch_size=size)
    except InputError as error:
        told = f"{size} rows cannot be shared evenly by 2 replicas; choose a multiple of 2, such as {near}"
        assert str(error) == f"training.batch_size: {told}", error
    else:
        raise AssertionError(size)
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


@pytest.mark.parametrize("strategy", ["auto", "none"])
def test_one_device_and_one_process(strategy):
    workers = start_workers(strategy, batch_size=3)
    assert workers.strategy is tf.distribute.get_strategy()
    assert workers.is_chief and workers.count == 1


def test_a_process_alone_is_asked_nothing(tmp_path):
    workers = start_workers("none", batch_size=1)
    thing = object()
    assert workers.from_chief(lambda: thing) is thing
    assert workers.together(lambda: thing) is thing
    workers.check_same(thing=1)
    workers.share(tmp_path)
    with workers.folder(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize(
    ("strategy", "environment", "told"),
    [
        ("mirrored", None, r"is mirrored, but there is one device \(CPU:0\); set it to auto or none"),
        ("multi_worker", None, "is multi_worker, but TF_CONFIG is not set; set it in each process"),
        (
            "tpu",
            None,
            "is tpu, and this machine has no TPU; give the TPU's address in training.tpu, or set training.str",
        ),
        ("tpu", TWO, "is tpu, but TF_CONFIG names 2 processes"),
        ("none", TWO, "is none, but TF_CONFIG names 2 processes; set it to multi_worker, or unset TF_CONFIG"),
        ("mirrored", TWO, "is mirrored, but TF_CONFIG names 2 processes"),
    ],
)
def test_what_contradicts_is_refused(strategy, environment, told, monkeypatch):
    if environment is not None:
        monkeypatch.setenv("TF_CONFIG", json.dumps(environment))
    with pytest.raises(InputError, match=f"^training.strategy: {told}"):
        start_workers(strategy, batch_size=8)


def test_devices_of_one_machine():
    subprocess.run([sys.executable, "-c", ON_TWO_DEVICES], check=True, timeout=300)


def test_a_tpu_that_does_not_answer_is_told_in_a_line():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # A server that says nothing, and a port where there is none.
        for port in (silent.getsockname()[1], 1):
            place = f"grpc://127.0.0.1:{port}"
            told = (
                f"^training.tpu: {place} cannot be reached within 0.5 seconds; correct the address, or start the TPU$"
            )
            with pytest.raises(InputError, match=told):
                tpu_strategy(place, seconds=0.5)


@pytest.mark.parametrize("address", ["http://10.0.0.2:8470", "grpc://10.0.0.2", "grpc://:80"])
def test_what_is_no_address_of_a_tpu(address):
    with pytest.raises(InputError, match=f"^training.tpu: '{address}' is no address; write it like grpc://10"):
        start_workers("auto", batch_size=8, tpu=address)


@pytest.mark.parametrize(
    ("look_up", "told"),
    [(lambda: time.sleep(5), "took more than 0.2 seconds"), (lambda: int("x"), r"failed \(invalid literal .*'x'\)")],
)
def test_a_name_that_is_not_found(monkeypatch, look_up, told):
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", lambda tpu: look_up())
    mend = "correct the name, or give grpc://host:port"
    with pytest.raises(InputError, match=rf"^training.tpu: looking up the TPU 'ours' {told}; {mend}$"):
        tpu_strategy("ours", seconds=0.2)
