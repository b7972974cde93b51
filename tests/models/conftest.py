"""What the tests of models share: a classifier that was trained a little, once, and what SavedModels should answer."""

import numpy as np
import pytest
import tensorflow as tf

import tfdomain

LABELS = ["default", "repaid"]
TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]
ANSWERS = ["default", "repaid", "repaid", "default"]


@pytest.fixture(scope="session")
def small_checkpoint(make_checkpoint, tmp_path_factory):
    """One layer: most of a short training here is TensorFlow tracing the layers."""
    return make_checkpoint(tmp_path_factory.mktemp("small") / "checkpoint", num_hidden_layers=1)


@pytest.fixture(scope="session")
def chinese_checkpoint(make_checkpoint, tmp_path_factory):
    """The same with Chinese characters and full-width forms in its vocabulary."""
    return make_checkpoint(tmp_path_factory.mktemp("chinese") / "checkpoint", chinese=True, num_hidden_layers=1)


@pytest.fixture(scope="session")
def new_classifier(small_checkpoint):
    """The function that makes an untrained classifier of two labels."""

    # One tokenizer for all: it is traced once.
    tokenizer = tfdomain.Tokenizer.from_pretrained(small_checkpoint)

    def make(**settings):
        encoder = tfdomain.Encoder.from_pretrained(small_checkpoint)
        return tfdomain.TextClassifier(encoder, tokenizer, **({"labels": LABELS} | settings))

    return make


@pytest.fixture(scope="session")
def trained(new_classifier):
    """A classifier that tests may use, save and export, but not train."""
    model = new_classifier()
    model.fit(TEXTS, ANSWERS, epochs=2, batch_size=2, learning_rate=0.01, verbose=0)
    return model


@pytest.fixture(scope="session")
def trained_pairs(new_classifier):
    """The same for pairs of texts, pooled by the mean, with three odd labels."""
    model = new_classifier(labels=["straße", "a b\tc", "🙂"], pooling="mean", pairs=True)
    model.fit((TEXTS, TEXTS[::-1]), [0, 1, 2, 1], epochs=2, batch_size=2, learning_rate=0.01, verbose=0)
    return model


@pytest.fixture(scope="session")
def promised_answers():
    """The function that says what each signature of a model should answer, by what people are told of the columns."""
    return promised


@pytest.fixture(scope="session")
def served_answers():
    """The function that asks each signature of a SavedModel in this process, once for each of some tables."""
    return ask


def promised(model, columns):
    """By signature, the arrays that a model of one task should answer to `columns`, with all that they hold.

    They are built from `predict` and `answers`, not from `serve`, which wrote the graph.
    """
    predictions = model.predict(columns)
    rows = model.answers(predictions)
    default = PROMISED[model.task](model, predictions, rows)
    signatures = {"serving_default": {name: as_array(values) for name, values in default.items()}}
    if hasattr(model, "embed"):
        tensors = {name: tf.constant(columns[name], spec.dtype) for name, spec in model.column_specs().items()}
        signatures["embed"] = {"embedding": tf.cast(model.embed(model.prepare(tensors)), tf.float32).numpy()}
    if model.task == "classification":
        classes = as_array([model.labels] * len(rows))
        signatures["classify"] = {"classes": classes, "scores": signatures["serving_default"]["scores"]}
    return signatures


def promised_entities(model, predictions, rows):
    """A line a text, as wide as the most entities of one, empty or 0 beyond `count`."""
    width = max(1, *(len(entities) for entities in predictions))
    blank = {"text": "", "label": "", "start": 0, "end": 0, "confidence": 0.0}
    padded = [[*entities, *[blank] * (width - len(entities))] for entities in predictions]
    names = {"entity": "text"} | {name: name for name in ("label", "start", "end", "confidence")}
    tables = {name: [[one[key] for one in entities] for entities in padded] for name, key in names.items()}
    return tables | {"count": [len(entities) for entities in predictions]}


def promised_label_sets(model, predictions, rows):
    given = [row["labels"] for row in rows]
    padded = [labels + [""] * (len(model.labels) - len(labels)) for labels in given]
    return {"labels": padded, "count": [len(labels) for labels in given], "scores": predictions}


def promised_label(model, predictions, rows):
    return {name: [row[name] for row in rows] for name in ("label", "score")} | {"scores": predictions}


def promised_values(model, predictions, rows):
    return {"values": predictions} | ({"value": [row["value"] for row in rows]} if len(model.targets) == 1 else {})


def promised_rows(model, predictions, rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


PROMISED = {
    "classification": promised_label,
    "embedding": promised_rows,
    "multilabel": promised_label_sets,
    "regression": promised_values,
    "span": promised_rows,
    "tagging": promised_entities,
}


def ask(folder, *tables):
    """For each table of columns, by signature, what a SavedModel answers to those of the columns that it takes."""
    signatures = tf.saved_model.load(str(folder)).signatures
    return [answers_to(signatures, columns) for columns in tables]


def answers_to(signatures, columns):
    answers = {}
    for name, signature in signatures.items():
        specs = signature.structured_input_signature[1]
        given = {"inputs": as_examples(columns)} if name == "classify" else columns
        outputs = signature(**{key: tf.constant(given[key], spec.dtype) for key, spec in specs.items()})
        answers[name] = {key: as_strings(value.numpy()) for key, value in outputs.items()}
    return answers


def as_array(values):
    array = np.array(values, object)
    # numpy's own strings are all as wide as the longest: an entity of 5,000 characters would fill the memory.
    return array if isinstance(next(array.flat, None), str) else np.array(values)


def as_strings(array):
    return np.vectorize(bytes.decode, [object])(array) if array.dtype == object else array


def as_examples(columns):
    """Serialized `tf.Example`s, one a row."""
    return [
        tf.train.Example(
            features=tf.train.Features(feature={name: as_feature(value) for name, value in row.items()})
        ).SerializeToString()
        for row in (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    ]


def as_feature(value):
    if isinstance(value, str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
