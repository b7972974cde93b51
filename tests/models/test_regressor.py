import json

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

import tfdomain
from tfdomain.errors import InputError

TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]
STARS = [4.5, 1.0, 2.0, 4.0]
TWO = np.array([[0.1, 900.0], [0.2, 1200.0], [0.0, 100.0], [0.4, 300.0]], "float32")
FIT = {"epochs": 2, "batch_size": 2, "verbose": 0, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def make(small_checkpoint):
    tokenizer = tfdomain.Tokenizer.from_pretrained(small_checkpoint)

    def make(**settings):
        encoder = tfdomain.Encoder.from_pretrained(small_checkpoint)
        return tfdomain.TextRegressor(encoder, tokenizer, **({"targets": ["stars"]} | settings))

    return make


@pytest.fixture(scope="module")
def trained(make):
    model = make()
    # Compiled before the scale is known: what `predict` gives later must have it nevertheless.
    assert np.abs(model.predict(TEXTS)).max() < 1
    model.fit(TEXTS, STARS, **FIT)
    return model


@pytest.fixture(scope="module")
def two(make):
    return make(targets=["rate", "price"], means=[0.2, 600.0], deviations=[0.1, 400.0])


@pytest.mark.parametrize(
    "labels",
    [
        STARS,
        tuple(STARS),
        ["4.5", "1", "2.0", " 4 "],
        ["４．５", "１", "2", "4"],
        np.array(STARS),
        np.array(STARS)[:, np.newaxis],
        pd.Series(STARS),
        pd.DataFrame({"other": [0] * 4, "stars": STARS}),
        {"stars": STARS},
        pa.chunked_array([STARS[:1], STARS[1:]]),
        tf.constant(STARS),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_labels_of_every_kind(trained, labels):
    encoded = trained.encode_labels(labels)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[star] for star in STARS]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1.0, None], r"^y\[1\]: 'stars' is "),
        ([1.0, float("nan")], r"^y\[1\]: 'stars' is 'nan', not a number"),
        (["1,5", "2"], r"^y\[0\]: 'stars' is '1,5', not a number \(write 1\.5\)"),
        (TWO, r"^y: labels of the shape \[4, 2\], not \[n\] or \[n, 1\]; reshape them"),
        (4.5, r"^y: labels of the shape \[\], not \[n\]"),
        ([[1.0], [1.0, 2.0]], r"^y: labels of several lengths"),
        ({"star": STARS}, r"^y: there is no column 'stars'; give columns for stars"),
    ],
)
def test_a_wrong_label_is_one_line(trained, labels, message):
    with pytest.raises(InputError, match=message):
        trained.encode_labels(labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": []}, r"^targets are \[\]; give a list of at least one name, each once"),
        ({"targets": ["a", "a"]}, "each once"),
        ({"targets": "score"}, "^targets are 'score'; give a list"),
        ({"means": [1.0]}, r"^deviations: is None for 1 targets; give a number for each"),
        ({"means": [1.0, 2.0], "deviations": [1.0, 2.0]}, r"^means: is \[1\.0, 2\.0\] for 1 targets"),
        ({"means": [1.0], "deviations": [0.0]}, r"^deviations: are \[0\.0\]; give finite numbers above 0"),
    ],
)
def test_a_wrong_setting_is_one_line(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings)


def test_loss_is_the_mean_squared_error_in_deviations(two):
    outputs = np.random.default_rng(3).normal(size=(4, 2)).astype("float32")
    expected = (((TWO - [0.2, 600.0]) / [0.1, 400.0] - outputs) ** 2).mean(axis=1)
    np.testing.assert_allclose(two.example_losses({"labels": tf.constant(TWO)}, outputs), expected, rtol=1e-4)


def test_scale_is_learned_once_and_undone(trained, make):
    assert trained.means == [np.mean(STARS)]
    assert trained.deviations == [np.std(STARS)]
    tokens = trained.tokenizer(TEXTS)
    outputs = trained(tokens, logits=True).numpy()
    np.testing.assert_allclose(trained.predict(TEXTS), outputs * np.std(STARS) + np.mean(STARS), rtol=1e-4)
    again = make(means=[0.0], deviations=[5.0])
    again.fit(TEXTS, STARS, **FIT)
    assert (again.means, again.deviations) == ([0.0], [5.0])


def test_unit_of_the_targets_does_not_matter(trained, make):
    other = make()
    other.fit(TEXTS, 1000 * np.array(STARS) - 7000, **FIT)
    np.testing.assert_allclose(other.predict(TEXTS), 1000 * trained.predict(TEXTS) - 7000, rtol=1e-3)


