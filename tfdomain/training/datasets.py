"""The examples of an experiment: read, split, and with their labels as a model takes them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfdomain.config import Experiment
from tfdomain.data.examples import Encoded, Examples, Reading
from tfdomain.data.held_out import Cut, cut_examples
from tfdomain.data.paths import find_files
from tfdomain.data.readers import read_examples
from tfdomain.errors import within

SHOWN_FAULTS = 5

__all__ = ["ExperimentData", "Part", "read_beside", "read_experiment_data"]


@dataclasses.dataclass(frozen=True)
class Part:
    """Some of the examples that were read, with their labels; the rows themselves stay on the disk.

    Attributes:
        inputs: What a model's `fit` and `predict` take.
        labels: What a model's `encode_labels` gives, `[n, ...]`; None where a task learns from texts alone.
        truth: What a model's `truth` gives, a sequence `[n]`.
        rows: int64 `[m]`, ascending: the rows that belong to the part; None: all.
    """

    inputs: Any
    labels: np.ndarray | None
    truth: Any
    rows: np.ndarray | None = None

    @property
    def own_truth(self) -> Any:
        """The truth of the part's own rows, a sequence `[m]`."""
        if self.rows is None:
            return self.truth
        return self.truth[self.rows] if isinstance(self.truth, np.ndarray) else [self.truth[row] for row in self.rows]

    @property
    def num_rows(self) -> Any:
        """How many rows are the part's own."""
        return len(self.truth if self.rows is None else self.rows)


@dataclasses.dataclass(frozen=True)
class ExperimentData:
    """The three parts of an experiment's data; validation and test may be missing.

    Attributes:
        head: What the model's constructor has to know of the training examples, such as `labels`.
        train: What is trained on.
        validation: What is measured after each epoch.
        test: What is measured at the end.
        file_hashes: The SHA-256 of each file.
        fingerprint: Equal for equal rows.
        remarks: What a person should be told, a line each; what was left out is told here.
    """

    head: dict[str, Any]
    train: Part
    validation: Part | None
    test: Part | None
    file_hashes: dict[str, str]
    fingerprint: str
    remarks: list[str]


def read_experiment_data(experiment: Experiment, folder: Path, cache_dir: Path | None = None) -> ExperimentData:
    """Reads what the experiment names; with a fold, the rows of it are the test.

    Args:
        experiment: Names the files and columns.
        folder: Where its relative paths start.
        cache_dir: The folder of the row cache; None: the user's.

    Raises:
        InputError: A file, column, row or label is wrong.
    """
    return read_beside({"": experiment}, folder, cache_dir)[""]


def read_beside(
    experiments: Mapping[str, Experiment], folder: Path, cache_dir: Path | None = None
) -> dict[str, ExperimentData]:
    """Reads what the experiments of several tasks name, each as if it were alone but for equal folds, cut together.

    Args:
        experiments: That of each task, by the place that errors name: `tasks.intent`; an empty one for a task alone.
        folder: Where their relative paths start.
        cache_dir: The folder of the row cache; None: the user's.

    Raises:
        InputError: A file, column, row or label of a task is wrong.
    """
    files = {place: _Files(one, folder, cache_dir) for place, one in experiments.items()}
    train: dict[str, Examples] = {}
    for place, one in files.items():
        with within(place):
            train[place] = one.train()
    cuts = cut_examples(train, {place: one.data.fold for place, one in experiments.items()})
    read: dict[str, ExperimentData] = {}
    for place, one in files.items():
        with within(place):
            read[place] = one.parts(train[place], cuts[place])
    return read


@dataclasses.dataclass(frozen=True)
class _Files:
    """The files of one task; the arguments of `read_experiment_data`."""

    experiment: Experiment
    folder: Path
    cache_dir: Path | None

    @property
    def reading(self) -> Reading:
        return Reading(on_bad_row=self.experiment.data.on_bad_row, for_training=True, cache_dir=self.cache_dir)

    def train(self) -> Examples:
        return self._examples(self.experiment.data.train, self.reading)

    def parts(self, train: Examples, cut: Cut) -> ExperimentData:
        """All parts, of the training examples and of how they are cut."""
        data, reading = self.experiment.data, self.reading
        head = train.learn(None if cut.test is None else cut.train)
        parts: dict[str, tuple[Examples, Part]] = {"train": (train, _part(train, head, reading))}
        halves = None
        if isinstance(data.validation, float):
            halves = cut.share(data.validation, self.experiment.training.seed)
        held_out_reading = dataclasses.replace(reading, for_training=False, like=train)
        for name, files in {"validation": None if halves else data.validation, "test": data.test}.items():
            if files is not None:
                examples = self._examples(files, held_out_reading)
                parts[name] = examples, _part(examples, head, held_out_reading)
        everything = [examples for examples, _ in parts.values()]
        own = {name: part for name, (_, part) in parts.items()}
        whole = own["train"]
        if cut.test is not None:
            own["train"], own["test"] = _limited(whole, cut.train), _limited(whole, cut.test)
        if halves is not None:
            own["train"], own["validation"] = (_limited(whole, rows) for rows in halves)
        hashes = {
            str(path): digest for one in everything for path, digest in zip(one.files, one.file_hashes, strict=True)
        }
        return ExperimentData(
            head=head,
            train=own["train"],
            validation=own.get("validation"),
            test=own.get("test"),
            file_hashes=hashes,
            fingerprint="-".join(examples.fingerprint[:16] for examples in everything),
            remarks=_remarks(everything, [part for _, part in parts.values()]),
        )

    def _examples(self, files: Any, reading: Reading) -> Examples:
        paths = find_files(files, relative_to=self.folder)
        return read_examples(self.experiment.task, paths, self.experiment.data, reading)


def _part(examples: Examples, head: dict[str, Any], reading: Reading) -> Part:
    encoded: Encoded = examples.encode(head, reading)
    return Part(examples.inputs, encoded.labels, encoded.truth, encoded.rows)


def _limited(part: Part, rows: np.ndarray) -> Part:
    kept = rows if part.rows is None else np.intersect1d(part.rows, rows)
    return dataclasses.replace(part, rows=kept)


def _remarks(everything: Sequence[Examples], parts: Sequence[Part]) -> list[str]:
    remarks = [line for examples in everything for line in examples.remarks()]
    faults = [
        f"{examples.files[fault.file]}: line {fault.line}: {fault.problem}"
        for examples in everything
        for fault in examples.skipped
    ]
    count = sum(examples.num_skipped for examples in everything)
    if count:
        remarks.append(f"skipped {count} {'row' if count == 1 else 'rows'} with faults:")
        remarks += [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
        remarks += [f"  and {count - SHOWN_FAULTS} more"] if count > SHOWN_FAULTS else []
    unseen = sum(len(part.truth) - len(part.rows) for part in parts if part.rows is not None)
    if unseen:
        kinds = "missing, malformed, or were never seen in training"
        remarks.append(f"skipped {unseen} {'row' if unseen == 1 else 'rows'} with labels that are {kinds}")
    return remarks
