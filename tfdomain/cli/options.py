"""Options and arguments that several commands take, and what they name."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tfdomain.startup import import_tensorflow

__all__ = [
    "ChangesOption",
    "ExperimentArgument",
    "RunArgument",
    "SkipOption",
    "TaskOption",
    "ThreadsOption",
    "bad_rows",
    "model_and_files",
]

ExperimentArgument = Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")]
ChangesOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a model's.")]
TaskOption = Annotated[str | None, typer.Option(help="Which task, of a model of several.")]
SkipOption = Annotated[bool, typer.Option("--skip-bad-rows", help="Leave rows with faults out.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Processors to keep busy; default: all.")]


def bad_rows(skip: bool) -> Literal["skip", "refuse"]:
    """What becomes of rows with faults."""
    return "skip" if skip else "refuse"


def model_and_files(
    run: Path, patterns: list[str], task: str | None, threads: int | None = None
) -> tuple[Any, list[Path]]:
    """The model of a run, and the files that patterns name; `task` chooses of a model of several."""
    from tfdomain.data.paths import find_files

    # The files first: a wrong path should not cost the time of loading a model.
    files = find_files(patterns, relative_to=Path.cwd()) if patterns else []
    import_tensorflow(threads)
    from tfdomain.models.folder import load_from
    from tfdomain.models.multitask import choose_task

    return choose_task(load_from(run), task), files
