"""Rows of examples that are held out of training: by group, in time, or spread over the classes.

A fold is held out to be tested on, and a share of the others for validation. The examples of several tasks that name
the same fold are cut together, so that what one task is tested on is held out of the training of all.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tfdomain.config import Fold
from tfdomain.data.components import Components
from tfdomain.data.examples import Examples, Grouped
from tfdomain.data.labels import label_ids, label_names
from tfdomain.data.rest import as_json
from tfdomain.data.splits import group_folds, row_folds, split_groups, split_rows, split_times, time_folds
from tfdomain.data.times import read_times
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError, within

__all__ = ["Cut", "cut_examples"]


@dataclasses.dataclass(frozen=True)
class Cut:
    """Which examples of a task are trained on, which are tested on, and what decides it.

    Attributes:
        train: int64 `[m]`, sorted: the rows to train on.
        test: int64 `[k]`, sorted: the rows of the fold; None where no fold is held out.
        groups: Integers `[n]`, equal for rows of which never some are trained on and others held out; None: there are
            no such.
        moments: Float64 `[n]`, when each row is from; None: time decides nothing.
        classes: Integers `[n]`, the class of each row, where neither groups nor time decide.
    """

    train: np.ndarray
    test: np.ndarray | None
    groups: np.ndarray | None
    moments: np.ndarray | None
    classes: np.ndarray | None

    def share(self, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """A share of the training rows, for validation.

        Args:
            share: The part of them to hold out, above 0 and below 1.
            seed: Decides which; in time it decides nothing.

        Returns:
            The rows to train on and those held out, int64, each sorted.

        Raises:
            InputError: One of the two parts would be empty.
        """
        rows = self.train
        if self.moments is not None:
            kept, held = split_times(self.moments[rows], share=share)
            return self.apart(rows[kept], rows[held]), rows[held]
        if self.groups is not None:
            kept, held = split_groups(self.groups[rows], share=share, seed=seed)
        else:
            classes = None if self.classes is None else self.classes[rows]
            kept, held = split_rows(classes, share=share, num_rows=len(rows), seed=seed)
        return rows[kept], rows[held]

    def apart(self, rows: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Those of some rows, int64 `[m]`, that are of no group of which some are held out: groups may outlast a day.

        Raises:
            InputError: None are left.
        """
        if self.groups is None:
            return rows
        left = rows[~np.isin(self.groups[rows], self.groups[held])]
        if not len(left):
            problem = "no row is left to train on: all stay together with later ones"
            raise InputError(problem, where="data.fold", mend="ask for fewer folds, or leave time out")
        return left


def cut_examples(tasks: Mapping[str, Examples], folds: Mapping[str, Fold | None]) -> dict[str, Cut]:
    """Cuts the training examples of tasks: as their folds say, else by what a task never parts, else by their labels.

    Tasks with equal folds are cut together: a group is in one fold in all of them, and a moment too.

    Args:
        tasks: The examples of each, read with the columns that its fold names, by the place that errors name:
            `tasks.intent`; an empty one for a task alone.
        folds: Which part each task tests on, by the same places; None: none.

    Raises:
        InputError: A row has no group or time in its column, or the rows do not make such folds.
    """
    cuts: dict[str, Cut] = {}
    for fold in dict.fromkeys(folds[name] for name in tasks):
        alike = {name: examples for name, examples in tasks.items() if folds[name] == fold}
        groups, moments = _groups(alike, fold), _moments(alike, fold)
        whole = {name: _whole(one, groups.get(name), moments.get(name)) for name, one in alike.items()}
        cuts |= whole if fold is None else _folded(whole, fold)
    return {name: cuts[name] for name in tasks}


def _whole(examples: Examples, groups: np.ndarray | None, moments: np.ndarray | None) -> Cut:
    """All rows are trained on."""
    strata = None if groups is not None or moments is not None else examples.strata()
    classes = None if strata is None else label_ids(strata, label_names(strata))
    return Cut(np.arange(len(examples)), None, groups, moments, classes)


