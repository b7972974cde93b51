import pytest

from tfdomain.config import experiment_from
from tfdomain.errors import InputError

COSTS = {"false_positive": 1, "false_negative": 5}


def experiment(threshold, task="classification", **data):
    section = {"train": "rows.csv", "validation": 0.1} | data
    values = {"name": "a", "task": task, "encoder": "x", "data": section, "model": {"threshold": threshold}}
    return experiment_from(values, where="a.yaml")


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize(
    ("written", "settings"),
    [
        (None, {}),
        (0.25, {"threshold": 0.25}),
        ({"metric": "f2"}, {"threshold_by": {"metric": "f2"}}),
        ({"costs": COSTS}, {"threshold_by": {"costs": COSTS}}),
    ],
)
def test_a_threshold_becomes_arguments_of_the_model(task, written, settings):
    made = experiment(written, task)
    given = {name: value for name, value in made.model.settings().items() if name.startswith("threshold")}
    assert given == settings
    # As config.yaml keeps it.
    assert experiment_from(made.model_dump(mode="json"), where="config.yaml") == made


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (1.5, r"^a\.yaml: model\.threshold\.value is 1\.5; it should be less than 1"),
        ("f1", r"^a\.yaml: model\.threshold: is 'f1'; give a number, \{metric: f1\} or \{costs: \{\.\.\.\}\}"),
        ({}, r"^a\.yaml: model\.threshold: give one of value, metric and costs"),
        ({"metric": "f1", "costs": COSTS}, "give one of value, metric and costs"),
        ({"metrc": "f1"}, r"unknown key model\.threshold\.metrc; did you mean metric\?"),
        ({"costs": {"false_positive": 1}}, r"model\.threshold\.costs\.false_negative is missing"),
        ({"costs": COSTS | {"false_positive": -1}}, r"model\.threshold\.costs\.false_positive is -1"),
    ],
)
def test_a_wrong_threshold_is_one_line(written, message):
    with pytest.raises(InputError, match=message):
        experiment(written)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_what_is_chosen_needs_validation_rows(task):
    with pytest.raises(InputError, match=r"chosen on validation rows: set data\.validation, or give a number"):
        experiment({"metric": "f1"}, task, validation=None)
    assert experiment(0.3, task, validation=None).model.threshold.value == 0.3


def test_indicator_columns_are_named_once():
    assert experiment(None, "multilabel", label=["a", "b"]).data.label_columns == ["a", "b"]
    assert experiment(None, "multilabel").data.label_columns == ["labels"]
    with pytest.raises(InputError, match=r"data\.label: a column is named twice: \['a', 'a'\]"):
        experiment(None, "multilabel", label=["a", "a"])
