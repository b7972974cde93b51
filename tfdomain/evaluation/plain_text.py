"""Tables as plain text: for logs, files, and terminals of any width."""

import io
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

__all__ = ["left_and_right", "plain_text"]

# Lines are not broken: whoever looks at a narrow window can scroll.
WIDTH = 240


def plain_text(renderable: Any, width: int | None = None) -> str:
    """What rich draws, without colours, control characters and blanks at the ends of lines.

    Args:
        renderable: Anything that rich prints.
        width: The number of columns of text; None takes as many as there are, up to 240.

    Returns:
        Lines that end in a newline each.
    """
    text = io.StringIO()
    console = Console(file=text, width=width or WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").split("\n")) + "\n"


def left_and_right(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table with these columns, of which those of numbers are set to the right."""
    table = Table(box=SIMPLE, padding=(0, 1), show_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
    return table
