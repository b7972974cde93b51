"""Commands that try settings of an experiment: which is the best, and which the fastest."""

from pathlib import Path
from typing import Annotated

import typer

from tfdomain.cli.options import ChangesOption, ExperimentArgument, ThreadsOption
from tfdomain.startup import import_tensorflow, without_chatter

__all__ = ["objectives", "profile", "setting", "tune"]


def tune(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML) with a search section.")],
    assignments: ChangesOption = None,
    run_dir: Annotated[Path | None, typer.Option(help="Its folder; default: runs/NAME-search.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many trials run side by side; default: 1.")] = None,
):
    """Search for the best setting of an experiment; the same command goes on after a kill."""
    from tfdomain.config import load_experiment

    changes = assignments or []
    folder = run_dir or Path("runs") / f"{load_experiment(file, changes).name}-search"
    # A device is for the trials alone: TensorFlow is imported here, and computes nothing.
    with without_chatter():
        from tfdomain.search.tuning import tune as run
    from tfdomain.search.report import search_text

    result = run(file, folder, workers=workers, assignments=changes)
    if result is not None:
        print(search_text(result), end="")
        print(f"trials  {folder / 'trials.jsonl'}\nbest    {result.file}\nmetrics {folder / 'metrics.json'}")


def objectives(
    file: ExperimentArgument,
    to: Annotated[Path, typer.Option(metavar="FILE.json", help="What to write.")],
    assignments: ChangesOption = None,
):
    """Write the validation metrics that a run of an experiment would have, of predictions that know nothing."""
    from tfdomain.config import load_experiment
    from tfdomain.files import write_json

    experiment = load_experiment(file, assignments or [])
    import_tensorflow()
    from tfdomain.training.run import blank_metrics

    write_json(to, blank_metrics(experiment, file.parent))


def profile(
    file: ExperimentArgument,
    assignments: ChangesOption = None,
    steps: Annotated[int, typer.Option(min=1, help="Updates that each setting is timed over.")] = 20,
    price_per_hour: Annotated[float | None, typer.Option(min=0, help="Of this machine: shows costs.")] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a profile of the file's own setting for TensorBoard.")
    ] = None,
):
    """Measure how fast an experiment trains on this machine, and which settings are faster."""
    from tfdomain.profiling.comparison import compare_settings
    from tfdomain.profiling.text import settings_text

    found = compare_settings(
        file, assignments or [], steps=steps, trace=trace, told=lambda line: print(line, flush=True)
    )
    print(settings_text(found, file=file, price_per_hour=price_per_hour), end="")
    if trace is not None:
        print(f"profile tensorboard --logdir {trace}")


def setting(
    file: ExperimentArgument,
    to: Annotated[Path, typer.Option(metavar="FILE.json", help="What to write.")],
    steps: Annotated[int, typer.Option(min=1, help="Updates that are timed.")] = 20,
    threads: ThreadsOption = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="Where a profile goes.")] = None,
    assignments: ChangesOption = None,
):
    """Measure one setting of an experiment in this process."""
    from tfdomain.config import load_experiment
    from tfdomain.files import write_json

    experiment = load_experiment(file, assignments or [])
    import_tensorflow(threads)
    from tfdomain.profiling.setting import measure_setting

    write_json(to, measure_setting(experiment, file.parent, steps=steps, trace=trace))
