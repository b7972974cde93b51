"""A regression from files to a model, its predictions and its metrics: pairs, headless files, rows left out."""

import json

import numpy as np
import pytest
import yaml

import tfdomain
from tfdomain.config import load_experiment
from tfdomain.errors import InputError
from tfdomain.evaluation.prediction import evaluate_file, predict_file
from tfdomain.training.callbacks import Validation
from tfdomain.training.run import train

pytestmark = pytest.mark.thorough

PAIRS = [("my car is lost", "the car is lost"), ("we paid", "a bad school"), ("钱", "my money !"), ("loan", "a loan")]


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_checkpoint):
    """The folder of a finished run, in that of its files."""
    folder = tmp_path_factory.mktemp("regression")
    rows = [(*pair, place % 4 + place / 100) for place, pair in enumerate(PAIRS * 6)]
    lines = [f"{first},{second},{score}" for first, second, score in rows]
    (folder / "train.csv").write_text("\n".join([*lines, "a,b,NaN", "a,b,"]) + "\n", encoding="utf-8")
    (folder / "test.csv").write_text("\n".join(["score,second,first", "2,the car,my car", "1,a,b"]) + "\n")
    values = {
        "name": "pairs",
        "task": "regression",
        "encoder": str(tiny_checkpoint),
        "data": {
            "train": "train.csv",
            "validation": 0.25,
            "test": "test.csv",
            "text": ["first", "second"],
            "label": "score",
            "column_names": ["first", "second", "score"],
            "on_bad_row": "skip",
        },
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, "best": "spearman"},
    }
    (folder / "pairs.yaml").write_text(yaml.safe_dump(values))
    train(load_experiment(folder / "pairs.yaml"), folder / "run", folder=folder, verbose=0)
    return folder / "run"


def test_scale_is_that_of_the_training_files(run, capsys):
    model = tfdomain.load(run / "model")
    scores = [place % 4 + place / 100 for place in range(24)]
    assert model.means == pytest.approx([np.mean(scores)], rel=1e-6)
    assert model.deviations == pytest.approx([np.std(scores)], rel=1e-6)
    assert model.targets == ["score"]
    assert model.pairs


def test_windows_of_long_texts_are_read(run, tmp_path):
    overrides = ["data.text=first", "max_length=40", "model.windows=attention", "model.window_length=8"]
    shorter = ["training.epochs=1", "training.best=null", "data.validation=null"]
    experiment = load_experiment(run.parent / "pairs.yaml", [*overrides, *shorter])
    metrics = train(experiment, tmp_path / "run", folder=run.parent, verbose=0)
    model = tfdomain.load(tmp_path / "run/model")
    assert (model.windows, model.window_length, model.max_length) == ("attention", 8, 40)
    # They differ behind the tenth word: no window of 8 tokens that begins the text shows it.
    one, other = model.predict([f"we paid for the old car and the house . {word} is lost" for word in ("bank", "bad")])[
        :, 0
    ]
    assert abs(one - other) > 1e-6
    assert evaluate_file(model, [run.parent / "test.csv"])["mse"] == pytest.approx(metrics["test"]["mse"], rel=1e-5)


def test_metrics_and_report(run):
    metrics = json.loads((run / "metrics.json").read_text())
    # Seven rows were held out, and the two without a score are among them.
    assert (metrics["validation"]["num_examples"], metrics["test"]["num_examples"]) == (5, 2)
    assert {"mse", "mae", "pearson", "spearman", "r2"} <= set(metrics["validation"])
    assert "Spearman" in (run / "report.txt").read_text()


def test_rows_left_out_are_counted(run, tmp_path, capsys):
    experiment = load_experiment(
        run.parent / "pairs.yaml", ["training.epochs=1", "data.validation=null", "training.best=null"]
    )
    train(experiment, tmp_path / "run", folder=run.parent, verbose=0)
    assert "skipped 2 rows with labels that are missing" in capsys.readouterr().out
    experiment = load_experiment(run.parent / "pairs.yaml", ["data.on_bad_row=refuse"])
    with pytest.raises(
        InputError,
        match=r"2 rows have targets that are no numbers: .*train\.csv: line 25: 'score' is 'NaN', not a number",
    ):
        train(experiment, tmp_path / "refused", folder=run.parent, verbose=0)


def test_files_with_and_without_a_header(run, tmp_path):
    model = tfdomain.load(run / "model")
    (tmp_path / "headless.csv").write_text("my car,the car,2\nb,a,1\nb,a,?\n")
    with pytest.raises(InputError, match=r"line 3: 'score' is '\?', not a number"):
        evaluate_file(model, [tmp_path / "headless.csv"])
    metrics = evaluate_file(model, [tmp_path / "headless.csv"], on_bad_row="skip")
    assert metrics.pop("num_skipped") == 1
    assert metrics["mse"] == pytest.approx(evaluate_file(model, [run.parent / "test.csv"])["mse"], rel=1e-5)
    assert predict_file(model, [tmp_path / "headless.csv"], tmp_path / "out.jsonl") == (3, 0)
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    expected = model.predict((["my car", "b", "b"], ["the car", "a", "a"]))[:, 0]
    assert [answer["value"] for answer in answers] == pytest.approx(expected.tolist(), abs=1e-5)
    assert answers[0].keys() == {"first", "second", "score", "value"}


@pytest.mark.thorough
def test_a_resumed_run_keeps_the_scale(run, tmp_path, monkeypatch):
    experiment = load_experiment(run.parent / "pairs.yaml")
    measured = []

    def stop_in_the_second_epoch(validation):
        measured.append(validate(validation))
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measured[-1]

    validate = Validation.__call__
    monkeypatch.setattr(Validation, "__call__", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, tmp_path / "run", folder=run.parent, verbose=0)
    monkeypatch.undo()
    resumed = train(experiment, tmp_path / "run", folder=run.parent, resume=True, verbose=0)
    # How fast it was is a process' own.
    whole_run = json.loads((run / "metrics.json").read_text())
    assert resumed | {"training": None} == whole_run | {"training": None}
    assert tfdomain.load(tmp_path / "run/model").settings() == tfdomain.load(run / "model").settings()
