"""Examples that were read from files: what the readers of all forms of files hand on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfdomain.data.faults import Fault

__all__ = ["FileExamples"]


class FileExamples:
    """Examples on top of what was read, which knows its files and its faults.

    Args:
        rows: `tfdomain.data.rows.Rows`, or something with the same attributes.
    """

    def __init__(self, rows: Any):
        self.rows = rows

    def __len__(self) -> int:
        return self.rows.num_rows

    @property
    def files(self) -> Sequence[Path]:
        """The files, in order."""
        return self.rows.files

    @property
    def file_hashes(self) -> Sequence[str]:
        """The SHA-256 of each file."""
        return self.rows.file_hashes

    @property
    def fingerprint(self) -> str:
        """Equal for equal examples."""
        return self.rows.fingerprint

    @property
    def skipped(self) -> Sequence[Fault]:
        """The first rows that were left out."""
        return self.rows.skipped

    @property
    def num_skipped(self) -> int:
        """How many rows were left out."""
        return self.rows.num_skipped

    def where(self, row: int) -> str:
        """A row's place, for messages."""
        return self.rows.where(row)

    def remarks(self) -> list[str]:
        """Nothing, unless a task has something to tell."""
        return []

    def strata(self) -> Any | None:
        """No label to stratify by, unless a task has one."""
        return None
