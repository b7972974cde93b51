"""What a search is to do, checked before anything is trained."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tfdomain.config import Experiment, MultiTaskExperiment, load_experiment
from tfdomain.config.loading import experiment_from, read_values
from tfdomain.config.search import Search
from tfdomain.data.paths import find_files
from tfdomain.encoders.sources import checkpoint_beside
from tfdomain.errors import InputError
from tfdomain.files import read_json, whole_file
from tfdomain.metrics.selection import metric_direction, metric_numbers, metric_value
from tfdomain.search.worker import assignment
from tfdomain.training.child_process import run_command

__all__ = ["check_objective", "load_search", "shared_changes", "write_best"]


def load_search(file: str | os.PathLike, changes: Sequence[str]) -> tuple[Experiment, Search]:
    """Reads an experiment file with a search section, and checks each key of its space with each extreme value.

    Raises:
        InputError: A key or value is wrong, or there is no such section.
    """
    experiment = load_experiment(file, list(changes))
    if experiment.search is None:
        mend = "add one with objective, space and trials"
        raise InputError("has no search section", where=str(file), mend=mend)
    for key, value in experiment.search.assignments():
        try:
            load_experiment(file, [*changes, assignment(key, value)])
        except InputError as error:
            problem = f"search.space.{key} cannot be {value!r}: {error.problem}"
            raise InputError(problem, where=error.where, mend=error.mend) from None
    return experiment, experiment.search


def shared_changes(experiment: Experiment, assignments: Sequence[str]) -> list[str]:
    """What makes an experiment that of a trial, but for its setting: tests stay fresh for the best one."""
    names = experiment.tasks if isinstance(experiment, MultiTaskExperiment) else ()
    tests = [f"tasks.{name}.data.test=null" for name in names] or ["data.test=null"]
    return [*assignments, "search=null", *tests]


def check_objective(file: Path, changes: Sequence[str], search: Search) -> None:
    """Measures predictions that know nothing, in a process of its own, and looks for the objective in what comes out.

    Raises:
        InputError: There is no such metric, these rows leave it undefined, or the experiment is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "metrics.json"
        arguments = ["objectives", str(file), "--to", str(target)]
        for change in changes:
            arguments += ["--set", change]
        run_command(arguments, Path(folder) / "log")
        metrics = read_json(target)
    names = [
        f"validation.{name}" for name, value in metric_numbers(metrics) if value is not None and _is_comparable(name)
    ]
    try:
        metric_direction(search.metric)
        metric_value(metrics, search.metric)
    except InputError as error:
        problem = f"search.objective is {search.objective!r}: {error.problem}"
        raise InputError(problem, where=str(file), mend=f"choose one of {', '.join(names)}") from None


def write_best(path: Path, file: Path, changes: Sequence[str], values: Mapping[str, Any]) -> None:
    """Writes an experiment file of the best setting; its files and its checkpoint are found from anywhere.

    Args:
        path: What to write.
        file: The file that was searched.
        changes: Assignments that were in force.
        values: The setting.
    """
    best = read_values(file, [*changes, *(assignment(key, value) for key, value in values.items())])
    best.pop("search", None)
    for one in [best, *(best.get("tasks") or {}).values()]:
        data = one.get("data") or {}
        for name in ("train", "validation", "test"):
            if isinstance(data.get(name), str | list):
                found = [str(path.absolute()) for path in find_files(data[name], relative_to=file.parent)]
                data[name] = found[0] if len(found) == 1 else found
    encoder = checkpoint_beside(best["encoder"], file.parent)
    best["encoder"] = str(Path(encoder).absolute()) if Path(encoder).is_dir() else encoder
    experiment_from(best, where=str(path))
    with whole_file(path) as target:
        yaml.safe_dump(best, target, sort_keys=False, allow_unicode=True)


def _is_comparable(name: str) -> bool:
    try:
        metric_direction(name)
    except InputError:
        return False
    return True
