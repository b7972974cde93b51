"""Rows of tables with one or two texts: what the tasks on such rows share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tfdomain.data.examples import Reading
from tfdomain.data.faults import Fault
from tfdomain.data.rows import Rows, read_rows

__all__ = ["TextRows"]


class TextRows:
    """Rows with one or two texts; a task adds what their labels are.

    Args:
        rows: What was read.
        data: The experiment's `data` section.
    """

    def __init__(self, rows: Rows, data: Any):
        self.rows, self.data = rows, data

    @classmethod
    def read(cls, files: Sequence[Path], data: Any, reading: Reading) -> Self:
        """Reads CSV, TSV, JSON Lines or Parquet files; `tfdomain.data.readers` tells of the arguments."""
        rows = read_rows(
            files,
            texts=data.text_columns,
            **cls.columns(data),
            column_names=data.column_names,
            on_bad_row=reading.on_bad_row,
            skip_mend=reading.skip_mend,
            require_text=reading.for_training,
            cache_dir=reading.cache_dir,
        )
        return cls(rows, data)

    @staticmethod
    def columns(data: Any) -> dict[str, Any]:
        """The columns beside the texts, as `read_rows` takes them: `label`, `extra`."""
        return {}

    def __len__(self) -> int:
        return self.rows.num_rows

    @property
    def inputs(self) -> Any:
        """The texts: an Arrow column, or a tuple of two."""
        return self.rows.texts[0] if len(self.rows.texts) == 1 else tuple(self.rows.texts)

    @property
    def files(self) -> list[Path]:
        """The files, in order."""
        return self.rows.files

    @property
    def file_hashes(self) -> list[str]:
        """The SHA-256 of each file."""
        return self.rows.file_hashes

    @property
    def fingerprint(self) -> str:
        """Equal for equal rows."""
        return self.rows.fingerprint

    @property
    def skipped(self) -> list[Fault]:
        """The first rows that were left out."""
        return self.rows.skipped

    @property
    def num_skipped(self) -> int:
        """How many rows were left out."""
        return self.rows.num_skipped

    def where(self, row: int) -> str:
        """A row's place, for messages."""
        return self.rows.where(row)

    def learn(self) -> dict[str, Any]:
        """Whether the rows hold pairs of texts."""
        return {"pairs": len(self.rows.texts) == 2}

    def remarks(self) -> list[str]:
        """Nothing, unless a task has something to tell."""
        return []

    def strata(self) -> Any | None:
        """No label to stratify by, unless a task has one."""
        return None
