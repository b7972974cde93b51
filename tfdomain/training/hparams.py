"""What TensorBoard's HPARAMS tab shows: runs side by side, with what they were set to and what came of it."""

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, summary, summary_v2

from tfdomain.config import Experiment
from tfdomain.training.events import EventWriter, values_of

__all__ = ["SESSION", "flat_metrics", "flat_values", "session", "write_experiment", "write_session"]

SESSION = "session"
"""The folder of a run's session in that of its logs, where TensorBoard finds no scalars but the final metrics."""

FINAL = "final/"
"""What the tags of its metrics begin with: the SCALARS tab has them together, apart from the curves."""

Domain = tuple[float, float] | Sequence[Any]
Status = Literal["running", "success", "failure"]
STATUSES = {"success": api_pb2.STATUS_SUCCESS, "failure": api_pb2.STATUS_FAILURE}
# What tells runs of one setting apart, here or below `tasks.NAME`: they are one row of the table, whose metrics are
# their mean.
REPETITIONS = re.compile(r"training\.seed$|(tasks\.\w+\.)?data\.fold\.")


def write_experiment(folder: Path, domains: Mapping[str, Domain], metrics: Sequence[str]) -> None:
    """Writes what a search tries and by what it judges; TensorBoard takes it for all sessions below its log folder.

    An earlier experiment in the folder is replaced. Without one TensorBoard takes every value of every session.

    Args:
        folder: For this alone; created where it is missing.
        domains: By its key what a value may be: a tuple of the least and the greatest number, or a list of choices,
            of which None stands for a key that is left out.
        metrics: The names of metrics, as `write_session` has them.
    """
    keys = [summary_v2.HParam(name, _domain(domain)) for name, domain in domains.items()]
    shown = [summary_v2.Metric(FINAL + name, display_name=name) for name in metrics]
    _replace(folder, values_of(summary_v2.hparams_config_pb(keys, shown)))


def write_session(
    folder: Path,
    values: Mapping[str, Any],
    metrics: Mapping[str, float],
    status: Status,
    group: str,
    *,
    started: float | None = None,
) -> None:
    """Writes one run: what it was set to, how it ended, and with which metrics. An earlier session there is replaced.

    Args:
        folder: For this alone; created where it is missing.
        values: Booleans, numbers and strings by key, as `flat_values` gives them.
        metrics: Numbers by name; each is a scalar, too, `final/<name>`.
        status: How it ended, if it has.
        group: Sessions of one group are a row of the table, with the mean of their metrics.
        started: When it began, in seconds since 1970; None: now.
    """
    records = values_of(summary_v2.hparams_pb(dict(values), trial_id=group, start_time_secs=started))
    records += [Summary.Value(tag=FINAL + name, simple_value=float(value)) for name, value in metrics.items()]
    if status in STATUSES:
        records += values_of(summary.session_end_pb(STATUSES[status]))
    _replace(folder, records)


@contextlib.contextmanager
def session(logs: Path, experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One run as a session: running while the block is, and a failure where it ends by an error.

    Args:
        logs: The folder of the run's logs.
        experiment: What the run does.

    Yields:
        An empty dictionary, for what `metrics.json` holds.
    """
    # What is shown of a run changes nothing of it.
    values, started = flat_values(experiment.model_dump(mode="json", exclude={"board"})), time.time()
    metrics: dict[str, Any] = {}

    def write(status: Status) -> None:
        own = flat_metrics(metrics, tasks=getattr(experiment, "tasks", ()))
        write_session(logs / SESSION, values, own, status, _group(experiment.name, values), started=started)

    write("running")
    try:
        yield metrics
    except BaseException:
        write("failure")
        raise
    write("success")


def flat_values(config: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """A nested configuration by dotted keys: `training.seed`. What is None or empty is left out, lists are JSON."""
    flat: dict[str, bool | int | float | str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flat_values(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            flat[prefix + name] = _plain(value)
    return flat


def flat_metrics(metrics: Mapping[str, Any], tasks: Sequence[str] | Mapping[str, Any] = ()) -> dict[str, float]:
    """The plain numbers of a run's final metrics: `validation.macro_f1`, of several tasks `test.intent.macro_f1`.

    Args:
        metrics: What `metrics.json` holds.
        tasks: The names of the tasks, where there are several.
    """
    flat: dict[str, float] = {}
    for part in ("validation", "test"):
        measured = metrics.get(part) or {}
        by_task = {f"{part}.{task}": measured[task] for task in tasks if task in measured} or {part: measured}
        for prefix, own in by_task.items():
            flat |= {f"{prefix}.{name}": value for name, value in own.items() if isinstance(value, float)}
    return flat


def _plain(value: Any) -> bool | int | float | str:
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str) else json.dumps(value, ensure_ascii=False)


def _domain(domain: Domain) -> summary_v2.Domain | None:
    if isinstance(domain, tuple):
        low, high = domain
        return summary_v2.RealInterval(float(low), float(high))
    choices = [_plain(value) for value in domain if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in choices):
        return summary_v2.Discrete([float(value) for value in choices], dtype=float)
    # TensorBoard knows no domain of several types: any value goes.
    return summary_v2.Discrete(choices) if len({type(value) for value in choices}) == 1 else None


def _group(name: str, values: Mapping[str, Any]) -> str:
    setting = {key: value for key, value in values.items() if not REPETITIONS.match(key)}
    return f"{name} {hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()[:6]}"


def _replace(folder: Path, records: Sequence[Summary.Value]) -> None:
    # TensorBoard keeps the first description of a tag: a failure would stay one when its run is resumed.
    for earlier in folder.glob("events.out.tfevents.*"):
        earlier.unlink()
    writer = EventWriter(folder)
    writer.write(0, records)
    writer.close()
