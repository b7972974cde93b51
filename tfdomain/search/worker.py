"""One who runs trials, each in a process of its own, one after the other."""

import json
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tfdomain.config import load_experiment, save_config
from tfdomain.config.search import Search
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import read_json, whole_folder
from tfdomain.search.chief import Outcome, Task, TrialSource
from tfdomain.training.child_process import Limits, train_apart
from tfdomain.training.run_folder import RunFolder

__all__ = ["Worker", "assignment"]

WAIT_SECONDS = 0.2


class Worker:
    """Runs the trials that a source gives, until there are no more.

    Args:
        source: Where trials come from.
        file: The experiment file.
        changes: Assignments that all trials share.
        folder: The search's folder, which trials have theirs in.
        search: What a trial may take.
        stopping: Is set when the worker is to leave everything as it is.
    """

    def __init__(
        self,
        source: TrialSource,
        *,
        file: Path,
        changes: Sequence[str],
        folder: Path,
        search: Search,
        stopping: threading.Event,
    ):
        self._source, self._file, self._changes, self._folder = source, file, list(changes), folder
        self._limits = Limits(minutes=search.minutes, memory_gib=search.memory_gib)
        self._stopping = stopping

    def work(self, name: str) -> None:
        """Runs trials under the name of a worker until there are none left."""
        while not self._stopping.is_set():
            answer = self._source.take(name)
            if answer == "done":
                return
            if isinstance(answer, Task):
                self._run(answer)
            else:
                self._stopping.wait(WAIT_SECONDS)

    def _run(self, task: Task) -> None:
        run = RunFolder(self._folder / "trials" / task.trial)
        changes = [*self._changes, *(assignment(key, value) for key, value in task.values.items())]

        def watch() -> None:
            if self._stopping.is_set() or not self._source.beat(task, _progress(run)):
                raise _LeaveItError

        began = time.monotonic()
        try:
            if task.continues is not None and not run.config.is_file():
                before = RunFolder(self._folder / "trials" / task.continues)
                _go_on_from(before, run, self._file, changes)
            if not run.metrics.is_file():
                train_apart(self._file, changes, run, limits=self._limits, watch=watch)
        except _LeaveItError:
            return
        except TfdomainError as error:
            lines = "\n".join(getattr(error, "__notes__", [])) or str(error)
            outcome = Outcome(time.monotonic() - began, problem=str(error), error=lines)
        else:
            outcome = Outcome(time.monotonic() - began, metrics=read_json(run.metrics))
        self._source.end(task, outcome)


class _LeaveItError(Exception):
    """The trial is another's by now, or the search stops."""


def assignment(key: str, value: Any) -> str:
    """`key=value`, the value as YAML in one line."""
    # In braces, since YAML ends a document of a plain value with a line of its own.
    return f"{key}={yaml.safe_dump([value], default_flow_style=True, width=10**9, allow_unicode=True).strip()[1:-1]}"


def _go_on_from(before: RunFolder, run: RunFolder, file: Path, changes: Sequence[str]) -> None:
    """Makes the folder of a run that goes on from another's last state, under a config of its own."""
    if not before.state.is_file():
        mend = "all workers need the same --run-dir, on a disk that they share"
        raise InputError("the state that a trial goes on from is missing", where=str(before.state), mend=mend)
    config = load_experiment(file, list(changes))
    with whole_folder(run.path) as folder:
        new = RunFolder(folder)
        for name in ("best", "tensorboard"):
            if getattr(before, name).is_dir():
                shutil.copytree(getattr(before, name), getattr(new, name))
        for name in ("state", "environment"):
            shutil.copyfile(getattr(before, name), getattr(new, name))
        save_config(config, new.config)


def _progress(run: RunFolder) -> dict[str, Any]:
    try:
        return json.loads(run.progress.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
