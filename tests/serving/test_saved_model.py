"""A SavedModel run through its session gives what its own signatures give."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from tfdomain.serving.predictor import predict
from tfdomain.serving.saved_model import LoadedModel, read_meta_graph
from tfdomain.serving.status import ServingError


@pytest.fixture(scope="module")
def model(everything):
    loaded = LoadedModel(everything / "7")
    yield loaded
    loaded.close()


INPUTS = {
    "serving_default": {"x": np.array([1, -4, np.nan], np.float32)},
    "two": {"a": np.array([[1, 2], [3, 4]], np.float32), "b": np.array([5, -6], np.int32)},
    "text": {"text": np.array([b"gut", "ä".encode()], object)},
    "classify": {
        "inputs": np.array(
            [
                tf.train.Example(
                    features=tf.train.Features(
                        feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[0.25]))}
                    )
                ).SerializeToString()
            ],
            object,
        )
    },
}


@pytest.mark.parametrize("name", INPUTS)
def test_signatures_give_what_tensorflow_gives(model, everything, name):
    expected = tf.saved_model.load(everything / "7").signatures[name](
        **{key: tf.constant(value) for key, value in INPUTS[name].items()}
    )
    outputs = predict(model, model.signatures[name], INPUTS[name])
    assert outputs.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(outputs[key], value.numpy())


def test_many_threads_share_a_model(model):
    results = {}

    def ask(number):
        inputs = {"x": np.full(3, number, np.float32)}
        results[number] = [predict(model, model.signatures["serving_default"], inputs)["y"].tolist() for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [[number / 2 + 2] * 3] * 20 for number in range(16)}


def test_a_tf1_model_with_an_asset_is_served(tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("zero\none\n")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        text = tf.compat.v1.placeholder(tf.string, [None])
        unused = tf.compat.v1.placeholder(tf.float32, [])
        line, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        words = tf.lookup.TextFileInitializer(str(vocabulary), tf.string, line, tf.int64, number)
        table = tf.lookup.StaticVocabularyTable(words, 1)
        ids = table.lookup(text)
        session.run(tf.compat.v1.tables_initializer())
        tf.compat.v1.saved_model.simple_save(
            session,
            str(tmp_path / "1"),
            {"text": text, "unused": unused},
            {"ids": ids},
            legacy_init_op=tf.compat.v1.tables_initializer(),
        )
    vocabulary.unlink()
    model = LoadedModel(tmp_path / "1")
    inputs = {"text": np.array([b"one", b"zero", b"two"], object), "unused": np.float32(1)}
    inputs["unused"] = np.asarray(inputs["unused"])
    assert predict(model, model.signatures["serving_default"], inputs)["ids"].tolist() == [1, 0, 2]
    model.close()


def test_no_loader_notice_reaches_the_log(everything, caplog):
    LoadedModel(everything / "7").close()
    assert not [record for record in caplog.records if "deprecated" in record.getMessage()]


def test_a_deadline_ends_a_run_and_leaves_the_model_usable(model):
    steps = {"steps": np.array(10**12)}
    with pytest.raises(ServingError, match=r"^DEADLINE_EXCEEDED: Timed out waiting for notification$"):
        predict(model, model.signatures["count"], steps, timeout=0.3)
    assert predict(model, model.signatures["count"], {"steps": np.array(5)}, timeout=30)["steps"] == 5


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_meta_graph(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ServingError, match="Could not find meta graph def matching supplied tags"):
        read_meta_graph(tmp_path)
