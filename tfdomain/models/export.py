"""A model as a SavedModel that takes raw text and runs wherever TensorFlow and its text ops run."""

import contextlib
import errno
import itertools
import keyword
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry
from tensorflow_serving.apis import (
    classification_pb2,
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
)

from tfdomain.encoders.inference import InferenceEncoder, inference_form
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import whole_file, whole_folder
from tfdomain.models.base import TextModel
from tfdomain.models.classifier import TextClassifier
from tfdomain.models.multitask import MultiTaskModel
from tfdomain.models.signature_names import rename_inputs

__all__ = ["export_model", "graph_ops"]

CLASSIFY_METHOD = "tensorflow/serving/classify"
PLAIN_NAME = "plain_column_"
WARMUP_BATCH_SIZES = (1, 2, 16)
WARMUP_TEXT = "A text of about the usual length, so that the first request does not pay for the start."
PYTHON_OPS = {"EagerPyFunc", "PyFunc", "PyFuncStateless", "NumpyFunction"}


def export_model(model: TextModel, folder: str | os.PathLike) -> Path:
    """Writes `folder/<next number>`, complete when it appears under that name.

    The signatures are `serving_default` (the model's raw columns by name, `text` and the features, to the task's
    answers), `embed` where the task has one vector a text (the same to `embedding`) and, for
    classifiers, `classify` (serialized `tf.Example`s with those columns, to `classes` and
    `scores`). Of several tasks each has a signature of its own under its name, and `serving_default` takes a `text`
    to the answers of all tasks that read nothing else, as `<task>_<output>`. Text always has its
    special tokens split: nobody can smuggle a separator in.

    Args:
        model: Any model of this package.
        folder: The folder of all versions, which a server watches.

    Returns:
        The folder of the new version.

    Raises:
        InputError: `folder` is a file.
        TfdomainError: It cannot be written, or the graph holds an op that no server has.

    Reference:
        TensorFlow Serving, "SavedModel Warmup" and the Classify API of its `apis/` folder.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file", where=str(folder), mend="name a folder")
    version = folder / str(_next_version(folder))
    with tempfile.TemporaryDirectory() as assets, whole_folder(version) as temporary, _as_os_errors():
        with inference_form(model.encoder) as encoder:
            module = _ServedModel(model, encoder, Path(assets))
            tf.saved_model.save(module, str(temporary), signatures=module.signatures())
        rename_inputs(temporary, module.plain_names)
        _set_method_name(temporary, "classify", CLASSIFY_METHOD)
        _refuse_foreign_ops(temporary)
        _write_warmup(temporary, model)
    return version


def graph_ops(saved_model: str | os.PathLike) -> set[str]:
    """The names of all ops of a SavedModel, those inside its functions included."""
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((Path(saved_model) / "saved_model.pb").read_bytes())
    ops = set()
    for graph in (meta_graph.graph_def for meta_graph in proto.meta_graphs):
        ops |= {node.op for node in graph.node}
        own = {function.signature.name for function in graph.library.function}
        ops |= {node.op for function in graph.library.function for node in function.node_def} - own
    return ops


class _ServedModel(tf.Module):
    """What the SavedModel holds: the weights, the tokenizer, the assets, and nothing of training."""

    def __init__(self, model: TextModel, encoder: InferenceEncoder, assets: Path):
        super().__init__()
        # Behind a function TensorFlow does not track it: the Keras model itself stays behind.
        self._model = lambda: model
        # Keras wraps its variables; a SavedModel tracks TensorFlow's own.
        replaced = model.encoder.blocks if model.text_names else [model.encoder]
        unused = {id(variable) for layer in replaced for variable in layer.variables}
        self.weights = [variable.value for variable in model.variables if id(variable) not in unused]
        # They hold the blocks' weights in a form of their own.
        self.blocks = encoder.blocks if model.text_names else []
        self.tokenizer = model.tokenizer
        models = _served_models(model)
        self.feature_readers = [getattr(one, "feature_reader", None) for one in models.values()]
        # TensorFlow names inputs as Python names arguments, and columns are called anything.
        names = dict.fromkeys(name for one in models.values() for name in one.column_specs())
        self.plain_names = {
            f"{PLAIN_NAME}{place}": name
            for place, name in enumerate(names)
            if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name == "self"
        }
        # The graph does not read these: they are for people and clients that look into the folder.
        self.assets = []
        labels = {"labels.txt": model.labels or ()}
        if isinstance(model, MultiTaskModel):
            labels = {f"{name}_labels.txt": one.labels for name, one in model.models.items() if one.labels}
        for name, lines in {**labels, "vocab.txt": model.tokenizer.vocabulary}.items():
            (assets / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
            self.assets.append(tf.saved_model.Asset(str(assets / name)))

    def signatures(self) -> dict[str, Callable]:
        model, specs = self._model(), self._model().column_specs()

        def embed(*values):
            pooled = model.embed(_prepared(model, dict(zip(specs, values, strict=True))), training=False)
            return {"embedding": tf.cast(pooled, tf.float32)}

        def classify(inputs):
            # No default: an example without its text is a client's mistake, not an empty text.
            features = {name: tf.io.FixedLenFeature([], spec.dtype) for name, spec in specs.items()}
            columns = tf.io.parse_example(inputs, features)
            scores = _answer(model, columns)["scores"]
            names = tf.constant(model.labels)[tf.newaxis]
            return {"classes": tf.repeat(names, tf.shape(scores)[0], axis=0), "scores": scores}

        signatures = {
            name: tf.function(_answering(one), input_signature=self._inputs(one))
            for name, one in _served_models(model).items()
        }
        if hasattr(model, "embed"):
            signatures["embed"] = tf.function(embed, input_signature=self._inputs(model))
        if isinstance(model, TextClassifier):
            inputs = [tf.TensorSpec([None], tf.string, name="inputs")]
            signatures["classify"] = tf.function(classify, input_signature=inputs)
        return {name: function.get_concrete_function() for name, function in signatures.items()}

    def _inputs(self, model: TextModel) -> list[tf.TensorSpec]:
        traced = {name: plain for plain, name in self.plain_names.items()}
        return [
            tf.TensorSpec(spec.shape, spec.dtype, traced.get(name, name)) for name, spec in model.column_specs().items()
        ]


def _served_models(model: TextModel) -> dict[str, TextModel]:
    """The models that answer, by their signatures."""
    if not isinstance(model, MultiTaskModel):
        return {"serving_default": model}
    return ({"serving_default": model} if model.column_specs() else {}) | dict(model.models)


def _answering(model: TextModel) -> Callable[..., dict[str, tf.Tensor]]:
    return lambda *values: _answer(model, dict(zip(model.column_specs(), values, strict=True)))


def _answer(model: TextModel, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What a model answers to raw columns; of several tasks those that read one text, each under its name."""
    if not isinstance(model, MultiTaskModel):
        return model.serve(_prepared(model, columns), columns)
    answers = {name: _answer(one, columns) for name, one in model.text_models().items()}
    return {f"{name}_{key}": tensor for name, answer in answers.items() for key, tensor in answer.items()}


