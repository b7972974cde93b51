"""What `tfdomain init` asks and shows; what it finds and chooses is in `drafting`."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfdomain.data.file_columns import FileColumns, read_columns
from tfdomain.data.span_records import ENTITY_KEYS
from tfdomain.drafting.encoders import choose_encoder, language_name, num_positions
from tfdomain.drafting.experiment_text import experiment_text
from tfdomain.drafting.profile import Profile, Spread
from tfdomain.drafting.reading import holds_tags, plain_stem, profile_table, profile_tagged, sort_files
from tfdomain.drafting.remarks import remarks_on
from tfdomain.drafting.roles import TASKS, Roles, check_task, choose_roles, guess_label, guess_task, guess_texts
from tfdomain.drafting.settings import choose_settings, rarer_label
from tfdomain.errors import InputError
from tfdomain.files import whole_file

__all__ = ["draft_experiment"]

SHOWN_LABELS, SHOWN_FAULTS = 8, 5
EXAMPLE_CHARACTERS = 32
LEAST_SHARE = 0.05
FEATURE_KINDS = ("number", "category", "date", "flag")
LOG_WIDTH = 160


def draft_experiment(
    files: Sequence[Path],
    *,
    task: str | None = None,
    texts: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    encoder: str | None = None,
    positive: str | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    asks: bool = False,
) -> Path:
    """Shows what is in files, and writes an experiment that trains on them.

    Args:
        files: Data files; those with test, dev or validation in their names are held out.
        task: One of `drafting.roles.TASKS`; None: what the labels look like.
        texts: The text column, or the two of a pair; None: what looks like it.
        labels: The label column, or several; None: what looks like it.
        encoder: The checkpoint; None: one for the language of the texts.
        positive: Of two labels, the one that is looked for; None: the rarer.
        output: The file to write; None: named after the data, in the current folder.
        overwrite: Whether a file that is there is replaced.
        asks: Whether to ask a person for what was not given; else the guesses are taken.

    Returns:
        The file written.

    Raises:
        InputError: A file, a column or a choice is wrong, or the output is there already.
    """
    check_task(task)
    parts = sort_files(files)
    first = parts["train"][0]
    name = _name_after(first)
    if output is not None:
        _check_output(output, overwrite)
    if encoder is not None:
        # A wrong path should not cost the reading of the files.
        num_positions(encoder)
    profile, columns, num_others = _look(parts, task, texts, labels, asks)
    _print_profile(profile, columns, num_others)
    chosen = choose_encoder(profile)
    if encoder is not None:
        chosen = encoder, "as asked for"
    elif asks:
        answer = typer.prompt(f"{chosen[1]}\nEncoder", default=chosen[0])
        chosen = chosen if answer == chosen[0] else (answer, "as asked for")
    if asks and positive is None and rarer_label(profile) is not None:
        positive = _ask("Which label is looked for", rarer_label(profile), list(profile.labels))
    if output is None:
        output = Path(f"{name}.yaml")
        output = Path(typer.prompt("File to write", default=str(output))) if asks else output
        _check_output(output, overwrite, asks)
    settings = choose_settings(
        profile,
        name=name,
        files={part: [_written(file, output) for file in found] for part, found in parts.items()},
        columns=columns,
        encoder=chosen,
        num_positions=num_positions(chosen[0]),
        positive=positive,
    )
    head = [
        f"Drafted by `tfdomain init` from {first.name}, {profile.num_rows:,} rows. Every value may be changed: "
        "docs/experiment_file.md tells of all keys."
    ]
    with whole_file(output) as file:
        file.write(experiment_text(settings, head=head))
    print(f"\nwritten {output}\ntrain   tfdomain train {output}")
    return output


def _look(
    parts: dict[str, list[Path]],
    task: str | None,
    texts: Sequence[str] | None,
    labels: Sequence[str] | None,
    asks: bool,
) -> tuple[Profile, dict[str, Any], int]:
    """What stands in the files, the keys of `data` that name columns, and how many further columns could be read."""
    first = parts["train"][0]
    if task in (None, "tagging") and holds_tags(first):
        return *_look_at_tags(parts, texts, labels, asked=task is not None), 0
    columns = read_columns(first)
    _print_columns(columns, first)
    spans = [column.name for column in columns.columns if column.kind == "spans" and column.name in ENTITY_KEYS]
    if task == "tagging" or (task is None and spans and not labels):
        return *_look_at_tags(parts, texts or guess_texts(columns, first, spans), labels or spans[:1], asked=True), 0
    if asks:
        task, texts, labels = _ask_roles(columns, first, task, texts, labels)
    roles = choose_roles(columns, first, task=task, texts=texts, labels=labels)
    keys: dict[str, Any] = {"column_names": columns.column_names} if columns.column_names else {}
    keys |= {"text": _one_or_many(roles.texts), "label": _one_or_many(roles.labels)}
    column = columns.named(roles.labels[0])
    if roles.task == "multilabel" and column is not None and column.delimiter not in (None, "|"):
        keys["delimiter"] = column.delimiter
    used = {*roles.texts, *roles.labels}
    others = [column for column in columns.columns if column.kind in FEATURE_KINDS and column.name not in used]
    return profile_table(parts, columns, roles), keys, len(others)


def _look_at_tags(
    parts: dict[str, list[Path]], texts: Sequence[str] | None, labels: Sequence[str] | None, *, asked: bool
) -> tuple[Profile, dict[str, Any]]:
    text, entities = texts[0] if texts else "text", labels[0] if labels else None
    try:
        profile = profile_tagged(parts, text=text, entities=entities)
    except InputError as error:
        if asked or ".json" not in parts["train"][0].suffixes:
            raise
        mend = "rows are read from JSON Lines (.jsonl), CSV, TSV and Parquet; of JSON only texts with entities are"
        raise InputError(error.problem, where=error.where, mend=mend) from None
    keys = {"text": text} if text != "text" else {}
    return profile, keys | ({"entities": entities} if entities is not None else {})


def _ask_roles(
    columns: FileColumns, file: Path, task: str | None, texts: Sequence[str] | None, labels: Sequence[str] | None
) -> Roles:
    names = [column.name for column in columns.columns]
    if not texts:
        guess = _if_any(lambda: guess_texts(columns, file, labels or ()))
        texts = _ask_columns("Text column (two for pairs)", guess, names, most=2)
    if not labels:
        guess = _if_any(lambda: [guess_label(columns, file, texts)])
        labels = _ask_columns("Label column (or several)", guess, names)
    task = task or _ask("Task", guess_task(columns, labels), [one for one in TASKS if one != "tagging"])
    return Roles(task, list(texts), list(labels))


def _if_any(guess: Callable[[], list[str]]) -> list[str]:
    """The guess; nothing where there is none, since a person may know better."""
    try:
        return guess()
    except InputError:
        return []


def _ask_columns(question: str, default: list[str], names: list[str], most: int | None = None) -> list[str]:
    def check(answer: str) -> list[str]:
        # A name may itself hold a comma.
        found = [answer] if answer in names else [name.strip() for name in answer.split(",") if name.strip()]
        unknown = [name for name in found if name not in names]
        if unknown or not found:
            raise typer.BadParameter(f"no column {', '.join(unknown)}; the columns are {', '.join(names)}")
        if most is not None and len(found) > most:
            raise typer.BadParameter(f"at most {most}")
        return found

    return _prompt(question, ", ".join(default) or None, check)


def _ask(question: str, default: str | None, choices: list[str]) -> str:
    def check(answer: str) -> str:
        if answer not in choices:
            raise typer.BadParameter(f"choose one of {', '.join(choices)}")
        return answer

    return _prompt(f"{question} ({', '.join(choices)})", default, check)


def _prompt(question: str, default: str | None, check: Callable[[str], Any]) -> Any:
    return typer.prompt(question, default=default, value_proc=check)


def _check_output(output: Path, overwrite: bool, asks: bool = False) -> None:
    if output.suffix.lower() not in (".yaml", ".yml"):
        raise InputError(f"{output.name} is no name of a YAML file", where="--output", mend="end it with .yaml")
    if not output.exists() or overwrite:
        return
    if output.is_dir() or not (asks and typer.confirm(f"{output} is there already. Replace it?")):
        raise InputError("is there already", where=str(output), mend="name another with --output, or add --overwrite")


def _name_after(file: Path) -> str:
    """The experiment's name: the file's, or its folder's where it is only called `train` or `data`."""
    stem = re.sub(r"(^|[^a-zA-Z])(train|training)$", "", plain_stem(file))
    if stem.lower() in ("", "data", "all"):
        stem = file.resolve().parent.name
    return re.sub(r"[^\w.-]+", "_", stem).strip("._-") or "experiment"