@pytest.mark.parametrize("batch_size", [None, 3])
def test_scale_comes_from_a_dataset_too(make, batch_size):
    model = make(targets=["rate", "price"])
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, TWO))
    model.fit(dataset if batch_size is None else dataset.batch(batch_size), epochs=1, verbose=0)
    np.testing.assert_allclose(model.means, TWO.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(model.deviations, TWO.std(axis=0), rtol=1e-5)


@pytest.mark.thorough
def test_a_dataset_of_one_number_a_text(make, trained):
    model = make()
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, STARS)).batch(2)
    model.fit(dataset, epochs=1, verbose=0)
    assert model.means == trained.means
    assert model.evaluate(dataset)["mae"] == pytest.approx(model.evaluate(TEXTS, STARS)["mae"], abs=1e-5)
    with pytest.raises(InputError, match=r"^the data set: labels that are no finite numbers"):
        make().fit(tf.data.Dataset.from_tensor_slices((TEXTS, [1.0, np.nan, 2.0, 3.0])).batch(2), verbose=0)


def test_nothing_to_learn(make):
    with pytest.raises(InputError, match=r"^stars: every row has the value 3; give rows that differ"):
        make().fit(TEXTS, [3.0] * 4, **FIT)


@pytest.mark.parametrize("options", [{"class_weights": "balanced"}, {"label_smoothing": 0.1}])
def test_options_of_classes_are_refused(make, options):
    with pytest.raises(InputError, match=r"^training\.\w+: \w+ is given, which means nothing to regression; leave it"):
        make().fit(TEXTS, STARS, **options)


def test_metrics_are_those_of_scipy_and_scikit_learn(trained):
    metrics, predicted = trained.evaluate(TEXTS, STARS), trained.predict(TEXTS)[:, 0]
    assert metrics["spearman"] == pytest.approx(spearmanr(STARS, predicted)[0], abs=1e-6)
    assert metrics["pearson"] == pytest.approx(pearsonr(STARS, predicted)[0], abs=1e-6)
    assert metrics["mae"] == pytest.approx(mean_absolute_error(STARS, predicted), rel=1e-6)
    assert metrics["r2"] == pytest.approx(r2_score(STARS, predicted), rel=1e-5)
    assert set(trained.headline) <= set(metrics)


def test_held_out_loss_has_the_unit_of_the_training_loss(two):
    figures = two.held_out_figures(two.evaluate(TEXTS, TWO))
    outputs = two(two.tokenizer(TEXTS), logits=True)
    expected = float(tf.reduce_mean(two.example_losses({"labels": TWO}, outputs)))
    assert figures["loss"] == pytest.approx(expected, rel=1e-4)
    assert figures["mse"] > 1000 * figures["loss"]


def test_a_loss_of_ones_own_reads_the_targets_in_their_unit(make):
    model = make(means=[100.0], deviations=[10.0])
    model.compile(loss="mean_absolute_error", metrics=[keras.metrics.MeanAbsoluteError(name="own")])
    model.fit(TEXTS, STARS, epochs=1, verbose=0)
    metrics = model.evaluate(TEXTS, STARS)
    assert metrics["own"] == pytest.approx(metrics["mae"], rel=1e-5)


def test_blank_predictions_define_every_metric(two):
    metrics = two.measure(TWO, two.blank_predictions(4))
    assert all(metrics[name] is not None for name in ("spearman", "pearson", "mae", "mse", "r2"))


def test_answers(trained, two):
    predictions = trained.predict(TEXTS)
    assert predictions.shape == (4, 1)
    assert trained.answers(predictions)[1] == {"value": pytest.approx(predictions[1, 0])}
    assert trained.answer_types() == {"value": pa.float32()}
    first = two.answers(two.predict(TEXTS))[0]["values"]
    assert list(first) == ["rate", "price"]
    assert 500 < first["price"] < 700


def test_no_texts_no_values(two):
    assert two.predict([]).shape == (0, 2)


@pytest.mark.thorough
def test_signature_of_one_target_has_a_plain_value(trained, two, tmp_path):
    signature = tf.saved_model.load(str(trained.export(tmp_path))).signatures["serving_default"]
    outputs = signature(text=tf.constant(TEXTS))
    assert {name: value.shape.as_list() for name, value in outputs.items()} == {"value": [4], "values": [4, 1]}
    np.testing.assert_allclose(outputs["value"], trained.predict(TEXTS)[:, 0], atol=1e-5)
    assert set(two.serve(two.sample_batch(), {})) == {"values"}


def test_folder_gives_transformers_the_targets_in_their_unit(trained, tmp_path):
    trained.save(tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["problem_type"] == "regression"
    assert config["id2label"] == {"0": "stars"}
    tensors = load_file(tmp_path / "model/model.safetensors")
    pooled = trained.embed(trained.tokenizer(TEXTS)).numpy()
    values = pooled @ tensors["classifier.weight"].T + tensors["classifier.bias"]
    np.testing.assert_allclose(values, trained.predict(TEXTS), rtol=1e-5)
