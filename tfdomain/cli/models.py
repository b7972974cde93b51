"""Commands that ask trained models: how good they are, what they say, and for their SavedModel."""

from pathlib import Path
from typing import Annotated

import typer

from tfdomain.cli.options import RunArgument, SkipOption, TaskOption, ThreadsOption, bad_rows, model_and_files
from tfdomain.startup import import_tensorflow

__all__ = ["compare", "evaluate", "export", "predict"]


def evaluate(
    run: RunArgument,
    data: Annotated[list[str], typer.Option("--data", metavar="FILE", help="Labelled rows; may be repeated.")],
    text: Annotated[list[str] | None, typer.Option("--text", help="The text column; twice for pairs.")] = None,
    label: Annotated[str | None, typer.Option(help="The label column.")] = None,
    task: TaskOption = None,
    skip_bad_rows: SkipOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
):
    """Measure a trained model on labelled rows."""
    import json

    from tfdomain.evaluation.report import print_report

    model, files = model_and_files(run, data, task)
    from tfdomain.evaluation.prediction import evaluate_file

    metrics = evaluate_file(model, files, texts=text, label=label, on_bad_row=bad_rows(skip_bad_rows))
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False, indent=2))
    else:
        print_report(metrics, title=", ".join(file.name for file in files))


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


def predict(
    run: RunArgument,
    source: Annotated[list[str], typer.Option("--input", metavar="FILE", help="Rows to classify.")],
    target: Annotated[Path, typer.Option("--output", metavar="FILE", help="What to write: .jsonl, .csv or .parquet.")],
    text: Annotated[list[str] | None, typer.Option("--text", help="The text column; twice for pairs.")] = None,
    task: TaskOption = None,
    skip_bad_rows: SkipOption = False,
    threads: ThreadsOption = None,
):
    """Write a trained model's answer for each row of a file."""
    model, files = model_and_files(run, source, task, threads)
    from tfdomain.evaluation.prediction import predict_file

    written = predict_file(model, files, target, texts=text, on_bad_row=bad_rows(skip_bad_rows))
    skipped = f", {written.num_skipped} with faults skipped" if written.num_skipped else ""
    print(f"{written.num_rows} rows written to {target}{skipped}")


def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of all versions.")],
):
    """Write a trained model as the next version of a raw-text SavedModel."""
    import_tensorflow()
    from tfdomain.models.folder import load_from

    print(load_from(run).export(to))
