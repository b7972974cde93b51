"""The settings of an experiment that matter for its speed, each measured in a process of its own."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfdomain.config import Experiment, MultiTaskExperiment, load_experiment
from tfdomain.files import read_json
from tfdomain.training.child_process import run_command

__all__ = ["Setting", "choose", "compare_settings", "settings_of"]

WORTH = 1.05
"""A setting other than the file's own is chosen only where it is so many times as fast."""

COMPILED_TASKS = ("classification", "multilabel", "regression")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is changed of the file.

    Attributes:
        name: In a word or two.
        changes: Assignments such as `training.recompute=true`.
        threads: That TensorFlow may use; None: one for each processor.
        learns_alike: Whether the updates are those of the file but for rounding.
    """

    name: str
    changes: tuple[str, ...] = ()
    threads: int | None = None
    learns_alike: bool = True


def settings_of(experiment: Experiment, *, processors: int, gpus: int = 0) -> Iterator[Setting]:
    """The file's own setting, and those that change one thing of it."""
    options = experiment.training
    yield Setting("as the file is")
    if processors > 1 and not gpus:
        half = processors // 2
        yield Setting(f"{half} thread{'s' * (half > 1)}", threads=half)
    for precision in ("float32", "mixed_bfloat16", *(["mixed_float16"] if gpus else [])):
        if precision != options.precision:
            yield Setting(precision, (f"training.precision={precision}",))
    if not options.recompute:
        yield Setting("recompute", ("training.recompute=true",))
    if options.jit is not True and can_be_compiled(experiment):
        yield Setting("jit", ("training.jit=true",))
    if options.batch_tokens is not None:
        return
    size = options.batch_size
    if size % 2 == 0 and experiment.task != "embedding" and not isinstance(experiment, MultiTaskExperiment):
        changes = (f"training.batch_size={size // 2}", f"training.accumulate={options.accumulate * 2}")
        yield Setting(f"2 parts of {size // 2}", changes)
    yield Setting(f"batch of {size * 2}", (f"training.batch_size={size * 2}",), learns_alike=False)


def can_be_compiled(experiment: Experiment) -> bool:
    """Whether updates of the task have the fixed shapes that XLA asks for, and batches a number of rows."""
    has_windows = getattr(experiment.model, "windows", None) is not None
    return experiment.task in COMPILED_TASKS and not has_windows and experiment.training.batch_tokens is None


def compare_settings(
    file: Path,
    changes: Sequence[str] = (),
    *,
    steps: int = 20,
    trace: Path | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> list[tuple[Setting, dict[str, Any]]]:
    """Measures each setting of `settings_of`, one after the other.

    Args:
        file: An experiment file.
        changes: Assignments such as `training.batch_size=16`.
        steps: Updates that each is timed over.
        trace: Where a profile of the file's own setting goes; None: nowhere.
        told: Gets a line before each.

    Returns:
        Each setting with what `measure_setting` says of it.

    Raises:
        InputError: The experiment, its data or its checkpoint is wrong.
        TfdomainError: A setting does not run on this machine.
    """
    experiment = load_experiment(file, list(changes))
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found: list[tuple[Setting, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory(prefix="tfdomain-") as folder:
        target = Path(folder) / "figures.json"
        pending = [next(settings_of(experiment, processors=processors))]
        while pending:
            setting = pending.pop(0)
            told(f"{setting.name} ...")
            arguments = ["setting", str(file), "--to", str(target), "--steps", str(steps)]
            arguments += ["--threads", str(setting.threads)] if setting.threads else []
            arguments += ["--trace", str(trace)] if trace is not None and not found else []
            for change in (*changes, *setting.changes):
                arguments += ["--set", change]
            run_command(arguments, Path(folder) / "log")
            found.append((setting, read_json(target)))
            if len(found) == 1:
                _, *pending = settings_of(experiment, processors=processors, gpus=found[0][1]["gpus"])
    return found


def choose(found: Sequence[tuple[Setting, dict[str, Any]]]) -> Setting:
    """The fastest setting that learns alike; the file's own unless another is clearly faster, compiling counted."""
    own, *others = found
    alike = [own, *(each for each in others if each[0].learns_alike and each[1]["seconds"] <= own[1]["seconds"])]
    best = max(alike, key=lambda each: each[1]["examples_per_second"])
    return best[0] if best[1]["examples_per_second"] > WORTH * own[1]["examples_per_second"] else own[0]
