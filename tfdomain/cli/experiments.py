"""Commands about experiment files: one is drafted from data, and what it may hold is told."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["draft", "schema"]

Kind = Literal["experiment", "pretraining", "preparation"]


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


def schema(
    kind: Annotated[Kind, typer.Argument(help="Of which file.")] = "experiment",
):
    """Print the JSON Schema of an experiment file, so that an editor completes and checks it."""
    from importlib import resources

    print(
        resources.files("tfdomain.config").joinpath("schemas", f"{kind}.schema.json").read_text(encoding="utf-8"),
        end="",
    )
