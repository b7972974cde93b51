"""Experiments of several tasks: each section in the form of its task, and what is said of wrong ones."""

import re

import pytest
import yaml

from tfdomain.config import load_experiment, save_config
from tfdomain.errors import InputError

EXPERIMENT = """
name: bank
task: multitask
encoder: some/encoder
max_length: 64
tasks:
  intent:
    data: {train: intents.csv, validation: 0.1, label: intent}
    model: {pooling: mean}
  ner:
    task: tagging
    data: {train: mentions.tsv}
    model: {decoder: crf}
    max_length: 32
model: {share: square_root, loss_weights: {ner: 0.5}, dropout_rate: 0.2}
training: {epochs: 2, best: intent.macro_f1, patience: 1, seed: 3}
"""


@pytest.fixture
def load(tmp_path):
    def load(*overrides):
        (tmp_path / "e.yaml").write_text(EXPERIMENT)
        return load_experiment(tmp_path / "e.yaml", overrides)

    return load


def test_each_task_has_its_own_form(load):
    experiment = load("tasks.ner.data.scheme=iob2")
    assert experiment.tasks["intent"].task == "classification"
    assert experiment.tasks["intent"].data.text_columns == ["text"]
    assert experiment.tasks["ner"].model.decoder == "crf"
    assert experiment.columns()["ner"]["scheme"] == "iob2"
    assert experiment.model.settings() == {"share": "square_root", "loss_weights": {"ner": 0.5}}


def test_each_task_is_an_experiment_of_its_own(load):
    alone = load().experiments()
    assert [(one.task, one.max_length) for one in alone.values()] == [("classification", 64), ("tagging", 32)]
    assert alone["intent"].data.label == "intent"
    assert alone["ner"].training.seed == 3
    assert alone["ner"].training.best is None


def test_what_is_saved_is_what_was_meant(load, tmp_path):
    experiment = load()
    save_config(experiment, tmp_path / "resolved.yaml")
    assert load_experiment(tmp_path / "resolved.yaml") == experiment
    resolved = yaml.safe_load((tmp_path / "resolved.yaml").read_text())
    assert resolved["tasks"]["ner"]["model"]["label_pieces"] == "first"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tasks.intent.data.lable=x", "unknown key tasks.intent.data.lable; did you mean label?"),
        ("tasks.intent.data.label=3", "tasks.intent.data.label is 3; it should be a valid string"),
        ("tasks.ner.model.decoder=hmm", "tasks.ner.model.decoder is 'hmm'; it should be 'softmax' or 'crf'"),
        ("tasks.ner.data={}", "tasks.ner.data.train is missing; add the key"),
        ("tasks.ner.task=parsing", "tasks.ner.task is 'parsing'; choose one of classification, "),
        ("tasks.ner.lr=1", "unknown key tasks.ner.lr; the keys here are task, data, model, max_length"),
        ("tasks.ner.max_length=1", "tasks.ner.max_length is 1; it should be greater than or equal to 3"),
        ("tasks.ner=x", "tasks.ner is 'x'; give it task, data and model"),
        ("tasks.intent.model.threshold={metric: f1}", None),
        (
            "tasks.ner={task: multilabel, data: {train: x.csv}, model: {threshold: {metric: f1}}}",
            "tasks.ner: model.threshold is chosen on validation rows",
        ),
        ("tasks.ner.model.dropout_rate=0.1", "tasks.ner.model: dropout_rate is that of all tasks"),
        ("data={train: x.csv}", "data is each task's own here: write it below tasks.<name>.data"),
        ("tasks={}", "tasks is {}"),
        ("model.share=even", "model.share is 'even'; it should be 'proportional', 'square_root' or 'uniform'"),
        ("model.loss_weights={tagging: 2}", "model.loss_weights names 'tagging', which is none of intent, ner"),
        ("training.best=macro_f1", "training.best is 'macro_f1': write <task>.<metric>, of intent, ner"),
        ("training.best=ner.entity_f1", "set tasks.ner.data.validation"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_key(load, override, message):
    if message is None:
        assert load(override).tasks["intent"].model.threshold.metric == "f1"
        return
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load(override)
    assert "\n" not in str(caught.value)
