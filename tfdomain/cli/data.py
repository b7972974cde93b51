"""Commands about data: raw files are prepared, known data sets listed and fetched."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["fetch_data", "list_data", "prepare"]


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


def fetch_data(name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `tfdomain data list`.")]):
    """Download a data set, check its hashes, and print its folder."""
    from tfdomain.data.registry import fetch

    print(fetch(name))
