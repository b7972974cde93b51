import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

import tfdomain
from tfdomain.config import FitOptions
from tfdomain.errors import InputError, TfdomainError

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]
ANSWERS = ["default", "repaid", "repaid", "default"]
FIT = {"epochs": 1, "batch_size": 2, "verbose": 0}
LOGITS = np.random.default_rng(2).normal(size=(5, 3)).astype("float32")
CLASSES = np.array([0, 2, 1, 1, 0], "int32")


@pytest.fixture(scope="module")
def three(new_classifier):
    """A classifier of three labels that is never trained."""
    return new_classifier(labels=["a", "b", "c"])


def dataset(labels=ANSWERS, batch_size=None):
    made = tf.data.Dataset.from_tensor_slices((TEXTS, labels))
    return made if batch_size is None else made.batch(batch_size)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_smoothed_cross_entropy(three, smoothing):
    three.options = FitOptions(label_smoothing=smoothing)
    target = (1 - smoothing) * np.eye(3)[CLASSES] + smoothing / 3
    exponents = np.exp(LOGITS.astype("float64"))
    expected = -(target * np.log(exponents / exponents.sum(1, keepdims=True))).sum(1)
    np.testing.assert_allclose(
        three.example_losses({"labels": tf.constant(CLASSES)}, tf.constant(LOGITS)), expected, atol=1e-6
    )


def test_balanced_weights_are_those_of_scikit_learn(three):
    rows = np.array([0, 1, 3, 4])
    for chosen in (None, rows):
        counted = CLASSES if chosen is None else CLASSES[chosen]
        by_class = compute_class_weight("balanced", classes=np.arange(3), y=counted)
        actual = three.example_weights(CLASSES, FitOptions(class_weights="balanced"), chosen)
        np.testing.assert_allclose(actual, by_class[CLASSES], rtol=1e-6)
    assert actual.dtype == np.float32


def test_weights_by_label(three):
    weights = three.example_weights(CLASSES, FitOptions(class_weights={"a": 3.0, "c": 0.5}))
    assert weights.tolist() == [3.0, 0.5, 1.0, 1.0, 3.0]
    assert three.example_weights(CLASSES, FitOptions()) is None
    with pytest.raises(InputError, match=r"^training\.class_weights: 'z' is no label; labels: \['a', 'b', 'c'\]"):
        three.example_weights(CLASSES, FitOptions(class_weights={"z": 1.0}))


def test_class_and_sample_weights_multiply_in_the_loss_of_a_batch(three):
    three.options = FitOptions(label_smoothing=0.1)
    given = np.array([0.5, 2.0, 1.0, 0.0], "float32")
    source = three.training_batches(
        TEXTS,
        np.array([0, 1, 2, 0], "int32"),
        options=FitOptions(batch_size=4, class_weights="balanced"),
        sample_weight=given,
    )
    [batch] = source.epoch(0)
    order = batch["row_ids"].numpy()
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=[0, 1, 2, 0])[[0, 1, 2, 0]]
    np.testing.assert_allclose(batch["sample_weight"], (given * balanced)[order], rtol=1e-6)
    tokens = {name: batch[name] for name in ("token_ids", "segment_ids", "padding_mask")}
    seed = tf.constant([0, 0])
    losses = three.example_losses(batch, three(tokens, training=True, dropout_seed=seed, logits=True))
    expected = (losses.numpy() * (given * balanced)[order]).sum() / 4
    actual = three.replica_loss(batch, denominator=tf.constant(4.0), seed=seed)
    assert float(actual) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "labels",
    [
        ANSWERS,
        tuple(ANSWERS),
        [0, 1, 1, 0],
        np.array(ANSWERS),
        np.array(ANSWERS, object),
        np.array([0, 1, 1, 0], np.uint8),
        [label.encode() for label in ANSWERS],
        tf.constant(ANSWERS),
        tf.constant([0, 1, 1, 0]),
        pd.Series(ANSWERS),
        pd.Series(ANSWERS, dtype="category"),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_of_every_kind(trained, labels):
    encoded = trained.encode_labels(labels)
    assert encoded.dtype == np.int32
    assert encoded.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["repaid", "defualt"], r"^y\[1\]: label 'defualt' was never seen in training; did you mean 'default'\?"),
        ([0, 2], r"^y\[1\]: there is no class 2; the model has 2 classes, numbered from 0"),
        ([0, -1], r"^y\[1\]: there is no class -1"),
        ("default", r"^y: one label where a list is expected; wrap it"),
        ([[0, 1], [1, 0]], r"^y: labels of the shape \[2, 2\]; give one label a text"),
        ([[0, 1], [1]], r"^y: labels of several lengths"),
        ([None, "repaid"], "is missing"),
    ],
)
def test_a_wrong_label_is_one_line(trained, labels, message):
    with pytest.raises(InputError, match=message):
        trained.encode_labels(labels)


