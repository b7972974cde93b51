"""What a comparison of settings found, as people read it."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from tfdomain.evaluation.plain_text import left_and_right, plain_text
from tfdomain.profiling.comparison import Setting, choose

__all__ = ["settings_text"]


def settings_text(
    found: Sequence[tuple[Setting, dict[str, Any]]], *, file: Path, price_per_hour: float | None = None
) -> str:
    """A table of the settings, and what would be chosen.

    Args:
        found: What `compare_settings` gives.
        file: The experiment file, for the command that is shown.
        price_per_hour: Of the machine, in any currency; None shows no costs.

    Returns:
        Lines that end in a newline each, without colours.
    """
    costs = () if price_per_hour is None else ("cost",)
    numbers = ("examples/s", "tokens/s", "padding", "of the peak", "memory", "whole run", *costs)
    table = left_and_right("setting", *numbers, "", right=numbers)
    chosen = choose(found)
    for setting, one in found:
        cells = [
            f"{one['examples_per_second']:,.1f}",
            f"{one['tokens_per_second']:,.0f}",
            f"{one['padding_share']:.1%}",
            f"{one['peak_share']:.0%}",
            f"{one['peak_memory_bytes'] / 2**30:.1f} GiB",
            str(timedelta(seconds=round(one["seconds"]))),
        ]
        if price_per_hour is not None:
            cells.append(f"{one['seconds'] / 3600 * price_per_hour:,.2f}")
        remark = "chosen" if setting is chosen else "" if setting.learns_alike else "learns otherwise"
        table.add_row(Text(setting.name), *cells, remark)
    peak = max(one["peak_operations_per_second"] for _, one in found) / 1e9
    words = [f"--threads {chosen.threads}"] if chosen.threads else []
    words += [f"--set {change}" for change in chosen.changes]
    lines = [
        Text(f"the peak of float32 matrix products here: {peak:,.0f} billion operations a second"),
        Text(" ".join(["tfdomain train", str(file), *words])),
    ]
    return plain_text(Group(table, *lines))
