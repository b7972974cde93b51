import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import tfdomain
from tfdomain.errors import InputError, TfdomainError
from tfdomain.models.export import graph_ops

TEXTS = [
    "my car is lost",
    "we paid",
    "",
    "please help with the money for school !",
    "the car [SEP] the house",
    "Ärger 🙂",
]
SECONDS = ["the bank", "", "a new job", "[CLS] yes", "no", "poor"]

# A server has TensorFlow and its text ops, and nothing of ours. It prints what each signature is and says.
CLEAN = """
import json, sys
import numpy as np, tensorflow as tf, tensorflow_text
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

def example(**texts):
    features = {n: tf.train.Feature(bytes_list=tf.train.BytesList(value=[t.encode()])) for n, t in texts.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

def spec(tensors):
    return {name: [tensor.dtype.name, tensor.shape.as_list()] for name, tensor in sorted(tensors.items())}

report = {}
for name, (folder, inputs) in json.load(open(sys.argv[1])).items():
    proto = saved_model_pb2.SavedModel.FromString(open(folder + "/saved_model.pb", "rb").read())
    [graph] = proto.meta_graphs
    own = {function.signature.name for function in graph.graph_def.library.function}
    ops = {node.op for node in graph.graph_def.node}
    ops |= {node.op for function in graph.graph_def.library.function for node in function.node_def}
    model = tf.saved_model.load(folder)
    tensors = {key: tf.constant(texts) for key, texts in inputs.items()}
    rows = [example(**dict(zip(inputs, row))) for row in zip(*inputs.values())]
    calls = {"serving_default": tensors, "embed": tensors, "classify": {"inputs": tf.constant(rows)}}
    answers, empty, specs = {}, {}, {}
    for key, signature in model.signatures.items():
        specs[key] = [spec(signature.structured_input_signature[1]), spec(signature.structured_outputs)]
        answer = signature(**calls[key])
        answers[key] = {output: tensor.numpy() for output, tensor in answer.items()}
        nothing = signature(**{one: tf.zeros([0], tf.string) for one in calls[key]})
        empty[key] = {output: tensor.shape.as_list() for output, tensor in nothing.items()}
    try:
        model.signatures["classify"](inputs=tf.constant([example(other="x")]))
        missing = "answered"
    except tf.errors.InvalidArgumentError as error:
        missing = error.message
    report[name] = {
        "specs": specs, "empty": empty, "missing": missing,
        "methods": {key: one.method_name for key, one in graph.signature_def.items() if not key.startswith("__")},
        "unknown_ops": sorted(op for op in ops - own if op_def_registry.get(op) is None),
        "answers": {
            key: {output: np.vectorize(lambda v: v.decode() if isinstance(v, bytes) else float(v))(value).tolist()
                  for output, value in outputs.items()}
            for key, outputs in answers.items()
        },
    }
report["foreign"] = [m for m in sys.modules if m.split(".")[0] in ("tfdomain", "transformers", "safetensors")]
json.dump(report, open(sys.argv[2], "w"))
"""


def mixed(checkpoint):
    import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        return tfdomain.TextClassifier.from_pretrained(str(checkpoint), labels=["a", "b"], pooling="mean")
    finally:
        keras.mixed_precision.set_global_policy("float32")


def inputs_of(model):
    return {"text": TEXTS, "text_pair": SECONDS} if model.pairs else {"text": TEXTS}


@pytest.fixture(scope="module")
def models(trained, trained_pairs, small_checkpoint):
    return {"cls": trained, "mean_pairs": trained_pairs, "mixed": mixed(small_checkpoint)}


