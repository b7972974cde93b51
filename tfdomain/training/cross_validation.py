"""Cross-validation: every training row is tested on once, by a model that did not learn from it.

Its folder holds `config.yaml`, a run's folder and its output for each fold and seed (`fold-1-seed-0/`,
`fold-1-seed-0.log`), `folds.jsonl`, a line each, and `metrics.json` over all.
"""

import os
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tfdomain.config import Experiment, Fold, MultiTaskExperiment, load_experiment, save_config
from tfdomain.config.validation import CrossValidation, load_cross_validation
from tfdomain.errors import InputError
from tfdomain.files import read_json, read_json_lines, write_json, write_json_lines
from tfdomain.metrics.selection import metric_numbers
from tfdomain.metrics.significance import resampled_interval
from tfdomain.training.child_process import train_apart
from tfdomain.training.run_folder import RunFolder, claim

__all__ = ["cross_validate"]


def cross_validate(
    file: str | os.PathLike,
    run_dir: str | os.PathLike,
    *,
    folds: int = 5,
    seeds: int = 1,
    group: str | None = None,
    time: str | None = None,
    assignments: Sequence[str] = (),
) -> dict[str, Any]:
    """Cross-validates an experiment on its training rows; its test rows are not looked at.

    The rows are cut into folds: of each class as many in each fold, or whole groups, or in the order of time. Each
    fold is tested on by a run that is trained on the others (in time: on those before it), in a process of its own.
    Of several tasks each is cut into as many folds, and a run tests all of them, each on its part. Called again after
    whatever killed it, it keeps the folds that are complete and goes on with the one that was not.

    Args:
        file: An experiment file.
        run_dir: The folder of its own: new or empty, or that of the same cross-validation.
        folds: How many, 2 at least.
        seeds: How often all of it is done, each time with another seed, and cut otherwise; from `training.seed` on.
        group: The column whose rows of one value stay in one fold; each task has it.
        time: The column of dates or numbers that the folds are in the order of; each task has it.
        assignments: Changes of the experiment such as `training.epochs=1`.

    Returns:
        What `metrics.json` holds: `folds`, `seeds`, `num_runs` and `metrics`, for each metric of the tests, by its
        dotted name (of several tasks `TASK.METRIC`), `mean`, `deviation`, `interval` (95 %, as `resampled_interval`
        has it; None for less than two values) and `num_runs`, how many define it.

    Raises:
        InputError: The experiment or its data is wrong, they do not make such folds, or `run_dir` is taken.
        TfdomainError: A run failed, which the same call goes on with.
    """
    plan = _plan(Path(file), folds=folds, seeds=seeds, group=group, time=time, assignments=assignments)
    run = RunFolder(Path(run_dir))
    claim(run, plan, resume=True, load=load_cross_validation)
    if not run.config.is_file():
        save_config(plan, run.config)
    lines: list[dict[str, Any]] = []
    before = {(line["fold"], line["seed"]): line for line in read_json_lines(run.path / "folds.jsonl")}
    fingerprints = {}
    for seed in plan.seeds:
        for number in range(1, folds + 1):
            one = RunFolder(run.path / f"fold-{number}-seed-{seed}")
            seconds = before.get((number, seed), {}).get("seconds")
            if not one.metrics.is_file():
                begin = clock.monotonic()
                fold = Fold(number=number, of=folds, group=group, time=time, seed=seed)
                train_apart(Path(file), [*assignments, *_changes(plan.experiment, fold, seed)], one)
                seconds = round(clock.monotonic() - begin, 1)
            lines.append({"fold": number, "seed": seed, "seconds": seconds, "metrics": read_json(one.metrics)["test"]})
            if lines[-1] != before.get((number, seed)):
                write_json_lines(run.path / "folds.jsonl", lines)
            print(_progress(lines[-1], plan), flush=True)
            fingerprints[one.path.name] = read_json(one.environment)["data_fingerprint"]
    _check_same_data(fingerprints)
    metrics = _summary(plan, lines)
    write_json(run.metrics, metrics)
    return metrics


def _plan(
    file: Path, *, folds: int, seeds: int, group: str | None, time: str | None, assignments: Sequence[str]
) -> CrossValidation:
    if folds < 2:
        raise InputError(f"{folds} fold leaves nothing to train on", where="--folds", mend="choose 2 or more")
    if seeds < 1:
        raise InputError(f"{seeds} seeds are no run", where="--seeds", mend="choose 1 or more")
    if group is not None and time is not None:
        raise InputError("folds are cut by group or by time", where="--group", mend="name one column")
    given = load_experiment(file, list(assignments))
    experiment = load_experiment(file, [*assignments, *_for_data(given, "test=null")])
    first = experiment.training.seed
    return CrossValidation(
        experiment=experiment, folds=folds, seeds=list(range(first, first + seeds)), group=group, time=time
    )


def _changes(experiment: Experiment, fold: Fold, seed: int) -> list[str]:
    """What makes an experiment that of one fold."""
    return [*_for_data(experiment, "test=null", f"fold={fold.model_dump_json()}"), f"training.seed={seed}"]


def _for_data(experiment: Experiment, *assignments: str) -> list[str]:
    """Assignments to keys of its `data` section; of several tasks to those of each."""
    if isinstance(experiment, MultiTaskExperiment):
        sections = [f"tasks.{name}.data" for name in experiment.tasks]
    else:
        sections = ["data"]
    return [f"{section}.{assignment}" for section in sections for assignment in assignments]


def _progress(line: Mapping[str, Any], plan: CrossValidation) -> str:
    by_task = {f"{name}.": line["metrics"][name] for name in getattr(plan.experiment, "tasks", ())}
    measured = [
        next(metric_numbers(own, task), (task, None)) for task, own in (by_task or {"": line["metrics"]}).items()
    ]
    shown = ", ".join(f"{name} {'-' if value is None else f'{value:.4f}'}" for name, value in measured)
    number = f"fold {line['fold']}/{plan.folds}" + (f", seed {line['seed']}" if len(plan.seeds) > 1 else "")
    seconds = "" if line["seconds"] is None else f" ({line['seconds']:.0f} s)"
    return f"{number}: {shown}{seconds}"


def _check_same_data(fingerprints: Mapping[str, str]) -> None:
    first, *rest = fingerprints
    for name in rest:
        if fingerprints[name] != fingerprints[first]:
            problem = f"was trained on other rows than {first}"
            raise InputError(problem, where=name, mend="restore the files, or choose another --run-dir")


def _summary(plan: CrossValidation, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tested = [dict(metric_numbers(line["metrics"])) for line in lines]
    names = dict.fromkeys(name for one in tested for name, value in one.items() if value is not None)
    # In time a fold is tested on by what stands before it: as many parts as its number.
    shares = [1 / number for number in range(1, plan.folds + 1)] if plan.time else [1 / (plan.folds - 1)]
    metrics = {}
    for name in names:
        values = [value for one in tested if (value := one.get(name)) is not None]
        several = len(values) > 1
        metrics[name] = {
            "mean": mean(values),
            "deviation": stdev(values) if several else None,
            "interval": list(resampled_interval(values, mean(shares))) if several else None,
            "num_runs": len(values),
        }
    return {"folds": plan.folds, "seeds": plan.seeds, "num_runs": len(lines), "metrics": metrics}
