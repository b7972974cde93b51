import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfdomain
from tfdomain.config import FitOptions
from tfdomain.errors import InputError

LABELS = ["fees", "fraud", "费用"]
LOGITS = np.random.default_rng(3).normal(size=(5, 3)).astype("float32")
CELLS = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]], "float32")
SCORES = np.array([[0.9, 0.2, 0.6], [0.1, 0.3, 0.2], [0.45, 0.8, 0.5]], "float32")


@pytest.fixture(scope="module")
def new_model(small_checkpoint):
    tokenizer = tfdomain.Tokenizer.from_pretrained(small_checkpoint)

    def make(**settings):
        encoder = tfdomain.Encoder.from_pretrained(small_checkpoint)
        return tfdomain.MultiLabelClassifier(encoder, tokenizer, **({"labels": LABELS} | settings))

    return make


@pytest.fixture(scope="module")
def model(new_model):
    """A model that is never trained."""
    return new_model(threshold={"fees": 0.45, "fraud": 0.5, "费用": 0.55})


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, {"fraud": 3.0}])
def test_loss_is_binary_cross_entropy_over_all_cells(new_model, smoothing, weights):
    model = new_model()
    model.options = FitOptions(label_smoothing=smoothing, class_weights=weights)
    targets = CELLS * (1 - smoothing) + smoothing / 2
    probabilities = 1 / (1 + np.exp(-LOGITS.astype("float64")))
    cells = -(targets * np.log(probabilities) + (1 - targets) * np.log(1 - probabilities))
    if weights:
        cells[:, 1] *= np.where(CELLS[:, 1] == 1, 3.0, 1.0)
    losses = model.example_losses({"labels": tf.constant(CELLS)}, tf.constant(LOGITS))
    np.testing.assert_allclose(losses, cells.mean(axis=1), atol=1e-6)


def test_class_weights_that_mean_nothing_are_refused(model):
    assert model.example_weights(CELLS, FitOptions(class_weights={"fees": 2.0})) is None
    with pytest.raises(InputError, match=r"^training\.class_weights: 'fee' is no label; labels: "):
        model.example_weights(CELLS, FitOptions(class_weights={"fee": 2.0}))
    with pytest.raises(
        InputError, match=r"^training\.class_weights: balanced is of examples with one label each; give"
    ):
        model.example_weights(CELLS, FitOptions(class_weights="balanced"))


@pytest.mark.parametrize(
    "labels",
    [
        [["fees"], [], ["fees", "fraud", "费用"], ["fraud"], ["费用"]],
        [{"fees"}, set(), {"fees", "fraud", "费用"}, {"fraud"}, {"费用"}],
        ["fees", "", "费用|fraud|fees", "fraud", '["费用"]'],
        np.array(["fees", "", "费用|fraud|fees", "fraud", "费用"]),
        pd.Series([["fees"], [], ["fees", "fraud", "费用"], ["fraud"], ["费用"]]),
        CELLS,
        CELLS.astype(bool),
        tf.constant(CELLS),
        pd.DataFrame(CELLS.astype(int), columns=LABELS),
        pd.DataFrame(CELLS.astype(int), columns=LABELS)[LABELS[::-1]],
        dict(zip(LABELS, CELLS.T.astype(int).tolist(), strict=True)),
    ],
)
def test_labels_of_every_kind(model, labels):
    encoded = model.encode_labels(labels)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded, CELLS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["fees"], ["fruad"]], r"^y\[1\]: label 'fruad' was never seen in training; did you mean 'fraud'\?"),
        ("fees", "is one string, not many"),
        (np.zeros((2, 2)), r"^y: labels of the shape \[2, 2\]; give a column for each of the 3 labels"),
        (np.array([[0, 1, 0], [0, 2, 0]]), r"^y\[1, 1\]: is 2; give 1 where the row has the label, else 0"),
        ({"fees": [0], "fraud": [1]}, "there is no indicator column for the label '费用'"),
    ],
)
def test_wrong_labels_are_one_line(model, labels, message):
    with pytest.raises(InputError, match=message):
        model.encode_labels(labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": []}, "give at least one, each once"),
        ({"labels": ["a", "a"]}, "give at least one, each once"),
        ({"labels": ["a\nb"]}, r"'a\\nb' is empty or holds a line break"),
        ({"threshold": 1.5}, r"threshold is 1\.5; give a number between 0 and 1"),
        ({"threshold": {"fees": 0.5}}, r"threshold is of \['fees'\], and the labels are .*; give one for each label"),
        ({"threshold_by": {"metric": "f"}}, "no threshold can be chosen by 'f'; choose one of f1"),
        ({"threshold_by": {"costs": {"false_positive": 1}}}, "costs are "),
        ({"threshold_by": "f1"}, "threshold_by is 'f1'; give "),
    ],
)
def test_settings_that_cannot_be_are_refused(new_model, settings, message):
    with pytest.raises(InputError, match=message):
        new_model(**settings)


