"""Two real processes that train together, over the loopback."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.thorough

SECONDS = 420
FIT = """
import sys
import numpy as np
import tensorflow as tf

target, folder = sys.argv[1:]
workers = None
if target != "alone":
    from tfdomain.training.strategies import start_workers

    workers = start_workers("multi_worker", batch_size=8)
strategy = workers.strategy if workers else tf.distribute.get_strategy()

from tfdomain.config import FitOptions
from tfdomain.models.classifier import TextClassifier

random = np.random.default_rng(0)
texts = [" ".join(random.choice(["loan", "debt", "car", "paid", "the"], random.integers(1, 12))) for _ in range(33)]
labels = ["late" if "debt" in text else "repaid" for text in texts]
for optimizer, rate in {"sgd": 0.05, "adamw": 1e-3}.items():
    with strategy.scope():
        model = TextClassifier.from_pretrained(f"{folder}/checkpoint", labels=["late", "repaid"], dropout_rate=0.0)
        begun = [np.array(variable) for variable in model.weights]
        options = FitOptions(epochs=4, optimizer=optimizer, learning_rate=rate, batch_size=8)
        source = model.training_batches(texts, model.encode_labels(labels), options=options)
        model.prepare_training(options, source.num_batches)
        history = model.fit_batches(source, verbose=0)
    assert model.step == 20 and model.loop_state.examples_seen == 132
    weights = [np.asarray(variable) for variable in model.weights]
    losses = np.array(history.history["loss"])
    np.savez(f"{folder}/{optimizer}_{target}.npz", losses, *begun, *weights)
if workers:
    told = workers.from_chief(lambda: {"who": workers.index, "text": "x" * 1001, "nothing": float("nan")})
    assert told["who"] == 0 and len(told["text"]) == 1001 and told["nothing"] != told["nothing"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_checkpoint, write_tiny_experiment, labelled_texts):
    """An experiment on 181 rows, of which a batch of 8 leaves 1 over."""
    folder = tmp_path_factory.mktemp("workers")
    make_checkpoint(folder / "checkpoint")
    rows = [*zip(*labelled_texts, strict=True)]
    training = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01, "checkpoint_seconds": 0, "best": "accuracy"}
    files = {"train": [*rows * 3, rows[0]], "validation": rows[:21]}
    write_tiny_experiment(folder, files, encoder="checkpoint", max_length=32, training=training)
    return folder


@pytest.fixture(scope="module")
def train(folder, start_pair):
    """Starts `tfdomain train` twice, with further arguments of both, and of the second one, or another file of its."""
    command = ["-m", "tfdomain", "train"]

    def start(*more, own=(), file="tiny.yaml"):
        first = [*command, "tiny.yaml", "--run-dir", "run0", *more]
        return start_pair([first, [*command, file, "--run-dir", "run1", *more, *own]], folder)

    return start


def ended_well(pair):
    ends = pair.end()
    assert [code for code, _, _ in ends] == [0, 0], ends
    return ends


def weights_of(run):
    return load_file(run / "model/model.safetensors")


