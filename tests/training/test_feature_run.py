"""Text and table from a file to a server: one experiment, its three runs, and what users do with the model."""

import csv
import json

import grpc
import httpx
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml
from sklearn.metrics import roc_auc_score
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc

import tfdomain
from tfdomain.config import load_experiment
from tfdomain.errors import InputError
from tfdomain.evaluation.prediction import evaluate_file, predict_file
from tfdomain.serving.server import running_server
from tfdomain.training.run import train

pytestmark = pytest.mark.thorough

WORDS = ["my car is lost", "", "we paid", "please help", "a good job", "the old house"]
FEATURES = ["amount", "home ownership", "年收入", "issued"]


def make_rows(count, seed):
    """Loans: a small income makes a default likely, the rest is noise; `paid` knows the outcome."""
    random = np.random.default_rng(seed)
    income = random.lognormal(10, 1, count).round(2)
    lost = random.random(count) < 1 / (1 + np.exp(2 * (np.log(income) - 10)))
    return pd.DataFrame(
        {
            "desc": random.choice(WORDS, count),
            "amount": random.integers(1, 99, count).astype(str),
            "home ownership": random.choice(["RENT", "OWN", "自有", ""], count),
            "年收入": np.where(random.random(count) < 0.1, "", income.astype(str)),
            "issued": random.choice(["Dec-2011", "2010-01-05", "2009年3月4日"], count),
            "paid": np.where(lost, "0", "1"),
            "status": np.where(lost, "default", "repaid"),
        }
    )


@pytest.fixture(scope="module")
def experiment_file(tmp_path_factory, tiny_checkpoint):
    folder = tmp_path_factory.mktemp("loans")
    make_rows(300, 1).to_csv(folder / "train.csv", index=False)
    make_rows(80, 2).to_csv(folder / "test.csv", index=False)
    values = {
        "name": "loans",
        "encoder": str(tiny_checkpoint),
        "max_length": 16,
        "data": {
            "train": "train.csv", "validation": 0.2, "test": "test.csv", "text": "desc", "label": "status",
            "empty_text": "keep", "features": FEATURES, "refuse_columns": ["paid"],
        },
        "training": {"epochs": 3, "batch_size": 32, "learning_rate": 0.002, "head_rate": 5},
    }  # fmt: skip
    (folder / "loans.yaml").write_text(yaml.safe_dump(values, allow_unicode=True))
    return folder / "loans.yaml"


def run(experiment_file, folder, *overrides):
    metrics = train(load_experiment(experiment_file, overrides), folder, folder=experiment_file.parent, verbose=0)
    return metrics, tfdomain.load(folder / "model")