def test_answers_give_what_reaches_its_threshold(model):
    answers = model.answers(SCORES)
    assert [answer["labels"] for answer in answers] == [["fees", "费用"], [], ["fees", "fraud"]]
    assert answers[0]["scores"] == pytest.approx({"fees": 0.9, "fraud": 0.2, "费用": 0.6})
    assert json.loads(json.dumps(answers)) == answers


def test_serve_gives_the_same_as_answers(model, monkeypatch):
    monkeypatch.setattr(type(model), "call", lambda self, batch, **_: tf.constant(SCORES))
    outputs = model.serve({}, {})
    names = [[name.decode() for name in row] for row in outputs["labels"].numpy()]
    assert names == [["fees", "费用", ""], ["", "", ""], ["fees", "fraud", ""]]
    assert outputs["count"].numpy().tolist() == [2, 0, 2]
    np.testing.assert_array_equal(outputs["scores"], SCORES)
    assert outputs["labels"].shape == (3, 3)


def test_metrics_are_taken_at_the_thresholds(new_model):
    truth = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], "float32")
    model = new_model(threshold={"fees": 0.45, "fraud": 0.5, "费用": 0.55})
    metrics = model.measure(truth, SCORES)
    assert "cost" not in metrics
    # One label too many, of nine cells; 0.5 would have had one that is missed, and another too many.
    assert metrics["hamming_loss"] == pytest.approx(1 / 9)
    assert metrics["per_label"]["fees"]["threshold"] == pytest.approx(0.45)
    costs = {"false_positive": 2.0, "false_negative": 7.0}
    by_costs = new_model(threshold=0.7, threshold_by={"costs": costs})
    given = SCORES >= 0.7
    expected = (2 * (given & (truth == 0)) + 7 * (~given & (truth == 1))).sum() / 3
    assert by_costs.measure(truth, SCORES)["cost"] == pytest.approx(expected)


def test_thresholds_are_chosen_for_each_label_and_kept(new_model, tmp_path):
    model = new_model()
    texts = ["loan", "car", "money", "bank", "school", "debt"]
    scores = model.predict(texts)
    order = np.argsort(scores, axis=0)
    truth = np.zeros((6, 3), "float32")
    for label in range(2):
        truth[order[-2 - label :, label], label] = 1
    chosen = model.choose_thresholds(texts, truth)
    assert chosen["fees"].score == chosen["fraud"].score == 1.0
    assert (chosen["费用"].value, chosen["费用"].reason) == (0.5, "no positives")
    for label in range(2):
        in_order = scores[order[:, label], label]
        assert in_order[-3 - label] < model.thresholds[label] <= in_order[-2 - label]
    model.save(tmp_path / "model")
    again = tfdomain.load(tmp_path / "model")
    assert again.threshold == model.threshold
    assert again.answers(scores) == model.answers(scores)
    [remark] = again.calibrate(texts, truth)
    assert remark == "the threshold of '费用' stays 0.5: no positives among the validation rows"
    assert again.threshold == model.threshold


def price(given, cells, costs):
    """What the wrong ones of a label cost together."""
    return costs[0] * np.sum(given & (cells == 0)) + costs[1] * np.sum(~given & (cells == 1))


def test_thresholds_by_costs_are_the_cheapest_of_all_for_each_label(new_model, monkeypatch):
    random = np.random.default_rng(4)
    truth = (random.random((40, 3)) < [0.5, 0.2, 0.4]).astype("float32")
    # One decimal: scores are often equal, and no threshold divides those.
    scores = np.clip(0.3 * truth + random.normal(0.4, 0.25, truth.shape), 0, 1).round(1).astype("float32")
    candidates, model = np.linspace(-0.05, 1.05, 23), new_model()
    monkeypatch.setattr(model, "predict", lambda x: scores)
    for costs in [(1.0, 1.0), (1.0, 6.0), (9.0, 2.0)]:
        by_error = dict(zip(("false_positive", "false_negative"), costs, strict=True))
        chosen = model.choose_thresholds(["text"] * 40, truth, costs=by_error)
        prices = [
            [price(column >= least, cells, costs) for least in candidates]
            for cells, column in zip(truth.T, scores.T, strict=True)
        ]
        cheapest = np.min(prices, axis=1)
        given = np.array([[name in row["labels"] for name in LABELS] for row in model.answers(scores)])
        np.testing.assert_allclose([price(*each, costs) for each in zip(given.T, truth.T, strict=True)], cheapest)
        np.testing.assert_allclose([chosen[name].score for name in LABELS], cheapest / 40)
        # The cost that is reported: a row's, over all its labels.
        assert model.measure(truth, scores)["cost"] == pytest.approx(cheapest.sum() / 40)


def test_classify_gives_the_most_probable_first(new_model):
    model = new_model(threshold=0.0)
    [labels] = model.classify(["please help"])
    assert set(labels) == set(LABELS)
    assert list(labels.values()) == sorted(labels.values(), reverse=True)