def _prepared(model: TextModel, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    batch = model.prepare(columns)
    # No rows have no first token either, and `cls` pooling takes it: they get a column of padding.
    missing = tf.cast(tf.shape(batch["token_ids"])[1] == 0, tf.int32)
    return {name: _padded(tensor, missing) for name, tensor in batch.items()}


def _padded(tensor: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    """A batch's tensor with so many columns of padding; one of a fixed width stays as it is."""
    if tensor.shape.rank == 1 or tensor.shape[1] is not None:
        return tensor
    return tf.pad(tensor, [[0, 0], [0, missing], *[[0, 0]] * (tensor.shape.rank - 2)])


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    # TensorFlow's file system has errors of its own; `whole_folder` explains Python's.
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    except tf.errors.PermissionDeniedError as error:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES)) from error


def _next_version(folder: Path) -> int:
    versions = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()] if folder.is_dir() else []
    return max(versions, default=0) + 1


def _set_method_name(saved_model: Path, signature: str, method: str) -> None:
    # TensorFlow writes `predict` for every signature, and TF Serving's Classify refuses that.
    path = saved_model / "saved_model.pb"
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString(path.read_bytes())
    for meta_graph in proto.meta_graphs:
        if signature in meta_graph.signature_def:
            meta_graph.signature_def[signature].method_name = method
    with whole_file(path, "wb") as file:
        file.write(proto.SerializeToString(deterministic=True))


def _refuse_foreign_ops(saved_model: Path) -> None:
    ops = graph_ops(saved_model)
    foreign = sorted(op for op in ops if op in PYTHON_OPS or op_def_registry.get(op) is None)
    if foreign:
        raise TfdomainError(
            f"the graph holds {', '.join(foreign)}, which no server can run", mend="write that layer in TensorFlow ops"
        )


def _write_warmup(saved_model: Path, model: TextModel) -> None:
    folder = saved_model / "assets.extra"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for (signature, one), size in itertools.product(_served_models(model).items(), WARMUP_BATCH_SIZES):
            inputs = {name: _warmup_values(spec.dtype, size) for name, spec in one.column_specs().items()}
            request = predict_pb2.PredictRequest(model_spec=_spec(signature), inputs=inputs)
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
        if not isinstance(model, TextClassifier):
            return
        request = classification_pb2.ClassificationRequest(model_spec=_spec("classify"))
        example = request.input.example_list.examples.add()
        for name, spec in model.column_specs().items():
            feature = example.features.feature[name]
            if spec.dtype == tf.string:
                feature.bytes_list.value.append(WARMUP_TEXT.encode())
            else:
                feature.float_list.value.append(0.0)
        log = prediction_log_pb2.PredictionLog(classify_log=prediction_log_pb2.ClassifyLog(request=request))
        writer.write(log.SerializeToString())


def _warmup_values(dtype: tf.DType, size: int) -> Any:
    return tf.make_tensor_proto([WARMUP_TEXT if dtype == tf.string else 0] * size, dtype)


def _spec(signature: str) -> model_pb2.ModelSpec:
    return model_pb2.ModelSpec(name="default", signature_name=signature)