@pytest.fixture(scope="module")
def fitted(folder, start_pair):
    """A folder with what two processes and one alone learned, with each optimizer."""
    ended_well(start_pair([["-c", FIT, str(index), str(folder)] for index in (0, 1)], folder))
    subprocess.run([sys.executable, "-c", FIT, "alone", str(folder)], check=True, timeout=SECONDS)
    return folder


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_two_processes_learn_what_one_learns(fitted, optimizer):
    alone, first, second = ([*np.load(fitted / f"{optimizer}_{name}.npz").values()] for name in ("alone", "0", "1"))
    np.testing.assert_allclose(first[0], alone[0], atol=1e-5)
    count = (len(alone) - 1) // 2
    begun, alone, first, second = alone[1 : count + 1], alone[count + 1 :], first[count + 1 :], second[count + 1 :]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    if optimizer == "sgd":
        for one, other in zip(first, alone, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert distance(first, alone) < 0.01 * distance(alone, begun)


def distance(some, others):
    return np.sqrt(sum(np.sum((one - other) ** 2.0) for one, other in zip(some, others, strict=True)))


@pytest.fixture(scope="module")
def finished(folder, train):
    """What both processes of a whole run printed."""
    ends = ended_well(train())
    (folder / "run0").rename(folder / "whole")
    return ends


def test_the_chief_alone_writes(folder, finished):
    assert not (folder / "run1").exists()
    progress = json.loads((folder / "whole/progress.json").read_text())
    figures = progress.pop("figures")
    assert progress == {
        "step": 69, "num_steps": 69, "epoch": 3, "examples_seen": 543, "replicas": 2, "resumed_from_step": None,
    }  # fmt: skip
    metrics = json.loads((folder / "whole/metrics.json").read_text())
    assert metrics["validation"]["num_examples"] == 21
    assert figures["val_accuracy"] == metrics["validation"]["accuracy"]
    # Both print the same report, and the chief alone its progress.
    (_, chiefs, _), (_, others, _) = finished
    assert "epoch 3/3" in chiefs and "epoch 3/3" not in others
    assert f"{metrics['validation']['accuracy']:.4f}" in others


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_stops_all_and_resume_ends_with_the_same_weights(folder, train, finished, victim):
    run = folder / "run0"
    pair = train()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and pair.processes[0].poll() is None:
        progress = run / "progress.json"
        if progress.is_file() and json.loads(progress.read_text())["step"] >= 3:
            break
        time.sleep(0.01)
    pair.processes[victim].send_signal(signal.SIGKILL)
    ends = pair.end()
    code, _, told = ends[1 - victim]
    assert ends[victim][0] == -signal.SIGKILL and code == 1, ends
    lost = f"worker {1 - victim} ({pair.addresses[1 - victim]}): lost contact with worker {victim}"
    assert f"error: {lost}, and a training goes on with all or none; see what" in told, told
    assert not (run / "metrics.json").exists(), "the run ended before it could be killed"
    ends = ended_well(train("--resume"))
    assert "resumed from step" in ends[0][1]
    assert json.loads((run / "progress.json").read_text())["resumed_from_step"] > 0
    for name, tensor in weights_of(folder / "whole").items():
        np.testing.assert_array_equal(weights_of(run)[name], tensor, err_msg=name)
    run.rename(folder / f"resumed{victim}")


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("training.epochs=2", "has experiment.training.epochs=2, and the chief 3"),
        ("data.train=missing.csv", "missing.csv: no such file"),
    ],
)
def test_what_differs_is_refused_by_all(folder, train, own, told):
    ends = train("--set", "name=other", own=("--set", own)).end()
    assert [code for code, _, _ in ends] in ([2, 2], [1, 2]), ends
    assert told in ends[1][2]
    # TensorFlow may log the broken connection above it.
    assert ends[0][2].splitlines()[-1].startswith("error: worker "), ends
    assert not (folder / "run0").exists()


@pytest.mark.parametrize("thing", ["data", "weights"])
def test_files_that_differ_are_refused_by_all(folder, train, tmp_path, make_checkpoint, thing):
    for name in ("tiny.yaml", "train.csv", "validation.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    make_checkpoint(tmp_path / "checkpoint", seed=thing == "weights")
    if thing == "data":
        (tmp_path / "train.csv").write_bytes((folder / "train.csv").read_bytes() + b"we paid,repaid\n")
    ends = train(file=str(tmp_path / "tiny.yaml")).end()
    assert [code for code, _, _ in ends] == [2, 2], ends
    differs = rf"error: worker 1 .* has {thing}='.*', and the chief .*; give each worker the same"
    assert all(re.search(differs, told) for _, _, told in ends), ends
    assert not (folder / "run0").exists()


def test_a_lone_process_says_whom_it_waits_for(train):
    pair = train(own=("--set", "no.such=key"))
    try:
        line = pair.processes[0].stdout.readline()
    finally:
        pair.processes[0].terminate()
        ends = pair.end()
    assert line == f"worker 0 waits for worker 1 ({pair.addresses[1]})\n"
    assert ends[1][0] == 2
