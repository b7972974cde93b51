"""Runs of every task are compared on their test rows; of several tasks the metric names the one."""

import json
import shutil

import pytest
import yaml

import tfdomain
from tfdomain.config import load_experiment
from tfdomain.errors import InputError
from tfdomain.evaluation.comparison import BOOTSTRAP, MCNEMAR
from tfdomain.metrics.selection import metric_of_task
from tfdomain.training.run import train

pytestmark = pytest.mark.thorough

ROWS = {
    "multilabel": {"text": "my old car", "labels": ["thing"]},
    "regression": {"text": "my old car", "label": 1.5},
    "tagging": {"text": "my old car", "entities": [[7, 10, "thing"]]},
    "span": {"question": "what", "context": "my old car", "answers": [{"text": "car", "answer_start": 7}]},
}
OTHERS = {
    "multilabel": {"text": "a good loan", "labels": ["money", "good"]},
    "regression": {"text": "a good loan", "label": 4.0},
    "tagging": {"text": "a good loan", "entities": [[7, 11, "money"]]},
    "span": {"question": "what", "context": "a good loan", "answers": []},
}
# The first metric of each task, and one that says of each row whether it is right.
METRICS = {
    "multilabel": ("micro_f1", "exact_match"),
    "regression": ("spearman", None),
    "tagging": ("entity_f1", None),
    "span": ("answer_f1", "exact_match"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_checkpoint):
    """A run of the four tasks together, `one`, and its copy, `other`."""
    folder = tmp_path_factory.mktemp("runs")
    for task in ROWS:
        rows = [(ROWS if number % 3 else OTHERS)[task] for number in range(24)]
        (folder / f"{task}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tasks = {
        task: {"task": task, "data": {"train": f"{task}.jsonl", "test": f"{task}.jsonl"}}
        for task in ROWS
    }  # fmt: skip
    values = {
        "name": "a",
        "task": "multitask",
        "encoder": str(tiny_checkpoint),
        "max_length": 16,
        "tasks": tasks,
        "training": {"epochs": 1, "batch_size": 16, "learning_rate": 0.01},
    }
    (folder / "a.yaml").write_text(yaml.safe_dump(values))
    train(load_experiment(folder / "a.yaml"), folder / "one", folder=folder, verbose=0)
    return [folder / "one", shutil.copytree(folder / "one", folder / "other")]


@pytest.mark.parametrize("task", ROWS)
def test_of_every_task(runs, task):
    usual, of_rows = METRICS[task]
    measured = json.loads((runs[0] / "metrics.json").read_text())["test"][task]
    found = tfdomain.compare(runs, task=task, resamples=100)
    assert (found.metric, found.num_units) == (usual, 24)
    # The F1 of answers may happen to be 0 or 1 in each row.
    assert found.differences[0].test == BOOTSTRAP or task == "span"
    assert list(found.values.values()) == pytest.approx([measured[usual]] * 2)
    assert (found.differences[0].interval, found.differences[0].p_value) == ((0, 0), 1)
    if of_rows is not None:
        # The metric's name tells the task as well.
        found = tfdomain.compare(runs, metric=f"{task}.{of_rows}", resamples=100)
        assert found.differences[0].test == MCNEMAR
        assert list(found.values.values()) == pytest.approx([measured[of_rows]] * 2)


def test_a_metric_of_another_task_than_the_named_one_is_refused(runs):
    with pytest.raises(InputError, match="--task: is 'span', and the metric is of 'tagging'; leave it out"):
        tfdomain.compare(runs, metric="tagging.entity_f1", task="span")
    with pytest.raises(InputError, match=r"one: has no task 'ner'; choose one of .*tagging.* with --task"):
        tfdomain.compare(runs, metric="ner.entity_f1")


def test_embedders_that_were_given_negatives_stand_beside_those_that_were_not(tmp_path, tiny_checkpoint):
    rows = [{"anchor": f"my {word}", "positive": f"the {word}", "negative": "no"} for word in "abcdefgh"]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    values = {"name": "a", "task": "embedding", "encoder": str(tiny_checkpoint), "training": {"epochs": 1}}
    values["data"] = {"train": "pairs.jsonl", "test": "pairs.jsonl"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(values))
    for name, changes in {"pairs": [], "triplets": ["data.text=[anchor, positive, negative]"]}.items():
        train(load_experiment(tmp_path / "a.yaml", changes), tmp_path / name, folder=tmp_path, verbose=0)
    found = tfdomain.compare([tmp_path / "pairs", tmp_path / "triplets"], resamples=100)
    assert (found.metric, found.num_units) == ("recall_at_1", 8)


def test_names_of_metrics_with_and_without_a_task():
    assert metric_of_task("macro_f1") == (None, "macro_f1")
    assert metric_of_task("intent.macro_f1") == ("intent", "macro_f1")
    assert metric_of_task("per_class.No. 1.f1") == (None, "per_class.No. 1.f1")
    assert metric_of_task("intent.per_class.No. 1.f1") == ("intent", "per_class.No. 1.f1")