@pytest.fixture(scope="module")
def folders(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    made = {name: model.export(root / name) for name, model in models.items()}
    assert all(folder == root / name / "1" for name, folder in made.items())
    return made


@pytest.fixture(scope="module")
def report(models, folders, tmp_path_factory):
    """What a process without tfdomain says of all the SavedModels."""
    place = tmp_path_factory.mktemp("clean")
    work = {name: (str(folders[name]), inputs_of(model)) for name, model in models.items()}
    (place / "work.json").write_text(json.dumps(work))
    command = [sys.executable, "-c", CLEAN, str(place / "work.json"), str(place / "report.json")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((place / "report.json").read_text())


NAMES = ["cls", "mean_pairs", "mixed"]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_exactly_what_is_promised(report, models, name):
    text, size = ["string", [None]], len(models[name].labels)
    columns = dict.fromkeys(inputs_of(models[name]), text)
    assert report["foreign"] == []
    assert report[name]["specs"] == {
        "serving_default": [
            columns,
            {"label": text, "score": ["float32", [None]], "scores": ["float32", [None, size]]},
        ],
        "embed": [columns, {"embedding": ["float32", [None, 16]]}],
        "classify": [
            {"inputs": text},
            {"classes": ["string", [None, size]], "scores": ["float32", [None, size]]},
        ],
    }
    assert report[name]["methods"] == {
        "serving_default": "tensorflow/serving/predict",
        "embed": "tensorflow/serving/predict",
        "classify": "tensorflow/serving/classify",
    }


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_the_keras_model(report, models, name):
    model, answers = models[name], report[name]["answers"]
    x = (TEXTS, SECONDS) if model.pairs else TEXTS
    expected, answer = model.predict(x), answers["serving_default"]
    np.testing.assert_allclose(answer["scores"], expected, atol=0.01 if name == "mixed" else 1e-5)
    np.testing.assert_allclose(np.max(answer["scores"], axis=1), answer["score"], atol=1e-7)
    assert answer["label"] == [model.labels[place] for place in np.argmax(answer["scores"], axis=1)]
    np.testing.assert_allclose(answers["classify"]["scores"], answer["scores"], atol=1e-6)
    assert answers["classify"]["classes"] == [model.labels] * len(TEXTS)
    tokens = model.tokenizer(*(x if model.pairs else (x,)), max_length=model.max_length)
    embedded = tf.cast(model.embed(tokens), tf.float32)
    np.testing.assert_allclose(answers["embed"]["embedding"], embedded, atol=0.05 if name == "mixed" else 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_give_no_rows(report, models, name):
    size = len(models[name].labels)
    assert report[name]["empty"] == {
        "serving_default": {"label": [0], "score": [0], "scores": [0, size]},
        "embed": {"embedding": [0, 16]},
        "classify": {"classes": [0, size], "scores": [0, size]},
    }


def test_an_example_without_its_text_is_refused(report):
    assert "Feature: text" in report["cls"]["missing"]


def test_ops_are_those_of_tensorflow_and_its_text_library(report, folders):
    for name in NAMES:
        assert report[name]["unknown_ops"] == []
        ops = graph_ops(folders[name])
        assert not [op for op in ops if "PyFunc" in op or op.startswith("Xla")]
        assert {"MatMul", "Softmax"} & ops


def test_a_separator_in_a_text_is_split(models, report):
    # A real pair, and the same characters in one text, are not the same.
    pairs = models["mean_pairs"]
    smuggled, real, plain = pairs.predict((["my car [SEP] is lost", "my car", "my car is lost"], ["", "is lost", ""]))
    assert np.abs(smuggled - real).max() > 1e-4
    assert np.abs(smuggled - plain).max() > 1e-4
    ids = pairs.tokenizer(["my car [SEP] is lost"])["token_ids"].numpy().tolist()[0]
    assert ids.count(pairs.tokenizer.sep_id) == 1


def test_assets_hold_labels_and_vocabulary(folders, models):
    for name, model in models.items():
        for file, lines in {"labels.txt": model.labels, "vocab.txt": model.tokenizer.vocabulary}.items():
            content = (folders[name] / "assets" / file).read_bytes().decode("utf-8")
            assert content.split("\n") == [*lines, ""]


def test_odd_tokens_survive(make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(tmp_path / "checkpoint", num_hidden_layers=1)
    lines = (checkpoint / "vocab.txt").read_text().split("\n")
    odd = ["\u2028", "a\u0085b", "\ufeff", "##\u200b", "中"]
    lines[-1 - len(odd) : -1] = odd
    (checkpoint / "vocab.txt").write_bytes("\n".join(lines).encode())
    model = tfdomain.TextClassifier.from_pretrained(str(checkpoint), labels=["\u2028", "a\rb"])
    folder = model.export(tmp_path / "served")
    assert (
        (folder / "assets/vocab.txt").read_bytes().decode().split("\n")[:-1] == model.tokenizer.vocabulary == lines[:-1]
    )
    assert (folder / "assets/labels.txt").read_bytes().decode().split("\n") == ["\u2028", "a\rb", ""]


@pytest.mark.parametrize("name", ["cls", "mean_pairs"])
def test_warmup_requests_name_what_is_there(folders, models, name):
    path = folders[name] / "assets.extra/tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(path))]
    columns = list(inputs_of(models[name]))
    served = tf.saved_model.load(str(folders[name]))
    sizes = []
    for log in logs:
        if log.HasField("predict_log"):
            request = log.predict_log.request
            assert request.model_spec.signature_name == "serving_default"
            tensors = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
            sizes.append(served.signatures["serving_default"](**tensors)["scores"].shape[0])
            assert sorted(tensors) == columns
        else:
            request = log.classify_log.request
            assert request.model_spec.signature_name == "classify"
            rows = [example.SerializeToString() for example in request.input.example_list.examples]
            assert served.signatures["classify"](inputs=tf.constant(rows))["scores"].shape[0] == 1
    assert len(logs) == len(sizes) + 1
    assert sizes == sorted(set(sizes))


def test_it_holds_the_weights_once(make_checkpoint, tmp_path):
    # Wide enough that the weights outweigh the tokenizer's tables.
    checkpoint = make_checkpoint(
        tmp_path / "checkpoint", num_hidden_layers=1, hidden_size=512, intermediate_size=2048, num_attention_heads=8
    )
    model = tfdomain.TextClassifier.from_pretrained(str(checkpoint), labels=["a", "b"])
    folder = model.export(tmp_path / "served")
    weights = sum(weight.nbytes for weight in model.get_weights())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert weights < size < 1.3 * weights


def test_it_holds_nothing_of_the_training(folders, trained):
    assert len(trained.optimizer.variables) > len(trained.trainable_variables)
    stored = tf.train.list_variables(str(folders["cls"] / "variables/variables"))
    # The blocks' weights stand there in another form.
    sizes = [int(np.prod(shape)) for _, shape in stored]
    assert sum(sizes[1:]) == sum(int(np.prod(variable.shape)) for variable in trained.variables)
    assert stored[0] == ("_CHECKPOINTABLE_OBJECT_GRAPH", [])


def nodes_of_signature(folder):
    """The ops of `serving_default` and of all functions that it calls, one entry a node."""
    graph = tf.saved_model.load(str(folder)).signatures["serving_default"].graph.as_graph_def()
    functions = {function.signature.name: function.node_def for function in graph.library.function}

    def ops(nodes):
        for node in nodes:
            called = [value.func.name for value in node.attr.values() if value.HasField("func")]
            yield node.op
            for name in called:
                yield from ops(functions[name])

    return list(ops(graph.node))


def test_the_graph_is_lean(make_checkpoint, tmp_path):
    counts = []
    for layers in (1, 3):
        checkpoint = make_checkpoint(tmp_path / f"checkpoint{layers}", num_hidden_layers=layers)
        model = tfdomain.TextClassifier.from_pretrained(str(checkpoint), labels=["a", "b"], dropout_rate=0.5)
        ops = nodes_of_signature(model.export(tmp_path / f"served{layers}"))
        assert not [op for op in ops if "Random" in op or "Dropout" in op or "Philox" in op]
        counts.append(len([op for op in ops if op not in ("Const", "Placeholder", "ReadVariableOp", "Identity")]))
    # A layer stands there twice, for small batches and for large ones with four rectangles of attention.
    assert (counts[1] - counts[0]) / 2 <= 220


def test_versions_count_up_and_neighbours_are_left_alone(trained, tmp_path, monkeypatch):
    root = tmp_path / "served"
    (root / "7").mkdir(parents=True)
    for neighbour in ("v9", "12a", "-3", ".8"):
        (root / neighbour).mkdir()
    (root / "8").write_text("a file in the way")
    monkeypatch.setattr(tf.saved_model, "save", _write_small)
    assert [trained.export(root).name for _ in range(2)] == ["9", "10"]
    assert (root / "8").read_text() == "a file in the way"
    assert sorted(os.listdir(root)) == sorted(["7", "8", "9", "10", "v9", "12a", "-3", ".8"])


def _write_small(module, folder, signatures):
    # The numbers do not depend on the graph: a small one saves the time of tracing ours.
    real = tf.Module()
    real.f = tf.function(lambda x: x, input_signature=[tf.TensorSpec([], tf.float32)])
    SAVE(real, folder)


SAVE = tf.saved_model.save


def test_a_full_disk_leaves_nothing_half_written(trained, tmp_path, monkeypatch):
    def save(module, folder, signatures):
        _write_small(module, folder, signatures)
        # TensorFlow's own writing has no OSError.
        raise tf.errors.ResourceExhaustedError(None, None, "variables; No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(TfdomainError, match=r"1: cannot be written \(no space left on device\); free some space"):
        trained.export(tmp_path / "served")
    assert os.listdir(tmp_path / "served") == []


def test_a_layer_in_python_is_refused(trained, tmp_path, monkeypatch):
    def save(module, folder, signatures):
        real = tf.Module()
        call = lambda x: tf.numpy_function(np.tanh, [x], tf.float32)  # noqa: E731
        real.f = tf.function(call, input_signature=[tf.TensorSpec([], tf.float32)])
        SAVE(real, folder)

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(TfdomainError, match="the graph holds PyFunc, which no server can run; write that layer in"):
        trained.export(tmp_path / "served")
    assert os.listdir(tmp_path / "served") == []


def test_a_file_in_place_of_the_folder_is_refused(trained, tmp_path):
    (tmp_path / "served").write_text("")
    with pytest.raises(InputError, match="served: is a file; name a folder"):
        trained.export(tmp_path / "served")
    with pytest.raises(TfdomainError, match="choose a path whose parents are folders"):
        trained.export(tmp_path / "served/below")
