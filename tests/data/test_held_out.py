"""What examples are cut by when some are held out."""

import json

import numpy as np
import pytest

from tfdomain.config import Fold, experiment_from
from tfdomain.data.examples import Reading
from tfdomain.data.held_out import cut_examples
from tfdomain.data.readers import read_examples
from tfdomain.data.splits import split_rows
from tfdomain.errors import InputError

PEOPLE = [f"p{number % 8}" for number in range(40)]
DAYS = [f"2024-{1 + number % 12:02}-{1 + number % 28:02}" for number in range(40)]


def read(tmp_path, fold, task="classification", rows=None):
    rows = rows or [
        {"text": f"text {number}", "label": "ab"[number % 4 == 0], "person": person, "day": day}
        for number, (person, day) in enumerate(zip(PEOPLE, DAYS, strict=True))
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    data = {"train": str(path), "fold": fold}
    experiment = experiment_from({"name": "a", "encoder": "e", "task": task, "data": data}, where="a")
    return read_examples(task, [path], experiment.data, Reading(for_training=True, cache_dir=tmp_path / "cache"))


def cut_of(examples, fold=None):
    return cut_examples({"": examples}, {"": fold})[""]


def folds_of(examples, **choices):
    return [cut_of(examples, Fold(number=number, of=4, **choices)) for number in range(1, 5)]


def test_by_class(tmp_path):
    cuts = folds_of(read(tmp_path, {"number": 1, "of": 4}))
    assert sorted(row for cut in cuts for row in cut.test.tolist()) == list(range(40))
    for cut in cuts:
        assert sorted([*cut.train, *cut.test]) == list(range(40))
        assert 2 <= sum(row % 4 == 0 for row in cut.test) <= 3
    again = folds_of(read(tmp_path, {"number": 1, "of": 4}), seed=5)
    assert again[0].test.tolist() != cuts[0].test.tolist()


def test_by_group_and_the_share_of_validation_too(tmp_path):
    examples = read(tmp_path, {"number": 1, "of": 4, "group": "person"})
    for cut in folds_of(examples, group="person"):
        people = [{PEOPLE[row] for row in rows} for rows in (cut.test, *cut.share(0.2, 0))]
        assert sum(map(len, people)) == 8 and set.union(*people) == set(PEOPLE)


def test_by_time_and_the_share_of_validation_too(tmp_path):
    examples = read(tmp_path, {"number": 1, "of": 4, "time": "day"})
    for cut in folds_of(examples, time="day"):
        days = [[DAYS[row] for row in rows] for rows in (*cut.share(0.2, 0), cut.test)]
        assert max(days[0]) < min(days[1]) <= max(days[1]) < min(days[2])


def test_a_share_of_all_rows_is_what_split_rows_gives(tmp_path):
    examples = read(tmp_path, None)
    expected = split_rows(examples.strata(), share=0.2, num_rows=40, seed=3)
    for one, other in zip(cut_of(examples).share(0.2, 3), expected, strict=True):
        assert one.tolist() == other.tolist()


def test_columns_that_cannot_cut_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no column 'persn'; .* did you mean 'person'"):
        read(tmp_path, {"number": 1, "of": 4, "group": "persn"})
    with pytest.raises(InputError, match=r"rows.jsonl: line 1: column 'person' holds no date .* in 40 rows"):
        cut_of(read(tmp_path, {"number": 1, "of": 4, "time": "person"}), Fold(number=1, of=4, time="person"))
    rows = [{"text": "x", "label": "a", "person": person} for person in ("p", "q", "", "r")]
    with pytest.raises(InputError, match="line 3: column 'person' names no group in 1 row, here first; give one"):
        cut_of(
            read(tmp_path, {"number": 1, "of": 4, "group": "person"}, rows=rows), Fold(number=1, of=4, group="person")
        )


def test_scales_and_vocabularies_are_those_of_the_rows_trained_on(tmp_path):
    rows = [{"text": "x", "label": 1.0 + row % 2, "size": float(row)} for row in range(10)]
    rows += [{"text": "x", "label": 100.0, "size": 1e6} for _ in range(5)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    data = {"train": str(path), "features": ["size"]}
    experiment = experiment_from({"name": "a", "encoder": "e", "task": "regression", "data": data}, where="a")
    examples = read_examples("regression", [path], experiment.data, Reading(cache_dir=tmp_path / "cache"))
    learned = examples.learn(np.arange(10))
    assert learned["means"] == pytest.approx([1.5])
    assert learned["features"][0] != examples.learn()["features"][0]
    alone = tmp_path / "alone.jsonl"
    alone.write_text("\n".join(map(json.dumps, rows[:10])))
    others = read_examples("regression", [alone], experiment.data, Reading(cache_dir=tmp_path / "cache"))
    assert learned == others.learn()


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        ({"number": 3, "of": 2}, "fold.number is 3, and there are 2 folds"),
        ({"number": 1, "of": 2, "group": "a", "time": "b"}, "cut by group or by time"),
        ({"number": 1, "of": 1}, "data.fold.of is 1"),
    ],
)
def test_folds_that_cannot_be_are_refused(fold, message):
    values = {"name": "a", "encoder": "e", "data": {"train": "a.csv", "fold": fold}}
    with pytest.raises(InputError, match=message):
        experiment_from(values, where="a.yaml")
    values["data"] = {"train": "a.csv", "test": "b.csv", "fold": {"number": 1, "of": 2}}
    with pytest.raises(InputError, match="set test to null"):
        experiment_from(values, where="a.yaml")
