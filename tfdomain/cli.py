"""The command line: it parses, calls and prints; what it calls is in the package."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from tfdomain.errors import TfdomainError
from tfdomain.startup import import_tensorflow, without_chatter
from tfdomain.version import __version__

__all__ = ["app", "main"]

# No TensorFlow, nor anything that imports it, at the top of this file: `--help` must answer at once.
app = typer.Typer(
    name="tfdomain",
    help="BERT-family models on domain text with TensorFlow: train, judge, export, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="The registry of public data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
retrieve_app = typer.Typer(help="Items that queries find, by an embedder's vectors.", no_args_is_help=True)
app.add_typer(retrieve_app, name="retrieve")

# What typer raises for a wrong option or argument; it has no public name of its own.
UsageError: Any = typer.BadParameter.__mro__[1]

Kind = Literal["experiment", "pretraining", "preparation"]
TaskOption = Annotated[str | None, typer.Option(help="Which task, of a model of several.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Processors to keep busy; default: all.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a model's.")]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tfdomain {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
):
    pass


@app.command("init")
def draft(
    files: Annotated[list[str], typer.Argument(metavar="FILES", help="Data files; test and dev are told by name.")],
    task: Annotated[
        str | None, typer.Option(help="classification, multilabel, regression or tagging; default: by the labels.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="The text column; twice for pairs.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="The label column; repeat it for several.")] = None,
    positive: Annotated[str | None, typer.Option(help="Of two labels, the one that is looked for.")] = None,
    encoder: Annotated[str | None, typer.Option(help="The checkpoint; default: by the language.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="What to write; default: DATA.yaml.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing, take the guesses.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it is there.")] = False,
):
    """Look at a data file, and write an experiment file that trains on it."""
    from tfdomain.data.paths import find_files
    from tfdomain.questions import draft_experiment

    draft_experiment(
        find_files(files, relative_to=Path.cwd()),
        task=task,
        texts=text,
        labels=label,
        encoder=encoder,
        positive=positive,
        output=output,
        overwrite=overwrite,
        asks=not yes and sys.stdin.isatty() and sys.stdout.isatty(),
    )


@app.command()
def prepare(
    files: Annotated[list[str], typer.Argument(metavar="FILES", help="Raw files or globs; formats by their endings.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The prepared folder; one made before gets what is new.")],
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings (YAML); options win over it.")] = None,
    text: Annotated[str | None, typer.Option(help="The text column.")] = None,
    label: Annotated[str | None, typer.Option(help="The label column.")] = None,
    group: Annotated[str | None, typer.Option(help="Rows with one value here stay in one split.")] = None,
    time: Annotated[str | None, typer.Option(help="Split by this column: training first, test last.")] = None,
    split: Annotated[str | None, typer.Option(metavar="A,B,C", help="Training, validation, test: 0.8,0.1,0.1.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides which rows go where.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: steps.language=true.")
    ] = None,
    beam: Annotated[
        str | None,
        typer.Option(metavar="OPTIONS", help="Work on a Beam runner: '--runner=FlinkRunner --flink_master=...'."),
    ] = None,
):
    """Clean, mask, de-duplicate and split raw files into a described data set."""
    from tfdomain.config.preparation import load_preparation
    from tfdomain.data.paths import find_files
    from tfdomain.preparation.beam import BeamRunner
    from tfdomain.preparation.card import card_text
    from tfdomain.preparation.run import prepare as run

    columns = {"text": text, "label": label, "group": group, "time": time, "seed": seed}
    options: dict[str, Any] = {name: value for name, value in columns.items() if value is not None}
    shares = [] if split is None else [f"split=[{split}]"]
    preparation = load_preparation(config, options=options, assignments=[*shares, *(assignments or [])])
    runner = None if beam is None else BeamRunner(beam)
    print(card_text(run(find_files(files, relative_to=Path()), to, preparation, runner=runner)))
    print(f"card    {to / 'data_card.md'}\nremoved {to / 'removed.csv'}")


@app.command()
def train(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
    ] = None,
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


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")],
    folds: Annotated[int, typer.Option(help="How many parts the training rows are cut into.")] = 5,
    seeds: Annotated[int, typer.Option(help="How often, each time with another seed.")] = 1,
    group: Annotated[str | None, typer.Option(help="Rows with one value in this column stay in one fold.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Folds in the order of this column, each after its training.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
    ] = None,
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


@app.command()
def tune(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML) with a search section.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
    ] = None,
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


@app.command(hidden=True)
def objectives(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")],
    to: Annotated[Path, typer.Option(metavar="FILE.json", help="What to write.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
    ] = None,
):
    """Write the validation metrics that a run of an experiment would have, of predictions that know nothing."""
    from tfdomain.config import load_experiment
    from tfdomain.files import write_json

    experiment = load_experiment(file, assignments or [])
    import_tensorflow()
    from tfdomain.training.run import blank_metrics

    write_json(to, blank_metrics(experiment, file.parent))


@app.command()
def profile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
    ] = None,
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


@app.command(hidden=True)
def setting(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An experiment file (YAML).")],
    to: Annotated[Path, typer.Option(metavar="FILE.json", help="What to write.")],
    steps: Annotated[int, typer.Option(min=1, help="Updates that are timed.")] = 20,
    threads: ThreadsOption = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="Where a profile goes.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the experiment.")
    ] = None,
):
    """Measure one setting of an experiment in this process."""
    from tfdomain.config import load_experiment
    from tfdomain.files import write_json

    experiment = load_experiment(file, assignments or [])
    import_tensorflow(threads)
    from tfdomain.profiling.setting import measure_setting

    write_json(to, measure_setting(experiment, file.parent, steps=steps, trace=trace))


@app.command()
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


@app.command()
def board(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder, or a folder of runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where it is shown; 0 takes a free port.")] = 6006,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
):
    """Show runs in TensorBoard, until stopped."""
    from tfdomain.serving.board import serve_board

    serve_board(folder, host=host, port=port)


@app.command()
def evaluate(
    run: RunArgument,
    data: Annotated[list[str], typer.Option("--data", metavar="FILE", help="Labelled rows; may be repeated.")],
    text: Annotated[list[str] | None, typer.Option("--text", help="The text column; twice for pairs.")] = None,
    label: Annotated[str | None, typer.Option(help="The label column.")] = None,
    task: TaskOption = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Skip rows with faults.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
):
    """Measure a trained model on labelled rows."""
    import json

    from tfdomain.evaluation.report import print_report

    model, files = _model_and_files(run, data, task)
    from tfdomain.evaluation.prediction import evaluate_file

    metrics = evaluate_file(model, files, texts=text, label=label, on_bad_row="skip" if skip_bad_rows else "refuse")
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False, indent=2))
    else:
        print_report(metrics, title=", ".join(file.name for file in files))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Folders of runs, two or more.")],
    metric: Annotated[str | None, typer.Option(help="What they are measured by, such as macro_f1.")] = None,
    task: TaskOption = None,
    resamples: Annotated[int, typer.Option(help="How often the test rows are drawn anew.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
):
    """Test whether runs differ on the test rows that they have in common."""
    import json

    import_tensorflow()
    from tfdomain.evaluation.comparison_text import comparison_text
    from tfdomain.training.run_comparison import compare as run

    comparison = run(runs, metric=metric, task=task, resamples=resamples, seed=seed)
    if as_json:
        print(json.dumps(comparison.as_dict(), ensure_ascii=False, indent=2))
    else:
        print(comparison_text(comparison), end="")


@app.command()
def predict(
    run: RunArgument,
    source: Annotated[list[str], typer.Option("--input", metavar="FILE", help="Rows to classify.")],
    target: Annotated[Path, typer.Option("--output", metavar="FILE", help="What to write: .jsonl, .csv or .parquet.")],
    text: Annotated[list[str] | None, typer.Option("--text", help="The text column; twice for pairs.")] = None,
    task: TaskOption = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Leave rows with faults out.")] = False,
    threads: ThreadsOption = None,
):
    """Write a trained model's answer for each row of a file."""
    model, files = _model_and_files(run, source, task, threads)
    from tfdomain.evaluation.prediction import predict_file

    written = predict_file(model, files, target, texts=text, on_bad_row="skip" if skip_bad_rows else "refuse")
    skipped = f", {written.num_skipped} with faults skipped" if written.num_skipped else ""
    print(f"{written.num_rows} rows written to {target}{skipped}")


