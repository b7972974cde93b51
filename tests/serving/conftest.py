"""Tiny SavedModels that between them have every kind of signature the server must answer."""

import shutil
from pathlib import Path

import httpx
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfdomain.serving.server import running_server

STRINGS = tf.TensorSpec([None], tf.string)
FLOATS = tf.TensorSpec([None], tf.float32)
LABELS = [b"good", b"bad", b"ugly"]


class Arithmetic(tf.Module):
    """`y = x / 2 + bias`: a version is told by its bias."""

    def __init__(self, bias: float):
        super().__init__()
        self.bias = tf.Variable(bias)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def halve(self, x):
        return {"y": x / 2 + self.bias}


class Everything(Arithmetic):
    def __init__(self, bias: float):
        super().__init__(bias)
        keys = tf.constant(["gut", "schlecht"])
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, tf.constant(["good", "bad"])), "unknown"
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def text(self, text):
        return {"label": self.table.lookup(text), "copy": text, "copy_bytes": text}

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="a"), tf.TensorSpec([None], tf.int32, name="b")]
    )
    def two(self, a, b):
        return {"sum": tf.reduce_sum(a, 1) + tf.cast(b, tf.float32), "twice": 2 * b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def total(self, x):
        return {"total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def multiply(self, x):
        return {"product": tf.matmul(x, [[1.0], [2.0]])}

    @tf.function(
        input_signature=[
            tf.TensorSpec(None, dtype, name=f"in_{dtype.name}")
            for dtype in (tf.int8, tf.uint8, tf.int16, tf.int64, tf.uint32, tf.uint64, tf.bool, tf.float64)
        ]
    )
    def kinds(self, *values):
        return {f"out_{value.dtype.name}": tf.identity(value) for value in values}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float16, name="x")])
    def half(self, x):
        return {"y": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="steps")])
    def count(self, steps):
        return {"steps": tf.while_loop(lambda i: i < steps, lambda i: i + 1, [tf.constant(0, tf.int64)])[0]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        x = self._feature(inputs)
        scores = tf.stack([x, 1 - x, tf.zeros_like(x)], 1)
        return {"classes": tf.tile([LABELS], [tf.size(inputs), 1]), "scores": scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def scores_only(self, inputs):
        return {"scores": self._feature(inputs)[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classes_only(self, inputs):
        return {"classes": tf.tile([LABELS], [tf.size(inputs), 1])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def flat_scores(self, inputs):
        return {"scores": self._feature(inputs)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def one_score(self, inputs):
        return {"scores": self._feature(inputs)[:1, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def double_scores(self, inputs):
        return {"scores": tf.cast(self._feature(inputs)[:, None], tf.float64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def uneven(self, inputs):
        return {"classes": tf.tile([LABELS], [tf.size(inputs), 1]), "scores": self._feature(inputs)[:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": 10 * self._feature(inputs)[:, None] + self.bias}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def wide(self, inputs):
        return {"outputs": tf.tile(self._feature(inputs)[:, None], [1, 2])}

    def _feature(self, inputs):
        features = {"x": tf.io.FixedLenFeature([], tf.float32)}
        return tf.io.parse_example(inputs, features)["x"]


METHODS = {"classify": "tensorflow/serving/classify", "regress": "tensorflow/serving/regress"}
SIGNATURES = [
    "text", "two", "total", "multiply", "kinds", "half", "count", "classify", "scores_only", "classes_only",
    "flat_scores", "one_score", "double_scores", "uneven", "regress", "wide",
]  # fmt: skip


def save_arithmetic(folder: Path, bias: float) -> Path:
    module = Arithmetic(bias)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.halve})
    return folder


def save_everything(folder: Path, bias: float = 2.0) -> Path:
    module = Everything(bias)
    signatures = {"serving_default": module.halve} | {name: getattr(module, name) for name in SIGNATURES}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    path = folder / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for name, method in METHODS.items():
        saved_model.meta_graphs[0].signature_def[name].method_name = method
    two = saved_model.meta_graphs[0].signature_def["two"]
    two.defaults["b"].CopyFrom(tf.make_tensor_proto([100], tf.int32))
    path.write_bytes(saved_model.SerializeToString())
    return folder


@pytest.fixture(scope="session")
def arithmetic_versions(tmp_path_factory) -> dict[int, Path]:
    """Saved models 1, 2 and 3, whose biases are their numbers; outside any served directory."""
    root = tmp_path_factory.mktemp("arithmetic")
    return {number: save_arithmetic(root / f"saved-{number}", float(number)) for number in (1, 2, 3)}


@pytest.fixture
def arithmetic(tmp_path, arithmetic_versions) -> Path:
    """A directory with version 1 of `y = x / 2 + version`, to which a test may add."""
    directory = tmp_path / "arithmetic"
    shutil.copytree(arithmetic_versions[1], directory / "1")
    return directory


@pytest.fixture
def add_version(arithmetic, arithmetic_versions):
    """Adds a version to `arithmetic` under a temporary name and renames it, as an export does."""

    def add(number: int, source: int | None = None) -> None:
        temporary = arithmetic / f".{number}.part"
        shutil.copytree(arithmetic_versions[source or number], temporary)
        temporary.rename(arithmetic / str(number))

    return add


@pytest.fixture(scope="session")
def everything(tmp_path_factory) -> Path:
    """A directory with version 7 of the model with every kind of signature (bias 2)."""
    directory = tmp_path_factory.mktemp("everything")
    save_everything(directory / "7")
    return directory


@pytest.fixture(scope="session")
def server(everything):
    """One running server on the model `all`, version 7, label `stable`."""
    with running_server(everything, name="all", labels={"stable": 7, "gone": 6}) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    with httpx.Client(base_url=server.rest_url, timeout=30) as http:
        yield http
