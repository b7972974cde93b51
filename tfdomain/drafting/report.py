"""What was found in data files, as a person reads it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfdomain.data.file_columns import FileColumns
from tfdomain.drafting.encoders import language_name
from tfdomain.drafting.printable import LABEL_CHARACTERS, printable
from tfdomain.drafting.profile import Profile, Spread
from tfdomain.drafting.remarks import remarks_on

__all__ = ["print_columns", "print_profile"]

SHOWN_LABELS, SHOWN_FAULTS = 8, 5
EXAMPLE_CHARACTERS = 32
LEAST_SHARE = 0.05
# A line of a log file is never wrapped.
LOG_WIDTH = 160


def print_columns(columns: FileColumns, file: Path) -> None:
    """Prints what the first rows of a file show of its columns."""
    table = Table("column", "kind", "filled", "values", "examples", box=None, pad_edge=False)
    for column in columns.columns:
        examples = " · ".join(printable(example, EXAMPLE_CHARACTERS) for example in column.examples)
        table.add_row(
            Text(printable(column.name)), column.kind, f"{column.filled:.0%}", f"{column.num_distinct:,}",
            Text(examples, no_wrap=True, overflow="ellipsis"),
        )  # fmt: skip
    about = "without a header, " if columns.column_names else ""
    width = "1 column" if len(columns.columns) == 1 else f"{len(columns.columns)} columns"
    print(f"{file.name}: {about}{width}, by the first {columns.num_rows:,} rows")
    _console().print(table)
    print()


def print_profile(profile: Profile, columns: Mapping[str, Any], num_others: int = 0) -> None:
    """Prints what stands in the files, and what is to be looked at.

    Args:
        profile: What stands in them.
        columns: The keys of `data` that name columns.
        num_others: How many further columns could be read beside the text.
    """
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for title, value in _lines(profile, columns):
        table.add_row(title, Text(printable(value)))
    _console().print(table)
    for remark in remarks_on(profile, num_others):
        _console().print(Text(printable(f"! {remark}"), style="yellow"))


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else LOG_WIDTH, highlight=False)


def _lines(profile: Profile, columns: Mapping[str, Any]) -> list[tuple[str, str]]:
    held_out = "".join(f", {part} {count:,}" for part, count in profile.held_out.items())
    lines = [("task", profile.task), ("rows", f"{profile.num_rows:,}{held_out}")]
    if "text" in columns:
        texts = columns["text"]
        lines.append(("text", texts if isinstance(texts, str) else f"pairs of {' and '.join(texts)}"))
    lines += [
        ("characters", _spread(profile.characters)),
        ("tokens", f"{_spread(profile.tokens)} (an estimate)"),
        ("language", _languages(profile)),
        *_label_lines(profile, columns),
        ("duplicates", _share(profile.num_duplicates, profile.num_rows)),
        ("empty texts", _share(profile.num_empty, profile.num_rows)),
        ("faulty rows", f"{profile.num_faults:,}"),
    ]
    faults = list(profile.faults.items())
    lines += [("", f"{count:,}: {problem}") for problem, count in faults[:SHOWN_FAULTS]]
    return lines + ([("", f"and {len(faults) - SHOWN_FAULTS} kinds more")] if len(faults) > SHOWN_FAULTS else [])


def _label_lines(profile: Profile, columns: Mapping[str, Any]) -> list[tuple[str, str]]:
    if profile.numbers:
        return [
            ("number", f"{name}: {low:g} to {high:g}, mean {mean:.4g}")
            for name, (low, mean, high) in profile.numbers.items()
        ]
    counts = list(profile.labels.items())
    shown = ", ".join(f"{printable(label, LABEL_CHARACTERS)} ({count:,})" for label, count in counts[:SHOWN_LABELS])
    if len(counts) > SHOWN_LABELS:
        rarest, count = counts[-1]
        shown += f", ... {printable(rarest, LABEL_CHARACTERS)} ({count:,})"
    source = columns.get("label")
    named = f" of {source}" if isinstance(source, str) else ""
    lines = [("labels", f"{len(counts)}{named}: {shown}")]
    if profile.num_unlabelled:
        lines.append(("", f"{profile.num_unlabelled:,} rows have none"))
    return lines + ([("tags", f"scheme {profile.scheme}")] if profile.scheme else [])


def _spread(lengths: Spread) -> str:
    return f"median {lengths.median:,}, 95% to {lengths.p95:,}, 99% to {lengths.p99:,}, longest {lengths.longest:,}"


def _languages(profile: Profile) -> str:
    shown = [f"{language_name(name)} {share:.0%}" for name, share in profile.languages.items() if share >= LEAST_SHARE]
    return ", ".join(shown[:3]) or "too short to tell"


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if total else f"{count:,}"
