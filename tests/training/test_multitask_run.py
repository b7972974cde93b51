"""Three tasks from files to one model, the predictions and metrics of each, and a run that goes on."""

import json

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfdomain
from tfdomain.cli import main
from tfdomain.config import load_experiment
from tfdomain.errors import InputError
from tfdomain.training.callbacks import Validation
from tfdomain.training.run import train

pytestmark = pytest.mark.thorough

WORDS = [("my", "O"), ("old", "O"), ("car", "B-thing"), ("and", "O"), ("house", "B-thing"), (".", "O")]


@pytest.fixture(scope="module")
def experiment_file(tmp_path_factory, tiny_checkpoint, labelled_texts):
    folder = tmp_path_factory.mktemp("multitask")
    rows = [f"{text},{label}" for text, label in zip(*labelled_texts, strict=True)]
    (folder / "intents.csv").write_text("\n".join(["question,intent", *rows[:40]]) + "\n")
    sentence = "\n".join(f"{word}\t{tag}" for word, tag in WORDS)
    (folder / "mentions.tsv").write_text("\n\n".join([sentence] * 8) + "\n")
    scores = [f"my car {place},the car,{place % 5}" for place in range(20)]
    (folder / "pairs.csv").write_text("\n".join(["first,second,score", *scores]) + "\n")
    values = {
        "name": "bank",
        "task": "multitask",
        "encoder": str(tiny_checkpoint),
        "max_length": 32,
        "tasks": {
            "intent": {"data": {"train": "intents.csv", "validation": 0.25, "text": "question", "label": "intent"}},
            "ner": {"task": "tagging", "data": {"train": "mentions.tsv", "test": "mentions.tsv"}},
            "alike": {
                "task": "regression",
                "data": {"train": "pairs.csv", "validation": 0.2, "text": ["first", "second"], "label": "score"},
                "model": {"pooling": "mean"},
            },
        },
        "model": {"share": "square_root", "loss_weights": "uncertainty"},
        "training": {
            "epochs": 2,
            "batch_size": 8,
            "learning_rate": 0.01,
            "best": "intent.roc_auc",
            "checkpoint_seconds": 0,
        },
    }
    (folder / "bank.yaml").write_text(yaml.safe_dump(values))
    return folder / "bank.yaml"


@pytest.fixture(scope="module")
def run(experiment_file):
    """The folder of a finished run."""
    folder = experiment_file.parent / "run"
    train(load_experiment(experiment_file), folder, folder=experiment_file.parent, verbose=0)
    return folder


def test_metrics_and_report_are_by_task(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics.pop("training")["examples_per_second"] > 0
    assert {part: list(by_task) for part, by_task in metrics.items()} == {
        "validation": ["alike", "intent"],
        "test": ["ner"],
    }
    assert (metrics["validation"]["intent"]["num_examples"], metrics["validation"]["alike"]["num_examples"]) == (10, 4)
    assert metrics["test"]["ner"]["num_entities"] == 16
    report = (run / "report.txt").read_text()
    assert all(title in report for title in ("Validation: intent\n", "Validation: alike\n", "Test: ner\n"))
    assert "Spearman" in report and "entity F1" in report
    # 50 training rows of all tasks, in updates of 8.
    assert json.loads((run / "progress.json").read_text())["step"] == 14


def test_tensorboard_has_each_tasks_curves(run):
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"validation/intent_accuracy", "validation/intent_loss", "validation/alike_spearman"} <= tags
    pictures = set(events.Tags()["images"])
    assert {f"validation/intent/{name}" for name in ("confusion_matrix", "reliability", "attention")} <= pictures
    assert {"validation/alike/attention", "train/ner/lengths", "train/intent/lengths"} <= pictures
    assert {"validation/intent/worst_mistakes", "validation/alike/worst_mistakes", "test/ner/worst_mistakes"} <= set(
        events.Tags()["tensors"]
    )
    lines = (run / "tensorboard/points/validation/alike/points.tsv").read_text().split("\n")[:-1]
    assert lines[0] == "row\ttext\tlabel\tprediction" and len(lines) == 5
    assert all(" / the car\t" in line for line in lines[1:])
    session = EventAccumulator(str(run / "tensorboard/session")).Reload()
    assert "final/test.ner.entity_f1" in session.Tags()["scalars"]


