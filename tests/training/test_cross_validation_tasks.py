"""Cross-validation of several tasks at once, of entities and of answers."""

import json
from pathlib import Path

import pytest
import yaml

import tfdomain
from tfdomain.cli import app
from tfdomain.config import load_experiment
from tfdomain.errors import InputError
from tfdomain.files import write_json
from tfdomain.training.beginning import read_data
from tfdomain.training.cross_validation_text import cross_validation_text

CHILD = "tfdomain.training.child_process.run_command"


def write_lines(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture(scope="module")
def experiment_file(tmp_path_factory, tiny_checkpoint, labelled_texts):
    """Three tasks, all of whose rows name a person and a day; the test files are not there."""
    folder = tmp_path_factory.mktemp("tasks")

    def cut_by(count):
        # The days of each task reach as far as those of the others.
        return [{"person": f"p{number % 7}", "day": number * 36 // count} for number in range(count)]

    texts = [{"text": text, "label": label} for text, label in zip(*labelled_texts, strict=True)]
    write_lines(folder / "intent.jsonl", [row | own for row, own in zip(texts, cut_by(36), strict=False)])
    spans = {"text": "my old car", "entities": [[7, 10, "thing"]]}
    write_lines(folder / "mentions.jsonl", [spans | own for own in cut_by(18)])
    answers = {"answers": [{"text": "car", "answer_start": 3}]}
    # Two questions of each context, of one person.
    days = cut_by(12)
    asked = [days[number // 2] | answers | {"context": f"my car {number // 2}"} for number in range(24)]
    write_lines(folder / "asked.jsonl", [row | {"question": "what"} for row in asked])
    values = {
        "name": "bank",
        "task": "multitask",
        "encoder": str(tiny_checkpoint),
        "max_length": 16,
        "tasks": {
            "intent": {"data": {"train": "intent.jsonl", "test": "missing.jsonl"}},
            "ner": {"task": "tagging", "data": {"train": "mentions.jsonl"}},
            "qa": {"task": "span", "data": {"train": "asked.jsonl"}},
        },
        "training": {"epochs": 1, "batch_size": 16, "seed": 3, "checkpoint_seconds": 0.0},
    }
    (folder / "bank.yaml").write_text(yaml.safe_dump(values))
    return folder / "bank.yaml"


def people_of(folder, parts):
    """Who is named by the rows of a part of all tasks."""
    files = {"intent": "intent.jsonl", "ner": "mentions.jsonl", "qa": "asked.jsonl"}
    people = {name: [json.loads(line)["person"] for line in (folder / file).open()] for name, file in files.items()}
    return {people[name][row] for name, part in parts.items() for row in part.rows}


def run_here(arguments, log, **more):
    """In this process, which has TensorFlow already."""
    app(list(arguments), standalone_mode=False)


def test_a_run_tests_all_heads_on_its_fold_of_each_task(experiment_file, tmp_path, monkeypatch, capsys):
    """With runs that read their data, and write what a model would have measured."""
    parts = []

    def pretend(arguments, log, **_):
        run = Path(arguments[arguments.index("--run-dir") + 1])
        changes = [arguments[place + 1] for place, one in enumerate(arguments) if one == "--set"]
        data = read_data(load_experiment(arguments[1], changes), experiment_file.parent)
        parts.append((data.train.parts(), data.test.parts()))
        number = len(parts)
        test = {name: {"num_examples": part.num_rows} for name, part in data.test.parts().items()}
        test["intent"] |= {"accuracy": number / 10, "per_class": {"repaid": {"f1": 0.5}}}
        test["ner"] |= {"entity_f1": 0.5, "token_accuracy": None}
        test["qa"] |= {"exact_match": 1.0}
        write_json(run / "environment.json", {"data_fingerprint": data.fingerprint})
        write_json(run / "metrics.json", {"validation": None, "test": test})

    monkeypatch.setattr(CHILD, pretend)
    metrics = tfdomain.cross_validate(experiment_file, tmp_path / "run", folds=3, group="person")
    assert len(parts) == 3
    for train, test in parts:
        assert list(train) == list(test) == ["intent", "ner", "qa"]
        assert not people_of(experiment_file.parent, test) & people_of(experiment_file.parent, train)
    for name, count in {"intent": 36, "ner": 18, "qa": 24}.items():
        assert sorted(row for _, test in parts for row in test[name].rows.tolist()) == list(range(count))
    assert metrics["metrics"]["intent.accuracy"]["mean"] == pytest.approx(0.2)
    assert metrics["metrics"]["intent.per_class.repaid.f1"]["num_runs"] == 3
    assert list(metrics["metrics"]) == [
        *("intent.accuracy", "intent.per_class.repaid.f1", "ner.entity_f1", "qa.exact_match"),
    ]
    assert "fold 2/3: intent.accuracy 0.2000, ner.entity_f1 0.5000, qa.exact_match 1.0000 (" in capsys.readouterr().out
    text = cross_validation_text(metrics)
    assert "intent.accuracy" in text and "qa.exact_match" in text and "per_class" not in text
    # The same call again trains nothing, and another on its folder is refused.
    assert tfdomain.cross_validate(experiment_file, tmp_path / "run", folds=3, group="person") == metrics
    assert len(parts) == 3
    with pytest.raises(InputError, match="the run began with group='person', and now it is None"):
        tfdomain.cross_validate(experiment_file, tmp_path / "run", folds=3, time="day")


@pytest.mark.parametrize(
    ("rows", "choices", "message"),
    [
        ({"day": 1}, {"group": "person"}, r"tasks.ner: .*own.jsonl: has no column 'person'"),
        ({"person": "p1"}, {"group": "person"}, r"tasks.ner: its rows do not reach into each of 2 folds"),
        ({"person": "p1", "day": "soon"}, {"time": "day"}, r"tasks.ner: .*line 1: column 'day' holds no date"),
    ],
)
def test_a_task_that_lacks_what_folds_are_cut_by_is_named(
    experiment_file, tmp_path, monkeypatch, rows, choices, message
):
    monkeypatch.setattr(CHILD, run_here)
    write_lines(tmp_path / "own.jsonl", [{"text": "my car", "entities": [[3, 6, "thing"]]} | rows] * 8)
    changes = [f"tasks.ner.data.train={tmp_path / 'own.jsonl'}"]
    with pytest.raises(InputError, match=message):
        tfdomain.cross_validate(experiment_file, tmp_path / "run", folds=2, assignments=changes, **choices)


@pytest.mark.thorough
def test_three_heads_are_trained_and_tested_in_time(experiment_file, tmp_path, monkeypatch):
    monkeypatch.setattr(CHILD, run_here)
    metrics = tfdomain.cross_validate(experiment_file, tmp_path / "run", folds=2, time="day")
    tested = [json.loads((tmp_path / f"run/fold-{one}-seed-3/metrics.json").read_text())["test"] for one in (1, 2)]
    assert all(list(one) == ["intent", "ner", "qa"] for one in tested)
    found = metrics["metrics"]
    assert {"intent.accuracy", "ner.entity_f1", "qa.answer_f1"} <= set(found)
    assert found["ner.entity_f1"]["mean"] == pytest.approx(sum(one["ner"]["entity_f1"] for one in tested) / 2)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ner", "qa"])
def test_entities_and_answers_alone(experiment_file, tmp_path, monkeypatch, name):
    monkeypatch.setattr(CHILD, run_here)
    values = yaml.safe_load(experiment_file.read_text())
    alone = {**{key: values[key] for key in ("name", "encoder", "max_length", "training")}, **values["tasks"][name]}
    alone["data"]["train"] = str(experiment_file.parent / alone["data"]["train"])
    (tmp_path / "alone.yaml").write_text(yaml.safe_dump(alone))
    metrics = tfdomain.cross_validate(tmp_path / "alone.yaml", tmp_path / "run", folds=2, group="person")
    metric = {"ner": "entity_f1", "qa": "answer_f1"}[name]
    assert metrics["metrics"][metric]["num_runs"] == 2
