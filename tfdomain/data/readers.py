"""Which reader takes the files of which task."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfdomain.config import DataFiles
from tfdomain.data.answers import QuestionRows
from tfdomain.data.examples import Examples, Reading
from tfdomain.data.label_set_rows import read_label_sets
from tfdomain.data.labelled_rows import LabelledRows
from tfdomain.data.paired_rows import PairedRows
from tfdomain.data.tagged_examples import TaggedExamples
from tfdomain.data.target_rows import TargetRows
from tfdomain.errors import InputError

__all__ = ["READERS", "read_examples"]

READERS: dict[str, Callable[[Sequence[Path], Any, Reading], Examples]] = {
    "classification": LabelledRows.read,
    "embedding": PairedRows.read,
    "multilabel": read_label_sets,
    "regression": TargetRows.read,
    "span": QuestionRows.read,
    "tagging": TaggedExamples.read,
}
"""Reads the labelled examples of each task: its files, the `data` section of an experiment, and how."""


def read_examples(task: str, files: Sequence[Path], data: DataFiles, reading: Reading) -> Examples:
    """Reads the labelled examples of a task.

    Args:
        task: One of `READERS`.
        files: As `paths.find_files` gives them.
        data: The `data` section of an experiment of that task; the files it names are not looked at.
        reading: How.

    Raises:
        InputError: The task is unknown, or a file, a column or a row is wrong.
    """
    if task not in READERS:
        raise InputError(f"task is {task!r}", mend=f"choose one of {', '.join(READERS)}")
    return READERS[task](files, data, reading)
