"""Sessions and experiments of TensorBoard's HPARAMS tab."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import metadata as hparams

from tfdomain.config import experiment_from
from tfdomain.training.hparams import SESSION, flat_metrics, flat_values, session, write_experiment, write_session

VALUES = {
    "name": "tiny",
    "encoder": "somewhere",
    "data": {"train": ["a.csv", "信用.csv"], "validation": 0.2},
    "training": {"seed": 3, "class_weights": {"good": 2.0}},
    "board": {"histograms": True},
}


def read(folder):
    return EventAccumulator(str(folder)).Reload()


def plugin_data(folder):
    contents = read(folder).PluginTagToContent("hparams")
    start = hparams.parse_session_start_info_plugin_data(contents[hparams.SESSION_START_INFO_TAG])
    end = contents.get(hparams.SESSION_END_INFO_TAG)
    return start, None if end is None else hparams.parse_session_end_info_plugin_data(end).status


def values_of(start):
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def test_a_session_has_its_values_its_metrics_and_its_end(tmp_path):
    values = {"training.learning_rate": 1e-4, "training.recompute": False, "model.pooling": "mean"}
    write_session(tmp_path, values, {"test.macro_f1": 0.625}, "success", "one group", started=12.5)
    start, status = plugin_data(tmp_path)
    assert values_of(start) == values
    assert (start.group_name, start.start_time_secs, status) == ("one group", 12.5, api_pb2.STATUS_SUCCESS)
    [event] = read(tmp_path).Scalars("final/test.macro_f1")
    assert (event.step, event.value) == (0, 0.625)


def test_a_later_session_replaces_the_earlier_one(tmp_path):
    for status, expected in [
        ("running", None), ("failure", api_pb2.STATUS_FAILURE), ("success", api_pb2.STATUS_SUCCESS),
    ]:  # fmt: skip
        write_session(tmp_path, {"a": 1}, {}, status, "g")
        assert plugin_data(tmp_path)[1] == expected
    assert len(list(tmp_path.iterdir())) == 1


def test_an_experiment_has_the_domains_of_its_space(tmp_path):
    domains = {
        "rate": (1e-5, 1e-3), "size": [16, 32.5, None], "pooling": ["cls", "mean"], "recompute": [True, False],
        "mixed": ["balanced", 3],
    }  # fmt: skip
    write_experiment(tmp_path, domains, ["validation.macro_f1"])
    contents = read(tmp_path).PluginTagToContent("hparams")
    experiment = hparams.parse_experiment_plugin_data(contents[hparams.EXPERIMENT_TAG])
    infos = {info.name: info for info in experiment.hparam_infos}
    assert list(infos) == list(domains)
    assert (infos["rate"].domain_interval.min_value, infos["rate"].domain_interval.max_value) == (1e-5, 1e-3)
    assert list(infos["size"].domain_discrete) == [16, 32.5]
    assert sorted(infos["pooling"].domain_discrete) == ["cls", "mean"]
    assert set(infos["recompute"].domain_discrete) == {True, False}
    assert infos["mixed"].WhichOneof("domain") is None
    [metric] = experiment.metric_infos
    assert (metric.name.tag, metric.display_name) == ("final/validation.macro_f1", "validation.macro_f1")


def test_values_are_flat_and_plain():
    flat = flat_values({"a": {"b": None, "c": {"d": 1.5}}, "files": ["甲", "b"], "none": [], "yes": True})
    assert flat == {"a.c.d": 1.5, "files": '["甲", "b"]', "yes": True}


def test_metrics_are_the_plain_numbers_of_each_part_and_task():
    part = {"accuracy": 0.5, "num_examples": 3, "per_class": {"a": {}}, "roc_auc": None}
    assert flat_metrics({"validation": None, "test": part, "training": {"seconds": 1.0}}) == {"test.accuracy": 0.5}
    both = {"validation": {"intent": part}, "test": {"ner": {"entity_f1": 0.25}}}
    assert flat_metrics(both, ["intent", "ner"]) == {"validation.intent.accuracy": 0.5, "test.ner.entity_f1": 0.25}


def group_of(folder: Path, **training):
    values = json.loads(json.dumps(VALUES))
    values["training"] |= training
    with session(folder, experiment_from(values, where="test")) as metrics:
        assert plugin_data(folder / SESSION)[1] is None
        metrics["test"] = {"accuracy": 0.75}
    return plugin_data(folder / SESSION)[0]


def test_a_run_is_a_session_and_runs_that_differ_by_seed_are_a_group(tmp_path):
    first, second = group_of(tmp_path / "a"), group_of(tmp_path / "b", seed=4)
    other = group_of(tmp_path / "c", epochs=7)
    assert first.group_name == second.group_name != other.group_name
    found = values_of(first)
    assert found["training.seed"] == 3 and found["training.class_weights.good"] == 2
    assert found["data.train"] == '["a.csv", "信用.csv"]' and "training.best" not in found
    assert not [name for name in found if name.startswith("board")]
    assert read(tmp_path / "a" / SESSION).Scalars("final/test.accuracy")[0].value == 0.75


def test_a_run_that_fails_is_a_failure_until_it_is_resumed(tmp_path):
    experiment = experiment_from(VALUES, where="test")
    with pytest.raises(KeyboardInterrupt), session(tmp_path, experiment):
        raise KeyboardInterrupt
    assert plugin_data(tmp_path / SESSION)[1] == api_pb2.STATUS_FAILURE
    with session(tmp_path, experiment):
        pass
    assert plugin_data(tmp_path / SESSION)[1] == api_pb2.STATUS_SUCCESS
