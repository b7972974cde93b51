"""Searching for the best setting of an experiment, on one machine or several.

Its folder holds `config.yaml`, `trials.jsonl`, `trials/NNN` (each trial's run and its log), `search.json` (what a
killed search goes on from), `tensorboard` (what is searched, for the HPARAMS tab), `best.yaml`, `best/seed-N` and
`metrics.json`.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tfdomain.config import Experiment, load_experiment, save_config
from tfdomain.config.search import Search
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import read_json, remove_leftovers, write_json
from tfdomain.metrics.selection import is_better, metric_numbers
from tfdomain.search.chief import FILES, Chief, Line, TrialSource
from tfdomain.search.display import show_until, trial_value
from tfdomain.search.importance import importances
from tfdomain.search.plan import check_objective, load_search, shared_changes, write_best
from tfdomain.search.remote import RemoteChief, place_from, serving
from tfdomain.search.worker import Worker
from tfdomain.training.child_process import train_apart
from tfdomain.training.hparams import write_experiment
from tfdomain.training.run_folder import RunFolder, claim

__all__ = ["SearchResult", "tune"]

NUM_SEEDS = 3


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        objective: What settings were compared by.
        trials: A line a trial, as `trials.jsonl` has it, in the order in which they began.
        best: The line of the best one.
        importance: The share of each key alone in how the objective varies; None for fewer than five trials.
        runs: What `metrics.json` of each run of the best setting holds, by seed.
        file: The experiment file of the best setting.
    """

    objective: str
    trials: list[Line]
    best: Line
    importance: dict[str, float] | None
    runs: dict[int, dict[str, Any]]
    file: Path

    def seed_metrics(self) -> dict[str, dict[str, float | None]]:
        """The mean and the standard deviation of each metric over the runs of the best setting."""
        measured = [
            dict(metric_numbers({part: one[part] for part in ("validation", "test") if one[part] is not None}))
            for one in self.runs.values()
        ]
        metrics: dict[str, dict[str, float | None]] = {}
        for name in dict.fromkeys(name for one in measured for name in one):
            values = [value for one in measured if (value := one.get(name)) is not None]
            if values:
                metrics[name] = {"mean": mean(values), "deviation": stdev(values) if len(values) > 1 else None}
        return metrics


def tune(
    file: str | os.PathLike, run_dir: str | os.PathLike, *, workers: int | None = None, assignments: Sequence[str] = ()
) -> SearchResult | None:
    """Tries the settings that an experiment file's `search` section asks for, and trains the best with three seeds.

    Each trial is a run in a process of its own. Called again after whatever killed it, the search keeps the trials
    that are complete and goes on with those that were not. With KerasTuner's three variables in the environment it is
    part of a search over several machines: `KERASTUNER_TUNER_ID` (the chief's has `chief` in it, all others are
    workers), `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT`, the chief's address.

    Args:
        file: An experiment file.
        run_dir: The folder of its own: new or empty, or that of the same search. Workers on other machines need the
            same one on a shared disk if trials go on from others (`hyperband`), and any otherwise.
        workers: How many trials run side by side in this process' charge; None: one, and none beside a chief's work.
        assignments: Changes of the experiment such as `training.epochs=1`.

    Returns:
        What was found; None to a worker, whose chief knows.

    Raises:
        InputError: The experiment, its data or its search is wrong, or `run_dir` is taken.
        TfdomainError: Three trials in a row failed alike, or all did; or the chief's port cannot be had.
    """
    file = Path(file)
    place = place_from(os.environ)
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers run nothing", where="--workers", mend="choose 1 or more")
    experiment, search = load_search(file, assignments)
    run = RunFolder(Path(run_dir))
    changes = shared_changes(experiment, assignments)
    if place is not None and not place.is_chief:
        print(f"{place.name} works for the chief at {place.address}", flush=True)
        chief_there = RemoteChief(place.address)
        with _working(chief_there, place.name, workers or 1, file, changes, run.path, search) as are_done:
            while not are_done(1.0):
                pass
        return None
    remove_leftovers(run.path / name for name in (*FILES, "best.yaml"))
    claim(run, experiment, resume=True, load=load_experiment)
    if not run.config.is_file():
        check_objective(file, changes, search)
        save_config(experiment, run.config)
    write_experiment(run.tensorboard, {key: one.domain for key, one in search.space.items()}, [search.objective])
    chief = Chief(experiment, search, run.path)
    count = (0 if place else 1) if workers is None else workers
    try:
        with (
            serving(chief, place.address) if place else nullcontext(),
            _working(chief, place.name if place else "worker", count, file, changes, run.path, search) as are_done,
        ):
            show_until(lambda seconds: are_done(seconds) and (place is None or chief.is_over()), chief)
    finally:
        chief.flush()
    if chief.failure is not None:
        raise chief.failure
    return _finish(chief, experiment, file, assignments, run)


@contextmanager
def _working(
    source: TrialSource, name: str, count: int, file: Path, changes: Sequence[str], folder: Path, search: Search
) -> Iterator[Callable[[float], bool]]:
    """Workers, each in a thread; gives what waits for them, so many seconds at most, and says whether all are done."""
    stopping = threading.Event()
    worker = Worker(source, file=file, changes=changes, folder=folder, search=search, stopping=stopping)
    with ThreadPoolExecutor(max(count, 1)) as pool:
        futures = [pool.submit(worker.work, f"{name}-{number}") for number in range(1, count + 1)]

        def are_done(seconds: float) -> bool:
            if not futures:
                time.sleep(seconds)
            ended, others = wait(futures, timeout=seconds, return_when=FIRST_EXCEPTION)
            for future in ended:
                future.result()
            return not others

        try:
            yield are_done
        finally:
            stopping.set()


def _finish(
    chief: Chief, experiment: Experiment, file: Path, assignments: Sequence[str], run: RunFolder
) -> SearchResult:
    """Trains the best setting with three seeds, and writes down what was found."""
    search, lines = chief.search, chief.lines
    best = _best(lines, search)
    for line in lines:
        # What a trial could have gone on from is three times the size of its model.
        RunFolder(run.path / "trials" / line["trial"]).state.unlink(missing_ok=True)
    values = {key: value for key, value in best["values"].items() if key in search.space}
    best_file = run.path / "best.yaml"
    write_best(best_file, file, assignments, values)
    first = load_experiment(best_file).training.seed
    runs = {}
    for seed in range(first, first + NUM_SEEDS):
        one = RunFolder(run.path / "best" / f"seed-{seed}")
        if not one.metrics.is_file():
            print(f"the best setting, of trial {best['trial']}, is trained with seed {seed}", flush=True)
            train_apart(best_file, [f"training.seed={seed}"], one)
        runs[seed] = read_json(one.metrics)
    result = SearchResult(
        objective=search.objective,
        trials=lines,
        best=best,
        importance=importances(search, lines, experiment.training.epochs),
        runs=runs,
        file=best_file,
    )
    write_json(
        run.metrics,
        {
            "objective": result.objective,
            "best": {"trial": best["trial"], "values": values, "value": trial_value(best, search.objective)},
            "importance": result.importance,
            "seeds": list(runs),
            "metrics": result.seed_metrics(),
        },
    )
    return result


def _best(lines: Sequence[Line], search: Search) -> Line:
    best, value = None, None
    for line in lines:
        new = trial_value(line, search.objective)
        if new is not None and is_better(search.metric, new, value):
            best, value = line, new
    if best is None:
        last = lines[-1]["error"].splitlines()[-1] if lines else "none was begun"
        raise TfdomainError(f"no trial was completed; the last: {last}", mend="mend that, and choose another --run-dir")
    return best
