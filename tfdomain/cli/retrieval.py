"""Commands that find items by an embedder's vectors."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tfdomain.cli.options import RunArgument, SkipOption, TaskOption, bad_rows, model_and_files

__all__ = ["index_items", "search_items"]


def index_items(
    run: RunArgument,
    items: Annotated[list[str], typer.Option("--items", metavar="FILE", help="The items; may be repeated.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of the index.")],
    text: Annotated[str, typer.Option(help="The column with the items' texts.")] = "text",
    id_column: Annotated[str | None, typer.Option("--id", help="The column of ids; default: row numbers.")] = None,
    method: Annotated[str, typer.Option(help="exact, approximate (needs faiss), or auto.")] = "auto",
    task: TaskOption = None,
    skip_bad_rows: SkipOption = False,
):
    """Embed the items of a file, and write their index."""
    model, files = model_and_files(run, items, task)
    from tfdomain.evaluation.retrieval import build_index

    chosen: Any = method
    index = build_index(
        model, files, to, text=text, id_column=id_column, method=chosen, on_bad_row=bad_rows(skip_bad_rows)
    )
    recall = "exact" if index.recall is None else f"recall {index.recall:.3f} of the exact best ten"
    print(f"{index.num_items} items indexed in {to} ({recall})")


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
    skip_bad_rows: SkipOption = False,
):
    """Find the items nearest to queries: of --query printed, of --input written to --output."""
    if bool(query) == bool(source) or bool(source) != bool(target):
        raise typer.BadParameter("give --query, or --input and --output")
    model, files = model_and_files(run, source or [], task)
    from tfdomain.evaluation.retrieval import load_index, search, search_file

    index = load_index(folder, model)
    for found in search(index, model, query or [], top):
        for place, item in enumerate(found, 1):
            print(f"{place}\t{item['score']:.4f}\t{item['id']}\t{item.get('text', '')}")
    if target is not None:
        written = search_file(index, model, files, target, text=text, top=top, on_bad_row=bad_rows(skip_bad_rows))
        skipped = f", {written.num_skipped} with faults skipped" if written.num_skipped else ""
        print(f"{written.num_rows} rows written to {target}{skipped}")
