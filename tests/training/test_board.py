import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.pr_curve.metadata import PLUGIN_NAME as PR_CURVES

from tfdomain.errors import InputError, TfdomainError
from tfdomain.evaluation.figures import confusion_matrix_png
from tfdomain.training.board import MAX_PR_CURVES, TensorBoardLogger


def train(folder, first, last, *, epoch_every=50, score=1.0, killed=False):
    """Steps `first + 1` to `last` of a run, logged as fit logs them."""
    board = TensorBoardLogger(folder)
    model = SimpleNamespace(step=first)
    board.set_model(model)
    board.log_text("config", "```yaml\nepochs: 4\n```")
    board.on_train_begin()
    for step in range(first + 1, last + 1):
        model.step = step
        board.on_train_batch_end(step, {"loss": score / step, "learning_rate": 1e-4, "note": "no number"})
        if step % epoch_every == 0:
            board.on_epoch_end(step // epoch_every - 1, {"loss": score / step, "val_macro_f1": step / 1000})
    if not killed:
        board.close()
    return board


def read(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def points(accumulator, tag):
    return [(event.step, round(event.value, 6)) for event in accumulator.Scalars(tag)]


def test_scalars_stand_by_step_and_by_epoch(tmp_path):
    train(tmp_path, 0, 150)
    accumulator = read(tmp_path)
    assert set(accumulator.Tags()["scalars"]) == {
        "train_step/loss", "train_step/learning_rate", "train_step/memory_bytes", "epoch/loss", "validation/macro_f1",
    }  # fmt: skip
    assert points(accumulator, "epoch/loss") == [(50, 0.02), (100, 0.01), (150, round(1 / 150, 6))]
    assert points(accumulator, "validation/macro_f1") == [(50, 0.05), (100, 0.1), (150, 0.15)]
    assert [step for step, _ in points(accumulator, "train_step/loss")] == [
        *range(1, 101),
        *range(110, 151, 10),
    ]
    # TensorFlow alone takes more than 100 MB.
    assert all(1e8 < value < 1e12 for _, value in points(accumulator, "train_step/memory_bytes"))


def test_every_record_is_on_the_disk_before_the_call_returns(tmp_path):
    board = train(tmp_path, 0, 7, killed=True)
    assert len(read(tmp_path).Scalars("train_step/loss")) == 7
    board.close()


def test_a_resumed_run_has_no_point_twice(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train(whole, 0, 200)
    train(resumed, 0, 120, score=1.0, killed=True)
    train(resumed, 100, 115, killed=True)  # killed again before the next checkpoint
    train(resumed, 100, 200)
    for tag in ("train_step/loss", "train_step/learning_rate", "epoch/loss", "validation/macro_f1"):
        assert points(read(resumed), tag) == points(read(whole), tag)
    assert len(read(resumed).Tensors("config")) == 1


def test_what_follows_the_last_checkpoint_is_replaced_by_the_new_values(tmp_path):
    train(tmp_path, 0, 120, score=1.0, killed=True)
    train(tmp_path, 60, 100, score=2.0)
    assert points(read(tmp_path), "train_step/loss") == [
        (step, round((1 if step <= 60 else 2) / step, 6)) for step in range(1, 101)
    ]
    assert points(read(tmp_path), "epoch/loss") == [(50, 0.02), (100, 0.02)]


def test_an_epoch_that_ends_at_the_checkpoint_is_not_logged_twice(tmp_path):
    train(tmp_path, 0, 100, killed=True)
    board = TensorBoardLogger(tmp_path)
    board.set_model(SimpleNamespace(step=100))
    board.on_train_begin()
    board.on_epoch_end(1, {"loss": 0.01, "val_macro_f1": 0.1, "val_accuracy": 0.5})
    board.close()
    assert points(read(tmp_path), "epoch/loss") == [(50, 0.02), (100, 0.01)]
    assert points(read(tmp_path), "validation/accuracy") == [(100, 0.5)]
    assert points(read(tmp_path), "train_step/loss")[-1] == (100, 0.01)


def test_a_run_without_a_checkpoint_begins_from_nothing(tmp_path):
    train(tmp_path, 0, 60, score=1.0, killed=True)
    train(tmp_path, 0, 50, score=2.0)
    assert points(read(tmp_path), "train_step/loss") == [(step, round(2 / step, 6)) for step in range(1, 51)]
    assert len(read(tmp_path).Tensors("config")) == 1


def test_a_half_written_record_does_not_stop_a_resume(tmp_path):
    train(tmp_path, 0, 20, epoch_every=10)
    (file,) = tmp_path.iterdir()
    os.truncate(file, file.stat().st_size - 5)
    train(tmp_path, 10, 20, epoch_every=10)
    assert points(read(tmp_path), "train_step/loss") == [(step, round(1 / step, 6)) for step in range(1, 21)]


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TfdomainError, match="TensorBoard's log cannot be written") as caught:
        train(tmp_path / "file" / "board", 0, 1)
    assert "\n" not in str(caught.value)


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(InputError, match="every is 0"):
        TensorBoardLogger(tmp_path, every=0)
    with pytest.raises(InputError, match="picture: the picture is not a PNG file"):
        TensorBoardLogger(tmp_path).log_image("picture", b"GIF89a", 1)


def test_what_is_logged_without_training_is_added_to_what_is_there(tmp_path):
    train(tmp_path, 0, 60)
    for _ in range(2):  # what ends after the last step may be killed and done again
        board = TensorBoardLogger(tmp_path)
        board.log_text("verdict", "release", 60)
        board.close()
    accumulator = read(tmp_path)
    assert len(accumulator.Scalars("train_step/loss")) == 60
    assert [event.step for event in accumulator.Tensors("verdict")] == [60]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    writer = tf.io.TFRecordWriter
    monkeypatch.setattr(tf.io, "TFRecordWriter", lambda path: writer("/dev/full"))
    with pytest.raises(TfdomainError, match=r"cannot be written .*free some space"):
        train(tmp_path, 0, 1)


def test_pr_curves_hold_the_counts_at_each_threshold(tmp_path):
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 3, 500), random.dirichlet(np.ones(4), 500)
    board = TensorBoardLogger(tmp_path)
    board.log_pr_curves(labels, probabilities, ["a", "b", "信用", "absent"], 7)
    board.close()
    accumulator = read(tmp_path)
    assert sorted(accumulator.PluginTagToContent(PR_CURVES)) == [
        f"pr_curve/{name}/pr_curves" for name in ("a", "b", "信用")
    ]
    (event,) = accumulator.Tensors("pr_curve/信用/pr_curves")
    curve = tf.make_ndarray(event.tensor_proto)
    scores = probabilities[:, 2].astype("float32")
    for place, threshold in ((0, 0.0), (50, 0.25), (100, 0.5), (200, 1.0)):
        chosen = scores >= threshold
        counts = [np.sum(chosen & (labels == 2)), np.sum(chosen & (labels != 2))]
        np.testing.assert_array_equal(curve[:2, place], counts)
    assert event.step == 7


def test_pr_curves_of_several_labels_a_row(tmp_path):
    random = np.random.default_rng(0)
    labels, probabilities = (random.random((200, 3)) < [0.2, 0.0, 0.7]).astype("int32"), random.random((200, 3))
    board = TensorBoardLogger(tmp_path)
    board.log_pr_curves(labels, probabilities, ["a", "absent", "信用"], 7)
    board.close()
    accumulator = read(tmp_path)
    assert sorted(accumulator.PluginTagToContent(PR_CURVES)) == ["pr_curve/a/pr_curves", "pr_curve/信用/pr_curves"]
    (event,) = accumulator.Tensors("pr_curve/信用/pr_curves")
    chosen = probabilities[:, 2].astype("float32") >= 0.5
    counts = [np.sum(chosen & (labels[:, 2] == 1)), np.sum(chosen & (labels[:, 2] == 0))]
    np.testing.assert_array_equal(tf.make_ndarray(event.tensor_proto)[:2, 100], counts)


def test_histograms_hold_the_counts_of_their_buckets(tmp_path):
    values = np.random.default_rng(0).normal(size=1000)
    board = TensorBoardLogger(tmp_path)
    board.log_histograms({"weights/kernel": np.histogram(values, 30)}, 4)
    board.close()
    (event,) = read(tmp_path).Tensors("weights/kernel")
    buckets = tf.make_ndarray(event.tensor_proto)
    assert event.step == 4 and buckets.shape == (30, 3)
    assert (buckets[0, 0], buckets[-1, 1]) == (values.min(), values.max())
    for left, right, count in buckets[:-1]:
        assert count == np.sum((values >= left) & (values < right))


def test_parts_of_the_data_have_curves_of_their_own(tmp_path):
    board = TensorBoardLogger(tmp_path)
    for group in ("validation", "test"):
        board.log_pr_curves([0, 1], np.array([[0.8, 0.2], [0.3, 0.7]]), ["a", "b"], 5, group=group)
    board.close()
    assert set(read(tmp_path).PluginTagToContent(PR_CURVES)) == {
        f"{group}/{name}/pr_curves" for group in ("validation", "test") for name in "ab"
    }


def test_many_classes_get_curves_up_to_the_cap_with_a_note(tmp_path):
    num_classes = MAX_PR_CURVES + 20
    labels = np.concatenate([np.arange(num_classes), np.arange(20, num_classes)])
    board = TensorBoardLogger(tmp_path)
    probabilities = np.full((len(labels), num_classes), 1 / num_classes)
    board.log_pr_curves(labels, probabilities, [f"class {index}" for index in range(num_classes)], 1)
    board.close()
    accumulator = read(tmp_path)
    tags = accumulator.PluginTagToContent(PR_CURVES)
    assert set(tags) == {f"pr_curve/class {index}/pr_curves" for index in range(20, num_classes)}
    description = accumulator.SummaryMetadata("pr_curve/class 20/pr_curves").summary_description
    assert f"The {MAX_PR_CURVES} classes with the most examples, of {num_classes}." in description


def traced_function():
    vocabulary = tf.constant([f"word {index}" for index in range(5_000)])
    weight = tf.Variable(tf.ones([3, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="features")])
    def predict(features):
        return tf.gather(vocabulary, tf.argmax(features @ weight, axis=1))

    return predict.get_concrete_function()


def test_the_graph_is_stored_without_its_large_constants(tmp_path):
    board = TensorBoardLogger(tmp_path)
    board.log_graph(traced_function())
    board.close()
    graph = read(tmp_path).Graph()
    assert {"features", "ArgMax"} <= {node.name for node in graph.node}
    assert graph.ByteSize() < 20_000


# TensorBoard has two readers of event files, with different rules for a restart; the second starts slowly.
READERS = [
    pytest.param("auto", id="default reader"),
    pytest.param("false", id="Python reader", marks=pytest.mark.real),
]


@pytest.fixture(scope="module", params=READERS)
def served(request, tmp_path_factory):
    """The address of a TensorBoard, with either of its two readers, over a resumed run with everything in it."""
    runs = tmp_path_factory.mktemp("runs")
    train(runs / "demo", 0, 120, killed=True)
    board = train(runs / "demo", 100, 200, killed=True)
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 3, 300), random.dirichlet(np.ones(3), 300)
    matrix = np.zeros((3, 3), int)
    np.add.at(matrix, (labels, probabilities.argmax(1)), 1)
    board.log_graph(traced_function())
    board.log_image("test/confusion_matrix", confusion_matrix_png(matrix, ["a", "b", "c"]), 200)
    board.log_pr_curves(labels, probabilities, ["a", "b", "c"], 200)
    board.close()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", "0"]
    command += ["--host", "127.0.0.1", f"--load_fast={request.param}"]
    with open(runs / "server.log", "w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield address_of(server, runs / "server.log")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def address_of(server, log, deadline=60.0):
    started = time.monotonic()
    while time.monotonic() - started < deadline and server.poll() is None:
        if "http://" in log.read_text():
            address = "http://" + log.read_text().split("http://")[1].split("/")[0]
            try:
                # The curves were logged last: with them everything has been read.
                if len(ask(address, "plugin/pr_curves/tags").get("demo", ())) == 3:
                    return address
            except urllib.error.URLError:
                pass
        time.sleep(0.3)
    raise AssertionError(f"TensorBoard did not start: {log.read_text()}")


def ask(address, path, **query):
    with urllib.request.urlopen(
        f"{address}/data/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else ""), timeout=20
    ) as reply:
        body = reply.read()
    return json.loads(body) if body[:1] in (b"{", b"[") else body


def test_tensorboard_serves_each_tab(served):
    assert set(ask(served, "plugin/scalars/tags")["demo"]) == {
        "train_step/loss", "train_step/learning_rate", "train_step/memory_bytes", "epoch/loss", "validation/macro_f1",
    }  # fmt: skip
    assert set(ask(served, "plugin/pr_curves/tags")["demo"]) == {f"pr_curve/{n}/pr_curves" for n in "abc"}
    assert list(ask(served, "plugin/images/tags")["demo"]) == ["test/confusion_matrix"]
    assert ask(served, "plugin/text/tags") == {"demo": ["config"]}
    assert ask(served, "plugin/graphs/info")["demo"]["run_graph"] is True


def test_tensorboard_shows_no_point_twice_after_a_resume(served):
    steps = [step for _, step, _ in ask(served, "plugin/scalars/scalars", run="demo", tag="train_step/loss")]
    assert steps == [*range(1, 101), *range(110, 201, 10)]
    steps = [step for _, step, _ in ask(served, "plugin/scalars/scalars", run="demo", tag="validation/macro_f1")]
    assert steps == [50, 100, 150, 200]


def test_tensorboard_shows_the_content(served):
    (text,) = ask(served, "plugin/text/text", run="demo", tag="config")
    assert "<code" in text["text"] and "epochs: 4" in text["text"]
    (image,) = ask(served, "plugin/images/images", run="demo", tag="test/confusion_matrix", sample=0)
    assert image["step"] == 200
    assert ask(served, f"plugin/images/individualImage?{image['query']}")[:4] == b"\x89PNG"
    curve = ask(served, "plugin/pr_curves/pr_curves", run="demo", tag="pr_curve/a/pr_curves")["demo"][0]
    # TensorBoard cuts the thresholds that no score reaches.
    assert 150 < len(curve["precision"]) == len(curve["recall"]) == len(curve["thresholds"]) <= 201
    assert b"ArgMax" in ask(served, "plugin/graphs/graph", run="demo", conceptual="false")
    layout = ask(served, "plugin/custom_scalars/layout")
    assert [chart["title"] for chart in layout["category"][0]["chart"]] == ["loss", "macro_f1"]
