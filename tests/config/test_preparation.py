import re
from pathlib import Path

import pytest

from tfdomain.config.preparation import Preparation, Steps, load_preparation
from tfdomain.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "preparation.md").read_text(encoding="utf-8")


def test_what_is_asked_for_wins_over_the_file(tmp_path):
    file = tmp_path / "prepare.yaml"
    file.write_text("text: body\nlabel: kind\nsplit: [0.5, 0.3, 0.2]\nsteps: {language: true, clean: false}\n")
    made = load_preparation(file, options={"text": "words"}, assignments=["steps.clean=true", "seed=7"])
    assert (made.text, made.label, made.split, made.seed) == ("words", "kind", (0.5, 0.3, 0.2), 7)
    assert made.steps == Steps(language=True)


def test_predictions_are_looked_for_beside_the_file_that_names_them(tmp_path):
    (tmp_path / "answers.jsonl").write_text("{}\n")
    file = tmp_path / "prepare.yaml"
    file.write_text("label: kind\nquality_predictions: answers.jsonl\nsteps: {label_quality: true}\n")
    assert load_preparation(file).quality_predictions == str(tmp_path / "answers.jsonl")
    asked = load_preparation(file, options={"quality_predictions": "other.jsonl"})
    assert asked.quality_predictions == "other.jsonl"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("split=[0.8,0.3,0.1]", "are no shares: give three that add up to 1"),
        ("split=[0,0.5,0.5]", "the first above 0"),
        ("similarity=1", "similarity is 1"),
        ("similarity=0.65", "similarity: 0.65 is too low: below 0.7 so many unlike texts"),
        ("personal_data=[NAME]", "personal_data"),
        ("regions=[usa]", "regions"),
        ("group=text", "one column is named for two things"),
        ("steps.label_quality=true", "name its column in label"),
        ("quality_predictions=a.jsonl", "turn steps.label_quality on"),
        ("steps.spelling=true", "unknown key steps.spelling"),
        ("folds=1", "folds is 1"),
        ("seed=true", "seed is True"),
    ],
)
def test_what_cannot_be_is_one_line(assignment, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load_preparation(None, assignments=[assignment])
    assert "\n" not in str(caught.value)


def test_group_and_time_exclude_each_other():
    with pytest.raises(InputError, match="choose one"):
        load_preparation(None, options={"group": "customer", "time": "day"})


def test_every_step_and_setting_is_on_the_page():
    for name, field in Steps.model_fields.items():
        assert f"| `{name}` | {'on' if field.default else 'off'} |" in PAGE
    missing = [name for name in Preparation.model_fields if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == []


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").glob("prepare_*.yaml")), ids=lambda file: file.stem)
def test_the_experiments_are_sound_and_tell_their_command(file):
    assert load_preparation(file).text in ("text", "text_a")
    assert f"--config experiments/{file.name} --to data/" in file.read_text(encoding="utf-8")