@pytest.fixture(scope="module")
def finished(experiment_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "both"
    return folder, *run(experiment_file, folder)


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    return folder, finished[2].export(folder)


def inputs_of(path):
    """The test rows as Python users hand them over."""
    rows = pd.read_csv(path.parent / "test.csv", dtype=str, keep_default_na=False)
    return rows.rename(columns={"desc": "text"}), rows.status.tolist()


def test_features_are_learned_used_and_ranked(finished, experiment_file):
    folder, metrics, model = finished
    assert [(spec.name, spec.kind) for spec in model.features] == [
        ("amount", "numeric"), ("home ownership", "category"), ("年收入", "numeric"), ("issued", "date"),
    ]  # fmt: skip
    assert metrics["test"]["roc_auc"] > 0.75
    # Its reference: the same rows, the column's own numbers, its missing cells at whichever end tells more.
    ranks = metrics["features"]["per_feature"]
    rows = pd.read_csv(experiment_file.parent / "train.csv")
    lost = rows.status == "default"
    expected = max(roc_auc_score(lost, -rows["年收入"].fillna(end)) for end in (-1, 1e9))
    assert metrics["features"]["num_examples"] == 240
    assert next(iter(ranks)) == "年收入"
    assert ranks["年收入"]["own_roc_auc"] == pytest.approx(expected, abs=0.05)
    assert ranks["年收入"]["missing_rate"] == pytest.approx(rows["年收入"].isna().mean(), abs=0.05)
    report = (folder / "report.txt").read_text().split("Features")[1]
    assert "home ownership" in report and "category" in report and "ROC AUC" in report
    assert json.loads((folder / "metrics.json").read_text()) == metrics


def test_a_leak_that_is_declared_leads_the_report(experiment_file, tmp_path):
    overrides = ["data.text=null", "data.features=[amount, 年收入, issued, paid]", "data.refuse_columns=[]"]
    metrics, _ = run(experiment_file, tmp_path / "run", *overrides, "training.epochs=1")
    ranks = {name: rank["own_roc_auc"] for name, rank in metrics["features"]["per_feature"].items()}
    assert list(ranks)[:2] == ["paid", "年收入"]
    assert ranks["paid"] == 1.0 > 0.95 > ranks["年收入"]
    table = (tmp_path / "run/report.txt").read_text().split("what each feature tells by itself")[1].split("───\n")[1]
    rows = [line.split() for line in table.splitlines()[:4]]
    assert [name for name, *_ in rows] == list(ranks)
    assert rows[0] == ["paid", "numeric", "1.0000", "0.0000"]


def test_python_and_files_agree(finished, experiment_file, tmp_path):
    _, metrics, model = finished
    table, labels = inputs_of(experiment_file)
    assert model.evaluate(table, labels)["roc_auc"] == pytest.approx(metrics["test"]["roc_auc"], abs=1e-6)
    source = experiment_file.parent / "test.csv"
    assert evaluate_file(model, [source])["roc_auc"] == pytest.approx(metrics["test"]["roc_auc"], abs=1e-6)
    predict_file(model, [source], tmp_path / "out.csv")
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == ["desc", *FEATURES, "paid", "status", "label", "score", "scores"]
    expected = model.predict(table)
    np.testing.assert_allclose([list(json.loads(row["scores"]).values()) for row in written], expected, atol=1e-6)
    assert [row["年收入"] for row in written] == table["年收入"].tolist()


def test_json_lines_keep_their_numbers(finished, tmp_path):
    model = finished[2]
    row = {"desc": "we paid", "amount": 5.5, "home ownership": None, "年收入": 1000, "issued": "2011-12", "id": 7}
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    predict_file(model, [tmp_path / "in.jsonl"], tmp_path / "out.jsonl")
    answer = json.loads((tmp_path / "out.jsonl").read_text())
    assert {name: answer[name] for name in row} == row
    table = {"text": ["we paid"], "amount": [5.5], "home ownership": [""], "年收入": [1000], "issued": ["2011-12-01"]}
    np.testing.assert_allclose(list(answer["scores"].values()), model.predict(table)[0], atol=1e-6)


def test_a_missing_column_is_named_with_its_like(finished, tmp_path):
    model = finished[2]
    (tmp_path / "in.csv").write_text("desc,amuont,home ownership,年收入,issued\nx,1,RENT,5,2011-12-01\n")
    with pytest.raises(InputError, match=r"has no column 'amount'; .*did you mean 'amuont'"):
        predict_file(model, [tmp_path / "in.csv"], tmp_path / "out.csv")
    with pytest.raises(InputError, match="there is no column 'amount'; did you mean 'amuont'"):
        model.predict({"text": ["x"], "amuont": [1], "home ownership": ["RENT"], "年收入": [5], "issued": [""]})
    with pytest.raises(InputError, match="texts alone, and the model reads columns beside them"):
        model.predict(["x"])


def test_a_cell_that_is_no_number_is_told_with_its_line(finished, tmp_path, experiment_file):
    text = "desc,amount,home ownership,年收入,issued,status\nx,1,RENT,5,,default\ny,many,OWN,6,,repaid\n"
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(InputError, match=r"in the numeric column 'amount': .*in.csv: line 3: 'many'"):
        predict_file(finished[2], [tmp_path / "in.csv"], tmp_path / "out.csv")
    with pytest.raises(InputError, match=r"line 3: 'many'"):
        evaluate_file(finished[2], [tmp_path / "in.csv"])
    with pytest.raises(InputError, match=r"line 3: 'many'"):
        run(experiment_file, tmp_path / "run", f"data.test={tmp_path / 'in.csv'}")


def test_the_signature_takes_the_columns_by_name(finished, exported, experiment_file):
    model = finished[2]
    table, _ = inputs_of(experiment_file)
    numbers = {name: pd.to_numeric(table[name]).astype("float32") for name in ("amount", "年收入")}
    columns = {"text": table["text"], **{name: table[name] for name in FEATURES}, **numbers}
    signature = tf.saved_model.load(str(exported[1])).signatures["serving_default"]
    outputs = signature(**{name: tf.constant(column.tolist()) for name, column in columns.items()})
    np.testing.assert_allclose(outputs["scores"], model.predict(table), atol=1e-5)
    [logs] = [tf.data.TFRecordDataset(str(exported[1] / "assets.extra/tf_serving_warmup_requests"))]
    first = prediction_log_pb2.PredictionLog.FromString(next(iter(logs)).numpy())
    assert set(first.predict_log.request.inputs) == set(columns)


def test_rest_and_grpc_answer_as_predict(finished, exported):
    model = finished[2]
    rows = [
        {"text": "my car", "amount": 5, "home ownership": "自有", "年收入": 2000.5, "issued": "2011-12-01"},
        {"text": "", "amount": 7, "home ownership": "never seen", "年收入": float("nan"), "issued": "?"},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    expected = model.predict(columns)
    example = tf.train.Example()
    for name, value in rows[0].items():
        feature = example.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        else:
            feature.float_list.value.append(value)
    with running_server(exported[0], name="loans") as server:
        # NaN as TensorFlow Serving reads it in JSON: a number that is missing.
        body = json.dumps({"instances": rows})
        answer = httpx.post(f"{server.rest_url}/v1/models/loans:predict", content=body, timeout=60)
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose([row["scores"] for row in answer.json()["predictions"]], expected, atol=1e-5)
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "loans"
        for name, values in columns.items():
            kind = tf.string if isinstance(values[0], str) else tf.float32
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values, kind))
        with grpc.insecure_channel(server.grpc_address) as channel:
            response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)
        np.testing.assert_allclose(tf.make_ndarray(response.outputs["scores"]), expected, atol=1e-5)
        missing = {name: value for name, value in rows[0].items() if name != "年收入"}
        refused = httpx.post(f"{server.rest_url}/v1/models/loans:predict", json={"instances": [missing]}, timeout=60)
        assert refused.status_code == 400 and "年收入" in refused.json()["error"]
    outputs = tf.saved_model.load(str(exported[1])).signatures["classify"](tf.constant([example.SerializeToString()]))
    np.testing.assert_allclose(outputs["scores"], expected[:1], atol=1e-5)


