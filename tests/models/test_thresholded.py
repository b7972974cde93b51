"""The threshold between two labels; `test_multilabel.py` has those of several."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, f1_score

import tfdomain
from tfdomain.errors import InputError

SCORES = np.array([[0.8, 0.2], [0.6, 0.4], [0.65, 0.35], [0.1, 0.9]], "float32")
TRUTH = np.array([0, 1, 1, 1], "int32")
COSTS = {"false_positive": 1.0, "false_negative": 5.0}


def given(model):
    return [answer["label"] for answer in model.answers(SCORES)]


def test_without_a_threshold_the_more_probable_label_is_given(new_classifier):
    model = new_classifier()
    assert given(model) == ["default", "default", "default", "repaid"]
    assert "threshold" not in model.measure(TRUTH, SCORES)


def test_a_threshold_decides_answers_and_metrics(new_classifier):
    model = new_classifier(threshold=0.35)
    assert given(model) == ["default", "repaid", "repaid", "repaid"]
    # The score is that of the label, though the other one is more probable.
    assert model.answers(SCORES)[1]["score"] == pytest.approx(0.4)
    metrics = model.measure(TRUTH, SCORES)
    assert metrics["accuracy"] == 1.0
    assert metrics["threshold"] == 0.35
    assert "cost" not in metrics


def test_the_positive_label_may_be_the_first(new_classifier):
    model = new_classifier(threshold=0.62, positive="default")
    assert given(model) == ["default", "repaid", "default", "repaid"]


@pytest.mark.parametrize("settings", [{}, {"threshold": 0.35}, {"threshold": 0.62, "positive": "default"}])
def test_serve_gives_the_same_as_answers(new_classifier, monkeypatch, settings):
    model = new_classifier(**settings)
    monkeypatch.setattr(type(model), "call", lambda self, batch, **_: tf.constant(SCORES))
    outputs = model.serve({}, {})
    assert [label.decode() for label in outputs["label"].numpy()] == given(model)
    np.testing.assert_array_equal(outputs["score"], [answer["score"] for answer in model.answers(SCORES)])


@pytest.mark.thorough
def test_what_is_chosen_is_best_on_the_examples_and_kept(new_classifier, tmp_path):
    model = new_classifier()
    texts = [f"{word} money" for word in ("loan", "car", "debt", "bank", "school", "lost", "help", "paid")]
    labels = [model.labels[number] for number in (0, 1, 0, 0, 1, 1, 0, 1)]
    scores, truth = model.predict(texts)[:, 1], model.encode_labels(labels)
    chosen = model.choose_thresholds(texts, labels, metric="f1")
    cuts = [scores >= cut for cut in scores]
    assert chosen["repaid"].score == pytest.approx(max(f1_score(truth, cut) for cut in cuts))
    metrics = model.evaluate(texts, labels)
    assert metrics["per_class"]["repaid"]["f1"] == pytest.approx(chosen["repaid"].score)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(truth, scores >= np.float32(model.threshold)))
    model.choose_thresholds(texts, labels, costs=COSTS)
    cost = min((1 * (cut & (truth == 0)) + 5 * (~cut & (truth == 1))).mean() for cut in cuts)
    assert model.evaluate(texts, labels)["cost"] == pytest.approx(cost)
    model.save(tmp_path / "model")
    again = tfdomain.load(tmp_path / "model")
    assert (again.threshold, again.costs) == (model.threshold, COSTS)
    assert again.evaluate(texts, labels)["cost"] == pytest.approx(cost)
    assert type(model).from_config(model.get_config()).threshold == model.threshold


def test_calibrate_chooses_on_some_rows_and_only_where_asked(new_classifier):
    texts, rows = ["loan", "car", "debt"], np.array([0, 2])
    fixed = new_classifier(threshold=0.3)
    assert fixed.calibrate(texts, np.array([0, 1]), rows) == []
    assert fixed.threshold == 0.3
    model = new_classifier(threshold_by={"metric": "accuracy"})
    assert model.calibrate(texts, np.array([0, 1]), rows) == []
    first, _, last = model.predict(texts)[:, 1]
    expected = (first + last) / 2 if last > first else last
    assert model.threshold == pytest.approx(expected, abs=1e-6)
    told = model.calibrate(texts, np.array([0, 0]), rows)
    assert told == ["the threshold of 'repaid' stays 0.5: no positives among the validation rows"]
    assert model.threshold == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"labels": ["a", "b", "c"], "threshold": 0.5},
            "^model: a threshold divides two labels, and there are 3; leave",
        ),
        ({"labels": ["a", "b", "c"], "threshold_by": {"metric": "f1"}}, "a threshold divides two labels"),
        ({"positive": "good"}, r"^model\.positive: positive is 'good'; choose one of \['default', 'repaid'\]"),
        ({"threshold": True}, "threshold is True; give a number between 0 and 1"),
        ({"threshold_by": {"metric": "roc_auc"}}, "no threshold can be chosen by 'roc_auc'; choose one of f1"),
    ],
)
def test_settings_that_cannot_be_are_refused(new_classifier, settings, message):
    with pytest.raises(InputError, match=message):
        new_classifier(**settings)


def test_three_labels_have_no_threshold_to_choose(new_classifier):
    model = new_classifier(labels=["a", "b", "c"])
    with pytest.raises(InputError, match="a threshold divides two labels, and there are 3; use a MultiLabelClassifier"):
        model.choose_thresholds(["loan"], ["a"])
