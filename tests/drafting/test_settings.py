"""The settings that follow from a profile."""

import dataclasses

import pytest
import yaml

from tfdomain.config import experiment_from
from tfdomain.drafting.encoders import SMALL_ENCODER, choose_encoder, num_positions
from tfdomain.drafting.experiment_text import experiment_text
from tfdomain.drafting.profile import Profile, Spread
from tfdomain.drafting.remarks import remarks_on
from tfdomain.drafting.settings import choose_settings, rarer_label, values_of
from tfdomain.errors import InputError

BASE = Profile(
    task="classification",
    num_rows=1000,
    characters=Spread(100, 300, 400, 900),
    tokens=Spread(20, 60, 75, 200),
    languages={"en": 1.0},
    num_empty=0,
    num_duplicates=0,
    labels={"good": 600, "bad": 400},
)


def settings(files=None, columns=None, positions=512, encoder=SMALL_ENCODER, positive=None, **changes):
    profile = dataclasses.replace(BASE, **changes)
    columns = columns or {"text": "text", "label": "label"}
    return choose_settings(
        profile,
        name="a",
        files=files or {"train": ["a.csv"]},
        columns={} if profile.task == "tagging" else columns,
        encoder=(encoder, "why"),
        num_positions=positions,
        positive=positive,
    )


def values(**changes):
    return values_of(settings(**changes))


def test_two_labels():
    found = values()
    assert found["model"] == {"pooling": "mean", "positive": "bad", "threshold": {"metric": "f1"}}
    assert found["training"]["best"] == "roc_auc"
    assert found["data"] == {"train": "a.csv", "validation": 0.15, "text": "text", "label": "label"}
    assert values(positive="good")["model"]["positive"] == "good"
    experiment = experiment_from(found, where="")
    assert (experiment.task, experiment.training.seed) == ("classification", 0)


@pytest.mark.parametrize(
    ("counts", "weights"),
    [({"a": 900, "b": 91}, None), ({"a": 900, "b": 90}, "balanced"), ({"a": 500, "b": 300, "c": 20}, "balanced")],
)
def test_class_weights_where_classes_are_uneven(counts, weights):
    assert values(labels=counts)["training"].get("class_weights") == weights


@pytest.mark.parametrize(
    ("p99", "positions", "columns", "expected"),
    [
        (62, 512, None, 64),
        (63, 512, None, 80),
        (1, 512, None, 16),
        (61, 512, {"text": ["a", "b"], "label": "c"}, 64),
        (62, 512, {"text": ["a", "b"], "label": "c"}, 80),
        (900, 512, None, 512),
        (900, 40, None, 40),
    ],
)
def test_max_length_holds_99_of_100_texts_or_what_the_encoder_can(p99, positions, columns, expected):
    found = values(tokens=Spread(1, 1, p99, 5000), positions=positions, columns=columns)
    assert found["max_length"] == expected


def test_long_texts_are_told_of():
    whys = {one.key: one.why for one in settings(tokens=Spread(300, 800, 900, 5000))}
    assert "about 5 of 100 texts or more are longer, and are cut: model.windows" in whys["max_length"]


@pytest.mark.parametrize(
    ("rows", "share"), [(9, None), (10, 0.2), (499, 0.2), (500, 0.15), (2000, 0.1), (50_000, 0.1), (1_000_000, 0.005)]
)
def test_the_validation_share_shrinks_as_rows_grow(rows, share):
    found = values(num_rows=rows)
    assert found["data"].get("validation") == share
    assert ("best" in found["training"]) == (share is not None)
    assert ({"positive", "threshold"} <= set(found["model"])) == (share is not None)


def test_files_that_are_held_out():
    files = {"train": ["a.csv", "b.csv"], "validation": ["dev.csv"], "test": ["test.csv"]}
    found = values(files=files, held_out={"validation": 10, "test": 20}, num_rows=5)
    assert found["data"] == {
        "train": ["a.csv", "b.csv"],
        "validation": "dev.csv",
        "test": "test.csv",
        "text": "text",
        "label": "label",
    }
    assert found["training"]["best"] == "roc_auc"


