"""The files that a person names: which to train on, in which form they are, and what stands in them."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tfdomain.data.conll import read_conll
from tfdomain.data.file_columns import FileColumns
from tfdomain.data.progress import bar
from tfdomain.data.rows import Rows, read_rows
from tfdomain.data.tag_schemes import is_tag
from tfdomain.data.tagging import read_tagged
from tfdomain.drafting.profile import Profile, profile_rows, texts_profile
from tfdomain.drafting.roles import Roles
from tfdomain.errors import InputError

__all__ = ["holds_tags", "plain_stem", "profile_table", "profile_tagged", "sort_files"]

Parts = Mapping[str, Sequence[Path]]

_HELD_OUT = {
    "test": re.compile(r"(^|[^a-z])test([^a-z]|$)", re.IGNORECASE),
    "validation": re.compile(r"(^|[^a-z])(dev|devel|development|val|valid|validation)([^a-z]|$)", re.IGNORECASE),
}
_SAMPLED_SENTENCES = 50
_UNSEEN_KEPT = 20


def plain_stem(file: Path) -> str:
    """A file's name without its endings."""
    return file.name.removesuffix(".gz").rsplit(".", 1)[0]


def sort_files(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Which files are `train`, `validation` and `test`, by the words in their names; train alone if none is.

    Example:
        >>> sort_files([Path("a-train.csv"), Path("a-dev.csv")])
        {'train': [PosixPath('a-train.csv')], 'validation': [PosixPath('a-dev.csv')]}
    """
    parts: dict[str, list[Path]] = {}
    for file in files:
        found = [name for name, pattern in _HELD_OUT.items() if pattern.search(plain_stem(file))]
        parts.setdefault(found[0] if found else "train", []).append(file)
    return parts if "train" in parts else {"train": list(files)}


def holds_tags(file: Path) -> bool:
    """Whether a file holds words with tags, or is JSON, which only tagging has."""
    endings = [ending.lower() for ending in file.suffixes]
    zipped = endings[-1:] == [".gz"]
    ending = (endings[:-1] if zipped else endings)[-1:]
    if ending in ([".conll"], [".bio"], [".json"]):
        return True
    if ending not in ([".tsv"], [".txt"]):
        return False
    try:
        sentences = list(
            islice(read_conll(file, zipped=zipped, report=lambda problem, lines: None), _SAMPLED_SENTENCES)
        )
    except InputError:
        return False
    tags = [tag for sentence in sentences for tag in sentence.tags]
    return len(tags) > len(sentences) and sum(map(is_tag, tags)) > 0.9 * len(tags)


def profile_table(parts: Parts, columns: FileColumns, roles: Roles) -> Profile:
    """Reads files of rows.

    Args:
        parts: As `sort_files` gives them.
        columns: Of the first file to train on.
        roles: What its columns are for.

    Raises:
        InputError: A file cannot be read, or no row is left.
    """
    first = columns.named(roles.labels[0])
    delimiter = (first.delimiter if first else None) or "|"
    rows = {name: _read(files, columns, roles) for name, files in parts.items()}
    how: dict[str, Any] = {"labels": roles.labels, "delimiter": delimiter}
    with bar("looking", total=len(rows["train"])) as advance:
        profile = profile_rows(rows["train"], roles.task, **how, advance=advance)
    others = {name: profile_rows(held_out, roles.task, **how) for name, held_out in rows.items() if name != "train"}
    return _with_held_out(profile, others)


def profile_tagged(parts: Parts, *, text: str, entities: str | None) -> Profile:
    """Reads CoNLL columns, span JSON, or tables with spans; as in training, all is held in memory.

    Args:
        parts: As `sort_files` gives them.
        text: Of files with spans, the key or column of the text.
        entities: Likewise of the entities; None: the first of those that are usual.

    Raises:
        InputError: A file cannot be read, or no text is left.
    """
    profiles = {name: _profile_tags(files, text, entities) for name, files in parts.items()}
    if not profiles["train"].labels:
        where = ", ".join(str(file) for file in parts["train"][:3])
        raise InputError("there is no entity in them", where=where, mend="give texts with entities")
    return _with_held_out(profiles.pop("train"), profiles)


def _read(files: Sequence[Path], columns: FileColumns, roles: Roles) -> Rows:
    is_single = roles.task == "classification"
    return read_rows(
        files,
        texts=roles.texts,
        label=roles.labels[0] if is_single else None,
        extra=[] if is_single else roles.labels,
        column_names=columns.column_names,
        on_bad_row="skip",
        require_text=False,
    )


def _profile_tags(files: Sequence[Path], text: str, entities: str | None) -> Profile:
    rows = read_tagged(
        files, text=text, entities=entities, on_bad_row="skip", on_illegal_tags="repair", on_overlap="longest"
    )
    counts = Counter(entity.label for found in rows.entities for entity in found)
    faults = Counter(fault.problem for fault in rows.skipped)
    if rows.num_skipped > len(rows.skipped):
        faults["more faults"] = rows.num_skipped - len(rows.skipped)
    return dataclasses.replace(
        texts_profile([rows.texts], task="tagging"),
        faults=dict(faults.most_common()),
        labels=dict(counts.most_common()),
        num_unlabelled=sum(not found for found in rows.entities),
        scheme=rows.scheme,
        num_repaired=rows.num_repaired,
        num_overlaps=rows.num_dropped,
    )


def _with_held_out(profile: Profile, others: Mapping[str, Profile]) -> Profile:
    """A profile of training files that tells of the others what decides how they are read."""
    faults = Counter(profile.faults)
    for name, other in others.items():
        faults.update({f"{problem} ({name})": count for problem, count in other.faults.items()})
    unseen = {label: None for other in others.values() for label in other.labels if label not in profile.labels}
    return dataclasses.replace(
        profile,
        faults=dict(faults),
        held_out={name: other.num_rows for name, other in others.items()},
        unseen=tuple(unseen)[:_UNSEEN_KEPT],
        num_repaired=profile.num_repaired + sum(other.num_repaired for other in others.values()),
        num_overlaps=profile.num_overlaps + sum(other.num_overlaps for other in others.values()),
    )
