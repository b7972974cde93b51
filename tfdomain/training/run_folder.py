"""A run's own folder: its places, and whose it is."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tfdomain.errors import InputError
from tfdomain.files import read_json, remove_leftovers

__all__ = ["RunFolder", "claim", "differences"]

PLACES = {
    "config": "config.yaml",
    "environment": "environment.json",
    "progress": "progress.json",
    "metrics": "metrics.json",
    "report": "report.txt",
    "model": "model",
    "best": "best",
    "state": "state.safetensors",
    "tensorboard": "tensorboard",
    "corpus": "corpus",
    "tokens": "tokens",
    "start": "start",
}


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The places in a run's folder; a pretraining's has `corpus`, `tokens` and `start` beside the others."""

    path: Path

    def __getattr__(self, name: str) -> Path:
        if name not in PLACES:
            raise AttributeError(name)
        return self.path / PLACES[name]

    def finished_metrics(self) -> dict[str, Any] | None:
        """The metrics of a run that is complete, told of; None of another."""
        if not self.metrics.is_file():
            return None
        print(f"{self.path} is complete; nothing to resume", flush=True)
        return read_json(self.metrics)

    def remove(self) -> None:
        """Removes what a run writes, and the folder if nothing else stands in it."""
        for place in (self.path / name for name in PLACES.values()):
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()


def claim(run: RunFolder, config: BaseModel, *, resume: bool, load: Callable[[Path], BaseModel]) -> None:
    """Refuses a folder that is another run's, or this one's when nobody asked to go on with it.

    Args:
        run: The folder; it need not exist.
        config: What the run is to do.
        resume: Whether to go on with the run that is there.
        load: Reads the resolved file of a run.

    Raises:
        InputError: The folder is taken, holds nothing to resume, or began with another config.
    """
    if run.path.exists() and not run.path.is_dir():
        raise InputError("is a file", where=str(run.path), mend="name a folder with --run-dir")
    if run.path.is_dir() and (resume or not run.config.is_file()):
        # A process that was killed while it wrote leaves halves behind, each as large as its whole.
        remove_leftovers(getattr(run, name) for name in PLACES)
    if not run.path.is_dir() or not any(run.path.iterdir()):
        return
    if not resume:
        raise InputError(
            "holds a run already", where=str(run.path), mend="go on with --resume, or choose another --run-dir"
        )
    if not run.config.is_file():
        raise InputError("holds no run to resume", where=str(run.path), mend="choose another --run-dir")
    differing = differences(load(run.config).model_dump(), config.model_dump())
    if differing:
        key, old, new = differing[0]
        raise InputError(
            f"the run began with {key}={old!r}, and now it is {new!r}",
            where=str(run.config),
            mend="resume with what it began with, or choose another --run-dir",
        )


def differences(old: dict, new: dict, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """The keys, joined by dots, whose values differ in two nested dictionaries, with both values."""
    found = []
    for key in old | new:
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            found += differences(before, now, f"{prefix}{key}.")
        elif before != now:
            found.append((prefix + key, before, now))
    return found