@app.command()
def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of all versions.")],
):
    """Write a trained model as the next version of a raw-text SavedModel."""
    import_tensorflow()
    from tfdomain.models.folder import load_from

    print(load_from(run).export(to))


@app.command()
def serve(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of all versions.")],
    name: Annotated[str, typer.Option(help="The model's name in requests.")] = "default",
    rest_port: Annotated[int, typer.Option(help="Where REST is served; 0 takes a free port.")] = 8501,
    grpc_port: Annotated[int, typer.Option(help="Where gRPC is served; 0 takes a free port.")] = 8500,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    request_timeout: Annotated[float, typer.Option(help="Seconds that a request may take.")] = 30.0,
    max_request_bytes: Annotated[int, typer.Option(help="The largest request that is read.")] = 64 << 20,
    threads: ThreadsOption = None,
):
    """Serve a SavedModel over REST and gRPC as TensorFlow Serving does, until stopped."""
    import_tensorflow(threads)
    from tfdomain.serving.server import serve as run

    run(
        directory,
        name=name,
        rest_port=rest_port,
        grpc_port=grpc_port,
        host=host,
        request_timeout=request_timeout,
        max_request_bytes=max_request_bytes,
    )


@app.command()
def schema(
    kind: Annotated[Kind, typer.Argument(help="Of which file.")] = "experiment",
):
    """Print the JSON Schema of an experiment file, so that an editor completes and checks it."""
    from importlib import resources

    print(
        resources.files("tfdomain.config").joinpath("schemas", f"{kind}.schema.json").read_text(encoding="utf-8"),
        end="",
    )