def test_numbers_are_names_where_classes_are_named_by_numbers(new_classifier):
    model = new_classifier(labels=["1", "2"])
    assert model.encode_labels([2, 1, 1]).tolist() == [1, 0, 0]
    assert model.encode_labels(["2", "1"]).tolist() == [1, 0]
    # As class numbers these would have meant other labels.
    with pytest.raises(InputError, match="label '0' was never seen in training"):
        model.encode_labels([0, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ["a"]}, "give at least two, each once"),
        ({"labels": ["a", "a"]}, "give at least two, each once"),
        ({"labels": ["a", "b\nc"]}, r"^labels: the label 'b\\nc' is empty or holds a line break; rename it"),
        ({"pooling": "max"}, "pooling is 'max'; choose cls or mean"),
        ({"max_length": 2}, "max_length is 2; choose 3 to 64"),
        ({"max_length": 65}, "max_length is 65; choose 3 to 64"),
    ],
)
def test_settings_that_cannot_be_are_refused(new_classifier, settings, message):
    with pytest.raises(InputError, match=message):
        new_classifier(**settings)


def test_predict_keeps_the_order_of_the_rows(trained):
    texts = [" ".join(["money"] * length) for length in (9, 1, 5, 0, 30, 2)]
    alone = [trained.predict([texts[row]])[0] for row in (1, 4)]
    together = trained.predict(texts, 2)
    assert together.shape == (6, 2)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together[[1, 4]], alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(trained.predict(texts, rows=np.array([1, 4])), together[[1, 4]], atol=1e-6)
    tokens = trained.tokenizer(texts)
    np.testing.assert_allclose(trained.predict(tokens, batch_size=4, verbose=1), together, atol=1e-6)
    assert [answer["label"] for answer in trained.classify(texts)] == [trained.labels[i] for i in together.argmax(1)]
    assert trained.classify(texts)[0]["score"] == pytest.approx(together[0].max())


def test_nothing_to_predict_gives_nothing(trained):
    for nothing in ([], np.array([], object), pd.Series([], dtype=str), dataset().take(0)):
        assert trained.predict(nothing).shape == (0, 2)
    assert trained.classify([]) == []


def test_predict_takes_a_dataset_whatever_its_labels(trained):
    expected = trained.predict(TEXTS)
    alone = tf.data.Dataset.from_tensor_slices(TEXTS)
    for x in (alone.batch(3), dataset(["any", "label", "at", "all"])):
        np.testing.assert_allclose(trained.predict(x), expected, atol=1e-6)


