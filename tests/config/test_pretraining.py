import json
import re
from pathlib import Path

import pytest
import yaml

from tfdomain.config.loading import save_config
from tfdomain.config.pretraining import (
    Corpus,
    Objective,
    Pretraining,
    PretrainingOptions,
    Vocabulary,
    load_pretraining,
)
from tfdomain.config.sections import FitOptions
from tfdomain.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pretraining.md").read_text(encoding="utf-8")
LEAST = {"name": "a", "encoder": "somewhere", "corpus": {"files": "a.txt"}}


@pytest.fixture
def write(tmp_path):
    def write(**changes) -> Path:
        path = tmp_path / "pretrain.yaml"
        path.write_text(yaml.safe_dump(LEAST | changes))
        return path

    return write


def test_a_resolved_file_is_read_back_as_it_was(write, tmp_path):
    pretraining = load_pretraining(write(), ["training.epochs=7", "corpus.replay={files: b.txt, share: 0.3}"])
    assert pretraining.training.epochs == 7 and pretraining.corpus.replay.share == 0.3
    save_config(pretraining, tmp_path / "resolved.yaml")
    assert load_pretraining(tmp_path / "resolved.yaml") == pretraining


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("size=tiny", "task continue goes on from a checkpoint"),
        ("encoder=null", "task continue goes on from a checkpoint"),
        ("task=scratch", "task scratch begins an encoder: give a size"),
        ("objective.mask_rate=1.5", "objective.mask_rate"),
        ("objective={whole_words: false, longest_span: 2}", "longest_span counts words"),
        ("training.label_smoothing=0.1", "a corpus has no labels"),
        ("training.best=loss", "unknown key training.best"),
        ("corpus.guard={files: a.csv, similarity: 0.2}", "similarity"),
        ("vocabulary.mode=grow", "vocabulary.mode"),
        ("max_length=8", "max_length"),
    ],
)
def test_what_cannot_be_is_one_line(write, change, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load_pretraining(write(), [change])
    assert "\n" not in str(caught.value)


def test_scratch_learns_its_vocabulary(write):
    changes = {"task": "scratch", "encoder": None, "size": "mini"}
    with pytest.raises(InputError, match=r"set vocabulary\.mode to learn"):
        load_pretraining(write(**changes))
    assert load_pretraining(write(**changes), ["vocabulary.mode=learn"]).size == "mini"


@pytest.mark.parametrize(
    ("heading", "section", "left_out"),
    [
        ("## Keys", Pretraining, {"corpus", "vocabulary", "objective", "training"}),
        ("### `corpus`", Corpus, set()),
        ("### `vocabulary`", Vocabulary, set()),
        ("### `objective`", Objective, set()),
        (
            "### `training`",
            PretrainingOptions,
            set(FitOptions.model_fields) - {"learning_rate", "accumulate", "recompute"},
        ),
    ],
)
def test_every_key_is_on_the_page_with_its_default(heading, section, left_out):
    text = PAGE.split(f"{heading}\n")[1].split("\n##")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, re.MULTILINE))
    assert set(documented) == set(section.model_fields) - left_out
    for name, shown in documented.items():
        field = section.model_fields[name]
        if field.is_required():
            assert shown == "required", name
            continue
        # As YAML has it: null, true, 0.15.
        default = str(field.default) if isinstance(field.default, float | str) else json.dumps(field.default)
        assert shown == f"`{default}`", name


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").glob("pretrain_*.yaml")), ids=lambda file: file.stem)
def test_every_experiment_is_read(file):
    assert load_pretraining(file).name == file.stem
