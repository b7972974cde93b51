"""A comparison of models as people read it."""

import io

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tfdomain.evaluation.comparison import BOOTSTRAP, Comparison

__all__ = ["comparison_text"]

# Lines are not broken: whoever looks at a narrow window can scroll.
_WIDTH = 240


def comparison_text(comparison: Comparison, *, test: str = "the test rows") -> str:
    """The metric of each model, and each pair with its difference, interval, p-value and verdict.

    Args:
        comparison: What to tell.
        test: What the rows are, for the heading.

    Returns:
        Lines that end in a newline each, without colours.
    """
    metric = comparison.metric
    models = _table(("run", "left"), (metric, "right"))
    for name, value in comparison.values.items():
        models.add_row(Text(name), f"{value:.4f}")
    pairs = _table(
        ("first", "left"), ("second", "left"), ("difference", "right"), ("95 % interval", "right"),
        ("p", "right"), ("verdict", "left"),
    )  # fmt: skip
    for one in comparison.differences:
        low, high = one.interval
        p_value = f"{one.corrected_p_value:.4f}" if one.corrected_p_value >= 0.0001 else "<0.0001"
        interval = f"{low:+.4f} to {high:+.4f}"
        pairs.add_row(Text(one.first), Text(one.second), f"{one.difference:+.4f}", interval, p_value, Text(one.verdict))
    heading = f"{metric} on {test} ({comparison.num_units:,})"
    file = io.StringIO()
    console = Console(file=file, width=_WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(Group(Text(heading), models, Text(), pairs, Text(), Text(_how(comparison))))
    return "\n".join(line.rstrip() for line in file.getvalue().strip("\n").split("\n")) + "\n"


def _how(comparison: Comparison) -> str:
    """Where the numbers are from, in a line."""
    tests = {one.test for one in comparison.differences}
    count = len(comparison.differences)
    corrected = f", corrected for {count} comparisons by Holm's procedure" if count > 1 else ""
    drawn = f"{comparison.resamples:,} paired resamples of the rows"
    if tests == {BOOTSTRAP}:
        return f"interval and p: {drawn}; p of two sides{corrected}"
    return f"interval: {drawn}; p: {' or '.join(sorted(tests))}, of two sides{corrected}"


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1), show_edge=False)
    for heading, justify in columns:
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table
