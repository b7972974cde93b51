"""The rows of an experiment: read, split, and with their labels as numbers."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tfdomain.config import Experiment
from tfdomain.data.labels import alike, label_ids, label_names
from tfdomain.data.paths import find_files
from tfdomain.data.rows import Rows, read_rows
from tfdomain.data.splits import split_rows
from tfdomain.errors import InputError

SHOWN_FAULTS = 5

__all__ = ["ExperimentData", "Part", "read_experiment_data"]


@dataclasses.dataclass(frozen=True)
class Part:
    """Some of the rows that were read, with their labels; the rows themselves stay on the disk.

    Attributes:
        inputs: What a model's `fit` and `predict` take: Arrow strings `[n]`, or two such columns.
        labels: int32 `[n]`, places in the experiment's label names.
        rows: int64 `[m]`, ascending: the rows that belong to the part; None: all.
    """

    inputs: Any
    labels: np.ndarray
    rows: np.ndarray | None = None

    @property
    def own_labels(self) -> np.ndarray:
        """The labels of the part's own rows, int32 `[m]`."""
        return self.labels if self.rows is None else self.labels[self.rows]


@dataclasses.dataclass(frozen=True)
class ExperimentData:
    """The three parts of an experiment's data; validation and test may be missing.

    Attributes:
        label_names: The labels of the training file, sorted.
        train: What is trained on.
        validation: What is measured after each epoch.
        test: What is measured at the end.
        file_hashes: The SHA-256 of each file.
        fingerprint: Equal for equal rows.
        skipped: How many rows were left out and where the first ones stand; None where none was.
    """

    label_names: list[str]
    train: Part
    validation: Part | None
    test: Part | None
    file_hashes: dict[str, str]
    fingerprint: str
    skipped: str | None


def read_experiment_data(experiment: Experiment, folder: Path, cache_dir: Path | None = None) -> ExperimentData:
    """Reads what the experiment names.

    Args:
        experiment: Names the files and columns.
        folder: Where its relative paths start.
        cache_dir: The folder of the row cache; None: the user's.

    Raises:
        InputError: A file, column, row or label is wrong.
    """
    data = experiment.data

    def rows_of(files, *, for_training: bool = False) -> Rows:
        return read_rows(
            find_files(files, relative_to=folder),
            texts=data.text_columns,
            label=data.label,
            on_bad_row=data.on_bad_row,
            # Nothing is learned from an empty text; but whoever serves will be sent some.
            require_text=for_training,
            cache_dir=cache_dir,
        )

    train = rows_of(data.train, for_training=True)
    names = label_names(train.labels)
    if len(names) < 2:
        raise InputError(
            f"every row has the label {names[0]!r}", where=f"data.label {data.label}", mend="give rows of two labels"
        )
    for one, other in alike(names):
        print(f"the labels {one!r} and {other!r} differ by case or blanks alone, and count as two", flush=True)
    everything = [train]
    train_part, validation, test = _part(train, names, skip_unseen=False), None, None
    if isinstance(data.validation, float):
        kept, held_out = split_rows(
            train.labels, share=data.validation, num_rows=train.num_rows, seed=experiment.training.seed
        )
        train_part, validation = (dataclasses.replace(train_part, rows=rows) for rows in (kept, held_out))
    elif data.validation is not None:
        everything.append(rows_of(data.validation))
        validation = _part(everything[-1], names, skip_unseen=data.on_bad_row == "skip")
    if data.test is not None:
        everything.append(rows_of(data.test))
        test = _part(everything[-1], names, skip_unseen=data.on_bad_row == "skip")
    hashes = [
        (str(path), digest) for rows in everything for path, digest in zip(rows.files, rows.file_hashes, strict=True)
    ]
    return ExperimentData(
        label_names=names,
        train=train_part,
        validation=validation,
        test=test,
        file_hashes=dict(hashes),
        fingerprint="-".join(rows.fingerprint[:16] for rows in everything),
        skipped=_describe_skipped(everything, [validation, test]),
    )


def _part(rows: Rows, names: list[str], *, skip_unseen: bool) -> Part:
    inputs = rows.texts[0] if len(rows.texts) == 1 else tuple(rows.texts)
    labels = label_ids(
        rows.labels,
        names,
        where=rows.where,
        unseen="skip" if skip_unseen else "refuse",
        skip_mend="set `data.on_bad_row: skip`",
    )
    known = labels >= 0
    return Part(inputs, labels, None if known.all() else np.flatnonzero(known))


def _describe_skipped(everything: list[Rows], parts: list[Part | None]) -> str | None:
    faults = [
        f"{rows.files[fault.file]}: line {fault.line}: {fault.problem}" for rows in everything for fault in rows.skipped
    ]
    count = sum(rows.num_skipped for rows in everything)
    unseen = sum(int((part.labels < 0).sum()) for part in parts if part is not None)
    lines = []
    if count:
        lines.append(f"skipped {count} {'row' if count == 1 else 'rows'} with faults:")
        lines += faults[:SHOWN_FAULTS] + ([f"and {count - SHOWN_FAULTS} more"] if count > SHOWN_FAULTS else [])
    if unseen:
        lines.append(f"skipped {unseen} {'row' if unseen == 1 else 'rows'} with labels never seen in training")
    return "\n  ".join(lines) or None
