"""How far a long reading is: a bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

__all__ = ["bar"]


@contextmanager
def bar(
    title: str, *, total: int, in_bytes: bool = False, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Shows a bar that goes away at the end of the block.

    Args:
        title: What is being done.
        total: How many bytes or rows there are.
        in_bytes: Whether they are bytes.
        console: Where to; None: the standard output.

    Returns:
        What to call with the number done since the last call.
    """
    console = console or Console(file=sys.stdout)
    if not console.is_terminal:
        yield lambda count: None
        return
    amounts: list[ProgressColumn] = (
        [DownloadColumn(), TransferSpeedColumn()] if in_bytes else [MofNCompleteColumn(), _RateColumn()]
    )
    columns = [TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} rows/s")