@pytest.mark.parametrize("change", [{"num_empty": 3}, {"faults": {"x": 1}}, {"unseen": ("c",)}])
def test_rows_that_cannot_be_trained_on_are_left_out(change):
    assert values(**change)["data"]["on_bad_row"] == "skip"


@pytest.mark.parametrize(
    ("task", "changes", "best"),
    [
        ("classification", {"labels": {"a": 3, "b": 2, "c": 2}}, "macro_f1"),
        ("multilabel", {}, "mean_average_precision"),
        ("regression", {"labels": {}, "numbers": {"label": (0.0, 1.0, 5.0)}}, "rmse"),
        ("tagging", {"scheme": "iob2"}, "entity_f1"),
    ],
)
def test_every_task_has_a_valid_file(task, changes, best):
    drafted = settings(task=task, **changes)
    found = values_of(drafted)
    assert found["training"]["best"] == best
    assert ("threshold" in found["model"]) == (task == "multilabel")
    assert yaml.safe_load(experiment_text(drafted)) == found


def test_tags_with_faults():
    found = values(task="tagging", num_repaired=3, num_overlaps=2)
    assert (found["data"]["on_illegal_tags"], found["data"]["on_overlap"]) == ("repair", "longest")
    assert found["model"] == {"decoder": "crf"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"labels": {"good": 3}}, r"--label label: every row has the label 'good'"),
        ({"task": "multilabel", "labels": {}}, r"no row has a label"),
        (
            {"task": "regression", "labels": {}, "numbers": {"y": (2.0, 2.0, 2.0)}},
            r"--label y: every row has the value 2",
        ),
        ({"num_empty": 1000}, r"--text text: every text is empty"),
        ({"positive": "none"}, r"'none' is none of two labels; name 'good' or 'bad'"),
        ({"labels": {"a": 1, "b": 1, "c": 1}, "positive": "a"}, r"leave it out"),
    ],
)
def test_what_cannot_be_learned_is_refused(changes, expected):
    with pytest.raises(InputError, match=expected):
        settings(**changes)


def test_names_that_yaml_takes_for_something_else_stay_names():
    columns = {"text": "on", "label": "yes: no # 1", "column_names": ["1", "null", "a, b", "[x]"]}
    drafted = settings(columns=columns, labels={"true": 5, "0\n\x1b\x07\ufeff1": 4}, files={"train": ["a b: #1.csv"]})
    text = experiment_text(drafted, head="first\nline")
    assert yaml.safe_load(text) == values_of(drafted)
    assert text.startswith("# first line\n")
    assert max(map(len, text.splitlines())) <= 120


def test_the_rarer_label():
    assert rarer_label(BASE) == "bad"
    assert rarer_label(dataclasses.replace(BASE, labels={"b": 5, "a": 5})) == "b"
    assert rarer_label(dataclasses.replace(BASE, labels={"a": 5, "b": 4, "c": 3})) is None


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ({"en": 0.9, "de": 0.1}, r"MiniLM"),
        ({"zh": 1.0}, r"bert-base-chinese"),
        ({"de": 1.0}, r"multilingual"),
        ({"en": 0.6, "zh": 0.4}, r"multilingual"),
        ({}, r"MiniLM"),
    ],
)
def test_the_encoder_follows_the_language(languages, expected):
    encoder, why = choose_encoder(dataclasses.replace(BASE, languages=languages))
    assert expected in encoder
    assert why


def test_the_positions_of_an_encoder(tiny_checkpoint, tmp_path):
    assert num_positions(str(tiny_checkpoint)) == 64
    assert num_positions("owner/name") == 512
    with pytest.raises(InputError, match="no such folder"):
        num_positions(str(tmp_path / "none"))


def test_remarks():
    assert remarks_on(dataclasses.replace(BASE, held_out={"test": 5})) == []
    changes = {
        "num_duplicates": 50,
        "num_conflicts": 4,
        "num_empty": 300,
        "labels": {"good": 600, "Good": 300, "rare": 9},
        "unseen": ("new",),
    }
    remarks = "\n".join(remarks_on(dataclasses.replace(BASE, **changes), 3))
    for part in ("30% of the rows", "4 texts stand twice", "50 rows repeat", "have rare", "'Good' and 'good'", "new"):
        assert part in remarks
    assert "3 more columns" in remarks
    assert "no test file" in remarks
