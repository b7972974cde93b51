"""The one who hands out trials, hears how they went, and keeps all of it in files that are whole at any moment.

`trials.jsonl` is what people read; `search.json` holds the same and the oracle's mind, so that a killed search goes on.
"""

import dataclasses
import json
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol

from tfdomain.config import Experiment
from tfdomain.config.search import Search
from tfdomain.errors import TfdomainError
from tfdomain.files import read_json, whole_file, write_json_lines
from tfdomain.metrics.selection import metric_value
from tfdomain.search.oracles import Oracle, make_oracle, oracle_state, plain_values, restore_oracle, set_back

__all__ = ["FILES", "Chief", "Line", "Outcome", "Task", "TrialSource"]

ALIKE = 3
FILES = TRIALS, STATE = "trials.jsonl", "search.json"
"""What it writes."""
Line = dict[str, Any]
"""What `trials.jsonl` tells of a trial."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A trial that a worker is to run.

    Attributes:
        trial: Its name, and that of its folder.
        attempt: How often it was begun, this time included.
        values: The keys of the experiment that it sets.
        continues: The trial from whose state it goes on; None: it begins anew.
    """

    trial: str
    attempt: int
    values: dict[str, Any]
    continues: str | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        seconds: How long this attempt took.
        metrics: What its `metrics.json` holds; None where it failed.
        problem: What went wrong, in one line; None where nothing did.
        error: Its last lines of output, if it failed.
    """

    seconds: float
    metrics: dict[str, Any] | None = None
    problem: str | None = None
    error: str | None = None


class TrialSource(Protocol):
    """Where workers get their trials: a chief in this process, or one far away."""

    def take(self, worker: str) -> Task | Literal["wait", "done"]:
        """The next trial for a worker."""

    def beat(self, task: Task, progress: dict[str, Any]) -> bool:
        """Tells that a trial is under way; False: it is another's by now, and to be left."""

    def end(self, task: Task, outcome: Outcome) -> None:
        """Tells how a trial ended."""


@dataclasses.dataclass
class _Held:
    """A trial under way."""

    task: Task
    trial: Any
    worker: str
    began: float
    heard: float
    progress: dict[str, Any]


