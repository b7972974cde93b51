"""Commands that train what a file describes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tfdomain.cli.options import ChangesOption, ExperimentArgument, ThreadsOption
from tfdomain.startup import import_tensorflow

__all__ = ["pretrain", "train", "validate"]


def train(
    file: ExperimentArgument,
    assignments: ChangesOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    threads: ThreadsOption = None,
):
    """Train, test and save what an experiment file describes."""
    from tfdomain.config import load_experiment

    experiment = load_experiment(file, assignments or [])
    folder = run_dir or Path("runs") / experiment.name
    import_tensorflow(threads)
    from tfdomain.evaluation.report import print_report
    from tfdomain.training.run import train as run
    from tfdomain.training.throughput import speed_text

    metrics = run(experiment, folder, folder=file.parent, resume=resume)
    for name in ("validation", "test", "features"):
        if metrics.get(name) is not None:
            print_report(metrics[name], title=name.capitalize())
    print(f"speed   {speed_text(metrics['training'])}")
    print(f"model   {folder / 'model'}\nmetrics {folder / 'metrics.json'}\nboard   tfdomain board {folder}")


def pretrain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pretraining file (YAML).")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the file.")
    ] = None,
    run_dir: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
):
    """Adapt an encoder to the texts of a field, or begin one."""
    from tfdomain.config.pretraining import load_pretraining

    pretraining = load_pretraining(file, assignments or [])
    folder = run_dir or Path("runs") / pretraining.name
    import_tensorflow()
    from tfdomain.pretraining.report import report_lines
    from tfdomain.pretraining.run import pretrain as run

    print("\n".join(report_lines(run(pretraining, folder, folder=file.parent, resume=resume))))
    print(f"encoder {folder / 'model'}\nmetrics {folder / 'metrics.json'}\nboard   tfdomain board {folder}")


def validate(
    file: ExperimentArgument,
    folds: Annotated[int, typer.Option(help="How many parts the training rows are cut into.")] = 5,
    seeds: Annotated[int, typer.Option(help="How often, each time with another seed.")] = 1,
    group: Annotated[str | None, typer.Option(help="Rows with one value in this column stay in one fold.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Folds in the order of this column, each after its training.")
    ] = None,
    assignments: ChangesOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Its folder; default: runs/NAME-folds.")] = None,
):
    """Cross-validate an experiment on its training rows; the same command goes on after a kill."""
    from tfdomain.config import load_experiment
    from tfdomain.training.cross_validation import cross_validate
    from tfdomain.training.cross_validation_text import cross_validation_text

    changes = assignments or []
    folder = run_dir or Path("runs") / f"{load_experiment(file, changes).name}-folds"
    cut: dict[str, Any] = {"folds": folds, "seeds": seeds, "group": group, "time": time}
    metrics = cross_validate(file, folder, **cut, assignments=changes)
    print(cross_validation_text(metrics), end="")
    print(f"folds   {folder / 'folds.jsonl'}\nmetrics {folder / 'metrics.json'}")
