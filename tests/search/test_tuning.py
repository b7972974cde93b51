"""Searches from an experiment file: their trials, their outcome, and what is left after a kill."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from statistics import mean, stdev

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams

import tfdomain
from tfdomain.config import load_experiment
from tfdomain.errors import InputError, TfdomainError
from tfdomain.search.report import search_text


def test_a_search_finds_the_best_of_its_trials(write_experiment, pretended, tmp_path, read_lines, capsys):
    file, folder = write_experiment(trials=6, minutes=5, memory_gib=4), tmp_path / "search"
    found = tfdomain.tune(file, folder)
    lines = read_lines(folder)
    assert lines == found.trials
    assert [line["trial"] for line in lines] == ["001", "002", "003", "004", "005", "006"]
    assert {"trial", "values", "state", "attempts", "metrics", "seconds", "error"} == set(lines[0])
    assert {(line["state"], line["attempts"], line["error"]) for line in lines} == {("completed", 1, None)}
    assert found.best == max(lines, key=lambda line: line["metrics"]["validation"]["macro_f1"])
    # The trials look at no test; the best setting does, with three seeds.
    trials, seeds = pretended.begun[:6], pretended.begun[6:]
    assert [experiment.data.test for _, _, experiment, _ in trials] == [None] * 6
    assert {(limits.minutes, limits.memory_gib) for *_, limits in trials} == {(5.0, 4.0)}
    assert [(experiment.training.seed, limits.minutes) for _, _, experiment, limits in seeds] == [
        (3, None), (4, None), (5, None),
    ]  # fmt: skip
    values = [run["test"]["macro_f1"] for run in found.runs.values()]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["metrics"]["test.macro_f1"] == {"mean": mean(values), "deviation": stdev(values)}
    assert metrics["best"]["values"] == found.best["values"]
    assert metrics["importance"] == found.importance and set(found.importance) == set(found.best["values"])
    assert "trial 006 completed: validation.macro_f1" in capsys.readouterr().out
    text = search_text(found)
    assert text.splitlines()[2].split()[0] == found.best["trial"] and "test.macro_f1" in text


def test_the_best_setting_is_a_file_that_trains(write_experiment, pretended, tmp_path):
    file, folder = write_experiment(), tmp_path / "search"
    found = tfdomain.tune(file, folder, assignments=["training.epochs=2"])
    best, original = load_experiment(found.file), load_experiment(file, ["training.epochs=2"])
    assert best.search is None
    assert best.training.learning_rate == found.best["values"]["training.learning_rate"]
    assert best.model.pooling == found.best["values"]["model.pooling"]
    assert best.training == original.training.model_copy(update={"learning_rate": best.training.learning_rate})
    assert best.data.train == best.data.test == str(file.parent / "train.csv")


def test_tensorboard_knows_what_is_searched(write_experiment, pretended, tmp_path):
    folder = tmp_path / "search"
    tfdomain.tune(write_experiment(trials=1), folder)
    contents = EventAccumulator(str(folder / "tensorboard")).Reload().PluginTagToContent("hparams")
    searched = hparams.parse_experiment_plugin_data(contents[hparams.EXPERIMENT_TAG])
    rate, pooling = searched.hparam_infos
    assert (rate.name, rate.domain_interval.min_value, rate.domain_interval.max_value) == (
        "training.learning_rate", 1e-5, 1e-3,
    )  # fmt: skip
    assert (pooling.name, [value.string_value for value in pooling.domain_discrete.values]) == (
        "model.pooling", ["cls", "mean"],
    )  # fmt: skip
    assert [metric.name.tag for metric in searched.metric_infos] == ["final/validation.macro_f1"]


def test_the_same_call_again_trains_nothing(write_experiment, pretended, tmp_path):
    file, folder = write_experiment(), tmp_path / "search"
    found = tfdomain.tune(file, folder)
    count = len(pretended.begun)
    assert tfdomain.tune(file, folder) == found
    assert len(pretended.begun) == count
    with pytest.raises(InputError, match=r"the run began with training.epochs=3, and now it is 2"):
        tfdomain.tune(file, folder, assignments=["training.epochs=2"])


def test_a_crashed_trial_is_kept_and_the_search_goes_on(write_experiment, pretended, tmp_path, capsys):
    pretended.fails = lambda name, experiment: f"{name} broke" if name in ("001", "002", "004") else None
    found = tfdomain.tune(write_experiment(trials=5), tmp_path / "search")
    assert [line["state"] for line in found.trials] == ["failed", "failed", "completed", "failed", "completed"]
    assert found.trials[0]["error"].splitlines() == [f"line {number}" for number in range(50)]
    assert found.trials[0]["metrics"] is None
    assert "trial 001 failed" in capsys.readouterr().out


@pytest.mark.parametrize("workers", [1, 2])
def test_three_crashes_alike_stop_the_search(write_experiment, pretended, tmp_path, workers, read_lines):
    pretended.fails = lambda name, experiment: f"step {name}: out of memory" if int(name) > 1 else None
    file, folder = write_experiment(trials=20), tmp_path / "search"
    with pytest.raises(TfdomainError, match=r"3 trials in a row failed alike: step 00\d: out of memory"):
        tfdomain.tune(file, folder, workers=workers)
    states = [line["state"] for line in read_lines(folder)]
    assert states[0] == "completed" and states.count("failed") >= 3 and len(states) < 20
    pretended.fails = lambda name, experiment: None
    after = [line["state"] for line in tfdomain.tune(file, folder).trials]
    assert len(after) == 20 and after.count("failed") == states.count("failed")
    assert "running" not in after


def test_a_killed_search_does_the_broken_trial_again(write_experiment, pretended, tmp_path, read_lines):
    class Killed(BaseException):
        pass

    def kill(name, experiment):
        if name == "003" and [one for one, *_ in pretended.begun].count("003") == 1:
            raise Killed

    file, folder = write_experiment(tuner="grid", trials=None, space={
        "training.batch_size": {"choice": [8, 16]}, "model.pooling": {"choice": ["cls", "mean"]},
    }), tmp_path / "search"  # fmt: skip
    pretended.fails = kill
    with pytest.raises(Killed):
        tfdomain.tune(file, folder)
    before = read_lines(folder)
    assert [line["state"] for line in before] == ["completed", "completed", "running"]
    after = tfdomain.tune(file, folder).trials
    assert after[:2] == before[:2]
    assert (after[2]["attempts"], after[2]["state"]) == (2, "completed")
    assert [resumed for name, resumed, *_ in pretended.begun if name == "003"] == [False, True]
    # Every combination once, the kill notwithstanding.
    assert [tuple(line["values"].values()) for line in after] == [(8, "cls"), (8, "mean"), (16, "cls"), (16, "mean")]


def test_hyperband_goes_on_from_checkpoints(write_experiment, pretended, tmp_path):
    folder = tmp_path / "search"
    found = tfdomain.tune(write_experiment(tuner="hyperband", trials=None), folder)
    promoted = [line for line in found.trials if "continues" in line]
    assert promoted
    by_name = {line["trial"]: line for line in found.trials}
    for line in promoted:
        before = by_name[line["continues"]]
        assert before["values"] == line["values"] | {"training.stop_after": 1}
        assert "training.stop_after" not in line["values"]
        _, resumed, experiment, _ = next(one for one in pretended.begun if one[0] == line["trial"])
        # The schedule spans all epochs in both.
        assert resumed and experiment.training.epochs == 3
    values = {line["trial"]: line["metrics"]["validation"]["macro_f1"] for line in found.trials}
    first = {line["trial"] for line in found.trials if "training.stop_after" in line["values"]}
    best = sorted(first, key=values.get, reverse=True)[: len(promoted)]
    assert {line["continues"] for line in promoted} == set(best)
    assert "training.stop_after" not in yaml.safe_load(found.file.read_text())["training"]
    assert not list((folder / "trials").glob("*/state.safetensors"))


def test_a_search_by_a_gaussian_process_survives_a_restart(write_experiment, pretended, tmp_path):
    file = write_experiment(tuner="bayesian", trials=9, space={"training.learning_rate": {"float": [1e-5, 1e-3]}})
    pretended.fails = lambda name, experiment: 1 / 0 if name == "007" and len(pretended.begun) == 7 else None
    with pytest.raises(ZeroDivisionError):
        tfdomain.tune(file, tmp_path / "search")
    found = tfdomain.tune(file, tmp_path / "search")
    assert [line["attempts"] for line in found.trials] == [1] * 6 + [2] + [1] * 2
    assert {line["state"] for line in found.trials} == {"completed"}


def test_workers_run_side_by_side(write_experiment, pretended, tmp_path):
    together = threading.Barrier(2, timeout=60)

    def meet(name, experiment):
        if experiment.data.test is None:
            together.wait()

    pretended.fails = meet
    found = tfdomain.tune(write_experiment(trials=4), tmp_path / "search", workers=2)
    assert [line["state"] for line in found.trials] == ["completed"] * 4


def test_no_further_trial_begins_when_the_hours_are_over(write_experiment, pretended, tmp_path):
    pretended.fails = lambda name, experiment: time.sleep(0.2) if experiment.data.test is None else None
    found = tfdomain.tune(write_experiment(trials=None, hours=1 / 3600), tmp_path / "search")
    assert 1 <= len(found.trials) <= 6


def test_what_cannot_be_searched_is_refused(write_experiment, pretended, tmp_path):
    rate = {"training.learning_rate": {"float": [1e-5, 1e-3]}}
    for search, message in (
        ({"space": {"training.learning_rat": {"float": [1e-5, 1e-3]}}},
         r"training.learning_rat cannot be 1e-05: unknown key training.learning_rat; did you mean learning_rate"),
        ({"space": {"training.learning_rate": {"float": [1e-3, 1e-5]}}},
         r"search.space.training.learning_rate: float is \[0.001, 1e-05\]: write the smaller bound first"),
        ({"space": {"training.epochs": {"int": [0, 3]}}}, r"training.epochs cannot be 0: training.epochs is 0"),
        ({"space": {"training.epochs": {"ints": [0, 3]}}}, "unknown key search.space.training.epochs.ints"),
        ({"space": {"training.epochs": {"int": [0.5, 3]}}}, r"search.space.training.epochs.int is 0.5"),
        ({"space": {"model.pooling": {"choice": ["cls", "max"]}}}, "model.pooling cannot be 'max'"),
        ({"space": {"search.seed": {"int": [1, 3]}}}, "the same in all trials"),
        ({"objective": "macro_f1"}, "write validation.macro_f1"),
        ({"objective": "test.macro_f1"}, "chosen on validation rows"),
        ({"objective": "validation.macro_f2"}, "no metric 'macro_f2'; choose one of validation.macro_f1$"),
        ({"objective": "validation.roc_auc"}, "undefined on these examples; choose one of validation.macro_f1"),
        ({"trials": None}, "goes on for ever: give trials or hours"),
        ({"tuner": "annealing"}, "search.tuner is 'annealing'"),
        ({"tuner": "hyperband", "space": rate | {"training.epochs": {"int": [3, 4]}}}, "hyperband itself decides"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            tfdomain.tune(write_experiment(**search), tmp_path / "search")
        assert not (tmp_path / "search").exists()
    with pytest.raises(InputError, match=r"set training.epochs to 3 or more"):
        tfdomain.tune(write_experiment(tuner="hyperband"), tmp_path / "search", assignments=["training.epochs=2"])
    with pytest.raises(InputError, match=r"is measured on validation rows: set data.validation"):
        tfdomain.tune(write_experiment(), tmp_path / "search", assignments=["data.validation=null"])
    with pytest.raises(InputError, match="has no search section"):
        tfdomain.tune(write_experiment(), tmp_path / "search", assignments=["search=null"])
    with pytest.raises(InputError, match="0 workers run nothing"):
        tfdomain.tune(write_experiment(), tmp_path / "search", workers=0)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; name a folder with --run-dir"):
        tfdomain.tune(write_experiment(), tmp_path / "file")
    with pytest.raises(TfdomainError, match="cannot be written"):
        tfdomain.tune(write_experiment(), tmp_path / "file/search")
    assert not pretended.begun


@pytest.mark.thorough
def test_real_trials_after_a_real_kill(write_experiment, tmp_path, read_lines):
    """Hyperband on the tiny checkpoint, killed in its second trial."""
    folder = tmp_path / "search"
    file = write_experiment(tuner="hyperband", trials=4)
    command = [sys.executable, "-m", "tfdomain", "tune", str(file), "--run-dir", str(folder)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline and process.poll() is None and not (folder / "trials/002").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = read_lines(folder)
    assert [line["state"] for line in before] == ["completed", "running"]
    written = (folder / "trials/001/metrics.json").stat().st_mtime_ns
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    after = read_lines(folder)
    assert after[0] == before[0] and (folder / "trials/001/metrics.json").stat().st_mtime_ns == written
    assert after[1]["attempts"] == 2 and {line["state"] for line in after} == {"completed"}
    promoted = next(line for line in after if "continues" in line)
    progress = json.loads((folder / f"trials/{promoted['trial']}/progress.json").read_text())
    assert progress["resumed_from_step"] > 0 and progress["epoch"] == 3
    assert "best setting" in done.stdout and (folder / "best/seed-5/model").is_dir()
