"""A chief and its workers over gRPC, and what becomes of a worker that is gone."""

import dataclasses
import json
import socket
import threading
import time

import pytest

import tfdomain
from tfdomain.config import load_experiment
from tfdomain.errors import InputError, TfdomainError
from tfdomain.search.chief import Chief, Outcome
from tfdomain.search.remote import RemoteChief, place_from, serving


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def make_chief(file, folder, **options) -> Chief:
    experiment = load_experiment(file)
    return Chief(experiment, experiment.search, folder, **options)


def outcome(value: float) -> Outcome:
    return Outcome(1.0, metrics={"validation": {"macro_f1": value}})


def test_a_worker_far_away_sees_what_one_here_sees(write_experiment, tmp_path):
    chief, address = make_chief(write_experiment(trials=2), tmp_path), f"127.0.0.1:{free_port()}"
    with serving(chief, address):
        far = RemoteChief(address)
        first = far.take("a")
        assert (first.trial, first.attempt, set(first.values)) == (
            "001", 1, {"training.learning_rate", "model.pooling"},
        )  # fmt: skip
        assert far.beat(first, {"epoch": 1})
        assert chief.under_way()["001"][1] == {"epoch": 1}
        second = far.take("b")
        far.end(first, outcome(0.5))
        assert far.take("a") == "wait"
        far.end(second, Outcome(1.0, problem="it broke", error="line\nit broke"))
        assert far.take("a") == far.take("b") == "done"
        assert chief.is_over()
    assert [(line["state"], line["error"]) for line in chief.lines] == [
        ("completed", None), ("failed", "line\nit broke"),
    ]  # fmt: skip
    with pytest.raises(TfdomainError, match="the chief does not answer"):
        RemoteChief(address, patience_seconds=0.1).take("a")


def test_the_trial_of_a_silent_worker_is_given_to_another(write_experiment, tmp_path):
    chief = make_chief(write_experiment(trials=1), tmp_path, silence_seconds=0.5)
    lost = chief.take("gone")
    assert chief.take("other") == "wait"
    time.sleep(0.6)
    again = chief.take("other")
    assert again == dataclasses.replace(lost, attempt=2)
    # What the first one says now comes too late.
    assert not chief.beat(lost, {})
    chief.end(lost, outcome(0.1))
    assert chief.beat(again, {})
    chief.end(again, outcome(0.7))
    assert chief.take("other") == "done" and chief.is_over()
    assert chief.lines[0]["attempts"] == 2 and chief.lines[0]["metrics"]["validation"]["macro_f1"] == 0.7


def test_a_worker_that_began_again_gets_its_trial_again(write_experiment, tmp_path):
    chief = make_chief(write_experiment(trials=2), tmp_path)
    first = chief.take("a")
    assert chief.take("a") == dataclasses.replace(first, attempt=2)


def test_a_search_over_processes(write_experiment, pretended, tmp_path, monkeypatch):
    """A chief and a worker, each as `tune` of its own; here in two threads with environments of their own."""
    file, port = write_experiment(trials=3), free_port()
    here = threading.local()
    places = {"chief": place_from(environment("chief", port)), "worker": place_from(environment("worker", port))}
    monkeypatch.setattr("tfdomain.search.tuning.place_from", lambda _: places[here.name])
    found = {}

    def run(name):
        here.name = name
        found[name] = tfdomain.tune(file, tmp_path / "search")

    threads = [threading.Thread(target=run, args=[name]) for name in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found["worker"] is None
    assert [line["state"] for line in found["chief"].trials] == ["completed"] * 3


def environment(name: str, port: int) -> dict[str, str]:
    return {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }


def test_a_port_that_is_taken_is_refused(write_experiment, pretended, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in environment("chief", taken.getsockname()[1]).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(TfdomainError, match=r"KERASTUNER_ORACLE_PORT: 127.0.0.1:\d+ cannot be listened on; stop"):
            tfdomain.tune(write_experiment(), tmp_path / "search")
    assert not pretended.begun


def test_places():
    assert place_from({}) is None
    assert place_from(environment("chief-0", 80)).is_chief
    assert place_from(environment("tuner0", 80) | {"KERASTUNER_ORACLE_IP": "::1"}).address == "[::1]:80"
    with pytest.raises(InputError, match="KERASTUNER_ORACLE_IP: is not set, and others of KerasTuner's are"):
        place_from({"KERASTUNER_TUNER_ID": "a", "KERASTUNER_ORACLE_PORT": "1"})
    with pytest.raises(InputError, match="'x' is no port"):
        place_from(environment("a", 1) | {"KERASTUNER_ORACLE_PORT": "x"})


def test_the_files_are_whole_after_every_step(write_experiment, tmp_path):
    """Whatever a chief did last, another that begins with its folder knows it."""
    file = write_experiment(trials=3)
    chief = make_chief(file, tmp_path)
    done = chief.take("a")
    chief.end(done, outcome(0.5))
    broken = chief.take("a")
    chief.flush()
    chief = make_chief(file, tmp_path)
    assert [line["state"] for line in chief.lines] == ["completed", "running"]
    assert chief.take("b") == dataclasses.replace(broken, attempt=2)
    assert chief.take("c").trial == "003"
    chief.flush()
    assert json.loads((tmp_path / "search.json").read_text())["lines"] == chief.lines