def test_predict_and_evaluate_name_the_task(run, tmp_path, capsys):
    files = run.parent
    main_ok("evaluate", run, "--data", files / "mentions.tsv", "--task", "ner", "--json")
    measured = json.loads(capsys.readouterr().out)
    assert measured == json.loads((run / "metrics.json").read_text())["test"]["ner"]
    main_ok("predict", run, "--input", files / "pairs.csv", "--task", "alike", "--output", tmp_path / "alike.jsonl")
    answers = [json.loads(line)["value"] for line in (tmp_path / "alike.jsonl").read_text().splitlines()]
    pairs = [f"my car {place}" for place in range(20)], ["the car"] * 20
    expected = tfdomain.load(run / "model").predict({"alike": pairs})["alike"][:, 0]
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    capsys.readouterr()
    for task, message in [
        ([], "error: --task: the model has several tasks; choose one of alike, intent, ner\n"),
        (["--task", "x"], "error: there is no task 'x'; choose one of alike, intent, ner\n"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            main([str(one) for one in ("evaluate", run, "--data", files / "intents.csv", *task)])
        assert capsys.readouterr().err == message


def test_one_of_the_tasks_is_compared_with_a_run_of_it_alone(run, tiny_checkpoint, tmp_path):
    files = {"train": str(run.parent / "mentions.tsv"), "test": str(run.parent / "mentions.tsv")}
    training = {"epochs": 1, "learning_rate": 1e-9}
    values = {"name": "a", "task": "tagging", "encoder": str(tiny_checkpoint), "data": files, "training": training}
    (tmp_path / "alone.yaml").write_text(yaml.safe_dump(values))
    train(load_experiment(tmp_path / "alone.yaml"), tmp_path / "alone", folder=tmp_path, verbose=0)
    found = tfdomain.compare([run, tmp_path / "alone"], task="ner", resamples=100)
    measured = json.loads((run / "metrics.json").read_text())["test"]["ner"]
    assert (found.metric, found.num_units) == ("entity_f1", 8)
    assert found.values[str(run)] == pytest.approx(measured["entity_f1"])
    with pytest.raises(InputError, match=r"run: has several tasks; choose one of .*ner.* with --task"):
        tfdomain.compare([run, tmp_path / "alone"])
    with pytest.raises(InputError, match=r"run: was not tested on files: data.test is null"):
        tfdomain.compare([run, tmp_path / "alone"], task="intent")


def main_ok(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(one) for one in arguments])
    assert not end.value.code


@pytest.mark.thorough
def test_a_killed_run_goes_on_to_the_same_weights(experiment_file, run, tmp_path, monkeypatch):
    experiment = load_experiment(experiment_file)
    measured = []

    def stop_in_the_second_epoch(validation):
        measured.append(validate(validation))
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measured[-1]

    validate = Validation.__call__
    monkeypatch.setattr(Validation, "__call__", stop_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    monkeypatch.undo()
    resumed = train(experiment, tmp_path / "run", folder=experiment_file.parent, resume=True, verbose=0)
    # How fast it was is a process' own.
    whole_run = json.loads((run / "metrics.json").read_text())
    assert resumed | {"training": None} == whole_run | {"training": None}
    again, whole = (tfdomain.load(folder / "model") for folder in (tmp_path / "run", run))
    assert again.settings() == whole.settings()
    assert all(np.array_equal(one, two) for one, two in zip(again.get_weights(), whole.get_weights(), strict=True))


def test_a_wrong_choice_is_told_before_an_epoch(experiment_file, tmp_path):
    for assignment, message in [
        ("training.best=alike.macro_f1", "there is no metric 'alike.macro_f1'; choose one of "),
        ("training.best=intent.macro_f2", "there is no metric"),
        ("tasks.intent.data.label=intend", "has no column 'intend'"),
    ]:
        with pytest.raises(InputError, match=message):
            experiment = load_experiment(experiment_file, [assignment])
            train(experiment, tmp_path / "run", folder=experiment_file.parent, verbose=0)
    assert not (tmp_path / "run").exists()