@pytest.mark.thorough
def test_evaluate_is_the_same_however_the_rows_come(trained):
    expected = trained.evaluate(TEXTS, ANSWERS)
    assert expected["num_examples"] == 4
    numbers = [0, 1, 1, 0]
    for metrics in (
        trained.evaluate(TEXTS, numbers, 3, 0),
        trained.evaluate(dataset(), verbose=1),
        trained.evaluate(trained.tokenizer(TEXTS), ANSWERS),
    ):
        assert metrics["accuracy"] == expected["accuracy"]
        assert metrics["log_loss"] == pytest.approx(expected["log_loss"], abs=1e-6)
    weighted = trained.evaluate(TEXTS, ANSWERS, sample_weight=[1, 0, 0, 1])
    some = trained.evaluate([TEXTS[0], TEXTS[3]], [ANSWERS[0], ANSWERS[3]])
    assert weighted["log_loss"] == pytest.approx(some["log_loss"], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXTS,), r"^y: no labels to compare with; give one a text"),
        ((TEXTS, ANSWERS[:2]), r"^y: 2 for 4 texts"),
        (([], []), r"^y: there are no examples"),
        ((dataset(), ANSWERS), r"^y: a data set comes with labels beside it"),
        ((dataset().take(0),), r"^x: the data set is empty"),
        ((tf.data.Dataset.from_tensor_slices(TEXTS),), r"^x: the data set holds no labels"),
        ((dataset(["default", "new", "repaid", "repaid"]),), r"labels never seen in training: new; the labels are"),
        (("text", ["default"]), r"^x: one text where a list is expected"),
        (((TEXTS, TEXTS), ANSWERS), r"^x: the model reads single texts; .*pairs=True"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(trained, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        trained.evaluate(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.thorough
def test_a_model_of_pairs_wants_pairs(trained_pairs):
    assert trained_pairs.pairs
    for x in (TEXTS, dataset()):
        with pytest.raises(InputError, match=r"^x: the model reads pairs of texts; give a tuple of two lists"):
            trained_pairs.predict(x)
    both = tf.data.Dataset.from_tensor_slices(((TEXTS, TEXTS[::-1]), [0, 0, 0, 0]))
    np.testing.assert_allclose(trained_pairs.predict(both), trained_pairs.predict((TEXTS, TEXTS[::-1])), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((TEXTS,), {}, r"^y: no labels to train on"),
        ((TEXTS, ANSWERS[:3]), {}, r"^y: 3 for 4 texts"),
        ((TEXTS, ["default", "repaid", "x", "repaid"]), {}, r"^y\[2\]: label 'x' was never seen"),
        ((["a", 1], ["default", "repaid"]), {}, r"^x\[1\]: 1 is int, not text"),
        ((TEXTS, ANSWERS), {"sample_weight": [1.0], "class_weights": "balanced"}, r"^sample_weight: 1 for 4 texts"),
        ((TEXTS, ANSWERS), {"sample_weight": 2.0}, r"^sample_weight: a single value for 4 texts"),
        ((TEXTS, ANSWERS), {"epoch": 2}, r"^fit: unknown key epoch; did you mean epochs"),
        ((TEXTS, ANSWERS), {"frozen_layers": 2}, r"2 layers to freeze of an encoder that has 1; choose fewer"),
        ((TEXTS, ANSWERS), {"validation_data": [TEXTS, ANSWERS]}, r"^validation_data: is no \(texts, labels\)"),
        ((dataset(),), {"class_weights": "balanced"}, r"^class_weights: a data set's classes are not counted"),
        ((dataset(), ANSWERS), {}, r"^y: a data set comes with labels beside it"),
        ((tf.data.Dataset.from_tensor_slices(TEXTS),), {}, r"^x: the data set holds no labels"),
        ((dataset().take(0),), {}, r"^x: the data set is empty"),
        ((dataset().repeat(),), {}, r"^x: the data set has no end"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(new_classifier, arguments, options, message):
    model = new_classifier()
    before = model.get_weights()
    with pytest.raises(InputError, match=message) as caught:
        model.fit(*arguments, **(FIT | options))
    assert "\n" not in str(caught.value)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_unknown_label_in_a_dataset_stops_the_training_in_one_line(new_classifier, capsys):
    bad = dataset(["default", "repaid", "repaid", "odd one"], 4)
    with pytest.raises(InputError, match=r"labels never seen in training: odd one; the labels are 'default', 'repaid'"):
        new_classifier().fit(bad, epochs=1)


@pytest.mark.thorough
def test_training_on_a_dataset_of_names_is_training_on_numbers(new_classifier):
    models = [new_classifier() for _ in range(2)]
    for model, x in zip(models, (dataset(), dataset([0, 1, 1, 0], 2)), strict=True):
        model.fit(x, **FIT, learning_rate=0.01)
    np.testing.assert_array_equal(models[0].predict(TEXTS), models[1].predict(TEXTS))


def test_what_the_caller_compiles_is_used(new_classifier):
    model = new_classifier()
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(1, name="top")],
    )
    stopped = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10.0)
    weights = [1.0, 2.0, 3.0, 4.0]
    history = model.fit(
        TEXTS, ANSWERS, **(FIT | {"epochs": 5}), validation_data=(TEXTS, ANSWERS, weights), callbacks=[stopped]
    ).history
    assert len(history["loss"]) == 2
    predictions, numbers = model.predict(TEXTS), np.array([0, 1, 1, 0])
    # Keras weighs what stands in `weighted_metrics`, and not these.
    right = predictions.argmax(1) == numbers
    assert history["val_accuracy"][-1] == history["val_top"][-1] == right.mean()
    losses = -np.log(predictions[np.arange(4), numbers])
    # Keras divides a weighted loss by the number of examples.
    assert history["val_loss"][-1] == pytest.approx((losses * weights).sum() / 4, rel=1e-4)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    with pytest.raises(InputError, match=r"^fit: learning_rate is given, but compile\(\) chose the optimizer"):
        model.fit(TEXTS, ANSWERS, learning_rate=0.1)
    with pytest.raises(InputError, match=r"^fit: label_smoothing is given, but compile\(\) chose the loss"):
        model.fit(TEXTS, ANSWERS, label_smoothing=0.1)


@pytest.mark.thorough
def test_metrics_alone_leave_optimizer_and_loss_to_the_options(new_classifier, tmp_path):
    models = [new_classifier() for _ in range(2)]
    models[0].compile(metrics=[keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")])
    keeper = keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), save_best_only=True)
    histories = [
        model.fit(
            TEXTS, ANSWERS, **FIT, learning_rate=0.01, validation_data=(TEXTS, ANSWERS), callbacks=callbacks
        ).history
        for model, callbacks in zip(models, ([keeper], []), strict=True)
    ]
    assert histories[0].pop("val_top") == [1.0]
    assert histories[0] == histories[1]
    assert histories[0]["val_loss"] == histories[0]["val_log_loss"]
    kept = tfdomain.load(tmp_path / "best.keras")
    np.testing.assert_array_equal(kept.predict(TEXTS), models[0].predict(TEXTS))


def test_one_trace_over_batches_of_many_lengths(new_classifier):
    model = new_classifier()
    texts = [" ".join(["money"] * length) for length in range(1, 13)]
    model.fit(texts, [0, 1] * 6, **(FIT | {"epochs": 2}))
    [train] = model._train_functions.values()
    assert train.experimental_get_tracing_count() == 1
    assert model.step == 12
    assert model.train_graph() is train.get_concrete_function()


def test_a_training_that_diverges_is_one_line_and_frees_the_terminal(new_classifier, capsys):
    model = new_classifier()
    with pytest.raises(TfdomainError, match=r"^step \d+: the loss became nan; lower the learning rate"):
        model.fit(TEXTS, ANSWERS, epochs=9, learning_rate=1e38, clip_norm=None, warmup_rate=0.0)
    assert "\x1b" not in capsys.readouterr().out
