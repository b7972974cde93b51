"""The shipped schemas are in step with the sections, and take what the readers take."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tfdomain.cli import main
from tfdomain.config.schema import FOLDER, SCHEMAS, make_schema
from tfdomain.config.sections import FitOptions

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
KINDS = {"prepare": "preparation", "pretrain": "pretraining"}
FILES = sorted(file for file in EXPERIMENTS.glob("*.yaml") if file.name != "studies.yaml")


def faults(kind: str, values: dict) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads((FOLDER / f"{kind}.schema.json").read_text("utf-8")))
    return [error.message for error in validator.iter_errors(values)]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_shipped_file_is_in_step(kind):
    shipped = json.loads((FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8"))
    assert shipped == make_schema(kind), "write it anew: python -m tfdomain.config.schema"
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_experiment_fits(file):
    kind = KINDS.get(file.stem.split("_")[0], "experiment")
    assert faults(kind, yaml.safe_load(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": "guessing"}, "'guessing' is not one of"),
        ({"training": {"epochs": 0}}, "0 is less than the minimum of 1"),
        ({"training": {"epoch": 1}}, "'epoch' was unexpected"),
        ({"model": {"decoder": "crf"}}, "'decoder' was unexpected"),
        ({"task": "tagging", "model": {"decoder": "beam"}}, "'beam' is not one of"),
        ({"name": "no spaces"}, "does not match"),
    ],
)
def test_what_is_wrong_is_found(change, told):
    sound = {"name": "a", "encoder": "b", "data": {"train": "a.csv", "label": "label"}}
    assert faults("experiment", sound) == []
    assert any(told in fault for fault in faults("experiment", sound | change))


def test_a_search_is_checked():
    sound = {"name": "a", "encoder": "b", "data": {"train": "a.csv", "label": "label"}}
    search = {"objective": "validation.macro_f1", "trials": 3, "space": {"training.epochs": {"int": [1, 3]}}}
    assert faults("experiment", sound | {"search": search}) == []
    for change in ({"tuner": "x"}, {"space": {}}, {"space": {"training.epochs": {"integer": [1, 3]}}}, {"trials": 0}):
        assert faults("experiment", sound | {"search": search | change}), change


def test_one_of_several_tasks_is_checked_by_its_own_form():
    one = {"task": "classification", "data": {"train": "a.csv", "label": "label"}}
    values = {"name": "a", "encoder": "b", "task": "multitask", "tasks": {"x": one}}
    assert faults("experiment", values) == []
    assert faults("experiment", values | {"tasks": {"x": one | {"model": {"decoder": "crf"}}}})


def test_every_key_of_training_says_what_it_means():
    keys = make_schema("experiment")["$defs"]["Training"]["properties"]
    assert set(FitOptions.model_fields) < set(keys)
    assert all(len(key["description"]) > 10 for key in keys.values())
    assert keys["learning_rate"]["description"] == "Its peak, reached after the warm-up."


def test_the_command_prints_it(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["schema", "pretraining"])
    assert not caught.value.code
    assert json.loads(capsys.readouterr().out) == make_schema("pretraining")
