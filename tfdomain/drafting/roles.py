"""What the columns of a file are for: which hold the text, which the label, and so which task it is."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tfdomain.data.file_columns import Column, FileColumns
from tfdomain.data.names import near_names
from tfdomain.data.sources import unknown_column
from tfdomain.errors import InputError

__all__ = ["TASKS", "Roles", "check_task", "choose_roles", "guess_label", "guess_task", "guess_texts"]

TASKS = ("classification", "multilabel", "regression", "tagging")
"""The tasks that a draft is written for; pairs of texts are two text columns of the first three."""

OTHER_TASKS = {
    "embedding": "name the columns of pairs by hand",
    "multitask": "put the drafts of its tasks together",
    "span": "it names nothing but SQuAD's files",
}
MOST_CLASSES, MOST_NUMBERS = 1000, 20

_TEXT_NAMES = re.compile(
    r"(text|texts|sentence|content|comment|review|body|message|question|query|utterance|description|desc|document|"
    r"complaint|narrative|reason|tweet|post|input|文本|内容|正文|句子|评论|问题)([_ ]?(a|b|1|2))?",
    re.IGNORECASE,
)
_LABEL_NAMES = re.compile(
    r"(label|labels|category|categories|class|classes|target|targets|intent|sentiment|status|score|rating|stars|tag|"
    r"tags|topic|topics|genre|genres|y|outcome|标签|类别|分类|情感)",
    re.IGNORECASE,
)
_LABEL_PARTS = re.compile(r"(^|_)(label|category|class)(_|$)", re.IGNORECASE)
_LABEL_HINTS = re.compile(r"^is_|(^|_)(status|score|target|outcome)(_|$)", re.IGNORECASE)
_SIDES = re.compile(r"(.*?)[_ ]?(a|b|1|2)", re.IGNORECASE)
_PAIR_NAMES = (
    {"premise", "hypothesis"},
    {"first", "second"},
    {"query", "passage"},
    {"query", "document"},
    {"anchor", "positive"},
    {"text", "text_pair"},
)


class Roles(NamedTuple):
    """What columns are for.

    Attributes:
        task: One of `TASKS` but tagging.
        texts: The text column, or the two of a pair.
        labels: The label column; or several, of flags or of numbers.
    """

    task: str
    texts: list[str]
    labels: list[str]


def choose_roles(
    columns: FileColumns,
    file: Path,
    *,
    task: str | None = None,
    texts: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
) -> Roles:
    """What was asked for, and the likeliest where nothing was.

    Args:
        columns: What the file has.
        file: Where they are from, for messages.
        task: As asked for.
        texts: The text columns, likewise.
        labels: The label columns, likewise.

    Raises:
        InputError: A column is not there, nothing looks like a text or a label, or the task does not fit them.
    """
    check_task(task)
    for name in (*(texts or ()), *(labels or ())):
        if columns.named(name) is None:
            raise unknown_column(name, [column.name for column in columns.columns], file)
    texts = list(texts or guess_texts(columns, file, labels or ()))
    labels = list(labels or [guess_label(columns, file, texts)])
    if set(texts) & set(labels):
        raise InputError(f"{labels[0]!r} is a text column too", where="--label", mend="name the column of labels")
    if len(texts) > 2:
        raise InputError(f"names {len(texts)} columns", where="--text", mend="name one, or two for pairs")
    if task == "classification" and len(labels) > 1:
        mend = "name one; --task multilabel takes several columns of 0 and 1"
        raise InputError(f"names {len(labels)} columns for one label a row", where="--label", mend=mend)
    return Roles(task or guess_task(columns, labels), texts, labels)


def check_task(task: str | None) -> None:
    """Refuses a task that no draft is written for.

    Raises:
        InputError: Nothing is drafted for it, or it is none.
    """
    if task in OTHER_TASKS:
        problem = f"no file is drafted for {task}: {OTHER_TASKS[task]}"
        raise InputError(problem, where="--task", mend=f"docs/{task}.md has an example to begin with")
    if task is not None and task not in TASKS:
        near = near_names(task, TASKS, count=1)
        mend = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(TASKS)}"
        raise InputError(f"there is no task {task!r}", where="--task", mend=mend)


def guess_task(columns: FileColumns, labels: Sequence[str]) -> str:
    """The task that label columns are of, by what stands in them."""
    kinds = [column for column in map(columns.named, labels) if column is not None]
    if len(kinds) > 1:
        return "multilabel" if all(column.kind == "flag" for column in kinds) else "regression"
    [column] = kinds
    if column.kind == "labels":
        return "multilabel"
    is_measure = column.kind == "number" and (not column.whole or column.num_distinct > MOST_NUMBERS)
    return "regression" if is_measure else "classification"


def guess_texts(columns: FileColumns, file: Path, labels: Sequence[str]) -> list[str]:
    """The text column, or the two of a pair, among those that are no labels.

    Raises:
        InputError: None looks like a text.
    """
    found = [column for column in columns.columns if column.kind == "text" and column.name not in labels]
    if not found:
        # A file of short queries, say: what is named as a text is one, whatever it looks like.
        found = [column for column in columns.columns if _TEXT_NAMES.fullmatch(column.name) and column.kind != "empty"]
        found = [column for column in found if column.name not in labels]
    if not found:
        raise _nothing_like("a text", columns, file, mend="name its column with --text")
    for one, other in pairwise(found):
        if _is_pair(one, other, columns.column_names is not None):
            return [one.name, other.name]
    named = [column for column in found if _TEXT_NAMES.fullmatch(column.name)]
    # Of several texts the one that says most.
    return [max(named or found, key=lambda column: column.tokens * column.filled).name]


def _is_pair(one: Column, other: Column, is_unnamed: bool) -> bool:
    is_alike = max(one.tokens, other.tokens) < 3 * min(one.tokens, other.tokens)
    if is_unnamed:
        return is_alike
    if {one.name.lower(), other.name.lower()} in _PAIR_NAMES:
        return True
    sides = [_SIDES.fullmatch(name) for name in (one.name, other.name)]
    return bool(sides[0] and sides[1] and sides[0][1].lower() == sides[1][1].lower() and one.name != other.name)


def guess_label(columns: FileColumns, file: Path, texts: Sequence[str]) -> str:
    """The label column, among those that are no texts.

    Raises:
        InputError: None looks like a label.
    """
    usable = {"category", "flag", "number", "labels"}
    found = [column for column in columns.columns if column.kind in usable and column.name not in texts]
    found = [column for column in found if column.num_distinct > 1 and column.filled > 0.1]
    found = [column for column in found if column.kind != "category" or column.num_distinct <= MOST_CLASSES]
    if not found:
        mend = "name its column with --label; without labels there is only `tfdomain pretrain`"
        raise _nothing_like("a label", columns, file, mend=mend)
    places = {column.name: place for place, column in enumerate(columns.columns)}
    # The name tells most; then, a label is mostly the last column, and a few classes are likelier than many values.
    return max(found, key=lambda column: (_label_score(column), places[column.name])).name


def _label_score(column: Column) -> int:
    patterns = (_LABEL_HINTS.search, _LABEL_PARTS.search, _LABEL_NAMES.fullmatch)
    named = max((place for place, matches in enumerate(patterns, 1) if matches(column.name)), default=0)
    return 2 * named + (column.kind != "number")


def _nothing_like(what: str, columns: FileColumns, file: Path, *, mend: str) -> InputError:
    names = [column.name for column in columns.columns]
    marks = [mark for mark in (";", "|", "\t", ",") if len(names) == 1 and mark in names[0]]
    if marks:
        mend = f"its fields seem to end at {marks[0]!r}: save them with commas (.csv) or tabs (.tsv)"
    shown = ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "")
    return InputError(f"no column looks like {what}: {shown}", where=str(file), mend=mend)
