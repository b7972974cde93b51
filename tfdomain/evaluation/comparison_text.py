"""A comparison of models as people read it."""

from rich.console import Group
from rich.text import Text

from tfdomain.evaluation.comparison import BOOTSTRAP, Comparison
from tfdomain.evaluation.plain_text import left_and_right, plain_text

__all__ = ["comparison_text"]


def comparison_text(comparison: Comparison, *, test: str = "the test rows") -> str:
    """The metric of each model, and each pair with its difference, interval, p-value and verdict.

    Args:
        comparison: What to tell.
        test: What the rows are, for the heading.

    Returns:
        Lines that end in a newline each, without colours.
    """
    metric = comparison.metric
    models = left_and_right("run", metric, right=(metric,))
    for name, value in comparison.values.items():
        models.add_row(Text(name), f"{value:.4f}")
    numbers = ("difference", "95 % interval", "p")
    pairs = left_and_right("first", "second", *numbers, "verdict", right=numbers)
    for one in comparison.differences:
        low, high = one.interval
        p_value = f"{one.corrected_p_value:.4f}" if one.corrected_p_value >= 0.0001 else "<0.0001"
        interval = f"{low:+.4f} to {high:+.4f}"
        pairs.add_row(Text(one.first), Text(one.second), f"{one.difference:+.4f}", interval, p_value, Text(one.verdict))
    heading = f"{metric} on {test} ({comparison.num_units:,})"
    return plain_text(Group(Text(heading), models, Text(), pairs, Text(), Text(_how(comparison))))


def _how(comparison: Comparison) -> str:
    """Where the numbers are from, in a line."""
    tests = {one.test for one in comparison.differences}
    count = len(comparison.differences)
    corrected = f", corrected for {count} comparisons by Holm's procedure" if count > 1 else ""
    drawn = f"{comparison.resamples:,} paired resamples of the rows"
    if tests == {BOOTSTRAP}:
        return f"interval and p: {drawn}; p of two sides{corrected}"
    return f"interval: {drawn}; p: {' or '.join(sorted(tests))}, of two sides{corrected}"