def _folded(cuts: Mapping[str, Cut], fold: Fold) -> dict[str, Cut]:
    """The rows of one fold are tested on, and all others trained on; in time those before it."""
    folds, place = _fold_of_rows(cuts, fold), fold.number - 1
    folded = {}
    for name, cut in cuts.items():
        # In time there is a part before all folds.
        if len(np.unique(folds[name])) < fold.of + (fold.time is not None):
            problem = f"its rows do not reach into each of {fold.of} folds"
            raise InputError(problem, where=name or "data.fold", mend="ask for fewer folds, or name another column")
        test, train = np.flatnonzero(folds[name] == place), np.flatnonzero(folds[name] != place)
        if cut.moments is not None:
            with within(name):
                train = cut.apart(np.flatnonzero(folds[name] < place), test)
        folded[name] = dataclasses.replace(cut, train=train, test=test)
    return folded


def _fold_of_rows(cuts: Mapping[str, Cut], fold: Fold) -> dict[str, np.ndarray]:
    """The fold of each row of each task, int64 `[n]`, from 0; in time -1 for those before all folds."""
    if fold.time is not None:
        moments = {name: cut.moments for name, cut in cuts.items() if cut.moments is not None}
        return _parted(time_folds(np.concatenate(list(moments.values())), of=fold.of), moments)
    folds = {}
    grouped = {name: cut.groups for name, cut in cuts.items() if cut.groups is not None}
    if grouped:
        tasks = np.repeat(np.arange(len(grouped)), [len(groups) for groups in grouped.values()])
        together = np.concatenate(list(grouped.values()))
        folds = _parted(group_folds(together, of=fold.of, seed=fold.seed, kinds=tasks), grouped)
    for name, cut in cuts.items():
        if cut.groups is None:
            with within(name):
                folds[name] = row_folds(cut.classes, of=fold.of, num_rows=len(cut.train), seed=fold.seed)
    return folds


def _groups(tasks: Mapping[str, Examples], fold: Fold | None) -> dict[str, np.ndarray]:
    """Integers for the rows of each task that has groups, equal for rows that stay together, in all tasks alike."""
    unparted = _numbered({name: each.groups() for name, each in tasks.items() if isinstance(each, Grouped)})
    column = None if fold is None else fold.group
    if column is None:
        return unparted
    groups = _numbered({name: _names(each, column, name) for name, each in tasks.items()})
    if unparted:
        # What is never parted ties the groups that it reaches into.
        ids = np.concatenate([groups[name] for name in unparted])
        _, first, place = np.unique(np.concatenate(list(unparted.values())), return_index=True, return_inverse=True)
        tied = Components(1 + max(int(each.max()) for each in groups.values()))
        tied.join(ids, ids[first[place]])
        groups = {name: tied.find(each) for name, each in groups.items()}
    return groups


def _moments(tasks: Mapping[str, Examples], fold: Fold | None) -> dict[str, np.ndarray]:
    """When each row of each task is from, where folds are cut in time."""
    if fold is None or fold.time is None:
        return {}
    moments = {name: read_times(examples.column(fold.time)) for name, examples in tasks.items()}
    for name, examples in tasks.items():
        problem = f"column {fold.time!r} holds no date (2024-05-31) or number"
        _refuse(examples, np.isnan(moments[name]), problem, name)
    return moments


def _names(examples: Examples, column: str, task: str) -> list[str]:
    values = examples.column(column)
    # Rows without a group would be taken for one large group.
    _refuse(examples, [value in (None, "") for value in values], f"column {column!r} names no group", task)
    return [value if isinstance(value, str) else as_json(value) for value in values]


def _refuse(examples: Examples, faulty: Any, problem: str, task: str) -> None:
    rows = np.flatnonzero(faulty)
    if len(rows):
        count = f"in {len(rows)} {'row' if len(rows) == 1 else 'rows'}, here first"
        mend = "give one to every row, or name another column"
        with within(task):
            raise InputError(f"{problem} {count}", where=examples.where(int(rows[0])), mend=mend)


def _numbered(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Integers for the names in the columns of tasks, equal for equal names."""
    if not columns:
        return {}
    texts = {task: as_text_array(column, task) for task, column in columns.items()}
    joined = pa.chunked_array([chunk for each in texts.values() for chunk in each.chunks], pa.string())
    return _parted(label_ids(joined, label_names(joined)), texts)


def _parted(values: np.ndarray, tasks: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The values of each task, of those of all one after the other."""
    ends = np.cumsum([len(rows) for rows in tasks.values()])
    return dict(zip(tasks, np.split(values, ends[:-1]), strict=True))
