"""What `tfdomain init` asks; what it finds, shows and chooses is in `drafting`."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer

from tfdomain.data.file_columns import FileColumns, read_columns
from tfdomain.data.span_records import ENTITY_KEYS
from tfdomain.drafting.encoders import choose_encoder, num_positions
from tfdomain.drafting.experiment_text import experiment_text
from tfdomain.drafting.profile import Profile
from tfdomain.drafting.reading import holds_tags, plain_stem, profile_table, profile_tagged, sort_files
from tfdomain.drafting.report import print_columns, print_profile
from tfdomain.drafting.roles import TASKS, Roles, check_task, choose_roles, guess_label, guess_task, guess_texts
from tfdomain.drafting.settings import choose_settings, one_or_many, rarer_label
from tfdomain.errors import InputError
from tfdomain.files import whole_file

__all__ = ["draft_experiment"]

FEATURE_KINDS = ("number", "category", "date", "flag")
AS_ASKED = "as asked for"


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
    name = _name_after(parts["train"][0])
    if output is None and not asks:
        output = Path(f"{name}.yaml")
    # What is wrong with the answers should not cost the reading of the files.
    if output is not None:
        _check_output(output, overwrite, asks)
    if encoder is not None:
        num_positions(encoder)
    found = _look(parts, task, texts, labels, asks)
    profile = found.profile
    print_profile(profile, found.columns, found.num_others)
    chosen = _choose_encoder(profile, encoder, asks)
    if asks and positive is None and rarer_label(profile) is not None:
        positive = _ask("Which label is looked for", rarer_label(profile), list(profile.labels))
    if output is None:
        output = Path(typer.prompt("File to write", default=f"{name}.yaml"))
        _check_output(output, overwrite, asks)
    settings = choose_settings(
        profile,
        name=name,
        files={part: [_written(file, output) for file in several] for part, several in parts.items()},
        columns=found.columns,
        encoder=chosen,
        num_positions=num_positions(chosen[0]),
        positive=positive,
    )
    head = (
        f"Drafted by `tfdomain init` from {parts['train'][0].name}, {profile.num_rows:,} rows. "
        "Every value may be changed: docs/experiment_file.md tells of all keys."
    )
    with whole_file(output) as file:
        file.write(experiment_text(settings, head=head))
    print(f"\nwritten {output}\ntrain   tfdomain train {output}")
    return output


class _Found(NamedTuple):
    """What stands in the files, the keys of `data` that name columns, and how many further columns could be read."""

    profile: Profile
    columns: dict[str, Any]
    num_others: int = 0


def _look(
    parts: dict[str, list[Path]],
    task: str | None,
    texts: Sequence[str] | None,
    labels: Sequence[str] | None,
    asks: bool,
) -> _Found:
    first = parts["train"][0]
    if task in (None, "tagging") and holds_tags(first):
        return _look_at_tags(parts, texts, labels, asked=task is not None)
    columns = read_columns(first)
    print_columns(columns, first)
    spans = [column.name for column in columns.columns if column.kind == "spans" and column.name in ENTITY_KEYS]
    if task == "tagging" or (task is None and spans and not labels):
        return _look_at_tags(parts, texts or guess_texts(columns, first, spans), labels or spans[:1], asked=True)
    if asks:
        task, texts, labels = _ask_roles(columns, first, task, texts, labels)
    roles = choose_roles(columns, first, task=task, texts=texts, labels=labels)
    keys: dict[str, Any] = {"column_names": columns.column_names} if columns.column_names else {}
    keys |= {"text": one_or_many(roles.texts), "label": one_or_many(roles.labels)}
    column = columns.named(roles.labels[0])
    if roles.task == "multilabel" and column is not None and column.delimiter not in (None, "|"):
        keys["delimiter"] = column.delimiter
    used = {*roles.texts, *roles.labels}
    others = [column for column in columns.columns if column.kind in FEATURE_KINDS and column.name not in used]
    return _Found(profile_table(parts, columns, roles), keys, len(others))


def _look_at_tags(
    parts: dict[str, list[Path]], texts: Sequence[str] | None, labels: Sequence[str] | None, *, asked: bool
) -> _Found:
    text, entities = texts[0] if texts else "text", labels[0] if labels else None
    try:
        profile = profile_tagged(parts, text=text, entities=entities)
    except InputError as error:
        if asked or ".json" not in parts["train"][0].suffixes:
            raise
        mend = "rows are read from JSON Lines (.jsonl), CSV, TSV and Parquet; of JSON only texts with entities are"
        raise InputError(error.problem, where=error.where, mend=mend) from None
    keys = {"text": text} if text != "text" else {}
    return _Found(profile, keys | ({"entities": entities} if entities is not None else {}))


def _choose_encoder(profile: Profile, encoder: str | None, asks: bool) -> tuple[str, str]:
    """The checkpoint and why it was chosen."""
    if encoder is not None:
        return encoder, AS_ASKED
    likely, why = choose_encoder(profile)
    answer = typer.prompt(f"{why}\nEncoder", default=likely) if asks else likely
    return (likely, why) if answer == likely else (answer, AS_ASKED)


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


def _check_output(output: Path, overwrite: bool, asks: bool) -> None:
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
