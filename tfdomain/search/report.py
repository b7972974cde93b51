"""The outcome of a search as people read it."""

from rich.console import Group
from rich.text import Text

from tfdomain.evaluation.plain_text import left_and_right, plain_text
from tfdomain.metrics.selection import metric_direction
from tfdomain.search.display import setting_text, trial_value
from tfdomain.search.tuning import SearchResult

__all__ = ["search_text"]


def search_text(result: SearchResult) -> str:
    """The trials, the best first; how much each key matters; and the best setting's runs.

    Returns:
        Lines that end in a newline each, without colours.
    """
    parts = [_trials(result)]
    if result.importance is not None:
        table = left_and_right("key", "importance", right=("importance",))
        for key, share in result.importance.items():
            table.add_row(Text(key), f"{share:.2f}")
        parts += [Text(), table]
    seeds = ", ".join(str(seed) for seed in result.runs)
    table = left_and_right("metric", "mean", "deviation", right=("mean", "deviation"))
    for name, one in result.seed_metrics().items():
        # Those of single classes only the file tells.
        if name.count(".") == 1:
            table.add_row(
                Text(name), f"{one['mean']:.4f}", "-" if one["deviation"] is None else f"{one['deviation']:.4f}"
            )
    parts += [Text(), Text(f"the setting of trial {result.best['trial']}, seeds {seeds}"), table]
    return plain_text(Group(*parts))


def _trials(result: SearchResult):
    numbers = (result.objective, "seconds", "attempts")
    table = left_and_right("trial", "state", *numbers, "setting", right=numbers)
    sign = -1 if metric_direction(result.objective.partition(".")[2]) == "max" else 1
    values = {line["trial"]: trial_value(line, result.objective) for line in result.trials}
    worst = float("inf")
    ranked = sorted(values, key=lambda name: worst if (value := values[name]) is None else sign * value)
    lines = {line["trial"]: line for line in result.trials}
    for name in ranked:
        line, value = lines[name], values[name]
        table.add_row(
            name,
            line["state"],
            "-" if value is None else f"{value:.4f}",
            "-" if line["seconds"] is None else f"{line['seconds']:.1f}",
            str(line["attempts"]),
            Text(setting_text(line["values"])),
        )
    return table