def _written(file: Path, output: Path) -> str:
    """A data file as the experiment file names it: relative where they lie together, so that both can move."""
    relative = os.path.relpath(file.resolve(), output.resolve().parent)
    return relative if relative.count("..") <= 2 else str(file.resolve())


def _one_or_many(names: Sequence[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else LOG_WIDTH, highlight=False)


def _print_columns(columns: FileColumns, file: Path) -> None:
    table = Table("column", "kind", "filled", "values", "examples", box=None, pad_edge=False)
    for column in columns.columns:
        examples = " · ".join(_shortened(example) for example in column.examples)
        table.add_row(
            Text(column.name), column.kind, f"{column.filled:.0%}", f"{column.num_distinct:,}",
            Text(examples, no_wrap=True, overflow="ellipsis"),
        )  # fmt: skip
    about = "without a header, " if columns.column_names else ""
    width = "1 column" if len(columns.columns) == 1 else f"{len(columns.columns)} columns"
    print(f"{file.name}: {about}{width}, by the first {columns.num_rows:,} rows")
    _console().print(table)
    print()


def _print_profile(profile: Profile, columns: dict[str, Any], num_others: int) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for title, value in _lines(profile, columns):
        table.add_row(title, Text(value))
    _console().print(table)
    for remark in remarks_on(profile, num_others):
        _console().print(Text(f"! {remark}", style="yellow"))


def _lines(profile: Profile, columns: dict[str, Any]) -> list[tuple[str, str]]:
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


def _label_lines(profile: Profile, columns: dict[str, Any]) -> list[tuple[str, str]]:
    if profile.numbers:
        return [
            ("number", f"{name}: {low:g} to {high:g}, mean {mean:.4g}")
            for name, (low, mean, high) in profile.numbers.items()
        ]
    counts = list(profile.labels.items())
    shown = ", ".join(f"{label} ({count:,})" for label, count in counts[:SHOWN_LABELS])
    if len(counts) > SHOWN_LABELS:
        shown += f", ... {counts[-1][0]} ({counts[-1][1]:,})"
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


def _shortened(example: str) -> str:
    plain = " ".join(example.split())
    return plain if len(plain) <= EXAMPLE_CHARACTERS else f"{plain[: EXAMPLE_CHARACTERS - 1]}…"
