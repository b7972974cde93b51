import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import metadata as hparams

import tfdomain
from tfdomain.config import load_experiment, save_config
from tfdomain.errors import InputError
from tfdomain.training.run import train

PICTURES = {
    "confusion_matrix": {"validation", "test"}, "reliability": {"validation", "test"}, "lengths": {"train"},
    "attention": {"validation"},
}  # fmt: skip


@pytest.fixture(scope="module")
def experiment_file(tmp_path_factory, write_tiny_experiment, labelled_texts):
    """An experiment on a CSV file of 200 rows."""
    rows = list(zip(*labelled_texts, strict=True))
    return write_tiny_experiment(
        tmp_path_factory.mktemp("experiment"),
        {"train": rows * 3, "test": rows[:20]},
        data={"validation": 0.2},
        max_length=32,
        model={"pooling": "mean"},
        training={"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "checkpoint_seconds": 0.0},
    )


@pytest.fixture(scope="module")
def finished(experiment_file, tmp_path_factory):
    """The folder of an uninterrupted run that keeps its best epoch."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    experiment = load_experiment(experiment_file, ["training.best=roc_auc"])
    train(experiment, folder, folder=experiment_file.parent, verbose=0)
    return folder


def test_run_folder(finished, labelled_texts):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert set(metrics) == {"validation", "test", "training"}
    assert metrics["validation"]["num_examples"] == 36
    assert metrics["test"]["num_examples"] == 20
    training = metrics["training"]
    # Three of the four epochs count, each without its first update.
    assert 0 < training["seconds"] * training["examples_per_second"] == pytest.approx(3 * (144 - 8))
    assert training["tokens_per_second"] > training["examples_per_second"] and 0 <= training["padding_share"] < 1
    assert 2**28 < training["peak_memory_bytes"] < 2**36
    progress = json.loads((finished / "progress.json").read_text())
    figures = progress.pop("figures")
    assert progress == {
        "step": 72, "epoch": 4, "examples_seen": 576, "replicas": 1, "resumed_from_step": None, "num_steps": 72,
    }  # fmt: skip
    assert figures["val_accuracy"] > 0 and figures["loss"] > 0
    environment = json.loads((finished / "environment.json").read_text())
    assert environment["versions"]["tfdomain"] == tfdomain.__version__
    assert len(environment["data_sha256"]) == 2
    assert environment["jit"] is False
    assert "accuracy" in (finished / "report.txt").read_text()
    assert load_experiment(finished / "config.yaml").training.epochs == 4
    assert not (finished / "state.safetensors").exists()
    model = tfdomain.load(finished / "model")
    texts, labels = labelled_texts
    assert model.evaluate(texts[:20], labels[:20])["accuracy"] == metrics["test"]["accuracy"]
    assert model.notes["data"]["label"] == "status"


def test_resume_keeps_whether_updates_are_compiled(finished, experiment_file, tmp_path):
    # Found out without compiling: batches of tokens cannot be, and nothing but the run's folder asks for it.
    experiment = load_experiment(experiment_file, ["training.batch_tokens=64", "training.batch_size=32"])
    save_config(experiment, tmp_path / "config.yaml")
    environment = json.loads((finished / "environment.json").read_text()) | {"jit": True}
    (tmp_path / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(InputError, match="what is compiled wants batches of equally many rows"):
        train(experiment, tmp_path, folder=experiment_file.parent, resume=True, verbose=0)


def test_best_epoch_becomes_the_model(finished):
    curve = _scalars(finished, "validation/roc_auc")
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["validation"]["roc_auc"] == pytest.approx(max(curve.values()), abs=1e-6)


def test_loss_falls(finished):
    losses = list(_scalars(finished, "epoch/loss").values())
    assert losses[-1] < 0.8 * losses[0]


def test_tensorboard_holds_curves_text_pictures_and_the_graph(finished):
    events = EventAccumulator(str(finished / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    tags = events.Tags()
    names = {name.split("/")[-1] for name in tags["scalars"]}
    assert {"loss", "learning_rate", "examples_per_second", "tokens_per_second", "accuracy"} <= names
    assert tags["graph"]
    assert any("confusion_matrix" in name for name in tags["images"])
    parts = {name: {tag.split("/")[0] for tag in tags["images"] if tag.endswith(name)} for name in PICTURES}
    assert parts == PICTURES
    assert {"memory_bytes", "gradient_norm", "padding_share"} <= names
    text = [name for name in tags["tensors"] if "config" in name]
    assert "learning_rate" in events.Tensors(text[0])[0].tensor_proto.string_val[0].decode()


def test_the_worst_mistakes_are_told_with_their_texts(finished, labelled_texts):
    texts, labels = labelled_texts
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    (event,) = events.Tensors("test/worst_mistakes")
    table = event.tensor_proto.string_val[0].decode()
    scores = tfdomain.load(finished / "model").predict(texts[:20])
    names = ["default", "repaid"]
    wrong = [row for row, label in enumerate(labels[:20]) if names[scores[row].argmax()] != label]
    wrong.sort(key=lambda row: -abs(scores[row, 0] - scores[row, 1]))
    shown = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in table.splitlines()[2:]]
    assert shown == [(str(row), texts[row], labels[row]) for row in wrong]


def test_the_points_are_the_validation_rows_vectors(finished, experiment_file):
    folder = finished / "tensorboard/points/validation"
    header, *rows = [line.split("\t") for line in (folder / "points.tsv").read_text().split("\n")[:-1]]
    assert header == ["row", "text", "label", "prediction"] and len(rows) == 36
    with open(experiment_file.parent / "train.csv", newline="") as file:
        told = [(row["reason"], row["status"]) for row in csv.DictReader(file)]
    assert all((text, label) == told[int(row)] for row, text, label, _ in rows)
    model = tfdomain.load(finished / "model")
    tokens = model.tokenizer([text for _, text, _, _ in rows], max_length=32)
    vectors = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder))).get_tensor("points")
    np.testing.assert_allclose(vectors, model.embed(tokens).numpy(), atol=1e-5)
    scores = model.predict([text for _, text, _, _ in rows])
    assert [prediction for *_, prediction in rows] == [["default", "repaid"][row] for row in scores.argmax(axis=1)]


def test_a_run_is_a_session(finished):
    session = EventAccumulator(str(finished / "tensorboard/session")).Reload()
    contents = session.PluginTagToContent("hparams")
    end = hparams.parse_session_end_info_plugin_data(contents[hparams.SESSION_END_INFO_TAG])
    start = hparams.parse_session_start_info_plugin_data(contents[hparams.SESSION_START_INFO_TAG])
    assert end.status == api_pb2.STATUS_SUCCESS and start.hparams["training.learning_rate"].number_value == 0.01
    metrics = json.loads((finished / "metrics.json").read_text())
    for part in ("validation", "test"):
        [event] = session.Scalars(f"final/{part}.macro_f1")
        assert event.value == pytest.approx(metrics[part]["macro_f1"], rel=1e-6)


def test_histograms_and_a_profile_are_there_when_asked_for(experiment_file, tmp_path):
    changes = ["board={histograms: true, profile: [2, 3], points: 0}", "training.epochs=1", "training.frozen_layers=1"]
    run_dir = tmp_path / "run"
    train(load_experiment(experiment_file, changes), run_dir, folder=experiment_file.parent, verbose=0)
    events = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    tags = set(events.PluginTagToContent("histograms"))
    model = tfdomain.load(run_dir / "model")
    trained = {"head/kernel", "head/bias", *(f"block_1/{weight.name}" for weight in model.encoder.blocks[1].weights)}
    shown = {name.split("encoder/")[-1] for name in (tag.split("/", 1)[1] for tag in tags if "weights/" in tag)}
    assert shown == trained == {tag.split("/", 1)[1].split("encoder/")[-1] for tag in tags if "gradients/" in tag}
    (event,) = events.Tensors("weights/head/kernel")
    buckets, kernel = tf.make_ndarray(event.tensor_proto), model.head.kernel.numpy()
    assert buckets[:, 2].sum() == kernel.size and buckets[0, 0] == pytest.approx(kernel.min())
    [profile] = (run_dir / "tensorboard").glob("plugins/profile/*/*.xplane.pb")
    # The marks by which the profile tells one update from the next.
    assert b"step_num" in profile.read_bytes()
    assert not (run_dir / "tensorboard/points").exists()


@pytest.mark.thorough
@pytest.mark.parametrize("after", [1, 30])
def test_killed_run_ends_with_the_same_weights(experiment_file, finished, tmp_path, after):
    arguments = [
        sys.executable, "-m", "tfdomain", "train", str(experiment_file), "--set", "training.best=roc_auc",
        "--run-dir", str(tmp_path / "run"),
    ]  # fmt: skip
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    progress, deadline = tmp_path / "run/progress.json", time.monotonic() + 300
    state = tmp_path / "run/state.safetensors"
    while time.monotonic() < deadline and process.poll() is None:
        if state.exists() and json.loads(progress.read_text())["step"] >= after:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run/metrics.json").exists(), "the run ended before it could be killed"
    done = subprocess.run([*arguments, "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(progress.read_text())["resumed_from_step"] > 0
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
    whole, resumed = (load_file(folder / "model/model.safetensors") for folder in (finished, tmp_path / "run"))
    for name, tensor in whole.items():
        np.testing.assert_array_equal(resumed[name], tensor, err_msg=name)
    resumed, whole = (json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "run", finished))
    # How fast it was is a process' own.
    assert resumed.pop("training")["peak_memory_bytes"] and whole.pop("training")["peak_memory_bytes"]
    assert resumed == whole
    assert set(_scalars(tmp_path / "run", "validation/roc_auc")) == set(_scalars(finished, "validation/roc_auc"))


def test_taken_folder_is_refused(finished, experiment_file):
    experiment = load_experiment(experiment_file)
    with pytest.raises(InputError, match="holds a run already; go on with --resume"):
        train(experiment, finished, folder=experiment_file.parent)


def test_resume_refuses_another_experiment(finished, experiment_file):
    experiment = load_experiment(experiment_file, ["training.learning_rate=0.5", "training.best=roc_auc"])
    with pytest.raises(InputError, match=r"training.learning_rate=0.01, and now it is 0.5"):
        train(experiment, finished, folder=experiment_file.parent, resume=True)


def test_resume_refuses_an_experiment_that_lacks_a_key(experiment_file, tmp_path):
    weights = "training.class_weights={default: 2, repaid: 3}"
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    save_config(load_experiment(experiment_file, [weights]), run_dir / "config.yaml")
    experiment = load_experiment(experiment_file, ["training.class_weights={default: 2}"])
    with pytest.raises(InputError, match=r"the run began with training\.class_weights\.repaid=3"):
        train(experiment, run_dir, folder=experiment_file.parent, resume=True)


def test_folder_of_a_run_that_was_killed_at_its_first_file_is_free(experiment_file, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.config.yaml.ab12_cd3").write_text("name: ti")
    experiment = load_experiment(experiment_file, ["training.epochs=1"])
    train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    assert not (tmp_path / "run/.config.yaml.ab12_cd3").exists()


@pytest.mark.thorough
def test_best_by_loss_is_the_validation_loss(experiment_file, tmp_path):
    experiment = load_experiment(experiment_file, ["training.best=loss", "training.epochs=2"])
    metrics = train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    notes = json.loads((tmp_path / "run/best/tfdomain.json").read_text())["notes"]
    assert notes["value"] == pytest.approx(metrics["validation"]["log_loss"], rel=1e-6)


@pytest.mark.thorough
def test_best_by_a_class(experiment_file, tmp_path):
    experiment = load_experiment(experiment_file, ["training.best=per_class.default.f1", "training.epochs=1"])
    metrics = train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    notes = json.loads((tmp_path / "run/best/tfdomain.json").read_text())["notes"]
    assert notes["value"] == metrics["validation"]["per_class"]["default"]["f1"]


def test_batches_of_tokens(experiment_file, tmp_path):
    experiment = load_experiment(experiment_file, ["training.batch_tokens=64", "training.batch_size=32"])
    metrics = train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    progress = json.loads((tmp_path / "run/progress.json").read_text())
    # 144 rows of up to 13 tokens, of which a batch has at least 4; every row is seen once an epoch.
    assert progress["examples_seen"] == 4 * 144 and 4 * 9 < progress["step"] < 4 * 36
    assert metrics["training"]["padding_share"] < 0.15
    with pytest.raises(InputError, match="batch_size and batch_tokens are both given"):
        load_experiment(experiment_file, ["training.batch_tokens=64"])
    few = load_experiment(experiment_file, ["training.batch_tokens=3", "training.batch_size=32"])
    with pytest.raises(InputError, match=r"batch_tokens: is 3, and a text has 1\d tokens"):
        train(few, tmp_path / "few", folder=experiment_file.parent)
    assert not (tmp_path / "few").exists()


def test_metric_that_the_rows_leave_undefined_is_refused_before_training(experiment_file, tmp_path):
    (tmp_path / "one.csv").write_text("reason,status\nwe paid,repaid\nmy car,repaid\n")
    settings = [f"data.validation={tmp_path / 'one.csv'}", "training.best=roc_auc"]
    with pytest.raises(InputError, match="'roc_auc' is undefined on these examples"):
        train(load_experiment(experiment_file, settings), tmp_path / "run", folder=experiment_file.parent)
    assert not (tmp_path / "run").exists()


@pytest.mark.thorough
def test_empty_text_is_a_fault_in_training_rows_alone(experiment_file, tmp_path):
    (tmp_path / "empty.csv").write_text('reason,status\nwe paid,repaid\n"",default\n')
    tested = load_experiment(experiment_file, [f"data.test={tmp_path / 'empty.csv'}", "training.epochs=1"])
    metrics = train(tested, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    assert metrics["test"]["num_examples"] == 2
    trained = load_experiment(experiment_file, [f"data.train={tmp_path / 'empty.csv'}"])
    with pytest.raises(InputError, match="line 3"):
        train(trained, tmp_path / "other", folder=experiment_file.parent)


def test_resume_of_a_complete_run_changes_nothing(finished, experiment_file):
    before = {path: os.stat(path).st_mtime_ns for path in finished.rglob("*")}
    experiment = load_experiment(experiment_file, ["training.best=roc_auc"])
    metrics = train(experiment, finished, folder=experiment_file.parent, resume=True)
    assert metrics == json.loads((finished / "metrics.json").read_text())
    assert before == {path: os.stat(path).st_mtime_ns for path in finished.rglob("*")}


def test_a_run_that_stops_early_goes_on_to_the_end_of_a_whole_one(experiment_file, tmp_path):
    """What a search does with a trial that it promotes: the learning rate falls over all epochs in both parts."""
    settings = ["training.epochs=2", "training.best=accuracy", "data.test=null"]
    whole = load_experiment(experiment_file, settings)
    expected = train(whole, tmp_path / "whole", folder=experiment_file.parent, verbose=0)
    run = tmp_path / "run"
    first = load_experiment(experiment_file, [*settings, "training.stop_after=1"])
    train(first, run, folder=experiment_file.parent, verbose=0)
    assert json.loads((run / "progress.json").read_text())["epoch"] == 1
    save_config(whole, run / "config.yaml")
    (run / "metrics.json").unlink()
    found = train(whole, run, folder=experiment_file.parent, resume=True, verbose=0)
    assert found["validation"] == expected["validation"]
    assert json.loads((run / "progress.json").read_text())["epoch"] == 2
    weights = [load_file(one / "model/model.safetensors") for one in (run, tmp_path / "whole")]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0] | weights[1])
    assert not (run / "state.safetensors").exists()
    with pytest.raises(InputError, match="stop_after is 3, and there are 2 epochs"):
        load_experiment(experiment_file, [*settings, "training.stop_after=3"])


@pytest.mark.thorough
def test_early_stopping(experiment_file, tmp_path):
    settings = ["training.best=accuracy", "training.patience=1", "training.learning_rate=1.0e-9", "training.epochs=9"]
    train(load_experiment(experiment_file, settings), tmp_path / "run", folder=experiment_file.parent, verbose=0)
    assert json.loads((tmp_path / "run/progress.json").read_text())["epoch"] == 2


def test_unknown_metric_is_refused_before_training(experiment_file, tmp_path):
    experiment = load_experiment(experiment_file, ["training.best=f1_score"])
    with pytest.raises(InputError, match="f1_score"):
        train(experiment, tmp_path / "run", folder=experiment_file.parent)


@pytest.fixture(scope="module")
def train_in(experiment_file, labelled_texts, tmp_path_factory):
    """The function that trains in a precision, in updates of two parts each, and gives what its model predicts."""

    def train_and_predict(precision):
        changes = ["training.accumulate=2", "training.epochs=2", "training.learning_rate=0.003"]
        experiment = load_experiment(experiment_file, [*changes, f"training.precision={precision}"])
        folder = tmp_path_factory.mktemp("precisions") / precision
        train(experiment, folder, folder=experiment_file.parent, verbose=0)
        model = tfdomain.load(folder / "model")
        assert model.encoder.compute_dtype == "float32"
        return model.predict(labelled_texts[0])

    return train_and_predict


@pytest.fixture(scope="module")
def in_32_bits(train_in):
    return train_in("float32")


@pytest.mark.thorough
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_run_in_16_bits_keeps_a_model_in_32(train_in, in_32_bits, capsys, precision):
    capsys.readouterr()
    apart = np.abs(train_in(precision) - in_32_bits).max()
    assert ("mixed_float16 is made for GPUs" in capsys.readouterr().out) == (precision == "mixed_float16")
    assert 0 < apart < 0.05


def _scalars(run, name):
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {event.step: event.value for event in events.Scalars(name)}
