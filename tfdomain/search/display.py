"""A search as it goes: one table on a terminal, a line at each trial's begin and end elsewhere."""

import datetime
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tfdomain.evaluation.plain_text import left_and_right
from tfdomain.metrics.selection import metric_value
from tfdomain.search.chief import Chief, Line

__all__ = ["setting_text", "show_until", "trial_value"]

SHOWN_TRIALS = 20


def show_until(done: Callable[[float], bool], chief: Chief, console: Console | None = None) -> None:
    """Shows a search until it is done.

    Args:
        done: Waits for so many seconds at most, and says whether there is nothing more to show.
        chief: Knows the trials.
        console: Where to; None: the standard output.
    """
    console = console or Console(file=sys.stdout)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            is_done = False
            while not is_done:
                is_done = done(0.5)
                live.update(_table(chief), refresh=True)
        return
    told: dict[str, Line] = {line["trial"]: line for line in chief.lines if line["state"] != "running"}
    is_done = False
    while not is_done:
        is_done = done(0.2)
        lines = chief.lines
        for line in lines:
            before = told.get(line["trial"])
            if before is None or before["attempts"] != line["attempts"]:
                _print(_begin(line), console)
            if line["state"] != "running" and (before is None or before["state"] == "running"):
                _print(_end(line, chief.search.objective), console)
        told = {line["trial"]: line for line in lines}


def trial_value(line: Line, objective: str) -> float | None:
    """The objective of a trial; None where it has none."""
    return None if line["metrics"] is None else metric_value(line["metrics"], objective)


def setting_text(values: Mapping[str, Any]) -> str:
    """The keys and values of a trial in one line."""
    return ", ".join(f"{key}={_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print(text: str, console: Console) -> None:
    # Not by rich, which would wrap a line that somebody may want to grep.
    print(text, file=console.file, flush=True)


def _begin(line: Line) -> str:
    again = f" (attempt {line['attempts']})" if line["attempts"] > 1 else ""
    return f"trial {line['trial']} begins{again}: {setting_text(line['values'])}"


def _end(line: Line, objective: str) -> str:
    if line["state"] == "failed":
        return f"trial {line['trial']} failed ({line['seconds']:.0f} s): {line['error'].splitlines()[-1]}"
    return f"trial {line['trial']} completed: {objective} {trial_value(line, objective):.4f} ({line['seconds']:.0f} s)"


def _table(chief: Chief) -> Group:
    lines, under_way = chief.lines, chief.under_way()
    metric = chief.search.metric
    table: Table = left_and_right("trial", "state", "epoch", metric, "time left", right=("epoch", metric, "time left"))
    table.add_column("setting", no_wrap=True, overflow="ellipsis")
    for line in lines[-SHOWN_TRIALS:]:
        seconds, progress = under_way.get(line["trial"], (0.0, {}))
        value = progress.get("figures", {}).get(f"val_{metric}")
        if line["state"] == "completed":
            value = trial_value(line, chief.search.objective)
        table.add_row(
            Text(line["trial"]),
            line["state"],
            str(progress["epoch"]) if "epoch" in progress else "",
            "" if value is None else f"{value:.4f}",
            _time_left(seconds, progress),
            Text(setting_text(line["values"])),
        )
    ended = sum(line["state"] != "running" for line in lines)
    of = f" of {chief.search.trials}" if chief.search.trials else ""
    return Group(table, Text(f"{ended}{of} trials ended, {len(under_way)} under way"))


def _time_left(seconds: float, progress: Mapping[str, Any]) -> str:
    if not progress.get("num_steps"):
        return ""
    done = progress["step"] - (progress["resumed_from_step"] or 0)
    left = progress["num_steps"] - progress["step"]
    return str(datetime.timedelta(seconds=round(seconds * left / done))) if done else ""
