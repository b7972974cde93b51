"""TensorBoard on a folder of runs."""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import tensorflow as tf

from tfdomain.cli import main
from tfdomain.errors import InputError, TfdomainError
from tfdomain.serving.board import start_board

TAGS = "data/plugin/scalars/tags"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two runs, each with a scalar of its own."""
    folder = tmp_path_factory.mktemp("runs")
    for name, value in {"first": 0.25, "second": 0.5}.items():
        with tf.summary.create_file_writer(str(folder / name / "tensorboard")).as_default():
            tf.summary.scalar(f"loss_of_{name}", value, step=3)
    return folder


def fetch(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def tags_at(url, count):
    """The scalars of each run, once TensorBoard has read as many runs."""
    for _ in range(120):
        tags = fetch(f"{url}{TAGS}")
        if len(tags) >= count:
            return tags
        time.sleep(0.25)
    raise AssertionError(tags)


def test_runs_are_shown_with_their_values(runs):
    url = start_board(runs, port=0)
    tags = tags_at(url, 2)
    assert {run: list(found) for run, found in tags.items()} == {
        "first/tensorboard": ["loss_of_first"],
        "second/tensorboard": ["loss_of_second"],
    }
    [(_, step, value)] = fetch(f"{url}data/plugin/scalars/scalars?run=second%2Ftensorboard&tag=loss_of_second")
    assert (step, value) == (3, 0.5)


@pytest.mark.thorough
def test_the_command_shows_one_run_until_it_is_interrupted(runs):
    command = [sys.executable, "-u", "-m", "tfdomain", "board", str(runs / "first"), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    # What runs in the background of a shell is deaf to interrupts, and so are its children unless told otherwise.
    hears = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=hears) as process:
        try:
            url = re.fullmatch(r"TensorBoard on .*: (http://127\.0\.0\.1:\d+/)\n", process.stdout.readline())[1]
            assert list(tags_at(url, 1)) == ["tensorboard"]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_taken_port_is_one_line(runs):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TfdomainError, match=rf"--port: port {port} cannot be used.*choose another with --port"):
            start_board(runs, port=port)


def test_a_host_that_is_none_is_one_line(runs):
    with pytest.raises(InputError, match=r"--host: no\.such\.host\.invalid is no address"):
        start_board(runs, host="no.such.host.invalid", port=0)


def test_a_missing_tensorboard_is_one_line(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(TfdomainError, match=r"TensorBoard cannot be imported.*pip install 'tensorboard>="):
        start_board(runs, port=0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("none", "none: no such folder"), ("file", "file: is a file"), ("empty", "empty: holds no logs of TensorBoard")],
)
def test_a_folder_without_logs_is_one_line(tmp_path, capsys, name, expected):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty/model").mkdir(parents=True)
    (tmp_path / "empty/model/config.json").write_text("{}")
    with pytest.raises(SystemExit) as end:
        main(["board", str(tmp_path / name)])
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert expected in line
