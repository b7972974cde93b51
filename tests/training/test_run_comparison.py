"""Runs are compared on the test rows that they have in common, and others are refused."""

import json
import shutil

import numpy as np
import pytest
import yaml

import tfdomain
from tfdomain.cli import main
from tfdomain.config import load_experiment
from tfdomain.errors import InputError
from tfdomain.evaluation.comparison import MCNEMAR
from tfdomain.training.run import train

WEAK = ["training.learning_rate=1.0e-9"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, write_tiny_experiment, labelled_texts):
    """A folder with two runs, `good` and `weak`, that were tested on the same 120 rows; `weak` reads no text."""
    folder = tmp_path_factory.mktemp("comparison")
    rows = [(*row, number % 7) for number, row in enumerate(zip(*labelled_texts, strict=True))]
    file = write_tiny_experiment(
        folder,
        {"train": rows * 3, "test": rows * 2},
        columns=("reason", "status", "number"),
        max_length=32,
        model={"pooling": "mean"},
        training={"epochs": 4, "batch_size": 8, "learning_rate": 0.01},
    )
    for name, changes in {"good": [], "weak": [*WEAK, "data.text=null", "data.features=[number]"]}.items():
        train(load_experiment(file, changes), folder / name, folder=folder, verbose=0)
    return folder


@pytest.fixture
def other(runs, tmp_path):
    """A copy of the run `weak` to spoil."""
    return shutil.copytree(runs / "weak", tmp_path / "other", ignore=shutil.ignore_patterns("tensorboard"))


def change_config(run, **values):
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"] |= values
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def test_models_are_told_apart(runs):
    found = tfdomain.compare([runs / "good", runs / "weak"])
    assert (found.metric, found.num_units) == ("accuracy", 120)
    metrics = {name: json.loads((runs / name / "metrics.json").read_text())["test"] for name in ("good", "weak")}
    assert list(found.values.values()) == pytest.approx([one["accuracy"] for one in metrics.values()])
    (one,) = found.differences
    assert one.test == MCNEMAR
    assert one.verdict == f"{runs / 'good'} is better"
    assert one.interval[0] > 0
    macro = tfdomain.compare([runs / "weak", runs / "good"], metric="macro_f1", resamples=500)
    assert macro.values[str(runs / "good")] == pytest.approx(metrics["good"]["macro_f1"])
    assert macro.differences[0].difference < 0
    assert macro.differences[0].verdict == f"{runs / 'good'} is better"


def test_a_run_and_its_copy_are_not_distinguishable(runs, other):
    found = tfdomain.compare([runs / "weak", other, runs / "good"], resamples=500)
    assert found.differences[0].p_value == 1.0
    assert found.differences[0].verdict == "not distinguishable"
    assert found.differences[0].interval == (0, 0)
    # The smallest of three p-values is multiplied by three.
    smallest = min(found.differences, key=lambda one: one.p_value)
    assert smallest.corrected_p_value == pytest.approx(3 * smallest.p_value)


def test_command(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "good", "weak", "--metric", "macro_f1", "--resamples", "300"])
    printed = capsys.readouterr().out
    assert "macro_f1 on the test rows (120)" in printed
    assert "good is better" in printed
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "good", "weak", "--json", "--resamples", "300"])
    found = json.loads(capsys.readouterr().out)
    assert found["differences"][0]["verdict"] == "good is better"
    assert np.diff(found["differences"][0]["interval"]) > 0


def test_fewer_than_two_runs_are_refused(runs):
    with pytest.raises(InputError, match="one run cannot be compared; name two or more"):
        tfdomain.compare([runs / "good"])
    with pytest.raises(InputError, match="a run is named twice"):
        tfdomain.compare([runs / "good", runs / "weak" / ".." / "good"])


def test_folders_that_are_no_complete_run_are_refused(runs, other, tmp_path):
    with pytest.raises(InputError, match="nowhere: is no folder of a run"):
        tfdomain.compare([runs / "good", tmp_path / "nowhere"])
    (other / "metrics.json").unlink()
    with pytest.raises(InputError, match="other: is a run that did not end; go on with it by"):
        tfdomain.compare([runs / "good", other])


def test_other_test_rows_are_refused(runs, other, tmp_path):
    rows = (runs / "test.csv").read_text().splitlines(keepends=True)
    (tmp_path / "test.csv").write_text("".join(rows[:-5]))
    change_config(other, test=str(tmp_path / "test.csv"))
    with pytest.raises(InputError, match=r"test.csv is no longer what the run was tested on"):
        tfdomain.compare([runs / "good", other])
    environment = json.loads((other / "environment.json").read_text())
    change_config(other, test="train.csv")
    with pytest.raises(InputError, match=r"other: was tested on other files than .*good; train it with data.test"):
        tfdomain.compare([runs / "good", other])
    assert len(environment["data_sha256"]) == 2
    change_config(other, test=None)
    with pytest.raises(InputError, match="other: was not tested on files"):
        tfdomain.compare([runs / "good", other])


def test_other_labels_and_tasks_are_refused(runs, other):
    change_config(other, label="reason")
    with pytest.raises(InputError, match=r"other: data.label is 'reason', and 'status' in .*good"):
        tfdomain.compare([runs / "good", other])
    config = yaml.safe_load((other / "config.yaml").read_text())
    config |= {"task": "multilabel", "model": {}}
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=r"other: is a run of multilabel, and .*good of classification"):
        tfdomain.compare([runs / "good", other])


def test_unknown_metrics_and_tasks_are_refused(runs):
    both = [runs / "good", runs / "weak"]
    with pytest.raises(InputError, match="no metric 'acuracy'; choose one of accuracy"):
        tfdomain.compare(both, metric="acuracy")
    with pytest.raises(InputError, match="no metric 'entity_f1'"):
        tfdomain.compare(both, metric="entity_f1")
    with pytest.raises(InputError, match="--task: no run has several tasks"):
        tfdomain.compare(both, task="intent")
