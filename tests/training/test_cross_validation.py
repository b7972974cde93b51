"""Cross-validation from an experiment file: its folds, its figures, and what is left after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import pytest
import yaml

import tfdomain
from tfdomain.cli import app
from tfdomain.config import experiment_from, load_experiment
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import write_json
from tfdomain.metrics.significance import resampled_interval
from tfdomain.training.child_process import Limits, run_command
from tfdomain.training.cross_validation_text import cross_validation_text
from tfdomain.training.datasets import read_experiment_data
from tfdomain.training.run import train


@pytest.fixture(scope="module")
def experiment_file(tmp_path_factory, write_tiny_experiment, labelled_texts):
    return write_tiny_experiment(
        tmp_path_factory.mktemp("folds"),
        {"train": [(*row, f"p{number % 6}") for number, row in enumerate(zip(*labelled_texts, strict=True))]},
        columns=("reason", "status", "person"),
        data={"test": "missing.csv"},
        max_length=16,
        training={"epochs": 1, "batch_size": 16, "seed": 3, "checkpoint_seconds": 0.0},
    )


@pytest.fixture(scope="module")
def finished(experiment_file, tmp_path_factory):
    """The folder of two folds, cut by person, and what `cross_validate` gave.

    The commands run in this process, which has TensorFlow already; `test_a_killed_validation_goes_on` has theirs.
    """
    folder = tmp_path_factory.mktemp("runs") / "folds"

    def run_here(arguments, log, **more):
        app(list(arguments), standalone_mode=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfdomain.training.child_process.run_command", run_here)
        return folder, tfdomain.cross_validate(experiment_file, folder, folds=2, group="person")


def test_every_row_is_tested_on_once(finished):
    folder, metrics = finished
    lines = [json.loads(line) for line in (folder / "folds.jsonl").read_text().splitlines()]
    assert [(line["fold"], line["seed"]) for line in lines] == [(1, 3), (2, 3)]
    assert [line["metrics"]["num_examples"] for line in lines] == [30, 30]
    assert all(line["seconds"] > 0 for line in lines)
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert (metrics["folds"], metrics["seeds"], metrics["num_runs"]) == (2, [3], 2)


def test_figures_are_those_of_the_folds(finished):
    folder, metrics = finished
    tests = [json.loads((folder / f"fold-{one}-seed-3/metrics.json").read_text())["test"] for one in (1, 2)]
    values = [one["log_loss"] for one in tests]
    found = metrics["metrics"]["log_loss"]
    assert (found["mean"], found["deviation"]) == pytest.approx((mean(values), stdev(values)))
    assert found["interval"] == pytest.approx(resampled_interval(values, 1.0))
    assert found["num_runs"] == 2
    f1 = [one["per_class"]["repaid"]["f1"] for one in tests]
    assert metrics["metrics"]["per_class.repaid.f1"]["mean"] == pytest.approx(mean(f1))
    assert not any("num_examples" in name or "support" in name for name in metrics["metrics"])
    text = cross_validation_text(metrics)
    assert "2 folds" in text and "log_loss" in text and "per_class" not in text


@pytest.mark.thorough
def test_a_fold_is_the_run_of_a_plain_experiment(finished, experiment_file, tmp_path):
    fold = {"number": 2, "of": 2, "group": "person", "seed": 3}
    experiment = load_experiment(experiment_file, ["data.test=null", f"data.fold={json.dumps(fold)}"])
    metrics = train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    folded = json.loads((finished[0] / "fold-2-seed-3/metrics.json").read_text())
    # How fast it was is a process' own.
    assert metrics | {"training": None} == folded | {"training": None}
    model = tfdomain.load(tmp_path / "run" / "model")
    assert "fold" not in model.notes["data"]


def test_seeds_and_metrics_that_a_fold_leaves_undefined(experiment_file, tmp_path, monkeypatch, capsys):
    """With runs that do nothing but write what they were asked for."""
    asked = []

    def pretend(arguments, log, **_):
        run = Path(arguments[arguments.index("--run-dir") + 1])
        changes = [arguments[place + 1] for place, one in enumerate(arguments) if one == "--set"]
        experiment = load_experiment(arguments[1], changes)
        asked.append((experiment.data.fold, experiment.training.seed, experiment.data.test, "--resume" in arguments))
        number = len(asked)
        if number == 4:
            raise TfdomainError("the process was ended")
        test = {"num_examples": 20, "accuracy": number / 10, "roc_auc": None if number < 3 else 0.5}
        write_json(run / "environment.json", {"data_fingerprint": "a"})
        write_json(run / "metrics.json", {"validation": None, "test": test})

    monkeypatch.setattr("tfdomain.training.child_process.run_command", pretend)
    choices = {"folds": 3, "seeds": 2, "time": "day"}
    with pytest.raises(TfdomainError, match="was ended"):
        tfdomain.cross_validate(experiment_file, tmp_path / "run", **choices)
    metrics = tfdomain.cross_validate(experiment_file, tmp_path / "run", **choices)["metrics"]
    # The fourth was asked for twice: it had not begun, and so there was nothing to resume.
    assert [(fold.number, fold.seed, fold.time, seed) for fold, seed, _, _ in asked] == [
        (number, seed, "day", seed) for number, seed in [(1, 3), (2, 3), (3, 3), (1, 4), (1, 4), (2, 4), (3, 4)]
    ]
    assert not any(test or resume for _, _, test, resume in asked)
    accuracies = [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]
    assert metrics["accuracy"]["interval"] == pytest.approx(resampled_interval(accuracies, (1 + 1 / 2 + 1 / 3) / 3))
    assert metrics["accuracy"]["num_runs"] == 6
    assert metrics["roc_auc"] == {"mean": 0.5, "deviation": 0.0, "interval": [0.5, 0.5], "num_runs": 4}
    assert "fold 3/3, seed 4: accuracy 0.7000 (0 s)" in capsys.readouterr().out


def test_the_same_call_again_trains_nothing(finished, experiment_file):
    folder, metrics = finished
    written = (folder / "fold-1-seed-3/metrics.json").stat().st_mtime_ns
    lines = (folder / "folds.jsonl").read_text()
    assert tfdomain.cross_validate(experiment_file, folder, folds=2, group="person") == metrics
    assert (folder / "fold-1-seed-3/metrics.json").stat().st_mtime_ns == written
    assert (folder / "folds.jsonl").read_text() == lines


def test_another_call_on_the_same_folder_is_refused(finished, experiment_file, tmp_path):
    folder = finished[0]
    with pytest.raises(InputError, match="the run began with folds=2, and now it is 3"):
        tfdomain.cross_validate(experiment_file, folder, folds=3, group="person")
    with pytest.raises(InputError, match=r"experiment.training.epochs=1, and now it is 2"):
        tfdomain.cross_validate(experiment_file, folder, folds=2, group="person", assignments=["training.epochs=2"])
    with pytest.raises(InputError, match="is of no cross-validation; choose another --run-dir"):
        tfdomain.cross_validate(experiment_file, folder / "fold-1-seed-3", folds=2)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds no run to resume"):
        tfdomain.cross_validate(experiment_file, tmp_path, folds=2)


def test_what_cannot_be_validated_is_refused(experiment_file, tmp_path):
    for choices, message in (
        ({"folds": 1}, "1 fold leaves nothing to train on"),
        ({"seeds": 0}, "0 seeds are no run"),
        ({"group": "a", "time": "b"}, "by group or by time"),
    ):
        with pytest.raises(InputError, match=message):
            tfdomain.cross_validate(experiment_file, tmp_path / "run", **choices)
    with pytest.raises(InputError, match=r"train.csv: has no column 'persn'; .*did you mean 'person'"):
        tfdomain.cross_validate(experiment_file, tmp_path / "run", group="persn")


def test_a_validation_share_is_cut_from_what_is_trained_on(experiment_file):
    values = yaml.safe_load(experiment_file.read_text())
    values["data"] |= {"test": None, "validation": 0.25, "fold": {"number": 1, "of": 3}}
    data = read_experiment_data(experiment_from(values, where="a"), experiment_file.parent)
    parts = [part.rows.tolist() for part in (data.train, data.validation, data.test)]
    assert [len(rows) for rows in parts] == [30, 10, 20]
    assert sorted(row for rows in parts for row in rows) == list(range(60))


def test_a_child_that_is_killed_is_told_of(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.yaml: no such file; check the path"):
        run_command(["train", "nowhere.yaml"], tmp_path / "log")
    assert "error: nowhere.yaml" in (tmp_path / "log").read_text()
    script = f"import os, signal; os.kill({os.getpid()}, 0); os.kill(os.getpid(), signal.SIGKILL)"
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nif 'child_process' in ' '.join(sys.orig_argv): {script}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
        with pytest.raises(TfdomainError, match=r"ended by SIGKILL \(is memory short\?\); run the same command again"):
            run_command(["--version"], tmp_path / "log")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(minutes=0.0001), "took more than 0.0001 minutes"),
        (Limits(memory_gib=0.001), "had more than 0.001 GiB of memory"),
    ],
)
def test_a_child_that_takes_too_much_is_ended(tmp_path, limits, told):
    with pytest.raises(TfdomainError, match=told):
        run_command(["train", "nowhere.yaml"], tmp_path / "log", limits=limits)


def test_a_child_that_fails_leaves_its_last_lines(tmp_path):
    (tmp_path / "log").write_text("of the run before\n")
    with pytest.raises(InputError) as caught:
        run_command(["train", "nowhere.yaml"], tmp_path / "log")
    assert caught.value.__notes__ == ["error: nowhere.yaml: no such file; check the path"]


@pytest.mark.thorough
def test_a_killed_validation_goes_on(experiment_file, tmp_path):
    command = [
        sys.executable, "-m", "tfdomain", "validate", str(experiment_file), "--folds", "2",
        "--set", "training.epochs=20", "--run-dir", str(tmp_path / "folds"),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    second = tmp_path / "folds/fold-2-seed-3"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None and not (second / "state.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (second / "metrics.json").exists(), "the fold ended before it could be killed"
    # The child ends with its parent, in the middle of its fold.
    time.sleep(1)
    step = json.loads((second / "progress.json").read_text())["step"]
    time.sleep(1)
    assert json.loads((second / "progress.json").read_text())["step"] == step
    assert not (second / "metrics.json").exists()
    first = (tmp_path / "folds/fold-1-seed-3/metrics.json").stat().st_mtime_ns
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((second / "progress.json").read_text())["resumed_from_step"] > 0
    assert (tmp_path / "folds/fold-1-seed-3/metrics.json").stat().st_mtime_ns == first
    assert "fold 2/2: accuracy" in done.stdout
    metrics = json.loads((tmp_path / "folds/metrics.json").read_text())
    assert metrics["metrics"]["accuracy"]["num_runs"] == 2