class Chief:
    """Hands out the trials of a search; any thread may ask.

    Args:
        experiment: With its `search` section.
        folder: The search's folder; what stands in it is gone on with.
        silence_seconds: After how many seconds of silence a worker's trial is given to another.

    Attributes:
        failure: Why the search has to stop; None: it has not.
    """

    def __init__(self, experiment: Experiment, search: Search, folder: Path, *, silence_seconds: float = 60.0):
        self.search, self.folder, self.silence_seconds = search, folder, silence_seconds
        self.failure: TfdomainError | None = None
        self._epochs = experiment.training.epochs
        self._oracle: Oracle = make_oracle(experiment, search)
        self._lines: dict[str, Line] = {}
        self._held: dict[str, _Held] = {}
        self._workers: dict[str, float] = {}
        self._finished = False
        self._alike: list[str] = []
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="search-files")
        self._written: Future = self._writer.submit(int)
        self._spent_before, self._began = 0.0, time.monotonic()
        state = folder / STATE
        if state.is_file():
            kept = read_json(state)
            self._lines = {line["trial"]: line for line in kept["lines"]}
            self._spent_before, self._finished = kept["seconds"], kept["finished"]
            restore_oracle(self._oracle, kept)
            self._save()

    @property
    def lines(self) -> list[Line]:
        """A line a trial, in the order in which they began."""
        with self._lock:
            return [dict(line) for line in self._lines.values()]

    def flush(self) -> None:
        """Waits until the files hold all that is known.

        Raises:
            TfdomainError: They cannot be written.
        """
        with self._lock:
            self._written.result()

    def under_way(self) -> dict[str, tuple[float, dict[str, Any]]]:
        """The seconds and the progress of each trial that somebody runs."""
        with self._lock:
            now = time.monotonic()
            return {name: (now - held.began, dict(held.progress)) for name, held in self._held.items()}

    def is_over(self) -> bool:
        """Whether nothing is left to do, and all workers that were heard of lately know it."""
        with self._lock:
            self._free_silent()
            return self._finished and not self._held and not self._workers

    def take(self, worker: str) -> Task | Literal["wait", "done"]:
        """The next trial for a worker; `wait` where it may ask again soon, `done` where there will be none."""
        with self._lock:
            self._free_silent()
            for held in [one for one in self._held.values() if one.worker == worker]:
                # It began again, and knows nothing of what it did before.
                self._free(held)
            answer = self._next(worker)
            self._workers[worker] = time.monotonic()
            if answer == "done":
                del self._workers[worker]
                self._finish()
            return answer

    def beat(self, task: Task, progress: dict[str, Any]) -> bool:
        """Takes note of how far a trial is; False where it is no longer the worker's, or the search stops."""
        with self._lock:
            held = self._held.get(task.trial)
            if held is None or held.task.attempt != task.attempt or self.failure is not None:
                return False
            held.heard = self._workers[held.worker] = time.monotonic()
            held.progress = progress
            return True

    def end(self, task: Task, outcome: Outcome) -> None:
        """Takes note of how a trial ended; three that fail alike, one after the other, end the search."""
        with self._lock:
            held = self._held.get(task.trial)
            if held is None or held.task.attempt != task.attempt:
                return
            outcome = self._judged(outcome)
            trial = held.trial
            if outcome.metrics is not None:
                value = metric_value(outcome.metrics, self.search.objective)
                self._oracle.update_trial(trial.trial_id, {self.search.objective: value})
            trial.status = "COMPLETED" if outcome.metrics is not None else "FAILED"
            self._oracle.end_trial(trial)
            del self._held[task.trial]
            self._lines[task.trial] |= {
                "state": "completed" if outcome.metrics is not None else "failed",
                "metrics": outcome.metrics,
                "seconds": round(outcome.seconds, 1),
                "error": outcome.error,
            }
            self._count_failures(outcome)
            self._save()

    def _next(self, worker: str) -> Task | Literal["wait", "done"]:
        waiting = any(name not in self._held for name, line in self._lines.items() if line["state"] == "running")
        is_late = self.search.hours is not None and self._spent() >= self.search.hours * 3600
        idle: Literal["wait", "done"] = "wait" if self._held else "done"
        # What was begun is brought to its end, however late it is.
        if self.failure is not None or (is_late and not waiting):
            return idle
        trial = self._oracle.create_trial(worker)
        if trial.status != "RUNNING":
            return idle if trial.status == "STOPPED" else "wait"
        name = _name(trial.trial_id)
        values, continues = plain_values(trial, self.search, self._epochs)
        line = self._lines.setdefault(name, {"trial": name, "values": values, "state": "running", "attempts": 0})
        line |= {"state": "running", "attempts": line["attempts"] + 1, "metrics": None, "seconds": None, "error": None}
        task = Task(name, line["attempts"], values, None if continues is None else _name(continues))
        if task.continues is not None:
            line["continues"] = task.continues
        now = time.monotonic()
        self._held[name] = _Held(task, trial, worker, now, now, {})
        self._save()
        return task

    def _judged(self, outcome: Outcome) -> Outcome:
        if outcome.metrics is None:
            return outcome
        try:
            metric_value(outcome.metrics, self.search.objective)
        except TfdomainError as error:
            return dataclasses.replace(outcome, metrics=None, problem=str(error), error=str(error))
        return outcome

    def _count_failures(self, outcome: Outcome) -> None:
        if outcome.problem is None:
            self._alike = []
            return
        kind = re.sub(r"\d+", "#", outcome.problem)
        self._alike = [*self._alike, kind] if self._alike and self._alike[-1] == kind else [kind]
        if len(self._alike) == ALIKE:
            mend = "mend that; the same command then goes on with other settings"
            self.failure = TfdomainError(f"{ALIKE} trials in a row failed alike: {outcome.problem}", mend=mend)

    def _free_silent(self) -> None:
        now = time.monotonic()
        for held in [one for one in self._held.values() if now - one.heard > self.silence_seconds]:
            self._free(held)
        # Nobody waits for them to be told of the end.
        self._workers = {
            worker: heard for worker, heard in self._workers.items() if now - heard <= self.silence_seconds
        }

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._save()

    def _free(self, held: _Held) -> None:
        set_back(self._oracle, held.trial)
        del self._held[held.task.trial]
        self._save()

    def _spent(self) -> float:
        return self._spent_before + time.monotonic() - self._began

    def _save(self) -> None:
        lines = list(self._lines.values())
        kept: Mapping[str, Any] = {
            "seconds": self._spent(),
            "finished": self._finished and self.failure is None,
            "lines": lines,
            **oracle_state(self._oracle),
        }
        if self._written.done():
            # A disk that is full is told of here.
            self._written.result()
        # Nobody waits for the disk: a process killed in between has not done anything yet that would be lost.
        self._written = self._writer.submit(self._write, json.dumps(kept), [dict(line) for line in lines])

    def _write(self, kept: str, lines: list[Line]) -> None:
        with whole_file(self.folder / STATE) as file:
            file.write(kept)
        write_json_lines(self.folder / TRIALS, lines)


def _name(trial_id: str) -> str:
    # KerasTuner counts from 0, with as many digits as the number of trials has.
    return f"{int(trial_id) + 1:03}"
