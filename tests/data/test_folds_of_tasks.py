"""The examples of several tasks are cut together: what one is tested on, no other has learned from."""

import json

import numpy as np
import pytest

from tfdomain.config import Fold, experiment_from
from tfdomain.data.examples import Reading
from tfdomain.data.held_out import cut_examples
from tfdomain.data.readers import read_examples
from tfdomain.data.splits import group_folds
from tfdomain.errors import InputError

OWN = {
    "tasks.intent": ("classification", {"text": "my car", "label": "thing"}),
    "tasks.stars": ("regression", {"label": 1.5}),
}


def examples_of(tmp_path, columns, fold):
    """The examples of each task: `columns` has the values of one column by task."""
    read = {}
    for name, values in columns.items():
        task, own = OWN[name]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps({"text": "my car", **own, "column": value}) for value in values))
        data = {"train": str(path), "fold": fold.model_dump()}
        experiment = experiment_from({"name": "a", "encoder": "e", "task": task, "data": data}, where="a")
        read[name] = read_examples(task, [path], experiment.data, Reading(for_training=True, cache_dir=tmp_path / "c"))
    return read


def cut(tmp_path, columns, of=3, **choices):
    """The folds, each as the values that each task is trained on and tested on."""
    cuts = []
    for number in range(1, of + 1):
        fold = Fold(number=number, of=of, **choices)
        found = cut_examples(examples_of(tmp_path, columns, fold), dict.fromkeys(columns, fold))
        values = {name: np.array(column) for name, column in columns.items()}
        cuts.append({name: (values[name][one.train], values[name][one.test]) for name, one in found.items()})
    return cuts


def test_a_group_is_in_one_fold_of_all_tasks(tmp_path):
    random = np.random.default_rng(0)
    columns = {
        "tasks.intent": [f"p{number}" for number in random.integers(0, 20, 90)],
        "tasks.stars": [f"p{number}" for number in random.integers(10, 40, 40)],
    }
    cuts = cut(tmp_path, columns, group="column", seed=1)
    for one in cuts:
        tested = set(one["tasks.intent"][1]) | set(one["tasks.stars"][1])
        assert not tested & (set(one["tasks.intent"][0]) | set(one["tasks.stars"][0]))
    # Each task is spread over the folds by itself, though their groups and their numbers differ.
    for name, most in (("tasks.intent", 8), ("tasks.stars", 4)):
        sizes = [len(one[name][1]) for one in cuts]
        assert sum(sizes) == len(columns[name]) and max(sizes) - min(sizes) <= most


def test_a_moment_is_in_one_fold_of_all_tasks(tmp_path):
    columns = {"tasks.intent": [*range(80)], "tasks.stars": [*range(5, 85, 4)]}
    cuts = cut(tmp_path, columns, time="column")
    for one in cuts:
        latest = max(max(trained) for trained, _ in one.values())
        assert all(min(tested) > latest for _, tested in one.values())


def test_a_task_that_does_not_reach_into_a_fold_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^tasks.stars: its rows do not reach into each of 3 folds; ask for fewer"):
        cut(tmp_path, {"tasks.intent": [*range(80)], "tasks.stars": [70, 71, 72, 73]}, time="column")
    with pytest.raises(InputError, match=r"^tasks.stars: its rows do not reach into each of 3 folds"):
        cut(tmp_path, {"tasks.intent": [*"aabbccdd"], "tasks.stars": [*"aabb"]}, group="column")
    with pytest.raises(InputError, match=r"^tasks.stars: .*stars.jsonl: line 2: column 'column' names no group"):
        cut(tmp_path, {"tasks.intent": [*"aabbcc"], "tasks.stars": ["a", "", "b", "c"]}, group="column")
    with pytest.raises(InputError, match=r"^tasks.stars: data.fold: 3 folds of 2 rows"):
        cut(tmp_path, {"tasks.intent": [*"aabbcc"], "tasks.stars": ["a", "b"]})


def test_without_a_column_each_task_is_cut_as_if_it_were_alone(tmp_path):
    fold = Fold(number=1, of=3, seed=5)
    examples = examples_of(tmp_path, {"tasks.intent": [*range(30)], "tasks.stars": [*range(20)]}, fold)
    together = cut_examples(examples, dict.fromkeys(examples, fold))
    for name, one in examples.items():
        alone = cut_examples({"": one}, {"": fold})[""]
        assert together[name].test.tolist() == alone.test.tolist()


def test_tasks_may_have_folds_of_their_own(tmp_path):
    folds = {"tasks.intent": Fold(number=1, of=3, group="column"), "tasks.stars": None}
    examples = examples_of(tmp_path, {"tasks.intent": [*"aabbcc"], "tasks.stars": [*"aab"]}, folds["tasks.intent"])
    cuts = cut_examples(examples, folds)
    assert list(cuts) == ["tasks.intent", "tasks.stars"]
    assert (
        len(cuts["tasks.intent"].test) == 2 and cuts["tasks.stars"].test is None and len(cuts["tasks.stars"].train) == 3
    )


def test_groups_of_one_kind_go_to_the_fold_with_the_fewest_rows():
    random = np.random.default_rng(3)
    groups = random.integers(0, 30, 300)
    folds = group_folds(groups, of=4, seed=2)
    filled = [0] * 4
    sizes = {group: int((groups == group).sum()) for group in set(groups.tolist())}
    # Largest first; what is random among equal ones is read off the result.
    for size in sorted(set(sizes.values()), reverse=True):
        chosen = sorted(int(folds[groups == group][0]) for group in sizes if sizes[group] == size)
        expected = []
        for _ in chosen:
            expected.append(int(np.argmin(filled)))
            filled[expected[-1]] += size
        assert chosen == sorted(expected)