@data_app.command("list")
def list_data(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Tell all of one data set.")] = None,
):
    """List the data sets that are known, with their licences."""
    from rich.console import Console
    from rich.table import Table

    from tfdomain.data.registry import describe, list_datasets

    if name is not None:
        for key, value in describe(name):
            print(f"{key:10} {value}")
        return
    table = Table("name", "task", "language", "licence", "what", box=None, pad_edge=False)
    for one in list_datasets():
        table.add_row(one.name, one.task, ", ".join(one.languages), one.licence, one.about)
    Console(width=None if sys.stdout.isatty() else 240).print(table)


@data_app.command("fetch")
def fetch_data(name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `tfdomain data list`.")]):
    """Download a data set, check its hashes, and print its folder."""
    from tfdomain.data.registry import fetch

    print(fetch(name))


@retrieve_app.command("index")
def index_items(
    run: RunArgument,
    items: Annotated[list[str], typer.Option("--items", metavar="FILE", help="The items; may be repeated.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of the index.")],
    text: Annotated[str, typer.Option(help="The column with the items' texts.")] = "text",
    id_column: Annotated[str | None, typer.Option("--id", help="The column of ids; default: row numbers.")] = None,
    method: Annotated[str, typer.Option(help="exact, approximate (needs faiss), or auto.")] = "auto",
    task: TaskOption = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Leave rows with faults out.")] = False,
):
    """Embed the items of a file, and write their index."""
    model, files = _model_and_files(run, items, task)
    from tfdomain.evaluation.retrieval import build_index

    on_bad_row: Any = "skip" if skip_bad_rows else "refuse"
    chosen: Any = method
    index = build_index(model, files, to, text=text, id_column=id_column, method=chosen, on_bad_row=on_bad_row)
    recall = "exact" if index.recall is None else f"recall {index.recall:.3f} of the exact best ten"
    print(f"{index.num_items} items indexed in {to} ({recall})")


@retrieve_app.command("search")
def search_items(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the index.")],
    run: Annotated[Path, typer.Option("--model", metavar="RUN", help="The run or model that the index is of.")],
    query: Annotated[list[str] | None, typer.Option(help="A query; may be repeated.")] = None,
    source: Annotated[list[str] | None, typer.Option("--input", metavar="FILE", help="Queries, one a row.")] = None,
    target: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="What to write: .jsonl, .csv or .parquet.")
    ] = None,
    text: Annotated[str, typer.Option(help="The column with the queries.")] = "text",
    top: Annotated[int, typer.Option(help="How many items to find.")] = 10,
    task: TaskOption = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Leave rows with faults out.")] = False,
):
    """Find the items nearest to queries: of --query printed, of --input written to --output."""
    if bool(query) == bool(source) or bool(source) != bool(target):
        raise typer.BadParameter("give --query, or --input and --output")
    model, files = _model_and_files(run, source or [], task)
    from tfdomain.evaluation.retrieval import load_index, search, search_file

    index = load_index(folder, model)
    for found in search(index, model, query or [], top):
        for place, item in enumerate(found, 1):
            print(f"{place}\t{item['score']:.4f}\t{item['id']}\t{item.get('text', '')}")
    if target is not None:
        on_bad_row: Any = "skip" if skip_bad_rows else "refuse"
        written = search_file(index, model, files, target, text=text, top=top, on_bad_row=on_bad_row)
        skipped = f", {written.num_skipped} with faults skipped" if written.num_skipped else ""
        print(f"{written.num_rows} rows written to {target}{skipped}")


def _model_and_files(run: Path, patterns: list[str], task: str | None, threads: int | None = None):
    from tfdomain.data.paths import find_files

    # The files first: a wrong path should not cost the time of loading a model.
    files = find_files(patterns, relative_to=Path.cwd()) if patterns else []
    import_tensorflow(threads)
    from tfdomain.models.folder import load_from
    from tfdomain.models.multitask import choose_task

    return choose_task(load_from(run), task), files


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; an error is one line on stderr, exit code 2 where it is the user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a label should not cost the run that printed it.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app([one for one in arguments if one != "--debug"], standalone_mode=False)
    except TfdomainError as error:
        _fail(str(error), error.exit_code, debug)
    except UsageError as error:
        if not arguments:
            error.show()
            raise SystemExit(2) from None
        _fail(f"{error.format_message()}; see --help", 2, debug)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; train goes on with --resume, validate when it is called again", 130, debug)
    except BrokenPipeError:
        # The reader of our output has seen enough: `| head` is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"{line[:500]} (a fault of tfdomain; --debug shows where)", 1, debug)
    else:
        raise SystemExit(code or 0)


def _fail(line: str, code: int, debug: bool) -> NoReturn:
    if debug:
        raise
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(code) from None


if __name__ == "__main__":
    main()
