"""Thresholds and several labels from files to served answers; the examples of their pages."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

import tfdomain
from tfdomain.config import experiment_from, load_experiment
from tfdomain.errors import InputError
from tfdomain.evaluation.prediction import evaluate_file, predict_file
from tfdomain.training.run import train

pytestmark = pytest.mark.thorough

DOCS = Path(__file__).resolve().parents[2] / "docs"
WORDS = {"lost": "risk", "poor": "风险", "school": "study"}
COSTS = {"false_positive": 1.0, "false_negative": 10.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory, labelled_texts):
    """The same texts with one label of two each, and with any number of labels."""
    folder = tmp_path_factory.mktemp("files")
    texts, labels = labelled_texts
    sets = ["|".join(label for word, label in WORDS.items() if word in text.split()) for text in texts]
    with open(folder / "rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "status", "labels"), *zip(texts, labels, sets, strict=True)])
    return folder


def run(files, folder, tiny_checkpoint, **values):
    data = {"train": "rows.csv", "validation": 0.3, "test": "rows.csv", **values.pop("data")}
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01} | values.pop("training", {})
    values = {"name": "a", "encoder": str(tiny_checkpoint), "data": data, "training": training, **values}
    (folder / "a.yaml").write_text(yaml.safe_dump(values))
    return train(load_experiment(folder / "a.yaml"), folder / "run", folder=files, verbose=0)


@pytest.fixture(scope="module")
def labels_run(files, tmp_path_factory, tiny_checkpoint):
    folder = tmp_path_factory.mktemp("labels")
    choices = {"task": "multilabel", "model": {"pooling": "mean", "threshold": {"metric": "f1"}}}
    run(files, folder, tiny_checkpoint, data={}, training={"best": "mean_average_precision"}, **choices)
    return folder / "run"


@pytest.fixture(scope="module")
def costs_run(files, tmp_path_factory, tiny_checkpoint):
    folder = tmp_path_factory.mktemp("costs")
    model = {"pooling": "mean", "positive": "default", "threshold": {"costs": COSTS}}
    run(files, folder, tiny_checkpoint, data={"label": "status"}, model=model)
    return folder / "run"


def test_thresholds_of_labels_are_chosen_on_the_validation_rows(labels_run):
    model = tfdomain.load(labels_run / "model")
    assert list(model.threshold) == model.labels == ["risk", "study", "风险"]
    metrics = json.loads((labels_run / "metrics.json").read_text())
    for name, one in metrics["validation"]["per_label"].items():
        assert one["threshold"] == pytest.approx(model.threshold[name])
    at_half = type(model).from_config(model.get_config() | {"threshold": None})
    at_half.set_weights(model.get_weights())
    assert model.threshold != at_half.threshold
    report = (labels_run / "report.txt").read_text()
    assert "threshold" in report
    assert "Hamming loss" in report


def test_the_threshold_of_costs_is_in_metrics_and_report(costs_run, files):
    model = tfdomain.load(costs_run / "model")
    assert (model.labels[0], model.positive, model.costs) == ("default", "default", COSTS)
    metrics = json.loads((costs_run / "metrics.json").read_text())
    (_, wrong_alarms), (missed, _) = np.array(metrics["test"]["confusion_matrix"])[::-1, ::-1]
    assert metrics["test"]["cost"] == pytest.approx((wrong_alarms + 10 * missed) / metrics["test"]["num_examples"])
    # Of all thresholds none would have been cheaper on the rows that chose.
    assert metrics["validation"]["cost"] <= min(10 * 5 / 18, 1.0)
    assert metrics["test"]["threshold"] == model.threshold
    report = (costs_run / "report.txt").read_text()
    assert re.search(rf"threshold +{model.threshold:.4f}", report)
    assert "cost an example" in report
    assert evaluate_file(model, [files / "rows.csv"])["cost"] == pytest.approx(metrics["test"]["cost"])


def test_files_and_the_exported_signature_give_the_same_labels(labels_run, files, tmp_path):
    model = tfdomain.load(labels_run / "model")
    assert predict_file(model, [files / "rows.csv"], tmp_path / "out.jsonl") == (60, 0)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(row["labels"] for row in rows)
    assert rows[0]["source_labels"] in {"", *WORDS.values()} or "|" in rows[0]["source_labels"]
    served = tf.saved_model.load(str(model.export(tmp_path / "served"))).signatures["serving_default"]
    outputs = {name: value.numpy() for name, value in served(text=tf.constant([row["text"] for row in rows])).items()}
    scores = np.array([list(row["scores"].values()) for row in rows])
    np.testing.assert_allclose(outputs["scores"], scores, atol=1e-5)
    clear = np.abs(scores - model.thresholds).min(axis=1) > 1e-5
    assert clear.sum() > 50
    for place in np.flatnonzero(clear):
        given = [label.decode() for label in outputs["labels"][place]]
        assert given == rows[place]["labels"] + [""] * (3 - outputs["count"][place])
    metrics = evaluate_file(model, [files / "rows.csv"])
    assert metrics["exact_match"] == json.loads((labels_run / "metrics.json").read_text())["test"]["exact_match"]


def test_a_run_refuses_a_wrong_metric_before_it_trains(files, tmp_path, tiny_checkpoint):
    with pytest.raises(InputError, match="no threshold can be chosen by 'roc_auc'"):
        run(files, tmp_path, tiny_checkpoint, data={"label": "status"}, model={"threshold": {"metric": "roc_auc"}})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("page", ["multilabel", "thresholds"])
def test_examples_of_the_pages(page, tiny_checkpoint, tmp_path, monkeypatch):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    [written] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert experiment_from(yaml.safe_load(written), where=page).model.threshold is not None
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {"encoder": str(tiny_checkpoint)}
    exec(code.replace("epochs=3", "epochs=1, verbose=0"), names)
    if page == "thresholds":
        assert tfdomain.load("loans_model").threshold == names["chosen"]["违约"].value
    else:
        assert names["model"].predict(names["texts"]).shape == (4, 3)
        assert all(0.5 <= score <= 1 for score in names["model"].classify(["又扣了手续费"])[0].values())