def test_the_table_alone(experiment_file, tmp_path):
    metrics, model = run(experiment_file, tmp_path / "run", "data.text=null", "training.epochs=8")
    assert metrics["test"]["roc_auc"] > 0.75
    assert set(model.column_specs()) == set(FEATURES)
    table, labels = inputs_of(experiment_file)
    assert model.evaluate(table[FEATURES], labels)["roc_auc"] == pytest.approx(metrics["test"]["roc_auc"], abs=1e-6)
    # The encoder is the checkpoint's still, and the exported model is without it.
    fresh = tfdomain.Encoder.from_pretrained(load_experiment(experiment_file).encoder)
    for weight, other in zip(model.encoder.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    source = experiment_file.parent / "test.csv"
    assert evaluate_file(model, [source])["roc_auc"] == pytest.approx(metrics["test"]["roc_auc"], abs=1e-6)
    assert predict_file(model, [source], tmp_path / "out.jsonl").num_rows == 80
    with pytest.raises(InputError, match="the model reads no text"):
        predict_file(model, [source], tmp_path / "out.jsonl", texts=["desc"])
    served = tf.saved_model.load(str(model.export(tmp_path / "served")))
    assert len(served.weights) == len(model.variables) - len(model.encoder.variables)


def test_the_text_alone(experiment_file, tmp_path):
    overrides = ["data.features=[]", "training.epochs=1"]
    metrics, model = run(experiment_file, tmp_path / "run", *overrides)
    assert set(metrics) == {"validation", "test", "training"} and model.features == ()
    assert set(model.column_specs()) == {"text"}
    assert "features" not in model.settings()
    with pytest.raises(InputError, match="an empty text in 'desc'"):
        run(experiment_file, tmp_path / "other", *overrides, "data.empty_text=refuse")


def test_regression_reads_a_table_too(experiment_file, tmp_path):
    overrides = ["task=regression", "data.label=amount", "data.features={年收入: numeric, issued: date}"]
    metrics, model = run(experiment_file, tmp_path / "run", *overrides, "training.epochs=1")
    assert set(metrics["features"]["per_feature"]["年收入"]) == {"kind", "own_spearman", "missing_rate"}
    assert evaluate_file(model, [experiment_file.parent / "test.csv"])["mae"] == pytest.approx(metrics["test"]["mae"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.features=[paid]"], "features names the column 'paid', which refuse_columns refuses"),
        (["data.text=paid"], "text names the column 'paid', which"),
        (["data.label=paid"], "label names the column 'paid', which"),
        (["data.features=[status]"], "the column 'status' is both in features and in label"),
        (["data.text=null", "data.features=[]"], "there is neither a text nor a feature"),
        (["data.features={amount: number}"], "data.features"),
    ],
)
def test_contradictions_are_refused(experiment_file, overrides, message):
    with pytest.raises(InputError, match=message):
        load_experiment(experiment_file, overrides)


@pytest.mark.parametrize(
    ("column", "message"),
    [("amuont", "has no column 'amuont'; .*did you mean 'amount'"), ("constant", "one value only"), ("id", "an id")],
)
def test_columns_that_are_no_features_are_refused(experiment_file, tmp_path, column, message):
    rows = make_rows(40, 3).assign(constant="1", id=[f"n{row}" for row in range(40)])
    rows.to_csv(tmp_path / "train.csv", index=False)
    overrides = [f"data.train={tmp_path / 'train.csv'}", f"data.features=[{column}]", "data.refuse_columns=[]"]
    with pytest.raises(InputError, match=message):
        run(experiment_file, tmp_path / "run", *overrides)
    assert not (tmp_path / "run").exists()
