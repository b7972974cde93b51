"""Runs are compared: whether their models differ on the test rows of their experiments."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfdomain.config import DataFiles, Experiment, MultiTaskExperiment, load_experiment
from tfdomain.data.paths import find_files
from tfdomain.errors import InputError
from tfdomain.evaluation.comparison import Comparison, compare_statistics
from tfdomain.evaluation.prediction import Answered, answer_labelled
from tfdomain.evaluation.resampling import statistic_of
from tfdomain.files import hash_file, read_json
from tfdomain.metrics.selection import metric_direction, metric_of_task
from tfdomain.models.folder import load
from tfdomain.models.multitask import choose_task
from tfdomain.training.run_folder import RunFolder

__all__ = ["compare"]

# What a model reads of a row, in tasks whose labels stand in columns of their own: models may differ in it.
INPUT_KEYS = {"text", "features", "refuse_columns", "empty_text"}
LABEL_COLUMN_TASKS = {"classification", "multilabel", "regression"}


@dataclass(frozen=True)
class _Tested:
    """A complete run, and the rows that it was tested on.

    Attributes:
        name: The folder as it was given.
        run: Its places.
        task: What its model does.
        of_several: Whether this is one of several tasks.
        data: Where its rows are from.
        files: The files of its test rows.
        hashes: The SHA-256 of each.
    """

    name: str
    run: RunFolder
    task: str
    of_several: bool
    data: DataFiles
    files: list[Path]
    hashes: list[str]

    @property
    def labelling(self) -> dict[str, Any]:
        """What decides which rows and labels its files hold."""
        columns = self.data.columns()
        if self.task == "embedding":
            # Negatives are trained on alone: what is searched for is the pairs.
            columns |= {"text": columns["text"][:2]}
        left_out = INPUT_KEYS if self.task in LABEL_COLUMN_TASKS else {"empty_text"}
        return {key: value for key, value in columns.items() if key not in left_out}


def compare(
    runs: Sequence[str | os.PathLike],
    *,
    metric: str | None = None,
    task: str | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Tests whether the models of runs differ on the test rows that they have in common.

    Each model answers the test rows of its run's experiment. Each pair of runs is compared by a paired bootstrap over
    these rows, or by McNemar's exact test where the metric is a share of right answers; the p-values are corrected for
    the number of pairs. It tells of these models on such rows, not of what other seeds of the same experiments give.

    Args:
        runs: Folders of complete runs of `tfdomain train`, two or more.
        metric: A name such as `macro_f1` or `per_class.default.f1`, or, with the task, `intent.macro_f1`; None: the
            first that the task is shown by.
        task: Which one, of runs with several tasks; a run of that task alone can stand beside them.
        resamples: How often the rows are drawn; at least 100.
        seed: Of the drawing.

    Raises:
        InputError: A folder is no complete run, runs have other tasks or test rows than the first, these are no longer
            what the run was tested on, or there is no such metric.

    Example:
        >>> import tfdomain
        >>> found = tfdomain.compare(["runs/cls", "runs/mean"], metric="macro_f1")  # doctest: +SKIP
        >>> found.differences[0].verdict  # doctest: +SKIP
        'not distinguishable'
    """
    if metric is not None:
        metric_direction(metric)
        named, metric = metric_of_task(metric)
        if named is not None and task not in (None, named):
            raise InputError(f"is {task!r}, and the metric is of {named!r}", where="--task", mend="leave it out")
        task = named or task
    tested = _read_runs(runs, task)
    statistics: dict[str, Any] = {}
    first: Answered | None = None
    for one in tested:
        model = choose_task(load(one.run.model), task if one.of_several else None)
        answered = answer_labelled(model, one.files, on_bad_row=one.data.on_bad_row)
        first = first or answered
        if not _same_rows(first, answered):
            problem = f"its test files have other rows for it than for {tested[0].name}"
            mend = "train both with the same data.on_bad_row, and on the same labels"
            raise InputError(problem, where=one.name, mend=mend)
        metric = metric or model.headline[0]
        statistics[one.name] = statistic_of(model, answered.truth, answered.predictions, metric)
    return compare_statistics(statistics, str(metric), resamples=resamples, seed=seed)


def _read_runs(runs: Sequence[str | os.PathLike], task: str | None) -> list[_Tested]:
    """The runs, all tested on the same files."""
    if isinstance(runs, str) or len(runs) < 2:
        raise InputError("one run cannot be compared", where="RUN", mend="name two or more")
    places = [Path(run).resolve() for run in runs]
    if len(set(places)) < len(places):
        raise InputError("a run is named twice", where="RUN", mend="name each once")
    tested = [_read_run(str(run), task) for run in runs]
    if task is not None and not any(one.of_several for one in tested):
        raise InputError("no run has several tasks", where="--task", mend="leave it out")
    first = tested[0]
    for one in tested[1:]:
        if one.task != first.task:
            problem = f"is a run of {one.task}, and {first.name} of {first.task}"
            raise InputError(problem, where=one.name, mend="compare runs of one task")
        if one.hashes != first.hashes:
            mend = f"train it with data.test: {first.data.test!r}"
            raise InputError(f"was tested on other files than {first.name}", where=one.name, mend=mend)
        for key, value in one.labelling.items():
            if value != first.labelling[key]:
                problem = f"data.{key} is {value!r}, and {first.labelling[key]!r} in {first.name}"
                raise InputError(problem, where=one.name, mend="compare runs that read the same labels")
    return tested


def _read_run(name: str, task: str | None) -> _Tested:
    """A complete run, whose test files are still what they were.

    Raises:
        InputError: It is none.
    """
    run = RunFolder(Path(name))
    if not run.config.is_file():
        raise InputError("is no folder of a run", where=name, mend="give the folder that `tfdomain train` made")
    experiment = load_experiment(run.config)
    if not run.metrics.is_file():
        raise InputError("is a run that did not end", where=name, mend="go on with it by `tfdomain train --resume`")
    alone = _one_task(experiment, task, name)
    if alone.data.test is None:
        raise InputError("was not tested on files: data.test is null", where=name, mend="train it with test files")
    environment = read_json(run.environment)
    files = find_files(alone.data.test, relative_to=Path(environment["experiment_folder"]))
    hashes = [hash_file(file) for file in files]
    for file, digest in zip(files, hashes, strict=True):
        if digest not in environment["data_sha256"].values():
            problem = f"{file} is no longer what the run was tested on"
            raise InputError(problem, where=name, mend="restore the file, or train again")
    of_several = isinstance(experiment, MultiTaskExperiment)
    return _Tested(name, run, alone.task, of_several, alone.data, files, hashes)


def _one_task(experiment: Experiment, task: str | None, where: str) -> Experiment:
    """The experiment, or that of one of its tasks."""
    if not isinstance(experiment, MultiTaskExperiment):
        return experiment
    experiments = experiment.experiments()
    if task not in experiments:
        problem = "has several tasks" if task is None else f"has no task {task!r}"
        raise InputError(problem, where=where, mend=f"choose one of {', '.join(experiments)} with --task")
    return experiments[task]


def _same_rows(first: Answered, other: Answered) -> bool:
    left_out = first.num_skipped == other.num_skipped and first.faulty == other.faulty
    return left_out and first.rows.tolist() == other.rows.tolist()
